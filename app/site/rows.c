#include "site/rows.h"

#include "log/timestamp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
    ROW_MAX = 128,     /* bytes written before a line, or in place of it */
    BLOCK_MIN = 4096,  /* what one read asks for; less at the end */
    BLOCK_MAX = 16384, /* the rows of most formats take twice as much */
    BLOCKS_MAX = 4,    /* read by one call */
};

#define JSON_NUMBER "\"visit\": "
#define JSON_TIME ", \"time\": \""

void row_json(struct text *text, uint64_t number, const char *line)
{
    text_string(text, JSON_NUMBER);
    text_number(text, number);
    text_string(text, JSON_TIME);
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

/* What stands before, between and after the number and the timestamp of a visit. */
static const struct {
    char before[17], between[16], after[8];
    uint8_t before_length, between_length, after_length, number_width;
} shapes[] = {
    [ROWS_TEXT] = {"", "\t", "\n", 0, 1, 1, 6},
    [ROWS_JSON] = {",\n{" JSON_NUMBER, JSON_TIME, "\"}", 12, 11, 2, 0},
    [ROWS_CSV] = {"", ",", "\n", 0, 1, 1, 0},
};

static bool is_visit(const char *line)
{
    return line[TIMESTAMP_LENGTH] == '\n' && timestamp_is_exact(line);
}

enum { DIGITS_MAX = 24 };

/* The decimal digits of a number, after spaces; counts faster than text_number() writes. */
struct counter {
    char digits[2 * DIGITS_MAX]; /* the second half may be copied with the first */
    unsigned first;              /* index of the first digit */
};

static struct counter count_from(uint64_t number)
{
    struct counter counter = {.first = DIGITS_MAX};
    memset(counter.digits, ' ', sizeof counter.digits);
    for (; number > 0; number /= 10)
        counter.digits[--counter.first] = (char)('0' + number % 10);
    return counter;
}

static void count(struct counter *counter)
{
    unsigned i = DIGITS_MAX - 1;
    for (; i >= counter->first && counter->digits[i] == '9'; i--)
        counter->digits[i] = '0';
    if (i < counter->first)
        counter->digits[--counter->first] = '1';
    else
        counter->digits[i]++;
}

/* Appends the rows of the visits with which BLOCK begins, as many as fit. Copies more than it
 * appends, since that is faster: ROW_MAX bytes have room for it. Returns their bytes in BLOCK. */
static size_t put_visits(struct text *text, enum row_format format, struct row_position *position,
                         const char *block, size_t length)
{
    struct counter number = count_from(position->number);
    char *to = text->data + text->length;
    const char *end = text->data + text->size - ROW_MAX;
    size_t from = 0;
    for (; to < end && length - from >= LINE_LENGTH && is_visit(block + from);
         from += LINE_LENGTH) {
        unsigned skipped = format == ROWS_JSON && !position->after_row; /* the comma */
        unsigned digits = DIGITS_MAX - number.first;
        if (digits < shapes[format].number_width)
            digits = shapes[format].number_width;
        memcpy(to, shapes[format].before + skipped, 16);
        to += shapes[format].before_length - skipped;
        memcpy(to, number.digits + DIGITS_MAX - digits, DIGITS_MAX);
        to += digits;
        memcpy(to, shapes[format].between, 16);
        to += shapes[format].between_length;
        memcpy(to, block + from, TIMESTAMP_LENGTH);
        to += TIMESTAMP_LENGTH;
        memcpy(to, shapes[format].after, 8);
        to += shapes[format].after_length;
        count(&number);
        position->number++;
        position->after_row = true;
    }
    position->offset += from;
    text->length = (size_t)(to - text->data);
    *to = '\0';
    return from;
}

/* Appends the row of a line that is not a visit, or of a part of a long line. JSON and HTML show
 * only timestamps, so that nothing in the file can break out of their syntax. */
static void put_row(struct text *text, enum row_format format, const struct row_position *position,
                    const char *line, size_t length)
{
    if (format == ROWS_TEXT && !position->mid_line)
        text_printf(text, "%6llu\t", (unsigned long long)position->number);
    if (format == ROWS_TEXT || format == ROWS_RAW)
        text_bytes(text, line, length);
    else if (format == ROWS_JSON && !position->mid_line)
        text_printf(text, "%s\n{\"visit\": %llu, \"time\": null}", position->after_row ? "," : "",
                    (unsigned long long)position->number);
    else if (!position->mid_line)
        text_printf(text, "%llu,\n", (unsigned long long)position->number);
}

/* Appends the rows of the lines in BLOCK. Stops before an incomplete line. If BLOCK begins with
 * that line, it is longer than a block and is listed in parts. */
static void put_block(struct text *text, enum row_format format, struct row_position *position,
                      const char *block, size_t length)
{
    for (size_t from = 0; from < length;) {
        if (format != ROWS_RAW && !position->mid_line)
            from += put_visits(text, format, position, block + from, length - from);
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
    char block[BLOCK_MAX];
    size_t before = text->length;
    for (unsigned blocks = 0; blocks < BLOCKS_MAX && !rows_at_end(reader, position) &&
                              space_left(text) >= BLOCK_MIN + ROW_MAX;
         blocks++) {
        size_t room = space_left(text) - ROW_MAX;
        ssize_t got =
            reader_read(reader, position->offset, block, room < BLOCK_MAX ? room : BLOCK_MAX);
        if (got < 0)
            return -1;
        put_block(text, format, position, block, (size_t)got);
    }
    assert(!text->overflowed);
    return (ssize_t)(text->length - before);
}

/* Appends the rows of the lines at the end of BLOCK, of which LENGTH bytes end at *POSITION. Stops
 * before a line that begins before the block. If BLOCK ends with that line, it is longer than a
 * block and is passed in parts. */
static void put_block_newest_first(struct text *text, uint64_t last, struct row_position *position,
                                   const char *block, size_t length)
{
    for (size_t end = length; end > 0 && position->number >= last && space_left(text) >= ROW_MAX;) {
        /* Not the newline of the line itself. */
        const char *newline = memrchr(block, '\n', position->mid_line ? end : end - 1);
        size_t start = newline ? (size_t)(newline + 1 - block) : 0;
        bool is_whole = newline || position->offset == end;
        if (!is_whole && end < length)
            break;
        if (!position->mid_line && is_whole && end - start == LINE_LENGTH &&
            is_visit(block + start)) {
            row_html(text, position->number, block + start);
        } else if (!position->mid_line) {
            text_string(text, "<tr><td>");
            text_number(text, position->number);
            text_string(text, "<td>not a visit\n");
        }
        position->mid_line = !is_whole;
        position->number -= is_whole;
        position->offset -= end - start;
        end = start;
    }
}

ssize_t rows_newest_first(const struct reader *reader, uint64_t last, struct row_position *position,
                          struct text *text)
{
    char block[BLOCK_MAX];
    size_t before = text->length;
    for (unsigned blocks = 0; blocks < BLOCKS_MAX && position->number >= last &&
                              position->offset > 0 && space_left(text) >= ROW_MAX;
         blocks++) {
        size_t size = position->offset < BLOCK_MAX ? (size_t)position->offset : BLOCK_MAX;
        ssize_t got = reader_read(reader, position->offset - size, block, size);
        if (got >= 0 && (size_t)got != size)
            errno = EIO; /* another process has shortened the file */
        if (got < 0 || (size_t)got != size)
            return -1;
        put_block_newest_first(text, last, position, block, size);
    }
    assert(!text->overflowed);
    return (ssize_t)(text->length - before);
}
