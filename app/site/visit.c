#include "site/visit.h"

#include "site/page.h"
#include "site/respond.h"
#include "site/rows.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* The visit is not recorded: 503, never 200. */
static void respond_not_recorded(struct worker *worker, struct response *response, bool json,
                                 int error)
{
    char reason[EXPLANATION_SIZE];
    explain_fault(error, reason);
    if (json) {
        struct text body = text_begin(response_body(response), RESPONSE_BODY_MAX);
        text_printf(&body, "{\"error\": \"%s\", \"pod\": \"%s\"}\n", reason, worker->server->pod);
        respond_unavailable(worker, response, METRICS_ROOT, MEDIA_JSON, body.length);
    } else {
        size_t length = page_of_failure(&worker->server->frame, reason, response_body(response),
                                        RESPONSE_BODY_MAX);
        respond_unavailable(worker, response, METRICS_ROOT, MEDIA_HTML, length);
    }
}

static struct timespec time_of(int64_t tag)
{
    int64_t second = (tag >> 1) / 1000000, microsecond = (tag >> 1) % 1000000;
    if (microsecond < 0) /* before 1970 */
        second--, microsecond += 1000000;
    return (struct timespec){.tv_sec = second, .tv_nsec = microsecond * 1000};
}

bool visit_defer(struct worker *worker, const struct request *request, struct response *response)
{
    struct timespec now;
    char line[LINE_LENGTH];
    bool json = media_quality(request, MEDIA_JSON) > media_quality(request, MEDIA_HTML);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (timestamp_write(&worker->timestamps, &now, line) != 0) {
        metrics_count_errors(errno, 1);
        respond_not_recorded(worker, response, json, errno);
        return true;
    }
    response->tag = (now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000) * 2 + json;
    return false;
}

void visit_write_line(struct worker *worker, int64_t tag, char *ret_line)
{
    struct timespec moment = time_of(tag);
    (void)timestamp_write(&worker->timestamps, &moment, ret_line);
    ret_line[TIMESTAMP_LENGTH] = '\n';
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

void visit_respond(void *context, unsigned index, struct response *response)
{
    struct worker *worker = context;
    const struct batch *batch = &worker->batch;
    bool json = response->tag & 1;
    if (batch->error) {
        respond_not_recorded(worker, response, json, batch->error);
        return;
    }
    const char(*line)[LINE_LENGTH] = &batch->lines[RECENT_LINES + index];
    uint64_t number = batch->first + index;
    response->timed = true;
    if (json) {
        respond_json(worker, response, number, *line);
        return;
    }
    unsigned before = batch->before_count + index;
    before = before < RECENT_LINES ? before : RECENT_LINES;
    struct page_visit visit = {number, *line, &worker->server->frame, line - before, before};
    size_t length = page_of_visit(&visit, response_body(response), RESPONSE_BODY_MAX);
    respond(worker, response, METRICS_ROOT, 200, MEDIA_HTML, page_fields, length);
}

void visit_sent(void *context, uint32_t duration_us)
{
    (void)context;
    metrics_observe_visit(duration_us);
}
