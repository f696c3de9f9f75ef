/* What the event loops decide without waiting for anything: which of them gets a connection, which
 * is asked for room, who stops, and whose time has run out. */
#include "../event_loop_internal.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOPS = 3, NOW_MS = 100000, LONG_AGO_MS = 1 };

static struct listeners *listeners;
static struct loop_group *group;
static struct event_loop *loops[LOOPS];

static void start(void)
{
    char message[128];
    listeners = listeners_open("127.0.0.1:0", message, sizeof message);
    group = listeners ? loop_group_new(listeners, 10, LOOPS) : NULL;
    if (!ok(group != NULL, "a group of loops is made"))
        exit(tap_done());
    for (unsigned i = 0; i < LOOPS; i++) {
        loops[i] = event_loop_new(group, NULL);
        if (!ok(loops[i] != NULL, "loop %u joins it", i))
            exit(tap_done());
        loops[i]->now_ms = loops[i]->polled_ms = NOW_MS;
    }
}

static void stop(void)
{
    for (unsigned i = 0; i < LOOPS; i++)
        event_loop_free(loops[i]);
    loop_group_free(group);
    listeners_close(listeners);
}

static long long receiver_for(unsigned loop)
{
    return loop_group_receiver(loops[loop])->index;
}

static void expect_fewest(void)
{
    start();
    same(receiver_for(1), 1, "of loops that have none the one that accepts gets a connection");
    loop_group_count(loops[1]);
    same(receiver_for(1), 0, "else one that has fewer");
    same(receiver_for(2), 2, "itself if no other has fewer");
    loop_group_count(loops[0]);
    same(receiver_for(0), 2, "the last one too");
    same(loop_group_connections(group), 2, "the group counts those of all loops");
    loops[2]->busy_since_ms = NOW_MS - 50;
    same(receiver_for(0), 2, "a loop that has been busy for a moment as well");
    loops[2]->busy_since_ms = NOW_MS - 1000;
    same(receiver_for(0), 0, "but none that is held up");
    loops[2]->busy_since_ms = 0;
    loops[2]->closed = true;
    same(receiver_for(0), 0, "nor one that has stopped");
    stop();
}

static bool is_woken(unsigned loop)
{
    eventfd_t value;
    return eventfd_read(loops[loop]->wake, &value) == 0;
}

static void expect_passing(void)
{
    struct connection first = {.socket = -1}, second = {.socket = -1};
    start();
    loop_group_pass(loops[1], &first);
    ok(is_woken(1) && !is_woken(0), "a loop that is given a connection is woken");
    loop_group_pass(loops[1], &second);
    ok(!is_woken(1), "once for all that wait for it");
    struct connection_list passed = loop_group_take(loops[1]);
    ok(passed.first == &first && first.next == &second && passed.last == &second,
       "it gets them in their order");
    ok(!loop_group_take(loops[1]).first, "and once");
    stop();
}

static void expect_asking(void)
{
    start();
    loop_group_ask(loops[1]);
    ok(!is_woken(0) && !is_woken(1) && !is_woken(2), "nobody is asked that has no room itself");
    for (unsigned i = 0; i < LOOPS; i++)
        loops[i]->listening = true;
    loop_group_ask(loops[1]);
    ok(is_woken(2) && loops[2]->asked && !is_woken(0), "the next loop is asked for room");
    loop_group_ask(loops[1]);
    ok(is_woken(0) && loops[0]->asked && !is_woken(2), "then the one after it");
    loop_group_ask(loops[1]);
    ok(!is_woken(0) && !is_woken(1) && !is_woken(2), "and never the one that asks");
    loops[0]->asked = loops[2]->asked = false;
    loops[0]->idle_since_ms = NOW_MS - 5000;
    loops[2]->idle_since_ms = NOW_MS - 1500;
    ok(loop_group_has_idler(loops[1], NOW_MS) && !loop_group_has_idler(loops[1], NOW_MS - 4500),
       "a loop knows of connections that have been idle for much longer elsewhere");
    loop_group_ask(loops[1]);
    ok(is_woken(0) && !is_woken(2), "and asks the loop that has the longest idle one");
    loops[2]->busy_since_ms = NOW_MS - 1000;
    loop_group_ask(loops[1]);
    ok(!is_woken(2), "nor one that is held up");
    stop();
}

static void expect_leaving(void)
{
    bool last = true;
    start();
    loop_group_count(loops[0]);
    ok(!loop_group_leave(loops[0], false, &last) && last && !loops[0]->closed,
       "a loop that has a connection does not stop before its time");
    ok(loop_group_leave(loops[1], false, &last) && !last && loops[1]->closed, "one without does");
    ok(loop_group_leave(loops[0], true, &last) && !last, "and one whose time is up");
    ok(loop_group_leave(loops[2], false, &last) && last, "of which the last one is told");
    stop();
}

static int requests, refusals;

static int take(void *context, const struct request *request, struct reply *reply)
{
    (void)context, (void)request;
    requests++;
    reply->length = 0;
    return -1;
}

static void refuse(void *context, int status, struct reply *reply)
{
    (void)context;
    refusals = status;
    reply->length = 0;
}

/* A connection of loop 0 that has been in STATE for long, and the client's end of it. */
static struct connection *old_connection(enum connection_state state, int *ret_client)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
        return NULL;
    struct connection *connection = connection_new(ends[0]);
    if (!connection)
        return NULL;
    *ret_client = ends[1];
    loop_group_count(loops[0]);
    connection->state = state;
    connection->since_ms = LONG_AGO_MS;
    connection_list_append(&loops[0]->lists[state], connection);
    return connection;
}

static bool is_due(enum connection_state state)
{
    return deadlines_due_from(loops[0], loops[0]->lists[state].first, LONG_AGO_MS) != NULL;
}

static void end(struct connection *connection, int client)
{
    event_loop_close(loops[0], connection);
    connection_list_remove(&loops[0]->lists[CONNECTION_CLOSED], connection);
    connection_free(connection);
    (void)close(client);
}

static void expect_words(void)
{
    static const struct {
        const char *claim, *bytes;
        enum connection_state state;
        bool due;
    } table[] = {
        {"an idle client that is silent", "", CONNECTION_IDLE, true},
        {"one that has sent an empty line", "\r\n", CONNECTION_IDLE, true},
        {"one that has sent many", "\r\n\r\n\r\n\r\n\r\n", CONNECTION_IDLE, true},
        {"one that has begun a request", "G", CONNECTION_IDLE, false},
        {"one that has done so after an empty line", "\r\nGET / HTTP/1.1\r\n", CONNECTION_IDLE,
         false},
        {"one that is silent in the middle of a request", "", CONNECTION_READING, true},
        {"one whose request may have ended", "\r\n", CONNECTION_READING, false},
    };
    start();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int client = -1;
        struct connection *connection = old_connection(table[i].state, &client);
        size_t length = strlen(table[i].bytes);
        ok(connection && write(client, table[i].bytes, length) == (ssize_t)length &&
               is_due(table[i].state) == table[i].due,
           "%s is %s", table[i].claim, table[i].due ? "due" : "not due");
        end(connection, client);
    }
    stop();
}

/* Reads BYTES that come after "GET", which has come SINCE_MS. */
static void read_rest(int64_t since_ms, const char *bytes)
{
    static const struct handler handler = {.request = take, .refuse = refuse};
    int client = -1;
    struct connection *connection = old_connection(CONNECTION_READING, &client);
    size_t length = strlen(bytes);
    requests = refusals = 0;
    loops[0]->handler = &handler;
    connection->since_ms = since_ms;
    ok(connection_keep_input(connection, "GET", 3) == 0 &&
           write(client, bytes, length) == (ssize_t)length,
       "a client goes on with its request");
    exchange_continue(loops[0], connection, EPOLLIN);
    end(connection, client);
}

static void expect_in_time(void)
{
    start();
    read_rest(NOW_MS - 9000, " ");
    ok(!requests && !refusals, "in time it may go on");
    read_rest(LONG_AGO_MS, " / HTTP/1.1\r\nHost: a\r\n\r\n");
    ok(requests == 1 && !refusals, "what was whole by its time is answered");
    read_rest(LONG_AGO_MS, " / HTTP/1.1\r\nHost: a\r\n");
    same(refusals, 408, "what was not is refused, though more has come");
    stop();
}

static void expect_progress(void)
{
    char bytes[1000] = {0};
    int client = -1;
    start();
    struct connection *connection = old_connection(CONNECTION_WRITING, &client);
    ok(connection && !is_due(CONNECTION_WRITING), "a client whose socket takes bytes is owed them");
    while (send(connection->socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
    (void)deadlines_expire(loops[0]);
    same(connection->state, CONNECTION_SLOW, "if it takes nothing for a while it is slow");
    same(connection->since_ms, NOW_MS, "from then on");
    connection->since_ms = LONG_AGO_MS;
    ok(is_due(CONNECTION_SLOW), "if it goes on so it is due");
    ok(read(client, bytes, sizeof bytes) == sizeof bytes && !is_due(CONNECTION_SLOW),
       "if it takes something it is not");
    same(connection->since_ms, NOW_MS, "and has its time again");
    connection->since_ms = LONG_AGO_MS;
    ok(is_due(CONNECTION_SLOW), "once for the same bytes");
    (void)deadlines_expire(loops[0]);
    same(connection->state, CONNECTION_CLOSED, "then it is closed");
    same(loop_group_connections(group), 0, "and no longer counted");
    connection_list_remove(&loops[0]->lists[CONNECTION_CLOSED], connection);
    connection_free(connection);
    (void)close(client);
    stop();
}

static void expect_lingering(void)
{
    char bytes[1000] = {0};
    int client = -1;
    start();
    struct connection *connection = old_connection(CONNECTION_LINGERING, &client);
    ok(connection && is_due(CONNECTION_LINGERING), "a client that has all of its answer is due");
    ok(write(connection->socket, bytes, sizeof bytes) == sizeof bytes &&
           !is_due(CONNECTION_LINGERING),
       "one that has not gets its time again");
    connection->since_ms = LONG_AGO_MS;
    ok(is_due(CONNECTION_LINGERING), "unless it takes nothing");
    end(connection, client);
    stop();
}

void test_loops(void)
{
    expect_fewest();
    expect_passing();
    expect_asking();
    expect_leaving();
    expect_words();
    expect_in_time();
    expect_progress();
    expect_lingering();
}
