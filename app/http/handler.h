/* The interface between an event loop and the program that uses it. */
#ifndef HANDLER_H
#define HANDLER_H

#include "http/request.h"
#include "http/stream.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    RESPONSE_MAX = 32768, /* bytes of a response, or of one piece of a long one */
    DEFERRED_MAX = 512,   /* deferred requests between two commits */
};

/* A response under construction. */
struct response {
    bool keep_alive;       /* in: may the connection stay open? out: cleared to close it */
    bool head_only;        /* in: omit the body */
    bool http_1_0;         /* in: the client uses HTTP/1.0 */
    char *data;            /* in: RESPONSE_MAX bytes. out: where the response starts */
    size_t length;         /* out */
    struct stream *stream; /* out: produces the rest of the body; or NULL */
};

/* All functions are called on the loop's thread, with the handler's CONTEXT. */
struct handler {
    void *context;
    /* Either fills in RESPONSE and returns -1, or defers REQUEST and returns a tag >= 0. After the
     * commit respond() is called with that tag. At most DEFERRED_MAX requests are deferred between
     * two commits. */
    int (*request)(void *context, const struct request *request, struct response *response);
    /* Fills in RESPONSE with STATUS: the received bytes are not a valid request, or came too late.
     */
    void (*refuse)(void *context, int status, struct response *response);
    /* Commits all requests that were deferred since the last commit. */
    void (*commit)(void *context);
    /* Fills in RESPONSE to the deferred request with TAG. */
    void (*respond)(void *context, int tag, struct response *response);
};

#endif
