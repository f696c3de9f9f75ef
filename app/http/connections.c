#include "http/connections.h"

#include "base/io.h"
#include "http/request.h"

#include <assert.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEAD_TIMEOUT_MS = 10000,  /* from a request's first byte to its last */
    WRITE_TIMEOUT_MS = 30000, /* until the client's kernel acknowledges a byte; where the client
                                 reads slowly it does so in steps of tens of kilobytes */
    SLOW_AFTER_MS = 500,      /* of WRITE_TIMEOUT_MS; then unacknowledged bytes are counted */
    LINGER_TIMEOUT_MS = 1000, /* for the client to close after the last response */
    DRAIN_IDLE_MS = 500,      /* how long a connection may be idle while draining */
    LATE_MAX = 4,             /* so a late client is waited for in every 16th commit */
};

static const int64_t timeouts_ms[CONNECTION_STATES] = {
    [CONNECTION_READING] = HEAD_TIMEOUT_MS,
    [CONNECTION_WRITING] = SLOW_AFTER_MS,
    [CONNECTION_SLOW] = WRITE_TIMEOUT_MS - SLOW_AFTER_MS,
    [CONNECTION_LINGERING] = LINGER_TIMEOUT_MS,
};

int connections_init(struct connections *connections, struct loop_member *member)
{
    connections->member = member;
    connections->epoll = epoll_create1(EPOLL_CLOEXEC);
    return connections->epoll >= 0 ? 0 : -1;
}

void connections_destroy(struct connections *connections)
{
    for (int state = 0; state < CONNECTION_STATES; state++)
        assert(!connections->lists[state].first);
    if (connections->epoll >= 0)
        close_keeping_errno(connections->epoll);
}

void connections_add(struct connections *connections, struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    assert(connection->state == CONNECTION_IDLE);
    connection->events = EPOLLIN;
    connection->since_ms = connections->now_ms;
    connection_list_append(&connections->lists[connection->state], connection);
    if (epoll_ctl(connections->epoll, EPOLL_CTL_ADD, connection->socket, &event) != 0)
        connections_close(connections, connection);
}

void connections_set_state(struct connections *connections, struct connection *connection,
                           enum connection_state state)
{
    assert(connection->state != CONNECTION_CLOSED);
    connection_list_remove(&connections->lists[connection->state], connection);
    connection->state = state;
    connection->since_ms = connections->now_ms;
    connection->unacknowledged = 0;
    connection_list_append(&connections->lists[state], connection);
}

void connections_set_events(struct connections *connections, struct connection *connection,
                            uint8_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (connection->events != events &&
        epoll_ctl(connections->epoll, EPOLL_CTL_MOD, connection->socket, &event) == 0)
        connection->events = events;
}

void connections_forget(struct connections *connections, struct connection *connection)
{
    (void)epoll_ctl(connections->epoll, EPOLL_CTL_DEL, connection->socket, NULL);
}

void connections_begin_commit(struct connections *connections)
{
    connections->commits++;
    connections->awaited = 0;
}

void connections_await(struct connections *connections, struct connection *connection)
{
    connection->commit = connections->commits;
    connection->awaited = connections->commits % (1U << connection->late) == 0;
    connections->awaited += connection->awaited;
}

void connections_has_come(struct connections *connections, struct connection *connection)
{
    bool in_time = connection->commit == connections->commits;
    if (in_time)
        connection->late = 0;
    else if (connection->awaited && connection->late < LATE_MAX)
        connection->late++;
    connections->awaited -= in_time && connection->awaited;
    connection->awaited = false;
}

void connections_close(struct connections *connections, struct connection *connection)
{
    connections_has_come(connections, connection);
    (void)close(connection->socket);
    loop_group_uncount(connections->member);
    connections_set_state(connections, connection, CONNECTION_CLOSED);
}

void connections_abort(struct connections *connections, struct connection *connection)
{
    enum { READS_MAX = 64 }; /* a client that never stops is reset */
    char unread[8192];
    int reads = 0;
    if (connection->state == CONNECTION_WRITING || connection->state == CONNECTION_SLOW ||
        connection->state == CONNECTION_STREAMING)
        connection_reset_on_close(connection, true);
    if (connection->state == CONNECTION_LINGERING)
        while (reads < READS_MAX && receive_some(connection->socket, unread, sizeof unread) > 0)
            reads++;
    connections_close(connections, connection);
}

void connections_abort_all(struct connections *connections, enum connection_state end)
{
    for (enum connection_state state = 0; state < end; state++)
        while (connections->lists[state].first)
            connections_abort(connections, connections->lists[state].first);
}

void connections_free_closed(struct connections *connections)
{
    struct connection_list *closed = &connections->lists[CONNECTION_CLOSED];
    struct connection *connection;
    while ((connection = closed->first)) {
        connection_list_remove(closed, connection);
        connection_free(connection);
    }
}

/* Has the client sent bytes that are unread? epoll_wait(2) reports a limited number of sockets at a
 * time, and since then a write may have taken long. Empty lines of an idle client do not count: it
 * could send them for ever. */
static bool has_unread_input(const struct connection *connection)
{
    char bytes[64];
    ssize_t length = recv(connection->socket, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    return length > 0 &&
           (connection->state == CONNECTION_READING || request_has_begun(bytes, (size_t)length));
}

/* Counts the bytes that the client has not acknowledged. Returns whether they are fewer than at the
 * last check; at the first check, in a lingering close, whether there are any. */
static bool has_taken_some(struct connection *connection)
{
    int bytes = 0;
    (void)ioctl(connection->socket, TIOCOUTQ, &bytes); /* SIOCOUTQ of tcp(7) */
    uint32_t before = connection->unacknowledged, now = (uint32_t)bytes;
    connection->unacknowledged = now;
    return before == 0 ? now > 0 : now < before;
}

void connections_set_slow(struct connections *connections, struct connection *connection)
{
    connections_set_state(connections, connection, CONNECTION_SLOW);
    (void)has_taken_some(connection);
}

/* Has the client made progress since the connection entered its state, or since the last check? Of
 * a response epoll(7) reports only that the client has read a large part. So the acknowledged bytes
 * are checked too, and a client that reads a little at a time gets its full time again. */
static bool has_progressed(struct connections *connections, struct connection *connection)
{
    enum connection_state state = connection->state;
    if (state == CONNECTION_IDLE || state == CONNECTION_READING)
        return has_unread_input(connection);
    /* A writable socket waits for this loop, not for the client. */
    bool writes = state == CONNECTION_WRITING || state == CONNECTION_SLOW;
    if (writes && is_ready(connection->socket, POLLOUT))
        return true;
    if (state == CONNECTION_WRITING || !has_taken_some(connection))
        return false;
    uint32_t unacknowledged = connection->unacknowledged;
    connections_set_state(connections, connection, state);
    connection->unacknowledged = unacknowledged;
    return true;
}

int64_t connections_expired_since_ms(const struct connections *connections,
                                     enum connection_state state)
{
    int64_t timeout_ms = timeouts_ms[state];
    if (state == CONNECTION_IDLE)
        timeout_ms = connections->draining ? DRAIN_IDLE_MS : connections->idle_timeout_ms;
    return timeout_ms == 0 ? INT64_MIN : connections->polled_ms - timeout_ms;
}

struct connection *connections_next_expired(struct connections *connections,
                                            struct connection *connection, int64_t since_ms)
{
    for (struct connection *next; connection && connection->since_ms <= since_ms;
         connection = next) {
        next = connection->next;
        if (!has_progressed(connections, connection))
            return connection;
    }
    return NULL;
}

int connections_next_expiry_ms(const struct connections *connections)
{
    int64_t least_ms = INT64_MAX;
    for (enum connection_state state = 0; state < CONNECTION_STATES; state++) {
        const struct connection *first = connections->lists[state].first;
        int64_t since_ms = connections_expired_since_ms(connections, state);
        if (!first || since_ms == INT64_MIN)
            continue;
        int64_t left_ms = first->since_ms > since_ms ? first->since_ms - since_ms : 0;
        least_ms = left_ms < least_ms ? left_ms : least_ms;
    }
    return least_ms == INT64_MAX ? -1 : (int)least_ms;
}
