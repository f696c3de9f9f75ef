/* HTTP/1.1 on the connections of one loop (RFC 9112): reads requests, passes them to the handler
 * and sends the responses. A connection has one request at a time, so its responses are sent in the
 * order of its requests. */
#ifndef HTTP1_H
#define HTTP1_H

#include "http/connections.h"
#include "http/handler.h"

struct http1 {
    struct connections *connections;
    const struct handler *handler;
    unsigned awaited; /* as the handler knows it; UINT_MAX: it does not */
    bool has_request; /* since the last http1_stream() */
    char input[REQUEST_HEAD_MAX];
    char output[RESPONSE_MAX];
};

/* Continues CONNECTION: epoll(7) has reported EVENTS. */
void http1_continue(struct http1 *http1, struct connection *connection, uint32_t events);

/* Handles the next pipelined request of each connection in CONNECTION_READY. */
void http1_handle_ready(struct http1 *http1);

/* Sends the responses to committed requests, and lets the handler commit those that were deferred
 * since. Returns false if another thread runs the loop by now. */
bool http1_commit(struct http1 *http1);

/* Continues long responses, each in its turn. However many there are, they get a small part of an
 * iteration in which requests have come. */
void http1_stream(struct http1 *http1);

/* Handles expired connections. In the middle of a request: responds with 408. From
 * CONNECTION_WRITING: changes the state to CONNECTION_SLOW. All others: aborts them. */
void http1_close_expired(struct http1 *http1);

#endif
