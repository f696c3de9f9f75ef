/* Parses the response to a GET (RFC 9112) from pieces of any size. Does no I/O, so it can be tested
 * and fuzzed alone. */
#ifndef CLIENT_RESPONSE_H
#define CLIENT_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CLIENT_RESPONSE_HEAD_MAX = 65536, /* bytes of interim responses, head and trailer together */
    CLIENT_RESPONSE_LINE_MAX = 8192,  /* bytes of one line with its CR LF */
    CLIENT_RESPONSE_KEPT_MAX = 512,   /* bytes of the body that are kept */
    CLIENT_RESPONSE_LOCATION_MAX = 255,
    CLIENT_RESPONSE_POD_MAX = 64,
};

/* In the states before CLIENT_RESPONSE_COMPLETE more bytes are needed. */
enum client_response_state {
    CLIENT_RESPONSE_STATUS_LINE,
    CLIENT_RESPONSE_FIELDS,
    CLIENT_RESPONSE_BODY, /* of a known length */
    CLIENT_RESPONSE_BODY_UNTIL_CLOSE,
    CLIENT_RESPONSE_CHUNK_SIZE,
    CLIENT_RESPONSE_CHUNK,
    CLIENT_RESPONSE_CHUNK_END,
    CLIENT_RESPONSE_TRAILER,
    CLIENT_RESPONSE_COMPLETE,
    CLIENT_RESPONSE_MALFORMED,
};

/* Zero it before its first use; `take_body` may be set then. */
struct client_response {
    enum client_response_state state;
    const char *fault; /* in CLIENT_RESPONSE_MALFORMED: what follows "the response" in a message */
    int status;        /* once complete, 200 to 999: interim responses are skipped */
    uint64_t body_length; /* bytes of the body so far, without the framing of its chunks */
    size_t body_kept;     /* how many of these are kept: the first ones */
    char body[CLIENT_RESPONSE_KEPT_MAX];
    char location[CLIENT_RESPONSE_LOCATION_MAX + 1]; /* up to white space, truncated; or "" */
    char pod[CLIENT_RESPONSE_POD_MAX + 1];           /* X-Pod, likewise */
    bool closes; /* Connection: close, or HTTP/1.0: no other response follows */
    void (*take_body)(void *context, const char *bytes, size_t length); /* NULL: nobody */
    void *take_body_context;

    /* Private to the parser. */
    uint64_t left; /* bytes still to come of the body or the chunk */
    size_t head_length, line_length;
    bool is_http_1_0, has_length, is_chunked, may_fold;
    char line[CLIENT_RESPONSE_LINE_MAX];
};

/* Parses the next LENGTH bytes. Returns how many of them belong to the response. */
size_t client_response_feed(struct client_response *response, const char *bytes, size_t length);

/* To be called when the server has closed the connection. This ends a body without a length, and
 * nothing else (RFC 9112 §6.3). Returns 0 if the response is complete, or -1. */
int client_response_end(struct client_response *response);

#endif
