#include "visits.h"

#include "clock.h"
#include "io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Holds if any thread has the lock: pthreads cannot tell which. */
#define assert_locked(lock) assert(pthread_mutex_trylock(lock) == EBUSY)

/* sync_lock first: waiting for a slow fdatasync(2) must not hold up appends. */
static void lock_both(struct visits *visits)
{
    pthread_mutex_lock(&visits->sync_lock);
    pthread_mutex_lock(&visits->append_lock);
}

static void unlock_both(struct visits *visits)
{
    pthread_mutex_unlock(&visits->append_lock);
    pthread_mutex_unlock(&visits->sync_lock);
}

static void assert_both_locked(struct visits *visits)
{
    assert_locked(&visits->sync_lock);
    assert_locked(&visits->append_lock);
    (void)visits;
}

void visits_init(struct visits *visits, const char *path)
{
    *visits = (struct visits){
        .folder_path = path, .state = VISITS_CLOSED, .fault = EAGAIN, .mark = {.fd = -1}};
    pthread_mutex_init(&visits->append_lock, NULL);
    pthread_mutex_init(&visits->sync_lock, NULL);
}

/* The four changes of state: each is made in one function. */

static void become_open(struct visits *visits, struct visits_file *file)
{
    assert_both_locked(visits);
    assert(visits->state == VISITS_CLOSED || visits->state == VISITS_STALE);
    visits_release(visits->file);
    visits->file = file;
    durable_mark_close(&visits->mark);
    durable_mark_open(&visits->mark, file->directory, file->fd, file->found.size);
    visits->recent = file->recent;
    visits->uniform_from = file->found.uniform_from;
    visits->count = file->found.count;
    visits->size = file->found.size;
    visits->durable_size = file->found.size;
    visits->partial_size = 0;
    visits->fault = 0;
    visits->state = VISITS_OPEN;
}

/* Returns -1 with errno ESTALE. */
static int become_stale(struct visits *visits)
{
    assert_locked(&visits->append_lock);
    assert(visits->state == VISITS_OPEN);
    visits->fault = ESTALE;
    visits->state = VISITS_STALE;
    errno = ESTALE;
    return -1;
}

static void become_failed(struct visits *visits, int error)
{
    assert_both_locked(visits);
    assert(visits->state != VISITS_FAILED);
    visits->was_open = visits->state == VISITS_OPEN;
    visits->fault = error;
    visits->state = VISITS_FAILED;
}

/* FAILED stays so. */
static void become_closed(struct visits *visits)
{
    assert_both_locked(visits);
    assert(visits->file && visits->state != VISITS_CLOSED);
    visits_release(visits->file);
    visits->file = NULL;
    durable_mark_close(&visits->mark);
    if (visits->state == VISITS_FAILED)
        return;
    visits->fault = EAGAIN;
    visits->state = VISITS_CLOSED;
}

/* Opens or reopens it. Returns 0, or -1 with the errno in `fault`: what was open stays open then.
 */
static int open_in_place(struct visits *visits, struct visits_report *ret_report)
{
    struct visits_file *old = visits->file;
    bool sync_failed = false;
    assert_both_locked(visits);
    /* The sync of a batch in the old file may still be to come, and would sync only the new one. */
    if (old && sync_data(old->fd) != 0) {
        durable_forget(old->directory);
        become_failed(visits, errno);
        return -1;
    }
    /* If it is still the same file, its old lock would exclude the new one (flock(2)). Nothing is
     * written between the two. */
    if (old)
        (void)flock(old->fd, LOCK_UN);
    struct visits_file *file = opening_open(visits->folder_path, !old, &visits->torn, &sync_failed);
    if (file) {
        become_open(visits, file);
        *ret_report = file->found;
        return 0;
    }
    visits->fault = errno;
    if (sync_failed)
        become_failed(visits, visits->fault);
    return -1;
}

int visits_open(struct visits *visits, struct visits_report *ret_report)
{
    lock_both(visits);
    assert(visits->state == VISITS_CLOSED);
    int result = open_in_place(visits, ret_report), error = visits->fault;
    unlock_both(visits);
    errno = error;
    return result;
}

static bool is_as_long_as_left(const struct visits *visits, const struct stat *status)
{
    return (uint64_t)status->st_size == visits->size + visits->partial_size;
}

/* Finds the file as it was left and truncates what a failed write left, or becomes STALE. */
static int truncate_partial(struct visits *visits)
{
    struct stat status;
    assert_locked(&visits->append_lock);
    assert(visits->state == VISITS_OPEN);
    if (fstat(visits->file->fd, &status) != 0)
        return -1;
    if (status.st_nlink == 0 || !is_as_long_as_left(visits, &status))
        return become_stale(visits);
    if (visits->partial_size > 0 && ftruncate(visits->file->fd, (off_t)visits->size) != 0)
        return -1;
    visits->partial_size = 0;
    return 0;
}

/* Did the last write(2) end at END? O_APPEND puts it at the end of the file, wherever that is by
 * then, and leaves the position behind it (open(2)). */
static bool ends_at(const struct visits *visits, uint64_t end)
{
    return (uint64_t)lseek(visits->file->fd, 0, SEEK_CUR) == end;
}

/* Appends all SIZE bytes, or leaves the file as it was. What has landed behind the bytes of another
 * process stays there. `size` is for the caller to set: until then they are a partial write. */
static int write_whole(struct visits *visits, const char *data, size_t size)
{
    if (truncate_partial(visits) != 0)
        return -1;
    if (write_all(visits->file->fd, data, size, &visits->partial_size) == 0)
        return ends_at(visits, visits->size + size) ? 0 : become_stale(visits);
    assert(visits->partial_size < size);
    int saved_errno = errno;
    (void)truncate_partial(visits);
    errno = saved_errno;
    return -1;
}

static void remember_recent(struct visits_recent *recent, const char *lines, size_t count)
{
    unsigned fresh = count < VISITS_RECENT ? (unsigned)count : VISITS_RECENT;
    unsigned kept = recent->count < VISITS_RECENT - fresh ? recent->count : VISITS_RECENT - fresh;
    memmove(recent->lines, recent->lines[recent->count - kept], (size_t)kept * LINE_LENGTH);
    memcpy(recent->lines[kept], lines + (count - fresh) * LINE_LENGTH, (size_t)fresh * LINE_LENGTH);
    recent->count = kept + fresh;
}

int visits_append(struct visits *visits, const char *lines, size_t count, uint64_t *ret_first,
                  uint64_t *ret_end, struct visits_recent *ret_recent)
{
    assert(count > 0);
    size_t size = count * LINE_LENGTH;
    int result = -1, error = 0;
    pthread_mutex_lock(&visits->append_lock);
    if (visits->state != VISITS_OPEN) {
        error = visits->fault;
    } else if (write_whole(visits, lines, size) != 0) {
        error = errno;
        visits->fault = error;
        visits->refused = error;
    } else {
        *ret_first = visits->count + 1;
        *ret_end = visits->size + size;
        *ret_recent = visits->recent;
        remember_recent(&visits->recent, lines, count);
        visits->count += count;
        visits->size += size;
        visits->partial_size = 0;
        visits->fault = 0;
        result = 0;
    }
    pthread_mutex_unlock(&visits->append_lock);
    errno = error;
    return result;
}

/* Appends go on meanwhile. */
static int sync_now(struct visits *visits, uint64_t *ret_duration_ns)
{
    assert_locked(&visits->sync_lock);
    assert(visits->file);
    uint64_t size = visits->size;
    int64_t since_ns = clock_ns();
    int result = sync_data(visits->file->fd), saved_errno = errno;
    *ret_duration_ns = (uint64_t)(clock_ns() - since_ns);
    if (result == 0) {
        assert(visits->durable_size <= size && size <= visits->size);
        visits->durable_size = size;
        if (visits->mark.size <= size && size - visits->mark.size >= DURABLE_STEP)
            durable_mark_write(&visits->mark, visits->file->fd, size);
        return 0;
    }
    durable_forget(visits->file->directory); /* the next start is to look at all of the file */
    /* An append under way has found it OPEN, and would clear `fault`. */
    pthread_mutex_lock(&visits->append_lock);
    become_failed(visits, saved_errno);
    pthread_mutex_unlock(&visits->append_lock);
    return -1;
}

int visits_sync(struct visits *visits, uint64_t end, uint64_t *ret_duration_ns)
{
    int result = 0, error = 0;
    uint64_t duration_ns = 0;
    pthread_mutex_lock(&visits->sync_lock);
    if (visits->durable_size < end) {
        result = visits_has_failed(visits) ? -1 : sync_now(visits, &duration_ns);
        error = result == 0 ? 0 : visits->fault;
    }
    pthread_mutex_unlock(&visits->sync_lock);
    *ret_duration_ns = duration_ns;
    errno = error;
    return result;
}

/* Writes a line's worth of bytes that no reader takes for a line, and truncates them again. */
static void probe(struct visits *visits)
{
    char bytes[LINE_LENGTH];
    memset(bytes, '#', sizeof bytes);
    if (write_whole(visits, bytes, sizeof bytes) != 0 || truncate_partial(visits) != 0)
        visits->fault = errno;
    else
        visits->fault = 0;
}

static void maintain_open(struct visits *visits)
{
    if (!opening_is_in_place(visits->file, visits->folder_path,
                             visits->size + visits->partial_size)) {
        (void)become_stale(visits);
        return;
    }
    if (visits->durable_size > visits->mark.size)
        durable_mark_write(&visits->mark, visits->file->fd, visits->durable_size);
    if (visits->fault || visits->partial_size > 0)
        probe(visits);
}

/* A file of gigabytes that another process keeps changing, or whose end cannot be repaired, is not
 * read all the time. */
static int reopen(struct visits *visits, struct visits_report *ret_report)
{
    enum { SHORT_MS = 100, PAUSE_FACTOR = 4, PAUSE_MAX_MS = 60000 };
    int64_t since_ms = clock_ms();
    int result = open_in_place(visits, ret_report);
    int64_t now_ms = clock_ms(), pause_ms = (now_ms - since_ms) * PAUSE_FACTOR;
    pause_ms = now_ms - since_ms < SHORT_MS ? 0 : pause_ms;
    visits->reopen_after_ms = now_ms + (pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS);
    return result;
}

int visits_tend(struct visits *visits, struct visits_report *ret_report)
{
    lock_both(visits);
    bool has_read = false;
    if (visits->state == VISITS_OPEN)
        maintain_open(visits);
    if ((visits->state == VISITS_CLOSED || visits->state == VISITS_STALE) &&
        clock_ms() >= visits->reopen_after_ms)
        has_read = reopen(visits, ret_report) == 0;
    int error = visits->fault;
    assert(error || visits->state == VISITS_OPEN);
    unlock_both(visits);
    errno = error;
    return error ? -1 : has_read;
}

int visits_snapshot(struct visits *visits, struct listing_range *ret_range,
                    struct visits_file **ret_file)
{
    pthread_mutex_lock(&visits->append_lock);
    struct visits_file *file = visits->file;
    if (file) {
        atomic_fetch_add(&file->users, 1);
        *ret_range = (struct listing_range){.file = file->fd,
                                            .size = visits->size,
                                            .count = visits->count,
                                            .uniform_from = visits->uniform_from};
        *ret_file = file;
    }
    pthread_mutex_unlock(&visits->append_lock);
    if (!file)
        errno = visits_fault(visits);
    return file ? 0 : -1;
}

int visits_fault(const struct visits *visits)
{
    return atomic_load_explicit(&visits->fault, memory_order_relaxed);
}

bool visits_has_failed(const struct visits *visits)
{
    return visits->state == VISITS_FAILED;
}

int visits_take_refused(struct visits *visits)
{
    return atomic_exchange(&visits->refused, 0);
}

void visits_drop_unsynced(struct visits *visits)
{
    struct stat status;
    lock_both(visits);
    if (visits_has_failed(visits) && visits->was_open && visits->file &&
        fstat(visits->file->fd, &status) == 0 && is_as_long_as_left(visits, &status) &&
        ftruncate(visits->file->fd, (off_t)visits->durable_size) == 0) {
        assert((visits->size - visits->durable_size) % LINE_LENGTH == 0);
        visits->count -= (visits->size - visits->durable_size) / LINE_LENGTH;
        visits->size = visits->durable_size;
        visits->partial_size = 0;
    }
    unlock_both(visits);
}

int visits_close(struct visits *visits)
{
    uint64_t duration_ns;
    if (!visits->file)
        return 0;
    int result = visits_sync(visits, visits->size, &duration_ns), saved_errno = errno;
    lock_both(visits);
    if (result == 0 && visits->mark.size != visits->durable_size)
        durable_mark_write(&visits->mark, visits->file->fd, visits->durable_size);
    become_closed(visits);
    unlock_both(visits);
    errno = saved_errno;
    return result;
}
