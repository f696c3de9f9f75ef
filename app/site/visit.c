#include "site/visit.h"

#include "site/page.h"
#include "site/respond.h"
#include "site/rows.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* The visit is not recorded: 503, never 200. */
static void respond_not_recorded(struct worker *worker, struct response *response, bool json,
                                 int error)
{
    const char *pod = worker->server->pod;
    char reason[EXPLANATION_SIZE];
    explain_fault(error, reason);
    if (json) {
        struct text body = text_begin(response_body(response), RESPONSE_BODY_MAX);
        text_printf(&body, "{\"error\": \"%s\", \"pod\": \"%s\"}\n", reason, pod);
        respond_unavailable(worker, response, METRICS_ROOT, MEDIA_JSON, body.length);
    } else {
        size_t length = page_of_failure(pod, reason, response_body(response), RESPONSE_BODY_MAX);
        respond_unavailable(worker, response, METRICS_ROOT, MEDIA_HTML, length);
    }
}

int visit_defer(struct worker *worker, const struct request *request, struct response *response)
{
    struct timespec now;
    bool json = media_quality(request, MEDIA_JSON) > media_quality(request, MEDIA_HTML);
    struct batch *batch = &worker->batch;
    assert(batch->count < DEFERRED_MAX);
    char *line = batch->lines[RECENT_LINES + batch->count];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (timestamp_write(&worker->timestamps, &now, line) != 0) {
        metrics_count_errors(errno, 1);
        respond_not_recorded(worker, response, json, errno);
        return -1;
    }
    line[TIMESTAMP_LENGTH] = '\n';
    batch->json[batch->count] = json;
    return (int)batch->count++;
}

static int sync_to(struct visit_log *log, uint64_t end)
{
    uint64_t duration_ns;
    int result = visit_log_sync(log, end, &duration_ns), saved_errno = errno;
    metrics_observe_sync(duration_ns);
    errno = saved_errno;
    return result;
}

/* Returns 0, or the errno that kept the batch from being recorded. Wakes the owner if it must act
 * at once: to reopen a file that another process has changed, or to exit. */
static int record(struct server *server, struct batch *batch)
{
    struct recent_lines recent;
    uint64_t end;
    const char *lines = batch->lines[RECENT_LINES];
    if (visit_log_append(server->log, lines, batch->count, &batch->first, &end, &recent) != 0) {
        int error = errno;
        if (visit_log_is_stale(error))
            (void)pthread_kill(server->owner, SIGUSR1);
        return error;
    }
    if (server->settings->sync_always && sync_to(server->log, end) != 0) {
        int error = errno ? errno : EIO;
        visit_log_truncate_unsynced(server->log);
        (void)pthread_kill(server->owner, SIGUSR1);
        return error;
    }
    batch->before_count = recent.count;
    memcpy(batch->lines[RECENT_LINES - recent.count], recent.lines,
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

static void respond_json(struct worker *worker, struct response *response, uint64_t number,
                         const char *line)
{
    struct text body = text_begin(response_body(response), RESPONSE_BODY_MAX);
    text_string(&body, "{");
    row_json(&body, number, line);
    text_string(&body, ", \"pod\": \"");
    text_string(&body, worker->server->pod);
    text_string(&body, "\"}\n");
    respond(worker, response, METRICS_ROOT, 200, MEDIA_JSON, "Vary: Accept\r\n", body.length);
}

void visit_respond(void *context, int tag, struct response *response)
{
    struct worker *worker = context;
    const struct batch *batch = &worker->batch;
    if (batch->error) {
        respond_not_recorded(worker, response, batch->json[tag], batch->error);
        return;
    }
    const char(*line)[LINE_LENGTH] = &batch->lines[RECENT_LINES + tag];
    uint64_t number = batch->first + (uint64_t)tag;
    if (batch->json[tag]) {
        respond_json(worker, response, number, *line);
        return;
    }
    unsigned before = batch->before_count + (unsigned)tag;
    before = before < RECENT_LINES ? before : RECENT_LINES;
    struct page_visit visit = {number, *line, worker->server->pod, line - before, before};
    size_t length = page_of_visit(&visit, response_body(response), RESPONSE_BODY_MAX);
    respond(worker, response, METRICS_ROOT, 200, MEDIA_HTML, page_fields, length);
}
