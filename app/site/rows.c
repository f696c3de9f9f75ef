#include "site/rows.h"

#include "log/timestamp.h"

#include <assert.h>
#include <string.h>

enum {
    ROW_MAX = 128,   /* bytes written before a line, or in place of it */
    BLOCKS_MAX = 16, /* read by one call */
};

void row_json(struct text *text, uint64_t number, const char *line)
{
    text_string(text, "\"visit\": ");
    text_number(text, number);
    text_string(text, ", \"time\": \"");
    text_bytes(text, line, TIMESTAMP_LENGTH);
    text_string(text, "\"");
}

void row_html(struct text *text, uint64_t number, const char *line)
{
    text_string(text, "<tr><td>");
    text_number(text, number);
    text_string(text, "<td><time>");
    text_bytes(text, line, TIMESTAMP_LENGTH);
    text_string(text, "</time>\n");
}

struct row_position rows_start(const struct reader *reader)
{
    assert(reader->search_left == 0);
    return (struct row_position){.offset = reader->offset, .number = reader->number};
}

bool rows_at_end(const struct reader *reader, const struct row_position *position)
{
    return position->offset >= reader->range.size;
}

static size_t space_left(const struct text *text)
{
    return text->size - 1 - text->length;
}

static void put_json(struct text *text, const struct row_position *position, const char *line,
                     bool is_visit)
{
    text_string(text, position->after_row ? ",\n{" : "\n{");
    if (is_visit) {
        row_json(text, position->number, line);
    } else {
        text_string(text, "\"visit\": ");
        text_number(text, position->number);
        text_string(text, ", \"time\": null");
    }
    text_string(text, "}");
}

static void put_html(struct text *text, const struct row_position *position, const char *line,
                     bool is_visit)
{
    if (is_visit) {
        row_html(text, position->number, line);
    } else {
        text_string(text, "<tr><td>");
        text_number(text, position->number);
        text_string(text, "<td>not a visit\n");
    }
}

/* Appends the row of a line, or of a part of a long line. JSON and HTML show only timestamps, so
 * that nothing in the file can break out of their syntax. */
static void put_row(struct text *text, enum row_format format, const struct row_position *position,
                    const char *line, size_t length)
{
    bool is_visit =
        length == LINE_LENGTH && line[TIMESTAMP_LENGTH] == '\n' && timestamp_is_exact(line);
    if (format == ROWS_TEXT && !position->mid_line)
        text_printf(text, "%6llu\t", (unsigned long long)position->number);
    if (format == ROWS_TEXT || format == ROWS_RAW)
        text_bytes(text, line, length);
    else if (format == ROWS_JSON && !position->mid_line)
        put_json(text, position, line, is_visit);
    else if (!position->mid_line)
        put_html(text, position, line, is_visit);
}

/* Appends the rows of the lines in BLOCK. Stops before an incomplete line. If BLOCK begins with
 * that line, it is longer than a block and is listed in parts. */
static void put_block(struct text *text, enum row_format format, struct row_position *position,
                      const char *block, size_t length)
{
    for (size_t from = 0; from < length;) {
        const char *newline = memchr(block + from, '\n', length - from);
        size_t segment = newline ? (size_t)(newline + 1 - (block + from)) : length - from;
        if ((!newline && from > 0) || space_left(text) < segment + ROW_MAX)
            break;
        put_row(text, format, position, block + from, segment);
        position->after_row = true;
        position->offset += segment;
        position->mid_line = !newline;
        if (newline)
            position->number++;
        from += segment;
    }
}

ssize_t rows_next(const struct reader *reader, enum row_format format,
                  struct row_position *position, struct text *text)
{
    char block[READER_BLOCK_SIZE];
    size_t before = text->length;
    for (unsigned blocks = 0; blocks < BLOCKS_MAX && !rows_at_end(reader, position) &&
                              space_left(text) >= READER_BLOCK_SIZE + ROW_MAX;
         blocks++) {
        ssize_t got = reader_read(reader, position->offset, block);
        if (got < 0)
            return -1;
        put_block(text, format, position, block, (size_t)got);
    }
    assert(!text->overflowed);
    return (ssize_t)(text->length - before);
}
