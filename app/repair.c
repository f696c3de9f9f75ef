#include "repair.h"

#include "io.h"
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a new file for the torn tail; its name goes into the report. */
static int create_torn_file(int folder, char name[64])
{
    struct tm utc = {.tm_mday = 1};
    time_t now = time(NULL);
    (void)gmtime_r(&now, &utc);
    for (int attempt = 1; attempt < 1000; attempt++) {
        int length =
            snprintf(name, 64, VISITS_FILE ".torn-%04d%02d%02dT%02d%02d%02dZ", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
        if (attempt > 1)
            (void)snprintf(name + length, 64 - (size_t)length, "-%d", attempt);
        int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (file >= 0 || errno != EEXIST)
            return file;
    }
    return -1;
}

static bool is_longer(int file, uint64_t size)
{
    struct stat status;
    return fstat(file, &status) == 0 && (uint64_t)status.st_size > size;
}

/* Moves the bytes from OFFSET to the end into a file of their own, on stable storage. Where they
 * stay in place after all no copy is kept, or each attempt would leave another one. */
static int move_tail(int folder, int file, uint64_t offset, struct visits_report *report)
{
    char buffer[16384], name[64];
    int saved_errno, torn = create_torn_file(folder, name);
    if (torn < 0)
        return -1;
    uint64_t total = 0;
    ssize_t got;
    while ((got = read_at(file, buffer, sizeof buffer, (off_t)(offset + total))) > 0) {
        if (write_all(torn, buffer, (size_t)got, NULL) != 0)
            goto remove_torn;
        total += (uint64_t)got;
    }
    if (got < 0 || sync_all(torn) != 0 || sync_all(folder) != 0 ||
        ftruncate(file, (off_t)offset) != 0)
        goto remove_torn;
    (void)close(torn);
    report->torn = total;
    memcpy(report->torn_name, name, sizeof report->torn_name);
    return 0;

remove_torn:
    saved_errno = errno;
    (void)close(torn);
    if (is_longer(file, offset))
        (void)unlinkat(folder, name, 0);
    errno = saved_errno;
    return -1;
}

int repair(int folder, int file, struct repair_result *ret_result, struct visits_report *ret_report)
{
    char rest[SCAN_BUFFER_SIZE];
    struct scan scan;
    struct visits_report report = {0};
    size_t rest_length;
    if (scan_file(file, &scan, rest, &rest_length) != 0)
        return -1;

    /* A line that lacks nothing but its newline may have been answered before an editor took the
     * newline away: it is completed, not cut off. A line of ours that was torn is never credible.
     */
    bool complete = !scan.in_long_line && stamp_is_credible(rest, rest_length);
    if (complete) {
        if (write_all(file, "\n", 1, NULL) != 0)
            return -1;
        report.completed = true;
        scan.good_offset = scan.offset + rest_length + 1;
        scan.good_count = scan.count + 1;
        scan.good_damaged = scan.damaged;
        bool exact = rest_length == STAMP_LENGTH && stamp_is_exact(rest);
        scan.good_irregular = exact ? scan.irregular : scan.good_offset;
    } else if (scan.good_offset < scan.offset || rest_length > 0 || scan.in_long_line) {
        if (move_tail(folder, file, scan.good_offset, &report) != 0)
            return -1;
    }
    report.damaged = scan.good_damaged;
    ret_result->count = scan.good_count;
    ret_result->size = scan.good_offset;
    ret_result->uniform_from = scan.good_irregular;
    *ret_report = report;
    return 0;
}
