/* What the log does when system calls fail at a bad moment: while another thread appends, or after
 * somebody else has changed the file. */
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
static _Atomic int file_system; /* what fstatfs(2) calls it; 0: what it is */
static _Atomic int fdatasync_error, ftruncate_error, failed_syncs;
static void (*_Atomic before_write)(void);

static char *folder;

/* These come before the C library's. */
int fdatasync(int file)
{
    if (!fdatasync_error)
        return (int)syscall(SYS_fdatasync, file);
    errno = fdatasync_error;
    failed_syncs++;
    return -1;
}

int ftruncate(int file, off_t size)
{
    if (!ftruncate_error)
        return (int)syscall(SYS_ftruncate, file, size);
    errno = ftruncate_error;
    return -1;
}

int fstatfs(int file, struct statfs *status)
{
    int result = (int)syscall(SYS_fstatfs, file, status);
    if (file_system)
        status->f_type = file_system;
    return result;
}

static void (*_Atomic before_flock)(void), (*_Atomic before_fsync)(void);

int flock(int file, int operation)
{
    void (*hook)(void) = before_flock;
    if (hook)
        hook();
    return (int)syscall(SYS_flock, file, operation);
}

int fsync(int file)
{
    void (*hook)(void) = before_fsync;
    if (hook)
        hook();
    if (!fsync_error)
        return (int)syscall(SYS_fsync, file);
    errno = fsync_error;
    return -1;
}

ssize_t write(int file, const void *data, size_t size)
{
    void (*hook)(void) = before_write;
    if (hook)
        hook();
    return syscall(SYS_write, file, data, size);
}

static struct visit_log the_log;
static struct recovery report;

static void remove_folder(void)
{
    directory_remove(folder);
    folder = NULL;
}

static int append(const char *lines)
{
    uint64_t first, end;
    struct recent_lines recent;
    return visit_log_append(&the_log, lines, strlen(lines) / LINE_LENGTH, &first, &end, &recent);
}

static int sync_to(uint64_t end)
{
    uint64_t duration_ns;
    return visit_log_sync(&the_log, end, &duration_ns);
}

/* Appends LINES when no more than SIZE bytes fit in a file: a short write(2), then a failed one. */
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
    int file = open(directory_path(folder, VISITS_FILE), O_WRONLY | O_APPEND | O_CLOEXEC);
    bool done = file >= 0 && write(file, lines, strlen(lines)) == (ssize_t)strlen(lines);
    return file >= 0 && close(file) == 0 && done;
}

static bool file_is(const char *wanted)
{
    size_t length;
    char *bytes = directory_read(folder, VISITS_FILE, &length);
    bool equal = bytes && length == strlen(wanted) && memcmp(bytes, wanted, length) == 0;
    free(bytes);
    return equal;
}

static bool a_sync_fails(void)
{
    fdatasync_error = EIO;
    return sync_to(the_log.size) == -1;
}

/* A log that holds LINES. */
static bool start(const char *lines)
{
    folder = directory_make();
    visit_log_init(&the_log, folder);
    return visit_log_open(&the_log, &report) == 0 && append(lines) == 0;
}

static void end(void)
{
    fdatasync_error = ftruncate_error = 0;
    (void)visit_log_close(&the_log);
    remove_folder();
}

static void another_process_writes(void)
{
    before_write = NULL;
    ok(append_of_another_process(LINE_B), "somebody else writes a line just before a write");
}

static void another_process_empties(void)
{
    before_write = NULL;
    ok(truncate(directory_path(folder, VISITS_FILE), 0) == 0,
       "somebody else empties the file just before a write");
}

static void expect_cut(void)
{
    bool started = start(LINE_A);
    before_write = another_process_writes;
    ok(started && append_within(LINE_C, 2 * LINE_LENGTH + 5) == -1 && errno == EFBIG,
       "a write fails after somebody else has written to the file");
    ok(append(LINE_A) == -1, "then nothing is written until it is known what is whose");
    ok(visit_log_maintain(&the_log, &report) == 1 && the_log.count == 2 && report.torn == 5,
       "which reading it anew tells");
    ok(append(LINE_A) == 0 && file_is(LINE_A LINE_B LINE_A),
       "and neither their line nor a later one of ours was cut off");
    end();

    started = start(LINE_A LINE_B);
    before_write = another_process_empties;
    ok(started && append_within(LINE_C, 10) == -1 && errno == EFBIG,
       "a write fails after somebody has shortened the file");
    ok(append(LINE_C) == -1 && visit_log_maintain(&the_log, &report) == 1 && the_log.count == 0 &&
           append(LINE_C) == 0 && file_is(LINE_C),
       "it is taken up as it is, and not filled up with NULs");
    end();

    started = start(LINE_A);
    ftruncate_error = EIO;
    ok(started && append_within(LINE_B, LINE_LENGTH + 7) == -1 && append(LINE_B) == -1 &&
           errno == EIO && visit_log_maintain(&the_log, &report) == -1 && file_is(LINE_A "2022-11"),
       "what a failed write has left cannot be cut off");
    directory_write(folder, "new", LINE_C, LINE_LENGTH);
    char *from = strdup(directory_path(folder, "new"));
    ok(rename(from, directory_path(folder, VISITS_FILE)) == 0 &&
           visit_log_maintain(&the_log, &report) == 1 && append(LINE_B) == 0 &&
           file_is(LINE_C LINE_B),
       "a file that is put in its place is taken up all the same");
    free(from);
    end();
}

static pthread_t syncing;

static void *sync_first_line(void *context)
{
    (void)context;
    return sync_to(LINE_LENGTH) == 0 ? &the_log : NULL;
}

/* A thread's sync fails while the append that called this is under way. It may have to wait for
 * that append before it can say so: then this waits for a moment in vain. */
static void fail_a_sync(void)
{
    before_write = NULL;
    failed_syncs = 0;
    fdatasync_error = EIO;
    if (pthread_create(&syncing, NULL, sync_first_line, NULL) != 0)
        abort();
    for (int ms = 0; failed_syncs == 0 || (!visit_log_has_failed(&the_log) && ms < 100); ms++)
        (void)usleep(1000);
}

static void expect_failed_sync(void)
{
    bool started = start(LINE_A);
    before_write = fail_a_sync;
    void *synced = NULL;
    ok(started && append(LINE_B) == 0 && pthread_join(syncing, &synced) == 0 && !synced,
       "a sync fails while another thread appends");
    same(visit_log_fault(&the_log), EIO, "the append that succeeds does not hide that");
    fdatasync_error = 0;
    ok(append(LINE_C) == -1 && errno == EIO && sync_to(LINE_LENGTH) == -1 &&
           visit_log_maintain(&the_log, &report) == -1 && file_is(LINE_A LINE_B),
       "and nothing is recorded or promised from then on, though a sync would succeed");
    end();

    ok(start(LINE_A) && sync_to(LINE_LENGTH) == 0 && append(LINE_B) == 0 && a_sync_fails(),
       "a sync fails after one that has succeeded");
    visit_log_truncate_unsynced(&the_log);
    ok(file_is(LINE_A), "what was synced stays, what nobody was promised is taken out");
    ok(sync_to(LINE_LENGTH) == 0,
       "and is acknowledged also to a thread that asks after the failure");
    ok(sync_to(2 * LINE_LENGTH) == -1 && errno == EIO, "but nothing that came later");
    end();

    ok(start(LINE_A) && sync_to(LINE_LENGTH) == 0 && append(LINE_B) == 0 &&
           append_of_another_process(LINE_C) && a_sync_fails(),
       "the same after somebody else has written to the file");
    visit_log_truncate_unsynced(&the_log);
    ok(file_is(LINE_A LINE_B LINE_C), "nothing is taken out of it, since it may be theirs");
    end();
}

/* The file holds FOUND after somebody else has changed it: what came before the change has been
 * answered, and a line of ours with the wrong number, or none that anybody will find, is refused.
 */
static void expect_reopened(const char *how, const char *found, unsigned count)
{
    char whole[4 * LINE_LENGTH + 1];
    (void)snprintf(whole, sizeof whole, "%s" LINE_C, found);
    errno = 0;
    ok(append(LINE_C) == -1 && errno == ESTALE, "%s: a visit is refused", how);
    ok(visit_log_fault(&the_log) == ESTALE && append(LINE_C) == -1 && errno == ESTALE,
       "%s: and so is the next", how);
    ok(visit_log_maintain(&the_log, &report) == 1 && visit_log_fault(&the_log) == 0,
       "%s: it is taken up", how);
    same((long long)the_log.count, count, "%s: with the lines that it has", how);
    ok(append(LINE_C) == 0 && the_log.count == count + 1 && file_is(whole),
       "%s: and the next visit has the number of its line", how);
    end();
}

static void expect_changes_of_another_process(void)
{
    bool begun = start(LINE_A);
    before_write = another_process_writes;
    errno = 0;
    ok(begun && append(LINE_C) == -1 && errno == ESTALE,
       "a visit whose line lands behind somebody else's is refused");
    ok(visit_log_maintain(&the_log, &report) == 1 && the_log.count == 3 && append(LINE_A) == 0 &&
           the_log.count == 4 && file_is(LINE_A LINE_B LINE_C LINE_A),
       "and no later visit has a number that is not its line's");
    end();
    ok(start(LINE_A) && append_of_another_process(LINE_B), "somebody else writes a line");
    expect_reopened("a line of somebody else's", LINE_A LINE_B, 2);
    ok(start(LINE_A LINE_B) &&
           truncate(directory_path(folder, VISITS_FILE), 2 * LINE_LENGTH - 1) == 0,
       "the last newline is taken away");
    expect_reopened("without its last newline", LINE_A LINE_B, 2);
    ok(start(LINE_A LINE_B) && truncate(directory_path(folder, VISITS_FILE), LINE_LENGTH) == 0,
       "the last line is taken away");
    expect_reopened("without its last line", LINE_A, 1);
    ok(start(LINE_A) && unlink(directory_path(folder, VISITS_FILE)) == 0, "the file is removed");
    expect_reopened("a file that was removed", "", 0);
    bool started = start(LINE_A);
    directory_write(folder, "new", LINE_B, LINE_LENGTH);
    char *from = strdup(directory_path(folder, "new"));
    ok(started && rename(from, directory_path(folder, VISITS_FILE)) == 0, "the file is replaced");
    free(from);
    expect_reopened("a file that was replaced", LINE_B, 1);
}

/* Opens the log of the folder, which is on a file system whose disk cannot be looked at, and closes
 * it. Did a copy take the file's place, if and only if COPIES? */
static bool opening_copies(bool copies)
{
    struct stat before, after;
    const char *path = directory_path(folder, VISITS_FILE);
    bool there = stat(path, &before) == 0;
    visit_log_init(&the_log, folder);
    bool opened = visit_log_open(&the_log, &report) == 0 && visit_log_close(&the_log) == 0;
    return there && opened && stat(path, &after) == 0 &&
           (before.st_ino != after.st_ino) == copies && before.st_mode == after.st_mode &&
           !directory_find(folder, VISITS_FILE ".copying");
}

static void expect_copies(void)
{
    size_t length;
    folder = directory_make();
    file_system = 0x65735546; /* FUSE */
    directory_write(folder, VISITS_FILE, LINE_A LINE_B LINE_C, 3 * LINE_LENGTH);
    directory_write(folder, VISITS_FILE ".copying", "left", 4);
    (void)chmod(directory_path(folder, VISITS_FILE), 0660);
    ok(opening_copies(true), "a file of which nothing is known is copied at the start");
    ok(opening_copies(false), "after a clean end it is not");
    ok(append_of_another_process(LINE_A LINE_B) && opening_copies(true) &&
           file_is(LINE_A LINE_B LINE_C LINE_A LINE_B),
       "with lines that were never synced it is");
    char *mark = directory_read(folder, VISITS_FILE ".durable", &length);
    ok(mark && length == 38 && strncmp(mark, "00000000000000000165 ", 21) == 0,
       "the mark says how much is known to be durable");
    mark[10]++;
    directory_write(folder, VISITS_FILE ".durable", mark, length);
    ok(opening_copies(true), "a mark that says too much is not believed");
    directory_write(folder, VISITS_FILE ".durable", "", 0);
    ok(opening_copies(true), "nor one that is empty");
    directory_write(folder, VISITS_FILE, LINE_B LINE_B LINE_C LINE_A LINE_B, 165);
    ok(opening_copies(true), "nor that of another file of the same length");
    directory_write(folder, VISITS_FILE, LINE_B LINE_B, 66);
    ok(opening_copies(true), "nor that of a longer file");
    ok(append_of_another_process("torn") && opening_copies(false) && report.torn == 4 &&
           file_is(LINE_B LINE_B),
       "a torn end alone is no reason");

    ok(append_of_another_process(LINE_A), "lines come that are not synced");
    fsync_error = EIO;
    visit_log_init(&the_log, folder);
    ok(visit_log_open(&the_log, &report) == -1 && errno == EIO && file_is(LINE_B LINE_B LINE_A) &&
           !directory_find(folder, VISITS_FILE ".copying"),
       "a start whose copy is not durable does not serve, and leaves all as it was");
    fsync_error = 0;
    ok(opening_copies(true), "and the next does not believe its page cache");
    file_system = 0;
    ok(append_of_another_process(LINE_C) && opening_copies(false) &&
           file_is(LINE_B LINE_B LINE_A LINE_C),
       "where there is no disk, or what it holds can be seen, nothing is copied");
    free(mark);
    remove_folder();
}

static void an_operator_replaces(void)
{
    before_flock = before_fsync = NULL;
    directory_write(folder, "edited", LINE_B LINE_C, 2 * LINE_LENGTH);
    char *from = strdup(directory_path(folder, "edited"));
    ok(rename(from, directory_path(folder, VISITS_FILE)) == 0, "another file takes the name");
    free(from);
}

/* Opens a log of A and B, whose file another one replaces meanwhile. */
static bool is_left_alone(void)
{
    visit_log_init(&the_log, folder);
    bool refused = visit_log_open(&the_log, &report) == -1 && errno == ESTALE;
    return refused && file_is(LINE_B LINE_C) && !directory_find(folder, VISITS_FILE ".copying");
}

/* A file that has lost its name to another must not be served, nor be copied over that one. */
static void expect_own_name(void)
{
    folder = directory_make();
    file_system = 0x65735546;
    directory_write(folder, VISITS_FILE, LINE_A LINE_B, 2 * LINE_LENGTH);
    before_flock = an_operator_replaces;
    ok(is_left_alone(), "a file that loses its name before it is locked is not opened");
    directory_write(folder, VISITS_FILE, LINE_A LINE_B, 2 * LINE_LENGTH);
    before_fsync = an_operator_replaces;
    ok(is_left_alone(), "one that loses it while it is copied is not put in its place");
    file_system = 0;
    remove_folder();
}

/* No room for a copy is no reason not to serve. */
static void expect_start_without_copy(void)
{
    struct rlimit limit, lowered;
    folder = directory_make();
    file_system = 0x65735546;
    directory_write(folder, VISITS_FILE, LINE_A LINE_B LINE_C, 3 * LINE_LENGTH);
    (void)getrlimit(RLIMIT_FSIZE, &limit);
    lowered = (struct rlimit){.rlim_cur = 2 * LINE_LENGTH, .rlim_max = limit.rlim_max};
    (void)setrlimit(RLIMIT_FSIZE, &lowered);
    bool opened = opening_copies(false);
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    ok(opened && file_is(LINE_A LINE_B LINE_C), "without room for a copy the file is as it was");
    char *mark = strdup(directory_path(folder, VISITS_FILE ".durable"));
    (void)remove(mark);
    ok(mkdir(mark, 0755) == 0 && opening_copies(true) && opening_copies(true),
       "where no mark can be kept each start makes a copy");
    free(mark);
    file_system = 0;
    remove_folder();
}

void test_visit_log_faults(void)
{
    expect_copies();
    expect_own_name();
    expect_start_without_copy();
    expect_cut();
    expect_failed_sync();
    expect_changes_of_another_process();
}
