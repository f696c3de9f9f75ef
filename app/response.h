/* The response to a GET, as RFC 9112 frames it, taken in pieces of any size. Pure: it can be tested
 * and fuzzed alone. */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RESPONSE_HEAD_MAX = 65536, /* bytes of interim responses, the head and the trailer */
    RESPONSE_LINE_MAX = 8192,  /* bytes of one line, its end included */
    RESPONSE_KEPT_MAX = 512,   /* bytes of the body that are kept */
    RESPONSE_LOCATION_MAX = 255,
};

/* Before RESPONSE_COMPLETE more bytes are wanted. */
enum response_state {
    RESPONSE_STATUS_LINE,
    RESPONSE_FIELDS,
    RESPONSE_BODY, /* of a known length */
    RESPONSE_BODY_UNTIL_CLOSE,
    RESPONSE_CHUNK_SIZE,
    RESPONSE_CHUNK,
    RESPONSE_CHUNK_END,
    RESPONSE_TRAILER,
    RESPONSE_COMPLETE,
    RESPONSE_MALFORMED,
};

/* Zero it before its first use. */
struct response {
    enum response_state state;
    const char *fault;    /* of RESPONSE_MALFORMED: what is to be read behind "the response" */
    int status;           /* once complete, 200 to 999: interim responses are passed over */
    uint64_t body_length; /* bytes of the body so far, without the framing of its chunks */
    size_t body_kept;     /* how many of them are kept: the first ones, as they came */
    char body[RESPONSE_KEPT_MAX];
    char location[RESPONSE_LOCATION_MAX + 1]; /* up to white space, cut to this; or "" */

    /* The parser's own. */
    uint64_t left; /* bytes of the body or of the chunk */
    size_t head_length, line_length;
    bool is_http_1_0, has_length, is_chunked, may_fold;
    char line[RESPONSE_LINE_MAX];
};

/* Takes the bytes that come next, up to the end of the response. Returns how many these are. */
size_t response_feed(struct response *response, const char *bytes, size_t length);

/* The server has closed the connection, which is the end of a body without a length and of nothing
 * else. Returns 0 if the response is complete, or -1. */
int response_end(struct response *response);

#endif
