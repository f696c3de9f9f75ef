#include "site/commit.h"

#include "base/clock.h"
#include "base/thread.h"
#include "site/metrics.h"
#include "site/visit.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

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

/* Returns 0 or the errno. One stalled sync must not count for many: see patience_ns(). */
static int sync_to(struct server *server, uint64_t end)
{
    struct committer *committer = &server->committer;
    uint64_t duration_ns;
    int error = visit_log_sync(server->log, end, &duration_ns) == 0 ? 0 : errno ? errno : EIO;
    metrics_observe_sync(duration_ns);
    int64_t lately_ns = committer->sync_ns, last_ns = (int64_t)duration_ns;
    if (last_ns > 2 * lately_ns && lately_ns > 0)
        last_ns = 2 * lately_ns;
    committer->sync_ns = lately_ns == 0 ? last_ns : lately_ns + (last_ns - lately_ns) / 8;
    if (error)
        visit_log_truncate_unsynced(server->log);
    return error;
}

/* Commits the batches of the list FIRST, which are COMMITTING. Wakes the owner if it must act at
 * once: to reopen a file that another process has changed, or to exit. */
static void commit(struct server *server, struct batch *first)
{
    unsigned visits = 0;
    uint64_t end = 0;
    bool is_stale = false;
    for (struct batch *batch = first; batch; batch = batch->next) {
        uint64_t batch_end = append(server->log, batch);
        end = batch_end ? batch_end : end;
        visits += batch_end ? batch->count : 0;
        is_stale |= visit_log_is_stale(batch->error);
    }
    int error = visits > 0 && server->settings->sync_always ? sync_to(server, end) : 0;
    for (struct batch *batch = first; batch; batch = batch->next) {
        batch->error = batch->error ? batch->error : error;
        if (batch->error)
            metrics_count_errors(batch->error, batch->count);
    }
    if (visits > 0 && !error)
        metrics_observe_batch(visits);
    if (is_stale || error)
        (void)pthread_kill(server->owner, SIGUSR1);
}

static void set_awaited(struct committer *committer, struct batch *batch, unsigned awaited)
{
    committer->awaited += awaited - batch->awaited;
    batch->awaited = awaited;
}

/* Until when the visits that wait should wait for more, by clock_ns(); 0: they should not. Under
 * the lock.
 *
 * After a commit its clients send their next requests within a moment, but one after the other. A
 * commit that starts with the first of them leaves the others waiting for two syncs, and the
 * clients fall into two groups that take turns: half of the disk's syncs are lost. So a commit
 * waits for the awaited connections (connections_await()), but no longer than an eighth of what
 * syncs have lately taken after the last of them has come, and in all no longer than a sync takes.
 * It never waits for an idle client, nor if no other was in the last commit. PostgreSQL waits too
 * only if others are active (commit_delay, commit_siblings), MariaDB for a number of transactions
 * (binlog_commit_wait_count). */
static int64_t wait_until_ns(const struct committer *committer)
{
    enum { LEAST_NS = 50000 }; /* a shorter sync is not worth a wait */
    int64_t most_ns = committer->ended_ns + committer->sync_ns;
    int64_t until_ns = committer->last_come_ns + committer->sync_ns / 8;
    if (committer->awaited == 0 || committer->sync_ns < LEAST_NS)
        return 0;
    return until_ns < most_ns ? until_ns : most_ns;
}

/* Waits until a commit is due. Returns false if the thread must end. Under the lock. */
static bool wait_for_visits(struct committer *committer)
{
    while (!committer->stops) {
        int64_t until_ns = wait_until_ns(committer);
        if (committer->visits_wait && until_ns <= clock_ns())
            return true;
        struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
        committer->waits_for = committer->visits_wait ? MORE_VISITS : ANY_VISIT;
        if (committer->visits_wait)
            (void)pthread_cond_timedwait(&committer->wake, &committer->lock, &until);
        else
            (void)pthread_cond_wait(&committer->wake, &committer->lock);
        committer->waits_for = NOTHING;
    }
    return false;
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
    event_loop_wake(batch->loop);
}

static void *run(void *context)
{
    struct server *server = context;
    struct committer *committer = &server->committer;
    (void)pthread_mutex_lock(&committer->lock);
    while (wait_for_visits(committer)) {
        struct batch *first = take_batches(server);
        (void)pthread_mutex_unlock(&committer->lock);
        commit(server, first);
        (void)pthread_mutex_lock(&committer->lock);
        committer->ended_ns = clock_ns();
        for (struct batch *batch = first; batch; batch = batch->next)
            end_batch(committer, batch);
    }
    (void)pthread_mutex_unlock(&committer->lock);
    return NULL;
}

void committer_init(struct committer *committer)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&committer->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&committer->lock, NULL);
}

int committer_start(struct server *server)
{
    return thread_start(&server->committer.thread, run, server);
}

void committer_stop(struct server *server)
{
    struct committer *committer = &server->committer;
    (void)pthread_mutex_lock(&committer->lock);
    assert(!committer->visits_wait);
    committer->stops = true;
    (void)pthread_cond_signal(&committer->wake);
    (void)pthread_mutex_unlock(&committer->lock);
    (void)pthread_join(committer->thread, NULL);
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

void batch_submit(void *context, unsigned awaited)
{
    struct worker *worker = context;
    struct batch *batch = &worker->batch;
    struct committer *committer = &worker->server->committer;
    (void)pthread_mutex_lock(&committer->lock);
    if (batch->state == BATCH_FILLING) {
        if (awaited != batch->awaited)
            committer->last_come_ns = clock_ns();
        if (batch->count == BATCH_ROOM) /* no room for those that come */
            committer->last_come_ns = 0;
        set_awaited(committer, batch, awaited);
        committer->visits_wait |= batch->count > 0;
    }
    if (committer->visits_wait && (committer->waits_for == ANY_VISIT ||
                                   (committer->waits_for == MORE_VISITS &&
                                    (committer->awaited == 0 || batch->count == BATCH_ROOM))))
        (void)pthread_cond_signal(&committer->wake);
    (void)pthread_mutex_unlock(&committer->lock);
}

void batch_commit(void *context, unsigned awaited)
{
    struct worker *worker = context;
    struct batch *batch = &worker->batch;
    (void)awaited;
    if (batch->count == 0)
        return;
    commit(worker->server, batch);
    batch->state = BATCH_COMMITTED;
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
    (void)pthread_mutex_lock(&worker->server->committer.lock);
    worker->server->committer.last_come_ns = clock_ns();
    worker->batch.state = BATCH_FILLING;
    worker->batch.count = 0;
    (void)pthread_mutex_unlock(&worker->server->committer.lock);
}
