/* Which bytes of visits.txt are known to be on the disk, over the death of a process.
 *
 * After a failed write-back Linux marks the pages clean and keeps them: the next process reads them
 * from the page cache, and its fsync(2) succeeds although they were never written. So a second
 * file, visits.txt.durable, holds how many bytes of visits.txt an fdatasync(2) has reported
 * durable. A start takes what follows them out of the file and appends it again, so that its own
 * fsync(2) means what it says: on local file systems, and where the page cache that counts is a
 * server's (FUSE, NFS, 9p). To write it over itself would not do: ext4 (Linux 6.18) then writes
 * blocks that its extent tree still calls unwritten, which read as NULs once the volume is mounted
 * again.
 *
 * The number may be too small: then more is appended again than need be. It is written after the
 * fdatasync(2) that it tells of, so it needs no sync of its own.
 *
 * While the end of the file is out of it, a third file holds it: visits.txt.tail, durable with its
 * name before visits.txt is truncated, and removed once visits.txt is durable. Whoever opens
 * visits.txt and finds it does what a start that was killed has begun. Nothing is truncated that
 * the tail does not hold. */
#ifndef DURABLE_H
#define DURABLE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DURABLE_STEP = 64 * 1024,            /* after so many bytes the number is written again */
    DURABLE_TAIL_MAX = 64 * 1024 * 1024, /* bytes that may be appended again at a start */
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

/* Copies the bytes of FILE from FROM to its end at SIZE into visits.txt.tail, whose content is
 * durable before it gets that name. FILE is as it was. Returns 0; 1 with errno if the folder has no
 * room for the copy or may not hold it; or -1 with errno. There is no visits.txt.tail then. */
int durable_save_tail(int folder, int file, uint64_t from, uint64_t size);

enum { DURABLE_NAME_SIZE = 64 };

/* If there is a visits.txt.tail whose beginning FILE, open for appending, ends in: has FILE end in
 * all of it, durably, and removes it; the removal is for the caller to sync, before anything else
 * is appended. A tail that does not fit what FILE holds is set aside: RET_ASIDE is its new name,
 * else
 * "". Returns 0, or -1 with errno: nothing is lost then, and it can be called again.
 * *RET_SYNC_FAILED is set if fsync(2) failed. */
int durable_restore_tail(int folder, int file, char ret_aside[DURABLE_NAME_SIZE],
                         bool *ret_sync_failed);

#endif
