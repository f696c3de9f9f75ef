#include "site/listing.h"

#include "base/io.h"
#include "site/history.h"
#include "site/page.h"
#include "site/respond.h"
#include "site/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    HTML_ROWS = 100, /* of a page without ?tail= */
    FOOT_MAX = 2048,
};
_Static_assert((int)PAGE_START_MAX + (int)HISTORY_MAX + (int)FOOT_MAX < (int)RESPONSE_MAX,
               "the head of a page fits in a piece of the response");

static const struct {
    char name[8];
    enum media_type type;
} formats[] = {
    [ROWS_TEXT] = {"text", MEDIA_TEXT}, [ROWS_RAW] = {"raw", MEDIA_TEXT},
    [ROWS_JSON] = {"json", MEDIA_JSON}, [ROWS_CSV] = {"csv", MEDIA_CSV},
    [ROWS_HTML] = {"html", MEDIA_HTML},
};

/* What a request asks for: of the visits from FROM on, before TO, and before the number BEFORE, the
 * last TAIL. */
struct choice {
    enum row_format format;
    int64_t from, to; /* instants; INT64_MIN and INT64_MAX: no limit */
    uint64_t before, tail;
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

/* Leaves *RET_NUMBER alone if the parameter is absent. Returns 0, or -1 if it is not a number. */
static int choose_number(const struct request *request, const char *name, uint64_t *ret_number)
{
    enum { DIGITS_MAX = 18 };
    const char *value;
    int length = request_parameter(request->query, name, &value);
    if (length < 0)
        return 0;
    return length > DIGITS_MAX ? -1
                               : parse_number(value, (size_t)length, 0, UINT64_MAX, ret_number);
}

/* The value of a hexadecimal digit, or -1. */
static int hexadecimal(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *at = digit ? strchr(digits, digit | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* The same for a time. It may be percent-encoded. A form sends an empty value for a field that is
 * not filled in. */
static int choose_time(const struct request *request, const char *name, int64_t *ret_instant)
{
    char time[TIMESTAMP_LENGTH];
    const char *value;
    size_t decoded = 0;
    int length = request_parameter(request->query, name, &value);
    for (int i = 0; i < length; i++, decoded++) {
        if (decoded == sizeof time)
            return -1;
        time[decoded] = value[i];
        if (value[i] == '%' && length - i > 2) {
            int high = hexadecimal(value[i + 1]), low = hexadecimal(value[i + 2]);
            if (high < 0 || low < 0)
                return -1;
            time[decoded] = (char)(high * 16 + low);
            i += 2;
        }
    }
    return length <= 0 ? 0 : time_parse(time, decoded, ret_instant);
}

/* Returns NULL, or what is wrong with the parameters. */
static const char *choose(const struct request *request, struct choice *ret_choice)
{
    struct choice choice = {.from = INT64_MIN, .to = INT64_MAX, .before = UINT64_MAX};
    if (choose_format(request, &choice.format) != 0)
        return "format is one of text, raw, json, html, csv; for example format=csv\n";
    choice.tail = choice.format == ROWS_HTML ? HTML_ROWS : UINT64_MAX;
    if (choose_number(request, "tail", &choice.tail) != 0)
        return "tail is a number of lines; for example tail=100\n";
    if (choose_number(request, "before", &choice.before) != 0)
        return "before is the number of a visit; for example before=1000\n";
    if (choose_time(request, "from", &choice.from) != 0)
        return "from is a time; for example from=2022-11-28T22:54\n";
    if (choose_time(request, "to", &choice.to) != 0)
        return "to is a time; for example to=2022-11-29\n";
    *ret_choice = choice;
    return NULL;
}

/* A position in the output: the part, in this order, and the row. */
struct listing_position {
    enum { AT_COUNT, AT_HEAD, AT_SEEK, AT_ROWS, AT_FOOT, AT_END } part;
    struct row_position row;
};

struct listing {
    struct stream stream;
    struct log_file *file; /* a reference: keeps the file open */
    const struct server *server;
    struct choice choice;
    uint64_t count;         /* lines of the file */
    uint64_t first, end;    /* number of the first visit by time, and the number after the last */
    uint64_t row, rows_end; /* the same of the visits to list */
    bool is_sent;           /* its sending has begun */
    bool end_found;         /* the range of `reader` ends at `rows_end` */
    struct reader reader;
    struct history *history;          /* of HTML; else NULL */
    struct listing_position at, next; /* where the current piece and the next one start */
};

static bool is_by_time(const struct choice *choice)
{
    return choice->from != INT64_MIN || choice->to != INT64_MAX;
}

/* Appends the name of the next parameter of a link. */
static void put_name(struct text *text, const char *name)
{
    text_strings(text, text->data[text->length - 1] == '?' ? "" : "&amp;", name, "=");
}

/* Appends a link to other rows of this choice, or in another FORMAT; BEFORE 0: to the newest. */
static void put_link(struct text *text, const struct choice *choice, const char *format,
                     uint64_t before, const char *name)
{
    text_string(text, "<a href=\"?");
    if (format) {
        put_name(text, "format");
        text_string(text, format);
    } else if (choice->tail != HTML_ROWS) {
        put_name(text, "tail");
        text_number(text, choice->tail);
    }
    if (choice->from != INT64_MIN) {
        put_name(text, "from");
        put_time_parameter(text, choice->from);
    }
    if (choice->to != INT64_MAX) {
        put_name(text, "to");
        put_time_parameter(text, choice->to);
    }
    if (before > 0) {
        put_name(text, "before");
        text_number(text, before);
    }
    text_strings(text, "\">", name, "</a>\n");
}

/* A field of the form for a time, with what is chosen. */
static void put_field(struct text *text, const char *label, const char *name, int64_t instant)
{
    text_strings(text, "<label>", label, "<input type=datetime-local step=1 name=", name);
    if (instant != INT64_MIN && instant != INT64_MAX) {
        text_string(text, " value=\"");
        put_time(text, instant);
        text_string(text, "\"");
    }
    text_string(text, "></label>\n");
}

static void put_html_head(struct text *text, const struct listing *listing)
{
    const struct choice *choice = &listing->choice;
    uint64_t selected = is_by_time(choice) ? listing->end - listing->first : listing->count;
    page_start(text, "Visits", &listing->server->frame);
    text_string(text, "<main>\n<h1>");
    put_count(text, selected);
    text_string(text, selected == 1 ? " visit</h1>\n" : " visits</h1>\n");
    if (is_by_time(choice)) {
        text_string(text, "<p>");
        if (choice->from != INT64_MIN) {
            text_string(text, "from <time>");
            put_time(text, choice->from);
            text_string(text, "</time> ");
        }
        if (choice->to != INT64_MAX) {
            text_string(text, "before <time>");
            put_time(text, choice->to);
            text_string(text, "</time> ");
        }
        text_string(text, "of <a href=visits>");
        put_count(text, listing->count);
        text_string(text, " in all</a>\n");
    }
    history_put(text, listing->history);
    if (listing->count == 0)
        text_string(text, "<p>No visit yet.\n");
    text_string(text, "<form>\n");
    put_field(text, "From", "from", choice->from);
    put_field(text, "Before", "to", choice->to);
    text_string(text, "<button>Show</button></form>\n<table>\n");
    if (listing->row < listing->rows_end)
        text_string(text, "<tr><th>Visit<th>Time\n");
}

static void put_html_foot(struct text *text, const struct listing *listing)
{
    const struct choice *choice = &listing->choice;
    text_string(text, "</table>\n<nav aria-label=Pages>\n");
    if (listing->rows_end < listing->end) {
        put_link(text, choice, NULL, 0, "Newest");
        put_link(text, choice, NULL,
                 choice->tail < listing->end - listing->rows_end ? listing->rows_end + choice->tail
                                                                 : 0,
                 "Newer");
    }
    if (listing->first < listing->row)
        put_link(text, choice, NULL, listing->row, "Older");
    text_string(text, "<a href=.>Visit again</a>\n</nav>\n<nav aria-label=Downloads>\n");
    put_link(text, choice, "csv", 0, "CSV");
    put_link(text, choice, "raw", 0, "The file");
    put_link(text, choice, "text", 0, "Text");
    put_link(text, choice, "json", 0, "JSON");
    text_string(text, "</nav>\n</main>\n</html>\n");
}

static void put_head(struct text *text, const struct listing *listing)
{
    enum row_format format = listing->choice.format;
    if (format == ROWS_JSON)
        text_printf(text, "{\"pod\": \"%s\", \"count\": %llu, \"visits\": [", listing->server->pod,
                    (unsigned long long)listing->count);
    else if (format == ROWS_CSV)
        text_string(text, "visit,time\n");
    else if (format == ROWS_HTML)
        put_html_head(text, listing);
}

static void put_foot(struct text *text, const struct listing *listing)
{
    if (listing->choice.format == ROWS_JSON)
        text_string(text, "\n]}\n");
    else if (listing->choice.format == ROWS_HTML)
        put_html_foot(text, listing);
}

/* Ends the range of `reader` where it has found the line `rows_end`, and restarts it. */
static void cut_range(struct listing *listing)
{
    struct log_snapshot range = listing->reader.range;
    range.size = listing->reader.offset;
    range.count = listing->rows_end - 1;
    if (range.fixed_width_from > range.size)
        range.fixed_width_from = range.size;
    reader_start(&listing->reader, &range, listing->rows_end - listing->row);
    listing->end_found = true;
}

/* Searches for the end of the listing, and then for its first line. Returns as reader_seek(). */
static int seek(struct listing *listing)
{
    if (!listing->end_found) {
        if (reader_seek(&listing->reader) != 0)
            return -1;
        cut_range(listing);
    }
    return listing->history ? 0 : reader_seek(&listing->reader);
}

static struct row_position start_position(const struct listing *listing)
{
    const struct log_snapshot *range = &listing->reader.range;
    return listing->history ? (struct row_position){.offset = range->size, .number = range->count}
                            : rows_start(&listing->reader);
}

static bool is_at_end(const struct listing *listing)
{
    const struct row_position *position = &listing->next.row;
    return listing->history ? position->number < listing->row
                            : rows_at_end(&listing->reader, position);
}

static ssize_t next_piece(struct stream *stream, char *data, size_t size, bool *ret_last)
{
    struct listing *listing = (struct listing *)stream;
    struct listing_position *next = &listing->next;
    struct text text = text_begin(data, size);
    *next = listing->at;
    *ret_last = false;
    if (next->part == AT_COUNT) {
        if (listing->history && !history_count(listing->history)) {
            errno = listing->history->times.error ? listing->history->times.error : EAGAIN;
            return -1;
        }
        next->part = AT_HEAD;
    }
    if (next->part == AT_HEAD) {
        put_head(&text, listing);
        next->part = AT_SEEK;
        /* Send the head before a long search. */
        if (text.length > 0)
            return (ssize_t)text.length;
    }
    if (next->part == AT_SEEK) {
        if (seek(listing) != 0)
            return -1;
        next->row = start_position(listing);
        next->part = AT_ROWS;
    }
    if (next->part == AT_ROWS) {
        ssize_t length =
            listing->history
                ? rows_newest_first(&listing->reader, listing->row, &next->row, &text)
                : rows_next(&listing->reader, listing->choice.format, &next->row, &text);
        if (length < 0)
            return -1;
        if (is_at_end(listing))
            next->part = AT_FOOT;
    }
    if (next->part == AT_FOOT && text.size - text.length > FOOT_MAX) {
        put_foot(&text, listing);
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
    struct listing *listing = (struct listing *)stream;
    bool is_complete = stream->send ? listing->reader.offset == listing->reader.range.size
                                    : listing->at.part == AT_END;
    if (listing->is_sent)
        metrics_count_listing(-1);
    if (listing->is_sent && !is_complete)
        metrics_count_aborted_listing();
    log_file_release(listing->file);
    free(listing->history);
    free(listing);
}

/* Finds which visits the choice is for, and prepares the history of HTML. Returns 0, or -1 with
 * errno. */
static int select_visits(struct listing *listing, const struct log_snapshot *range)
{
    const struct choice *choice = &listing->choice;
    listing->first = 1;
    listing->end = range->count + 1;
    if (is_by_time(choice) || choice->format == ROWS_HTML) {
        struct times times;
        uint64_t first, end;
        times_init(&times, range);
        times_find(&times, choice->from, choice->to, &first, &end);
        if (is_by_time(choice)) {
            listing->first += range->count - times.count + first;
            listing->end = listing->first + (end - first);
        }
        if (choice->format == ROWS_HTML) {
            listing->history = malloc(sizeof *listing->history);
            if (!listing->history)
                return -1;
            history_init(listing->history, &times, choice->from, choice->to, first, end);
            times.error = listing->history->times.error;
        }
        errno = times.error;
        if (times.error)
            return -1;
    }
    listing->rows_end = choice->before < listing->end ? choice->before : listing->end;
    if (listing->rows_end < listing->first)
        listing->rows_end = listing->first;
    listing->row = listing->rows_end - listing->first > choice->tail
                       ? listing->rows_end - choice->tail
                       : listing->first;
    return 0;
}

/* *RET_LENGTH is the length of the body, or UINT64_MAX if it is unknown. Returns NULL with errno on
 * failure. */
static struct listing *new_listing(struct server *server, const struct choice *choice,
                                   uint64_t *ret_length)
{
    struct listing *listing = calloc(1, sizeof *listing);
    struct log_snapshot range;
    if (!listing || visit_log_snapshot(server->log, &range, &listing->file) != 0) {
        int saved_errno = errno;
        free(listing);
        errno = saved_errno;
        return NULL;
    }
    listing->choice = *choice;
    listing->server = server;
    listing->count = range.count;
    if (select_visits(listing, &range) != 0) {
        int saved_errno = errno;
        end(&listing->stream);
        errno = saved_errno;
        return NULL;
    }
    reader_start(&listing->reader, &range, range.count + 1 - listing->rows_end);
    if (listing->reader.search_left == 0)
        cut_range(listing);
    bool is_known =
        choice->format == ROWS_RAW && listing->end_found && listing->reader.search_left == 0;
    *ret_length = is_known ? listing->reader.range.size - listing->reader.offset : UINT64_MAX;
    listing->stream = (struct stream){next_piece, advance, is_known ? send_raw : NULL, end};
    return listing;
}

void listing_respond(struct worker *worker, const struct request *request,
                     struct response *response)
{
    struct choice choice;
    const char *wrong = choose(request, &choice);
    if (wrong) {
        respond_text(worker, response, METRICS_VISITS, 400, wrong);
        return;
    }
    uint64_t length;
    struct listing *listing = new_listing(worker->server, &choice, &length);
    if (!listing) {
        struct text body = text_begin(response_body(response), RESPONSE_BODY_MAX);
        char reason[EXPLANATION_SIZE];
        explain_fault(errno, reason);
        text_printf(&body, "cannot read the visits: %s\n", reason);
        respond_unavailable(worker, response, METRICS_VISITS, MEDIA_TEXT, body.length);
        return;
    }
    char buffer[RESPONSE_FIELDS_MAX];
    struct text fields = text_begin(buffer, sizeof buffer);
    if (choice.format == ROWS_HTML)
        text_string(&fields, page_fields);
    else if (choice.format == ROWS_CSV || choice.format == ROWS_RAW)
        text_strings(&fields, "Content-Disposition: attachment; filename=\"", worker->server->pod,
                     choice.format == ROWS_CSV ? "-visits.csv\"\r\n" : "-visits.txt\"\r\n");
    listing->is_sent = !response->head_only && length > 0;
    if (listing->is_sent)
        metrics_count_listing(1);
    respond_stream(worker, response, METRICS_VISITS, formats[choice.format].type, buffer,
                   &listing->stream, length);
}
