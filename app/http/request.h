/* Finds the end of a request and parses it. civetweb splits the head into parts, but accepts much
 * that RFC 9112 tells a server to refuse. Each such request could smuggle a second request past a
 * proxy or confuse the log, so it is refused here. Does no I/O, so it can be tested and fuzzed
 * alone. */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum {
    REQUEST_HEAD_MAX = 8192, /* bytes of request line and header fields */
    REQUEST_FIELDS_MAX = 63, /* header fields */
};

/* Scans the first LENGTH bytes of a request. Returns the length of its head with the empty line at
 * the end, and sets *RET_BODY_LENGTH to the number of bytes after it that belong to the request; 0
 * if the request is incomplete; or a negative status code that refuses it. Replaces tabs with
 * spaces, as RFC 9112 §5.2 and RFC 9110 §5.5 allow: civetweb's parser does not know tabs. */
int request_head_length(char *head, size_t length, int *ret_body_length);

/* Returns the number of bytes of empty lines before the request line (RFC 9112 §2.2). */
size_t request_skip_empty_lines(const char *head, size_t length);

/* Do these bytes contain more than empty lines, or half of one? */
bool request_has_begun(const char *head, size_t length);

struct request {
    bool head_only;   /* HEAD */
    bool http_1_0;    /* the client uses HTTP/1.0 */
    bool prefetch;    /* nobody has asked for it yet: a browser may, later */
    bool keep_alive;  /* the connection may be kept for another request (RFC 9112 §9.3) */
    const char *path; /* not decoded; without the query */
    size_t path_length;
    const char *query;  /* the text after the "?", or "" */
    const char *accept; /* the first Accept field, or NULL */
};

/* Parses a complete head of LENGTH bytes in place. Returns 0 with *RET_REQUEST, which points into
 * HEAD, or the status code that refuses it. */
int request_parse(char *head, size_t length, struct request *ret_request);

/* The quality of TYPE, such as "text/html", in an Accept field: 0 to 1000 (RFC 9110 §12.5.1).
 * Without a field, ACCEPT == NULL, every type has 1000. */
int request_quality(const char *accept, const char *type);

/* Finds the parameter NAME in a query string. Returns the length of its value and sets *RET_VALUE
 * to it, not decoded; or returns -1. */
int request_parameter(const char *query, const char *name, const char **ret_value);

#endif
