/* What event loops decide about each other: which of them gets a connection, which is asked for
 * room, and which leaves last. */
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
    if (!ok(group != NULL, "a group of loops is made"))
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
    same(receiver_for(1), 1, "of loops that have none the one that accepts gets a connection");
    loop_group_count(&loops[1]);
    same(receiver_for(1), 0, "else one that has fewer");
    same(receiver_for(2), 2, "itself if no other has fewer");
    loop_group_count(&loops[0]);
    same(receiver_for(0), 2, "the last one too");
    same(loop_group_connections(group), 2, "the group counts those of all loops");
    loops[2].busy_since_ms = NOW_MS - 50;
    same(receiver_for(0), 2, "a loop that has been busy for a moment as well");
    loops[2].busy_since_ms = NOW_MS - 1000;
    same(receiver_for(0), 0, "but none that is held up");
    loops[2].busy_since_ms = 0;
    loops[2].left = true;
    same(receiver_for(0), 0, "nor one that has stopped");
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
    ok(is_woken(1) && !is_woken(0), "a loop that is given a connection is woken");
    loop_group_pass(&loops[1], &second);
    ok(!is_woken(1), "once for all that wait for it");
    struct connection_list passed = loop_group_take(&loops[1]);
    ok(passed.first == &first && first.next == &second && passed.last == &second,
       "it gets them in their order");
    ok(!loop_group_take(&loops[1]).first, "and once");
    stop();
}

static void expect_asking(void)
{
    start();
    loop_group_ask(&loops[1], NOW_MS);
    ok(!is_woken(0) && !is_woken(1) && !is_woken(2), "nobody is asked that has no room itself");
    for (unsigned i = 0; i < LOOPS; i++)
        loops[i].accepting = true;
    loop_group_ask(&loops[1], NOW_MS);
    ok(is_woken(2) && loops[2].asked && !is_woken(0), "the next loop is asked for room");
    loop_group_ask(&loops[1], NOW_MS);
    ok(is_woken(0) && loops[0].asked && !is_woken(2), "then the one after it");
    loop_group_ask(&loops[1], NOW_MS);
    ok(!is_woken(0) && !is_woken(1) && !is_woken(2), "and never the one that asks");
    loops[0].asked = loops[2].asked = false;
    loops[0].idle_since_ms = NOW_MS - 5000;
    loops[2].idle_since_ms = NOW_MS - 1500;
    ok(loop_group_has_idler(&loops[1], NOW_MS, NOW_MS) &&
           !loop_group_has_idler(&loops[1], NOW_MS - 4500, NOW_MS),
       "a loop knows of connections that have been idle for much longer elsewhere");
    loop_group_ask(&loops[1], NOW_MS);
    ok(is_woken(0) && !is_woken(2), "and asks the loop that has the longest idle one");
    loops[2].busy_since_ms = NOW_MS - 1000;
    loop_group_ask(&loops[1], NOW_MS);
    ok(!is_woken(2), "nor one that is held up");
    stop();
}

static void expect_leaving(void)
{
    bool last = true;
    start();
    loop_group_count(&loops[0]);
    ok(!loop_group_leave(&loops[0], false, &last) && last && !loops[0].left,
       "a loop that has a connection does not stop before its time");
    ok(loop_group_leave(&loops[1], false, &last) && !last && loops[1].left, "one without does");
    ok(loop_group_leave(&loops[0], true, &last) && !last, "and one whose time is up");
    ok(loop_group_leave(&loops[2], false, &last) && last, "of which the last one is told");
    stop();
}

void test_loop_group(void)
{
    expect_fewest();
    expect_passing();
    expect_asking();
    expect_leaving();
}
