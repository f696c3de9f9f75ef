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
#include <time.h>
#include <unistd.h>

#define MARK_FILE VISITS_FILE ".durable"
#define TAIL_FILE VISITS_FILE ".tail"
#define NEW_TAIL_FILE TAIL_FILE ".new" /* not known to be durable */

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

/* Takes the number that MARK begins with if it is just what would be written of FILE: returns 1, or
 * 0 if it is not, or -1 with errno. */
static int read_mark(int mark, int file, uint64_t size, uint64_t *ret_number)
{
    char found[MARK_LENGTH + 1] = "", expected[MARK_LENGTH + 1];
    ssize_t got = read_at(mark, found, MARK_LENGTH, 0);
    if (got < 0)
        return -1;
    uint64_t number = strtoull(found, NULL, 10);
    if (got < MARK_LENGTH || number > size)
        return 0;
    if (make_mark(expected, file, number) != 0)
        return -1;
    *ret_number = number;
    return memcmp(found, expected, MARK_LENGTH) == 0;
}

static int open_beside(int folder, const char *name, int flags)
{
    return openat(folder, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
}

static bool is_regular(int file)
{
    struct stat status;
    return fstat(file, &status) == 0 && S_ISREG(status.st_mode);
}

uint64_t durable_read(int folder, int file, uint64_t size)
{
    uint64_t number = 0;
    int mark = open_beside(folder, MARK_FILE, O_RDONLY);
    if (mark < 0)
        return 0;
    bool is_of_file = read_mark(mark, file, size, &number) == 1;
    (void)close(mark);
    return is_of_file ? number : 0;
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

/* No room for a copy, or no right to make one: what is no sign of a failed write-back. */
static bool is_lack(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG || error == EACCES ||
           error == EPERM || error == EROFS;
}

static void remove_keeping_errno(int folder, const char *name)
{
    int saved_errno = errno;
    (void)unlinkat(folder, name, 0);
    errno = saved_errno;
}

int durable_save_tail(int folder, int file, uint64_t from, uint64_t size)
{
    char mark[MARK_LENGTH + 1];
    struct stat status;
    (void)unlinkat(folder, NEW_TAIL_FILE, 0);
    int tail = open_beside(folder, NEW_TAIL_FILE, O_WRONLY | O_CREAT | O_EXCL | O_APPEND);
    if (tail < 0)
        return is_lack(errno) ? 1 : -1;
    int result = make_mark(mark, file, from);
    if (result == 0 &&
        (write_all(tail, mark, MARK_LENGTH, NULL) != 0 || append_rest(tail, file, from) != 0))
        result = is_lack(errno) ? 1 : -1;
    if (result == 0)
        result = sync_all(tail);
    if (result == 0)
        result = fstat(tail, &status);
    if (result == 0 && (uint64_t)status.st_size != MARK_LENGTH + size - from) {
        errno = ESTALE; /* another process has changed the file */
        result = -1;
    }
    close_keeping_errno(tail);
    if (result == 0)
        result = renameat(folder, NEW_TAIL_FILE, folder, TAIL_FILE);
    if (result != 0)
        remove_keeping_errno(folder, NEW_TAIL_FILE);
    return result;
}

enum rest { DIFFERS, BEGINS_TAIL, GOES_ON_BEHIND_TAIL };

/* What of TAIL stands in FILE from FROM on. Returns 0, or -1 with errno. */
static int compare_rest(int file, uint64_t from, int tail, enum rest *ret_rest)
{
    char ours[BLOCK_SIZE / 2], theirs[BLOCK_SIZE / 2];
    uint64_t offset = 0;
    for (;;) {
        ssize_t got = read_at(file, ours, sizeof ours, (off_t)(from + offset));
        ssize_t held = read_at(tail, theirs, sizeof theirs, (off_t)(MARK_LENGTH + offset));
        if (got < 0 || held < 0)
            return -1;
        size_t both = (size_t)(got < held ? got : held);
        *ret_rest = got > held ? GOES_ON_BEHIND_TAIL : BEGINS_TAIL;
        if (memcmp(ours, theirs, both) != 0)
            *ret_rest = DIFFERS;
        if (*ret_rest == DIFFERS || got != held || both < sizeof ours)
            return 0;
        offset += both;
    }
}

/* A file that may only be appended to (chattr +a) gets what it lacks: that is all that can be done
 * for it. */
static int replace_tail(int file, uint64_t size, uint64_t from, int tail, bool *ret_sync_failed)
{
    uint64_t kept = 0;
    if (ftruncate(file, (off_t)from) != 0) {
        if (errno != EPERM)
            return -1;
        kept = size - from;
    }
    if (append_rest(file, tail, MARK_LENGTH + kept) != 0)
        return -1;
    *ret_sync_failed = sync_all(file) != 0;
    return *ret_sync_failed ? -1 : 0;
}

/* It may hold visits that are nowhere else. */
static int set_aside(int folder, char ret_aside[DURABLE_NAME_SIZE])
{
    char name[DURABLE_NAME_SIZE];
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)snprintf(name, sizeof name, TAIL_FILE ".old-%lld%09ld", (long long)now.tv_sec,
                   now.tv_nsec);
    if (renameat(folder, TAIL_FILE, folder, name) != 0)
        return -1;
    memcpy(ret_aside, name, sizeof name);
    return 0;
}

/* Finds out what is to be done with TAIL. The folder is synced first: the tail's name must outlive
 * a power cut before the file is truncated, and nothing may come between the look and that. */
static int examine_tail(int folder, int file, int tail, uint64_t *ret_size, uint64_t *ret_from,
                        enum rest *ret_rest, bool *ret_sync_failed)
{
    struct stat status;
    *ret_sync_failed = sync_all(folder) != 0;
    if (*ret_sync_failed || fstat(file, &status) != 0)
        return -1;
    *ret_size = (uint64_t)status.st_size;
    int is_of_file = read_mark(tail, file, *ret_size, ret_from);
    if (is_of_file < 0)
        return -1;
    *ret_rest = DIFFERS;
    return is_of_file ? compare_rest(file, *ret_from, tail, ret_rest) : 0;
}

int durable_restore_tail(int folder, int file, char ret_aside[DURABLE_NAME_SIZE],
                         bool *ret_sync_failed)
{
    uint64_t size, from;
    enum rest rest;
    ret_aside[0] = '\0';
    int tail = open_beside(folder, TAIL_FILE, O_RDONLY);
    if (tail < 0 && errno == ENOENT)
        return 0;
    if (tail < 0)
        return errno == ELOOP || errno == ENXIO ? set_aside(folder, ret_aside) : -1;
    if (!is_regular(tail)) {
        (void)close(tail);
        return set_aside(folder, ret_aside);
    }
    int result = examine_tail(folder, file, tail, &size, &from, &rest, ret_sync_failed);
    if (result == 0 && rest == BEGINS_TAIL)
        result = replace_tail(file, size, from, tail, ret_sync_failed);
    close_keeping_errno(tail);
    if (result != 0)
        return -1;
    return rest == DIFFERS ? set_aside(folder, ret_aside) : unlinkat(folder, TAIL_FILE, 0);
}
