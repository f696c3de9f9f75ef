/* The connections of one event loop: a list for each state, what epoll(7) is asked for, and how
 * long each state may last. They are used on the loop's thread alone. */
#ifndef CONNECTIONS_H
#define CONNECTIONS_H

#include "http/connection.h"
#include "http/loop_group.h"

#include <stdbool.h>
#include <stdint.h>

struct connections {
    int epoll;
    struct loop_member *member; /* counts them for the group */
    bool draining;              /* idle ones have little time */
    int64_t now_ms;             /* CLOCK_MONOTONIC, as of this iteration */
    int64_t polled_ms;          /* the same, as of the last epoll_wait(2) */
    /* Each state has one time limit, so the first of a list expires first, and no timer needs a
     * search. */
    struct connection_list lists[CONNECTION_STATES];
};

/* Returns 0, or -1 with the errno of epoll_create1(2). */
int connections_init(struct connections *connections, struct loop_member *member);

/* Once none is left. */
void connections_destroy(struct connections *connections);

/* Adds a new one, which the group has counted. Without memory for it in the kernel it is closed. */
void connections_add(struct connections *connections, struct connection *connection);

/* Moves it to the end of the list of STATE, as of now. */
void connections_set_state(struct connections *connections, struct connection *connection,
                           enum connection_state state);

/* Moves it to CONNECTION_SLOW, and notes how much the client has still to acknowledge. */
void connections_set_slow(struct connections *connections, struct connection *connection);

/* Asks epoll(7) for EVENTS of it from now on. */
void connections_set_events(struct connections *connections, struct connection *connection,
                            uint32_t events);

/* Closes its socket. connections_free_closed() frees its memory: events of this iteration may still
 * point to it. */
void connections_close(struct connections *connections, struct connection *connection);

/* Closes one whose client is not done. In the middle of a response with a reset, so that a part of
 * it does not look whole. After the last response without one: a reset could overtake it, so bytes
 * that have come are read first. */
void connections_abort(struct connections *connections, struct connection *connection);

/* Aborts all whose state comes before END. */
void connections_abort_all(struct connections *connections, enum connection_state end);

/* To be called at the end of each iteration. */
void connections_free_closed(struct connections *connections);

/* Those that entered STATE at this time or earlier have expired; INT64_MIN: it has no limit. Time
 * spent in fdatasync(2) does not count: their input may be unread. */
int64_t connections_expired_since_ms(const struct connections *connections,
                                     enum connection_state state);

/* CONNECTION or the first behind it in its list that has been there since SINCE_MS or earlier, or
 * NULL; CONNECTION may be NULL. Passes over those whose next bytes have come already, and those
 * whose client has taken a part of what was sent: these go to the end of the list. */
struct connection *connections_next_expired(struct connections *connections,
                                            struct connection *connection, int64_t since_ms);

/* How long until the next one expires, in ms; -1: none ever will. */
int connections_next_expiry_ms(const struct connections *connections);

#endif
