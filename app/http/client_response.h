/* The response to a GET, as RFC 9112 frames it, taken in pieces of any size. Pure: it can be tested
 * and fuzzed alone. */
#ifndef CLIENT_RESPONSE_H
#define CLIENT_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CLIENT_RESPONSE_HEAD_MAX = 65536, /* bytes of interim responses, the head and the trailer */
    CLIENT_RESPONSE_LINE_MAX = 8192,  /* bytes of one line, its end included */
    CLIENT_RESPONSE_KEPT_MAX = 512,   /* bytes of the body that are kept */
    CLIENT_RESPONSE_LOCATION_MAX = 255,
};

/* Before CLIENT_RESPONSE_COMPLETE more bytes are wanted. */
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

/* Zero it before its first use. */
struct client_response {
    enum client_response_state state;
    const char *fault; /* of CLIENT_RESPONSE_MALFORMED: what is to be read behind "the response" */
    int status;        /* once complete, 200 to 999: interim responses are passed over */
    uint64_t body_length; /* bytes of the body so far, without the framing of its chunks */
    size_t body_kept;     /* how many of them are kept: the first ones, as they came */
    char body[CLIENT_RESPONSE_KEPT_MAX];
    char location[CLIENT_RESPONSE_LOCATION_MAX + 1]; /* up to white space, cut to this; or "" */

    /* The parser's own. */
    uint64_t left; /* bytes of the body or of the chunk */
    size_t head_length, line_length;
    bool is_http_1_0, has_length, is_chunked, may_fold;
    char line[CLIENT_RESPONSE_LINE_MAX];
};

/* Takes the bytes that come next, up to the end of the response. Returns how many these are. */
size_t client_response_feed(struct client_response *response, const char *bytes, size_t length);

/* The server has closed the connection, which is the end of a body without a length and of nothing
 * else. Returns 0 if the response is complete, or -1. */
int client_response_end(struct client_response *response);

#endif
