/* Parses an http URL (RFC 3986, RFC 9110 §4.2.1), the operand of `check`. */
#ifndef URL_H
#define URL_H

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

#endif
