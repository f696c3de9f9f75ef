#include "http/event_loop.h"

#include "base/clock.h"
#include "base/io.h"
#include "http/accept.h"
#include "http/connections.h"
#include "http/http1.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum {
    EVENTS_MAX = 256,        /* reported by one epoll_wait(2) */
    DRAIN_ITERATION_MS = 50, /* the longest iteration while draining */
    FINAL_REQUESTS_MS = 250, /* after leaving the group: for requests already on their way */
    FINAL_LINGER_MS = 250,   /* after that: for clients to close */
};

/* SERVING until event_loop_drain(). DRAINING until no connection is left or time is up. FINAL after
 * the loop has left its group: it accepts no more connections. */
enum phase { SERVING, DRAINING, FINAL };

struct event_loop {
    enum phase phase;
    _Atomic int64_t drain_until_ms; /* 0: event_loop_drain() has not been called */
    int64_t final_since_ms;
    unsigned final_iterations; /* in FINAL, with more events */
    bool more_events;          /* the last epoll_wait(2) may not have reported all */
    struct loop_member member;
    struct connections connections;
    struct acceptor acceptor;
    struct http1 http1;
};

static void start_draining(struct event_loop *loop)
{
    struct connections *connections = &loop->connections;
    loop->phase = DRAINING;
    connections->draining = true;
    for (struct connection *c = connections->lists[CONNECTION_IDLE].first; c; c = c->next)
        c->since_ms = connections->now_ms;
}

/* Leaves the group when time is up, or when no connection is left and no client waits in the
 * backlog. At the limit there may be more clients in the backlog than places. */
static void leave_if_due(struct event_loop *loop)
{
    bool time_is_up = loop->connections.now_ms >= atomic_load(&loop->drain_until_ms);
    if (!time_is_up && loop->member.connections == 0)
        accept_pending(&loop->acceptor);
    if (!time_is_up && loop->member.connections > 0)
        return;
    if (accept_drain_backlog(&loop->acceptor, time_is_up)) {
        loop->phase = FINAL;
        loop->final_since_ms = loop->connections.now_ms;
    }
}

/* Responds to requests that are already on their way, then gives clients a moment to close. Returns
 * whether the loop must go on. */
static bool finish(struct event_loop *loop)
{
    struct connections *connections = &loop->connections;
    /* A visit is acknowledged or refused, however long its commit takes. */
    bool commits = connections->lists[CONNECTION_DEFERRED].first ||
                   connections->lists[CONNECTION_COMMITTING].first;
    if (commits && connections->polled_ms - loop->final_since_ms > FINAL_REQUESTS_MS)
        loop->final_since_ms = connections->polled_ms - FINAL_REQUESTS_MS;
    unsigned connections_max = loop_group_connections_max(loop->member.group);
    /* So many iterations reach all sockets, since epoll_wait(2) reports them round-robin. */
    bool found_all = !loop->more_events || loop->final_iterations++ > connections_max / EVENTS_MAX;
    int64_t requests_until_ms = loop->final_since_ms + FINAL_REQUESTS_MS;
    if (found_all && connections->polled_ms >= requests_until_ms)
        connections_abort_all(connections, CONNECTION_LINGERING);
    bool time_is_up = connections->polled_ms >= requests_until_ms + FINAL_LINGER_MS;
    return loop->member.connections > 0 && !(found_all && time_is_up);
}

/* Changes the phase if it is time to. Returns whether the loop must go on. */
static bool update_phase(struct event_loop *loop)
{
    if (loop->phase == SERVING && atomic_load(&loop->drain_until_ms) != 0)
        start_draining(loop);
    else if (loop->phase == DRAINING)
        leave_if_due(loop);
    return loop->phase != FINAL || finish(loop);
}

static int earlier_of(int timeout_ms, int64_t other_ms)
{
    other_ms = other_ms < 0 ? 0 : other_ms;
    return timeout_ms < 0 || other_ms < timeout_ms ? (int)other_ms : timeout_ms;
}

/* How long epoll_wait(2) may wait, in ms; -1: for ever. */
static int poll_timeout_ms(const struct event_loop *loop)
{
    const struct connections *connections = &loop->connections;
    int timeout_ms = connections_next_expiry_ms(connections);
    if (connections->lists[CONNECTION_READY].first ||
        connections->lists[CONNECTION_STREAMING].first)
        return 0;
    if (!loop->member.accepting && loop->phase != FINAL)
        timeout_ms = earlier_of(timeout_ms, loop->acceptor.enable_after_ms - connections->now_ms);
    if (loop->phase != SERVING)
        timeout_ms = earlier_of(timeout_ms, DRAIN_ITERATION_MS);
    return timeout_ms;
}

/* Publishes whether this loop is busy and how long its connections have been idle. Other loops
 * choose by that which loop to ask to accept. */
static void publish(struct event_loop *loop, int64_t busy_since_ms)
{
    const struct connection *idle = loop->connections.lists[CONNECTION_IDLE].first;
    if (busy_since_ms == 0)
        atomic_store_explicit(&loop->member.idle_since_ms, idle ? idle->since_ms : INT64_MAX,
                              memory_order_relaxed);
    atomic_store_explicit(&loop->member.busy_since_ms, busy_since_ms, memory_order_relaxed);
}

/* Returns false if another thread runs the loop by now. */
static bool iterate(struct event_loop *loop, int timeout_ms)
{
    struct connections *connections = &loop->connections;
    struct epoll_event events[EVENTS_MAX];
    bool clients_wait = false, woken = false;
    publish(loop, 0);
    int count = epoll_wait(connections->epoll, events, EVENTS_MAX, timeout_ms);
    loop->more_events = count == EVENTS_MAX;
    int64_t now_ns = clock_ns();
    connections->now_ms = connections->polled_ms = now_ns / 1000000;
    connections->polled_us = (uint32_t)(now_ns / 1000);
    publish(loop, connections->now_ms);
    http1_handle_ready(&loop->http1);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &loop->acceptor)
            clients_wait = true;
        else if (events[i].data.ptr == loop)
            woken = true;
        else
            http1_continue(&loop->http1, events[i].data.ptr, events[i].events);
    }
    if (clients_wait && connections->lists[CONNECTION_DEFERRED].first)
        loop_group_ask(&loop->member, connections->now_ms);
    if (woken) {
        accept_passed(&loop->acceptor);
        clients_wait |= atomic_exchange(&loop->member.asked, false);
    }
    if (!http1_commit(&loop->http1))
        return false;
    http1_stream(&loop->http1);
    if (loop->phase == FINAL)
        return true;
    if (!loop->member.accepting && connections->now_ms >= loop->acceptor.enable_after_ms) {
        accept_enable(&loop->acceptor);
        clients_wait = true;
    }
    if (clients_wait)
        accept_pending(&loop->acceptor);
    return true;
}

bool event_loop_run(struct event_loop *loop)
{
    struct connections *connections = &loop->connections;
    connections->now_ms = connections->polled_ms = clock_ms();
    if (loop->phase != FINAL) {
        accept_enable(&loop->acceptor);
        accept_pending(&loop->acceptor);
    }
    while (update_phase(loop)) {
        http1_close_expired(&loop->http1);
        if (!iterate(loop, poll_timeout_ms(loop)))
            return false;
        connections_free_closed(connections);
    }
    connections_abort_all(connections, CONNECTION_CLOSED);
    connections_free_closed(connections);
    return true;
}

struct event_loop *event_loop_new(struct loop_group *group, const struct handler *handler,
                                  unsigned idle_timeout_ms)
{
    struct event_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = loop};
    loop->acceptor.connections = loop->http1.connections = &loop->connections;
    loop->acceptor.member = &loop->member;
    loop->http1.handler = handler;
    loop->connections.idle_timeout_ms = idle_timeout_ms;
    loop->member.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (connections_init(&loop->connections, &loop->member) != 0 || loop->member.wake < 0 ||
        epoll_ctl(loop->connections.epoll, EPOLL_CTL_ADD, loop->member.wake, &event) != 0) {
        event_loop_free(loop);
        return NULL;
    }
    loop_group_join(group, &loop->member);
    return loop;
}

void event_loop_drain(struct event_loop *loop, unsigned drain_ms)
{
    atomic_store(&loop->drain_until_ms, clock_ms() + drain_ms);
    (void)eventfd_write(loop->member.wake, 1);
}

void event_loop_wake(struct event_loop *loop)
{
    (void)eventfd_write(loop->member.wake, 1);
}

void event_loop_free(struct event_loop *loop)
{
    connections_destroy(&loop->connections);
    if (loop->member.wake >= 0)
        close_keeping_errno(loop->member.wake);
    free(loop);
}
