#include "durable.h"

#include "io.h"
#include "stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MARK_FILE VISITS_FILE ".durable"
#define COPY_FILE VISITS_FILE ".copying" /* not known to be durable */

enum {
    CHECKED_BYTES = 4096, /* before the number: their hash tells which file it is of */
    MARK_LENGTH = 20 + 1 + 16 + 1,
    BLOCK_SIZE = 64 * 1024,
};

/* FNV-1a, 64 bits, of the last bytes of [0, SIZE). Returns 0, or -1 with errno. */
static int hash_end(int file, uint64_t size, uint64_t *ret_hash)
{
    unsigned char bytes[CHECKED_BYTES];
    size_t length = size < sizeof bytes ? (size_t)size : sizeof bytes;
    ssize_t got = read_at(file, bytes, length, (off_t)(size - length));
    if (got < 0)
        return -1;
    uint64_t hash = 0xcbf29ce484222325;
    for (ssize_t i = 0; i < got; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    *ret_hash = hash;
    return 0;
}

static int make_mark(char mark[MARK_LENGTH + 1], int file, uint64_t size)
{
    uint64_t hash;
    if (hash_end(file, size, &hash) != 0)
        return -1;
    (void)snprintf(mark, MARK_LENGTH + 1, "%020" PRIu64 " %016" PRIx64 "\n", size, hash);
    return 0;
}

/* Takes the number that MARK begins with, but only if it is just what would be written of FILE. */
static bool read_mark(int mark, int file, uint64_t size, uint64_t *ret_number)
{
    char found[MARK_LENGTH + 1] = "", expected[MARK_LENGTH + 1];
    if (read_at(mark, found, MARK_LENGTH, 0) != MARK_LENGTH)
        return false;
    uint64_t number = strtoull(found, NULL, 10);
    if (number > size || make_mark(expected, file, number) != 0 ||
        memcmp(found, expected, MARK_LENGTH) != 0)
        return false;
    *ret_number = number;
    return true;
}

static int open_beside(int folder, const char *name, int flags)
{
    return openat(folder, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
}

uint64_t durable_read(int folder, int file, uint64_t size)
{
    uint64_t number = 0;
    int mark = open_beside(folder, MARK_FILE, O_RDONLY);
    if (mark < 0)
        return 0;
    (void)read_mark(mark, file, size, &number);
    (void)close(mark);
    return number;
}

int durable_open(int folder)
{
    return open_beside(folder, MARK_FILE, O_WRONLY | O_CREAT);
}

int durable_write(int mark, int file, uint64_t size)
{
    char text[MARK_LENGTH + 1];
    if (make_mark(text, file, size) != 0)
        return -1;
    return write_at(mark, text, MARK_LENGTH, 0);
}

int durable_forget(int folder)
{
    return unlinkat(folder, MARK_FILE, 0);
}

/* What can be known of a file on the file system of FILE: UNWRITTEN where O_DIRECT reads from the
 * device, so that it can be looked; DURABLE where there is no device to lose anything from; else
 * UNKNOWABLE, since a server may answer from its own cache, or what is compressed or inline is read
 * from the page cache all the same (btrfs). */
static enum durable_state knowable(int file)
{
    static const struct {
        unsigned type; /* statfs(2) */
        enum durable_state state;
    } known[] = {
        {0xef53, UNWRITTEN},     /* ext4 */
        {0x58465342, UNWRITTEN}, /* xfs */
        {0xf2f52010, UNWRITTEN}, /* f2fs */
        {0x01021994, DURABLE},   /* tmpfs */
    };
    struct statfs status;
    if (fstatfs(file, &status) != 0)
        return UNKNOWABLE;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if ((unsigned)status.f_type == known[i].type)
            return known[i].state;
    return UNKNOWABLE;
}

enum { DIRECT_SIZE = 512 * 1024, ALIGNMENT = 65536 }; /* of a read with O_DIRECT */

/* Both descriptors are of the same file: are its bytes from FROM to SIZE the same through both?
 * BUFFER is aligned, and has room for twice DIRECT_SIZE. */
static int compare(int file, int direct, uint64_t from, uint64_t size, char *buffer, bool *ret_same)
{
    char *cached = buffer + DIRECT_SIZE;
    *ret_same = true;
    for (uint64_t at = from / ALIGNMENT * ALIGNMENT; at < size && *ret_same; at += DIRECT_SIZE) {
        size_t length = size - at < DIRECT_SIZE ? (size_t)(size - at) : DIRECT_SIZE;
        ssize_t got;
        do
            got = pread(direct, buffer, DIRECT_SIZE, (off_t)at);
        while (got < 0 && errno == EINTR);
        if (got < 0 && errno == EIO)
            got = 0; /* what cannot be read from the disk is not there */
        ssize_t known = got < 0 ? -1 : read_at(file, cached, length, (off_t)at);
        if (known < 0)
            return -1;
        *ret_same = got >= (ssize_t)length && known == (ssize_t)length &&
                    memcmp(buffer, cached, length) == 0;
    }
    return 0;
}

/* Does the file system say that it has no O_DIRECT for this file (statx(2), STATX_DIOALIGN), as
 * ext4 with data=journal or encryption? An old kernel says nothing. */
static bool is_buffered_all_the_same(int file)
{
    enum { DIOALIGN = 0x2000 };
    struct {
        uint32_t mask, before[37], memory_align, offset_align, after[24];
    } status = {0};
    _Static_assert(sizeof status == 256, "struct statx");
    return syscall(SYS_statx, file, "", AT_EMPTY_PATH, DIOALIGN, &status) == 0 &&
           (status.mask & DIOALIGN) && status.offset_align == 0;
}

int durable_examine(int folder, int file, uint64_t from, uint64_t size,
                    enum durable_state *ret_state)
{
    bool same;
    *ret_state = knowable(file);
    if (*ret_state == UNWRITTEN && is_buffered_all_the_same(file))
        *ret_state = UNKNOWABLE;
    if (*ret_state != UNWRITTEN)
        return 0;
    int result = -1, direct = open_beside(folder, VISITS_FILE, O_RDONLY | O_DIRECT);
    char *buffer = direct < 0 ? NULL : aligned_alloc(ALIGNMENT, 2 * DIRECT_SIZE);
    if (buffer) {
        /* What is dirty is only on its way; a failure to write it is what is looked for. */
        (void)sync_data(file);
        result = compare(file, direct, from, size, buffer, &same);
    }
    int saved_errno = errno;
    free(buffer);
    if (direct >= 0)
        (void)close(direct);
    errno = saved_errno;
    if (result == 0)
        *ret_state = same ? DURABLE : UNWRITTEN;
    else if (errno == EINVAL) /* no O_DIRECT here */
        *ret_state = UNKNOWABLE;
    return result == 0 || errno == EINVAL ? 0 : -1;
}

/* No room for a copy, or no right to make one: what is no sign of a failed write-back. EBUSY: the
 * file alone is mounted into the folder. */
static bool is_lack(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG || error == EACCES ||
           error == EPERM || error == EROFS || error == EBUSY || error == EXDEV;
}

/* Fails with ESTALE where another process has changed the size of FILE. */
static int check_size(int file, uint64_t size)
{
    struct stat status;
    if (fstat(file, &status) != 0)
        return -1;
    errno = ESTALE;
    return (uint64_t)status.st_size == size ? 0 : -1;
}

static int copy_bytes(int to, int from)
{
    char block[BLOCK_SIZE];
    uint64_t offset = 0;
    ssize_t got;
    while ((got = read_at(from, block, sizeof block, (off_t)offset)) > 0) {
        if (write_all(to, block, (size_t)got, NULL) != 0)
            return -1;
        offset += (uint64_t)got;
    }
    return got < 0 ? -1 : 0;
}

static int copy_owner_and_mode(int copy, int file)
{
    struct stat ours, theirs;
    if (fstat(file, &theirs) != 0 || fstat(copy, &ours) != 0)
        return -1;
    if ((ours.st_uid != theirs.st_uid || ours.st_gid != theirs.st_gid) &&
        fchown(copy, theirs.st_uid, theirs.st_gid) != 0)
        return -1;
    return ours.st_mode == theirs.st_mode ? 0 : fchmod(copy, theirs.st_mode & 07777);
}

/* A lack of room that only the sync tells of may be a failed write-back: then it is tried again. */
static int fill_copy(int copy, int file, bool *ret_impossible)
{
    *ret_impossible = true;
    if (copy_owner_and_mode(copy, file) != 0)
        return -1;
    if (flock(copy, LOCK_EX | LOCK_NB) != 0 || copy_bytes(copy, file) != 0) {
        *ret_impossible = is_lack(errno);
        return -1;
    }
    *ret_impossible = false;
    return sync_all(copy);
}

void durable_remove_copy(int folder)
{
    (void)unlinkat(folder, COPY_FILE, 0);
}

int durable_copy(int folder, int file, uint64_t size, bool *ret_impossible)
{
    *ret_impossible = false;
    durable_remove_copy(folder);
    int copy = open_beside(folder, COPY_FILE, O_RDWR | O_APPEND | O_CREAT | O_EXCL);
    if (copy < 0) {
        *ret_impossible = is_lack(errno) || errno == EEXIST;
        return -1;
    }
    if (fill_copy(copy, file, ret_impossible) != 0 || check_size(file, size) != 0 ||
        check_size(copy, size) != 0 || check_name(folder, VISITS_FILE, file) != 0)
        goto remove_copy;
    if (renameat(folder, COPY_FILE, folder, VISITS_FILE) == 0)
        return copy;
    *ret_impossible = is_lack(errno);

remove_copy:
    close_keeping_errno(copy);
    int saved_errno = errno;
    durable_remove_copy(folder);
    errno = saved_errno;
    return -1;
}
