#include "site/commit.h"

#include "base/clock.h"
#include "site/metrics.h"
#include "site/visit.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

enum {
    SHORT_NS = 3000000, /* of such a sync a hand-over to another thread costs more than 3 % */
    WATCH_NS = 5000000, /* for so long a leader may commit before it loses its loop */
};
#define FOR_EVER INT64_MAX

/* Returns the end of the appended lines in the file, or 0 with the errno in `error`. */
static uint64_t append(struct visit_log *log, struct batch *batch)
{
    struct recent_lines recent;
    uint64_t end = 0;
    batch->error = 0;
    if (visit_log_append(log, batch->lines[RECENT_LINES], batch->count, &batch->first, &end,
                         &recent) != 0) {
        batch->error = errno;
        return 0;
    }
    batch->before_count = recent.count;
    memcpy(batch->lines[RECENT_LINES - recent.count], recent.lines,
           (size_t)recent.count * LINE_LENGTH);
    return end;
}

/* Returns 0 or the errno. */
static int sync_to(struct visit_log *log, uint64_t end, uint64_t *ret_duration_ns)
{
    int error = visit_log_sync(log, end, ret_duration_ns) == 0 ? 0 : errno ? errno : EIO;
    metrics_observe_sync(*ret_duration_ns);
    if (error)
        visit_log_truncate_unsynced(log);
    return error;
}

/* Commits the batches of the list FIRST, which are COMMITTING. Wakes the owner if it must act at
 * once: to reopen a file that another process has changed, or to exit. Returns how long the sync
 * took. */
static int64_t commit(struct server *server, struct batch *first)
{
    unsigned visits = 0;
    uint64_t end = 0, duration_ns = 0;
    bool is_stale = false;
    for (struct batch *batch = first; batch; batch = batch->next) {
        uint64_t batch_end = append(server->log, batch);
        end = batch_end ? batch_end : end;
        visits += batch_end ? batch->count : 0;
        is_stale |= visit_log_is_stale(batch->error);
    }
    int error =
        visits > 0 && server->settings->sync_always ? sync_to(server->log, end, &duration_ns) : 0;
    for (struct batch *batch = first; batch; batch = batch->next) {
        batch->error = batch->error ? batch->error : error;
        if (batch->error)
            metrics_count_errors(batch->error, batch->count);
    }
    if (visits > 0 && !error)
        metrics_observe_batch(visits);
    if (is_stale || error)
        (void)pthread_kill(server->owner, SIGUSR1);
    return (int64_t)duration_ns;
}

static int64_t min_ns(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* One stalled sync must not count for many, not even the first. */
static void observe_sync(struct committer *committer, int64_t last_ns)
{
    int64_t lately_ns = committer->sync_ns;
    if (last_ns == 0) /* there was none */
        return;
    if (lately_ns > 0)
        committer->sync_ns = lately_ns + (min_ns(last_ns, 2 * lately_ns) - lately_ns) / 8;
    else
        committer->sync_ns = min_ns(last_ns, SHORT_NS);
}

static void set_awaited(struct committer *committer, struct batch *batch, unsigned awaited)
{
    committer->awaited += awaited - batch->awaited;
    batch->awaited = awaited;
}

/* When the visits that wait are to be committed, by clock_ns(). Under the lock.
 *
 * After a commit its clients send their next requests within a moment, but one after the other. A
 * commit that starts with the first of them leaves the others waiting for two syncs, and the
 * clients fall into two groups that take turns: half of the disk's syncs are lost. So a commit
 * waits for the awaited connections (connections_await()). After the last of them has come it waits
 * for an eighth of what syncs have lately taken, and for as long as the responses took to be sent:
 * a client that has many of the connections reads all responses before it sends more requests. In
 * all it waits no longer than a sync takes. Syncs count for 80 ms at most: after a stall, visits
 * must not wait as if it went on. It never waits for an idle client, nor if no other was in the
 * last commit. PostgreSQL waits too only if others are active (commit_delay, commit_siblings),
 * MariaDB for a number of transactions (binlog_commit_wait_count). */
static int64_t due_ns(const struct committer *committer)
{
    enum { LEAST_NS = 50000 /* a shorter sync is not worth a wait */, MOST_NS = 80000000 };
    int64_t sync_ns = min_ns(committer->sync_ns, MOST_NS);
    if (committer->awaited == 0 || committer->last_come_ns == 0 || sync_ns < LEAST_NS)
        return 0;
    return min_ns(committer->last_come_ns + sync_ns / 8 + committer->responses_ns,
                  committer->ended_ns + sync_ns);
}

/* Returns the list of all batches that have visits, which are COMMITTING now. */
static struct batch *take_batches(struct server *server)
{
    struct batch *first = NULL;
    for (unsigned i = 0; i < server->workers_count; i++) {
        struct batch *batch = &server->workers[i]->batch;
        if (batch->state != BATCH_FILLING || batch->count == 0)
            continue;
        batch->state = BATCH_COMMITTING;
        batch->next = first;
        first = batch;
    }
    server->committer.visits_wait = false;
    return first;
}

/* From now on the clients of BATCH are awaited. They cannot come before they have their responses:
 * batch_reset() sets `last_come_ns` again. */
static void end_batch(struct committer *committer, struct batch *batch)
{
    set_awaited(committer, batch, batch->count);
    committer->last_come_ns = committer->ended_ns + committer->sync_ns;
    batch->state = BATCH_COMMITTED;
    if (!committer->leader || batch != &committer->leader->batch)
        event_loop_wake(batch->loop);
}

/* Commits the batches of all workers. Under the lock, but not during the commit. */
static void commit_all(struct server *server)
{
    struct committer *committer = &server->committer;
    struct batch *first = take_batches(server);
    assert(!committer->commits);
    committer->commits = true;
    (void)pthread_mutex_unlock(&committer->lock);
    int64_t duration_ns = commit(server, first);
    (void)pthread_mutex_lock(&committer->lock);
    committer->commits = false;
    observe_sync(committer, duration_ns);
    committer->ended_ns = clock_ns();
    /* Who had no visit in this commit is idle. */
    for (unsigned i = 0; i < server->workers_count; i++)
        set_awaited(committer, &server->workers[i]->batch, 0);
    for (struct batch *batch = first; batch; batch = batch->next)
        end_batch(committer, batch);
}

/* Waits until UNTIL_NS, by clock_ns(), or until it is woken. */
static void wait_until(struct committer *committer, int64_t until_ns)
{
    int64_t left_ns = until_ns - clock_ns();
    const struct timespec timeout = {.tv_sec = left_ns / 1000000000,
                                     .tv_nsec = left_ns % 1000000000};
    sigset_t signals;
    if (left_ns <= 0)
        return;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    committer->waiter = pthread_self();
    committer->waits_until_ns = until_ns;
    (void)pthread_mutex_unlock(&committer->lock);
    (void)sigtimedwait(&signals, NULL, until_ns == FOR_EVER ? NULL : &timeout);
    (void)pthread_mutex_lock(&committer->lock);
    committer->waits_until_ns = 0;
}

/* Wakes the committer if it would wait for longer than until UNTIL_NS. */
static void wake_at(struct committer *committer, int64_t until_ns)
{
    if (committer->waits_until_ns <= until_ns)
        return;
    (void)pthread_kill(committer->waiter, SIGUSR1);
    committer->waits_until_ns = 0;
}

struct worker *committer_run(struct server *server)
{
    struct committer *committer = &server->committer;
    struct worker *held_up = NULL;
    unsigned watched = 0;
    (void)pthread_mutex_lock(&committer->lock);
    while (!committer->stops && !held_up) {
        if (committer->leader && clock_ns() >= committer->led_since_ns + WATCH_NS) {
            held_up = committer->leader;
            committer->leader = NULL;
            event_loop_wake(held_up->loop); /* its batch may be COMMITTED since the last look */
        } else if (committer->leader) {
            wait_until(committer, committer->led_since_ns + WATCH_NS);
        } else if (committer->visits_wait && clock_ns() >= due_ns(committer)) {
            commit_all(server);
        } else if (committer->visits_wait) {
            wait_until(committer, due_ns(committer));
        } else {
            /* As long as loops commit, to look now and then is cheaper than to be woken. */
            unsigned led = committer->led;
            wait_until(committer, led == watched ? FOR_EVER : clock_ns() + WATCH_NS);
            watched = led;
        }
    }
    (void)pthread_mutex_unlock(&committer->lock);
    return held_up;
}

void committer_stop(struct committer *committer)
{
    (void)pthread_mutex_lock(&committer->lock);
    assert(!committer->visits_wait);
    committer->stops = true;
    wake_at(committer, 0);
    (void)pthread_mutex_unlock(&committer->lock);
}

bool batch_add(void *context, int64_t tag)
{
    struct worker *worker = context;
    struct batch *batch = &worker->batch;
    struct committer *committer = &worker->server->committer;
    (void)pthread_mutex_lock(&committer->lock);
    bool has_room = batch->state == BATCH_FILLING && batch->count < BATCH_ROOM;
    if (has_room)
        visit_write_line(worker, tag, batch->lines[RECENT_LINES + batch->count++]);
    (void)pthread_mutex_unlock(&committer->lock);
    return has_room;
}

/* Commits on the thread of WORKER's loop. Returns whether it is still that. */
static bool lead(struct worker *worker)
{
    struct committer *committer = &worker->server->committer;
    committer->leader = worker;
    committer->led_since_ns = clock_ns();
    committer->led++;
    wake_at(committer, committer->led_since_ns + 2 * WATCH_NS);
    commit_all(worker->server);
    bool owns_loop = committer->leader == worker;
    committer->leader = NULL;
    if (committer->visits_wait)
        wake_at(committer, due_ns(committer));
    return owns_loop;
}

bool batch_submit(void *context, unsigned awaited)
{
    struct worker *worker = context;
    struct batch *batch = &worker->batch;
    struct committer *committer = &worker->server->committer;
    bool owns_loop = true;
    (void)pthread_mutex_lock(&committer->lock);
    if (batch->state == BATCH_FILLING) {
        if (awaited != batch->awaited)
            committer->last_come_ns = clock_ns();
        if (batch->count == BATCH_ROOM) /* no room for those that come */
            committer->last_come_ns = 0;
        set_awaited(committer, batch, awaited);
        committer->visits_wait |= batch->count > 0;
    }
    /* A batch that is COMMITTED is responded to first: a commit for others would delay that. */
    if (committer->visits_wait && !committer->commits && batch->state == BATCH_FILLING) {
        bool is_short = committer->sync_ns > 0 && committer->sync_ns < SHORT_NS;
        if (is_short && clock_ns() >= due_ns(committer))
            owns_loop = lead(worker);
        else
            wake_at(committer, due_ns(committer));
    }
    (void)pthread_mutex_unlock(&committer->lock);
    return owns_loop;
}

bool batch_commit(void *context, unsigned awaited)
{
    struct worker *worker = context;
    struct batch *batch = &worker->batch;
    (void)awaited;
    if (batch->count > 0) {
        (void)commit(worker->server, batch);
        batch->state = BATCH_COMMITTED;
    }
    return true;
}

bool batch_is_committed(void *context)
{
    struct worker *worker = context;
    (void)pthread_mutex_lock(&worker->server->committer.lock);
    bool is_committed = worker->batch.state == BATCH_COMMITTED;
    (void)pthread_mutex_unlock(&worker->server->committer.lock);
    return is_committed;
}

void batch_reset(void *context)
{
    struct worker *worker = context;
    struct committer *committer = &worker->server->committer;
    (void)pthread_mutex_lock(&committer->lock);
    committer->last_come_ns = clock_ns();
    committer->responses_ns = committer->last_come_ns - committer->ended_ns;
    worker->batch.state = BATCH_FILLING;
    worker->batch.count = 0;
    (void)pthread_mutex_unlock(&committer->lock);
}
