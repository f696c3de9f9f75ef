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
    DURABLE_STEP = 64 * 1024,            /* after so many bytes the number is written again */
    DURABLE_COPY_MAX = 64 * 1024 * 1024, /* bytes of a file that a start may copy */
};

/* Returns how many of the first SIZE bytes of FILE, which is visits.txt in FOLDER, are known to be
 * durable; 0 if nothing is known of this file. */
uint64_t durable_read(int folder, int file, uint64_t size);

/* Opens the file of that number in FOLDER, and creates it if it is absent. Returns its descriptor,
 * or -1 with errno: nothing is known at the next start then. */
int durable_open(int folder);

/* Records in MARK, from durable_open(), that the first SIZE bytes of FILE are durable. Returns 0,
 * or -1 with errno. */
int durable_write(int mark, int file, uint64_t size);

/* Forgets the number. Returns 0, or -1 with the errno of unlinkat(2). */
int durable_forget(int folder);

enum durable_state {
    DURABLE,    /* the disk holds what the file says */
    UNWRITTEN,  /* it does not */
    UNKNOWABLE, /* nothing here can tell */
};

/* Compares the bytes of FILE from FROM to SIZE with the disk. Returns 0, or -1 with errno. */
int durable_examine(int folder, int file, uint64_t from, uint64_t size,
                    enum durable_state *ret_state);

/* Removes what is left of a copy that was not completed. */
void durable_remove_copy(int folder);

/* Has a durable copy of FILE, which has SIZE bytes, take its name in FOLDER, with its owner and
 * mode and with its lock (flock(2)). Returns a descriptor of the copy, open as FILE is, whose name
 * is for the caller to sync. Or returns -1 with errno, and all is as it was; *RET_IMPOSSIBLE says
 * that it always will be: there is no room, or no right to it. */
int durable_copy(int folder, int file, uint64_t size, bool *ret_impossible);

#endif
