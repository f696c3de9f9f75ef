#include "site/routes.h"

#include "base/text.h"
#include "site/listing.h"
#include "site/page.h"
#include "site/respond.h"
#include "site/visit.h"

#include <errno.h>
#include <string.h>

_Static_assert((int)METRICS_MAX <= (int)RESPONSE_BODY_MAX &&
                   (int)PAGE_MAX <= (int)RESPONSE_BODY_MAX,
               "a response has room for the metrics and for a page");

static void respond_version(struct worker *worker, struct response *response)
{
    struct text body = text_begin(response_body(response), RESPONSE_BODY_MAX);
    const struct server *server = worker->server;
    text_printf(
        &body,
        "{\"name\": \"web-app\", \"version\": \"%s\", \"pod\": \"%s\", \"started\": \"%s\", "
        "\"sync\": \"%s\"}\n",
        WEB_APP_VERSION, server->pod, server->started, server->settings->sync);
    respond(worker, response, METRICS_VERSION, 200, MEDIA_JSON, "", body.length);
}

/* The errno that keeps visits from being recorded, or 0. */
static int fault_of(const struct server *server)
{
    int fault = visit_log_fault(server->log);
    return !fault && server->stuck ? ETIMEDOUT : fault;
}

static void respond_readiness(struct worker *worker, struct response *response)
{
    int fault = fault_of(worker->server);
    bool draining = worker->server->draining;
    struct text body = text_begin(response_body(response), RESPONSE_BODY_MAX);
    if (!draining && !fault) {
        respond_text(worker, response, METRICS_READYZ, 200, "ready\n");
        return;
    }
    char reason[EXPLANATION_SIZE];
    explain_fault(fault, reason);
    text_printf(&body, "not ready: %s\n", draining ? "shutting down" : reason);
    respond_unavailable(worker, response, METRICS_READYZ, MEDIA_TEXT, body.length);
}

static void respond_metrics(struct worker *worker, struct response *response)
{
    struct server *server = worker->server;
    struct metrics_gauges gauges = {.state = server->log->state,
                                    .ready = !server->draining && fault_of(server) == 0,
                                    .visits = server->log->count,
                                    .file_bytes = server->log->size,
                                    .connections = loop_group_connections(server->visitors),
                                    .connections_max = loop_group_connections_max(server->visitors),
                                    .evicted = loop_group_evicted(server->visitors),
                                    .version = WEB_APP_VERSION};
    size_t length = metrics_write(&gauges, response_body(response), RESPONSE_BODY_MAX);
    respond(worker, response, METRICS_METRICS, 200, MEDIA_METRICS, "", length);
}

static bool is_path(const struct request *request, const char *path)
{
    return strlen(path) == request->path_length &&
           memcmp(request->path, path, request->path_length) == 0;
}

/* Responds to the probes, which both ports have. Returns false for any other path. */
static bool respond_probe(struct worker *worker, const struct request *request,
                          struct response *response)
{
    if (is_path(request, "/healthz"))
        respond_text(worker, response, METRICS_HEALTHZ, 200, "ok\n");
    else if (is_path(request, "/readyz"))
        respond_readiness(worker, response);
    else
        return false;
    return true;
}

/* A browser that prefetches or prerenders the page may never show it. 503 keeps it from using the
 * response, and it asks again when it does (Speculation Rules, HTML Standard). */
static void respond_no_visit(struct worker *worker, struct response *response)
{
    static const char text[] = "a prefetch is not a visit\n";
    memcpy(response_body(response), text, sizeof text - 1);
    respond_unavailable(worker, response, METRICS_ROOT, MEDIA_TEXT, sizeof text - 1);
}

bool route_visitor(void *context, const struct request *request, struct response *response)
{
    struct worker *worker = context;
    if (is_path(request, "/")) {
        if (request->prefetch) {
            respond_no_visit(worker, response);
            return true;
        }
        if (!request->head_only)
            return visit_defer(worker, request, response);
        /* HEAD is not a visit. Its response has the header fields of a GET's. The length of the
         * GET's body is unknown, since there is no visit number. */
        respond_head(worker, response, METRICS_ROOT, MEDIA_HTML, page_fields);
    } else if (is_path(request, "/visits")) {
        listing_respond(worker, request, response);
    } else if (is_path(request, "/version")) {
        respond_version(worker, response);
    } else if (!respond_probe(worker, request, response)) {
        respond_text(worker, response, METRICS_OTHER, 404,
                     "not found; there are / /visits /version\n");
    }
    return true;
}

bool route_admin(void *context, const struct request *request, struct response *response)
{
    struct worker *worker = context;
    if (is_path(request, "/metrics"))
        respond_metrics(worker, response);
    else if (is_path(request, "/version"))
        respond_version(worker, response);
    else if (!respond_probe(worker, request, response))
        respond_text(worker, response, METRICS_OTHER, 404,
                     "not found; there are /healthz /readyz /metrics /version\n");
    return true;
}

void route_refuse(void *context, int status, struct response *response)
{
    const char *text = status == 405   ? "the methods are GET and HEAD\n"
                       : status == 413 ? "a request has no body here\n"
                       : status == 414 ? "the request line is too long\n"
                       : status == 431 ? "there are too many header fields, or they are too long\n"
                       : status == 408 ? "the request was not complete in time\n"
                       : status == 505
                           ? "the version is HTTP/1.1 or HTTP/1.0\n"
                           : "this is not a valid HTTP/1.1 request; a URL has only printable "
                             "ASCII characters, and others percent-encoded\n";
    respond_text(context, response, METRICS_OTHER, status, text);
}
