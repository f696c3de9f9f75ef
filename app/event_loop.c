#include "event_loop.h"

#include "event_loop_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,        /* taken by one epoll_wait(2) */
    ACCEPTS_MAX = 64,        /* of one turn, so that newcomers do not starve those already served */
    HEAD_TIMEOUT_MS = 10000, /* from a request's first byte to its last */
    IDLE_TIMEOUT_MS =
        75000, /* without a request: longer than the proxies that sit in front of it */
    WRITE_TIMEOUT_MS = 10000,  /* without the client's having taken a byte of its answer */
    LINGER_TIMEOUT_MS = 1000,  /* for the client to close after the last answer */
    EVICT_IDLE_AFTER_MS = 100, /* a newcomer's request is on its way and has to be seen first */
    EVICT_AFTER_MS = 1000, /* an unfinished request or answer this old makes room for newcomers */
    ACCEPT_AGAIN_MS = 50,  /* after there was no room, descriptor or memory for another */
    DRAIN_IDLE_MS = 500,   /* how long a connection may be idle while draining */
    DRAIN_TURN_MS = 50,    /* how often draining is looked after */
    LAST_CALL_MS = 250,    /* after the drain time: for requests that are already on their way */
};

static const int64_t timeouts_ms[CONNECTION_STATES] = {
    [CONNECTION_IDLE] = IDLE_TIMEOUT_MS,
    [CONNECTION_READING] = HEAD_TIMEOUT_MS,
    [CONNECTION_WRITING] = WRITE_TIMEOUT_MS,
    [CONNECTION_LINGERING] = LINGER_TIMEOUT_MS,
};

int64_t event_loop_clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Each list has one timeout, so its head is the first to run out and no timer ever needs a search.
 */
void event_loop_enter(struct event_loop *loop, struct connection *connection,
                      enum connection_state state)
{
    connection_list_remove(&loop->lists[connection->state], connection);
    connection->state = state;
    connection->since_ms = loop->now_ms;
    connection_list_append(&loop->lists[state], connection);
}

void event_loop_close(struct event_loop *loop, struct connection *connection)
{
    (void)close(connection->socket);
    atomic_fetch_sub_explicit(&loop->connections, 1, memory_order_relaxed);
    event_loop_enter(loop, connection, CONNECTION_CLOSED);
}

void event_loop_want(struct event_loop *loop, struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (connection->events != events &&
        epoll_ctl(loop->epoll, EPOLL_CTL_MOD, connection->socket, &event) == 0)
        connection->events = events;
}

static void free_closed(struct event_loop *loop)
{
    struct connection *connection;
    while ((connection = loop->lists[CONNECTION_CLOSED].first)) {
        connection_list_remove(&loop->lists[CONNECTION_CLOSED], connection);
        connection_free(connection);
    }
}

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
        struct connection *connection = loop->lists[order[i].state].first;
        if (connection && loop->now_ms - connection->since_ms >= order[i].after_ms) {
            event_loop_close(loop, connection);
            return true;
        }
    }
    return false;
}

static void set_listening(struct event_loop *loop, bool listening)
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

/* What finds no room waits in the kernel's queue: it is left alone for a while, not spun on. */
static void accept_all(struct event_loop *loop)
{
    for (unsigned i = 0; i < listeners_count(loop->listeners); i++) {
        if (!accept_from(loop, listeners_socket(loop->listeners, i)))
            set_listening(loop, false);
    }
}

/* Closes what has run out of time, as of when the sockets were last looked at: what has come while
 * a sync took its time is no silence. Returns how long until the next one does, in ms, or -1. */
static int expire(struct event_loop *loop)
{
    int64_t next_ms = INT64_MAX;
    for (int state = 0; state < CONNECTION_STATES; state++) {
        struct connection *connection;
        bool idle = state == CONNECTION_IDLE;
        int64_t timeout_ms = idle && loop->draining ? DRAIN_IDLE_MS : timeouts_ms[state];
        while (timeout_ms > 0 && (connection = loop->lists[state].first)) {
            int64_t left_ms = connection->since_ms + timeout_ms - loop->polled_ms;
            if (left_ms > 0) {
                next_ms = left_ms < next_ms ? left_ms : next_ms;
                break;
            }
            if (state == CONNECTION_READING)
                exchange_refuse(loop, connection, 408);
            else
                event_loop_close(loop, connection);
        }
    }
    return next_ms == INT64_MAX ? -1 : (int)next_ms;
}

static int earlier_of(int timeout_ms, int64_t other_ms)
{
    other_ms = other_ms < 0 ? 0 : other_ms;
    return timeout_ms < 0 || other_ms < timeout_ms ? (int)other_ms : timeout_ms;
}

static void start_draining(struct event_loop *loop)
{
    loop->draining = true;
    for (struct connection *c = loop->lists[CONNECTION_IDLE].first; c; c = c->next)
        c->since_ms = loop->now_ms;
}

/* The end of draining: whoever is in the kernel's queue is still taken in, then the sockets are
 * shut, so that later comers are refused and not left unanswered. */
static void call_last(struct event_loop *loop)
{
    accept_all(loop);
    set_listening(loop, false);
    for (unsigned i = 0; i < listeners_count(loop->listeners); i++)
        (void)shutdown(listeners_socket(loop->listeners, i), SHUT_RD);
    loop->last_call = true;
    loop->last_call_ms = loop->now_ms;
}

/* Returns whether the loop is to go on. */
static bool look_after_drain(struct event_loop *loop)
{
    int64_t until_ms = atomic_load(&loop->drain_until_ms);
    if (until_ms == 0)
        return true;
    if (!loop->draining)
        start_draining(loop);
    else if (!loop->last_call && (loop->now_ms >= until_ms || loop->connections == 0))
        call_last(loop);
    return !loop->last_call ||
           (loop->connections > 0 && loop->now_ms < loop->last_call_ms + LAST_CALL_MS);
}

/* How long nothing is to be done unless something comes, in ms; -1: for ever. */
static int time_to_wait(struct event_loop *loop)
{
    int timeout_ms = expire(loop);
    if (loop->lists[CONNECTION_READY].first)
        return 0;
    if (!loop->listening && !loop->last_call)
        timeout_ms = earlier_of(timeout_ms, loop->listen_again_ms - loop->now_ms);
    if (loop->draining)
        timeout_ms = earlier_of(timeout_ms, DRAIN_TURN_MS);
    return timeout_ms;
}

static void turn(struct event_loop *loop, int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    bool newcomers = false;
    int count = epoll_wait(loop->epoll, events, EVENTS_MAX, timeout_ms);
    loop->now_ms = loop->polled_ms = event_loop_clock_ms();
    exchange_handle_ready(loop);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == loop->listeners)
            newcomers = true;
        else if (events[i].data.ptr != loop)
            exchange_continue(loop, events[i].data.ptr, events[i].events);
    }
    exchange_commit(loop);
    if (!loop->listening && !loop->last_call && loop->now_ms >= loop->listen_again_ms)
        set_listening(loop, true);
    if (newcomers)
        accept_all(loop);
}

void *event_loop_run(void *event_loop)
{
    struct event_loop *loop = event_loop;
    loop->now_ms = loop->polled_ms = event_loop_clock_ms();
    set_listening(loop, true);
    while (look_after_drain(loop)) {
        turn(loop, time_to_wait(loop));
        free_closed(loop);
    }
    for (int state = 0; state < CONNECTION_CLOSED; state++)
        while (loop->lists[state].first)
            event_loop_close(loop, loop->lists[state].first);
    free_closed(loop);
    return NULL;
}

struct event_loop *event_loop_new(struct listeners *listeners, unsigned connections_max,
                                  const struct handler *handler)
{
    struct event_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    loop->handler = handler;
    loop->listeners = listeners;
    loop->connections_max = connections_max;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = loop};
    if (loop->epoll < 0 || loop->wake < 0 ||
        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0) {
        event_loop_free(loop);
        return NULL;
    }
    return loop;
}

void event_loop_drain(struct event_loop *loop, unsigned drain_ms)
{
    atomic_store(&loop->drain_until_ms, event_loop_clock_ms() + drain_ms);
    (void)eventfd_write(loop->wake, 1);
}

unsigned event_loop_connections(const struct event_loop *loop)
{
    return atomic_load_explicit(&loop->connections, memory_order_relaxed);
}

void event_loop_free(struct event_loop *loop)
{
    int saved_errno = errno;
    if (loop->epoll >= 0)
        (void)close(loop->epoll);
    if (loop->wake >= 0)
        (void)close(loop->wake);
    free(loop);
    errno = saved_errno;
}
