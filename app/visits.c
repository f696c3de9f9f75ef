#include "visits.h"

#include "io.h"
#include "listing.h"
#include "opening.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void visits_init(struct visits *visits, const char *path)
{
    *visits = (struct visits){.folder_path = path, .folder = -1, .file = -1, .detached = true};
    visits->fault = EAGAIN;
    pthread_mutex_init(&visits->append_lock, NULL);
    pthread_mutex_init(&visits->sync_lock, NULL);
}

/* Puts FILE in place of *AT under the same number, so that a thread that reads from it meanwhile
 * reads from the one or the other. On failure what was there stays, and FILE is closed. */
static int install_file(int *at, int file)
{
    if (*at < 0) {
        *at = file;
        return 0;
    }
    int result;
    do
        result = dup3(file, *at, O_CLOEXEC);
    while (result < 0 && (errno == EINTR || errno == EBUSY));
    int saved_errno = errno;
    (void)close(file);
    errno = saved_errno;
    return result < 0 ? -1 : 0;
}

/* Returns 0, or -1 with nothing of OPENED left open but what is in its place already. */
static int install(struct visits *visits, const struct opened *opened)
{
    if (install_file(&visits->folder, opened->folder) == 0)
        return install_file(&visits->file, opened->file);
    int saved_errno = errno;
    (void)close(opened->file);
    errno = saved_errno;
    return -1;
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
    if (visits->file >= 0 && sync_data(visits->file) != 0) {
        visits->fault = errno;
        visits->sync_failed = true;
        return -1;
    }
    /* Where it is still the same file, its old lock would keep out the new one (flock(2)). Nothing
     * is written between the two. */
    if (visits->file >= 0)
        (void)flock(visits->file, LOCK_UN);
    if (opening_open(visits->folder_path, &opened, ret_report, &sync_failed) != 0 ||
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
    if (fstat(visits->file, &file) != 0)
        return -1;
    if (file.st_nlink == 0 || !is_as_long_as_left(visits, &file)) {
        visits->detached = true;
        errno = ESTALE;
        return -1;
    }
    if (visits->tail > 0 && ftruncate(visits->file, (off_t)visits->size) != 0)
        return -1;
    visits->tail = 0;
    return 0;
}

/* Did the last write(2) end where it should? O_APPEND puts it at the end of the file, wherever that
 * is by then, and leaves the position behind it (open(2)). */
static bool ends_at(const struct visits *visits, uint64_t end)
{
    return (uint64_t)lseek(visits->file, 0, SEEK_CUR) == end;
}

/* Writes a tail of SIZE bytes, or leaves the file as it was. What has landed behind the bytes of
 * somebody else stays there. The caller holds append_lock. */
static int write_tail(struct visits *visits, const char *data, size_t size)
{
    if (cut_tail(visits) != 0)
        return -1;
    if (write_all(visits->file, data, size, &visits->tail) == 0) {
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

int visits_sync(struct visits *visits, uint64_t end)
{
    int result = 0, error = 0;
    pthread_mutex_lock(&visits->sync_lock);
    if (visits->sync_failed) {
        error = visits->fault;
        result = -1;
    } else if (visits->synced < end) {
        uint64_t size = visits->size;
        result = sync_data(visits->file);
        if (result == 0) {
            visits->synced = size;
        } else {
            error = errno;
            /* An append under way has looked at `sync_failed` already and would clear `fault`. */
            pthread_mutex_lock(&visits->append_lock);
            visits->fault = error;
            visits->sync_failed = true;
            pthread_mutex_unlock(&visits->append_lock);
        }
    }
    pthread_mutex_unlock(&visits->sync_lock);
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
    if (fstat(visits->folder, &folder) != 0 || fstat(visits->file, &opened) != 0)
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

int visits_tend(struct visits *visits, struct visits_report *ret_report)
{
    int result = 0, error = 0;
    lock_both(visits);
    if (!visits->detached && !is_in_place(visits))
        visits->detached = true;
    if (!visits->detached && !visits->sync_failed && (visits->fault || visits->tail > 0))
        probe(visits);
    if (!visits->sync_failed && visits->detached)
        result = open_in_place(visits, ret_report) == 0 ? 1 : -1;
    else if (visits->fault)
        result = -1;
    error = visits->fault;
    unlock_both(visits);
    errno = error;
    return result;
}

int visits_snapshot(struct visits *visits, struct listing_range *ret_range)
{
    pthread_mutex_lock(&visits->append_lock);
    bool is_open = visits->file >= 0;
    *ret_range = (struct listing_range){.file = visits->file,
                                        .size = visits->size,
                                        .count = visits->count,
                                        .uniform_from = visits->uniform_from};
    pthread_mutex_unlock(&visits->append_lock);
    if (!is_open)
        errno = visits_fault(visits);
    return is_open ? 0 : -1;
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
    if (visits->sync_failed && !visits->detached && fstat(visits->file, &file) == 0 &&
        is_as_long_as_left(visits, &file) && ftruncate(visits->file, (off_t)visits->synced) == 0) {
        visits->count -= (visits->size - visits->synced) / LINE_LENGTH;
        visits->size = visits->synced;
        visits->tail = 0;
    }
    unlock_both(visits);
}

int visits_close(struct visits *visits)
{
    if (visits->file < 0)
        return 0;
    int result = visits_sync(visits, visits->size), saved_errno = errno;
    (void)close(visits->file);
    (void)close(visits->folder);
    visits->file = visits->folder = -1;
    errno = saved_errno;
    return result;
}
