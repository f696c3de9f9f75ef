/* Serves HTTP/1.1 with one thread and epoll(7), in place of civetweb's thread per connection; its
 * listener and its parser are civetweb's. Knows neither paths nor visits. Several loops may share
 * the listening sockets (loop_group.h).
 *
 * One turn of the loop: take what has come on every ready connection; hand each whole request to
 * the handler, which answers it at once or defers it; then let the handler make all that it
 * deferred durable together; then send those answers. So the batch is whatever became ready while
 * the last sync ran.
 *
 * What always holds: no client can make the loop wait. A request that is not whole, an answer that
 * the client does not read and an idle connection each have a deadline and cost no thread; at the
 * limit of connections those idle for longest are closed first. Only a client that has done nothing
 * is closed: what it did while the loop was busy is looked for before. A connection has one request
 * in work at a time, and its answers go out in the order of its requests. */
#ifndef EVENT_LOOP_H
#define EVENT_LOOP_H

#include "loop_group.h"
#include "request.h"
#include "stream.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { REPLY_MAX = 32768 }; /* bytes of an answer, or of one piece of a long one */

/* An answer in the making. `data` has room for REPLY_MAX bytes. */
struct reply {
    bool keep_alive; /* in: what the answer must announce. out: cleared to close after it */
    bool head_only;  /* in: leave out the body */
    bool http_1_0;   /* in */
    char *data;
    size_t length;         /* out */
    struct stream *stream; /* out: where the rest comes from, or NULL */
};

/* What the loop asks of its user. All are called on the loop's thread; CONTEXT is the handler's. */
struct handler {
    void *context;
    /* Answers REQUEST into REPLY and returns -1, or returns a number >= 0 to be answered later: the
     * tag that `answer` will be called with. At most DEFERRED_MAX are deferred between two commits.
     */
    int (*request)(void *context, const struct request *request, struct reply *reply);
    /* Answers what is no valid request. */
    void (*refuse)(void *context, int status, struct reply *reply);
    /* Everything deferred since the last call is to be decided now. */
    void (*commit)(void *context);
    void (*answer)(void *context, int tag, struct reply *reply);
};

enum { DEFERRED_MAX = 512 };

struct event_loop;

/* Another loop of GROUP, which must outlive it. All loops of a group are made before the first of
 * them runs. Returns NULL with errno. */
struct event_loop *event_loop_new(struct loop_group *group, const struct handler *handler);

/* Serves until it is stopped; the argument of a thread's start routine. */
void *event_loop_run(void *event_loop);

/* From any thread. Drain: every answer announces that it is the last, connections close as they
 * fall idle, and when the last is gone, or DRAIN_MS have passed and whoever had come by then is
 * answered, as far as the limit of connections has room for them, the loop stops. Clients that have
 * just been answered have a moment to close first. */
void event_loop_drain(struct event_loop *loop, unsigned drain_ms);

/* After event_loop_run() of all loops of its group has returned. */
void event_loop_free(struct event_loop *loop);

#endif
