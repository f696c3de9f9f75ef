#include "listing.h"
#include "page.h"
#include "plot.h"
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HTML_ROWS = 100 }; /* of the table, unless ?tail= asks for more */

static const struct {
    const char *name, *type;
} formats[] = {
    [LISTING_TEXT] = {"text", "text/plain; charset=utf-8"},
    [LISTING_RAW] = {"raw", "text/plain; charset=utf-8"},
    [LISTING_JSON] = {"json", "application/json"},
    [LISTING_HTML] = {"html", "text/html; charset=utf-8"},
};

/* ?format= or what Accept prefers; curl's "*" gets text. Returns 0, or -1 for an unknown format. */
static int choose_format(const struct request *request, enum listing_format *ret_format)
{
    const char *value;
    int length = request_parameter(request->query, "format", &value);
    if (length < 0) {
        int text = request_quality(request->accept, "text/plain");
        int html = request_quality(request->accept, "text/html");
        int json = request_quality(request->accept, "application/json");
        *ret_format = html > text && html >= json ? LISTING_HTML
                      : json > text               ? LISTING_JSON
                                                  : LISTING_TEXT;
        return 0;
    }
    for (unsigned i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strlen(formats[i].name) == (size_t)length &&
            memcmp(formats[i].name, value, (size_t)length) == 0) {
            *ret_format = (enum listing_format)i;
            return 0;
        }
    }
    return -1;
}

/* Returns 0, or -1 if what is given is no number. */
static int choose_tail(const struct request *request, enum listing_format format,
                       uint64_t *ret_tail)
{
    const char *value;
    uint64_t tail = 0;
    int length = request_parameter(request->query, "tail", &value);
    if (length < 0) {
        *ret_tail = format == LISTING_HTML ? HTML_ROWS : UINT64_MAX;
        return 0;
    }
    for (int i = 0; i < length; i++) {
        if (value[i] < '0' || value[i] > '9' || i >= 18)
            return -1;
        tail = tail * 10 + (uint64_t)(value[i] - '0');
    }
    *ret_tail = tail;
    return length > 0 ? 0 : -1;
}

/* A listing with the text that comes before it, and the file that it is of. */
struct visits_stream {
    struct stream stream;
    struct visits_file *file;
    struct listing listing;
    char head[8192];
};

static ssize_t next_piece(struct stream *stream, char *data, size_t size)
{
    return listing_piece(&((struct visits_stream *)stream)->listing, data, size);
}

static void piece_sent(struct stream *stream, size_t length)
{
    listing_sent(&((struct visits_stream *)stream)->listing, length);
}

static void end_stream(struct stream *stream)
{
    visits_release(((struct visits_stream *)stream)->file);
    free(stream);
}

static int start_stream(struct worker *worker, struct visits_stream *stream,
                        enum listing_format format, uint64_t tail)
{
    struct visits *visits = worker->server->visits;
    struct listing_range range;
    if (visits_snapshot(visits, &range, &stream->file) != 0)
        return -1;
    struct listing *listing = &stream->listing;
    listing_start(listing, &range, format, tail);
    if (format == LISTING_JSON) {
        (void)snprintf(stream->head, sizeof stream->head,
                       "{\"pod\": \"%s\", \"count\": %llu, \"visits\": [", worker->answers.pod,
                       (unsigned long long)range.count);
        listing->head = stream->head;
        listing->foot = "\n]}\n";
    } else if (format == LISTING_HTML) {
        struct page_point points[PLOT_POINTS];
        unsigned count = plot_points(&range, points);
        size_t length = page_of_visits_head(worker->answers.pod, range.count,
                                            range.count + 1 - listing->at.number, points, count,
                                            stream->head, sizeof stream->head - 1);
        stream->head[length] = '\0';
        listing->head = stream->head;
        listing->foot = page_of_visits_foot;
    }
    return 0;
}

void visits_answer(struct worker *worker, const struct request *request, struct reply *reply)
{
    enum listing_format format;
    uint64_t tail;
    if (choose_format(request, &format) != 0) {
        route_text(worker, reply, METRICS_VISITS, 400, "",
                   "format is one of text, raw, json, html\n");
        return;
    }
    if (choose_tail(request, format, &tail) != 0) {
        route_text(worker, reply, METRICS_VISITS, 400, "", "tail is a number of lines\n");
        return;
    }
    struct visits_stream *stream = malloc(sizeof *stream);
    if (stream)
        stream->stream = (struct stream){next_piece, piece_sent, end_stream};
    if (!stream || start_stream(worker, stream, format, tail) != 0) {
        int error = errno;
        free(stream);
        char text[128];
        (void)snprintf(text, sizeof text, "cannot read the visits: %s\n", strerror(error));
        route_text(worker, reply, METRICS_VISITS, 503, "Retry-After: 1\r\n", text);
        return;
    }
    stream->listing.chunked = !reply->http_1_0;
    metrics_count_request(METRICS_VISITS, 200);
    answer_stream(&worker->answers, reply, formats[format].type);
    if (reply->head_only)
        end_stream(&stream->stream);
    else
        reply->stream = &stream->stream;
}
