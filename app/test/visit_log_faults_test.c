/* The log when system calls fail at a bad moment: while another thread appends, or after another
 * process has changed the file. */
#include "directory.h"
#include "log/visit_log.h"
#include "samples.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static _Atomic int fsync_error;
static _Atomic int file_system; /* the type that fstatfs(2) reports; 0: the real one */
static _Atomic int fdatasync_error, ftruncate_error, failed_syncs;
static void (*_Atomic before_write)(void);

static char *directory;

/* These override the C library's functions. */
int fdatasync(int fd)
{
    if (!fdatasync_error)
        return (int)syscall(SYS_fdatasync, fd);
    errno = fdatasync_error;
    failed_syncs++;
    return -1;
}

int ftruncate(int fd, off_t size)
{
    if (!ftruncate_error)
        return (int)syscall(SYS_ftruncate, fd, size);
    errno = ftruncate_error;
    return -1;
}

int fstatfs(int fd, struct statfs *status)
{
    int result = (int)syscall(SYS_fstatfs, fd, status);
    if (file_system)
        status->f_type = (__typeof__(status->f_type))file_system;
    return result;
}

static void (*_Atomic before_flock)(void), (*_Atomic before_fsync)(void);

int flock(int fd, int operation)
{
    void (*hook)(void) = before_flock;
    if (hook)
        hook();
    return (int)syscall(SYS_flock, fd, operation);
}

int fsync(int fd)
{
    void (*hook)(void) = before_fsync;
    if (hook)
        hook();
    if (!fsync_error)
        return (int)syscall(SYS_fsync, fd);
    errno = fsync_error;
    return -1;
}

ssize_t write(int fd, const void *data, size_t size)
{
    void (*hook)(void) = before_write;
    if (hook)
        hook();
    return syscall(SYS_write, fd, data, size);
}

static struct visit_log visit_log;
static struct recovery report;

static void remove_directory(void)
{
    directory_remove(directory);
    directory = NULL;
}

static int append(const char *lines)
{
    uint64_t first, end;
    struct recent_lines recent;
    return visit_log_append(&visit_log, lines, strlen(lines) / LINE_LENGTH, &first, &end, &recent);
}

static int sync_to(uint64_t end)
{
    uint64_t duration_ns;
    return visit_log_sync(&visit_log, end, &duration_ns);
}

/* Appends LINES while a file may have no more than SIZE bytes: a short write(2), then one that
 * fails. */
static int append_within(const char *lines, size_t size)
{
    struct rlimit limit, lowered;
    (void)getrlimit(RLIMIT_FSIZE, &limit);
    lowered = (struct rlimit){.rlim_cur = size, .rlim_max = limit.rlim_max};
    (void)setrlimit(RLIMIT_FSIZE, &lowered);
    int result = append(lines), saved_errno = errno;
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    errno = saved_errno;
    return result;
}

static bool append_of_another_process(const char *lines)
{
    int fd = open(directory_path(directory, VISITS_FILE), O_WRONLY | O_APPEND | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, lines, strlen(lines)) == (ssize_t)strlen(lines);
    return fd >= 0 && close(fd) == 0 && done;
}

static bool file_is(const char *wanted)
{
    size_t length;
    char *bytes = directory_read(directory, VISITS_FILE, &length);
    bool equal = bytes && length == strlen(wanted) && memcmp(bytes, wanted, length) == 0;
    free(bytes);
    return equal;
}

static bool a_sync_fails(void)
{
    fdatasync_error = EIO;
    return sync_to(visit_log.size) == -1;
}

/* A log that holds LINES. */
static bool start(const char *lines)
{
    directory = directory_make();
    visit_log_init(&visit_log, directory);
    return visit_log_open(&visit_log, &report) == 0 && append(lines) == 0;
}

static void end(void)
{
    fdatasync_error = ftruncate_error = 0;
    (void)visit_log_close(&visit_log);
    remove_directory();
}

static void another_process_writes(void)
{
    before_write = NULL;
    ok(append_of_another_process(LINE_B), "another process writes a line just before a write");
}

static void another_process_empties(void)
{
    before_write = NULL;
    ok(truncate(directory_path(directory, VISITS_FILE), 0) == 0,
       "another process empties the file just before a write");
}

static void expect_partial_writes(void)
{
    bool started = start(LINE_A);
    before_write = another_process_writes;
    ok(started && append_within(LINE_C, 2 * LINE_LENGTH + 5) == -1 && errno == EFBIG,
       "a write fails after another process has written to the file");
    ok(append(LINE_A) == -1, "then no visit is recorded until the file is reopened");
    ok(visit_log_maintain(&visit_log, &report) == 1 && visit_log.count == 2 && report.torn == 5,
       "reopening finds the line of the other process and the torn bytes");
    ok(append(LINE_A) == 0 && file_is(LINE_A LINE_B LINE_A),
       "the line of the other process and a later line are in the file");
    end();

    started = start(LINE_A LINE_B);
    before_write = another_process_empties;
    ok(started && append_within(LINE_C, 10) == -1 && errno == EFBIG,
       "a write fails after another process has shortened the file");
    ok(append(LINE_C) == -1 && visit_log_maintain(&visit_log, &report) == 1 &&
           visit_log.count == 0 && append(LINE_C) == 0 && file_is(LINE_C),
       "the shortened file is reopened, and not extended with NULs");
    end();

    started = start(LINE_A);
    ftruncate_error = EIO;
    ok(started && append_within(LINE_B, LINE_LENGTH + 7) == -1 && append(LINE_B) == -1 &&
           errno == EIO && visit_log_maintain(&visit_log, &report) == -1 &&
           file_is(LINE_A "2022-11"),
       "a partial write cannot be truncated");
    directory_write(directory, "new", LINE_C, LINE_LENGTH);
    char *from = strdup(directory_path(directory, "new"));
    ok(rename(from, directory_path(directory, VISITS_FILE)) == 0 &&
           visit_log_maintain(&visit_log, &report) == 1 && append(LINE_B) == 0 &&
           file_is(LINE_C LINE_B),
       "a file that replaces it is reopened all the same");
    free(from);
    end();
}

static pthread_t syncing;

static void *sync_first_line(void *context)
{
    (void)context;
    return sync_to(LINE_LENGTH) == 0 ? &visit_log : NULL;
}

/* A sync in another thread fails during the append that called this. The failed sync may have to
 * wait for that append before it changes the state; then the wait here is in vain. */
static void fail_a_sync(void)
{
    before_write = NULL;
    failed_syncs = 0;
    fdatasync_error = EIO;
    if (pthread_create(&syncing, NULL, sync_first_line, NULL) != 0)
        abort();
    for (int ms = 0; failed_syncs == 0 || (!visit_log_has_failed(&visit_log) && ms < 100); ms++)
        (void)usleep(1000);
}

static void expect_failed_sync(void)
{
    bool started = start(LINE_A);
    before_write = fail_a_sync;
    void *synced = NULL;
    ok(started && append(LINE_B) == 0 && pthread_join(syncing, &synced) == 0 && !synced,
       "a sync fails while another thread appends");
    same(visit_log_fault(&visit_log), EIO, "the successful append does not hide the fault");
    fdatasync_error = 0;
    ok(append(LINE_C) == -1 && errno == EIO && sync_to(LINE_LENGTH) == -1 &&
           visit_log_maintain(&visit_log, &report) == -1 && file_is(LINE_A LINE_B),
       "nothing is recorded or acknowledged after that, although a sync would succeed");
    end();

    ok(start(LINE_A) && sync_to(LINE_LENGTH) == 0 && append(LINE_B) == 0 && a_sync_fails(),
       "a sync fails after a successful one");
    visit_log_truncate_unsynced(&visit_log);
    ok(file_is(LINE_A), "durable lines stay, lines that were not acknowledged are truncated");
    ok(sync_to(LINE_LENGTH) == 0,
       "durable lines are acknowledged even to a thread that syncs after the failure");
    ok(sync_to(2 * LINE_LENGTH) == -1 && errno == EIO, "later lines are not acknowledged");
    end();

    ok(start(LINE_A) && sync_to(LINE_LENGTH) == 0 && append(LINE_B) == 0 &&
           append_of_another_process(LINE_C) && a_sync_fails(),
       "a sync fails after another process has written to the file");
    visit_log_truncate_unsynced(&visit_log);
    ok(file_is(LINE_A LINE_B LINE_C),
       "nothing is truncated, since the other process may own the lines");
    end();
}

/* A volume that reports that it is full only at a sync, as NFS and thin pools do. */
static void expect_full_at_sync(void)
{
    bool started = start(LINE_A) && sync_to(LINE_LENGTH) == 0 && append(LINE_B) == 0;
    fdatasync_error = ENOSPC;
    ok(started && sync_to(2 * LINE_LENGTH) == -1 && visit_log_has_failed(&visit_log),
       "a sync fails because the volume is full");
    visit_log_truncate_unsynced(&visit_log);
    (void)visit_log_close(&visit_log);
    fdatasync_error = 0;
    fsync_error = ENOSPC;
    visit_log_init(&visit_log, directory);
    ok(visit_log_open(&visit_log, &report) == -1 && errno == ENOSPC &&
           !visit_log_has_failed(&visit_log),
       "the next process does not open the file before a sync succeeds, and does not end");
    ok(visit_log_maintain(&visit_log, &report) == -1 && errno == ENOSPC, "nor a second later");
    fsync_error = 0;
    ok(visit_log_maintain(&visit_log, &report) == 1 && append(LINE_C) == 0 &&
           file_is(LINE_A LINE_C) && directory_find(directory, VISITS_FILE ".probe"),
       "once one succeeds, it opens the file");
    ok(sync_to(2 * LINE_LENGTH) == 0 && visit_log_maintain(&visit_log, &report) == 0 &&
           !directory_find(directory, VISITS_FILE ".probe"),
       "after the sync of a visit the probe is removed");
    end();
}

/* A file system that lacks a call: EOPNOTSUPP, and no failed sync. */
static void expect_unsupported_sync(void)
{
    static const int errors[] = {EINVAL, ENOSYS, EOPNOTSUPP};
    directory = directory_make();
    directory_write(directory, VISITS_FILE, LINE_A, LINE_LENGTH);
    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
        fsync_error = errors[i];
        visit_log_init(&visit_log, directory);
        ok(visit_log_open(&visit_log, &report) == -1 && errno == EOPNOTSUPP &&
               !visit_log_has_failed(&visit_log),
           "%s of fsync(2) is not a failed sync", strerror(errors[i]));
    }
    fsync_error = 0;
    remove_directory();
}

/* The file holds FOUND after another process has changed it. A visit is refused until the file is
 * reopened: its line would have a wrong number, or would be in a file that has lost its name. */
static void expect_reopened(const char *how, const char *found, unsigned count)
{
    char whole[4 * LINE_LENGTH + 1];
    (void)snprintf(whole, sizeof whole, "%s" LINE_C, found);
    errno = 0;
    ok(append(LINE_C) == -1 && errno == ESTALE, "%s: a visit is refused", how);
    ok(visit_log_fault(&visit_log) == ESTALE && append(LINE_C) == -1 && errno == ESTALE,
       "%s: the next visit is refused too", how);
    ok(visit_log_maintain(&visit_log, &report) == 1 && visit_log_fault(&visit_log) == 0,
       "%s: the file is reopened", how);
    same((long long)visit_log.count, count, "%s: the count is that of the lines in the file", how);
    ok(append(LINE_C) == 0 && visit_log.count == count + 1 && file_is(whole),
       "%s: the next visit has the number of its line", how);
    end();
}

static void expect_changes_of_another_process(void)
{
    bool begun = start(LINE_A);
    before_write = another_process_writes;
    errno = 0;
    ok(begun && append(LINE_C) == -1 && errno == ESTALE,
       "a visit whose line is after that of another process is refused");
    ok(visit_log_maintain(&visit_log, &report) == 1 && visit_log.count == 3 &&
           append(LINE_A) == 0 && visit_log.count == 4 && file_is(LINE_A LINE_B LINE_C LINE_A),
       "later visits have the numbers of their lines");
    end();
    ok(start(LINE_A) && append_of_another_process(LINE_B), "another process writes a line");
    expect_reopened("a line of another process", LINE_A LINE_B, 2);
    ok(start(LINE_A LINE_B) &&
           truncate(directory_path(directory, VISITS_FILE), 2 * LINE_LENGTH - 1) == 0,
       "the last newline is removed");
    expect_reopened("without its last newline", LINE_A LINE_B, 2);
    ok(start(LINE_A LINE_B) && truncate(directory_path(directory, VISITS_FILE), LINE_LENGTH) == 0,
       "the last line is removed");
    expect_reopened("without its last line", LINE_A, 1);
    ok(start(LINE_A) && unlink(directory_path(directory, VISITS_FILE)) == 0, "the file is removed");
    expect_reopened("a file that was removed", "", 0);
    bool started = start(LINE_A);
    directory_write(directory, "new", LINE_B, LINE_LENGTH);
    char *from = strdup(directory_path(directory, "new"));
    ok(started && rename(from, directory_path(directory, VISITS_FILE)) == 0,
       "the file is replaced");
    free(from);
    expect_reopened("a file that was replaced", LINE_B, 1);
}

/* Opens and closes the log of `directory`, on a file system whose disk cannot be compared. Did a
 * copy replace the file, if and only if COPIES? */
static bool opening_copies(bool copies)
{
    struct stat before, after;
    const char *path = directory_path(directory, VISITS_FILE);
    bool there = stat(path, &before) == 0;
    visit_log_init(&visit_log, directory);
    bool opened = visit_log_open(&visit_log, &report) == 0 && visit_log_close(&visit_log) == 0;
    return there && opened && stat(path, &after) == 0 &&
           (before.st_ino != after.st_ino) == copies && before.st_mode == after.st_mode &&
           !directory_find(directory, VISITS_FILE ".copying");
}

static void expect_copies(void)
{
    size_t length;
    directory = directory_make();
    file_system = 0x65735546; /* FUSE */
    directory_write(directory, VISITS_FILE, LINE_A LINE_B LINE_C, 3 * LINE_LENGTH);
    directory_write(directory, VISITS_FILE ".copying", "left", 4);
    (void)chmod(directory_path(directory, VISITS_FILE), 0660);
    ok(opening_copies(true), "a file without a mark is copied at the start");
    ok(opening_copies(false), "after a clean end the file is not copied");
    ok(append_of_another_process(LINE_A LINE_B) && opening_copies(true) &&
           file_is(LINE_A LINE_B LINE_C LINE_A LINE_B),
       "a file with lines that were never synced is copied");
    char *mark = directory_read(directory, VISITS_FILE ".durable", &length);
    ok(mark && length == 38 && strncmp(mark, "00000000000000000165 ", 21) == 0,
       "the mark has the number of durable bytes");
    mark[10]++;
    directory_write(directory, VISITS_FILE ".durable", mark, length);
    ok(opening_copies(true), "a mark with a number that is too large is not trusted");
    directory_write(directory, VISITS_FILE ".durable", "", 0);
    ok(opening_copies(true), "an empty mark is not trusted");
    directory_write(directory, VISITS_FILE, LINE_B LINE_B LINE_C LINE_A LINE_B, 165);
    ok(opening_copies(true), "the mark of another file of the same length is not trusted");
    directory_write(directory, VISITS_FILE, LINE_B LINE_B, 66);
    ok(opening_copies(true), "the mark of a longer file is not trusted");
    ok(append_of_another_process("torn") && opening_copies(false) && report.torn == 4 &&
           file_is(LINE_B LINE_B),
       "a file with only a torn end is not copied");

    ok(append_of_another_process(LINE_A), "another process appends a line without a sync");
    fsync_error = EIO;
    visit_log_init(&visit_log, directory);
    ok(visit_log_open(&visit_log, &report) == -1 && errno == EIO && file_is(LINE_B LINE_B LINE_A) &&
           !directory_find(directory, VISITS_FILE ".copying"),
       "if the copy is not durable, the open fails and leaves the file unchanged");
    fsync_error = 0;
    ok(opening_copies(true), "the next open does not trust the page cache");
    file_system = 0;
    ok(append_of_another_process(LINE_C) && opening_copies(false) &&
           file_is(LINE_B LINE_B LINE_A LINE_C),
       "without a disk, or if the disk can be compared, the file is not copied");
    free(mark);
    remove_directory();
}

static void an_operator_replaces(void)
{
    before_flock = before_fsync = NULL;
    directory_write(directory, "edited", LINE_B LINE_C, 2 * LINE_LENGTH);
    char *from = strdup(directory_path(directory, "edited"));
    ok(rename(from, directory_path(directory, VISITS_FILE)) == 0, "another file takes the name");
    free(from);
}

/* Opens the log while another file takes the name of its file. */
static bool is_left_alone(void)
{
    visit_log_init(&visit_log, directory);
    bool refused = visit_log_open(&visit_log, &report) == -1 && errno == ESTALE;
    return refused && file_is(LINE_B LINE_C) && !directory_find(directory, VISITS_FILE ".copying");
}

/* A file that has lost its name to another file must not be served. A copy of it must not replace
 * the other file. */
static void expect_own_name(void)
{
    directory = directory_make();
    file_system = 0x65735546;
    directory_write(directory, VISITS_FILE, LINE_A LINE_B, 2 * LINE_LENGTH);
    before_flock = an_operator_replaces;
    ok(is_left_alone(), "a file that loses its name before it is locked is not opened");
    directory_write(directory, VISITS_FILE, LINE_A LINE_B, 2 * LINE_LENGTH);
    before_fsync = an_operator_replaces;
    ok(is_left_alone(),
       "a file that loses its name while it is copied does not replace the other file");
    file_system = 0;
    remove_directory();
}

static void another_process_truncates(void)
{
    before_fsync = NULL;
    ok(truncate(directory_path(directory, VISITS_FILE), LINE_LENGTH) == 0, "the file is truncated");
}

static void another_process_appends(void)
{
    before_fsync = NULL;
    ok(append_of_another_process(LINE_C), "another process appends");
}

static void another_process_removes(void)
{
    before_flock = before_fsync = NULL;
    ok(remove(directory_path(directory, VISITS_FILE)) == 0, "the file is removed");
}

/* Opens a file with a torn end while another process changes it. Returns whether that is refused
 * with ESTALE, which can be tried again, and whether the torn bytes are nowhere else. */
static bool is_refused_during_repair(void (*change)(void))
{
    directory_write(directory, VISITS_FILE, LINE_A LINE_B "torn", 2 * LINE_LENGTH + 4);
    before_fsync = change;
    visit_log_init(&visit_log, directory);
    return visit_log_open(&visit_log, &report) == -1 && errno == ESTALE &&
           visit_log.torn.count == 0 && !directory_find(directory, VISITS_FILE ".torn");
}

/* A file of gigabytes is read for minutes, in which another process may change it. */
static void expect_repair_of_what_was_read(void)
{
    directory = directory_make();
    ok(is_refused_during_repair(another_process_truncates) && file_is(LINE_A),
       "a file that is truncated while its torn end is copied is not extended with NULs");
    ok(is_refused_during_repair(another_process_appends) && file_is(LINE_A LINE_B "torn" LINE_C),
       "bytes that are appended while the torn end is copied are not removed without a copy");
    before_flock = another_process_removes;
    visit_log_init(&visit_log, directory);
    ok(visit_log_open(&visit_log, &report) == -1 && errno == ESTALE,
       "a file that is removed while it is opened is no missing directory");
    ok(visit_log_open(&visit_log, &report) == 0 && visit_log.count == 0,
       "the next open creates it");
    ok(visit_log_close(&visit_log) == 0, "it is closed");
    remove_directory();
}

/* The program serves even without space for a copy. */
static void expect_start_without_copy(void)
{
    struct rlimit limit, lowered;
    directory = directory_make();
    file_system = 0x65735546;
    directory_write(directory, VISITS_FILE, LINE_A LINE_B LINE_C, 3 * LINE_LENGTH);
    (void)getrlimit(RLIMIT_FSIZE, &limit);
    lowered = (struct rlimit){.rlim_cur = 2 * LINE_LENGTH, .rlim_max = limit.rlim_max};
    (void)setrlimit(RLIMIT_FSIZE, &lowered);
    bool opened = opening_copies(false);
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    ok(opened && file_is(LINE_A LINE_B LINE_C), "without space for a copy the file is unchanged");
    char *mark = strdup(directory_path(directory, VISITS_FILE ".durable"));
    (void)remove(mark);
    ok(mkdir(mark, 0755) == 0 && opening_copies(true) && opening_copies(true),
       "if the mark cannot be written, each start makes a copy");
    free(mark);
    file_system = 0;
    remove_directory();
}

void test_visit_log_faults(void)
{
    expect_copies();
    expect_own_name();
    expect_repair_of_what_was_read();
    expect_start_without_copy();
    expect_partial_writes();
    expect_failed_sync();
    expect_full_at_sync();
    expect_unsupported_sync();
    expect_changes_of_another_process();
}
