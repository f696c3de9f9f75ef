#include "event_loop.h"

#include "event_loop_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,     /* taken by one epoll_wait(2) */
    DRAIN_TURN_MS = 50,   /* how often draining is looked after */
    LAST_CALL_MS = 250,   /* after the drain time: for requests that are already on their way */
    LAST_LINGER_MS = 250, /* after that: for clients to close */
};

/* Each list has one timeout, so its head is the first to run out and no timer ever needs a search.
 */
void event_loop_enter(struct event_loop *loop, struct connection *connection,
                      enum connection_state state)
{
    connection_list_remove(&loop->lists[connection->state], connection);
    connection->state = state;
    connection->since_ms = loop->now_ms;
    connection->unacknowledged = 0;
    connection_list_append(&loop->lists[state], connection);
}

void event_loop_close(struct event_loop *loop, struct connection *connection)
{
    (void)close(connection->socket);
    atomic_fetch_sub_explicit(&loop->connections, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&loop->group->connections, 1, memory_order_relaxed);
    event_loop_enter(loop, connection, CONNECTION_CLOSED);
}

void event_loop_drop(struct event_loop *loop, struct connection *connection)
{
    enum { READS_MAX = 64 }; /* a client that never stops is reset */
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int socket = connection->socket, reads = 0;
    if (connection->state == CONNECTION_WRITING || connection->state == CONNECTION_SLOW)
        (void)setsockopt(socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connection->state == CONNECTION_LINGERING)
        while (reads < READS_MAX && recv(socket, loop->input, sizeof loop->input, MSG_DONTWAIT) > 0)
            reads++;
    event_loop_close(loop, connection);
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

/* Clients that have been answered for the last time stay for a moment. */
static void drop_all_but_lingering(struct event_loop *loop)
{
    for (enum connection_state state = 0; state < CONNECTION_LINGERING; state++)
        while (loop->lists[state].first)
            event_loop_drop(loop, loop->lists[state].first);
}

/* There may be more clients in the kernel's queue than the limit has room for: while time is left,
 * it is over only once none of them waits. */
static void end_if_due(struct event_loop *loop, bool time_is_up)
{
    if (!time_is_up && loop->connections == 0)
        newcomers_accept(loop);
    if (time_is_up || loop->connections == 0)
        newcomers_last_call(loop, time_is_up);
}

/* Returns whether the loop is to go on. */
static bool look_after_drain(struct event_loop *loop)
{
    int64_t until_ms = atomic_load(&loop->drain_until_ms);
    if (until_ms == 0)
        return true;
    if (!loop->draining)
        start_draining(loop);
    else if (!loop->last_call)
        end_if_due(loop, loop->now_ms >= until_ms);
    if (!loop->last_call)
        return true;
    /* So many turns find everybody who has come, for epoll(7) tells of sockets in rotation. */
    bool found_all =
        !loop->more_events || loop->last_turns++ > loop->group->connections_max / EVENTS_MAX;
    int64_t over_ms = loop->last_call_ms + LAST_CALL_MS;
    if (found_all && loop->polled_ms >= over_ms)
        drop_all_but_lingering(loop);
    return loop->connections > 0 && !(found_all && loop->polled_ms >= over_ms + LAST_LINGER_MS);
}

/* How long nothing is to be done unless something comes, in ms; -1: for ever. */
static int time_to_wait(struct event_loop *loop)
{
    int timeout_ms = deadlines_expire(loop);
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
    bool newcomers = false, woken = false;
    const struct connection *idle = loop->lists[CONNECTION_IDLE].first;
    atomic_store_explicit(&loop->idle_since_ms, idle ? idle->since_ms : INT64_MAX,
                          memory_order_relaxed);
    atomic_store_explicit(&loop->busy_since_ms, 0, memory_order_relaxed);
    int count = epoll_wait(loop->epoll, events, EVENTS_MAX, timeout_ms);
    loop->more_events = count == EVENTS_MAX;
    loop->now_ms = loop->polled_ms = clock_ms();
    atomic_store_explicit(&loop->busy_since_ms, loop->now_ms, memory_order_relaxed);
    exchange_handle_ready(loop);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == loop->group)
            newcomers = true;
        else if (events[i].data.ptr == loop)
            woken = true;
        else
            exchange_continue(loop, events[i].data.ptr, events[i].events);
    }
    if (newcomers && loop->deferred_count > 0)
        loop_group_ask(loop);
    if (woken) {
        newcomers_take_passed(loop);
        newcomers |= atomic_exchange(&loop->asked, false) && !loop->last_call;
    }
    exchange_commit(loop);
    if (!loop->listening && !loop->last_call && loop->now_ms >= loop->listen_again_ms) {
        newcomers_listen(loop, true);
        newcomers = true;
    }
    if (newcomers && !loop->last_call)
        newcomers_accept(loop);
}

void *event_loop_run(void *event_loop)
{
    struct event_loop *loop = event_loop;
    loop->now_ms = loop->polled_ms = clock_ms();
    newcomers_listen(loop, true);
    while (look_after_drain(loop)) {
        turn(loop, time_to_wait(loop));
        free_closed(loop);
    }
    for (int state = 0; state < CONNECTION_CLOSED; state++)
        while (loop->lists[state].first)
            event_loop_drop(loop, loop->lists[state].first);
    free_closed(loop);
    return NULL;
}

struct event_loop *event_loop_new(struct loop_group *group, const struct handler *handler)
{
    struct event_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    loop->handler = handler;
    loop->group = group;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = loop};
    if (loop->epoll < 0 || loop->wake < 0 ||
        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0) {
        event_loop_free(loop);
        return NULL;
    }
    loop_group_join(loop);
    return loop;
}

void event_loop_drain(struct event_loop *loop, unsigned drain_ms)
{
    atomic_store(&loop->drain_until_ms, clock_ms() + drain_ms);
    (void)eventfd_write(loop->wake, 1);
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
