#include "log/open.h"

#include "base/io.h"
#include "log/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes the entry of DIRECTORY durable in its parent. This is necessary before the file is created,
 * even if another process created the directory: that process may have been killed before it synced
 * the parent. If the parent cannot be read, syncs the whole file system. Returns 0, or -1 with
 * errno; *RET_SYNC_FAILED is then set if the sync failed. */
static int sync_parent(int directory, bool *ret_sync_failed)
{
    int parent = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 && errno != EACCES)
        return -1;
    int result = parent < 0 ? syncfs(directory) : sync_directory(parent);
    if (parent >= 0)
        close_keeping_errno(parent);
    *ret_sync_failed = result < 0;
    return result < 0 ? -1 : 0;
}

static bool has_file(int directory)
{
    struct stat status;
    return fstatat(directory, VISITS_FILE, &status, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static int open_directory(const char *path, bool *ret_is_new, bool *ret_sync_failed)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST && errno != EROFS)
        return -1;
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -1;
    *ret_is_new = !has_file(directory);
    if (!*ret_is_new || sync_parent(directory, ret_sync_failed) == 0)
        return directory;
    close_keeping_errno(directory);
    return -1;
}

/* Returns the locked descriptor, or -1 with errno. */
static int open_file(int directory)
{
    struct stat status;
    int fd = open_or_create(directory, VISITS_FILE, O_RDWR | O_APPEND);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) != 0)
        goto close_file;
    if (!S_ISREG(status.st_mode)) {
        errno = ENXIO;
        goto close_file;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (is_unsupported(errno))
            errno = ENOLCK;
        goto close_file;
    }
    /* Another process may have replaced the file by a copy meanwhile, and holds the lock of the
     * copy. */
    if (check_is_named(directory, VISITS_FILE, fd) != 0)
        goto close_file;
    return fd;

close_file:
    close_keeping_errno(fd);
    return -1;
}

/* Reads the last lines into `recent`. Returns 0, or -1 with errno; EIO: another process has
 * shortened the file. */
static int read_recent(struct log_file *file)
{
    const struct recovery *found = &file->found;
    uint64_t lines = (found->size - found->fixed_width_from) / LINE_LENGTH;
    unsigned count = lines < RECENT_LINES ? (unsigned)lines : RECENT_LINES;
    size_t size = (size_t)count * LINE_LENGTH;
    file->recent.count = count;
    ssize_t got = read_at(file->fd, file->recent.lines, size, (off_t)(found->size - size));
    if (got >= 0 && (size_t)got != size)
        errno = EIO;
    return got >= 0 && (size_t)got == size ? 0 : -1;
}

/* Makes the bytes of the file durable that are not known to be. If that is impossible, drops the
 * pages of the file from the page cache, so that reads return what is on the disk. A file without a
 * mark may be what a failed sync has left, so the volume is probed first: otherwise the next visit
 * could end this process like the one before. Returns 0; 1 if the file must be read again; or -1
 * with errno. */
static int make_durable(struct log_file *file)
{
    uint64_t size = file->found.size, known;
    if (durable_read(file->directory, file->fd, size, &known))
        durable_remove_probe(file->directory);
    else if (!file->is_new && durable_probe(file->directory) != 0)
        return -1;
    enum durable_state state = DURABLE;
    bool impossible = size > DURABLE_COPY_MAX;
    if (known < size && durable_examine(file->directory, file->fd, known, size, &state) != 0)
        return -1;
    if (state == DURABLE)
        return 0;
    int copy = impossible ? -1 : durable_copy(file->directory, file->fd, size, &impossible);
    if (copy >= 0) {
        (void)close(file->fd);
        file->fd = copy;
        return 0;
    }
    if (!impossible)
        return -1;
    (void)sync_data(file->fd);
    (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
    return 1;
}

/* Merges AGAIN, the result of a second recovery, into FOUND. The torn bytes of the first one must
 * still be reported. */
static void merge(struct recovery *found, const struct recovery *again)
{
    if (found->torn == 0) {
        *found = *again;
        return;
    }
    found->count = again->count;
    found->size = again->size;
    found->fixed_width_from = again->fixed_width_from;
}

/* Repairs the end of the file, and makes its content and its name durable. */
static int recover(struct log_file *file, bool is_first, struct torn_files *torn,
                   bool *ret_sync_failed)
{
    struct recovery again;
    durable_remove_copy(file->directory); /* it may take the space that the repair needs */
    if (recovery_run(file->directory, file->fd, torn, &file->found) != 0)
        return -1;
    int result = is_first ? make_durable(file) : 0;
    if (result > 0) {
        result = recovery_run(file->directory, file->fd, torn, &again);
        if (result == 0)
            merge(&file->found, &again);
    }
    if (result != 0 || read_recent(file) != 0)
        return -1;
    int name_result = sync_all(file->fd) == 0 ? sync_directory(file->directory) : -1;
    file->found.name_unsynced = name_result > 0;
    *ret_sync_failed = name_result < 0 && errno != EOPNOTSUPP;
    if (*ret_sync_failed)
        durable_forget(file->directory);
    return name_result < 0 ? -1 : 0;
}

static int open_and_recover(struct log_file *file, const char *path, bool is_first,
                            struct torn_files *torn, bool *ret_sync_failed)
{
    file->directory = open_directory(path, &file->is_new, ret_sync_failed);
    if (file->directory < 0)
        return -1;
    file->fd = open_file(file->directory);
    if (file->fd < 0)
        goto close_directory;
    if (recover(file, is_first, torn, ret_sync_failed) == 0)
        return 0;
    close_keeping_errno(file->fd);

close_directory:
    close_keeping_errno(file->directory);
    if (errno == ENOENT) /* another process has removed the file or the directory meanwhile */
        errno = ESTALE;
    return -1;
}

struct log_file *log_file_open(const char *path, bool is_first, struct torn_files *torn,
                               bool *ret_sync_failed)
{
    struct log_file *file = malloc(sizeof *file);
    *ret_sync_failed = false;
    if (!file)
        return NULL;
    if (open_and_recover(file, path, is_first, torn, ret_sync_failed) == 0) {
        file->users = 1;
        return file;
    }
    int saved_errno = errno;
    free(file);
    errno = saved_errno;
    return NULL;
}

bool log_file_is_in_place(const struct log_file *file, const char *path, uint64_t size)
{
    struct stat directory, named, opened;
    /* On a network share or FUSE a descriptor can die, and only a new one helps. */
    if (fstat(file->directory, &directory) != 0 || fstat(file->fd, &opened) != 0)
        return false;
    /* By the path: appends change no time of a directory by which two could be told apart. */
    int at_path = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int result = at_path < 0 ? -1 : fstatat(at_path, VISITS_FILE, &named, AT_SYMLINK_NOFOLLOW);
    if (at_path >= 0)
        close_keeping_errno(at_path);
    if (result != 0)
        return errno != ENOENT && errno != ENOTDIR;
    return is_same_file(&named, &opened) && (uint64_t)opened.st_size == size;
}

void log_file_release(struct log_file *file)
{
    if (!file || atomic_fetch_sub(&file->users, 1) > 1)
        return;
    (void)close(file->fd);
    if (file->directory >= 0)
        (void)close(file->directory);
    free(file);
}

void log_file_supersede(struct log_file *file)
{
    if (!file)
        return;
    (void)close(file->directory);
    file->directory = -1;
    log_file_release(file);
}
