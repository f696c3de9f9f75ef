#include "event_loop_internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_MAX = 64, /* of one turn, so that newcomers do not starve those already served */
    EVICT_IDLE_AFTER_MS = 100, /* a newcomer's request is on its way and has to be seen first */
    EVICT_AFTER_MS = 1000, /* an unfinished request or answer this old makes room for newcomers */
    ACCEPT_AGAIN_MS = 50,  /* after there was no room, descriptor or memory for another */
};

/* Makes room by closing the connection that is least likely to be missed: one that has been
 * answered for the last time, else the one idle for longest, else one that has been slow for a
 * while. Without time for its first request a visitor would be pushed out by the next newcomer. */
static bool evict(struct event_loop *loop)
{
    static const struct {
        enum connection_state state;
        int64_t after_ms;
    } order[] = {{CONNECTION_LINGERING, 0},
                 {CONNECTION_IDLE, EVICT_IDLE_AFTER_MS},
                 {CONNECTION_READING, EVICT_AFTER_MS},
                 {CONNECTION_WRITING, EVICT_AFTER_MS}};
    for (unsigned i = 0; i < sizeof order / sizeof *order; i++) {
        struct connection *connection = event_loop_due_from(loop->lists[order[i].state].first,
                                                            loop->polled_ms - order[i].after_ms);
        if (connection) {
            event_loop_close(loop, connection);
            return true;
        }
    }
    return false;
}

void newcomers_listen(struct event_loop *loop, bool listening)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = loop->listeners};
    if (loop->listening == listening)
        return;
    bool failed = false;
    for (unsigned i = 0; i < listeners_count(loop->listeners); i++)
        failed |= epoll_ctl(loop->epoll, listening ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
                            listeners_socket(loop->listeners, i), &event) != 0 &&
                  errno != EEXIST;
    /* Without memory for it now, it is tried again. */
    loop->listening = listening && !failed;
    loop->listen_again_ms = loop->now_ms + ACCEPT_AGAIN_MS;
}

static void take_in(struct event_loop *loop, int socket)
{
    struct connection *connection = connection_new(socket);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (!connection || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, socket, &event) != 0) {
        connection_free(connection);
        (void)close(socket);
        return;
    }
    connection->events = EPOLLIN;
    connection->since_ms = loop->now_ms;
    connection_list_append(&loop->lists[connection->state], connection);
    atomic_fetch_add_explicit(&loop->connections, 1, memory_order_relaxed);
}

static bool has_newcomer(int listener)
{
    struct pollfd pollfd = {.fd = listener, .events = POLLIN};
    return poll(&pollfd, 1, 0) > 0 && (pollfd.revents & POLLIN);
}

/* Returns false when there is no room for another connection now. Nobody has to make room unless
 * somebody waits for it: accept4(2) tells of a lack of descriptors before it looks whether anybody
 * does. */
static bool accept_from(struct event_loop *loop, int listener)
{
    for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
        if (loop->connections >= loop->connections_max) {
            if (!has_newcomer(listener))
                return true;
            if (!evict(loop))
                return false;
        }
        int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0)
            take_in(loop, socket);
        else if (errno == EAGAIN)
            return true;
        else if (errno == EINTR || errno == ECONNABORTED)
            continue;
        else if (errno != EMFILE && errno != ENFILE)
            return false;
        else if (!has_newcomer(listener))
            return true;
        else if (!evict(loop))
            return false;
    }
    return true;
}

void newcomers_accept(struct event_loop *loop)
{
    for (unsigned i = 0; i < listeners_count(loop->listeners); i++) {
        if (!accept_from(loop, listeners_socket(loop->listeners, i)))
            newcomers_listen(loop, false);
    }
}

void newcomers_last_call(struct event_loop *loop)
{
    for (unsigned i = 0; i < listeners_count(loop->listeners); i++) {
        int listener = listeners_socket(loop->listeners, i);
        for (int left = LISTENERS_BACKLOG; left > 0 && has_newcomer(listener); left -= ACCEPTS_MAX)
            if (!accept_from(loop, listener))
                break;
    }
    newcomers_listen(loop, false);
    listeners_leave(loop->listeners);
    loop->last_call = true;
    loop->last_call_ms = loop->now_ms;
}
