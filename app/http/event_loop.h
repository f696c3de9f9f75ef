/* Serves HTTP/1.1 with one thread and epoll(7), in place of civetweb's thread per connection.
 * Several loops may share the listening sockets (loop_group.h).
 *
 * One iteration: read what every ready connection has sent; hand each whole request to the handler,
 * which responds at once or defers it; have the handler commit all that it deferred, together; send
 * those responses. So a batch is whatever became ready while the last commit ran.
 *
 * What always holds: no client can make the loop wait. A request that is not whole, a response that
 * the client does not read and an idle connection each have a time limit and cost no thread. At the
 * limit of connections the one idle longest is evicted. Only a client that has done nothing is
 * closed: before, the loop looks for what it did while the loop was busy. */
#ifndef EVENT_LOOP_H
#define EVENT_LOOP_H

#include "http/handler.h"
#include "http/loop_group.h"

struct event_loop;

/* Another loop of GROUP, which must outlive it. All loops of a group are made before the first of
 * them runs. Returns NULL with errno. */
struct event_loop *event_loop_new(struct loop_group *group, const struct handler *handler);

/* Serves until it has drained; the argument of a thread's start routine. */
void *event_loop_run(void *event_loop);

/* Graceful shutdown, from any thread: responses carry `Connection: close` and idle connections are
 * closed. The loop stops when no connection is left, or DRAIN_MS later, once all requests received
 * by then have their responses, as far as the limit of connections has room for them. Clients that
 * have had their last response have a moment to close first. */
void event_loop_drain(struct event_loop *loop, unsigned drain_ms);

/* After event_loop_run() of all loops of its group has returned. */
void event_loop_free(struct event_loop *loop);

#endif
