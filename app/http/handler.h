/* What an event loop asks of the program that uses it, and what both put responses into. */
#ifndef HANDLER_H
#define HANDLER_H

#include "http/request.h"
#include "http/stream.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    RESPONSE_MAX = 32768, /* bytes of a response, or of one piece of a long one */
    DEFERRED_MAX = 512,   /* requests between two commits */
};

/* A response that is being made. `data` has room for RESPONSE_MAX bytes. */
struct response {
    bool keep_alive; /* in: what the response must announce. out: cleared to close after it */
    bool head_only;  /* in: leave out the body */
    bool http_1_0;   /* in */
    char *data;
    size_t length;         /* out */
    struct stream *stream; /* out: makes the rest of the body, or NULL */
};

/* All are called on the loop's thread; CONTEXT is the handler's. */
struct handler {
    void *context;
    /* Responds to REQUEST in REPLY and returns -1, or defers it and returns a tag >= 0, which
     * respond() is called with after the commit. At most DEFERRED_MAX are deferred between two
     * commits. */
    int (*request)(void *context, const struct request *request, struct response *response);
    /* Responds with STATUS to bytes that are no valid request. */
    void (*refuse)(void *context, int status, struct response *response);
    /* Decides about every request that was deferred since the last commit. */
    void (*commit)(void *context);
    void (*respond)(void *context, int tag, struct response *response);
};

#endif
