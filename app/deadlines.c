#include "event_loop_internal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    HEAD_TIMEOUT_MS = 10000, /* from a request's first byte to its last */
    IDLE_TIMEOUT_MS =
        75000, /* without a request: longer than the proxies that sit in front of it */
    WRITE_TIMEOUT_MS = 30000, /* without the client's kernel having acknowledged a byte: it does so
                                 in steps of tens of kilobytes where the client reads slowly */
    SLOW_AFTER_MS = 500,      /* of these: then it is first looked how much the client has taken */
    LINGER_TIMEOUT_MS = 1000, /* for the client to close after the last answer */
    DRAIN_IDLE_MS = 500,      /* how long a connection may be idle while draining */
};

static const int64_t timeouts_ms[CONNECTION_STATES] = {
    [CONNECTION_IDLE] = IDLE_TIMEOUT_MS,
    [CONNECTION_READING] = HEAD_TIMEOUT_MS,
    [CONNECTION_WRITING] = SLOW_AFTER_MS,
    [CONNECTION_SLOW] = WRITE_TIMEOUT_MS - SLOW_AFTER_MS,
    [CONNECTION_LINGERING] = LINGER_TIMEOUT_MS,
};

bool is_ready(int socket, short events)
{
    struct pollfd pollfd = {.fd = socket, .events = events};
    return poll(&pollfd, 1, 0) > 0 && (pollfd.revents & events);
}

/* Has something come since epoll_wait(2) told of others? It tells of EVENTS_MAX sockets at a time,
 * and what comes while a sync takes its time waits for the next. An idle client's empty lines are
 * nothing: it could send them for ever. */
static bool has_spoken(const struct connection *connection)
{
    char bytes[64];
    ssize_t length = recv(connection->socket, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    return length > 0 &&
           (connection->state == CONNECTION_READING || request_has_begun(bytes, (size_t)length));
}

/* Looks how much of what was sent the client has still to acknowledge. Returns whether that is less
 * than before; of a connection that lingers also when there is no before. */
static bool has_taken_some(struct connection *connection)
{
    int bytes = 0;
    (void)ioctl(connection->socket, TIOCOUTQ, &bytes); /* SIOCOUTQ of tcp(7) */
    uint32_t before = connection->unacknowledged, now = (uint32_t)bytes;
    connection->unacknowledged = now;
    return before == 0 ? now > 0 : now < before;
}

/* Has the client done its part since the connection entered its state, or since it was last asked?
 * Of an answer epoll(7) tells only once the client has taken a large part: so a client that takes
 * little at a time gets its time again. */
static bool has_moved(struct event_loop *loop, struct connection *connection)
{
    enum connection_state state = connection->state;
    if (state == CONNECTION_IDLE || state == CONNECTION_READING)
        return has_spoken(connection);
    /* A socket that takes bytes is one that the loop owes them. */
    bool writes = state == CONNECTION_WRITING || state == CONNECTION_SLOW;
    if (writes && is_ready(connection->socket, POLLOUT))
        return true;
    if (state == CONNECTION_WRITING || !has_taken_some(connection))
        return false;
    uint32_t unacknowledged = connection->unacknowledged;
    event_loop_enter(loop, connection, state);
    connection->unacknowledged = unacknowledged;
    return true;
}

struct connection *deadlines_due_from(struct event_loop *loop, struct connection *c,
                                      int64_t since_ms)
{
    for (struct connection *next; c && c->since_ms <= since_ms; c = next) {
        next = c->next;
        if (!has_moved(loop, c))
            return c;
    }
    return NULL;
}

static void run_out(struct event_loop *loop, struct connection *connection)
{
    if (connection->state == CONNECTION_READING) {
        exchange_refuse(loop, connection, 408);
    } else if (connection->state == CONNECTION_WRITING) {
        event_loop_enter(loop, connection, CONNECTION_SLOW);
        (void)has_taken_some(connection);
    } else {
        event_loop_drop(loop, connection);
    }
}

bool deadlines_is_over(const struct event_loop *loop, const struct connection *connection)
{
    return connection->since_ms <= loop->polled_ms - timeouts_ms[connection->state];
}

int deadlines_expire(struct event_loop *loop)
{
    int64_t next_ms = INT64_MAX;
    for (enum connection_state state = 0; state < CONNECTION_STATES; state++) {
        struct connection *due, *next, *first;
        bool idle = state == CONNECTION_IDLE;
        int64_t timeout_ms = idle && loop->draining ? DRAIN_IDLE_MS : timeouts_ms[state];
        int64_t since_ms = loop->polled_ms - timeout_ms;
        if (timeout_ms == 0)
            continue;
        due = deadlines_due_from(loop, loop->lists[state].first, since_ms);
        for (; due; due = next) {
            next = deadlines_due_from(loop, due->next, since_ms);
            run_out(loop, due);
        }
        if ((first = loop->lists[state].first)) {
            int64_t left_ms = first->since_ms - since_ms;
            left_ms = left_ms < 0 ? 0 : left_ms;
            next_ms = left_ms < next_ms ? left_ms : next_ms;
        }
    }
    return next_ms == INT64_MAX ? -1 : (int)next_ms;
}
