#include "event_loop.h"

#include "event_loop_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,        /* taken by one epoll_wait(2) */
    HEAD_TIMEOUT_MS = 10000, /* from a request's first byte to its last */
    IDLE_TIMEOUT_MS =
        75000, /* without a request: longer than the proxies that sit in front of it */
    WRITE_TIMEOUT_MS = 10000, /* without the client's having taken a byte of its answer */
    LINGER_TIMEOUT_MS = 1000, /* for the client to close after the last answer */
    DRAIN_IDLE_MS = 500,      /* how long a connection may be idle while draining */
    DRAIN_TURN_MS = 50,       /* how often draining is looked after */
    LAST_CALL_MS = 250,       /* after the drain time: for requests that are already on their way */
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

/* Has something come since epoll_wait(2) told of others? It tells of EVENTS_MAX sockets at a time,
 * and what comes while a sync takes its time waits for the next. */
static bool has_spoken(const struct connection *connection)
{
    char byte;
    return recv(connection->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static bool waits_for_client(const struct connection *connection)
{
    return connection->state == CONNECTION_IDLE || connection->state == CONNECTION_READING;
}

struct connection *event_loop_due_from(struct connection *c, int64_t since_ms)
{
    while (c && c->since_ms <= since_ms && waits_for_client(c) && has_spoken(c))
        c = c->next;
    return c && c->since_ms <= since_ms ? c : NULL;
}

static void free_closed(struct event_loop *loop)
{
    struct connection *connection;
    while ((connection = loop->lists[CONNECTION_CLOSED].first)) {
        connection_list_remove(&loop->lists[CONNECTION_CLOSED], connection);
        connection_free(connection);
    }
}

/* Closes what has run out of time, as of when the sockets were last looked at: what has come while
 * a sync took its time is no silence. Returns how long until the next one does, in ms, or -1. */
static int expire(struct event_loop *loop)
{
    int64_t next_ms = INT64_MAX;
    for (enum connection_state state = 0; state < CONNECTION_STATES; state++) {
        struct connection *due, *next, *first;
        bool idle = state == CONNECTION_IDLE;
        int64_t timeout_ms = idle && loop->draining ? DRAIN_IDLE_MS : timeouts_ms[state];
        int64_t since_ms = loop->polled_ms - timeout_ms;
        if (timeout_ms == 0)
            continue;
        for (due = event_loop_due_from(loop->lists[state].first, since_ms); due; due = next) {
            next = event_loop_due_from(due->next, since_ms);
            if (state == CONNECTION_READING)
                exchange_refuse(loop, due, 408);
            else
                event_loop_close(loop, due);
        }
        if ((first = loop->lists[state].first)) {
            int64_t left_ms = first->since_ms - since_ms;
            left_ms = left_ms < 0 ? 0 : left_ms;
            next_ms = left_ms < next_ms ? left_ms : next_ms;
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

/* Returns whether the loop is to go on. */
static bool look_after_drain(struct event_loop *loop)
{
    int64_t until_ms = atomic_load(&loop->drain_until_ms);
    if (until_ms == 0)
        return true;
    if (!loop->draining)
        start_draining(loop);
    else if (!loop->last_call && (loop->now_ms >= until_ms || loop->connections == 0))
        newcomers_last_call(loop);
    if (!loop->last_call)
        return true;
    /* So many turns find everybody who has come, for epoll(7) tells of sockets in rotation. */
    bool found_all = !loop->more_events || loop->last_turns++ > loop->connections_max / EVENTS_MAX;
    bool over = loop->polled_ms >= loop->last_call_ms + LAST_CALL_MS && found_all;
    return loop->connections > 0 && !over;
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
    loop->more_events = count == EVENTS_MAX;
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
        newcomers_listen(loop, true);
    if (newcomers)
        newcomers_accept(loop);
}

void *event_loop_run(void *event_loop)
{
    struct event_loop *loop = event_loop;
    loop->now_ms = loop->polled_ms = event_loop_clock_ms();
    newcomers_listen(loop, true);
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
    listeners_join(listeners);
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
