/* HTTP/1.1 on the connections of one loop (RFC 9112): bytes become requests, requests go to the
 * handler, responses go out. A connection has one request at a time, and its responses go out in
 * the order of its requests. */
#ifndef HTTP1_H
#define HTTP1_H

#include "http/connections.h"
#include "http/handler.h"

struct http1 {
    struct connections *connections;
    const struct handler *handler;
    unsigned deferred_count;
    struct connection *deferred[DEFERRED_MAX];
    char input[REQUEST_HEAD_MAX];
    char output[RESPONSE_MAX];
};

/* epoll(7) has reported EVENTS of CONNECTION. */
void http1_continue(struct http1 *http1, struct connection *connection, uint32_t events);

/* Takes the next pipelined request of each connection that is CONNECTION_READY. */
void http1_handle_ready(struct http1 *http1);

/* Has the handler commit all that it deferred, and sends the responses. */
void http1_commit(struct http1 *http1);

/* Ends what has expired: with 408 in the middle of a request, else by closing. */
void http1_close_expired(struct http1 *http1);

#endif
