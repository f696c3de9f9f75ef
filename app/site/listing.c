#include "site/listing.h"

#include "base/io.h"
#include "log/sample.h"
#include "site/page.h"
#include "site/respond.h"
#include "site/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HTML_ROWS = 100 }; /* rows of the table without ?tail= */

static const struct {
    char name[8];
    enum media_type type;
} formats[] = {
    [ROWS_TEXT] = {"text", MEDIA_TEXT},
    [ROWS_RAW] = {"raw", MEDIA_TEXT},
    [ROWS_JSON] = {"json", MEDIA_JSON},
    [ROWS_HTML] = {"html", MEDIA_HTML},
};

/* Takes ?format=, else what Accept prefers; a client that accepts everything, like curl, gets text.
 * Returns 0, or -1 for an unknown format. */
static int choose_format(const struct request *request, enum row_format *ret_format)
{
    const char *value;
    int length = request_parameter(request->query, "format", &value);
    if (length < 0) {
        int text = media_quality(request, MEDIA_TEXT), html = media_quality(request, MEDIA_HTML),
            json = media_quality(request, MEDIA_JSON);
        *ret_format = html > text && html >= json ? ROWS_HTML : json > text ? ROWS_JSON : ROWS_TEXT;
        return 0;
    }
    for (unsigned i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strlen(formats[i].name) == (size_t)length &&
            memcmp(formats[i].name, value, (size_t)length) == 0) {
            *ret_format = (enum row_format)i;
            return 0;
        }
    }
    return -1;
}

/* Returns 0, or -1 if the value is not a number. */
static int choose_tail(const struct request *request, enum row_format format, uint64_t *ret_tail)
{
    enum { DIGITS_MAX = 18 };
    const char *value;
    int length = request_parameter(request->query, "tail", &value);
    if (length < 0) {
        *ret_tail = format == ROWS_HTML ? HTML_ROWS : UINT64_MAX;
        return 0;
    }
    return length > DIGITS_MAX ? -1 : parse_number(value, (size_t)length, 0, UINT64_MAX, ret_tail);
}

/* A position in the output: the part, in this order, and the row. */
struct listing_position {
    enum { AT_HEAD, AT_SEEK, AT_ROWS, AT_FOOT, AT_END } part;
    struct row_position row;
};

struct listing {
    struct stream stream;
    struct log_file *file; /* a reference: keeps the file open */
    enum row_format format;
    struct reader reader;
    struct listing_position at, next; /* where the current piece and the next one start */
    const char *foot;
    char head[PAGE_MAX];
};

static ssize_t next_piece(struct stream *stream, char *data, size_t size, bool *ret_last)
{
    struct listing *listing = (struct listing *)stream;
    struct listing_position *next = &listing->next;
    struct text text = text_begin(data, size);
    *next = listing->at;
    *ret_last = false;
    if (next->part == AT_HEAD) {
        text_string(&text, listing->head);
        next->part = AT_SEEK;
        /* Send the head before a long search. */
        if (text.length > 0 && listing->reader.search_left > 0)
            return (ssize_t)text.length;
    }
    if (next->part == AT_SEEK) {
        if (reader_seek(&listing->reader) != 0)
            return -1;
        next->row = rows_start(&listing->reader);
        next->part = AT_ROWS;
    }
    if (next->part == AT_ROWS) {
        if (rows_next(&listing->reader, listing->format, &next->row, &text) < 0)
            return -1;
        if (rows_at_end(&listing->reader, &next->row))
            next->part = AT_FOOT;
    }
    if (next->part == AT_FOOT && strlen(listing->foot) < text.size - text.length) {
        text_string(&text, listing->foot);
        next->part = AT_END;
    }
    *ret_last = next->part == AT_END;
    return (ssize_t)text.length;
}

static void advance(struct stream *stream)
{
    struct listing *listing = (struct listing *)stream;
    listing->at = listing->next;
}

/* Raw lines are bytes of the file. */
static ssize_t send_raw(struct stream *stream, int socket, size_t size, bool *ret_last)
{
    struct listing *listing = (struct listing *)stream;
    const struct log_snapshot *range = &listing->reader.range;
    uint64_t left = range->size - listing->reader.offset;
    ssize_t sent = send_file(socket, range->fd, (off_t)listing->reader.offset,
                             left < size ? (size_t)left : size);
    if (sent > 0)
        listing->reader.offset += (uint64_t)sent;
    *ret_last = listing->reader.offset == range->size;
    return sent;
}

static void end(struct stream *stream)
{
    log_file_release(((struct listing *)stream)->file);
    free(stream);
}

static void put_head_and_foot(struct listing *listing, const char *pod)
{
    const struct log_snapshot *range = &listing->reader.range;
    struct text head = text_begin(listing->head, sizeof listing->head);
    listing->foot = "";
    if (listing->format == ROWS_JSON) {
        text_printf(&head, "{\"pod\": \"%s\", \"count\": %llu, \"visits\": [", pod,
                    (unsigned long long)range->count);
        listing->foot = "\n]}\n";
    } else if (listing->format == ROWS_HTML) {
        struct sample_point points[SAMPLE_POINTS];
        unsigned count = sample_points(range, points);
        uint64_t listed = range->count + 1 - listing->reader.number;
        (void)page_of_visits_head(pod, range->count, listed, points, count, listing->head,
                                  sizeof listing->head);
        listing->foot = page_of_visits_foot;
    }
}

/* *RET_LENGTH is the length of the body, or UINT64_MAX if it is unknown. Returns NULL with errno on
 * failure. */
static struct listing *new_listing(struct server *server, enum row_format format, uint64_t tail,
                                   uint64_t *ret_length)
{
    struct listing *listing = malloc(sizeof *listing);
    struct log_snapshot range;
    if (!listing || visit_log_snapshot(server->log, &range, &listing->file) != 0) {
        int saved_errno = errno;
        free(listing);
        errno = saved_errno;
        return NULL;
    }
    reader_start(&listing->reader, &range, tail);
    bool is_known = format == ROWS_RAW && listing->reader.search_left == 0;
    *ret_length = is_known ? range.size - listing->reader.offset : UINT64_MAX;
    listing->stream = (struct stream){next_piece, advance, is_known ? send_raw : NULL, end};
    listing->format = format;
    listing->at = (struct listing_position){.part = AT_HEAD};
    put_head_and_foot(listing, server->pod);
    return listing;
}

void listing_respond(struct worker *worker, const struct request *request,
                     struct response *response)
{
    enum row_format format;
    uint64_t tail;
    if (choose_format(request, &format) != 0) {
        respond_text(worker, response, METRICS_VISITS, 400,
                     "format is one of text, raw, json, html\n");
        return;
    }
    if (choose_tail(request, format, &tail) != 0) {
        respond_text(worker, response, METRICS_VISITS, 400, "tail is a number of lines\n");
        return;
    }
    uint64_t length;
    struct listing *listing = new_listing(worker->server, format, tail, &length);
    if (!listing) {
        struct text body = text_begin(response_body(response), RESPONSE_BODY_MAX);
        char reason[EXPLANATION_SIZE];
        explain_fault(errno, reason);
        text_printf(&body, "cannot read the visits: %s\n", reason);
        respond_unavailable(worker, response, METRICS_VISITS, MEDIA_TEXT, body.length);
        return;
    }
    respond_stream(worker, response, METRICS_VISITS, formats[format].type, &listing->stream,
                   length);
}
