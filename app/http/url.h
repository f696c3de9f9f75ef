/* Parses an http URL (RFC 3986, RFC 9110 §4.2.1), the operand of `check`. */
#ifndef URL_H
#define URL_H

#include "base/text.h"

enum { URL_HOST_MAX = 255, URL_TARGET_MAX = 2000 };

struct url {
    char host[URL_HOST_MAX + 1]; /* a name or an address, without brackets */
    char port[6];
    const char *target; /* path and query, inside the URL; may lack the leading "/" */
    int target_length;
};

/* Parses TEXT, which must outlive *RET_URL. Returns NULL, or what is wrong with TEXT and what to
 * give instead. */
const char *url_parse(const char *text, struct url *ret_url);

/* Appends HOST:PORT, as the field Host has it (RFC 9110 §7.2): an IPv6 address in brackets. */
void url_put_host(struct text *text, const struct url *url);

#endif
