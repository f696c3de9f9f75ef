#include "directory.h"
#include "log/scan.h"
#include "reads.h"
#include "samples.h"
#include "site/rows.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_SIZE = 32768, OUT_MAX = 2000000 };

static char out[OUT_MAX];
static uint64_t most_read;

static void note_read(void)
{
    uint64_t bytes = reads_take();
    most_read = bytes > most_read ? bytes : most_read;
}

/* Lists all rows of READER into `out`. Returns the length, or -1. Then `most_read` is the largest
 * number of bytes that one call has read. */
static ssize_t list_all(struct reader *reader, enum row_format format)
{
    size_t total = 0;
    int sought;
    (void)reads_take();
    most_read = 0;
    while ((sought = reader_seek(reader)) != 0 && errno == EAGAIN)
        note_read();
    if (sought != 0)
        return -1;
    struct row_position position = rows_start(reader);
    uint64_t last = position.number;
    if (format == ROWS_HTML) {
        position.offset = reader->range.size;
        position.number = reader->range.count;
    }
    while (format == ROWS_HTML ? position.number >= last : !rows_at_end(reader, &position)) {
        struct text text = text_begin(out + total, PIECE_SIZE);
        ssize_t length = format == ROWS_HTML ? rows_newest_first(reader, last, &position, &text)
                                             : rows_next(reader, format, &position, &text);
        note_read();
        if (length < 0 || total + (size_t)length + PIECE_SIZE > sizeof out)
            return -1;
        total += (size_t)length;
    }
    return (ssize_t)total;
}

/* Writes a file of BYTES and opens it. Returns the snapshot that the program would find in it. */
static struct log_snapshot snapshot_of(const char *directory, const char *bytes, size_t length)
{
    static char rest[SCAN_BUFFER_SIZE];
    struct scan scan = {0};
    size_t rest_length;
    directory_write(directory, "f", bytes, length);
    int fd = open(directory_path(directory, "f"), O_RDONLY | O_CLOEXEC);
    (void)scan_file(fd, &scan, rest, &rest_length);
    return scan_snapshot(&scan, fd);
}

static void expect_format(const char *bytes, enum row_format format, uint64_t tail,
                          const char *wanted)
{
    char *directory = directory_make();
    struct reader reader;
    struct log_snapshot range = snapshot_of(directory, bytes, strlen(bytes));
    reader_start(&reader, &range, tail);
    ssize_t length = list_all(&reader, format);
    same_bytes(out, length < 0 ? 0 : (size_t)length, wanted, strlen(wanted),
               "format %d of %zu bytes, tail %lld", (int)format, strlen(bytes), (long long)tail);
    (void)close(range.fd);
    directory_remove(directory);
}

static void expect_formats(void)
{
    expect_format(LINE_A LINE_B, ROWS_TEXT, UINT64_MAX, "     1\t" LINE_A "     2\t" LINE_B);
    expect_format(LINE_A LINE_B, ROWS_RAW, UINT64_MAX, LINE_A LINE_B);
    expect_format(LINE_A LINE_B LINE_C, ROWS_TEXT, 2, "     2\t" LINE_B "     3\t" LINE_C);
    expect_format(LINE_A LINE_B LINE_C, ROWS_RAW, 1, LINE_C);
    expect_format(LINE_A LINE_B, ROWS_TEXT, 0, "");
    expect_format(LINE_A, ROWS_TEXT, 99, "     1\t" LINE_A);
    expect_format("", ROWS_TEXT, UINT64_MAX, "");
    expect_format("", ROWS_JSON, 5, "");
    expect_format(LINE_A LINE_B, ROWS_JSON, UINT64_MAX,
                  "\n{\"visit\": 1, \"time\": \"2022-11-28 22:54:26.913511+03:00\"},"
                  "\n{\"visit\": 2, \"time\": \"2022-11-28 22:54:27.000000+03:00\"}");
    expect_format("a\"b\n" LINE_B, ROWS_JSON, UINT64_MAX,
                  "\n{\"visit\": 1, \"time\": null},"
                  "\n{\"visit\": 2, \"time\": \"2022-11-28 22:54:27.000000+03:00\"}");
    expect_format("<b>\n" LINE_B, ROWS_HTML, UINT64_MAX,
                  "<tr><td>2<td><time>2022-11-28 22:54:27.000000+03:00</time>\n"
                  "<tr><td>1<td>not a visit\n");
    expect_format(LINE_A "<b>\n\n" LINE_B, ROWS_CSV, 3,
                  "2,\n3,\n4,2022-11-28 22:54:27.000000+03:00\n");
    expect_format("<script>alert(\"1\")</script>xxxxx\n" LINE_B, ROWS_JSON, 2,
                  "\n{\"visit\": 1, \"time\": null},\n{\"visit\": 2, \"time\": \"2022-11-28 "
                  "22:54:27.000000+03:00\"}");
    expect_format(
        "<script>alert(\"1\")</script>xxxxx\n" LINE_B, ROWS_HTML, 2,
        "<tr><td>2<td><time>2022-11-28 22:54:27.000000+03:00</time>\n<tr><td>1<td>not a visit\n");
    expect_format("<b>\n" LINE_B, ROWS_TEXT, UINT64_MAX, "     1\t<b>\n     2\t" LINE_B);
    expect_format(LINE_A "<b>\n\n" LINE_B, ROWS_RAW, 3, "<b>\n\n" LINE_B);
}

/* A table is read in blocks from the end of the file. A line may begin where a block does. */
static void expect_blocks(void)
{
    enum { BLOCK = 16384 };
    static char bytes[2 * LINE_LENGTH + 2 * BLOCK + 2];
    for (size_t length = 2 * BLOCK - 1; length <= 2 * BLOCK + 1; length++) {
        memcpy(bytes, LINE_A, LINE_LENGTH);
        memset(bytes + LINE_LENGTH, 'x', length - 1);
        memcpy(bytes + LINE_LENGTH + length - 1, "\n" LINE_B, sizeof LINE_B);
        bytes[2 * LINE_LENGTH + length] = '\0';
        expect_format(bytes, ROWS_HTML, UINT64_MAX,
                      "<tr><td>3<td><time>2022-11-28 22:54:27.000000+03:00</time>\n"
                      "<tr><td>2<td>not a visit\n"
                      "<tr><td>1<td><time>2022-11-28 22:54:26.913511+03:00</time>\n");
    }
}

/* The expected listing, made in the simplest way. Returns its length. */
static size_t wanted_text(const struct log_snapshot *range, const char *bytes, uint64_t tail,
                          enum row_format format, char *wanted)
{
    uint64_t number = 1, from = tail < range->count ? range->count - tail + 1 : 1;
    size_t put = 0;
    for (size_t start = 0; start < range->size; number++) {
        const char *newline = memchr(bytes + start, '\n', range->size - start);
        size_t length = (size_t)(newline + 1 - (bytes + start));
        if (number >= from) {
            if (format == ROWS_TEXT)
                put += (size_t)sprintf(wanted + put, "%6llu\t", (unsigned long long)number);
            memcpy(wanted + put, bytes + start, length);
            put += length;
        }
        start += length;
    }
    return put;
}

/* The same for a table, from its last row to the first. */
static size_t wanted_table(const struct log_snapshot *range, const char *bytes, uint64_t tail,
                           char *wanted)
{
    uint64_t number = range->count, last = tail < range->count ? range->count - tail + 1 : 1;
    size_t put = 0;
    for (size_t end = range->size; number >= last && end > 0; number--) {
        const char *newline = memrchr(bytes, '\n', end - 1);
        size_t start = newline ? (size_t)(newline + 1 - bytes) : 0;
        bool is_visit = end - start == LINE_LENGTH && timestamp_is_exact(bytes + start);
        put += (size_t)sprintf(wanted + put,
                               is_visit ? "<tr><td>%llu<td><time>%.32s</time>\n"
                                        : "<tr><td>%llu<td>not a visit\n",
                               (unsigned long long)number, bytes + start);
        end = start;
    }
    return put;
}

static void expect_samples(void)
{
    static char bytes[400000], wanted[OUT_MAX];
    uint64_t state = 1906;
    int wrong = 0;
    for (int round = 0; round < 200; round++) {
        char *directory = directory_make();
        size_t length = samples_make(&state, bytes, sizeof bytes);
        struct log_snapshot range = snapshot_of(directory, bytes, length);
        uint64_t tail =
            samples_next(&state) % 2 ? UINT64_MAX : samples_next(&state) % (range.count + 2);
        enum row_format format =
            (enum row_format[]){ROWS_TEXT, ROWS_RAW, ROWS_HTML}[samples_next(&state) % 3];
        struct reader reader;
        reader_start(&reader, &range, tail);
        ssize_t got = list_all(&reader, format);
        size_t wanted_length = format == ROWS_HTML
                                   ? wanted_table(&range, bytes, tail, wanted)
                                   : wanted_text(&range, bytes, tail, format, wanted);
        wrong += got != (ssize_t)wanted_length || memcmp(out, wanted, wanted_length) != 0;
        (void)close(range.fd);
        directory_remove(directory);
    }
    same(wrong, 0, "200 sample files are listed as they are, forwards and backwards");
}

/* Another process shortens the file while it is read. */
static void expect_truncation(void)
{
    static char bytes[20000 * (sizeof LINE_A - 1)], piece[PIECE_SIZE];
    char *directory = directory_make();
    struct reader reader;
    for (size_t i = 0; i < sizeof bytes; i += sizeof LINE_A - 1)
        memcpy(bytes + i, LINE_A, sizeof LINE_A - 1);
    struct log_snapshot range = snapshot_of(directory, bytes, sizeof bytes);
    reader_start(&reader, &range, UINT64_MAX);
    struct row_position position = rows_start(&reader);
    struct text text = text_begin(piece, sizeof piece);
    bool right = rows_next(&reader, ROWS_TEXT, &position, &text) > 0;
    (void)truncate(directory_path(directory, "f"), 0);
    text = text_begin(piece, sizeof piece);
    ok(right && rows_next(&reader, ROWS_TEXT, &position, &text) == -1 && errno == EIO,
       "a listing of a shortened file fails with EIO");
    (void)close(range.fd);
    directory_remove(directory);
}

/* Whatever the file contains, one client must not block the loop. */
static void expect_bounded_calls(void)
{
    enum { MOST = 64 * 1024, LINES = 40000, LONG = 3000000 };
    char *directory = directory_make(), *bytes = malloc(LONG + LINES * LINE_LENGTH);
    struct reader reader;
    size_t length = 0;
    for (int i = 0; i < LINES; i++, length += LINE_LENGTH)
        memcpy(bytes + length, i == LINES - 2 ? "# a note that an operator added.\n" : LINE_A,
               LINE_LENGTH);
    struct log_snapshot range = snapshot_of(directory, bytes, length);
    (void)reads_take();
    reader_start(&reader, &range, LINES - 1);
    same((long long)reads_take(), 0, "starting a listing reads nothing");
    ssize_t got = list_all(&reader, ROWS_RAW);
    ok(most_read <= MOST && got == (LINES - 1) * LINE_LENGTH &&
           memcmp(out, bytes + LINE_LENGTH, (size_t)got) == 0,
       "the first line is searched in bounded steps if lines have different lengths");
    (void)close(range.fd);

    memset(bytes, 'x', LONG);
    memcpy(bytes + LONG, "\n" LINE_B, 1 + LINE_LENGTH);
    range = snapshot_of(directory, bytes, LONG + 1 + LINE_LENGTH);
    reader_start(&reader, &range, UINT64_MAX);
    static const char wanted[] = "\n{\"visit\": 1, \"time\": null},"
                                 "\n{\"visit\": 2, \"time\": \"2022-11-28 22:54:27.000000+03:00\"}";
    got = list_all(&reader, ROWS_JSON);
    ok(most_read <= MOST, "a line of megabytes is read in bounded steps");
    same_bytes(out, got > 0 ? (size_t)got : 0, wanted, sizeof wanted - 1,
               "a line of megabytes is one row");
    static const char table[] = "<tr><td>2<td><time>2022-11-28 22:54:27.000000+03:00</time>\n"
                                "<tr><td>1<td>not a visit\n";
    reader_start(&reader, &range, UINT64_MAX);
    got = list_all(&reader, ROWS_HTML);
    ok(most_read <= MOST, "it is read in bounded steps backwards too");
    same_bytes(out, got > 0 ? (size_t)got : 0, table, sizeof table - 1, "it is one row of a table");
    (void)close(range.fd);
    free(bytes);
    directory_remove(directory);
}

void test_rows(void)
{
    expect_bounded_calls();
    expect_formats();
    expect_blocks();
    expect_samples();
    expect_truncation();
}
