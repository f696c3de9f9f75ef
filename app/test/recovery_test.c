#include "directory.h"
#include "log/visit_log.h"
#include "samples.h"
#include "tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file after it has been opened and closed. */
struct repaired {
    int result;
    struct recovery report;
    uint64_t count, size, fixed_width_from;
    char *kept, *torn; /* the file, and its torn bytes or NULL */
    size_t kept_length, torn_length;
};

static struct repaired open_file_of(const void *bytes, size_t length)
{
    struct repaired after = {0};
    struct visit_log visit_log;
    char *directory = directory_make();
    directory_write(directory, VISITS_FILE, bytes, length);
    visit_log_init(&visit_log, directory);
    after.result = visit_log_open(&visit_log, &after.report);
    if (after.result == 0) {
        after.count = visit_log.count;
        after.size = visit_log.size;
        after.fixed_width_from = visit_log.fixed_width_from;
        after.result = visit_log_close(&visit_log);
    }
    after.kept = directory_read(directory, VISITS_FILE, &after.kept_length);
    const char *torn = directory_find(directory, VISITS_FILE ".torn-");
    if (torn)
        after.torn = directory_read(directory, torn, &after.torn_length);
    directory_remove(directory);
    return after;
}

static void release(struct repaired *after)
{
    free(after->kept);
    free(after->torn);
}

static bool equals(const char *got, size_t got_length, const char *wanted, size_t wanted_length)
{
    return got_length == wanted_length && (got_length == 0 || memcmp(got, wanted, got_length) == 0);
}

/* A crash may tear a line after any of its bytes. */
static void expect_torn_ends(void)
{
    for (size_t torn = 1; torn <= LINE_LENGTH; torn++) {
        char bytes[3 * LINE_LENGTH + 1] = LINE_A LINE_B LINE_C;
        size_t whole = 2 * LINE_LENGTH;
        struct repaired after = open_file_of(bytes, whole + torn);
        if (torn < TIMESTAMP_LENGTH)
            ok(after.result == 0 && after.count == 2 && after.report.torn == torn &&
                   equals(after.kept, after.kept_length, bytes, whole) &&
                   equals(after.torn, after.torn_length, bytes + whole, torn),
               "%zu bytes of a line are torn bytes, and moved", torn);
        else
            ok(after.result == 0 && after.count == 3 && !after.torn && after.report.torn == 0 &&
                   after.report.completed == (torn == TIMESTAMP_LENGTH) &&
                   equals(after.kept, after.kept_length, bytes, 3 * LINE_LENGTH),
               "%zu bytes of a line are a visit", torn);
        release(&after);
    }
}

#define FILE_OF(text) text, sizeof(text) - 1
#define CRLF_LINE "2022-11-28 22:54:26.913511+03:00\r\n"

static const struct {
    const char *claim, *bytes;
    size_t length, kept; /* bytes that stay; the others are moved */
    uint64_t count, damaged, fixed_width_from;
} files[] = {
    {"an empty file", FILE_OF(""), 0, 0, 0, 0},
    {"whole lines", FILE_OF(LINE_A LINE_B), 66, 2, 0, 0},
    {"one NUL at the end", FILE_OF(LINE_A "\0"), 33, 1, 0, 0},
    {"a line's worth of NULs at the end",
     FILE_OF(LINE_A "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 33, 1, 0,
     0},
    {"NULs and a newline at the end", FILE_OF(LINE_A "\0\0\0\n"), 33, 1, 0, 0},
    {"a torn line and NULs", FILE_OF(LINE_A "2022-11\0\0\0\0"), 33, 1, 0, 0},
    {"only a torn line", FILE_OF("2022-11"), 0, 0, 0, 0},
    {"only garbage lines", FILE_OF("a\nb\n"), 0, 0, 0, 0},
    {"lines of CR LF", FILE_OF(CRLF_LINE CRLF_LINE), 68, 2, 0, 68},
    {"lines of CR LF, then ours", FILE_OF(CRLF_LINE LINE_A), 67, 2, 0, 34},
    {"damage in the middle", FILE_OF(LINE_A "2022-11-2x\n" LINE_B), 77, 3, 1, 44},
    {"a torn line with another line right after it", FILE_OF(LINE_A "2022-11" LINE_B LINE_C), 106,
     3, 1, 73},
    {"an empty line in the middle", FILE_OF(LINE_A "\n" LINE_B), 67, 3, 1, 34},
    {"damage in the middle and at the end", FILE_OF("#\n" LINE_A "#\n#\n#"), 35, 2, 1, 2},
    {"lines without a fraction", FILE_OF("2022-11-28 22:54:26+03:00\n"), 26, 1, 0, 26},
};

static void expect_files(void)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *bytes = files[i].bytes;
        struct repaired after = open_file_of(bytes, files[i].length);
        size_t torn = files[i].length - files[i].kept;
        ok(after.result == 0 && after.count == files[i].count && after.size == files[i].kept &&
               after.report.damaged == files[i].damaged && after.report.torn == torn &&
               after.fixed_width_from == files[i].fixed_width_from &&
               equals(after.kept, after.kept_length, bytes, files[i].kept) &&
               equals(after.torn, after.torn_length, bytes + files[i].kept, torn),
           "%s: %llu lines, %llu damaged, %zu bytes moved", files[i].claim,
           (unsigned long long)files[i].count, (unsigned long long)files[i].damaged, torn);
        release(&after);
    }
}

/* An editor may remove the last newline. The last line is then complete as a visit. */
static void expect_missing_newlines(void)
{
    static const char *const last_lines[] = {"2022-11-28 22:54:27.000000+03:00",
                                             "2022-11-28 22:54:27.000000+03:00\r",
                                             "2022-11-28 22:54:27+03:00"};
    for (size_t i = 0; i < sizeof last_lines / sizeof *last_lines; i++) {
        char bytes[128], wanted[128];
        int length = snprintf(bytes, sizeof bytes, LINE_A "%s", last_lines[i]);
        int wanted_length = snprintf(wanted, sizeof wanted, LINE_A "%s\n", last_lines[i]);
        struct repaired after = open_file_of(bytes, (size_t)length);
        ok(after.result == 0 && after.report.completed && after.count == 2 && !after.torn &&
               after.size == (uint64_t)wanted_length &&
               after.fixed_width_from == (i == 0 ? 0 : after.size) &&
               equals(after.kept, after.kept_length, wanted, (size_t)wanted_length),
           "last line %zu of the table gets its missing newline", i);
        release(&after);
    }
}

static void expect_long_ends(void)
{
    static const size_t lengths[] = {4096, 67583, 67584, 67585, 200000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t length = lengths[i];
        char *bytes = calloc(1, length + 2 * LINE_LENGTH + 1);
        memcpy(bytes, LINE_A, LINE_LENGTH);
        struct repaired after = open_file_of(bytes, LINE_LENGTH + length);
        ok(after.result == 0 && after.count == 1 && after.report.torn == length &&
               equals(after.kept, after.kept_length, bytes, LINE_LENGTH) &&
               equals(after.torn, after.torn_length, bytes + LINE_LENGTH, length),
           "%zu NULs at the end are moved", length);
        release(&after);
        memcpy(bytes + LINE_LENGTH + length, "\n" LINE_B, LINE_LENGTH + 1);
        after = open_file_of(bytes, length + 2 * LINE_LENGTH + 1);
        ok(after.result == 0 && after.count == 3 && after.report.damaged == 1 && !after.torn &&
               equals(after.kept, after.kept_length, bytes, length + 2 * LINE_LENGTH + 1),
           "NULs before a visit are a damaged line, and stay");
        release(&after);
        free(bytes);
    }
}

static uint64_t count_newlines(const char *bytes, size_t length)
{
    uint64_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += bytes[i] == '\n';
    return count;
}

/* No line that could be a visit is removed, no byte is lost, and a second recovery finds nothing.
 */
static void expect_properties(void)
{
    static char bytes[400000];
    uint64_t state = 1128;
    int wrong = 0;
    for (int round = 0; round < 200; round++) {
        size_t length = samples_make(&state, bytes, sizeof bytes);
        struct repaired after = open_file_of(bytes, length);
        size_t together = after.kept_length + after.torn_length;
        bool right =
            after.result == 0 && after.size == after.kept_length &&
            together == length + after.report.completed &&
            count_newlines(after.kept, after.kept_length) == after.count &&
            (after.kept_length == 0 || after.kept[after.kept_length - 1] == '\n') &&
            memcmp(after.kept, bytes, after.kept_length - after.report.completed) == 0 &&
            (!after.torn || memcmp(after.torn, bytes + after.kept_length, after.torn_length) == 0);
        size_t start = 0;
        for (size_t i = 0; i < after.torn_length; i++) {
            if (after.torn[i] != '\n')
                continue;
            right = right && !timestamp_is_plausible(after.torn + start, i - start);
            start = i + 1;
        }
        struct repaired again = open_file_of(after.kept, after.kept_length);
        right = right && again.result == 0 && again.report.torn == 0 && !again.report.completed &&
                again.count == after.count && again.report.damaged == after.report.damaged;
        wrong += !right;
        release(&after);
        release(&again);
    }
    same(wrong, 0,
         "200 files of lines and damage are repaired without loss, and a second recovery finds "
         "nothing");
}

void test_recovery(void)
{
    expect_torn_ends();
    expect_files();
    expect_missing_newlines();
    expect_long_ends();
    expect_properties();
}
