/* What event_loop.c (turns), deadlines.c (time), loop_group.c (which loop gets a connection),
 * newcomers.c (what is accepted, and what is closed for it) and exchange.c (requests in, answers
 * out) share. */
#ifndef EVENT_LOOP_INTERNAL_H
#define EVENT_LOOP_INTERNAL_H

#include "clock.h"
#include "connection.h"
#include "event_loop.h"

#include <pthread.h>

struct loop_group {
    struct listeners *listeners;
    unsigned connections_max;
    _Atomic unsigned connections; /* of all loops */
    pthread_mutex_t lock;         /* one loop accepts at a time; guards what a loop says of it */
    unsigned open_count;          /* loops that have not made their last call; under the lock */
    unsigned loops_count;
    struct event_loop *loops[];
};

struct event_loop {
    const struct handler *handler;
    struct loop_group *group;
    unsigned index;                 /* in the group */
    _Atomic unsigned connections;   /* with those in the inbox */
    _Atomic int64_t drain_until_ms; /* 0: not draining */
    _Atomic int64_t busy_since_ms;  /* when this turn began; 0: waiting */
    _Atomic int64_t idle_since_ms;  /* of the first that is CONNECTION_IDLE; INT64_MAX: none */
    _Atomic bool listening;         /* a client that connects may wake it */
    _Atomic bool asked;             /* by another loop, to accept in its place */
    struct connection_list inbox;   /* accepted by other loops; under the group's lock */
    bool closed;                    /* gets no more of them; under the group's lock */
    int epoll;
    int wake; /* eventfd(2): there is something to look at, from another thread */
    bool draining, last_call;
    bool more_events;    /* the last epoll_wait(2) may have more to tell */
    unsigned last_turns; /* after the last call, while there was more */
    int64_t now_ms;      /* CLOCK_MONOTONIC, as of this turn */
    int64_t polled_ms;   /* the same, as of the last epoll_wait(2) */
    int64_t listen_again_ms, last_call_ms;
    int64_t no_room_since_ms; /* for clients that wait to be accepted; 0: none is known to */
    struct connection_list lists[CONNECTION_STATES];
    struct connection *deferred[DEFERRED_MAX];
    unsigned deferred_count;
    char input[REQUEST_HEAD_MAX];
    char output[REPLY_MAX];
};

/* Moves a connection to the end of the list of STATE. */
void event_loop_enter(struct event_loop *loop, struct connection *connection,
                      enum connection_state state);

/* Closes its socket. Its memory is freed at the end of the turn: events of this turn may still
 * point to it. */
void event_loop_close(struct event_loop *loop, struct connection *connection);

/* The same of a connection whose client is not done. In the middle of an answer with a reset, so
 * that what has come of it does not look whole. After the last answer bytes
 * that have come already cause none: a reset could overtake that answer. */
void event_loop_drop(struct event_loop *loop, struct connection *connection);

/* Asks epoll(7) for EVENTS of it from now on. */
void event_loop_want(struct event_loop *loop, struct connection *connection, uint32_t events);

/* Closes what has run out of time, as of when the sockets were last looked at: what has come while
 * a sync took its time is no silence. Returns how long until the next one does, in ms, or -1. */
int deadlines_expire(struct event_loop *loop);

/* Has it been in its state for as long as it may? */
bool deadlines_is_over(const struct event_loop *loop, const struct connection *connection);

/* Is one of EVENTS of poll(2) there now? */
bool is_ready(int socket, short events);

/* C or the first behind it in its list that has been there since SINCE_MS or earlier, or NULL.
 * Without those whose next bytes have come already, and those whose client has taken a part of what
 * was sent: they go to the end of the list. */
struct connection *deadlines_due_from(struct event_loop *loop, struct connection *c,
                                      int64_t since_ms);

/* Adds LOOP to its group. */
void loop_group_join(struct event_loop *loop);

/* The lock of its group, which a group of one loop does without. */
void loop_group_lock(struct event_loop *loop);
void loop_group_unlock(struct event_loop *loop);

/* Under the lock: the loop that is to get the next connection, which is the one that has the
 * fewest, and LOOP itself where others have as few. Not one that has long been busy, as with a
 * slow disk: the client would wait for that. */
struct event_loop *loop_group_receiver(struct event_loop *loop);

/* Under the lock: counts a new connection of RECEIVER. */
void loop_group_count(struct event_loop *receiver);

/* Under the lock: puts it into the inbox of RECEIVER, another loop. */
void loop_group_pass(struct event_loop *receiver, struct connection *connection);

/* What has been put into the inbox of LOOP. */
struct connection_list loop_group_take(struct event_loop *loop);

/* Can another loop be asked that has a connection which has been idle for much longer than
 * SINCE_MS?
 */
bool loop_group_has_idler(const struct event_loop *loop, int64_t since_ms);

/* Has another loop accept in place of LOOP, which has no room, or a client that waits while
 * it is about to be busy. A loop that has found no room of late is not asked, so a round of all
 * loops ends. */
void loop_group_ask(struct event_loop *loop);

/* Closes the inbox of LOOP. Unless TIME_IS_UP, not while it has connections: then returns false.
 * *RET_LAST: the others have closed theirs. */
bool loop_group_leave(struct event_loop *loop, bool time_is_up, bool *ret_last);

/* Whether newcomers are to wake the loop. */
void newcomers_listen(struct event_loop *loop, bool listening);

/* Takes in who waits. What finds no room stays in the kernel's queue: that is left alone for a
 * while, not spun on. */
void newcomers_accept(struct event_loop *loop);

/* Takes in what other loops have accepted for this one. */
void newcomers_take_passed(struct event_loop *loop);

/* The end of draining, since TIME_IS_UP or since nothing is left to do. What is in the kernel's
 * queue is still accepted, unless it can be left to other loops. With the last of the loops the
 * sockets are shut, so that clients who come later are refused and not left unanswered. */
void newcomers_last_call(struct event_loop *loop, bool time_is_up);

/* Something has come, or can be sent, on a connection. */
void exchange_continue(struct event_loop *loop, struct connection *connection, uint32_t events);

/* The next pipelined request of each connection that is CONNECTION_READY. */
void exchange_handle_ready(struct event_loop *loop);

/* Lets the handler decide about everything that was deferred, and answers it. */
void exchange_commit(struct event_loop *loop);

/* Answers with STATUS and closes. */
void exchange_refuse(struct event_loop *loop, struct connection *connection, int status);

#endif
