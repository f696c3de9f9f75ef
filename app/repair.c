#include "repair.h"

#include "io.h"
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a file that did not exist before; its name goes into NAME. */
static int create_torn_file(int folder, char name[TORN_NAME_SIZE])
{
    struct tm utc = {.tm_mday = 1};
    time_t now = time(NULL);
    (void)gmtime_r(&now, &utc);
    for (int attempt = 1; attempt < 1000; attempt++) {
        int length = snprintf(name, TORN_NAME_SIZE, VISITS_FILE ".torn-%04d%02d%02dT%02d%02d%02dZ",
                              utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                              utc.tm_min, utc.tm_sec);
        if (attempt > 1)
            (void)snprintf(name + length, TORN_NAME_SIZE - (size_t)length, "-%d", attempt);
        int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (file >= 0 || errno != EEXIST)
            return file;
    }
    return -1;
}

/* Opens the file that the next torn bytes go into, at *RET_END. An operator may have removed the
 * last one: then it is a new one. */
static int open_torn_file(int folder, const struct torn_files *torn, char name[TORN_NAME_SIZE],
                          off_t *ret_end)
{
    struct stat status;
    if (torn->count >= TORN_FILES_MAX) {
        memcpy(name, torn->last, TORN_NAME_SIZE);
        int file = openat(folder, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (file >= 0 && fstat(file, &status) == 0) {
            *ret_end = status.st_size;
            return file;
        }
        if (file >= 0)
            close_keeping_errno(file);
        if (errno != ENOENT)
            return -1;
    }
    *ret_end = 0;
    return create_torn_file(folder, name);
}

static bool is_longer(int file, uint64_t size)
{
    struct stat status;
    return fstat(file, &status) == 0 && (uint64_t)status.st_size > size;
}

/* Copies FILE from OFFSET on to TORN at END. Where it has a hole the copy has one: a file may end
 * in a hole that is larger than the volume. */
static int copy_end(int file, uint64_t offset, int torn, off_t end, uint64_t *ret_total)
{
    char buffer[16384];
    uint64_t total = 0;
    ssize_t got;
    while ((got = read_at(file, buffer, sizeof buffer, (off_t)(offset + total))) > 0) {
        if (!is_all_zero(buffer, (size_t)got) &&
            write_at(torn, buffer, (size_t)got, end + (off_t)total) != 0)
            return -1;
        total += (uint64_t)got;
    }
    if (got < 0 || ftruncate(torn, end + (off_t)total) != 0)
        return -1;
    *ret_total = total;
    return 0;
}

/* Moves the bytes from OFFSET to the end into a file of their own, durably. Where they stay in
 * place after all no copy is kept, or each attempt would leave another one. */
static int move_tail(int folder, int file, uint64_t offset, struct torn_files *torn,
                     struct visits_report *report)
{
    char name[TORN_NAME_SIZE];
    off_t end;
    uint64_t total;
    int copy = open_torn_file(folder, torn, name, &end);
    if (copy < 0)
        return -1;
    if (copy_end(file, offset, copy, end, &total) != 0 || sync_all(copy) != 0 ||
        sync_all(folder) != 0 || ftruncate(file, (off_t)offset) != 0)
        goto remove_copy;
    (void)close(copy);
    report->torn = total;
    memcpy(report->torn_name, name, sizeof report->torn_name);
    memcpy(torn->last, name, sizeof torn->last);
    if (end == 0)
        torn->count++;
    return 0;

remove_copy:;
    int saved_errno = errno;
    if (is_longer(file, offset)) {
        if (end == 0)
            (void)unlinkat(folder, name, 0);
        else
            (void)ftruncate(copy, end);
    }
    (void)close(copy);
    errno = saved_errno;
    return -1;
}

int repair(int folder, int file, struct torn_files *torn, struct repair_result *ret_result,
           struct visits_report *ret_report)
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
        if (move_tail(folder, file, scan.good_offset, torn, &report) != 0)
            return -1;
    }
    report.damaged = scan.good_damaged;
    ret_result->count = scan.good_count;
    ret_result->size = scan.good_offset;
    ret_result->uniform_from = scan.good_irregular;
    *ret_report = report;
    return 0;
}
