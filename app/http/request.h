/* Finds the end of a request and parses it. civetweb splits its head into parts, and accepts much
 * that RFC 9112 tells a server to refuse; each is a way to smuggle a second request past a proxy or
 * to confuse the log, so it is refused here. Pure functions: they can be tested and fuzzed alone.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum {
    REQUEST_HEAD_MAX = 8192, /* bytes of request line and header fields */
    REQUEST_FIELDS_MAX = 63, /* header fields */
};

/* Looks at the first LENGTH bytes of a request. Returns the length of its head with the empty line
 * that ends it; 0 while that has not come; or minus the status that refuses it. Replaces tabs by
 * spaces (RFC 9112 §5.2 and RFC 9110 §5.5 allow it; civetweb's parser knows no tabs). */
int request_head_length(char *head, size_t length);

/* How many bytes of empty lines come before the request line (RFC 9112 §2.2). */
size_t request_skip_empty_lines(const char *head, size_t length);

/* Is there more in these bytes than empty lines, or half of one? */
bool request_has_begun(const char *head, size_t length);

struct request {
    bool head_only;   /* HEAD */
    bool http_1_0;    /* the client speaks HTTP/1.0 */
    bool keep_alive;  /* it allows another request on the connection (RFC 9112 §9.3) */
    const char *path; /* raw, never decoded; ends at the query */
    size_t path_length;
    const char *query;  /* what follows the "?", or "" */
    const char *accept; /* or NULL */
};

/* Parses a head of that length, in place. Returns 0 with *RET_REQUEST pointing into HEAD, or the
 * status that refuses it. */
int request_parse(char *head, size_t length, struct request *ret_request);

/* How much the client wants TYPE, such as "text/html": 0 to 1000 (RFC 9110 §12.5.1). */
int request_quality(const char *accept, const char *type);

/* The value of NAME in a query string, not decoded: returns its length and sets *RET_VALUE, or -1.
 */
int request_parameter(const char *query, const char *name, const char **ret_value);

#endif
