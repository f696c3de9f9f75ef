#include "routes.h"

#include "listing.h"
#include "page.h"
#include "respond.h"
#include "text.h"
#include "visit.h"

#include <string.h>

static void respond_version(struct worker *worker, struct reply *reply)
{
    struct text body = text_begin(answer_body(reply), ANSWER_BODY_MAX);
    text_printf(&body, "{\"name\": \"web-app\", \"version\": \"%s\", \"pod\": \"%s\"}\n",
                WEB_APP_VERSION, worker->server->pod);
    respond(worker, reply, METRICS_VERSION, 200, MEDIA_JSON, "", body.length);
}

static void respond_readiness(struct worker *worker, struct reply *reply)
{
    int fault = visits_fault(worker->server->visits);
    bool draining = worker->server->draining;
    struct text body = text_begin(answer_body(reply), ANSWER_BODY_MAX);
    if (draining || fault)
        text_printf(&body, "not ready: %s\n", draining ? "shutting down" : strerror(fault));
    else
        text_string(&body, "ready\n");
    respond(worker, reply, METRICS_READYZ, draining || fault ? 503 : 200, MEDIA_TEXT, "",
            body.length);
}

static void respond_metrics(struct worker *worker, struct reply *reply)
{
    struct server *server = worker->server;
    struct metrics_gauges gauges = {.visits = server->visits->count,
                                    .file_bytes = server->visits->size,
                                    .connections = loop_group_connections(server->visitors),
                                    .version = WEB_APP_VERSION};
    size_t length = metrics_write(&gauges, answer_body(reply), ANSWER_BODY_MAX);
    respond(worker, reply, METRICS_METRICS, 200, MEDIA_METRICS, "", length);
}

static bool is_path(const struct request *request, const char *path)
{
    return strlen(path) == request->path_length &&
           memcmp(request->path, path, request->path_length) == 0;
}

/* The probes, on either port. Returns false if the path is another. */
static bool respond_probe(struct worker *worker, const struct request *request, struct reply *reply)
{
    if (is_path(request, "/healthz"))
        respond_text(worker, reply, METRICS_HEALTHZ, 200, "ok\n");
    else if (is_path(request, "/readyz"))
        respond_readiness(worker, reply);
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
        /* HEAD is no visit. Its response has the fields of a GET's, but no number to measure a body
         * by. */
        respond_head(worker, reply, METRICS_ROOT, MEDIA_HTML, page_fields);
    } else if (is_path(request, "/visits")) {
        listing_respond(worker, request, reply);
    } else if (is_path(request, "/version")) {
        respond_version(worker, reply);
    } else if (!respond_probe(worker, request, reply)) {
        respond_text(worker, reply, METRICS_OTHER, 404,
                     "not found; there are / /visits /version\n");
    }
    return -1;
}

int route_admin(void *context, const struct request *request, struct reply *reply)
{
    struct worker *worker = context;
    if (is_path(request, "/metrics"))
        respond_metrics(worker, reply);
    else if (is_path(request, "/version"))
        respond_version(worker, reply);
    else if (!respond_probe(worker, request, reply))
        respond_text(worker, reply, METRICS_OTHER, 404,
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
    respond_text(context, reply, METRICS_OTHER, status, text);
}
