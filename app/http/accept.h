/* Gives new connections to the loops of a group. A loop accepts them from the listening sockets, or
 * gets them from another loop that has accepted them. At the limit one connection is evicted for
 * each new one. */
#ifndef ACCEPT_H
#define ACCEPT_H

#include "http/connections.h"

#include <stdbool.h>
#include <stdint.h>

/* The acceptor of one loop. */
struct acceptor {
    struct connections *connections;
    struct loop_member *member;
    int64_t enable_after_ms;   /* when a disabled acceptor is enabled again, by clock_ms() */
    int64_t at_limit_since_ms; /* since when clients wait at the limit; 0: none is known to wait */
};

/* While enabled, epoll(7) reports ACCEPTOR when a client connects. While disabled, a new client
 * does not wake the loop. A disabled acceptor is enabled again after a while, since it may have
 * lacked a place, a descriptor or memory. */
void accept_enable(struct acceptor *acceptor);
void accept_disable(struct acceptor *acceptor);

/* Accepts waiting clients, up to 64 per socket. At the limit, if no connection can be evicted, the
 * client stays in the backlog. Accepting is then disabled for a while, and another loop is asked to
 * accept. */
void accept_pending(struct acceptor *acceptor);

/* Adds the connections that other loops have accepted for this one. */
void accept_passed(struct acceptor *acceptor);

/* Leaves the group, because the loop has no connection or TIME_IS_UP. Then accepts the backlog, if
 * TIME_IS_UP or if no other loop is left to accept it. The last loop shuts the listening sockets:
 * later clients are refused instead of left without a response. Returns false, and does nothing, if
 * the loop has got a connection meanwhile. */
bool accept_drain_backlog(struct acceptor *acceptor, bool time_is_up);

#endif
