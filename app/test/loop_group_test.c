/* Decisions among event loops: which loop gets a connection, which is asked to accept, and which
 * leaves last. */
#include "http/loop_group.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { LOOPS = 3, NOW_MS = 100000 };

static struct listeners *listeners;
static struct loop_group *group;
static struct loop_member loops[LOOPS];

static void start(void)
{
    char message[128];
    listeners = listeners_open("127.0.0.1:0", message, sizeof message);
    group = listeners ? loop_group_new(listeners, 10, LOOPS) : NULL;
    if (!ok(group != NULL, "a group of loops is created"))
        exit(tap_done());
    for (unsigned i = 0; i < LOOPS; i++) {
        loops[i] = (struct loop_member){.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
        loop_group_join(group, &loops[i]);
    }
}

static void stop(void)
{
    for (unsigned i = 0; i < LOOPS; i++)
        (void)close(loops[i].wake);
    loop_group_free(group);
    listeners_close(listeners);
}

static long long receiver_for(unsigned loop)
{
    return loop_group_receiver(&loops[loop], NOW_MS)->index;
}

static void expect_fewest(void)
{
    start();
    same(receiver_for(1), 1, "if no loop has connections, the accepting loop gets the connection");
    loop_group_count(&loops[1]);
    same(receiver_for(1), 0, "otherwise a loop with fewer connections gets it");
    same(receiver_for(2), 2, "the accepting loop gets it if no other has fewer");
    loop_group_count(&loops[0]);
    same(receiver_for(0), 2, "the last loop gets it too");
    same(loop_group_connections(group), 2, "the group counts the connections of all loops");
    loops[2].busy_since_ms = NOW_MS - 50;
    same(receiver_for(0), 2, "a loop that has been busy for a moment gets it");
    loops[2].busy_since_ms = NOW_MS - 1000;
    same(receiver_for(0), 0, "a loop that has been busy for long does not get it");
    loops[2].busy_since_ms = 0;
    loops[2].left = true;
    same(receiver_for(0), 0, "a loop that has left does not get it");
    stop();
}

static bool is_woken(unsigned loop)
{
    eventfd_t value;
    return eventfd_read(loops[loop].wake, &value) == 0;
}

static void expect_passing(void)
{
    struct connection first = {.socket = -1}, second = {.socket = -1};
    start();
    loop_group_pass(&loops[1], &first);
    ok(is_woken(1) && !is_woken(0), "a loop that gets a connection is woken");
    loop_group_pass(&loops[1], &second);
    ok(!is_woken(1), "a loop is woken once for all connections in its inbox");
    struct connection_list passed = loop_group_take(&loops[1]);
    ok(passed.first == &first && first.next == &second && passed.last == &second,
       "the inbox keeps the order");
    ok(!loop_group_take(&loops[1]).first, "the inbox is empty afterwards");
    stop();
}

static void expect_asking(void)
{
    start();
    loop_group_ask(&loops[1], NOW_MS);
    ok(!is_woken(0) && !is_woken(1) && !is_woken(2), "a loop that does not accept is not asked");
    for (unsigned i = 0; i < LOOPS; i++)
        loops[i].accepting = true;
    loop_group_ask(&loops[1], NOW_MS);
    ok(is_woken(2) && loops[2].asked && !is_woken(0), "the next loop is asked to accept");
    loop_group_ask(&loops[1], NOW_MS);
    ok(is_woken(0) && loops[0].asked && !is_woken(2), "then the loop after it is asked");
    loop_group_ask(&loops[1], NOW_MS);
    ok(!is_woken(0) && !is_woken(1) && !is_woken(2), "the asking loop is never asked");
    loops[0].asked = loops[2].asked = false;
    loops[0].idle_since_ms = NOW_MS - 5000;
    loops[2].idle_since_ms = NOW_MS - 1500;
    ok(loop_group_has_idler(&loops[1], NOW_MS, NOW_MS) &&
           !loop_group_has_idler(&loops[1], NOW_MS - 4500, NOW_MS),
       "a loop finds connections of other loops that have been idle for much longer");
    loop_group_ask(&loops[1], NOW_MS);
    ok(is_woken(0) && !is_woken(2), "the loop with the connection idle longest is asked");
    loops[2].busy_since_ms = NOW_MS - 1000;
    loop_group_ask(&loops[1], NOW_MS);
    ok(!is_woken(2), "a loop that has been busy for long is not asked");
    stop();
}

static void expect_leaving(void)
{
    bool last = true;
    start();
    loop_group_count(&loops[0]);
    ok(!loop_group_leave(&loops[0], false, &last) && last && !loops[0].left,
       "a loop with a connection does not leave before its time");
    ok(loop_group_leave(&loops[1], false, &last) && !last && loops[1].left,
       "a loop without connections leaves");
    ok(loop_group_leave(&loops[0], true, &last) && !last, "a loop whose time is up leaves");
    ok(loop_group_leave(&loops[2], false, &last) && last,
       "the last loop learns that it is the last");
    stop();
}

void test_loop_group(void)
{
    expect_fewest();
    expect_passing();
    expect_asking();
    expect_leaving();
}
