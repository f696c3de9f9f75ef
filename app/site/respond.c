#include "site/respond.h"

#include <string.h>

static const struct {
    const char *name, *field; /* to match with Accept, and to send */
} media_types[] = {
    [MEDIA_TEXT] = {"text/plain", "text/plain; charset=utf-8"},
    [MEDIA_HTML] = {"text/html", "text/html; charset=utf-8"},
    [MEDIA_JSON] = {"application/json", "application/json"},
    [MEDIA_CSV] = {"text/csv", "text/csv; charset=utf-8; header=present"},
    [MEDIA_METRICS] = {"text/plain", "text/plain; version=0.0.4; charset=utf-8"},
};

int media_quality(const struct request *request, enum media_type type)
{
    return request_quality(request->accept, media_types[type].name);
}

void respond(struct worker *worker, struct response *response, enum metrics_path path, int status,
             enum media_type type, const char *fields, size_t length)
{
    metrics_count_response(path, status);
    response_finish(&worker->defaults, response, status, media_types[type].field, fields, length);
}

void respond_text(struct worker *worker, struct response *response, enum metrics_path path,
                  int status, const char *text)
{
    size_t length = strlen(text);
    memcpy(response_body(response), text, length);
    respond(worker, response, path, status, MEDIA_TEXT, status == 405 ? "Allow: GET, HEAD\r\n" : "",
            length);
}

void respond_unavailable(struct worker *worker, struct response *response, enum metrics_path path,
                         enum media_type type, size_t length)
{
    respond(worker, response, path, 503, type, "Retry-After: 1\r\n", length);
}

void respond_head(struct worker *worker, struct response *response, enum metrics_path path,
                  enum media_type type, const char *fields)
{
    metrics_count_response(path, 200);
    response_head(&worker->defaults, response, media_types[type].field, fields);
}

void respond_stream(struct worker *worker, struct response *response, enum metrics_path path,
                    enum media_type type, const char *fields, struct stream *stream,
                    uint64_t length)
{
    metrics_count_response(path, 200);
    response_stream(&worker->defaults, response, media_types[type].field, fields, length);
    if (response->head_only || length == 0)
        stream->end(stream);
    else
        response->stream = stream;
}
