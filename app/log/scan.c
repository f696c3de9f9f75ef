#include "log/scan.h"

#include "base/io.h"
#include "log/progress.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

static void take_line(struct scan *scan, const char *line, size_t length)
{
    bool exact = length == TIMESTAMP_LENGTH && !scan->in_long_line && timestamp_is_exact(line);
    scan->offset += length + 1;
    scan->count++;
    if (!exact) {
        scan->fixed_width_from = scan->offset;
        if (scan->in_long_line || !timestamp_is_plausible(line, length)) {
            scan->damaged++;
            scan->in_long_line = false;
            return;
        }
    }
    scan->good_offset = scan->offset;
    scan->good_count = scan->count;
    scan->good_damaged = scan->damaged;
    scan->good_fixed_width_from = scan->fixed_width_from;
}

/* Scans the complete lines in BUFFER. Returns their length in bytes. */
static size_t take_lines(struct scan *scan, const char *buffer, size_t length)
{
    size_t at = 0;
    while (at < length) {
        if (!scan->in_long_line && length - at >= LINE_LENGTH &&
            buffer[at + TIMESTAMP_LENGTH] == '\n' && timestamp_is_exact(buffer + at)) {
            take_line(scan, buffer + at, TIMESTAMP_LENGTH);
            at += LINE_LENGTH;
            continue;
        }
        const char *newline = memchr(buffer + at, '\n', length - at);
        if (!newline)
            break;
        size_t line_length = (size_t)(newline - (buffer + at));
        take_line(scan, buffer + at, line_length);
        at += line_length + 1;
    }
    return at;
}

int scan_file(int fd, struct scan *ret_scan, char *buffer, size_t *ret_rest)
{
    struct scan scan = {0};
    size_t kept = 0;
    off_t offset = 0;
    ssize_t got;
    struct stat status = {0};
    (void)fstat(fd, &status);
    progress_set("reading " VISITS_FILE, 0, (uint64_t)status.st_size);
    while ((got = read_at(fd, buffer + kept, SCAN_BUFFER_SIZE - kept, offset)) > 0) {
        offset += got;
        progress_set("reading " VISITS_FILE, (uint64_t)offset, (uint64_t)status.st_size);
        size_t length = kept + (size_t)got;
        size_t taken = take_lines(&scan, buffer, length);
        kept = length - taken;
        if (kept == SCAN_BUFFER_SIZE) {
            scan.in_long_line = true;
            scan.offset += kept;
            kept = 0;
        } else {
            memmove(buffer, buffer + taken, kept);
        }
    }
    if (got < 0)
        return -1;
    assert(scan.good_fixed_width_from <= scan.good_offset && scan.good_offset <= scan.offset);
    *ret_scan = scan;
    *ret_rest = kept;
    return 0;
}

struct log_snapshot scan_snapshot(const struct scan *scan, int fd)
{
    struct log_snapshot range = {
        .fd = fd,
        .size = scan->in_long_line ? scan->good_offset : scan->offset,
        .count = scan->in_long_line ? scan->good_count : scan->count,
    };
    range.fixed_width_from =
        scan->fixed_width_from < range.size ? scan->fixed_width_from : range.size;
    return range;
}
