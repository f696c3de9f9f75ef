/* The connections of one event loop: a list for each state, the events that epoll(7) reports, and
 * the time limit of each state. Only the loop's thread uses them. */
#ifndef CONNECTIONS_H
#define CONNECTIONS_H

#include "http/connection.h"
#include "http/loop_group.h"

#include <stdbool.h>
#include <stdint.h>

struct connections {
    int epoll;
    struct loop_member *member; /* counts the connections for the group */
    unsigned idle_timeout_ms;   /* the time limit of idle connections */
    bool draining;              /* idle connections have a shorter time limit */
    int64_t now_ms;             /* clock_ms(), as of this iteration */
    int64_t polled_ms;          /* the same, as of the last epoll_wait(2) */
    uint32_t polled_us;         /* the same in microseconds, modulo 2^32 */
    uint32_t commits;           /* how many commits there were; it may overflow */
    unsigned awaited;           /* connections that the next commit waits for */
    /* Each state has one time limit, so the first connection of a list expires first. No timer and
     * no search is needed. */
    struct connection_list lists[CONNECTION_STATES];
};

/* Returns 0, or -1 with the errno of epoll_create1(2). */
int connections_init(struct connections *connections, struct loop_member *member);

/* To be called when every connection has been closed and freed. */
void connections_destroy(struct connections *connections);

/* Adds a new connection, which loop_group_count() has counted already. Closes it if epoll(7) has no
 * memory for it. */
void connections_add(struct connections *connections, struct connection *connection);

/* Moves CONNECTION to the end of the list of STATE. Its time in the state starts at `now_ms`. */
void connections_set_state(struct connections *connections, struct connection *connection,
                           enum connection_state state);

/* Moves CONNECTION to CONNECTION_SLOW and counts the bytes that the client has not acknowledged. */
void connections_set_slow(struct connections *connections, struct connection *connection);

/* Makes epoll(7) report EVENTS of CONNECTION, and no others, from now on. */
void connections_set_events(struct connections *connections, struct connection *connection,
                            uint8_t events);

/* Makes epoll(7) report no more events of CONNECTION: it cannot be told to ignore errors. */
void connections_forget(struct connections *connections, struct connection *connection);

/* Closes the socket. The memory is freed later, by connections_free_closed(): events of this
 * iteration may still point to it. */
void connections_close(struct connections *connections, struct connection *connection);

/* Closes a connection before its client is done. In the middle of a response it sends a reset, so
 * that the part already sent does not look complete. In a lingering close it reads the received
 * bytes first: close(2) with unread bytes would send a reset, which could overtake the response. */
void connections_abort(struct connections *connections, struct connection *connection);

/* Count the connections for which the next commit should wait: those that had a request in the last
 * one, since many clients send the next request as soon as they have the response. One that has
 * come too late is waited for in every second commit only, then in every fourth, and so on: a
 * client that always takes its time costs the others little. */
void connections_begin_commit(struct connections *connections);
void connections_await(struct connections *connections, struct connection *connection);

/* CONNECTION has sent a request, or is closed. */
void connections_has_come(struct connections *connections, struct connection *connection);

/* Aborts all connections in the states before END. */
void connections_abort_all(struct connections *connections, enum connection_state end);

/* To be called at the end of each iteration. */
void connections_free_closed(struct connections *connections);

/* Connections that entered STATE at the returned time (of clock_ms()) or earlier have expired;
 * INT64_MIN: STATE has no time limit. Time spent in a slow write(2)
 * does not count: their input may be unread. */
int64_t connections_expired_since_ms(const struct connections *connections,
                                     enum connection_state state);

/* Returns the first connection in the list, from CONNECTION on, that entered its state at SINCE_MS
 * or earlier and has made no progress since; or NULL. CONNECTION may be NULL. Skips connections
 * with unread input or a writable socket. Moves connections whose client has acknowledged bytes to
 * the end of the list. */
struct connection *connections_next_expired(struct connections *connections,
                                            struct connection *connection, int64_t since_ms);

/* Returns how long until the next connection expires, in ms; -1: none will. */
int connections_next_expiry_ms(const struct connections *connections);

#endif
