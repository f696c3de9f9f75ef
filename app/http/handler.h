/* The interface between an event loop and the program that uses it. */
#ifndef HANDLER_H
#define HANDLER_H

#include "http/request.h"
#include "http/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RESPONSE_MAX = 32768, /* bytes of a response, or of one piece of a long one */
    BATCH_ROOM = 512,     /* requests in one batch */
};

/* A response under construction. */
struct response {
    bool keep_alive;       /* in: may the connection stay open? out: cleared to close it */
    bool head_only;        /* in: omit the body */
    bool http_1_0;         /* in: the client uses HTTP/1.0 */
    char *data;            /* in: RESPONSE_MAX bytes. out: where the response starts */
    size_t length;         /* out */
    struct stream *stream; /* out: produces the rest of the body; or NULL */
    int64_t tag;           /* out: of a deferred request. in: of the one to respond to */
    bool timed;            /* out: call sent() when all of it is sent; not for a stream */
};

/* All functions are called on the loop's thread, with the handler's CONTEXT. Deferred requests are
 * committed in batches: the loop adds those that wait, lets the batch be committed, and goes on
 * serving until it is. Then it responds to them, resets the batch, and adds those that have come
 * meanwhile. */
struct handler {
    void *context;
    /* Either fills in RESPONSE and returns true, or defers REQUEST, sets the tag and returns false.
     */
    bool (*request)(void *context, const struct request *request, struct response *response);
    /* Fills in RESPONSE with STATUS: the received bytes are not a valid request, or came too late.
     */
    void (*refuse)(void *context, int status, struct response *response);
    /* Adds the deferred request with TAG to the batch, or returns false: it has no room, or is
     * being committed. */
    bool (*add)(void *context, int64_t tag);
    /* Commits the batch, now or later: then event_loop_wake() wakes the loop. Until it begins, more
     * may be added. AWAITED: how many connections are expected to send a request at once. Returns
     * false if it took so long that another thread runs the loop by now. */
    bool (*commit)(void *context, unsigned awaited);
    bool (*is_committed)(void *context);
    /* Fills in RESPONSE to the request at INDEX in the committed batch. */
    void (*respond)(void *context, unsigned index, struct response *response);
    /* Begins the next batch. */
    void (*reset)(void *context);
    /* The kernel has taken the last byte of a timed response, DURATION_US microseconds after
     * epoll_wait(2) had reported the last byte of its request. */
    void (*sent)(void *context, uint32_t duration_us);
};

#endif
