#include "page.h"
#include "server.h"
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void answer_failure(struct worker *worker, struct reply *reply, bool json, int error)
{
    char *body = answer_body(reply);
    size_t length;
    metrics_count_request(METRICS_ROOT, 503);
    if (json)
        length = (size_t)snprintf(body, ANSWER_BODY_MAX, "{\"error\": \"%s\", \"pod\": \"%s\"}\n",
                                  strerror(error), worker->answers.pod);
    else
        length = page_of_failure(worker->answers.pod, strerror(error), body, ANSWER_BODY_MAX);
    answer_finish(&worker->answers, reply, 503,
                  json ? "application/json" : "text/html; charset=utf-8", "Retry-After: 1\r\n",
                  length);
}

/* A visit: its time is taken now, its line joins the batch of this turn. */
int visit_defer(struct worker *worker, const struct request *request, struct reply *reply)
{
    struct timespec now;
    bool json = request_quality(request->accept, "application/json") >
                request_quality(request->accept, "text/html");
    struct batch *batch = &worker->batch;
    char *line = batch->lines[VISITS_RECENT + batch->count];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (stamp_write(&worker->stamps, &now, line) != 0) {
        metrics_count_errors(errno, 1);
        answer_failure(worker, reply, json, errno);
        return -1;
    }
    line[STAMP_LENGTH] = '\n';
    batch->json[batch->count] = json;
    return (int)batch->count++;
}

/* Returns 0, or the errno that kept the batch from being recorded. What cannot wait for its next
 * round the owner is woken for: to take up a file that somebody has changed, or to end. */
static int record(struct server *server, struct batch *batch)
{
    struct visits_recent recent;
    uint64_t end;
    const char *lines = batch->lines[VISITS_RECENT];
    if (visits_append(server->visits, lines, batch->count, &batch->first, &end, &recent) != 0) {
        int error = errno;
        if (error == ESTALE)
            (void)pthread_kill(server->owner, SIGUSR1);
        return error;
    }
    if (server->options->sync == SYNC_ALWAYS && server_sync(server->visits, end) != 0) {
        int error = errno ? errno : EIO;
        visits_drop_unsynced(server->visits);
        (void)pthread_kill(server->owner, SIGUSR1);
        return error;
    }
    batch->before_count = recent.count;
    memcpy(batch->lines[VISITS_RECENT - recent.count], recent.lines,
           (size_t)recent.count * LINE_LENGTH);
    metrics_observe_batch(batch->count);
    return 0;
}

void visit_commit(void *context)
{
    struct worker *worker = context;
    struct batch *batch = &worker->batch;
    batch->error = record(worker->server, batch);
    if (batch->error)
        metrics_count_errors(batch->error, batch->count);
    batch->count = 0;
}

static void answer_json(struct worker *worker, struct reply *reply, uint64_t number,
                        const char *stamp)
{
    int length = snprintf(answer_body(reply), ANSWER_BODY_MAX,
                          "{\"visit\": %llu, \"time\": \"%.32s\", \"pod\": \"%s\"}\n",
                          (unsigned long long)number, stamp, worker->answers.pod);
    answer_finish(&worker->answers, reply, 200, "application/json", "Vary: Accept\r\n",
                  (size_t)length);
}

void visit_answer(void *context, int tag, struct reply *reply)
{
    struct worker *worker = context;
    const struct batch *batch = &worker->batch;
    if (batch->error) {
        answer_failure(worker, reply, batch->json[tag], batch->error);
        return;
    }
    const char(*line)[LINE_LENGTH] = &batch->lines[VISITS_RECENT + tag];
    uint64_t number = batch->first + (uint64_t)tag;
    metrics_count_request(METRICS_ROOT, 200);
    if (batch->json[tag]) {
        answer_json(worker, reply, number, *line);
        return;
    }
    unsigned before = batch->before_count + (unsigned)tag;
    before = before < VISITS_RECENT ? before : VISITS_RECENT;
    struct page_visit visit = {number, *line, worker->answers.pod, line - before, before};
    size_t length = page_of_visit(&visit, answer_body(reply), ANSWER_BODY_MAX);
    answer_finish(&worker->answers, reply, 200, "text/html; charset=utf-8", page_fields, length);
}
