/* The event loops that share listening sockets and one limit of connections.
 *
 * What always holds: all loops together have no more connections than the limit. Whichever loop
 * accepts a connection, the loop with the fewest gets it; a loop that has made its last call gets
 * none. At the limit one connection is closed for each that is accepted, of whichever loop: the one
 * that has been idle for longest, give or take a second. A group of one loop needs no lock. */
#ifndef LOOP_GROUP_H
#define LOOP_GROUP_H

#include "listeners.h"

struct loop_group;

/* A group on LISTENERS, which must outlive it, of up to LOOPS_MAX loops. Returns NULL with errno
 * ENOMEM. */
struct loop_group *loop_group_new(struct listeners *listeners, unsigned connections_max,
                                  unsigned loops_max);

/* Open connections now, of all loops. */
unsigned loop_group_connections(const struct loop_group *group);

/* After its loops have been freed. NULL is allowed. */
void loop_group_free(struct loop_group *group);

#endif
