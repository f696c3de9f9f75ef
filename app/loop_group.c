#include "event_loop_internal.h"

#include <stdlib.h>
#include <sys/eventfd.h>

enum {
    HELD_UP_MS = 100,      /* in one turn: longer than a sync of most disks */
    MUCH_LONGER_MS = 1000, /* idle; below that it is not worth to wake another loop */
};

struct loop_group *loop_group_new(struct listeners *listeners, unsigned connections_max,
                                  unsigned loops_max)
{
    struct loop_group *group = calloc(1, sizeof *group + loops_max * sizeof *group->loops);
    if (!group)
        return NULL;
    group->listeners = listeners;
    group->connections_max = connections_max;
    (void)pthread_mutex_init(&group->lock, NULL);
    return group;
}

unsigned loop_group_connections(const struct loop_group *group)
{
    return atomic_load_explicit(&group->connections, memory_order_relaxed);
}

void loop_group_free(struct loop_group *group)
{
    free(group);
}

void loop_group_join(struct event_loop *loop)
{
    struct loop_group *group = loop->group;
    loop->index = group->loops_count;
    group->loops[group->loops_count++] = loop;
    group->open_count++;
}

void loop_group_lock(struct event_loop *loop)
{
    if (loop->group->loops_count > 1)
        (void)pthread_mutex_lock(&loop->group->lock);
}

void loop_group_unlock(struct event_loop *loop)
{
    if (loop->group->loops_count > 1)
        (void)pthread_mutex_unlock(&loop->group->lock);
}

static bool is_held_up(const struct event_loop *loop, int64_t now_ms)
{
    int64_t since_ms = atomic_load_explicit(&loop->busy_since_ms, memory_order_relaxed);
    return since_ms > 0 && now_ms - since_ms > HELD_UP_MS;
}

static unsigned connections_of(const struct event_loop *loop)
{
    return atomic_load_explicit(&loop->connections, memory_order_relaxed);
}

struct event_loop *loop_group_receiver(struct event_loop *loop)
{
    const struct loop_group *group = loop->group;
    struct event_loop *receiver = loop;
    unsigned fewest = connections_of(loop);
    for (unsigned i = 0; i < group->loops_count; i++) {
        struct event_loop *other = group->loops[i];
        unsigned connections = connections_of(other);
        if (connections < fewest && !other->closed && !is_held_up(other, loop->now_ms)) {
            receiver = other;
            fewest = connections;
        }
    }
    return receiver;
}

void loop_group_count(struct event_loop *receiver)
{
    atomic_fetch_add_explicit(&receiver->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&receiver->group->connections, 1, memory_order_relaxed);
}

void loop_group_pass(struct event_loop *receiver, struct connection *connection)
{
    bool is_first = receiver->inbox.first == NULL;
    connection_list_append(&receiver->inbox, connection);
    if (is_first)
        (void)eventfd_write(receiver->wake, 1);
}

struct connection_list loop_group_take(struct event_loop *loop)
{
    loop_group_lock(loop);
    struct connection_list passed = loop->inbox;
    loop->inbox = (struct connection_list){NULL, NULL};
    loop_group_unlock(loop);
    return passed;
}

static int64_t idle_since_ms(const struct event_loop *loop)
{
    return atomic_load_explicit(&loop->idle_since_ms, memory_order_relaxed);
}

/* The loop to ask: of those that can accept the one with the connection that has been idle for
 * longest, else the next one, or NULL. */
static struct event_loop *most_idle(const struct event_loop *loop)
{
    const struct loop_group *group = loop->group;
    struct event_loop *found = NULL;
    for (unsigned i = 1; i < group->loops_count; i++) {
        struct event_loop *other = group->loops[(loop->index + i) % group->loops_count];
        if (other->listening && !other->asked && !is_held_up(other, loop->now_ms) &&
            (!found || idle_since_ms(other) < idle_since_ms(found)))
            found = other;
    }
    return found;
}

bool loop_group_has_idler(const struct event_loop *loop, int64_t since_ms)
{
    const struct event_loop *other = most_idle(loop);
    return other && idle_since_ms(other) < since_ms - MUCH_LONGER_MS;
}

void loop_group_ask(struct event_loop *loop)
{
    struct event_loop *other = most_idle(loop);
    if (other && !atomic_exchange(&other->asked, true))
        (void)eventfd_write(other->wake, 1);
}

bool loop_group_leave(struct event_loop *loop, bool time_is_up, bool *ret_last)
{
    struct loop_group *group = loop->group;
    loop_group_lock(loop);
    bool leaves = time_is_up || connections_of(loop) == 0;
    if (leaves) {
        loop->closed = true;
        *ret_last = --group->open_count == 0;
    }
    loop_group_unlock(loop);
    return leaves;
}
