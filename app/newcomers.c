#include "event_loop_internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_MAX = 64, /* of one turn, so that newcomers do not starve those already served */
    EVICT_IDLE_AFTER_MS = 100,     /* the first request is on its way and has to be seen first */
    EVICT_READING_AFTER_MS = 1000, /* then an unfinished request is closed for another client */
    EVICT_SLOW_AFTER_MS = 1000,    /* the same of an answer, from when it became slow */
    EVICT_ANY_SLOW_AFTER_MS = 500, /* of having found no room: see slowest() */
    ACCEPT_AGAIN_MS = 50,          /* after there was no room, descriptor or memory for another */
};

/* What to close at the limit, or NULL: the connection that is least likely to be missed, which is
 * one that has been answered for the last time, else the one idle for longest, else one that has
 * been slow for a while. Without time for its first request each visitor would be closed for the
 * next. */
static struct connection *least_missed(struct event_loop *loop)
{
    static const struct {
        enum connection_state state;
        int64_t after_ms;
    } order[] = {{CONNECTION_IDLE, EVICT_IDLE_AFTER_MS},
                 {CONNECTION_READING, EVICT_READING_AFTER_MS},
                 {CONNECTION_SLOW, EVICT_SLOW_AFTER_MS}};
    struct connection *connection = loop->lists[CONNECTION_LINGERING].first;
    for (unsigned i = 0; !connection && i < sizeof order / sizeof *order; i++)
        connection = deadlines_due_from(loop, loop->lists[order[i].state].first,
                                        loop->polled_ms - order[i].after_ms);
    return connection;
}

/* Is there one in another loop that will be missed less? */
static bool is_better_elsewhere(const struct event_loop *loop, const struct connection *connection)
{
    bool idle = connection->state == CONNECTION_IDLE;
    return connection->state != CONNECTION_LINGERING &&
           loop_group_has_idler(loop, idle ? connection->since_ms : loop->now_ms);
}

/* A client that takes its answer slowly, but takes it, is closed only after no other was found for
 * a while. It must be then: a few thousand of them would keep all others out. */
static struct connection *slowest(const struct event_loop *loop)
{
    int64_t since_ms = loop->polled_ms - EVICT_ANY_SLOW_AFTER_MS;
    if (loop->no_room_since_ms == 0 || loop->no_room_since_ms > since_ms)
        return NULL;
    struct connection *connection = loop->lists[CONNECTION_SLOW].first;
    while (connection && is_ready(connection->socket, POLLOUT))
        connection = connection->next;
    return connection && connection->since_ms <= since_ms ? connection : NULL;
}

static bool evict(struct event_loop *loop)
{
    struct connection *connection = least_missed(loop);
    if (connection && is_better_elsewhere(loop, connection))
        return false;
    if (!connection)
        connection = slowest(loop);
    if (connection)
        event_loop_drop(loop, connection);
    return connection != NULL;
}

void newcomers_listen(struct event_loop *loop, bool listening)
{
    const struct listeners *listeners = loop->group->listeners;
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = loop->group};
    if (loop->listening == listening)
        return;
    bool failed = false;
    for (unsigned i = 0; i < listeners_count(listeners); i++)
        failed |= epoll_ctl(loop->epoll, listening ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
                            listeners_socket(listeners, i), &event) != 0 &&
                  errno != EEXIST;
    /* Without memory for it now, it is tried again. */
    for (unsigned i = 0; listening && failed && i < listeners_count(listeners); i++)
        (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, listeners_socket(listeners, i), NULL);
    loop->listening = listening && !failed;
    loop->listen_again_ms = loop->now_ms + ACCEPT_AGAIN_MS;
}

static void take_in(struct event_loop *loop, struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    connection->events = EPOLLIN;
    connection->since_ms = loop->now_ms;
    connection_list_append(&loop->lists[connection->state], connection);
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, connection->socket, &event) != 0)
        event_loop_close(loop, connection);
}

void newcomers_take_passed(struct event_loop *loop)
{
    struct connection_list passed = loop_group_take(loop);
    for (struct connection *connection = passed.first, *next; connection; connection = next) {
        next = connection->next;
        take_in(loop, connection);
    }
}

static void hand_out(struct event_loop *loop, int socket)
{
    struct connection *connection = connection_new(socket);
    if (!connection) {
        (void)close(socket);
        return;
    }
    struct event_loop *receiver = loop_group_receiver(loop);
    loop_group_count(receiver);
    if (receiver == loop)
        take_in(loop, connection);
    else
        loop_group_pass(receiver, connection);
}

enum outcome { TRY_AGAIN, NOBODY_WAITS, NO_ROOM };

/* Accepts one, or closes one for it, under the group's lock, so that another loop that sees the
 * same client waiting does not close a second one. None is closed unless a client waits: accept4(2)
 * tells of a lack of descriptors before it looks whether one does. */
static enum outcome accept_one(struct event_loop *loop, int listener)
{
    if (loop_group_connections(loop->group) < loop->group->connections_max) {
        int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            hand_out(loop, socket);
            return TRY_AGAIN;
        }
        if (errno == EAGAIN)
            return NOBODY_WAITS;
        if (errno == EINTR || errno == ECONNABORTED)
            return TRY_AGAIN;
        if (errno != EMFILE && errno != ENFILE)
            return NO_ROOM;
    }
    if (!is_ready(listener, POLLIN))
        return NOBODY_WAITS;
    return evict(loop) ? TRY_AGAIN : NO_ROOM;
}

/* Returns false when there is no room for another connection now. */
static bool accept_from(struct event_loop *loop, int listener)
{
    enum outcome outcome = TRY_AGAIN;
    for (unsigned i = 0; i < ACCEPTS_MAX && outcome == TRY_AGAIN; i++) {
        loop_group_lock(loop);
        outcome = accept_one(loop, listener);
        loop_group_unlock(loop);
    }
    return outcome != NO_ROOM;
}

void newcomers_accept(struct event_loop *loop)
{
    const struct listeners *listeners = loop->group->listeners;
    bool room = true;
    for (unsigned i = 0; i < listeners_count(listeners); i++)
        room &= accept_from(loop, listeners_socket(listeners, i));
    if (room) {
        loop->no_room_since_ms = 0;
        return;
    }
    if (loop->no_room_since_ms == 0)
        loop->no_room_since_ms = loop->now_ms;
    newcomers_listen(loop, false);
    loop_group_ask(loop);
}

void newcomers_last_call(struct event_loop *loop, bool time_is_up)
{
    const struct listeners *listeners = loop->group->listeners;
    bool last;
    if (!loop_group_leave(loop, time_is_up, &last))
        return;
    for (unsigned i = 0; (last || time_is_up) && i < listeners_count(listeners); i++) {
        int listener = listeners_socket(listeners, i);
        for (int left = LISTENERS_BACKLOG; left > 0 && is_ready(listener, POLLIN);
             left -= ACCEPTS_MAX)
            if (!accept_from(loop, listener))
                break;
    }
    newcomers_listen(loop, false);
    newcomers_take_passed(loop);
    if (last)
        listeners_shut(loop->group->listeners);
    else
        loop_group_ask(loop);
    loop->last_call = true;
    loop->last_call_ms = loop->now_ms;
}
