#include "directory.h"
#include "log/scan.h"
#include "samples.h"
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int scan_bytes(const void *bytes, size_t length, struct scan *scan, char *rest,
                      size_t *rest_length)
{
    char *directory = directory_make();
    directory_write(directory, "f", bytes, length);
    int fd = open(directory_path(directory, "f"), O_RDONLY | O_CLOEXEC);
    int result = scan_file(fd, scan, rest, rest_length);
    (void)close(fd);
    directory_remove(directory);
    return result;
}

static void expect_table(void)
{
    static const struct {
        const char *bytes;
        uint64_t offset, count, fixed_width_from, damaged, good_offset, good_count, good_damaged,
            rest;
    } table[] = {
        {"", 0, 0, 0, 0, 0, 0, 0, 0},
        {LINE_A, 33, 1, 0, 0, 33, 1, 0, 0},
        {LINE_A LINE_B, 66, 2, 0, 0, 66, 2, 0, 0},
        {LINE_A "2022", 33, 1, 0, 0, 33, 1, 0, 4},
        {"junk\n" LINE_A, 38, 2, 5, 1, 38, 2, 1, 0},
        {LINE_A "junk\n", 38, 2, 38, 1, 33, 1, 0, 0},
        {LINE_A "junk\nrest", 38, 2, 38, 1, 33, 1, 0, 4},
        {LINE_A "\n" LINE_B, 67, 3, 34, 1, 67, 3, 1, 0},
        {"2022-11-28 22:54:26+03:00\n" LINE_A, 59, 2, 26, 0, 59, 2, 0, 0},
        {"2022-11-28 22:54:26.913511+03:00\r\n", 34, 1, 34, 0, 34, 1, 0, 0},
        {"2022-11-28 22:54:26.913511+03:00", 0, 0, 0, 0, 0, 0, 0, 32},
        {"\n\n\n", 3, 3, 3, 3, 0, 0, 0, 0},
    };
    static char rest[SCAN_BUFFER_SIZE];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct scan scan;
        size_t rest_length = 0;
        int result = scan_bytes(table[i].bytes, strlen(table[i].bytes), &scan, rest, &rest_length);
        ok(result == 0 && scan.offset == table[i].offset && scan.count == table[i].count &&
               scan.fixed_width_from == table[i].fixed_width_from &&
               scan.damaged == table[i].damaged && scan.good_offset == table[i].good_offset &&
               scan.good_count == table[i].good_count &&
               scan.good_damaged == table[i].good_damaged && rest_length == table[i].rest &&
               !scan.in_long_line,
           "file %zu of the table has %llu lines, which end at %llu", i,
           (unsigned long long)table[i].count, (unsigned long long)table[i].offset);
    }
}

/* Lines around the end of the buffer, and lines longer than it. */
static void expect_long_lines(void)
{
    static char rest[SCAN_BUFFER_SIZE];
    enum { SIZE = 3 * SCAN_BUFFER_SIZE };
    char *bytes = malloc(SIZE + 2 * LINE_LENGTH);
    bool right = true;
    for (size_t length = SCAN_BUFFER_SIZE - 2; length <= SCAN_BUFFER_SIZE + 2; length++) {
        struct scan scan;
        size_t rest_length;
        memset(bytes, '#', length);
        bytes[length] = '\n';
        memcpy(bytes + length + 1, LINE_A, LINE_LENGTH);
        right = right &&
                scan_bytes(bytes, length + 1 + LINE_LENGTH, &scan, rest, &rest_length) == 0 &&
                scan.count == 2 && scan.damaged == 1 && scan.good_count == 2 && rest_length == 0 &&
                scan.fixed_width_from == length + 1 && scan.offset == length + 1 + LINE_LENGTH;
    }
    ok(right, "a line about as long as the buffer is one line, and the next line is another");
    struct scan scan;
    size_t rest_length;
    memcpy(bytes, LINE_A, LINE_LENGTH);
    memset(bytes + LINE_LENGTH, 0, SIZE);
    ok(scan_bytes(bytes, LINE_LENGTH + SIZE, &scan, rest, &rest_length) == 0 && scan.in_long_line &&
           scan.good_offset == LINE_LENGTH && scan.count == 1,
       "bytes without a newline are not a line, however many");
    bytes[LINE_LENGTH + SIZE] = '\n';
    ok(scan_bytes(bytes, LINE_LENGTH + SIZE + 1, &scan, rest, &rest_length) == 0 &&
           !scan.in_long_line && scan.good_offset == LINE_LENGTH && scan.count == 2 &&
           scan.damaged == 1,
       "with a newline they are one damaged line");
    /* The end of a long line is not a timestamp, even if it looks like one. */
    memset(bytes, '#', SCAN_BUFFER_SIZE);
    memcpy(bytes + SCAN_BUFFER_SIZE, LINE_A, LINE_LENGTH);
    ok(scan_bytes(bytes, SCAN_BUFFER_SIZE + LINE_LENGTH, &scan, rest, &rest_length) == 0 &&
           scan.count == 1 && scan.damaged == 1 && scan.good_count == 0,
       "the end of a long line is not a visit, even if it looks like one");
    free(bytes);
}

/* Compares with a count that is made in the simplest way. */
static void expect_samples(void)
{
    static char bytes[400000], rest[SCAN_BUFFER_SIZE];
    uint64_t state = 20221128;
    bool right = true;
    for (int round = 0; round < 300; round++) {
        struct scan scan;
        size_t rest_length, length = samples_make(&state, bytes, sizeof bytes), start = 0;
        uint64_t count = 0, damaged = 0, good_offset = 0, fixed_width_from = 0;
        for (size_t i = 0; i < length; i++) {
            if (bytes[i] != '\n')
                continue;
            bool plausible = timestamp_is_plausible(bytes + start, i - start);
            bool exact = i - start == TIMESTAMP_LENGTH && timestamp_is_exact(bytes + start);
            start = i + 1;
            count++;
            damaged += !plausible;
            good_offset = plausible ? start : good_offset;
            fixed_width_from = exact ? fixed_width_from : start;
        }
        right = right && scan_bytes(bytes, length, &scan, rest, &rest_length) == 0 &&
                scan.count == count && scan.damaged == damaged && scan.good_offset == good_offset &&
                scan.fixed_width_from == fixed_width_from &&
                (scan.in_long_line || (scan.offset == start && rest_length == length - start));
    }
    ok(right, "300 files of lines and damage are counted correctly");
}

void test_scan(void)
{
    expect_table();
    expect_long_lines();
    expect_samples();
}
