/* What the log does when system calls fail at a bad moment: while another thread appends, or after
 * somebody else has changed the file. */
#include "../visits.h"
#include "folder.h"
#include "samples.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic int fdatasync_error, ftruncate_error, failed_syncs;
static void (*_Atomic before_write)(void);

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

ssize_t write(int file, const void *data, size_t size)
{
    void (*hook)(void) = before_write;
    if (hook)
        hook();
    return syscall(SYS_write, file, data, size);
}

static struct visits visits;
static struct visits_report report;
static char *folder;

static int append(const char *lines)
{
    uint64_t first, end;
    struct visits_recent recent;
    return visits_append(&visits, lines, strlen(lines) / LINE_LENGTH, &first, &end, &recent);
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

static bool append_of_somebody_else(const char *lines)
{
    int file = open(folder_path(folder, VISITS_FILE), O_WRONLY | O_APPEND | O_CLOEXEC);
    bool done = file >= 0 && write(file, lines, strlen(lines)) == (ssize_t)strlen(lines);
    return file >= 0 && close(file) == 0 && done;
}

static bool file_is(const char *wanted)
{
    size_t length;
    char *bytes = folder_read(folder, VISITS_FILE, &length);
    bool equal = bytes && length == strlen(wanted) && memcmp(bytes, wanted, length) == 0;
    free(bytes);
    return equal;
}

static bool a_sync_fails(void)
{
    fdatasync_error = EIO;
    return visits_sync(&visits, visits.size) == -1;
}

/* A log that holds LINES. */
static bool start(const char *lines)
{
    folder = folder_make();
    visits_init(&visits, folder);
    return visits_open(&visits, &report) == 0 && append(lines) == 0;
}

static void end(void)
{
    fdatasync_error = ftruncate_error = 0;
    (void)visits_close(&visits);
    folder_remove(folder);
}

static void somebody_else_writes(void)
{
    before_write = NULL;
    ok(append_of_somebody_else(LINE_B), "somebody else writes a line just before a write");
}

static void somebody_else_empties(void)
{
    before_write = NULL;
    ok(truncate(folder_path(folder, VISITS_FILE), 0) == 0,
       "somebody else empties the file just before a write");
}

static void expect_cut(void)
{
    bool started = start(LINE_A);
    before_write = somebody_else_writes;
    ok(started && append_within(LINE_C, 2 * LINE_LENGTH + 5) == -1 && errno == EFBIG,
       "a write fails after somebody else has written to the file");
    ok(append(LINE_A) == -1, "then nothing is written until it is known what is whose");
    ok(visits_tend(&visits, &report) == 1 && visits.count == 2 && report.torn == 5,
       "which reading it anew tells");
    ok(append(LINE_A) == 0 && file_is(LINE_A LINE_B LINE_A),
       "and neither their line nor a later one of ours was cut off");
    end();

    started = start(LINE_A LINE_B);
    before_write = somebody_else_empties;
    ok(started && append_within(LINE_C, 10) == -1 && errno == EFBIG,
       "a write fails after somebody has shortened the file");
    ok(append(LINE_C) == -1 && visits_tend(&visits, &report) == 1 && visits.count == 0 &&
           append(LINE_C) == 0 && file_is(LINE_C),
       "it is taken up as it is, and not filled up with NULs");
    end();

    started = start(LINE_A);
    ftruncate_error = EIO;
    ok(started && append_within(LINE_B, LINE_LENGTH + 7) == -1 && append(LINE_B) == -1 &&
           errno == EIO && visits_tend(&visits, &report) == -1 && file_is(LINE_A "2022-11"),
       "what a failed write has left cannot be cut off");
    folder_write(folder, "new", LINE_C, LINE_LENGTH);
    char *from = strdup(folder_path(folder, "new"));
    ok(rename(from, folder_path(folder, VISITS_FILE)) == 0 && visits_tend(&visits, &report) == 1 &&
           append(LINE_B) == 0 && file_is(LINE_C LINE_B),
       "a file that is put in its place is taken up all the same");
    free(from);
    end();
}

static pthread_t syncing;

static void *sync_first_line(void *context)
{
    (void)context;
    return visits_sync(&visits, LINE_LENGTH) == 0 ? &visits : NULL;
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
    for (int ms = 0; failed_syncs == 0 || (!visits.sync_failed && ms < 100); ms++)
        (void)usleep(1000);
}

static void expect_failed_sync(void)
{
    bool started = start(LINE_A);
    before_write = fail_a_sync;
    void *synced = NULL;
    ok(started && append(LINE_B) == 0 && pthread_join(syncing, &synced) == 0 && !synced,
       "a sync fails while another thread appends");
    same(visits_fault(&visits), EIO, "the append that succeeds does not hide that");
    fdatasync_error = 0;
    ok(append(LINE_C) == -1 && errno == EIO && visits_sync(&visits, LINE_LENGTH) == -1 &&
           visits_tend(&visits, &report) == -1 && file_is(LINE_A LINE_B),
       "and nothing is recorded or promised from then on, though a sync would succeed");
    end();

    ok(start(LINE_A) && visits_sync(&visits, LINE_LENGTH) == 0 && append(LINE_B) == 0 &&
           a_sync_fails(),
       "a sync fails after one that has succeeded");
    visits_drop_unsynced(&visits);
    ok(file_is(LINE_A), "what was synced stays, what nobody was promised is taken out");
    end();

    ok(start(LINE_A) && visits_sync(&visits, LINE_LENGTH) == 0 && append(LINE_B) == 0 &&
           append_of_somebody_else(LINE_C) && a_sync_fails(),
       "the same after somebody else has written to the file");
    visits_drop_unsynced(&visits);
    ok(file_is(LINE_A LINE_B LINE_C), "nothing is taken out of it, since it may be theirs");
    end();
}

/* The file holds FOUND after somebody else has changed it: what came before the change has been
 * answered, and a line of ours with the wrong number, or none that anybody will find, is refused.
 */
static void expect_taken_up(const char *how, const char *found, unsigned count)
{
    char whole[4 * LINE_LENGTH + 1];
    (void)snprintf(whole, sizeof whole, "%s" LINE_C, found);
    errno = 0;
    ok(append(LINE_C) == -1 && errno == ESTALE, "%s: a visit is refused", how);
    ok(visits_fault(&visits) == ESTALE && append(LINE_C) == -1 && errno == ESTALE,
       "%s: and so is the next", how);
    ok(visits_tend(&visits, &report) == 1 && visits_fault(&visits) == 0, "%s: it is taken up", how);
    same((long long)visits.count, count, "%s: with the lines that it has", how);
    ok(append(LINE_C) == 0 && visits.count == count + 1 && file_is(whole),
       "%s: and the next visit has the number of its line", how);
    end();
}

static void expect_changes_of_somebody_else(void)
{
    bool begun = start(LINE_A);
    before_write = somebody_else_writes;
    errno = 0;
    ok(begun && append(LINE_C) == -1 && errno == ESTALE,
       "a visit whose line lands behind somebody else's is refused");
    ok(visits_tend(&visits, &report) == 1 && visits.count == 3 && append(LINE_A) == 0 &&
           visits.count == 4 && file_is(LINE_A LINE_B LINE_C LINE_A),
       "and no later visit has a number that is not its line's");
    end();
    ok(start(LINE_A) && append_of_somebody_else(LINE_B), "somebody else writes a line");
    expect_taken_up("a line of somebody else's", LINE_A LINE_B, 2);
    ok(start(LINE_A LINE_B) && truncate(folder_path(folder, VISITS_FILE), 2 * LINE_LENGTH - 1) == 0,
       "the last newline is taken away");
    expect_taken_up("without its last newline", LINE_A LINE_B, 2);
    ok(start(LINE_A LINE_B) && truncate(folder_path(folder, VISITS_FILE), LINE_LENGTH) == 0,
       "the last line is taken away");
    expect_taken_up("without its last line", LINE_A, 1);
    ok(start(LINE_A) && unlink(folder_path(folder, VISITS_FILE)) == 0, "the file is removed");
    expect_taken_up("a file that was removed", "", 0);
    bool started = start(LINE_A);
    folder_write(folder, "new", LINE_B, LINE_LENGTH);
    char *from = strdup(folder_path(folder, "new"));
    ok(started && rename(from, folder_path(folder, VISITS_FILE)) == 0, "the file is replaced");
    free(from);
    expect_taken_up("a file that was replaced", LINE_B, 1);
}

void test_visits_faults(void)
{
    expect_cut();
    expect_failed_sync();
    expect_changes_of_somebody_else();
}
