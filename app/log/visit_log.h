/* The durable log of visits: the file visits.txt in a data directory, one line per visit.
 *
 * While it is OPEN:
 * - bytes [0, size) of the file are complete lines; `count` is their number, and the number of
 *   a visit is that of its line;
 * - `partial_size` bytes after `size` are what a failed write left: they are truncated before
 *   anything else is written;
 * - bytes [0, durable_size) have been reported durable by fdatasync(2), and durable_size <= size;
 * - no other process that respects flock(2) writes to the file.
 *
 *   state    the file is       append    sync       visit_log_maintain()  next states
 *   CLOSED   not open          refused   none due   opens                 OPEN, FAILED
 *   OPEN     ours              yes       yes        checks and probes     STALE, FAILED, CLOSED
 *   STALE    no longer ours    refused   yes        reopens               OPEN, FAILED, CLOSED
 *   FAILED   as it was before  refused   refused    does nothing          none
 *
 * STALE: another process has removed, replaced or resized the file. Our count of its lines is
 * wrong, and ftruncate(2) would destroy its data or extend the file with NULs. Or our descriptor is
 * dead: the server of a network share or of FUSE does not know it any more. FAILED: a sync has
 * failed, so it is unknown which bytes after `durable_size` are durable. The process must exit with
 * EXIT_DURABILITY_LOST; the next start compares the file with the disk. Visits before
 * `durable_size` may still be acknowledged.
 *
 * Several threads may append, sync and read at the same time. There are two locks, taken in this
 * order:
 * - sync_lock: one fdatasync(2) at a time. Threads that wait for the lock share the next sync
 *   (group commit), and do not block appends meanwhile;
 * - append_lock: guards the end of the file and the numbers of its lines.
 * A member may be changed only under its lock; an _Atomic one may be read without. append_lock is
 * enough to set STALE; every other change of `state` needs both.
 *
 * visit_log_open() and visit_log_maintain() are for one thread. They hold no lock while they read
 * the file, which may take minutes: appends wait for up to 100 ms, and are then refused at once,
 * with EINPROGRESS. The state is CLOSED or STALE, and all that was appended before is durable.
 *
 * Functions return 0, or -1 with errno set. Sizes and offsets are in bytes. */
#ifndef VISIT_LOG_H
#define VISIT_LOG_H

#include "log/durable.h"
#include "log/open.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum visit_log_state { LOG_CLOSED, LOG_OPEN, LOG_STALE, LOG_FAILED };

struct visit_log {
    const char *directory_path;
    _Atomic enum visit_log_state state;
    _Atomic int fault;     /* errno that keeps visits from being recorded; 0 only in OPEN */
    _Atomic int refused;   /* errno of the last append that failed in OPEN, until it is taken */
    struct log_file *file; /* NULL while no file is open; changes under both locks */

    pthread_mutex_t append_lock; /* guards the following */
    _Atomic uint64_t count;
    _Atomic uint64_t size;
    _Atomic uint64_t fixed_width_from; /* from this offset on every line has LINE_LENGTH bytes */
    size_t partial_size;               /* bytes after `size`, of a write that failed */
    struct recent_lines recent;
    int64_t append_waits_until_ms; /* of clock_ms(), while the file is read */

    pthread_mutex_t sync_lock; /* guards the following */
    _Atomic uint64_t durable_size;
    bool was_open; /* FAILED was entered from OPEN: the end of the file is ours */
    struct durable_mark mark;
    int64_t reopen_after_ms; /* of clock_ms() */
    struct torn_files torn;
};

/* Initializes LOG in CLOSED. PATH, the data directory, must outlive it. */
void visit_log_init(struct visit_log *log, const char *path);

/* Creates the directory and the file if they are absent (mkdir(2), open(2), then fsync(2) of the
 * file, its directory and the directory's parent), locks the file, reads it and repairs its end.
 * Allowed only in CLOSED. On failure the state stays CLOSED, and the call can be repeated; or it
 * becomes FAILED. errno EWOULDBLOCK: another process has the lock. ENXIO: visits.txt is not a
 * regular file. ELOOP: it is a symbolic link. EOPNOTSUPP, ENOLCK: this file system lacks fsync(2),
 * or flock(2). */
int visit_log_open(struct visit_log *log, struct recovery *ret_recovery);

/* Appends COUNT > 0 lines of LINE_LENGTH bytes, usually with one write(2). On success the first
 * line has the number *RET_FIRST, the file ends at *RET_END, and *RET_RECENT holds the last lines
 * before these. On failure none of the lines is recorded: partial bytes are truncated before the
 * next append. errno ESTALE: another process has removed or resized the file. Then the lines may be
 * in the file with other numbers; visit_log_maintain() reopens it. EBADFD: the descriptor is dead,
 * whichever errno the kernel gave; it reopens the file too. */
int visit_log_append(struct visit_log *log, const char *lines, size_t count, uint64_t *ret_first,
                     uint64_t *ret_end, struct recent_lines *ret_recent);

/* Returns 0 when fdatasync(2) has reported all bytes before END durable, even if a later sync has
 * failed since. *RET_DURATION_NS is the duration of the fdatasync(2) of this call; 0 if it needed
 * none. */
int visit_log_sync(struct visit_log *log, uint64_t end, uint64_t *ret_duration_ns);

/* Sets *RET_RANGE to the lines that can be read now. They stay readable until the caller calls
 * log_file_release() on *RET_FILE. Fails if no file is open; errno is that of visit_log_fault(). */
int visit_log_snapshot(struct visit_log *log, struct log_snapshot *ret_range,
                       struct log_file **ret_file);

/* CLOSED: opens the file. OPEN: checks that the file is still ours, and after a failed write probes
 * whether a line could be written again, without a byte in the file. STALE: reopens the file. To be
 * called about once a second, and when visit_log_is_stale(). If reading took 100 ms or more, the
 * next reading waits four times as long, up to a minute: another process may change a large file
 * all the time. Returns 1 if it read the file, with *RET_RECOVERY filled in; 0 if not; or -1 with
 * the errno of visit_log_fault(). */
int visit_log_maintain(struct visit_log *log, struct recovery *ret_recovery);

/* Returns 0 if the next visit can be recorded, as far as is known, else an errno. Makes no system
 * call. */
int visit_log_fault(const struct visit_log *log);

/* Is it FAILED? Takes no lock. */
bool visit_log_has_failed(const struct visit_log *log);

/* Does this errno of visit_log_append() mean that visit_log_maintain() should reopen the file at
 * once? */
bool visit_log_is_stale(int error);

/* Returns the errno of the last append that failed in OPEN since the previous call, or 0. It
 * reports even a fault that has disappeared since. */
int visit_log_take_refused(struct visit_log *log);

/* For --sync=always, where no visit is acknowledged before its sync: in FAILED, truncates the file
 * to `durable_size`. Otherwise the next process would read refused lines from the page cache,
 * though they may not be on the disk (fsync(2)), and count them. */
void visit_log_truncate_unsynced(struct visit_log *log);

/* Syncs and closes the file. Then the state is CLOSED, or FAILED without an open file. */
int visit_log_close(struct visit_log *log);

#endif
