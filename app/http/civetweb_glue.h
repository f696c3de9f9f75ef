/* The parts of civetweb that this program uses: listening sockets and the request parser. The types
 * are our own. */
#ifndef CIVETWEB_GLUE_H
#define CIVETWEB_GLUE_H

#include <stddef.h>

enum { HEAD_FIELDS_MAX = 64 }; /* header fields that civetweb reads */

struct header_field {
    const char *name, *value;
};

/* The parts of a request's head: pointers to strings inside it. */
struct request_head {
    const char *method, *target, *version;
    unsigned fields_count;
    struct header_field fields[HEAD_FIELDS_MAX];
};

/* Splits the LENGTH bytes of a complete head in place. Returns 0 with *RET_HEAD, which points into
 * HEAD, or the status code that refuses it. */
int civetweb_split_head(char *head, size_t length, struct request_head *ret_head);

/* Binds ADDRESS and listens, with BACKLOG as in listen(2). ADDRESS is PORT, ADDRESS:PORT,
 * [ADDRESS]:PORT, or +PORT for all addresses of IPv6 and IPv4. Returns the number of SOCKETS filled
 * in, or 0 with errno; errno 0: ADDRESS is not an address of this machine. */
unsigned civetweb_listen(const char *address, unsigned backlog, int *sockets, unsigned sockets_max);

#endif
