#include "http/http1.h"

#include "base/clock.h"
#include "base/io.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    SEND_MAX = 131072, /* bytes of a stream that sends by itself, in one turn */
    TURNS = 4,         /* of all streams together in one iteration without requests */
};

/* The framing of chunked coding (RFC 9112 §7.1). */
enum { CHUNK_HEAD = sizeof "00000000\r\n" - 1, CHUNK_END = sizeof "\r\n" - 1 };
static const char last_chunk[] = "0\r\n\r\n";

/* Has the client sent bytes that will not be read? */
static bool is_sending(const struct connection *connection)
{
    char byte;
    return connection->linger || connection->input_length > 0 ||
           recv(connection->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* The response is sent. close(2) with unread bytes would send a reset, which can overtake the
 * response. So a lingering close shuts down this side first, and discards the client's bytes until
 * it closes too (RFC 9112 §9.6). Without unread bytes the connection is closed at once: to wait for
 * each client would cost an eighth more processor time for each connection of one request. */
static void finish_response(struct http1 *http1, struct connection *connection)
{
    struct connections *connections = http1->connections;
    assert(!connection->output && !connection->stream);
    if (connection->timed)
        http1->handler->sent(http1->handler->context,
                             (uint32_t)(clock_ns() / 1000) - connection->came_us);
    connections_set_events(connections, connection, EPOLLIN);
    if (connection->keep_alive) {
        connections_set_state(connections, connection,
                              connection->input_length > 0 ? CONNECTION_READY : CONNECTION_IDLE);
    } else if (connections->draining || is_sending(connection)) {
        (void)shutdown(connection->socket, SHUT_WR);
        connections_set_state(connections, connection, CONNECTION_LINGERING);
    } else {
        connections_close(connections, connection);
    }
}

static void wait_until_writable(struct http1 *http1, struct connection *connection)
{
    connections_set_events(http1->connections, connection, EPOLLOUT);
    connections_set_state(http1->connections, connection, CONNECTION_WRITING);
}

/* Writes the current piece of the stream with its framing into the loop's output. HTTP/1.0 has no
 * chunks: the end of the connection ends the body. Returns the length, or -1 with errno. */
static ssize_t make_piece(struct http1 *http1, struct connection *connection, bool *ret_last)
{
    struct stream *stream = connection->stream;
    char *output = http1->output;
    if (connection->http_1_0)
        return stream->next(stream, output, sizeof http1->output, ret_last);
    size_t size = sizeof http1->output - CHUNK_HEAD - CHUNK_END - sizeof last_chunk;
    ssize_t content = stream->next(stream, output + CHUNK_HEAD, size, ret_last);
    if (content < 0)
        return -1;
    size_t length = 0;
    if (content > 0) {
        char head[32];
        (void)snprintf(head, sizeof head, "%08zx\r\n", (size_t)content);
        memcpy(output, head, CHUNK_HEAD);
        length = CHUNK_HEAD + (size_t)content;
        memcpy(output + length, "\r\n", CHUNK_END);
        length += CHUNK_END;
    }
    if (*ret_last) {
        memcpy(output + length, last_chunk, sizeof last_chunk - 1);
        length += sizeof last_chunk - 1;
    }
    return (ssize_t)length;
}

/* Sends the current piece, or the rest of it. If the client takes a piece in parts, the stream
 * writes the piece again for each part: no buffer is kept. Returns the number of bytes sent, or -1
 * with errno. */
static ssize_t send_piece(struct http1 *http1, struct connection *connection, bool *ret_last)
{
    ssize_t length = make_piece(http1, connection, ret_last);
    if (length < 0)
        return -1;
    /* The size of the piece was sent already, so another process has changed the file. */
    if (connection->piece_sent > 0 && length != (ssize_t)connection->piece_length) {
        errno = EIO;
        return -1;
    }
    ssize_t sent = send_some(connection->socket, http1->output + connection->piece_sent,
                             (size_t)length - connection->piece_sent);
    if (sent < 0)
        return -1;
    connection->piece_length = (uint32_t)length;
    connection->piece_sent += (uint32_t)sent;
    if (connection->piece_sent < connection->piece_length) {
        *ret_last = false;
        return sent;
    }
    connection->piece_sent = 0;
    connection->stream->advance(connection->stream);
    return sent;
}

/* Sends some of a long response. */
static void continue_stream(struct http1 *http1, struct connection *connection)
{
    struct connections *connections = http1->connections;
    struct stream *stream = connection->stream;
    bool last = false;
    ssize_t sent = stream->send ? stream->send(stream, connection->socket, SEND_MAX, &last)
                                : send_piece(http1, connection, &last);
    if (sent < 0 && errno != EAGAIN) {
        connections_abort(connections, connection);
        return;
    }
    if (last) {
        connection_end_stream(connection);
        if (connection->http_1_0)
            connection_reset_on_close(connection, false);
    }
    if (last || sent == 0 || connection->piece_sent > 0)
        wait_until_writable(http1, connection);
    else
        connections_set_state(connections, connection, CONNECTION_STREAMING);
}

static void wait_for_turn(struct http1 *http1, struct connection *connection)
{
    connections_set_events(http1->connections, connection, 0);
    connections_set_state(http1->connections, connection, CONNECTION_STREAMING);
}

void http1_stream(struct http1 *http1)
{
    const struct connection_list *streaming = &http1->connections->lists[CONNECTION_STREAMING];
    unsigned turns = http1->has_request ? 1 : TURNS;
    for (; turns > 0 && streaming->first; turns--)
        continue_stream(http1, streaming->first);
    http1->has_request = false;
}

static void continue_output(struct http1 *http1, struct connection *connection)
{
    ssize_t sent = send_some(connection->socket, connection->output + connection->output_sent,
                             connection->output_length - connection->output_sent);
    if (sent < 0) {
        connections_close(http1->connections, connection);
        return;
    }
    connection->output_sent += (uint32_t)sent;
    if (connection->output_sent < connection->output_length) {
        if (sent > 0)
            connections_set_state(http1->connections, connection, CONNECTION_WRITING);
        return;
    }
    connection_drop_output(connection);
    if (!connection->stream)
        finish_response(http1, connection);
}

static void send_response(struct http1 *http1, struct connection *connection,
                          const struct response *response)
{
    connection->keep_alive = response->keep_alive;
    connection->timed = response->timed;
    connection->stream = response->stream;
    connection->piece_sent = 0;
    /* The end of the connection ends a body in HTTP/1.0. If the process is killed, the kernel must
     * not end it in order: the client would take the part for the whole (RFC 9112 §6.3, §8). */
    if (connection->stream && connection->http_1_0)
        connection_reset_on_close(connection, true);
    ssize_t sent = send_some(connection->socket, response->data, response->length);
    if (sent < 0) {
        connections_close(http1->connections, connection);
    } else if ((size_t)sent < response->length) {
        if (connection_keep_output(connection, response->data + sent,
                                   response->length - (size_t)sent) != 0)
            connections_close(http1->connections, connection);
        else
            wait_until_writable(http1, connection);
    } else if (connection->stream) {
        wait_until_writable(http1, connection);
    } else {
        finish_response(http1, connection);
    }
}

static struct response new_response(struct http1 *http1, const struct connection *connection)
{
    return (struct response){.data = http1->output,
                             .keep_alive = connection->keep_alive && !http1->connections->draining,
                             .head_only = connection->head_only,
                             .http_1_0 = connection->http_1_0,
                             .tag = connection->tag};
}

/* Responds with STATUS and closes. */
static void refuse(struct http1 *http1, struct connection *connection, int status)
{
    connection->keep_alive = false;
    connection->linger = true;
    struct response response = new_response(http1, connection);
    http1->handler->refuse(http1->handler->context, status, &response);
    send_response(http1, connection, &response);
}

static void add_deferred(struct http1 *http1)
{
    const struct handler *handler = http1->handler;
    struct connections *connections = http1->connections;
    const struct connection_list *deferred = &connections->lists[CONNECTION_DEFERRED];
    while (deferred->first && handler->add(handler->context, deferred->first->tag))
        connections_set_state(connections, deferred->first, CONNECTION_COMMITTING);
}

/* Returns whether there were any. */
static bool respond_to_committed(struct http1 *http1)
{
    const struct handler *handler = http1->handler;
    struct connections *connections = http1->connections;
    const struct connection_list *committing = &connections->lists[CONNECTION_COMMITTING];
    if (!committing->first || !handler->is_committed(handler->context))
        return false;
    connections->now_ms = clock_ms();
    connections_begin_commit(connections);
    for (unsigned i = 0; committing->first; i++) {
        struct connection *connection = committing->first;
        struct response response = new_response(http1, connection);
        handler->respond(handler->context, i, &response);
        send_response(http1, connection, &response);
        assert(committing->first != connection);
        if (connection->state == CONNECTION_IDLE)
            connections_await(connections, connection);
    }
    handler->reset(handler->context);
    http1->awaited = UINT_MAX; /* the handler must be told it again */
    return true;
}

bool http1_commit(struct http1 *http1)
{
    const struct connections *connections = http1->connections;
    const struct handler *handler = http1->handler;
    do {
        add_deferred(http1);
        unsigned before = http1->awaited;
        http1->awaited = connections->awaited;
        if ((connections->lists[CONNECTION_COMMITTING].first || before != http1->awaited) &&
            !handler->commit(handler->context, http1->awaited))
            return false;
    } while (respond_to_committed(http1));
    return true;
}

static void handle_request(struct http1 *http1, struct connection *connection,
                           const struct request *request)
{
    connection->keep_alive = request->keep_alive;
    connection->head_only = request->head_only;
    connection->http_1_0 = request->http_1_0;
    connections_has_come(http1->connections, connection);
    http1->has_request = true;
    struct response response = new_response(http1, connection);
    if (http1->handler->request(http1->handler->context, request, &response)) {
        send_response(http1, connection, &response);
        return;
    }
    connection->tag = response.tag;
    connections_set_state(http1->connections, connection, CONNECTION_DEFERRED);
}

static bool has_expired(const struct connections *connections, const struct connection *connection)
{
    return connection->since_ms <= connections_expired_since_ms(connections, connection->state);
}

/* Keeps an incomplete request. Its time limit is for the whole request: another byte does not
 * extend it. When it expires, all bytes that arrived in time have been read. Empty lines, or half
 * of one, do not extend the idle time either. */
static void keep_partial(struct http1 *http1, struct connection *connection, const char *data,
                         size_t length)
{
    struct connections *connections = http1->connections;
    if (connection->state == CONNECTION_READING && has_expired(connections, connection)) {
        refuse(http1, connection, 408);
        return;
    }
    if (connection->state == CONNECTION_IDLE && request_has_begun(data, length))
        connections_set_state(connections, connection, CONNECTION_READING);
    if (connection_keep_input(connection, data, length) != 0)
        connections_close(connections, connection);
}

/* Handles the first request in the LENGTH bytes of the loop's input. */
static void take_request(struct http1 *http1, struct connection *connection, size_t length)
{
    struct request request;
    size_t skipped = request_skip_empty_lines(http1->input, length);
    char *head = http1->input + skipped;
    length -= skipped;
    int body_length, head_length = request_head_length(head, length, &body_length);
    /* Set before the request is complete: if it expires, the 408 must suit HEAD too. */
    connection->head_only = length >= 5 && memcmp(head, "HEAD ", 5) == 0;
    connection->http_1_0 = false;
    if (head_length == 0) {
        keep_partial(http1, connection, head, length);
        return;
    }
    int status =
        head_length < 0 ? -head_length : request_parse(head, (size_t)head_length, &request);
    if (status != 0) {
        refuse(http1, connection, status);
        return;
    }
    /* All connections share the loop's input, so the bytes after the request must be copied out of
     * it. */
    size_t taken = (size_t)(head_length + body_length);
    if (connection_keep_input(connection, head + taken, length - taken) != 0)
        connections_close(http1->connections, connection);
    else
        handle_request(http1, connection, &request);
}

static void read_request(struct http1 *http1, struct connection *connection)
{
    size_t kept = connection->input_length;
    ssize_t received =
        receive_some(connection->socket, http1->input + kept, sizeof http1->input - kept);
    if (received < 0 && errno == EAGAIN)
        return;
    if (received <= 0) {
        connections_close(http1->connections, connection);
        return;
    }
    connection->came_us = http1->connections->polled_us;
    if (kept > 0)
        memcpy(http1->input, connection->input, kept);
    take_request(http1, connection, kept + (size_t)received);
}

static void discard_input(struct http1 *http1, struct connection *connection)
{
    ssize_t received = receive_some(connection->socket, http1->input, sizeof http1->input);
    if (received == 0 || (received < 0 && errno != EAGAIN))
        connections_close(http1->connections, connection);
}

/* The client has sent more before its response, or is gone: its visit is recorded all the same. */
static void wait_for_commit(struct http1 *http1, struct connection *connection, uint32_t events)
{
    if (events & (EPOLLERR | EPOLLHUP)) {
        connection->keep_alive = false;
        connections_forget(http1->connections, connection);
    } else {
        connections_set_events(http1->connections, connection, 0);
    }
}

void http1_continue(struct http1 *http1, struct connection *connection, uint32_t events)
{
    switch (connection->state) {
    case CONNECTION_IDLE:
    case CONNECTION_READING:
        read_request(http1, connection);
        break;
    case CONNECTION_WRITING:
    case CONNECTION_SLOW:
        if (events & (EPOLLERR | EPOLLHUP))
            connections_close(http1->connections, connection);
        else if (connection->output)
            continue_output(http1, connection);
        else if (connection->stream)
            wait_for_turn(http1, connection);
        else /* the socket takes bytes again after the last piece */
            finish_response(http1, connection);
        break;
    case CONNECTION_STREAMING: /* only errors are reported */
        connections_close(http1->connections, connection);
        break;
    case CONNECTION_LINGERING:
        discard_input(http1, connection);
        break;
    case CONNECTION_DEFERRED:
    case CONNECTION_COMMITTING:
        wait_for_commit(http1, connection, events);
        break;
    default: /* this iteration handles it elsewhere */
        break;
    }
}

void http1_handle_ready(struct http1 *http1)
{
    struct connections *connections = http1->connections;
    struct connection *last = connections->lists[CONNECTION_READY].last, *connection = NULL;
    while (connection != last) {
        connection = connections->lists[CONNECTION_READY].first;
        size_t length = connection->input_length;
        memcpy(http1->input, connection->input, length);
        connections_set_state(connections, connection, CONNECTION_IDLE);
        take_request(http1, connection, length);
    }
}

static void expire(struct http1 *http1, struct connection *connection)
{
    if (connection->state == CONNECTION_READING)
        refuse(http1, connection, 408);
    else if (connection->state == CONNECTION_WRITING)
        connections_set_slow(http1->connections, connection);
    else
        connections_abort(http1->connections, connection);
}

void http1_close_expired(struct http1 *http1)
{
    struct connections *connections = http1->connections;
    for (enum connection_state state = 0; state < CONNECTION_STATES; state++) {
        int64_t since_ms = connections_expired_since_ms(connections, state);
        struct connection *expired, *next;
        expired = connections_next_expired(connections, connections->lists[state].first, since_ms);
        for (; expired; expired = next) {
            next = connections_next_expired(connections, expired->next, since_ms);
            expire(http1, expired);
        }
    }
}
