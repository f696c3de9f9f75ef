#include "opening.h"

#include "durable.h"
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A descriptor of the folder that PATH is in, or -1. */
static int open_parent(const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return -1;
    size_t length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/')
        copy[--length] = '\0';
    char *slash = strrchr(copy, '/');
    const char *parent = !slash ? "." : slash == copy ? "/" : copy;
    if (slash && slash != copy)
        *slash = '\0';
    int folder = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC), saved_errno = errno;
    free(copy);
    errno = saved_errno;
    return folder;
}

/* Makes the entry of FOLDER, which is at PATH, stable in its parent. That is due before the file is
 * made, and whoever has made the folder: a process that was killed between the two leaves a folder
 * that nobody has synced. A parent that may not be read is synced with all of its file system. */
static int sync_parent(const char *path, int folder, bool *ret_sync_failed)
{
    int parent = open_parent(path);
    if (parent < 0 && errno != EACCES)
        return -1;
    int result = parent < 0 ? syncfs(folder) : sync_all(parent);
    if (parent >= 0)
        close_keeping_errno(parent);
    *ret_sync_failed = result != 0;
    return result;
}

static bool has_file(int folder)
{
    struct stat status;
    return fstatat(folder, VISITS_FILE, &status, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static int open_folder(const char *path, bool *ret_sync_failed)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST && errno != EROFS)
        return -1;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || has_file(folder) || sync_parent(path, folder, ret_sync_failed) == 0)
        return folder;
    close_keeping_errno(folder);
    return -1;
}

/* O_NONBLOCK so that a FIFO of that name does not hang; it means nothing to a regular file. */
static int open_file(int folder)
{
    struct stat status;
    int file =
        openat(folder, VISITS_FILE,
               O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
    if (file < 0)
        return -1;
    if (fstat(file, &status) != 0)
        goto close_file;
    if (!S_ISREG(status.st_mode)) {
        errno = EINVAL;
        goto close_file;
    }
    if (flock(file, LOCK_EX | LOCK_NB) != 0)
        goto close_file;
    /* Another process may have let a copy take its name just now, and with it the lock. */
    if (check_name(folder, VISITS_FILE, file) != 0)
        goto close_file;
    return file;

close_file:
    close_keeping_errno(file);
    return -1;
}

static int read_recent(struct opened *opened)
{
    const struct repair_result *found = &opened->found;
    uint64_t lines = (found->size - found->uniform_from) / LINE_LENGTH;
    unsigned count = lines < VISITS_RECENT ? (unsigned)lines : VISITS_RECENT;
    size_t size = (size_t)count * LINE_LENGTH;
    opened->recent.count = count;
    ssize_t got = read_at(opened->file, opened->recent.lines, size, (off_t)(found->size - size));
    if (got >= 0 && (size_t)got != size)
        errno = EIO;
    return got >= 0 && (size_t)got == size ? 0 : -1;
}

/* Has the disk hold all that the file says, from what is known to be there on. Where that cannot be
 * had, what the page cache has of it is dropped, and the file is what the disk says: returns 1
 * then, for the file has to be read again; else 0, or -1 with errno. */
static int secure(struct opened *opened)
{
    uint64_t size = opened->found.size;
    uint64_t known = durable_read(opened->folder, opened->file, size);
    enum durable_state state = DURABLE;
    bool impossible = size > DURABLE_COPY_MAX;
    if (known < size && durable_examine(opened->folder, opened->file, known, size, &state) != 0)
        return -1;
    if (state == DURABLE)
        return 0;
    int copy = impossible ? -1 : durable_copy(opened->folder, opened->file, size, &impossible);
    if (copy >= 0) {
        (void)close(opened->file);
        opened->file = copy;
        return 0;
    }
    if (!impossible)
        return -1;
    (void)sync_data(opened->file);
    (void)posix_fadvise(opened->file, 0, 0, POSIX_FADV_DONTNEED);
    return 1;
}

/* Reads the file, repairs its end, and has all of it on the disk: from here on it counts as kept.
 */
static int recover(struct opened *opened, bool is_first, struct torn_files *torn,
                   struct visits_report *ret_report, bool *ret_sync_failed)
{
    struct visits_report again;
    durable_remove_copy(opened->folder); /* it may hold the room that the repair needs */
    if (repair(opened->folder, opened->file, torn, &opened->found, ret_report) != 0)
        return -1;
    int result = is_first ? secure(opened) : 0;
    if (result > 0) {
        result = repair(opened->folder, opened->file, torn, &opened->found, &again);
        if (result == 0 && ret_report->torn == 0)
            *ret_report = again;
    }
    if (result != 0 || read_recent(opened) != 0)
        return -1;
    *ret_sync_failed = sync_all(opened->file) != 0 || sync_all(opened->folder) != 0;
    if (!*ret_sync_failed)
        return 0;
    int saved_errno = errno;
    (void)durable_forget(opened->folder);
    errno = saved_errno;
    return -1;
}

int opening_open(const char *path, bool is_first, struct torn_files *torn,
                 struct opened *ret_opened, struct visits_report *ret_report, bool *ret_sync_failed)
{
    struct opened opened;
    opened.folder = open_folder(path, ret_sync_failed);
    if (opened.folder < 0)
        return -1;
    opened.file = open_file(opened.folder);
    if (opened.file < 0)
        goto close_folder;
    if (recover(&opened, is_first, torn, ret_report, ret_sync_failed) != 0)
        goto close_file;
    *ret_opened = opened;
    return 0;

close_file:
    close_keeping_errno(opened.file);
close_folder:
    close_keeping_errno(opened.folder);
    return -1;
}
