/* Tests one connection at a time, without a loop: what its client sends and reads, when it expires,
 * and how a long response is framed. */
#include "base/clock.h"
#include "base/io.h"
#include "http/http1.h"
#include "samples.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOW_MS = 100000, LONG_AGO_MS = 1 };

static struct loop_group *group;
static struct loop_member member;
static struct connections connections;
static struct http1 http1;

static void start(void)
{
    group = loop_group_new(NULL, 10, 1);
    connections = (struct connections){.now_ms = NOW_MS, .polled_ms = NOW_MS};
    http1.connections = &connections;
    if (!ok(group && connections_init(&connections, &member) == 0,
            "the set of connections is created"))
        exit(tap_done());
    loop_group_join(group, &member);
}

static void stop(void)
{
    connections_destroy(&connections);
    loop_group_free(group);
}

static int requests, refusals;

static bool take(void *context, const struct request *request, struct response *response)
{
    (void)context, (void)request;
    requests++;
    response->length = 0;
    return true;
}

static void refuse(void *context, int status, struct response *response)
{
    (void)context;
    refusals = status;
    response->length = 0;
}

/* A connection that has been in STATE for a long time, and its client's end. */
static struct connection *old_connection(enum connection_state state, int *ret_client)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
        return NULL;
    struct connection *connection = connection_new(ends[0]);
    if (!connection)
        return NULL;
    *ret_client = ends[1];
    loop_group_count(&member);
    connection->state = state;
    connection->since_ms = LONG_AGO_MS;
    connection_list_append(&connections.lists[state], connection);
    return connection;
}

static bool has_expired(enum connection_state state)
{
    return connections_next_expired(&connections, connections.lists[state].first, LONG_AGO_MS) !=
           NULL;
}

static void end_connection(struct connection *connection, int client)
{
    connections_close(&connections, connection);
    connections_free_closed(&connections);
    (void)close(client);
}

static void expect_idle_timeout(void)
{
    start();
    connections.idle_timeout_ms = 2000;
    same(connections_expired_since_ms(&connections, CONNECTION_IDLE), NOW_MS - 2000,
         "a connection that has been idle for the time given expires");
    connections.draining = true;
    ok(connections_expired_since_ms(&connections, CONNECTION_IDLE) > NOW_MS - 2000,
       "while draining it expires earlier");
    stop();
}

static void expect_input(void)
{
    static const struct {
        const char *claim, *bytes;
        enum connection_state state;
        bool expired;
    } table[] = {
        {"an idle client that sends nothing", "", CONNECTION_IDLE, true},
        {"an idle client that has sent an empty line", "\r\n", CONNECTION_IDLE, true},
        {"an idle client that has sent many empty lines", "\r\n\r\n\r\n\r\n\r\n", CONNECTION_IDLE,
         true},
        {"a client that has begun a request", "G", CONNECTION_IDLE, false},
        {"a client that has begun a request after an empty line", "\r\nGET / HTTP/1.1\r\n",
         CONNECTION_IDLE, false},
        {"a client that sends nothing in the middle of a request", "", CONNECTION_READING, true},
        {"a client whose unread bytes may end its request", "\r\n", CONNECTION_READING, false},
    };
    start();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int client = -1;
        struct connection *connection = old_connection(table[i].state, &client);
        size_t length = strlen(table[i].bytes);
        ok(connection && write(client, table[i].bytes, length) == (ssize_t)length &&
               has_expired(table[i].state) == table[i].expired,
           "%s %s", table[i].claim, table[i].expired ? "expires" : "does not expire");
        end_connection(connection, client);
    }
    stop();
}

/* The client sends BYTES after "GET"; its request began at SINCE_MS. */
static void read_rest(int64_t since_ms, const char *bytes)
{
    static const struct handler handler = {.request = take, .refuse = refuse};
    int client = -1;
    struct connection *connection = old_connection(CONNECTION_READING, &client);
    size_t length = strlen(bytes);
    requests = refusals = 0;
    http1.handler = &handler;
    connection->since_ms = since_ms;
    ok(connection_keep_input(connection, "GET", 3) == 0 &&
           write(client, bytes, length) == (ssize_t)length,
       "a client continues its request");
    http1_continue(&http1, connection, EPOLLIN);
    end_connection(connection, client);
}

static unsigned sent_count;
static uint32_t sent_after_us;

static void note_sent(void *context, uint32_t duration_us)
{
    (void)context;
    sent_count++;
    sent_after_us = duration_us;
}

/* The longest response, whose length is not that of a buffer. */
static bool take_timed(void *context, const struct request *request, struct response *response)
{
    (void)context, (void)request;
    memset(response->data, 'a', RESPONSE_MAX);
    response->length = RESPONSE_MAX - 1;
    response->timed = true;
    return true;
}

static void send_request(struct connection *connection, int client)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    ok(write(client, request, sizeof request - 1) == sizeof request - 1,
       "a client sends a request");
    connections.polled_us = (uint32_t)(clock_ns() / 1000) - 2500000;
    http1_continue(&http1, connection, EPOLLIN);
}

/* A client with a small receive buffer, so that the kernel takes its response in parts. */
static void expect_time_until_sent(void)
{
    static const struct handler timed = {.request = take_timed, .sent = note_sent};
    static const struct handler untimed = {.request = take, .sent = note_sent};
    static char bytes[RESPONSE_MAX];
    int client = -1, small = 4096;
    start();
    sent_count = 0;
    http1.handler = &timed;
    struct connection *connection = old_connection(CONNECTION_IDLE, &client);
    (void)setsockopt(connection->socket, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    send_request(connection, client);
    ok(connection->output && sent_count == 0,
       "a response of which the kernel has taken a part is not sent");
    for (int i = 0; i < 100 && connection->output; i++) {
        ok(sent_count == 0 && read(client, bytes, sizeof bytes) > 0, "the client reads a part");
        http1_continue(&http1, connection, EPOLLOUT);
    }
    same(sent_count, 1, "the handler is told once that all of it is sent");
    ok(sent_after_us >= 2500000 && sent_after_us < 60000000,
       "its time starts when its request came: %u us", sent_after_us);
    http1.handler = &untimed;
    while (read(client, bytes, sizeof bytes) > 0)
        continue;
    send_request(connection, client);
    same(sent_count, 1, "it is not told of the next response, which is not timed");
    end_connection(connection, client);
    stop();
}

/* Two requests at once: the second one waits until the response to the first is sent. */
static void expect_time_of_pipelined(void)
{
    static const struct handler timed = {.request = take_timed, .sent = note_sent};
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    int client = -1;
    start();
    sent_count = 0;
    http1.handler = &timed;
    struct connection *connection = old_connection(CONNECTION_IDLE, &client);
    ok(write(client, request, sizeof request - 1) == sizeof request - 1,
       "a client sends a request");
    send_request(connection, client);
    connections.polled_us += 2500000;
    http1_handle_ready(&http1);
    ok(sent_count == 2 && sent_after_us >= 2500000,
       "the time of a request that waits behind another starts when it came: %u us", sent_after_us);
    end_connection(connection, client);
    stop();
}

static void expect_in_time(void)
{
    start();
    read_rest(NOW_MS - 9000, " ");
    ok(!requests && !refusals, "before the time limit the request may continue");
    read_rest(LONG_AGO_MS, " / HTTP/1.1\r\nHost: a\r\n\r\n");
    ok(requests == 1 && !refusals, "a request that is complete at the time limit is handled");
    read_rest(LONG_AGO_MS, " / HTTP/1.1\r\nHost: a\r\n");
    same(refusals, 408,
         "an incomplete request at the time limit gets 408, even if bytes have arrived");
    stop();
}

static void expect_progress(void)
{
    char bytes[1000] = {0};
    int client = -1;
    start();
    struct connection *connection = old_connection(CONNECTION_WRITING, &client);
    ok(connection && !has_expired(CONNECTION_WRITING),
       "a connection with a writable socket has not expired");
    while (send(connection->socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
    http1_close_expired(&http1);
    same(connection->state, CONNECTION_SLOW,
         "a connection whose client reads nothing becomes slow");
    same(connection->since_ms, NOW_MS, "its time in the state starts then");
    connection->since_ms = LONG_AGO_MS;
    ok(has_expired(CONNECTION_SLOW), "a slow connection whose client reads nothing expires");
    ok(read(client, bytes, sizeof bytes) == sizeof bytes && !has_expired(CONNECTION_SLOW),
       "a slow connection whose client reads something does not expire");
    same(connection->since_ms, NOW_MS, "its time starts again");
    connection->since_ms = LONG_AGO_MS;
    ok(has_expired(CONNECTION_SLOW), "the same bytes extend the time only once");
    http1_close_expired(&http1);
    same(connection->state, CONNECTION_CLOSED, "an expired slow connection is closed");
    same(loop_group_connections(group), 0, "a closed connection is not counted");
    connections_free_closed(&connections);
    (void)close(client);
    stop();
}

static void expect_lingering(void)
{
    char bytes[1000] = {0};
    int client = -1;
    start();
    struct connection *connection = old_connection(CONNECTION_LINGERING, &client);
    ok(connection && has_expired(CONNECTION_LINGERING),
       "a lingering close whose client has the whole response expires");
    ok(write(connection->socket, bytes, sizeof bytes) == sizeof bytes &&
           !has_expired(CONNECTION_LINGERING),
       "a lingering close with unacknowledged bytes starts its time again");
    connection->since_ms = LONG_AGO_MS;
    ok(has_expired(CONNECTION_LINGERING), "it expires if the client reads nothing");
    end_connection(connection, client);
    stop();
}

/* A client whose request comes too late for each commit is waited for in few of them. */
static unsigned waits_for_late_client(struct connection *connection)
{
    unsigned waits = 0;
    for (int i = 0; i < 100; i++) {
        connections_begin_commit(&connections);
        connections_await(&connections, connection);
        waits += connections.awaited;
        connections_begin_commit(&connections);
        connections_begin_commit(&connections);
        connections_has_come(&connections, connection);
    }
    return waits;
}

static void expect_awaited(void)
{
    int clients[2] = {-1, -1};
    start();
    struct connection *one = old_connection(CONNECTION_IDLE, &clients[0]);
    struct connection *other = old_connection(CONNECTION_IDLE, &clients[1]);
    connections_begin_commit(&connections);
    connections_await(&connections, one);
    connections_await(&connections, other);
    same(connections.awaited, 2, "the next commit waits for the connections of the last one");
    connections_has_come(&connections, one);
    same(connections.awaited, 1, "it does not wait for one that has sent a request");
    end_connection(other, clients[1]);
    same(connections.awaited, 0, "nor for one that is closed");
    connections_await(&connections, one);
    connections_begin_commit(&connections);
    same(connections.awaited, 0, "nor for one that was in an earlier commit only");
    unsigned waits = waits_for_late_client(one);
    ok(waits >= 3 && waits <= 12,
       "100 commits have waited %u times for a client that is always late", waits);
    connections_begin_commit(&connections);
    connections_await(&connections, one);
    connections_has_come(&connections, one);
    connections_begin_commit(&connections);
    connections_await(&connections, one);
    same(connections.awaited, 1, "once it was in time it is waited for again");
    end_connection(one, clients[0]);
    same(connections.awaited, 0, "no connection is left to wait for");
    stop();
}

/* A response whose body is `body`, in pieces of random length. */
struct sample_stream {
    struct stream stream;
    uint64_t *state;
    size_t length, at, piece;
    bool ended;
};

static char body[200000];

static ssize_t sample_next(struct stream *stream, char *data, size_t size, bool *ret_last)
{
    struct sample_stream *sample = (struct sample_stream *)stream;
    size_t left = sample->length - sample->at;
    size_t most = left < size ? left : size;
    if (sample->piece == SIZE_MAX)
        sample->piece = most > 0 ? samples_next(sample->state) % (most + 1) : 0;
    memcpy(data, body + sample->at, sample->piece);
    *ret_last = sample->piece == left;
    return (ssize_t)sample->piece;
}

static void sample_advance(struct stream *stream)
{
    struct sample_stream *sample = (struct sample_stream *)stream;
    sample->at += sample->piece;
    sample->piece = SIZE_MAX;
}

static void sample_end(struct stream *stream)
{
    ((struct sample_stream *)stream)->ended = true;
}

/* Decodes LENGTH bytes of chunks in place. Returns the length of the body, or -1. */
static ssize_t unchunk(char *bytes, size_t length)
{
    size_t at = 0, put = 0;
    for (;;) {
        char *end;
        unsigned long size = strtoul(bytes + at, &end, 16);
        at = (size_t)(end - bytes);
        if (at + 4 + size > length || memcmp(bytes + at, "\r\n", 2) != 0 ||
            memcmp(bytes + at + 2 + size, "\r\n", 2) != 0)
            return -1;
        memmove(bytes + put, bytes + at + 2, size);
        put += size;
        at += 4 + size;
        if (size == 0)
            return at == length ? (ssize_t)put : -1;
    }
}

static bool is_writing(const struct connection *connection)
{
    return connection->state == CONNECTION_WRITING || connection->state == CONNECTION_STREAMING;
}

/* Sends a response of LENGTH bytes to a client that reads a random number of bytes at a time.
 * Returns the number of bytes that the client has received. */
static size_t stream_all(uint64_t *state, size_t length, bool http_1_0, char *got, size_t size)
{
    int client = -1, least = 1;
    size_t total = 0;
    struct sample_stream sample = {
        {sample_next, sample_advance, NULL, sample_end}, state, length, 0, SIZE_MAX, false};
    struct connection *connection = old_connection(CONNECTION_WRITING, &client);
    (void)setsockopt(connection->socket, SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    connection->stream = &sample.stream;
    connection->http_1_0 = http_1_0;
    while (is_writing(connection) && total < size) {
        if (connection->state != CONNECTION_STREAMING)
            http1_continue(&http1, connection, EPOLLOUT);
        http1_stream(&http1);
        ssize_t taken = receive_some(client, got + total, 1 + samples_next(state) % 20000);
        total += taken > 0 ? (size_t)taken : 0;
    }
    for (ssize_t taken; (taken = receive_some(client, got + total, size - total)) > 0;)
        total += (size_t)taken;
    if (!sample.ended || connection->state != CONNECTION_CLOSED)
        total = 0;
    connections_free_closed(&connections);
    (void)close(client);
    return total;
}

static void expect_streams(void)
{
    static char got[4 * sizeof body];
    uint64_t state = 1906;
    int wrong = 0;
    start();
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)samples_next(&state);
    for (int round = 0; round < 200; round++) {
        size_t length = samples_next(&state) % (sizeof body / (1 + samples_next(&state) % 1000));
        bool http_1_0 = samples_next(&state) % 2;
        size_t total = stream_all(&state, length, http_1_0, got, sizeof got);
        ssize_t whole = http_1_0 ? (ssize_t)total : unchunk(got, total);
        wrong += whole != (ssize_t)length || memcmp(got, body, length) != 0;
    }
    same(wrong, 0,
         "200 long responses arrive complete, in chunks or not, however little the client reads at "
         "a time");
    size_t total = stream_all(&state, 0, false, got, sizeof got);
    same_bytes(got, total, "0\r\n\r\n", 5, "an empty body is one last chunk");
    stop();
}

static ssize_t turn_send(struct stream *stream, int socket, size_t size, bool *ret_last)
{
    (void)socket, (void)size, (void)ret_last;
    ((struct sample_stream *)stream)->at++;
    return 1;
}

/* Three long responses, in ITERATIONS with or without requests. */
static void expect_turns(bool has_request, int iterations, const char *wanted, const char *claim)
{
    struct sample_stream samples[3] = {0};
    int clients[3];
    char got[64];
    start();
    for (int i = 0; i < 3; i++) {
        struct connection *connection = old_connection(CONNECTION_STREAMING, &clients[i]);
        samples[i].stream = (struct stream){.send = turn_send, .end = sample_end};
        connection->stream = &samples[i].stream;
    }
    for (int i = 0; i < iterations; i++) {
        http1.has_request = has_request;
        http1_stream(&http1);
    }
    (void)snprintf(got, sizeof got, "%zu %zu %zu", samples[0].at, samples[1].at, samples[2].at);
    same_bytes(got, strlen(got), wanted, strlen(wanted), "%s", claim);
    for (int i = 0; i < 3; i++)
        (void)close(clients[i]);
    connections_abort_all(&connections, CONNECTION_LINGERING);
    connections_free_closed(&connections);
    stop();
}

void test_http1(void)
{
    expect_turns(true, 6, "2 2 2",
                 "beside requests one long response goes on in each iteration, all in turn");
    expect_turns(false, 3, "4 4 4", "without requests more go on in each, and in turn too");
    expect_idle_timeout();
    expect_input();
    expect_in_time();
    expect_time_until_sent();
    expect_time_of_pipelined();
    expect_progress();
    expect_lingering();
    expect_awaited();
    expect_streams();
}
