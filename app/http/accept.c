#include "http/accept.h"

#include "base/io.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_MAX = 64, /* per socket and iteration, so that open connections are served too */
    EVICT_IDLE_AFTER_MS = 100,     /* the first request may be on its way */
    EVICT_READING_AFTER_MS = 1000, /* an unfinished request */
    EVICT_SLOW_AFTER_MS = 1000,    /* an unfinished response, since it became slow */
    EVICT_ANY_SLOW_AFTER_MS = 500, /* at the limit for so long: see slowest() */
    ENABLE_AFTER_MS = 50,          /* at the limit, or without a descriptor or memory */
};

/* The connection to evict at the limit, or NULL. In this order: one in a lingering close, the one
 * idle longest, one with an unfinished request, one with a slow client. All but the first must have
 * been in their state for a while: otherwise each visitor would be evicted for the next, before its
 * first request. */
static struct connection *least_missed(struct acceptor *acceptor)
{
    static const struct {
        enum connection_state state;
        int64_t after_ms;
    } order[] = {{CONNECTION_IDLE, EVICT_IDLE_AFTER_MS},
                 {CONNECTION_READING, EVICT_READING_AFTER_MS},
                 {CONNECTION_SLOW, EVICT_SLOW_AFTER_MS}};
    struct connections *connections = acceptor->connections;
    struct connection *connection = connections->lists[CONNECTION_LINGERING].first;
    for (unsigned i = 0; !connection && i < sizeof order / sizeof *order; i++)
        connection = connections_next_expired(connections, connections->lists[order[i].state].first,
                                              connections->polled_ms - order[i].after_ms);
    return connection;
}

/* Does another loop have a better candidate: a connection idle for much longer? */
static bool is_better_elsewhere(const struct acceptor *acceptor,
                                const struct connection *connection)
{
    int64_t now_ms = acceptor->connections->now_ms;
    int64_t since_ms = connection->state == CONNECTION_IDLE ? connection->since_ms : now_ms;
    return connection->state != CONNECTION_LINGERING &&
           loop_group_has_idler(acceptor->member, since_ms, now_ms);
}

/* A client that reads its response slowly is evicted only if no other candidate was found for a
 * while. Then it must be evicted: a few thousand such clients would keep all others out. */
static struct connection *slowest(const struct acceptor *acceptor)
{
    int64_t since_ms = acceptor->connections->polled_ms - EVICT_ANY_SLOW_AFTER_MS;
    if (acceptor->at_limit_since_ms == 0 || acceptor->at_limit_since_ms > since_ms)
        return NULL;
    struct connection *connection = acceptor->connections->lists[CONNECTION_SLOW].first;
    while (connection && is_ready(connection->socket, POLLOUT))
        connection = connection->next;
    return connection && connection->since_ms <= since_ms ? connection : NULL;
}

static bool evict(struct acceptor *acceptor)
{
    struct connection *connection = least_missed(acceptor);
    if (connection && is_better_elsewhere(acceptor, connection))
        return false;
    if (!connection)
        connection = slowest(acceptor);
    if (!connection)
        return false;
    connections_abort(acceptor->connections, connection);
    loop_group_count_evicted(acceptor->member);
    return true;
}

static const struct listeners *listeners_of(const struct acceptor *acceptor)
{
    return loop_group_listeners(acceptor->member->group);
}

static void stop_waking(struct acceptor *acceptor)
{
    const struct listeners *listeners = listeners_of(acceptor);
    for (unsigned i = 0; i < listeners_count(listeners); i++)
        (void)epoll_ctl(acceptor->connections->epoll, EPOLL_CTL_DEL, listeners_socket(listeners, i),
                        NULL);
    acceptor->member->accepting = false;
    acceptor->enable_after_ms = acceptor->connections->now_ms + ENABLE_AFTER_MS;
}

void accept_enable(struct acceptor *acceptor)
{
    const struct listeners *listeners = listeners_of(acceptor);
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = acceptor};
    int epoll = acceptor->connections->epoll;
    bool failed = false;
    if (acceptor->member->accepting)
        return;
    for (unsigned i = 0; i < listeners_count(listeners); i++)
        failed |= epoll_ctl(epoll, EPOLL_CTL_ADD, listeners_socket(listeners, i), &event) != 0 &&
                  errno != EEXIST;
    if (failed)
        stop_waking(acceptor);
    else
        acceptor->member->accepting = true;
}

void accept_disable(struct acceptor *acceptor)
{
    if (acceptor->member->accepting)
        stop_waking(acceptor);
}

void accept_passed(struct acceptor *acceptor)
{
    struct connection_list passed = loop_group_take(acceptor->member);
    for (struct connection *connection = passed.first, *next; connection; connection = next) {
        next = connection->next;
        connections_add(acceptor->connections, connection);
    }
}

/* Gives SOCKET to the loop that gets the next connection (loop_group_receiver()). */
static void assign(struct acceptor *acceptor, int socket)
{
    struct connection *connection = connection_new(socket);
    if (!connection) {
        (void)close(socket);
        return;
    }
    struct loop_member *receiver =
        loop_group_receiver(acceptor->member, acceptor->connections->now_ms);
    loop_group_count(receiver);
    if (receiver == acceptor->member)
        connections_add(acceptor->connections, connection);
    else
        loop_group_pass(receiver, connection);
}

enum outcome { TRY_AGAIN, BACKLOG_EMPTY, AT_LIMIT };

/* Accepts one client, or evicts one connection for it. Called under the group's lock: otherwise two
 * loops could evict two connections for one client. Evicts only if a client waits: accept4(2)
 * reports a lack of descriptors even if the backlog is empty. */
static enum outcome accept_one(struct acceptor *acceptor, int listener)
{
    const struct loop_group *group = acceptor->member->group;
    if (loop_group_connections(group) < loop_group_connections_max(group)) {
        int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            assign(acceptor, socket);
            return TRY_AGAIN;
        }
        if (errno == EAGAIN)
            return BACKLOG_EMPTY;
        if (errno == EINTR || errno == ECONNABORTED)
            return TRY_AGAIN;
        if (errno != EMFILE && errno != ENFILE)
            return AT_LIMIT;
    }
    if (!is_ready(listener, POLLIN))
        return BACKLOG_EMPTY;
    return evict(acceptor) ? TRY_AGAIN : AT_LIMIT;
}

/* Returns false if no more clients can be accepted now. */
static bool accept_from(struct acceptor *acceptor, int listener)
{
    enum outcome outcome = TRY_AGAIN;
    for (unsigned i = 0; i < ACCEPTS_MAX && outcome == TRY_AGAIN; i++) {
        loop_group_lock(acceptor->member);
        outcome = accept_one(acceptor, listener);
        loop_group_unlock(acceptor->member);
    }
    return outcome != AT_LIMIT;
}

void accept_pending(struct acceptor *acceptor)
{
    const struct listeners *listeners = listeners_of(acceptor);
    int64_t now_ms = acceptor->connections->now_ms;
    bool below_limit = true;
    for (unsigned i = 0; i < listeners_count(listeners); i++)
        below_limit &= accept_from(acceptor, listeners_socket(listeners, i));
    if (below_limit) {
        acceptor->at_limit_since_ms = 0;
        return;
    }
    if (acceptor->at_limit_since_ms == 0)
        acceptor->at_limit_since_ms = now_ms;
    accept_disable(acceptor);
    loop_group_ask(acceptor->member, now_ms);
}

bool accept_drain_backlog(struct acceptor *acceptor, bool time_is_up)
{
    struct listeners *listeners = loop_group_listeners(acceptor->member->group);
    bool last;
    if (!loop_group_leave(acceptor->member, time_is_up, &last))
        return false;
    for (unsigned i = 0; (last || time_is_up) && i < listeners_count(listeners); i++) {
        int listener = listeners_socket(listeners, i);
        for (int left = LISTENERS_BACKLOG; left > 0 && is_ready(listener, POLLIN);
             left -= ACCEPTS_MAX)
            if (!accept_from(acceptor, listener))
                break;
    }
    accept_disable(acceptor);
    accept_passed(acceptor);
    if (last)
        listeners_shut(listeners);
    else
        loop_group_ask(acceptor->member, acceptor->connections->now_ms);
    return true;
}
