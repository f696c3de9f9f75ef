#include "durable.h"

#include "io.h"
#include "visits.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK_FILE VISITS_FILE ".durable"
#define TAIL_FILE VISITS_FILE ".tail"
#define NEW_TAIL_FILE TAIL_FILE ".new" /* not known to be durable */
#define OLD_TAIL_FILE TAIL_FILE ".old" /* of another visits.txt */

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

/* Appends to TO what FROM has from OFFSET up to its end. */
static int append_rest(int to, int from, uint64_t offset)
{
    char block[BLOCK_SIZE];
    ssize_t got;
    while ((got = read_at(from, block, sizeof block, (off_t)offset)) > 0) {
        if (write_all(to, block, (size_t)got, NULL) != 0)
            return -1;
        offset += (uint64_t)got;
    }
    return got < 0 ? -1 : 0;
}

int durable_save_tail(int folder, int file, uint64_t from, uint64_t size)
{
    char mark[MARK_LENGTH + 1];
    struct stat status;
    int tail = open_beside(folder, NEW_TAIL_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
    if (tail < 0)
        return -1;
    if (make_mark(mark, file, from) != 0 || write_all(tail, mark, MARK_LENGTH, NULL) != 0 ||
        append_rest(tail, file, from) != 0 || sync_all(tail) != 0 || fstat(tail, &status) != 0)
        goto remove_tail;
    if ((uint64_t)status.st_size != MARK_LENGTH + size - from) {
        errno = ESTALE; /* another process has changed the file */
        goto remove_tail;
    }
    (void)close(tail);
    return renameat(folder, NEW_TAIL_FILE, folder, TAIL_FILE);

remove_tail:
    close_keeping_errno(tail);
    int saved_errno = errno;
    (void)unlinkat(folder, NEW_TAIL_FILE, 0);
    errno = saved_errno;
    return -1;
}

/* The tail keeps its name over a power cut before the file is truncated. Returns 0, or -1 with
 * errno; EPERM where the file may only be appended to (chattr +a). */
static int replace_tail(int folder, int file, uint64_t from, int tail, bool *ret_sync_failed)
{
    *ret_sync_failed = sync_all(folder) != 0;
    if (*ret_sync_failed || ftruncate(file, (off_t)from) != 0 ||
        append_rest(file, tail, MARK_LENGTH) != 0)
        return -1;
    *ret_sync_failed = sync_all(file) != 0;
    return *ret_sync_failed ? -1 : 0;
}

int durable_restore_tail(int folder, int file, bool *ret_sync_failed)
{
    struct stat status;
    uint64_t from;
    int tail = open_beside(folder, TAIL_FILE, O_RDONLY);
    if (tail < 0)
        return errno == ENOENT ? 0 : -1;
    if (fstat(file, &status) != 0)
        goto close_tail;
    if (!read_mark(tail, file, (uint64_t)status.st_size, &from)) {
        (void)close(tail);
        return renameat(folder, TAIL_FILE, folder, OLD_TAIL_FILE);
    }
    if (replace_tail(folder, file, from, tail, ret_sync_failed) != 0 && errno != EPERM)
        goto close_tail;
    (void)close(tail);
    return unlinkat(folder, TAIL_FILE, 0);

close_tail:
    close_keeping_errno(tail);
    return -1;
}
