#include "http/loop_group.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

enum {
    HELD_UP_MS = 100,      /* busy in one iteration; a write to most disks is shorter */
    MUCH_LONGER_MS = 1000, /* idle; a smaller difference is not worth waking another loop */
};

struct loop_group {
    struct listeners *listeners;
    unsigned connections_max;
    _Atomic unsigned connections; /* of all loops */
    _Atomic uint64_t evicted;
    pthread_mutex_t lock;
    unsigned members_open; /* loops that have not left; under the lock */
    unsigned members_count, members_max;
    struct loop_member *members[];
};

struct loop_group *loop_group_new(struct listeners *listeners, unsigned connections_max,
                                  unsigned loops_max)
{
    struct loop_group *group = calloc(1, sizeof *group + loops_max * sizeof *group->members);
    if (!group)
        return NULL;
    group->listeners = listeners;
    group->connections_max = connections_max;
    group->members_max = loops_max;
    (void)pthread_mutex_init(&group->lock, NULL);
    return group;
}

void loop_group_free(struct loop_group *group)
{
    free(group);
}

struct listeners *loop_group_listeners(const struct loop_group *group)
{
    return group->listeners;
}

unsigned loop_group_connections_max(const struct loop_group *group)
{
    return group->connections_max;
}

unsigned loop_group_connections(const struct loop_group *group)
{
    return atomic_load_explicit(&group->connections, memory_order_relaxed);
}

void loop_group_count_evicted(struct loop_member *member)
{
    atomic_fetch_add_explicit(&member->group->evicted, 1, memory_order_relaxed);
}

uint64_t loop_group_evicted(const struct loop_group *group)
{
    return atomic_load_explicit(&group->evicted, memory_order_relaxed);
}

void loop_group_join(struct loop_group *group, struct loop_member *member)
{
    assert(group->members_count < group->members_max);
    member->group = group;
    member->index = group->members_count;
    group->members[group->members_count++] = member;
    group->members_open++;
}

void loop_group_lock(struct loop_member *member)
{
    if (member->group->members_count > 1)
        (void)pthread_mutex_lock(&member->group->lock);
}

void loop_group_unlock(struct loop_member *member)
{
    if (member->group->members_count > 1)
        (void)pthread_mutex_unlock(&member->group->lock);
}

static bool is_held_up(const struct loop_member *member, int64_t now_ms)
{
    int64_t since_ms = atomic_load_explicit(&member->busy_since_ms, memory_order_relaxed);
    return since_ms > 0 && now_ms - since_ms > HELD_UP_MS;
}

static unsigned connections_of(const struct loop_member *member)
{
    return atomic_load_explicit(&member->connections, memory_order_relaxed);
}

struct loop_member *loop_group_receiver(struct loop_member *member, int64_t now_ms)
{
    const struct loop_group *group = member->group;
    struct loop_member *receiver = member;
    unsigned fewest = connections_of(member);
    for (unsigned i = 0; i < group->members_count; i++) {
        struct loop_member *other = group->members[i];
        unsigned connections = connections_of(other);
        if (connections < fewest && !other->left && !is_held_up(other, now_ms)) {
            receiver = other;
            fewest = connections;
        }
    }
    return receiver;
}

void loop_group_count(struct loop_member *member)
{
    atomic_fetch_add_explicit(&member->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&member->group->connections, 1, memory_order_relaxed);
}

void loop_group_uncount(struct loop_member *member)
{
    assert(connections_of(member) > 0);
    atomic_fetch_sub_explicit(&member->connections, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&member->group->connections, 1, memory_order_relaxed);
}

void loop_group_pass(struct loop_member *receiver, struct connection *connection)
{
    bool is_first = receiver->inbox.first == NULL;
    assert(!receiver->left);
    connection_list_append(&receiver->inbox, connection);
    if (is_first)
        (void)eventfd_write(receiver->wake, 1);
}

struct connection_list loop_group_take(struct loop_member *member)
{
    loop_group_lock(member);
    struct connection_list passed = member->inbox;
    member->inbox = (struct connection_list){NULL, NULL};
    loop_group_unlock(member);
    return passed;
}

static int64_t idle_since_ms(const struct loop_member *member)
{
    return atomic_load_explicit(&member->idle_since_ms, memory_order_relaxed);
}

/* The loop to ask, or NULL. Of the loops that can accept, it is the one with the connection idle
 * longest; if none has an idle connection, the next one. */
static struct loop_member *most_idle(const struct loop_member *member, int64_t now_ms)
{
    const struct loop_group *group = member->group;
    struct loop_member *found = NULL;
    for (unsigned i = 1; i < group->members_count; i++) {
        struct loop_member *other = group->members[(member->index + i) % group->members_count];
        if (other->accepting && !other->asked && !is_held_up(other, now_ms) &&
            (!found || idle_since_ms(other) < idle_since_ms(found)))
            found = other;
    }
    return found;
}

bool loop_group_has_idler(const struct loop_member *member, int64_t since_ms, int64_t now_ms)
{
    const struct loop_member *other = most_idle(member, now_ms);
    return other && idle_since_ms(other) < since_ms - MUCH_LONGER_MS;
}

void loop_group_ask(struct loop_member *member, int64_t now_ms)
{
    struct loop_member *other = most_idle(member, now_ms);
    if (other && !atomic_exchange(&other->asked, true))
        (void)eventfd_write(other->wake, 1);
}

bool loop_group_leave(struct loop_member *member, bool time_is_up, bool *ret_last)
{
    struct loop_group *group = member->group;
    loop_group_lock(member);
    bool leaves = time_is_up || connections_of(member) == 0;
    if (leaves) {
        assert(!member->left && group->members_open > 0);
        member->left = true;
        *ret_last = --group->members_open == 0;
    }
    loop_group_unlock(member);
    return leaves;
}
