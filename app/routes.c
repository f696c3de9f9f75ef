#include "page.h"
#include "worker.h"

#include <stdio.h>
#include <string.h>

void route_text(struct worker *worker, struct reply *reply, enum metrics_path path, int status,
                const char *extra, const char *text)
{
    metrics_count_request(path, status);
    answer_text(&worker->answers, reply, status, extra, text);
}

static void answer_version(struct worker *worker, struct reply *reply)
{
    size_t length =
        (size_t)snprintf(answer_body(reply), ANSWER_BODY_MAX,
                         "{\"name\": \"web-app\", \"version\": \"%s\", \"pod\": \"%s\"}\n",
                         WEB_APP_VERSION, worker->answers.pod);
    metrics_count_request(METRICS_VERSION, 200);
    answer_finish(&worker->answers, reply, 200, "application/json", "", length);
}

static void answer_readiness(struct worker *worker, struct reply *reply)
{
    char text[128] = "ready\n";
    int fault = visits_fault(worker->server->visits);
    bool draining = worker->server->draining;
    if (draining || fault)
        (void)snprintf(text, sizeof text, "not ready: %s\n",
                       draining ? "shutting down" : strerror(fault));
    route_text(worker, reply, METRICS_READYZ, draining || fault ? 503 : 200, "", text);
}

static void answer_metrics(struct worker *worker, struct reply *reply)
{
    struct server *server = worker->server;
    struct metrics_gauges gauges = {.visits = server->visits->count,
                                    .file_bytes = server->visits->size,
                                    .connections = loop_group_connections(server->visitors),
                                    .version = WEB_APP_VERSION};
    size_t length = metrics_write(&gauges, answer_body(reply), ANSWER_BODY_MAX);
    metrics_count_request(METRICS_METRICS, 200);
    answer_finish(&worker->answers, reply, 200, "text/plain; version=0.0.4; charset=utf-8", "",
                  length);
}

static bool is_path(const struct request *request, const char *path)
{
    return strlen(path) == request->path_length &&
           memcmp(request->path, path, request->path_length) == 0;
}

/* The probes, on either port. Returns false if the path is another. */
static bool answer_probe(struct worker *worker, const struct request *request, struct reply *reply)
{
    if (is_path(request, "/healthz"))
        route_text(worker, reply, METRICS_HEALTHZ, 200, "", "ok\n");
    else if (is_path(request, "/readyz"))
        answer_readiness(worker, reply);
    else
        return false;
    return true;
}

int route_visitor(void *context, const struct request *request, struct reply *reply)
{
    struct worker *worker = context;
    if (is_path(request, "/")) {
        if (!request->head_only)
            return visit_defer(worker, request, reply);
        /* HEAD is no visit; its answer has the fields of a GET's but no number to measure a body
         * by. */
        metrics_count_request(METRICS_ROOT, 200);
        answer_head(&worker->answers, reply, "text/html; charset=utf-8", page_fields);
    } else if (is_path(request, "/visits")) {
        visits_answer(worker, request, reply);
    } else if (is_path(request, "/version")) {
        answer_version(worker, reply);
    } else if (!answer_probe(worker, request, reply)) {
        route_text(worker, reply, METRICS_OTHER, 404, "",
                   "not found; there are / /visits /version\n");
    }
    return -1;
}

int route_admin(void *context, const struct request *request, struct reply *reply)
{
    struct worker *worker = context;
    if (is_path(request, "/metrics"))
        answer_metrics(worker, reply);
    else if (is_path(request, "/version"))
        answer_version(worker, reply);
    else if (!answer_probe(worker, request, reply))
        route_text(worker, reply, METRICS_OTHER, 404, "",
                   "not found; there are /healthz /readyz /metrics /version\n");
    return -1;
}

void route_refuse(void *context, int status, struct reply *reply)
{
    const char *text = status == 405   ? "the methods are GET and HEAD\n"
                       : status == 413 ? "a request has no body here\n"
                       : status == 414 ? "the request line is too long\n"
                       : status == 431 ? "there are too many header fields, or they are too long\n"
                       : status == 408 ? "the request did not come to its end in time\n"
                       : status == 505 ? "the version is HTTP/1.1 or HTTP/1.0\n"
                                       : "this is not a valid HTTP/1.1 request\n";
    route_text(context, reply, METRICS_OTHER, status, status == 405 ? "Allow: GET, HEAD\r\n" : "",
               text);
}
