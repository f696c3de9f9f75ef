#include "visits.h"

#include "clock.h"
#include "durable.h"
#include "io.h"
#include "opening.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void visits_init(struct visits *visits, const char *path)
{
    *visits = (struct visits){.folder_path = path, .folder = -1, .mark = -1, .detached = true};
    visits->fault = EAGAIN;
    pthread_mutex_init(&visits->append_lock, NULL);
    pthread_mutex_init(&visits->sync_lock, NULL);
}

void visits_release(struct visits_file *file)
{
    if (!file || atomic_fetch_sub(&file->users, 1) > 1)
        return;
    (void)close(file->file);
    free(file);
}

/* Closes what is open. The caller holds both locks. */
static void close_all(struct visits *visits)
{
    if (!visits->file)
        return;
    visits_release(visits->file);
    (void)close(visits->folder);
    if (visits->mark >= 0)
        (void)close(visits->mark);
    visits->file = NULL;
    visits->folder = visits->mark = -1;
}

/* Records that the first SIZE bytes are durable. A mark that cannot be written says less than is
 * true, and that does no harm. The caller holds sync_lock. */
static void mark_durable(struct visits *visits, uint64_t size)
{
    if (visits->mark >= 0 && durable_write(visits->mark, visits->file->file, size) == 0)
        visits->marked = size;
}

/* Puts OPENED in place of what was open; on failure that stays, and OPENED is closed. */
static int install(struct visits *visits, const struct opened *opened)
{
    struct visits_file *file = malloc(sizeof *file);
    if (!file) {
        close_keeping_errno(opened->file);
        close_keeping_errno(opened->folder);
        return -1;
    }
    close_all(visits);
    file->file = opened->file;
    file->users = 1;
    visits->file = file;
    visits->folder = opened->folder;
    visits->mark = durable_open(opened->folder);
    visits->marked = UINT64_MAX;
    mark_durable(visits, opened->found.size);
    /* What it said of a longer file must not be believed of this one once it has grown. */
    if (visits->marked != opened->found.size)
        (void)durable_forget(opened->folder);
    return 0;
}

/* The lock of the sync first: who waits for a slow fdatasync(2) must not hold up appends. */
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

/* The caller holds both locks. */
static int open_in_place(struct visits *visits, struct visits_report *ret_report)
{
    struct opened opened;
    bool sync_failed = false;
    /* A batch that is in the old file and not synced yet would be synced in the new one, in vain.
     */
    if (visits->file && sync_data(visits->file->file) != 0) {
        visits->fault = errno;
        (void)durable_forget(visits->folder);
        visits->sync_failed = true;
        return -1;
    }
    /* Where it is still the same file, its old lock would keep out the new one (flock(2)). Nothing
     * is written between the two. */
    if (visits->file)
        (void)flock(visits->file->file, LOCK_UN);
    if (opening_open(visits->folder_path, !visits->file, &visits->torn, &opened, ret_report,
                     &sync_failed) != 0 ||
        install(visits, &opened) != 0) {
        visits->detached = true;
        visits->fault = errno;
        visits->sync_failed = sync_failed;
        return -1;
    }
    visits->recent = opened.recent;
    visits->uniform_from = opened.found.uniform_from;
    visits->count = opened.found.count;
    visits->size = opened.found.size;
    visits->synced = opened.found.size;
    visits->tail = 0;
    visits->detached = false;
    visits->fault = 0;
    return 0;
}

int visits_open(struct visits *visits, struct visits_report *ret_report)
{
    lock_both(visits);
    int result = open_in_place(visits, ret_report);
    unlock_both(visits);
    return result;
}

static bool is_as_long_as_left(const struct visits *visits, const struct stat *file)
{
    return (uint64_t)file->st_size == visits->size + visits->tail;
}

/* Finds the file as it was left, and cuts off what a failed write did. If somebody else has removed
 * it or changed its length, the number that the next line would be answered with is no longer its
 * own, and to cut would take away what they have written or fill up with NULs what they have
 * shortened: it has to be read anew. The caller holds append_lock. */
static int cut_tail(struct visits *visits)
{
    struct stat file;
    if (fstat(visits->file->file, &file) != 0)
        return -1;
    if (file.st_nlink == 0 || !is_as_long_as_left(visits, &file)) {
        visits->detached = true;
        errno = ESTALE;
        return -1;
    }
    if (visits->tail > 0 && ftruncate(visits->file->file, (off_t)visits->size) != 0)
        return -1;
    visits->tail = 0;
    return 0;
}

/* Did the last write(2) end where it should? O_APPEND puts it at the end of the file, wherever that
 * is by then, and leaves the position behind it (open(2)). */
static bool ends_at(const struct visits *visits, uint64_t end)
{
    return (uint64_t)lseek(visits->file->file, 0, SEEK_CUR) == end;
}

/* Writes a tail of SIZE bytes, or leaves the file as it was. What has landed behind the bytes of
 * somebody else stays there. The caller holds append_lock. */
static int write_tail(struct visits *visits, const char *data, size_t size)
{
    if (cut_tail(visits) != 0)
        return -1;
    if (write_all(visits->file->file, data, size, &visits->tail) == 0) {
        if (ends_at(visits, visits->size + size))
            return 0;
        visits->detached = true;
        errno = ESTALE;
        return -1;
    }
    int saved_errno = errno;
    (void)cut_tail(visits);
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
    if (visits->sync_failed || visits->detached) {
        error = visits->fault;
    } else if (write_tail(visits, lines, size) != 0) {
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
        visits->tail = 0;
        visits->fault = 0;
        result = 0;
    }
    pthread_mutex_unlock(&visits->append_lock);
    errno = error;
    return result;
}

/* The caller holds sync_lock. */
static int sync_now(struct visits *visits, uint64_t *ret_duration_ns)
{
    uint64_t size = visits->size;
    int64_t since_ns = clock_ns();
    int result = sync_data(visits->file->file), saved_errno = errno;
    *ret_duration_ns = (uint64_t)(clock_ns() - since_ns);
    if (result == 0) {
        visits->synced = size;
        if (visits->marked <= size && size - visits->marked >= DURABLE_STEP)
            mark_durable(visits, size);
        return 0;
    }
    (void)durable_forget(visits->folder); /* the next start is to look at all of the file */
    /* An append under way has looked at `sync_failed` already and would clear `fault`. */
    pthread_mutex_lock(&visits->append_lock);
    visits->fault = saved_errno;
    visits->sync_failed = true;
    pthread_mutex_unlock(&visits->append_lock);
    return -1;
}

int visits_sync(struct visits *visits, uint64_t end, uint64_t *ret_duration_ns)
{
    int result = 0, error = 0;
    uint64_t duration_ns = 0;
    pthread_mutex_lock(&visits->sync_lock);
    if (visits->synced < end) {
        result = visits->sync_failed ? -1 : sync_now(visits, &duration_ns);
        error = result == 0 ? 0 : visits->fault;
    }
    pthread_mutex_unlock(&visits->sync_lock);
    *ret_duration_ns = duration_ns;
    errno = error;
    return result;
}

static bool is_same(const struct stat *one, const struct stat *other)
{
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

/* Is the file of that name still the one that is open, and as long as it was left? When that cannot
 * be found out just now, it is. */
static bool is_in_place(const struct visits *visits)
{
    struct stat path, folder, named, opened;
    if (stat(visits->folder_path, &path) != 0 ||
        fstatat(visits->folder, VISITS_FILE, &named, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT && errno != ENOTDIR;
    if (fstat(visits->folder, &folder) != 0 || fstat(visits->file->file, &opened) != 0)
        return true;
    return is_same(&path, &folder) && is_same(&named, &opened) &&
           is_as_long_as_left(visits, &opened);
}

/* Writes a line's worth of bytes that no reader takes for a line, and cuts them off again. */
static void probe(struct visits *visits)
{
    char bytes[LINE_LENGTH];
    memset(bytes, '#', sizeof bytes);
    if (write_tail(visits, bytes, sizeof bytes) != 0 || cut_tail(visits) != 0)
        visits->fault = errno;
    else
        visits->fault = 0;
}

/* A file of gigabytes that another process keeps changing, or whose end cannot be repaired, is not
 * read all the time. The caller holds both locks. */
static int reopen(struct visits *visits, struct visits_report *ret_report)
{
    enum { SHORT_MS = 100, PAUSE_FACTOR = 4, PAUSE_MAX_MS = 60000 };
    int64_t since_ms = clock_ms();
    int result = open_in_place(visits, ret_report), saved_errno = errno;
    int64_t now_ms = clock_ms(), pause_ms = (now_ms - since_ms) * PAUSE_FACTOR;
    pause_ms = now_ms - since_ms < SHORT_MS ? 0 : pause_ms;
    visits->reopen_after_ms = now_ms + (pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS);
    errno = saved_errno;
    return result;
}

int visits_tend(struct visits *visits, struct visits_report *ret_report)
{
    int result = 0, error = 0;
    lock_both(visits);
    if (!visits->detached && !is_in_place(visits)) {
        visits->detached = true;
        visits->fault = ESTALE;
    }
    if (!visits->detached && !visits->sync_failed && visits->synced > visits->marked)
        mark_durable(visits, visits->synced);
    if (!visits->detached && !visits->sync_failed && (visits->fault || visits->tail > 0))
        probe(visits);
    if (!visits->sync_failed && visits->detached && clock_ms() >= visits->reopen_after_ms)
        result = reopen(visits, ret_report) == 0 ? 1 : -1;
    else if (visits->fault)
        result = -1;
    error = visits->fault;
    unlock_both(visits);
    errno = error;
    return result;
}

int visits_snapshot(struct visits *visits, struct listing_range *ret_range,
                    struct visits_file **ret_file)
{
    pthread_mutex_lock(&visits->append_lock);
    struct visits_file *file = visits->file;
    if (file) {
        atomic_fetch_add(&file->users, 1);
        *ret_range = (struct listing_range){.file = file->file,
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

int visits_take_refused(struct visits *visits)
{
    return atomic_exchange(&visits->refused, 0);
}

void visits_drop_unsynced(struct visits *visits)
{
    struct stat file;
    lock_both(visits);
    if (visits->sync_failed && !visits->detached && fstat(visits->file->file, &file) == 0 &&
        is_as_long_as_left(visits, &file) &&
        ftruncate(visits->file->file, (off_t)visits->synced) == 0) {
        visits->count -= (visits->size - visits->synced) / LINE_LENGTH;
        visits->size = visits->synced;
        visits->tail = 0;
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
    if (result == 0 && visits->marked != visits->synced)
        mark_durable(visits, visits->synced);
    close_all(visits);
    unlock_both(visits);
    errno = saved_errno;
    return result;
}
