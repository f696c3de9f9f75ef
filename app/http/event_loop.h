/* Serves HTTP/1.1 with one thread and epoll(7), in place of civetweb's thread per connection.
 * Several loops may share the listening sockets (loop_group.h).
 *
 * One iteration:
 * - read the bytes that each ready connection has received;
 * - pass each complete request to the handler, which responds at once or defers it;
 * - send the responses to requests that have been committed;
 * - let the handler commit all requests that were deferred meanwhile (group commit).
 * The commit may end at once, or later: then the loop goes on, and event_loop_wake() wakes it.
 *
 * Invariants: no client can block the loop. An incomplete request, an unread response and an idle
 * connection each have a time limit and occupy no thread. At the limit of connections the one idle
 * longest is evicted; accept.c has the whole order. Before the loop closes an inactive connection,
 * it looks once more for bytes that arrived or were acknowledged meanwhile. */
#ifndef EVENT_LOOP_H
#define EVENT_LOOP_H

#include "http/handler.h"
#include "http/loop_group.h"

struct event_loop;

/* Creates another loop of GROUP. It closes a connection that has no request for IDLE_TIMEOUT_MS.
 * GROUP and HANDLER must outlive it. All loops of a group must be
 * created before the first one runs. Returns NULL with errno on failure. */
struct event_loop *event_loop_new(struct loop_group *group, const struct handler *handler,
                                  unsigned idle_timeout_ms);

/* Serves until the loop has drained. Returns false if the handler's commit() did, in the middle of
 * an iteration: then the caller must not use the loop any more, and another thread, which may have
 * begun already, goes on with it by the same call. */
bool event_loop_run(struct event_loop *loop);

/* Starts a graceful shutdown, from any thread: responses carry `Connection: close` and idle
 * connections are closed. The loop stops when no connection is left. Otherwise, when DRAIN_MS are
 * over, it still responds to the requests that have arrived, within the limit of connections, waits
 * up to half a second for clients to close, and stops. */
void event_loop_drain(struct event_loop *loop, unsigned drain_ms);

/* Makes the loop look whether its batch is committed, from any thread. */
void event_loop_wake(struct event_loop *loop);

/* To be called after event_loop_run() of all loops of the group has returned. */
void event_loop_free(struct event_loop *loop);

#endif
