/* The event loops that share listening sockets and one limit of connections.
 *
 * What always holds: all loops together have no more connections than the limit. Whichever loop
 * accepts a connection, the loop with the fewest gets it; a loop that has left gets none. At the
 * limit one connection is evicted for each that is accepted, of whichever loop: the one idle
 * longest, give or take a second. A group of one loop needs no lock. */
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
    _Atomic unsigned connections;  /* with those in the inbox */
    _Atomic int64_t busy_since_ms; /* when its iteration began; 0: it waits */
    _Atomic int64_t idle_since_ms; /* of the connection idle longest; INT64_MAX: none is */
    _Atomic bool accepting;        /* a client that connects may wake it */
    _Atomic bool asked;            /* by another loop, to accept in its place */
    struct connection_list inbox;  /* accepted by other loops; under the group's lock */
    bool left;                     /* gets no more of them; under the group's lock */
};

/* A group on LISTENERS, which must outlive it, of up to LOOPS_MAX loops. Returns NULL with errno
 * ENOMEM. */
struct loop_group *loop_group_new(struct listeners *listeners, unsigned connections_max,
                                  unsigned loops_max);

/* After its loops have been freed. NULL is allowed. */
void loop_group_free(struct loop_group *group);

struct listeners *loop_group_listeners(const struct loop_group *group);
unsigned loop_group_connections_max(const struct loop_group *group);

/* Open connections now, of all loops. */
unsigned loop_group_connections(const struct loop_group *group);

/* Adds MEMBER, before the first loop of the group runs. */
void loop_group_join(struct loop_group *group, struct loop_member *member);

/* The group's lock: one loop accepts at a time. */
void loop_group_lock(struct loop_member *member);
void loop_group_unlock(struct loop_member *member);

/* Under the lock: the loop that gets the next connection, which is the one with the fewest, and
 * MEMBER itself where no other has fewer. Not one that has long been busy, as with a slow disk: the
 * client would wait for that. */
struct loop_member *loop_group_receiver(struct loop_member *member, int64_t now_ms);

/* A connection of MEMBER is open, or no longer; the first under the lock. */
void loop_group_count(struct loop_member *member);
void loop_group_uncount(struct loop_member *member);

/* Under the lock: puts it into the inbox of RECEIVER, another loop. */
void loop_group_pass(struct loop_member *receiver, struct connection *connection);

/* Takes all connections out of its inbox. */
struct connection_list loop_group_take(struct loop_member *member);

/* Is there another loop that can accept and has a connection that has been idle for much longer
 * than since SINCE_MS? */
bool loop_group_has_idler(const struct loop_member *member, int64_t since_ms, int64_t now_ms);

/* Asks another loop to accept in place of MEMBER, which has no room, or is about to be busy while a
 * client waits. A loop that has found no room of late is not asked, so a round of all loops ends.
 */
void loop_group_ask(struct loop_member *member, int64_t now_ms);

/* Closes its inbox. Unless TIME_IS_UP, not while it has connections: then returns false.
 * *RET_LAST: all others have left before. */
bool loop_group_leave(struct loop_member *member, bool time_is_up, bool *ret_last);

#endif
