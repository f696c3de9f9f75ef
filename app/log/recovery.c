#include "log/recovery.h"

#include "base/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TORN_ATTEMPTS_MAX = 1000 }; /* of file names in one second */
_Static_assert(sizeof VISITS_FILE ".torn-20221128T195426Z-999" <= TORN_NAME_SIZE, "a name fits");

/* Creates a new file and writes its name into NAME. Returns a descriptor, or -1 with errno. */
static int create_torn_file(int directory, char name[TORN_NAME_SIZE])
{
    struct tm utc = {.tm_mday = 1};
    time_t now = time(NULL);
    (void)gmtime_r(&now, &utc);
    for (int attempt = 1; attempt < TORN_ATTEMPTS_MAX; attempt++) {
        int length = snprintf(name, TORN_NAME_SIZE, VISITS_FILE ".torn-%04d%02d%02dT%02d%02d%02dZ",
                              utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                              utc.tm_min, utc.tm_sec);
        if (attempt > 1)
            (void)snprintf(name + length, TORN_NAME_SIZE - (size_t)length, "-%d", attempt);
        int fd = create_new(directory, name, O_WRONLY);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Opens the file for the next torn bytes, which go to offset *RET_END. Creates a file if there are
 * fewer than TORN_FILES_MAX, or if an operator has removed the last one. Returns a descriptor, or
 * -1 with errno. */
static int open_torn_file(int directory, const struct torn_files *torn, char name[TORN_NAME_SIZE],
                          off_t *ret_end)
{
    struct stat status;
    if (torn->count >= TORN_FILES_MAX) {
        memcpy(name, torn->last, TORN_NAME_SIZE);
        int fd = open_existing(directory, name, O_WRONLY);
        if (fd >= 0 && fstat(fd, &status) == 0) {
            *ret_end = status.st_size;
            return fd;
        }
        if (fd >= 0)
            close_keeping_errno(fd);
        if (errno != ENOENT)
            return -1;
    }
    *ret_end = 0;
    return create_torn_file(directory, name);
}

/* Copies the bytes of FD from OFFSET to its end to TORN, at END. A hole stays a hole, since the
 * file may end in one that is larger than the volume. Returns 0 with *RET_TOTAL, the number of
 * bytes, or -1 with errno. */
static int copy_end(int fd, uint64_t offset, int torn, off_t end, uint64_t *ret_total)
{
    char buffer[16384];
    uint64_t total = 0;
    ssize_t got;
    while ((got = read_at(fd, buffer, sizeof buffer, (off_t)(offset + total))) > 0) {
        if (!is_all_nul(buffer, (size_t)got) &&
            write_at(torn, buffer, (size_t)got, end + (off_t)total) != 0)
            return -1;
        total += (uint64_t)got;
    }
    if (got < 0 || ftruncate(torn, end + (off_t)total) != 0)
        return -1;
    *ret_total = total;
    return 0;
}

/* Moves the bytes from OFFSET to the end of FD durably into a separate file. If they stay in FD
 * after all, removes the copy: otherwise each attempt would leave another copy. Fails with ESTALE
 * if another process has changed the size of FD meanwhile: ftruncate(2) would remove bytes without
 * a copy, or extend the file with NULs. */
static int move_torn_bytes(int directory, int fd, uint64_t offset, struct torn_files *torn,
                           struct recovery *report)
{
    char name[TORN_NAME_SIZE];
    off_t end;
    uint64_t total = 0;
    int copy = open_torn_file(directory, torn, name, &end);
    if (copy < 0)
        return -1;
    if (copy_end(fd, offset, copy, end, &total) != 0 || sync_all(copy) != 0 ||
        sync_directory(directory) < 0 || check_size(fd, offset + total) != 0 ||
        ftruncate(fd, (off_t)offset) != 0)
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
    if (check_size(fd, offset) != 0) {
        if (end == 0)
            (void)unlinkat(directory, name, 0);
        else
            (void)ftruncate(copy, end);
    }
    (void)close(copy);
    errno = saved_errno;
    return -1;
}

int recovery_run(int directory, int fd, struct torn_files *torn, struct recovery *ret_recovery)
{
    char rest[SCAN_BUFFER_SIZE];
    struct scan scan;
    struct recovery report = {0};
    size_t rest_length;
    if (scan_file(fd, &scan, rest, &rest_length) != 0)
        return -1;

    /* A last line that lacks only its newline may have been acknowledged before an editor removed
     * the newline. So the newline is added. A line that this program has torn is never plausible.
     */
    bool complete = !scan.in_long_line && timestamp_is_plausible(rest, rest_length);
    if (complete) {
        if (write_all(fd, "\n", 1, NULL) != 0)
            return -1;
        report.completed = true;
        scan.good_offset = scan.offset + rest_length + 1;
        scan.good_count = scan.count + 1;
        scan.good_damaged = scan.damaged;
        bool exact = rest_length == TIMESTAMP_LENGTH && timestamp_is_exact(rest);
        scan.good_fixed_width_from = exact ? scan.fixed_width_from : scan.good_offset;
    } else if (scan.good_offset < scan.offset || rest_length > 0 || scan.in_long_line) {
        if (move_torn_bytes(directory, fd, scan.good_offset, torn, &report) != 0)
            return -1;
    }
    report.damaged = scan.good_damaged;
    report.count = scan.good_count;
    report.size = scan.good_offset;
    report.fixed_width_from = scan.good_fixed_width_from;
    assert(report.fixed_width_from <= report.size);
    *ret_recovery = report;
    return 0;
}
