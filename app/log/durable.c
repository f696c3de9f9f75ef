#include "log/durable.h"

#include "base/io.h"
#include "log/progress.h"
#include "log/timestamp.h"

#include <assert.h>
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
#define COPY_FILE VISITS_FILE ".copying" /* the copy, until it is durable */
#define PROBE_FILE VISITS_FILE ".probe"

enum {
    CHECKED_BYTES = 4096, /* before the number; their hash identifies the file */
    MARK_LENGTH = 20 + 1 + 16 + 1,
    BLOCK_SIZE = 64 * 1024,
};

/* FNV-1a, 64 bits, of the last CHECKED_BYTES of [0, SIZE). Returns 0, or -1 with errno. */
static int hash_end(int fd, uint64_t size, uint64_t *ret_hash)
{
    unsigned char bytes[CHECKED_BYTES];
    size_t length = size < sizeof bytes ? (size_t)size : sizeof bytes;
    ssize_t got = read_at(fd, bytes, length, (off_t)(size - length));
    if (got < 0)
        return -1;
    uint64_t hash = 0xcbf29ce484222325;
    for (ssize_t i = 0; i < got; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    *ret_hash = hash;
    return 0;
}

static int make_mark(char mark[MARK_LENGTH + 1], int fd, uint64_t size)
{
    uint64_t hash;
    if (hash_end(fd, size, &hash) != 0)
        return -1;
    (void)snprintf(mark, MARK_LENGTH + 1, "%020" PRIu64 " %016" PRIx64 "\n", size, hash);
    return 0;
}

/* Reads the number in MARK. Returns false unless MARK is exactly what make_mark() makes for FD. */
static bool read_mark(int mark, int fd, uint64_t size, uint64_t *ret_number)
{
    char found[MARK_LENGTH + 1] = "", expected[MARK_LENGTH + 1];
    if (read_at(mark, found, MARK_LENGTH, 0) != MARK_LENGTH)
        return false;
    uint64_t number = strtoull(found, NULL, 10);
    if (number > size || make_mark(expected, fd, number) != 0 ||
        memcmp(found, expected, MARK_LENGTH) != 0)
        return false;
    *ret_number = number;
    return true;
}

bool durable_read(int directory, int fd, uint64_t size, uint64_t *ret_size)
{
    *ret_size = 0;
    int mark = open_existing(directory, MARK_FILE, O_RDONLY);
    if (mark < 0)
        return false;
    bool is_valid = read_mark(mark, fd, size, ret_size);
    (void)close(mark);
    return is_valid;
}

void durable_mark_write(struct durable_mark *mark, int fd, uint64_t size)
{
    char text[MARK_LENGTH + 1];
    if (mark->fd >= 0 && make_mark(text, fd, size) == 0 &&
        write_at(mark->fd, text, MARK_LENGTH, 0) == 0)
        mark->size = size;
}

void durable_mark_open(struct durable_mark *ret_mark, int directory, int fd, uint64_t size)
{
    ret_mark->fd = open_or_create(directory, MARK_FILE, O_WRONLY);
    ret_mark->size = UINT64_MAX;
    durable_mark_write(ret_mark, fd, size);
    if (ret_mark->size != size)
        durable_forget(directory);
}

void durable_mark_close(struct durable_mark *mark)
{
    if (mark->fd >= 0)
        (void)close(mark->fd);
    mark->fd = -1;
}

static void remove_keeping_errno(int directory, const char *name)
{
    int saved_errno = errno;
    (void)unlinkat(directory, name, 0);
    errno = saved_errno;
}

void durable_forget(int directory)
{
    remove_keeping_errno(directory, MARK_FILE);
}

/* Tells from the file system of FD what can be known of a file. UNWRITTEN: O_DIRECT reads from the
 * device, so bytes can be compared. DURABLE: there is no device that could lose bytes. UNKNOWABLE:
 * a server may respond from its own cache; and btrfs reads compressed and inline data from the page
 * cache even with O_DIRECT. */
static enum durable_state expected_state(int fd)
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
    if (fstatfs(fd, &status) != 0)
        return UNKNOWABLE;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if ((unsigned)status.f_type == known[i].type)
            return known[i].state;
    return UNKNOWABLE;
}

enum { DIRECT_SIZE = 512 * 1024, ALIGNMENT = 65536 }; /* of a read with O_DIRECT */
_Static_assert(DIRECT_SIZE % ALIGNMENT == 0, "reads stay aligned");

/* Are the bytes from FROM to SIZE the same in the page cache (FD) and on the disk (DIRECT)? Both
 * descriptors are of one file. BUFFER is aligned and has 2 * DIRECT_SIZE bytes. Returns 0 with
 * *RET_SAME, or -1 with errno. */
static int compare(int fd, int direct, uint64_t from, uint64_t size, char *buffer, bool *ret_same)
{
    char *cached = buffer + DIRECT_SIZE;
    *ret_same = true;
    assert(from <= size);
    for (uint64_t at = from / ALIGNMENT * ALIGNMENT; at < size && *ret_same; at += DIRECT_SIZE) {
        progress_set("comparing " VISITS_FILE " with the disk", at, size);
        size_t length = size - at < DIRECT_SIZE ? (size_t)(size - at) : DIRECT_SIZE;
        ssize_t got;
        do
            got = pread(direct, buffer, DIRECT_SIZE, (off_t)at);
        while (got < 0 && errno == EINTR);
        if (got < 0 && errno == EIO)
            got = 0; /* bytes that cannot be read are not on the disk */
        ssize_t known = got < 0 ? -1 : read_at(fd, cached, length, (off_t)at);
        if (known < 0)
            return -1;
        *ret_same = got >= (ssize_t)length && known == (ssize_t)length &&
                    memcmp(buffer, cached, length) == 0;
    }
    return 0;
}

/* Does statx(2) report that this file has no O_DIRECT (STATX_DIOALIGN), as on ext4 with
 * data=journal or encryption? An old kernel does not report it. */
static bool lacks_direct_io(int fd)
{
    enum { DIOALIGN = 0x2000 };
    struct {
        uint32_t mask, before[37], memory_align, offset_align, after[24];
    } status = {0};
    _Static_assert(sizeof status == 256, "struct statx");
    return syscall(SYS_statx, fd, "", AT_EMPTY_PATH, DIOALIGN, &status) == 0 &&
           (status.mask & DIOALIGN) && status.offset_align == 0;
}

static int examine_directly(int directory, int fd, uint64_t from, uint64_t size, bool *ret_same)
{
    int direct = open_existing(directory, VISITS_FILE, O_RDONLY | O_DIRECT);
    if (direct < 0)
        return -1;
    int result = -1;
    /* Not aligned_alloc(3), which would add a kilobyte of code. */
    char *memory = malloc(2 * DIRECT_SIZE + ALIGNMENT);
    if (memory) {
        char *buffer = memory + (-(uintptr_t)memory & (ALIGNMENT - 1));
        /* Write dirty pages first: they are not lost yet. The comparison finds a failure to write.
         */
        (void)sync_data(fd);
        result = compare(fd, direct, from, size, buffer, ret_same);
    }
    close_keeping_errno(direct);
    int saved_errno = errno;
    free(memory);
    errno = saved_errno;
    return result;
}

int durable_examine(int directory, int fd, uint64_t from, uint64_t size,
                    enum durable_state *ret_state)
{
    bool same;
    *ret_state = expected_state(fd);
    if (*ret_state == UNWRITTEN && lacks_direct_io(fd))
        *ret_state = UNKNOWABLE;
    if (*ret_state != UNWRITTEN)
        return 0;
    if (examine_directly(directory, fd, from, size, &same) == 0) {
        *ret_state = same ? DURABLE : UNWRITTEN;
        return 0;
    }
    if (errno != EINVAL)
        return -1;
    *ret_state = UNKNOWABLE; /* the file system has no O_DIRECT */
    return 0;
}

/* Does this error mean that there is no space for a copy, or no permission to make one? Neither is
 * a sign of a failed write-back. EBUSY: the file itself is a mount point. */
static bool prevents_copy(int error)
{
    return is_no_space(error) || error == EFBIG || error == EACCES || error == EPERM ||
           error == EROFS || error == EBUSY || error == EXDEV;
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

static int copy_owner_and_mode(int copy, int fd)
{
    struct stat ours, theirs;
    if (fstat(fd, &theirs) != 0 || fstat(copy, &ours) != 0)
        return -1;
    if ((ours.st_uid != theirs.st_uid || ours.st_gid != theirs.st_gid) &&
        fchown(copy, theirs.st_uid, theirs.st_gid) != 0)
        return -1;
    return ours.st_mode == theirs.st_mode ? 0 : fchmod(copy, theirs.st_mode & 07777);
}

/* Fills COPY and syncs it. Even ENOSPC of the sync may come from a failed write-back, so
 * *RET_IMPOSSIBLE is false after a failed sync. */
static int fill_copy(int copy, int fd, bool *ret_impossible)
{
    *ret_impossible = true;
    if (copy_owner_and_mode(copy, fd) != 0)
        return -1;
    if (flock(copy, LOCK_EX | LOCK_NB) != 0 || copy_bytes(copy, fd) != 0) {
        *ret_impossible = prevents_copy(errno);
        return -1;
    }
    *ret_impossible = false;
    return sync_all(copy);
}

static int append_block(int fd)
{
    char block[BLOCK_SIZE];
    struct stat status;
    memset(block, '#', sizeof block);
    if (fstat(fd, &status) != 0)
        return -1;
    if (write_all(fd, block, sizeof block, NULL) == 0 && sync_all(fd) == 0)
        return 0;
    int saved_errno = errno;
    (void)ftruncate(fd, status.st_size);
    errno = saved_errno;
    return errno == EFBIG ? 0 : -1; /* a limit on the size of visits.txt is another matter */
}

int durable_probe(int directory)
{
    int fd = open_or_create(directory, PROBE_FILE, O_WRONLY | O_APPEND);
    if (fd < 0)
        return is_no_space(errno) ? -1 : 0;
    int result = append_block(fd);
    close_keeping_errno(fd);
    return result;
}

void durable_remove_probe(int directory)
{
    remove_keeping_errno(directory, PROBE_FILE);
}

void durable_remove_copy(int directory)
{
    remove_keeping_errno(directory, COPY_FILE);
}

int durable_copy(int directory, int fd, uint64_t size, bool *ret_impossible)
{
    *ret_impossible = false;
    durable_remove_copy(directory);
    int copy = create_new(directory, COPY_FILE, O_RDWR | O_APPEND);
    if (copy < 0) {
        *ret_impossible = prevents_copy(errno) || errno == EEXIST;
        return -1;
    }
    if (fill_copy(copy, fd, ret_impossible) != 0 || check_size(fd, size) != 0 ||
        check_size(copy, size) != 0 || check_is_named(directory, VISITS_FILE, fd) != 0)
        goto remove_copy;
    if (renameat(directory, COPY_FILE, directory, VISITS_FILE) == 0)
        return copy;
    *ret_impossible = prevents_copy(errno);

remove_copy:
    close_keeping_errno(copy);
    durable_remove_copy(directory);
    return -1;
}
