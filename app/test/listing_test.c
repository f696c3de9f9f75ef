#include "../listing.h"
#include "../scan.h"
#include "folder.h"
#include "samples.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PIECE_SIZE = 32768, OUT_MAX = 2000000 };

static char out[OUT_MAX];

/* Lists to the end into `out`, each time taking only a part of what is offered if STATE is given.
 * Returns the length, or -1. */
static ssize_t list_all(struct listing *listing, uint64_t *state)
{
    static char piece[PIECE_SIZE];
    size_t total = 0;
    ssize_t length;
    while ((length = listing_piece(listing, piece, sizeof piece)) != 0) {
        if (length < 0 && errno == EAGAIN)
            continue;
        if (length < 0)
            return -1;
        size_t sent = state ? samples_next(state) % ((size_t)length + 1) : (size_t)length;
        if (total + sent > sizeof out)
            return -1;
        memcpy(out + total, piece, sent);
        total += sent;
        listing_sent(listing, sent);
    }
    return (ssize_t)total;
}

/* A file of BYTES, open, with the range that the program would find in it. */
static struct listing_range range_of(const char *folder, const char *bytes, size_t length)
{
    static char rest[SCAN_BUFFER_SIZE];
    struct scan scan = {0};
    size_t rest_length;
    folder_write(folder, "f", bytes, length);
    int file = open(folder_path(folder, "f"), O_RDONLY | O_CLOEXEC);
    (void)scan_file(file, &scan, rest, &rest_length);
    return scan_snapshot(&scan, file);
}

static void expect_format(const char *bytes, enum listing_format format, uint64_t tail,
                          const char *head, const char *foot, const char *wanted)
{
    char *folder = folder_make();
    struct listing listing;
    struct listing_range range = range_of(folder, bytes, strlen(bytes));
    listing_start(&listing, &range, format, tail);
    listing.head = head;
    listing.foot = foot;
    ssize_t length = list_all(&listing, NULL);
    same_bytes(out, length < 0 ? 0 : (size_t)length, wanted, strlen(wanted),
               "format %d of %zu bytes, tail %lld", (int)format, strlen(bytes), (long long)tail);
    (void)close(range.file);
    folder_remove(folder);
}

static void expect_formats(void)
{
    expect_format(LINE_A LINE_B, LISTING_TEXT, UINT64_MAX, "", "",
                  "     1\t" LINE_A "     2\t" LINE_B);
    expect_format(LINE_A LINE_B, LISTING_RAW, UINT64_MAX, "", "", LINE_A LINE_B);
    expect_format(LINE_A LINE_B LINE_C, LISTING_TEXT, 2, "", "",
                  "     2\t" LINE_B "     3\t" LINE_C);
    expect_format(LINE_A LINE_B LINE_C, LISTING_RAW, 1, "", "", LINE_C);
    expect_format(LINE_A LINE_B, LISTING_TEXT, 0, "", "", "");
    expect_format(LINE_A, LISTING_TEXT, 99, "", "", "     1\t" LINE_A);
    expect_format("", LISTING_TEXT, UINT64_MAX, "", "", "");
    expect_format("", LISTING_JSON, 5, "[", "\n]\n", "[\n]\n");
    expect_format(LINE_A LINE_B, LISTING_JSON, UINT64_MAX, "[", "\n]\n",
                  "[\n{\"visit\": 1, \"time\": \"2022-11-28 22:54:26.913511+03:00\"},"
                  "\n{\"visit\": 2, \"time\": \"2022-11-28 22:54:27.000000+03:00\"}\n]\n");
    expect_format("a\"b\n" LINE_B, LISTING_JSON, UINT64_MAX, "[", "\n]\n",
                  "[\n{\"visit\": 1, \"time\": null},"
                  "\n{\"visit\": 2, \"time\": \"2022-11-28 22:54:27.000000+03:00\"}\n]\n");
    expect_format("<b>\n" LINE_B, LISTING_HTML, UINT64_MAX, "<table>\n", "</table>\n",
                  "<table>\n<tr><td>1<td>not a visit\n"
                  "<tr><td>2<td><time>2022-11-28 22:54:27.000000+03:00</time>\n</table>\n");
    expect_format("<script>alert(\"1\")</script>xxxxx\n" LINE_B, LISTING_JSON, 2, "[", "]",
                  "[\n{\"visit\": 1, \"time\": null},\n{\"visit\": 2, \"time\": \"2022-11-28 "
                  "22:54:27.000000+03:00\"}]");
    expect_format(
        "<script>alert(\"1\")</script>xxxxx\n" LINE_B, LISTING_HTML, 2, "", "",
        "<tr><td>1<td>not a visit\n<tr><td>2<td><time>2022-11-28 22:54:27.000000+03:00</time>\n");
    expect_format("<b>\n" LINE_B, LISTING_TEXT, UINT64_MAX, "", "", "     1\t<b>\n     2\t" LINE_B);
    expect_format(LINE_A "<b>\n\n" LINE_B, LISTING_RAW, 3, "", "", "<b>\n\n" LINE_B);
}

/* What the listing must be, made in the plainest way. Returns its length. */
static size_t wanted_text(const struct listing_range *range, const char *bytes, uint64_t tail,
                          bool numbered, char *wanted)
{
    uint64_t number = 1, from = tail < range->count ? range->count - tail + 1 : 1;
    size_t put = 0;
    for (size_t start = 0; start < range->size; number++) {
        const char *newline = memchr(bytes + start, '\n', range->size - start);
        size_t length = (size_t)(newline + 1 - (bytes + start));
        if (number >= from) {
            if (numbered)
                put += (size_t)sprintf(wanted + put, "%6llu\t", (unsigned long long)number);
            memcpy(wanted + put, bytes + start, length);
            put += length;
        }
        start += length;
    }
    return put;
}

/* Takes the chunks of LENGTH bytes in `out` apart in place. Returns the length of the body, or -1.
 */
static ssize_t unchunk(size_t length)
{
    size_t at = 0, put = 0;
    for (;;) {
        char *end;
        unsigned long size = strtoul(out + at, &end, 16);
        at = (size_t)(end - out);
        if (at + 4 + size > length || memcmp(out + at, "\r\n", 2) != 0 ||
            memcmp(out + at + 2 + size, "\r\n", 2) != 0)
            return -1;
        memmove(out + put, out + at + 2, size);
        put += size;
        at += 4 + size;
        if (size == 0)
            return at == length ? (ssize_t)put : -1;
    }
}

static void expect_samples(void)
{
    static char bytes[400000], wanted[OUT_MAX];
    uint64_t state = 1906;
    int wrong = 0;
    for (int round = 0; round < 200; round++) {
        char *folder = folder_make();
        size_t length = samples_make(&state, bytes, sizeof bytes);
        struct listing_range range = range_of(folder, bytes, length);
        uint64_t tail =
            samples_next(&state) % 2 ? UINT64_MAX : samples_next(&state) % (range.count + 2);
        bool numbered = samples_next(&state) % 2;
        struct listing listing;
        listing_start(&listing, &range, numbered ? LISTING_TEXT : LISTING_RAW, tail);
        listing.chunked = samples_next(&state) % 2;
        ssize_t got = list_all(&listing, &state);
        if (got >= 0 && listing.chunked)
            got = unchunk((size_t)got);
        size_t wanted_length = wanted_text(&range, bytes, tail, numbered, wanted);
        wrong += got != (ssize_t)wanted_length || memcmp(out, wanted, wanted_length) != 0;
        (void)close(range.file);
        folder_remove(folder);
    }
    same(wrong, 0,
         "200 listings come out whole, in chunks or not, however little is taken of a piece");
}

static void expect_chunks(void)
{
    char *folder = folder_make();
    struct listing listing;
    struct listing_range range = range_of(folder, "", 0);
    listing_start(&listing, &range, LISTING_TEXT, UINT64_MAX);
    listing.chunked = true;
    ssize_t length = list_all(&listing, NULL);
    ok(length == 5 && memcmp(out, "0\r\n\r\n", 5) == 0, "nothing is one last chunk");
    (void)close(range.file);
    range = range_of(folder, LINE_A, LINE_LENGTH);
    listing_start(&listing, &range, LISTING_RAW, UINT64_MAX);
    listing.chunked = true;
    length = list_all(&listing, NULL);
    static const char wanted[] = "00000021\r\n" LINE_A "\r\n0\r\n\r\n";
    same_bytes(out, length > 0 ? (size_t)length : 0, wanted, sizeof wanted - 1,
               "one line is one chunk and the last");
    (void)close(range.file);
    folder_remove(folder);
}

/* The file is shortened while somebody reads it. */
static void expect_truncation(void)
{
    static char bytes[20000 * (sizeof LINE_A - 1)], piece[PIECE_SIZE];
    char *folder = folder_make();
    struct listing listing;
    for (size_t i = 0; i < sizeof bytes; i += sizeof LINE_A - 1)
        memcpy(bytes + i, LINE_A, sizeof LINE_A - 1);
    struct listing_range range = range_of(folder, bytes, sizeof bytes);
    listing_start(&listing, &range, LISTING_TEXT, UINT64_MAX);
    ssize_t length = listing_piece(&listing, piece, sizeof piece);
    bool right = length > 0;
    listing_sent(&listing, (size_t)length);
    (void)truncate(folder_path(folder, "f"), 0);
    ok(right && list_all(&listing, NULL) == -1, "a listing of a file that was shortened fails");
    (void)close(range.file);
    folder_remove(folder);
}

static uint64_t bytes_read;

/* This comes before the C library's. */
ssize_t pread(int file, void *data, size_t size, off_t offset)
{
    ssize_t got = syscall(SYS_pread64, file, data, size, offset);
    bytes_read += got > 0 ? (uint64_t)got : 0;
    return got;
}

/* The most that one piece of a whole listing reads; its text goes to `out`. */
static uint64_t most_read_by_a_piece(struct listing *listing, size_t *ret_length)
{
    uint64_t most = 0;
    size_t total = 0;
    for (;;) {
        bytes_read = 0;
        ssize_t length = listing_piece(listing, out + total, PIECE_SIZE);
        most = bytes_read > most ? bytes_read : most;
        if (length == 0 || (length < 0 && errno != EAGAIN))
            break;
        if (length > 0) {
            total += (size_t)length;
            listing_sent(listing, (size_t)length);
        }
    }
    *ret_length = total;
    return most;
}

/* What stands in the file must not let one client hold the loop. */
static void expect_bounded_pieces(void)
{
    enum { MOST = 64 * 1024, LINES = 40000, LONG = 3000000 };
    char *folder = folder_make(), *bytes = malloc(LONG + LINES * LINE_LENGTH);
    struct listing listing;
    size_t length = 0, got;
    for (int i = 0; i < LINES; i++, length += LINE_LENGTH)
        memcpy(bytes + length, i == LINES - 2 ? "# a note that an operator added.\n" : LINE_A,
               LINE_LENGTH);
    struct listing_range range = range_of(folder, bytes, length);
    bytes_read = 0;
    listing_start(&listing, &range, LISTING_RAW, LINES - 1);
    same((long long)bytes_read, 0, "to start a listing reads nothing");
    ok(most_read_by_a_piece(&listing, &got) <= MOST && got == (LINES - 1) * LINE_LENGTH &&
           memcmp(out, bytes + LINE_LENGTH, got) == 0,
       "the first of many lines before an irregular one is found a block at a time");
    (void)close(range.file);

    memset(bytes, 'x', LONG);
    memcpy(bytes + LONG, "\n" LINE_B, 1 + LINE_LENGTH);
    range = range_of(folder, bytes, LONG + 1 + LINE_LENGTH);
    listing_start(&listing, &range, LISTING_JSON, UINT64_MAX);
    static const char wanted[] = "\n{\"visit\": 1, \"time\": null},\n"
                                 "{\"visit\": 2, \"time\": \"2022-11-28 22:54:27.000000+03:00\"}";
    ok(most_read_by_a_piece(&listing, &got) <= MOST, "nor is a line of megabytes read at once");
    same_bytes(out, got, wanted, sizeof wanted - 1, "and it is one row");
    (void)close(range.file);
    free(bytes);
    folder_remove(folder);
}

void test_listing(void)
{
    expect_bounded_pieces();
    expect_formats();
    expect_chunks();
    expect_samples();
    expect_truncation();
}
