/* Which bytes of visits.txt are known to be on the disk, over the death of a process.
 *
 * After a failed write-back Linux marks the pages clean and keeps them: the next process reads them
 * from the page cache, and its fsync(2) succeeds although they were never written. So a second
 * file, visits.txt.durable, holds how many bytes of visits.txt an fdatasync(2) has reported
 * durable, and a start does not believe the rest until it has seen it on the disk (open(2),
 * O_DIRECT). What is not there, or cannot be seen because the cache that counts is a server's
 * (FUSE, NFS, 9p), is put there by a copy of the file, which takes its name once it is durable. To
 * write the bytes over themselves would not do: ext4 (Linux 6.18) then writes blocks that its
 * extent tree still calls unwritten, which read as NULs once the volume is mounted again.
 *
 * The number may be too small: then more is looked at than need be. It is written after the
 * fdatasync(2) that it tells of, so it needs no sync of its own. */
#ifndef DURABLE_H
#define DURABLE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DURABLE_STEP = 64 * 1024,            /* the number is written again after so many bytes */
    DURABLE_COPY_MAX = 64 * 1024 * 1024, /* bytes of a file that a start may copy */
};

/* Returns how many of the first SIZE bytes of FD, which is visits.txt in DIRECTORY, are known to be
 * durable; 0 if nothing is known of this file. */
uint64_t durable_read(int directory, int fd, uint64_t size);

/* The file of that number, as this process writes it. */
struct durable_mark {
    int fd;        /* -1: nothing can be recorded */
    uint64_t size; /* the number, in bytes; UINT64_MAX: none could be written yet */
};

/* Opens the file of that number in DIRECTORY, creates it if it is absent, and records that the
 * first SIZE bytes of FD are durable. If that fails the number is forgotten: what it said of a
 * longer file must not be believed of this one once it has grown. */
void durable_mark_open(struct durable_mark *ret_mark, int directory, int fd, uint64_t size);

/* Records that the first SIZE bytes of FD are durable. On failure the number stays as it was: it is
 * too small, and that does no harm. */
void durable_mark_write(struct durable_mark *mark, int fd, uint64_t size);

void durable_mark_close(struct durable_mark *mark);

/* Removes the number, so that the next start looks at all of the file. Keeps errno. */
void durable_forget(int directory);

enum durable_state {
    DURABLE,    /* the disk holds what the file says */
    UNWRITTEN,  /* it does not */
    UNKNOWABLE, /* nothing here can tell */
};

/* Compares the bytes of FD from FROM to SIZE with the disk. Returns 0, or -1 with errno. */
int durable_examine(int directory, int fd, uint64_t from, uint64_t size,
                    enum durable_state *ret_state);

/* Removes what is left of a copy that was not completed. Keeps errno. */
void durable_remove_copy(int directory);

/* Gives the name of FD in DIRECTORY to a durable copy of it with the same SIZE bytes, owner, mode
 * and lock (flock(2)). Returns a descriptor of the copy, open as FD is, whose name is for the
 * caller to sync. Or returns -1 with errno, and all is as it was; *RET_IMPOSSIBLE is then set if
 * there is no room for a copy, or no right to make one. */
int durable_copy(int directory, int fd, uint64_t size, bool *ret_impossible);

#endif
