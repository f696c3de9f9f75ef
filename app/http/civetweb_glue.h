/* What this program takes from civetweb: its listening sockets and its request parser, in types of
 * our own. */
#ifndef CIVETWEB_GLUE_H
#define CIVETWEB_GLUE_H

#include <stddef.h>

enum { HEAD_FIELDS_MAX = 64 }; /* header fields that civetweb reads */

struct header_field {
    const char *name, *value;
};

/* The parts of a request's head: strings that lie in it. */
struct request_head {
    const char *method, *target, *version;
    unsigned fields_count;
    struct header_field fields[HEAD_FIELDS_MAX];
};

/* Splits the LENGTH bytes of a whole head into *RET_HEAD, in place. Returns 0, or the status that
 * refuses it. */
int civetweb_split_head(char *head, size_t length, struct request_head *ret_head);

/* Binds ADDRESS and listens, with room for BACKLOG connections that wait: PORT, ADDRESS:PORT,
 * [ADDRESS]:PORT, or +PORT for all addresses of IPv6 and IPv4. Returns how many sockets it put into
 * SOCKETS, or 0 with errno; errno 0: that is no address of this machine. */
unsigned civetweb_listen(const char *address, unsigned backlog, int *sockets, unsigned sockets_max);

#endif
