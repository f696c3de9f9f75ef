#include "event_loop_internal.h"

#include "listeners.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Has the client sent what nobody will read? */
static bool is_sending(const struct connection *connection)
{
    char byte;
    return connection->linger || connection->input_length > 0 ||
           recv(connection->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* The answer is out. To close at once with bytes unread would send a reset, which can overtake the
 * answer: so this side is shut first, and the client's bytes are thrown away until it closes too
 * (RFC 9112 §9.6). Where nothing has come it is closed at once: to wait for each client would cost
 * an eighth more processor time for each connection of one request. */
static void finish_answer(struct event_loop *loop, struct connection *connection)
{
    event_loop_want(loop, connection, EPOLLIN);
    if (connection->keep_alive) {
        event_loop_enter(loop, connection,
                         connection->input_length > 0 ? CONNECTION_READY : CONNECTION_IDLE);
    } else if (loop->draining || is_sending(connection)) {
        (void)shutdown(connection->socket, SHUT_WR);
        event_loop_enter(loop, connection, CONNECTION_LINGERING);
    } else {
        event_loop_close(loop, connection);
    }
}

/* Sends what the socket takes. Returns how much, or -1 if the connection is broken. */
static ssize_t send_some(const struct connection *connection, const char *data, size_t length)
{
    ssize_t sent;
    do
        sent = send(connection->socket, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

static void wait_until_writable(struct event_loop *loop, struct connection *connection)
{
    event_loop_want(loop, connection, EPOLLOUT);
    event_loop_enter(loop, connection, CONNECTION_WRITING);
}

/* Continues a long answer by one piece, so that other connections have their turn between two. */
static void continue_stream(struct event_loop *loop, struct connection *connection)
{
    struct stream *stream = connection->stream;
    ssize_t length = stream->next(stream, loop->output, sizeof loop->output);
    if (length < 0) {
        if (errno == EAGAIN)
            event_loop_enter(loop, connection, CONNECTION_WRITING);
        else
            event_loop_drop(loop, connection);
        return;
    }
    if (length == 0) {
        connection_end_stream(connection);
        finish_answer(loop, connection);
        return;
    }
    ssize_t sent = send_some(connection, loop->output, (size_t)length);
    if (sent < 0) {
        event_loop_close(loop, connection);
        return;
    }
    stream->sent(stream, (size_t)sent);
    if (sent > 0)
        event_loop_enter(loop, connection, CONNECTION_WRITING);
}

static void continue_output(struct event_loop *loop, struct connection *connection)
{
    ssize_t sent = send_some(connection, connection->output + connection->output_sent,
                             connection->output_length - connection->output_sent);
    if (sent < 0) {
        event_loop_close(loop, connection);
        return;
    }
    connection->output_sent += (uint32_t)sent;
    if (connection->output_sent < connection->output_length) {
        if (sent > 0)
            event_loop_enter(loop, connection, CONNECTION_WRITING);
        return;
    }
    connection_drop_output(connection);
    if (!connection->stream)
        finish_answer(loop, connection);
}

static void send_reply(struct event_loop *loop, struct connection *connection,
                       const struct reply *reply)
{
    connection->keep_alive = reply->keep_alive;
    connection->stream = reply->stream;
    ssize_t sent = send_some(connection, reply->data, reply->length);
    if (sent < 0) {
        event_loop_close(loop, connection);
    } else if ((size_t)sent < reply->length) {
        if (connection_keep_output(connection, reply->data + sent, reply->length - (size_t)sent) !=
            0)
            event_loop_close(loop, connection);
        else
            wait_until_writable(loop, connection);
    } else if (connection->stream) {
        wait_until_writable(loop, connection);
    } else {
        finish_answer(loop, connection);
    }
}

static struct reply new_reply(struct event_loop *loop, const struct connection *connection)
{
    return (struct reply){.data = loop->output,
                          .keep_alive = connection->keep_alive && !loop->draining,
                          .head_only = connection->head_only,
                          .http_1_0 = connection->http_1_0};
}

void exchange_refuse(struct event_loop *loop, struct connection *connection, int status)
{
    connection->keep_alive = false;
    connection->linger = true;
    struct reply reply = new_reply(loop, connection);
    loop->handler->refuse(loop->handler->context, status, &reply);
    send_reply(loop, connection, &reply);
}

void exchange_commit(struct event_loop *loop)
{
    const struct handler *handler = loop->handler;
    if (loop->deferred_count == 0)
        return;
    handler->commit(handler->context);
    loop->now_ms = clock_ms();
    for (unsigned i = 0; i < loop->deferred_count; i++) {
        struct connection *connection = loop->deferred[i];
        struct reply reply = new_reply(loop, connection);
        handler->answer(handler->context, connection->tag, &reply);
        send_reply(loop, connection, &reply);
    }
    loop->deferred_count = 0;
}

static void handle_request(struct event_loop *loop, struct connection *connection,
                           const struct request *request)
{
    connection->keep_alive = request->keep_alive;
    connection->head_only = request->head_only;
    connection->http_1_0 = request->http_1_0;
    struct reply reply = new_reply(loop, connection);
    int tag = loop->handler->request(loop->handler->context, request, &reply);
    if (tag < 0) {
        send_reply(loop, connection, &reply);
        return;
    }
    connection->tag = tag;
    event_loop_enter(loop, connection, CONNECTION_DEFERRED);
    loop->deferred[loop->deferred_count++] = connection;
    if (loop->deferred_count == DEFERRED_MAX)
        exchange_commit(loop);
}

/* A request that is not whole yet. The deadline is for all of it: another byte does not extend it,
 * and where it is over all that came in time has been read now. Nor do empty lines, or half of one,
 * extend the time that a connection may be idle. */
static void keep_partial(struct event_loop *loop, struct connection *connection, const char *data,
                         size_t length)
{
    if (connection->state == CONNECTION_READING && deadlines_is_over(loop, connection)) {
        exchange_refuse(loop, connection, 408);
        return;
    }
    if (connection->state == CONNECTION_IDLE && request_has_begun(data, length))
        event_loop_enter(loop, connection, CONNECTION_READING);
    if (connection_keep_input(connection, data, length) != 0)
        event_loop_close(loop, connection);
}

/* Takes the first request out of the LENGTH bytes in the loop's input buffer. */
static void take_request(struct event_loop *loop, struct connection *connection, size_t length)
{
    struct mg_request_info info;
    struct request request;
    size_t skipped = request_skip_empty_lines(loop->input, length);
    char *head = loop->input + skipped;
    length -= skipped;
    int scanned = request_scan(head, length);
    /* Before the request is whole: its time may run out, and that is answered too. */
    connection->head_only = length >= 5 && memcmp(head, "HEAD ", 5) == 0;
    connection->http_1_0 = false;
    if (scanned == 0) {
        keep_partial(loop, connection, head, length);
        return;
    }
    int status = scanned < 0 ? -scanned : listeners_parse(head, (size_t)scanned, &info);
    if (status == 0)
        status = request_check(&info, &request);
    if (status != 0) {
        exchange_refuse(loop, connection, status);
        return;
    }
    /* What came after it has to leave this buffer before the connection waits for anything. */
    if (connection_keep_input(connection, head + scanned, length - (size_t)scanned) != 0)
        event_loop_close(loop, connection);
    else
        handle_request(loop, connection, &request);
}

static void read_request(struct event_loop *loop, struct connection *connection)
{
    size_t kept = connection->input_length;
    ssize_t got;
    do
        got = recv(connection->socket, loop->input + kept, sizeof loop->input - kept, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        event_loop_close(loop, connection);
        return;
    }
    if (kept > 0)
        memcpy(loop->input, connection->input, kept);
    take_request(loop, connection, kept + (size_t)got);
}

static void throw_away_input(struct event_loop *loop, struct connection *connection)
{
    ssize_t got = recv(connection->socket, loop->input, sizeof loop->input, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        event_loop_close(loop, connection);
}

void exchange_continue(struct event_loop *loop, struct connection *connection, uint32_t events)
{
    switch (connection->state) {
    case CONNECTION_IDLE:
    case CONNECTION_READING:
        read_request(loop, connection);
        break;
    case CONNECTION_WRITING:
    case CONNECTION_SLOW:
        if (events & (EPOLLERR | EPOLLHUP))
            event_loop_close(loop, connection);
        else if (connection->output)
            continue_output(loop, connection);
        else
            continue_stream(loop, connection);
        break;
    case CONNECTION_LINGERING:
        throw_away_input(loop, connection);
        break;
    default: /* a turn of its own, or its end, is already due */
        break;
    }
}

void exchange_handle_ready(struct event_loop *loop)
{
    struct connection *last = loop->lists[CONNECTION_READY].last, *connection = NULL;
    while (connection != last) {
        connection = loop->lists[CONNECTION_READY].first;
        size_t length = connection->input_length;
        memcpy(loop->input, connection->input, length);
        event_loop_enter(loop, connection, CONNECTION_IDLE);
        take_request(loop, connection, length);
    }
}
