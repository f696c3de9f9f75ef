/* What event_loop.c (turns and time), newcomers.c (who comes in, and who makes room) and exchange.c
 * (requests in, answers out) share. */
#ifndef EVENT_LOOP_INTERNAL_H
#define EVENT_LOOP_INTERNAL_H

#include "connection.h"
#include "event_loop.h"

struct event_loop {
    const struct handler *handler;
    struct listeners *listeners;
    unsigned connections_max;
    _Atomic unsigned connections;
    _Atomic int64_t drain_until_ms; /* 0: not draining */
    int epoll;
    int wake; /* eventfd(2): there is something to look at, from another thread */
    bool draining, listening, last_call;
    bool more_events;    /* the last epoll_wait(2) may have more to tell */
    unsigned last_turns; /* after the last call, while there was more */
    int64_t now_ms;      /* CLOCK_MONOTONIC, as of this turn */
    int64_t polled_ms;   /* the same, as of the last epoll_wait(2) */
    int64_t listen_again_ms, last_call_ms;
    struct connection_list lists[CONNECTION_STATES];
    struct connection *deferred[DEFERRED_MAX];
    unsigned deferred_count;
    char input[REQUEST_HEAD_MAX];
    char output[REPLY_MAX];
};

int64_t event_loop_clock_ms(void);

/* Moves a connection to the end of the list of STATE. */
void event_loop_enter(struct event_loop *loop, struct connection *connection,
                      enum connection_state state);

/* Closes its socket. Its memory is freed at the end of the turn: events of this turn may still
 * point to it. */
void event_loop_close(struct event_loop *loop, struct connection *connection);

/* C or the first behind it in its list that has been there since SINCE_MS or earlier, or NULL.
 * Without those whose next bytes have come already. */
struct connection *event_loop_due_from(struct connection *c, int64_t since_ms);

/* Asks epoll(7) for EVENTS of it from now on. */
void event_loop_want(struct event_loop *loop, struct connection *connection, uint32_t events);

/* Whether newcomers are to wake the loop. */
void newcomers_listen(struct event_loop *loop, bool listening);

/* Takes in who waits. What finds no room stays in the kernel's queue: that is left alone for a
 * while, not spun on. */
void newcomers_accept(struct event_loop *loop);

/* The end of draining: whoever is in the kernel's queue is still taken in. Then, with the last of
 * the loops, the sockets are shut, so that later comers are refused and not left unanswered. */
void newcomers_last_call(struct event_loop *loop);

/* Something has come, or can be sent, on a connection. */
void exchange_continue(struct event_loop *loop, struct connection *connection, uint32_t events);

/* The next pipelined request of each connection that is CONNECTION_READY. */
void exchange_handle_ready(struct event_loop *loop);

/* Lets the handler decide about everything that was deferred, and answers it. */
void exchange_commit(struct event_loop *loop);

/* Answers with STATUS and closes. */
void exchange_refuse(struct event_loop *loop, struct connection *connection, int status);

#endif
