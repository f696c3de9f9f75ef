/* How connections come to the loops of a group: from the listening sockets, or from another loop
 * that has accepted them; and which one is evicted for the next at the limit. */
#ifndef ACCEPT_H
#define ACCEPT_H

#include "http/connections.h"

#include <stdbool.h>
#include <stdint.h>

/* What one loop does of that. */
struct acceptor {
    struct connections *connections;
    struct loop_member *member;
    int64_t enable_after_ms;  /* while it is disabled */
    int64_t no_room_since_ms; /* while clients wait to be accepted; 0: none is known to */
};

/* Whether a client that connects wakes the loop: epoll(7) then reports ACCEPTOR. Disabled, it is to
 * be enabled again after a while, in case there was no room, descriptor or memory. */
void accept_enable(struct acceptor *acceptor);
void accept_disable(struct acceptor *acceptor);

/* Accepts the clients that wait, up to a number of them. A client that finds no room stays in the
 * backlog; accepting is then disabled for a while, and another loop is asked. */
void accept_pending(struct acceptor *acceptor);

/* Adds the connections that other loops have accepted for this one. */
void accept_passed(struct acceptor *acceptor);

/* Leaves the group, since TIME_IS_UP or since the loop has no connection: before, accepts what is
 * in the backlog, unless it can be left to other loops. With the last of the loops the sockets are
 * shut, so that clients who come later are refused and not left without a response. Returns false,
 * and has done nothing, if a connection came meanwhile. */
bool accept_drain_backlog(struct acceptor *acceptor, bool time_is_up);

#endif
