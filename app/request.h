/* What a request must be before it is answered. civetweb's parser splits it into its parts and lets
 * through much that RFC 9112 has a server refuse, each a way to smuggle a second request past a
 * proxy or to confuse the log; that is refused here. Pure functions: they can be tested and fuzzed
 * alone. */
#ifndef REQUEST_H
#define REQUEST_H

#include <civetweb.h>

#include <stdbool.h>
#include <stddef.h>

enum {
    REQUEST_HEAD_MAX = 8192, /* bytes of request line and header fields */
    REQUEST_FIELDS_MAX = 63, /* header fields: civetweb reads no more than 64 */
};

/* Looks at the LENGTH bytes that have come so far. Returns the length of the head, its empty line
 * included, once it is whole; 0 while it is not; or minus the status that refuses it. Tabs in it
 * are made spaces (RFC 9112 §5.2 and RFC 9110 §5.5 let a recipient do so; civetweb's parser has
 * none). */
int request_scan(char *head, size_t length);

/* How many bytes of empty lines come before the request line (RFC 9112 §2.2). */
size_t request_skip_empty_lines(const char *head, size_t length);

/* Whether there is more in them than empty lines, or half of one. */
bool request_has_begun(const char *head, size_t length);

/* What the rest of the program wants to know of a request. */
struct request {
    bool head_only;   /* HEAD */
    bool http_1_0;    /* the client speaks HTTP/1.0 */
    bool keep_alive;  /* it allows another request on the connection (RFC 9112 §9.3) */
    const char *path; /* raw, never decoded; ends at the query */
    size_t path_length;
    const char *query;  /* what follows the "?", or "" */
    const char *accept; /* or NULL */
};

/* Judges what civetweb has parsed. Returns 0 with *RET_REQUEST filled in, pointing into INFO, or
 * the status that refuses it. */
int request_check(const struct mg_request_info *info, struct request *ret_request);

/* How much the client wants TYPE, such as "text/html": 0 to 1000 (RFC 9110 §12.5.1). */
int request_quality(const char *accept, const char *type);

/* The value of NAME in a query string, not decoded: returns its length and sets *RET_VALUE, or -1.
 */
int request_parameter(const char *query, const char *name, const char **ret_value);

#endif
