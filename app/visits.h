/* The durable log of visits: the file visits.txt in a data folder, a line a visit. Knows no HTTP.
 *
 * What always holds while it is open:
 * - bytes [0, size) of the file are whole lines, and the last of them ends in a newline; `count` is
 *   their number, and a visit's number is that of its line;
 * - what a failed write left after `size`, `tail` bytes, is cut off again before anything else is
 *   written; nothing is once somebody else has changed the file's length, until it is read anew;
 * - bytes [0, synced) have been reported stable by fdatasync(2);
 * - after one failed sync nobody knows what is durable behind `synced`: no visit is accepted, the
 *   process must exit with EXIT_DURABILITY_LOST, and its next start looks at the disk;
 * - no other process that keeps to flock(2) writes to it.
 *
 * Several threads may append and sync. Functions return 0, or -1 with errno set. */
#ifndef VISITS_H
#define VISITS_H

#include "scan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { VISITS_RECENT = 5 }; /* how many lines before a batch visits_append() hands back */

enum { TORN_NAME_SIZE = 64 }; /* visits.txt.torn-20221128T195426Z */

enum { TORN_FILES_MAX = 8 };

/* The files of torn bytes that this process has made. After TORN_FILES_MAX the last of them takes
 * what follows: a process that keeps writing to visits.txt must not fill the folder with files. */
struct torn_files {
    unsigned count;
    char last[TORN_NAME_SIZE];
};

struct visits_recent {
    unsigned count; /* of these lines, the oldest first */
    char lines[VISITS_RECENT][LINE_LENGTH];
};

/* The open file: whoever lists it keeps it open, also after another file has taken its name. */
struct visits_file {
    int file;
    _Atomic unsigned users;
};

struct visits {
    const char *folder_path;
    int folder;                  /* -1 while it is not open */
    struct visits_file *file;    /* NULL while it is not open */
    pthread_mutex_t append_lock; /* guards what is written below, up to sync_lock */
    bool detached;               /* not open, or what is open is no longer the file of that name */
    size_t tail;                 /* bytes after `size` that are still to be cut off */
    _Atomic uint64_t count;
    _Atomic uint64_t size;
    _Atomic uint64_t uniform_from; /* from this offset on every line has LINE_LENGTH bytes */
    struct visits_recent recent;
    pthread_mutex_t
        sync_lock; /* one fdatasync(2) at a time; who arrives meanwhile shares the next */
    _Atomic uint64_t synced;
    int mark;                /* of durable.h, or -1; with what it says */
    uint64_t marked;         /* guarded by sync_lock */
    int64_t reopen_after_ms; /* of clock_ms(); guarded by sync_lock */
    struct torn_files torn;
    _Atomic int fault;   /* errno of what keeps visits from being recorded, 0 if nothing does */
    _Atomic int refused; /* errno of the last visits_append() that failed, until it is taken */
    _Atomic bool sync_failed;
};

/* What start-up found and did, for a line on stderr. */
struct visits_report {
    uint64_t damaged; /* lines that are no visit's, kept where they are */
    uint64_t torn;    /* bytes that were cut off the end into `torn_name` */
    bool completed;   /* the last line lacked its newline and got it */
    char torn_name[TORN_NAME_SIZE];
};

/* Prepares VISITS, still closed, for the folder at PATH, which must outlive it. */
void visits_init(struct visits *visits, const char *path);

/* Creates the folder and the file where they are absent (mkdir(2), open(2), then fsync(2) of the
 * file, its folder and the folder's parent), takes the lock, reads the file and repairs its end.
 * errno EWOULDBLOCK: another process has it. EINVAL: visits.txt is not a regular file. ELOOP: it is
 * a symbolic link. Leaves it closed on failure, and may be called again. */
int visits_open(struct visits *visits, struct visits_report *ret_report);

/* Appends COUNT lines of LINE_LENGTH bytes with one write(2) in the usual case. On success the
 * first has number *RET_FIRST, the file then ends at *RET_END, and *RET_RECENT holds the lines
 * before them. On failure none of them is in the file. errno ESTALE: somebody else has removed it
 * or changed its length, and the lines may be in it with other numbers; visits_tend() takes it up.
 */
int visits_append(struct visits *visits, const char *lines, size_t count, uint64_t *ret_first,
                  uint64_t *ret_end, struct visits_recent *ret_recent);

/* Returns 0 once fdatasync(2) has reported everything before END durable, also where a later sync
 * has failed since. *RET_DURATION_NS is how long its own fdatasync(2) took; 0 if it needed none. */
int visits_sync(struct visits *visits, uint64_t end, uint64_t *ret_duration_ns);

/* What can be read of it now: bytes that will not change, which are so many lines. They stay
 * readable until visits_release(). On failure errno says why it is not open. */
int visits_snapshot(struct visits *visits, struct listing_range *ret_range,
                    struct visits_file **ret_file);
void visits_release(struct visits_file *file);

/* Opens it if it is closed; after a failed write finds out whether a line could be written again;
 * and reopens the file if another process has replaced or changed it. To be called about once a
 * second, and after ESTALE. A file that takes long to read is read for a fifth of the time at most,
 * however often another process changes it. Returns 1 if it read the file, with *RET_REPORT
 * filled in, else 0, or -1 as above. */
int visits_tend(struct visits *visits, struct visits_report *ret_report);

/* 0 if the next visit can be recorded as far as is known, else an errno. Never touches the disk. */
int visits_fault(const struct visits *visits);

/* The errno that visits were last refused with since the last call, or 0: a fault that has passed
 * by itself is to be known all the same. */
int visits_take_refused(struct visits *visits);

/* After a failed sync, where nobody is promised what is not synced: takes that out of the file. The
 * kernel would show it to the next reader as if it were on the disk, and may never write it
 * (fsync(2)); later lines would be counted from it. */
void visits_drop_unsynced(struct visits *visits);

/* Syncs and closes it. */
int visits_close(struct visits *visits);

#endif
