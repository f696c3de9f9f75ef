#include "log/visit_log.h"

#include "base/clock.h"
#include "base/io.h"
#include "log/progress.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* An append waits for so long while the file is read; most files are read in less. */
enum { APPEND_WAITS_MS = 100 };

/* True if any thread holds the lock: pthreads cannot tell which one. */
#define assert_locked(lock) assert(pthread_mutex_trylock(lock) == EBUSY)

/* sync_lock first: a thread that waits for a slow fdatasync(2) must not block appends. */
static void lock_both(struct visit_log *log)
{
    pthread_mutex_lock(&log->sync_lock);
    pthread_mutex_lock(&log->append_lock);
}

static void unlock_both(struct visit_log *log)
{
    pthread_mutex_unlock(&log->append_lock);
    pthread_mutex_unlock(&log->sync_lock);
}

static void assert_both_locked(struct visit_log *log)
{
    assert_locked(&log->sync_lock);
    assert_locked(&log->append_lock);
    (void)log;
}

void visit_log_init(struct visit_log *log, const char *path)
{
    *log = (struct visit_log){
        .directory_path = path, .state = LOG_CLOSED, .fault = EINPROGRESS, .mark = {.fd = -1}};
    pthread_mutex_init(&log->append_lock, NULL);
    pthread_mutex_init(&log->sync_lock, NULL);
}

/* Each of the four state changes has one function. */

static void become_open(struct visit_log *log, struct log_file *file)
{
    assert_both_locked(log);
    assert(log->state == LOG_CLOSED || log->state == LOG_STALE);
    log_file_supersede(log->file);
    log->file = file;
    durable_mark_close(&log->mark);
    durable_mark_open(&log->mark, file->directory, file->fd, file->found.size);
    log->recent = file->recent;
    log->fixed_width_from = file->found.fixed_width_from;
    log->count = file->found.count;
    log->size = file->found.size;
    log->durable_size = file->found.size;
    log->partial_size = 0;
    log->state = LOG_OPEN;
    log->fault = 0;
}

/* Returns -1 with errno ERROR. */
static int become_stale(struct visit_log *log, int error)
{
    assert_locked(&log->append_lock);
    assert(log->state == LOG_OPEN);
    log->fault = error;
    log->state = LOG_STALE;
    errno = error;
    return -1;
}

static void become_failed(struct visit_log *log, int error)
{
    assert_both_locked(log);
    assert(log->state != LOG_FAILED);
    log->was_open = log->state == LOG_OPEN;
    log->fault = error;
    log->state = LOG_FAILED;
}

/* FAILED stays FAILED. */
static void become_closed(struct visit_log *log)
{
    assert_both_locked(log);
    assert(log->file && log->state != LOG_CLOSED);
    log_file_supersede(log->file);
    log->file = NULL;
    durable_mark_close(&log->mark);
    if (log->state == LOG_FAILED)
        return;
    log->fault = EAGAIN;
    log->state = LOG_CLOSED;
}

/* Opens or reopens the file. Returns 0, or -1 with the errno in `fault`; an open file then stays
 * open. Unlocks while it reads, which may take minutes. */
static int open_in_place(struct visit_log *log, struct recovery *ret_recovery)
{
    struct log_file *old = log->file;
    bool sync_failed = false;
    assert_both_locked(log);
    /* A batch in the old file may not be synced yet, and a later sync would sync the new file only.
     * If the old descriptor is dead, the batch may be lost, which only FAILED reports. */
    if (old && log->durable_size < log->size && sync_data(old->fd) != 0) {
        durable_forget(old->directory);
        become_failed(log, errno);
        return -1;
    }
    /* If the file is the same, the old lock would exclude the new one (flock(2)). Nothing is
     * written between unlocking and locking. */
    if (old)
        (void)flock(old->fd, LOCK_UN);
    log->durable_size = log->size;
    log->fault = EINPROGRESS;
    log->append_waits_until_ms = clock_ms() + APPEND_WAITS_MS;
    progress_set("opening " VISITS_FILE, 0, 0);
    unlock_both(log);
    struct log_file *file = log_file_open(log->directory_path, !old, &log->torn, &sync_failed);
    int error = errno;
    lock_both(log);
    if (visit_log_has_failed(log)) { /* by a late sync of the old file */
        log_file_release(file);
        return -1;
    }
    if (file) {
        become_open(log, file);
        *ret_recovery = file->found;
        return 0;
    }
    log->fault = error;
    /* A full volume may report it only now. Without an old file the next attempt trusts no more of
     * it than another process would. */
    if (sync_failed && (old || !is_no_space(error)))
        become_failed(log, error);
    return -1;
}

int visit_log_open(struct visit_log *log, struct recovery *ret_recovery)
{
    lock_both(log);
    assert(log->state == LOG_CLOSED);
    int result = open_in_place(log, ret_recovery), error = log->fault;
    unlock_both(log);
    errno = error;
    return result;
}

static bool has_expected_size(const struct visit_log *log, const struct stat *status)
{
    return (uint64_t)status->st_size == log->size + log->partial_size;
}

/* Returns -1. Becomes STALE if the errno of the last call is one of a dead descriptor; with
 * another errno it may still be good. */
static int fail(struct visit_log *log)
{
    static const unsigned char dead[] = {ESTALE, ENOTCONN, ENODEV, ECONNABORTED, EBADF};
    return memchr(dead, errno, sizeof dead) ? become_stale(log, EBADFD) : -1;
}

/* Checks that the file has the size that this process has left, and truncates a partial write.
 * Becomes STALE if another process has changed the size. Returns 0, or -1 with errno. */
static int truncate_partial(struct visit_log *log)
{
    struct stat status;
    assert_locked(&log->append_lock);
    assert(log->state == LOG_OPEN);
    if (fstat(log->file->fd, &status) != 0)
        return become_stale(log, EBADFD);
    if (status.st_nlink == 0 || !has_expected_size(log, &status))
        return become_stale(log, ESTALE);
    if (log->partial_size > 0 && ftruncate(log->file->fd, (off_t)log->size) != 0)
        return fail(log);
    log->partial_size = 0;
    return 0;
}

/* Did the last write(2) end at END? O_APPEND puts it at the end of the file, wherever that is by
 * then, and leaves the position behind it (open(2)). */
static bool ends_at(const struct visit_log *log, uint64_t end)
{
    return (uint64_t)lseek(log->file->fd, 0, SEEK_CUR) == end;
}

/* Appends all SIZE bytes, or restores the file. Bytes that are after those of another process stay
 * there. The caller updates log->size: until then the bytes count as a partial write. */
static int write_whole(struct visit_log *log, const char *data, size_t size)
{
    if (truncate_partial(log) != 0)
        return -1;
    if (write_all(log->file->fd, data, size, &log->partial_size) == 0)
        return ends_at(log, log->size + size) ? 0 : become_stale(log, ESTALE);
    assert(log->partial_size < size);
    int saved_errno = errno;
    (void)fail(log);
    if (log->state == LOG_OPEN) {
        (void)truncate_partial(log);
        errno = saved_errno;
    }
    return -1;
}

static void remember_recent(struct recent_lines *recent, const char *lines, size_t count)
{
    unsigned fresh = count < RECENT_LINES ? (unsigned)count : RECENT_LINES;
    unsigned kept = recent->count < RECENT_LINES - fresh ? recent->count : RECENT_LINES - fresh;
    memmove(recent->lines, recent->lines[recent->count - kept], (size_t)kept * LINE_LENGTH);
    memcpy(recent->lines[kept], lines + (count - fresh) * LINE_LENGTH, (size_t)fresh * LINE_LENGTH);
    recent->count = kept + fresh;
}

int visit_log_append(struct visit_log *log, const char *lines, size_t count, uint64_t *ret_first,
                     uint64_t *ret_end, struct recent_lines *ret_recent)
{
    assert(count > 0);
    size_t size = count * LINE_LENGTH;
    int result = -1, error = 0;
    pthread_mutex_lock(&log->append_lock);
    while (log->fault == EINPROGRESS && clock_ms() < log->append_waits_until_ms) {
        pthread_mutex_unlock(&log->append_lock);
        (void)poll(NULL, 0, 1);
        pthread_mutex_lock(&log->append_lock);
    }
    if (log->state != LOG_OPEN) {
        error = log->fault;
    } else if (write_whole(log, lines, size) != 0) {
        error = errno;
        log->fault = error;
        log->refused = error;
    } else {
        *ret_first = log->count + 1;
        *ret_end = log->size + size;
        *ret_recent = log->recent;
        remember_recent(&log->recent, lines, count);
        log->count += count;
        log->size += size;
        log->partial_size = 0;
        log->fault = 0;
        result = 0;
    }
    pthread_mutex_unlock(&log->append_lock);
    errno = error;
    return result;
}

/* Other threads may append meanwhile. */
static int sync_now(struct visit_log *log, uint64_t *ret_duration_ns)
{
    assert_locked(&log->sync_lock);
    assert(log->file);
    uint64_t size = log->size;
    int64_t since_ns = clock_ns();
    int result = sync_data(log->file->fd), saved_errno = errno;
    *ret_duration_ns = (uint64_t)(clock_ns() - since_ns);
    if (result == 0) {
        assert(log->durable_size <= size && size <= log->size);
        log->durable_size = size;
        if (log->mark.size <= size && size - log->mark.size >= DURABLE_STEP)
            durable_mark_write(&log->mark, log->file->fd, size);
        return 0;
    }
    durable_forget(log->file->directory); /* the next start must compare the whole file */
    /* Wait for an append that has seen OPEN: it would clear `fault`. */
    pthread_mutex_lock(&log->append_lock);
    become_failed(log, saved_errno);
    pthread_mutex_unlock(&log->append_lock);
    return -1;
}

int visit_log_sync(struct visit_log *log, uint64_t end, uint64_t *ret_duration_ns)
{
    int result = 0, error = 0;
    uint64_t duration_ns = 0;
    pthread_mutex_lock(&log->sync_lock);
    if (log->durable_size < end) {
        result = visit_log_has_failed(log) ? -1 : sync_now(log, &duration_ns);
        error = result == 0 ? 0 : log->fault;
    }
    pthread_mutex_unlock(&log->sync_lock);
    *ret_duration_ns = duration_ns;
    errno = error;
    return result;
}

/* Could a line be written and synced? Writes no byte into the file, since it may be impossible to
 * remove it again: reserves the space behind its end, which its size does not show (fallocate(2)),
 * and writes to another file. Returns 0, or -1 with errno. */
static int probe_write(struct visit_log *log)
{
    struct rlimit limit;
    if (truncate_partial(log) != 0)
        return -1;
    errno = EFBIG;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < log->size + LINE_LENGTH)
        return -1;
    if (fallocate(log->file->fd, FALLOC_FL_KEEP_SIZE, (off_t)log->size, LINE_LENGTH) != 0 &&
        !is_unsupported(errno))
        return fail(log);
    if (durable_probe(log->file->directory) != 0)
        return -1;
    durable_remove_probe(log->file->directory);
    return 0;
}

static void maintain_open(struct visit_log *log)
{
    if (!log_file_is_in_place(log->file, log->directory_path, log->size + log->partial_size)) {
        (void)become_stale(log, ESTALE);
        return;
    }
    if (log->durable_size > log->mark.size) {
        durable_mark_write(&log->mark, log->file->fd, log->durable_size);
        durable_remove_probe(log->file->directory);
    }
    if (!log->fault && log->partial_size == 0)
        return;
    int fault = log->fault;
    if (probe_write(log) != 0)
        log->fault = errno;
    else if (fault && !is_no_space(fault) && fault != EFBIG && fault != EROFS)
        (void)become_stale(log, EBADFD); /* the volume is good: our descriptor may not be */
    else
        log->fault = 0;
}

/* Pauses after a reopening that took long: otherwise a file of gigabytes would be read all the time
 * if another process keeps changing it, or if its end cannot be repaired. */
static int reopen(struct visit_log *log, struct recovery *ret_recovery)
{
    enum { SHORT_MS = 100, PAUSE_FACTOR = 4, PAUSE_MAX_MS = 60000 };
    int64_t since_ms = clock_ms();
    int result = open_in_place(log, ret_recovery);
    int64_t now_ms = clock_ms(), pause_ms = (now_ms - since_ms) * PAUSE_FACTOR;
    pause_ms = now_ms - since_ms < SHORT_MS ? 0 : pause_ms;
    log->reopen_after_ms = now_ms + (pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS);
    return result;
}

int visit_log_maintain(struct visit_log *log, struct recovery *ret_recovery)
{
    lock_both(log);
    bool has_read = false;
    if (log->state == LOG_OPEN)
        maintain_open(log);
    if ((log->state == LOG_CLOSED || log->state == LOG_STALE) && clock_ms() >= log->reopen_after_ms)
        has_read = reopen(log, ret_recovery) == 0;
    int error = log->fault;
    assert(error || log->state == LOG_OPEN);
    unlock_both(log);
    errno = error;
    return error ? -1 : has_read;
}

int visit_log_snapshot(struct visit_log *log, struct log_snapshot *ret_range,
                       struct log_file **ret_file)
{
    pthread_mutex_lock(&log->append_lock);
    struct log_file *file = log->file;
    int fault = visit_log_fault(log);
    if (file) {
        atomic_fetch_add(&file->users, 1);
        *ret_range = (struct log_snapshot){.fd = file->fd,
                                           .size = log->size,
                                           .count = log->count,
                                           .fixed_width_from = log->fixed_width_from};
        *ret_file = file;
    }
    pthread_mutex_unlock(&log->append_lock);
    errno = fault;
    return file ? 0 : -1;
}

int visit_log_fault(const struct visit_log *log)
{
    return atomic_load_explicit(&log->fault, memory_order_relaxed);
}

bool visit_log_has_failed(const struct visit_log *log)
{
    return log->state == LOG_FAILED;
}

bool visit_log_is_stale(int error)
{
    return error == ESTALE || error == EBADFD;
}

int visit_log_take_refused(struct visit_log *log)
{
    return atomic_exchange(&log->refused, 0);
}

void visit_log_truncate_unsynced(struct visit_log *log)
{
    struct stat status;
    lock_both(log);
    if (visit_log_has_failed(log) && log->was_open && log->file &&
        fstat(log->file->fd, &status) == 0 && has_expected_size(log, &status) &&
        ftruncate(log->file->fd, (off_t)log->durable_size) == 0) {
        assert((log->size - log->durable_size) % LINE_LENGTH == 0);
        log->count -= (log->size - log->durable_size) / LINE_LENGTH;
        log->size = log->durable_size;
        log->partial_size = 0;
    }
    unlock_both(log);
}

int visit_log_close(struct visit_log *log)
{
    uint64_t duration_ns;
    if (!log->file)
        return 0;
    int result = visit_log_sync(log, log->size, &duration_ns), saved_errno = errno;
    lock_both(log);
    /* After truncate_unsynced there is nothing left to sync. */
    if (log->state == LOG_FAILED) {
        result = -1;
        saved_errno = log->fault;
    }
    if (result == 0 && log->mark.size != log->durable_size)
        durable_mark_write(&log->mark, log->file->fd, log->durable_size);
    become_closed(log);
    unlock_both(log);
    errno = saved_errno;
    return result;
}
