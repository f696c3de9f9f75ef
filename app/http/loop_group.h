/* Event loops that share listening sockets and one limit of connections.
 *
 * Invariants: all loops together have no more connections than the limit. Whichever loop accepts a
 * connection, the loop with the fewest gets it. A loop that has left the group gets none. At the
 * limit one connection of any loop is evicted for each one accepted: the one idle longest, to
 * within a second. A group of one loop takes no lock. */
#ifndef LOOP_GROUP_H
#define LOOP_GROUP_H

#include "http/connection.h"
#include "http/listeners.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct loop_group;

/* One loop, as the others see it. */
struct loop_member {
    struct loop_group *group;
    unsigned index;                /* in the group */
    int wake;                      /* eventfd(2): another thread has work for the loop */
    _Atomic unsigned connections;  /* including those in the inbox */
    _Atomic int64_t busy_since_ms; /* start of its iteration, by clock_ms(); 0: it waits */
    _Atomic int64_t idle_since_ms; /* of the connection idle longest; INT64_MAX: none is */
    _Atomic bool accepting;        /* a new client may wake it */
    _Atomic bool asked;            /* by another loop, to accept in its place */
    struct connection_list inbox;  /* accepted by other loops; under the group's lock */
    bool left;                     /* has left the group; under the group's lock */
};

/* Creates a group of up to LOOPS_MAX loops on LISTENERS, which must outlive it. Returns NULL with
 * errno ENOMEM on failure. */
struct loop_group *loop_group_new(struct listeners *listeners, unsigned connections_max,
                                  unsigned loops_max);

/* To be called after its loops have been freed. NULL is allowed. */
void loop_group_free(struct loop_group *group);

struct listeners *loop_group_listeners(const struct loop_group *group);
unsigned loop_group_connections_max(const struct loop_group *group);

/* The number of open connections of all loops. */
unsigned loop_group_connections(const struct loop_group *group);

/* Counts a connection that was evicted. To be called under the lock. */
void loop_group_count_evicted(struct loop_member *member);

/* The number of connections that were evicted so far. */
uint64_t loop_group_evicted(const struct loop_group *group);

/* Adds MEMBER to GROUP. To be called before the first loop of the group runs. */
void loop_group_join(struct loop_group *group, struct loop_member *member);

/* The group's lock: one loop accepts at a time. */
void loop_group_lock(struct loop_member *member);
void loop_group_unlock(struct loop_member *member);

/* Under the lock: the loop that gets the next connection. It is the loop with the fewest
 * connections; MEMBER itself if no other has fewer. A loop that has been busy for long, for example
 * with a slow disk, is not chosen: the client would have to wait for it. */
struct loop_member *loop_group_receiver(struct loop_member *member, int64_t now_ms);

/* Count a connection of MEMBER that has been accepted, or closed. loop_group_count() is called
 * under the lock. */
void loop_group_count(struct loop_member *member);
void loop_group_uncount(struct loop_member *member);

/* Under the lock: puts CONNECTION into the inbox of RECEIVER, another loop, and wakes that loop. */
void loop_group_pass(struct loop_member *receiver, struct connection *connection);

/* Removes all connections from the inbox of MEMBER and returns them. */
struct connection_list loop_group_take(struct loop_member *member);

/* Can another loop accept, and has it a connection that became idle long before SINCE_MS? */
bool loop_group_has_idler(const struct loop_member *member, int64_t since_ms, int64_t now_ms);

/* Asks another loop to accept in place of MEMBER, which is at the limit, or will be busy while a
 * client waits. A loop that has just found itself at the limit is not asked: otherwise loops could
 * ask each other for ever. */
void loop_group_ask(struct loop_member *member, int64_t now_ms);

/* Closes the inbox of MEMBER. If MEMBER has connections and time is not up, does nothing and
 * returns false. *RET_LAST: all other loops have left before. */
bool loop_group_leave(struct loop_member *member, bool time_is_up, bool *ret_last);

#endif
