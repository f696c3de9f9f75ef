/* Which bytes of visits.txt are known to be on the disk, even after the process has died.
 *
 * After a failed write-back Linux marks the pages clean and keeps them. The next process reads them
 * from the page cache, and its fsync(2) succeeds although they were never written. So a second
 * file, visits.txt.durable (the mark), holds how many bytes of visits.txt fdatasync(2) has reported
 * durable. A start trusts these bytes alone and compares the rest with the disk (O_DIRECT,
 * open(2)).
 *
 * If bytes are missing on the disk, the start copies the file; the copy takes the name of the file
 * when it is durable. The start does the same if the disk cannot be read, because a server has the
 * cache that matters (FUSE, NFS, 9p). To overwrite the bytes in place is not enough: ext4 (Linux
 * 6.18) then writes blocks that its extent tree still marks as unwritten, and they read as NULs
 * after the next mount.
 *
 * The number in the mark may be too small: then more bytes are compared than necessary. It is
 * written after the fdatasync(2) that it records, so it needs no sync of its own. */
#ifndef DURABLE_H
#define DURABLE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DURABLE_STEP = 64 * 1024,            /* bytes after which the mark is written again */
    DURABLE_COPY_MAX = 64 * 1024 * 1024, /* bytes of the largest file that a start copies */
};

/* Sets *RET_SIZE to how many of the first SIZE bytes of FD, which is visits.txt in DIRECTORY, are
 * known to be durable. Returns false, and sets 0, if there is no mark of this file. */
bool durable_read(int directory, int fd, uint64_t size, uint64_t *ret_size);

/* The open mark of this process. */
struct durable_mark {
    int fd;        /* -1: the mark cannot be written */
    uint64_t size; /* the number in the mark, in bytes; UINT64_MAX: none written yet */
};

/* Opens the mark in DIRECTORY, creates it if it is absent, and records that the first SIZE bytes of
 * FD are durable. If that fails, removes the mark: a number for a longer file must not be believed
 * of this file when it has grown. */
void durable_mark_open(struct durable_mark *ret_mark, int directory, int fd, uint64_t size);

/* Records that the first SIZE bytes of FD are durable. On failure the number stays as it was: too
 * small, which does no harm. */
void durable_mark_write(struct durable_mark *mark, int fd, uint64_t size);

void durable_mark_close(struct durable_mark *mark);

/* Removes the mark, so that the next start compares the whole file with the disk. Keeps errno. */
void durable_forget(int directory);

enum durable_state {
    DURABLE,    /* the disk holds the bytes of the file */
    UNWRITTEN,  /* it does not hold them */
    UNKNOWABLE, /* this system cannot compare them */
};

/* Compares the bytes of FD from FROM to SIZE with the disk. Returns 0, or -1 with errno. */
int durable_examine(int directory, int fd, uint64_t from, uint64_t size,
                    enum durable_state *ret_state);

/* Can a block be written to this volume and synced? Appends one to a file beside visits.txt, never
 * to visits.txt. It stays there, because a thin pool keeps the space of a block that was freed: the
 * next probe would get the same block, and would succeed although the pool is full. Returns 0, also
 * if there is no permission to create that file; or -1 with errno. */
int durable_probe(int directory);

/* Removes the file of durable_probe(): a visit has been synced since. Keeps errno. */
void durable_remove_probe(int directory);

/* Removes an incomplete copy. Keeps errno. */
void durable_remove_copy(int directory);

/* Replaces visits.txt in DIRECTORY, which is open as FD, by a durable copy of the same SIZE bytes,
 * owner and mode. The copy is locked (flock(2)). Returns a descriptor of the copy, open like FD;
 * the caller must sync DIRECTORY. On failure returns -1 with errno, and visits.txt is unchanged;
 * *RET_IMPOSSIBLE is then set if there is no space for a copy, or no permission to make one. */
int durable_copy(int directory, int fd, uint64_t size, bool *ret_impossible);

#endif
