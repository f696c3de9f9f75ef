/* The durable log of visits: the file visits.txt in a data directory, one line per visit.
 *
 * While it is OPEN:
 * - bytes [0, size) of the file are whole lines; `count` is their number, and a visit's number is
 *   that of its line;
 * - `partial_size` bytes after `size` are what a failed write left: they are truncated before
 *   anything else is written;
 * - bytes [0, durable_size) have been reported durable by fdatasync(2), and durable_size <= size;
 * - no other process that keeps to flock(2) writes to the file.
 *
 *   state    the file is       append    sync       visit_log_maintain()  next states
 *   CLOSED   not open          refused   none due   opens                 OPEN, FAILED
 *   OPEN     ours              yes       yes        checks and probes     STALE, FAILED, CLOSED
 *   STALE    no longer ours    refused   yes        reopens               OPEN, FAILED, CLOSED
 *   FAILED   as it was before  refused   refused    does nothing          none
 *
 * STALE: another process has removed, replaced or resized the file. Our count of its lines is
 * wrong, and ftruncate(2) would destroy its data or extend the file with NULs. FAILED: a sync has
 * failed, so it is unknown what is durable behind `durable_size`. The process must exit with
 * EXIT_DURABILITY_LOST; the next start looks at the disk. Everything before `durable_size` may
 * still be acknowledged.
 *
 * Several threads may append, sync and read at the same time. There are two locks, taken in this
 * order:
 * - sync_lock: one fdatasync(2) at a time. A thread that waits for it shares the next one, and does
 *   not hold up appends meanwhile;
 * - append_lock: guards the end of the file and its numbers.
 * visit_log_open() and visit_log_maintain() hold both while they read the file, so that nothing is
 * appended or acknowledged meanwhile. `state` becomes STALE under append_lock alone, and anything
 * else under both.
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
    _Atomic int fault;     /* errno of what keeps visits from being recorded; 0 only in OPEN */
    _Atomic int refused;   /* errno of the last visit_log_append() that failed, until it is taken */
    struct log_file *file; /* NULL while no file is open; changes under both locks */

    pthread_mutex_t append_lock; /* guards the following */
    _Atomic uint64_t count;
    _Atomic uint64_t size;
    _Atomic uint64_t fixed_width_from; /* from this offset on every line has LINE_LENGTH bytes */
    size_t partial_size;               /* bytes after `size`, of a write that failed */
    struct recent_lines recent;

    pthread_mutex_t sync_lock; /* guards the following */
    _Atomic uint64_t durable_size;
    bool was_open; /* in FAILED: not CLOSED nor STALE before, so the end of the file is ours */
    struct durable_mark mark;
    int64_t reopen_after_ms; /* of clock_ms() */
    struct torn_files torn;
};

/* Prepares LOG, CLOSED, for the directory at PATH, which must outlive it. */
void visit_log_init(struct visit_log *log, const char *path);

/* Creates the directory and the file if they are absent (mkdir(2), open(2), then fsync(2) of the
 * file, its directory and the directory's parent), takes the lock, reads the file and repairs its
 * end. Only in CLOSED. On failure it stays so and this may be called again, or it is FAILED.
 * errno EWOULDBLOCK: another process has the lock. EINVAL: visits.txt is not a regular file. ELOOP:
 * it is a symbolic link. */
int visit_log_open(struct visit_log *log, struct recovery *ret_recovery);

/* Appends COUNT > 0 lines of LINE_LENGTH bytes, usually with one write(2). On success the first has
 * number *RET_FIRST, the file then ends at *RET_END, and *RET_RECENT holds the lines before them.
 * On failure none of them is in the file. errno ESTALE: another process has removed or resized the
 * file, and the lines may be in it with other numbers; visit_log_maintain() reopens it. */
int visit_log_append(struct visit_log *log, const char *lines, size_t count, uint64_t *ret_first,
                     uint64_t *ret_end, struct recent_lines *ret_recent);

/* Returns 0 once fdatasync(2) has reported everything before END durable, also if a later sync has
 * failed since. *RET_DURATION_NS is how long its own fdatasync(2) took; 0 if it needed none. */
int visit_log_sync(struct visit_log *log, uint64_t end, uint64_t *ret_duration_ns);

/* Fills in what can be read of it now. That stays readable until log_file_release() of *RET_FILE.
 * On failure errno says why no file is open. */
int visit_log_snapshot(struct visit_log *log, struct log_snapshot *ret_range,
                       struct log_file **ret_file);

/* Opens it if it is CLOSED; finds out whether a line could be written again after a failed write;
 * and reopens the file if another process has replaced or changed it. To be called about once a
 * second, and after ESTALE. A file that takes long to read is read for a fifth of the time at most,
 * however often another process changes it. Returns 1 if it read the file, with *RET_REPORT filled
 * in, else 0, or -1 with the errno of visit_log_fault(). */
int visit_log_maintain(struct visit_log *log, struct recovery *ret_recovery);

/* 0 if the next visit can be recorded as far as is known, else an errno. Makes no system call. */
int visit_log_fault(const struct visit_log *log);

/* Is it FAILED? Takes no lock. */
bool visit_log_has_failed(const struct visit_log *log);

/* The errno that visits were last refused with since the last call, or 0. It tells also of a fault
 * that has passed by itself. */
int visit_log_take_refused(struct visit_log *log);

/* In FAILED, if no visit before its sync was acknowledged (--sync=always): takes what is not
 * durable out of the file. Else the kernel would show it to the next reader as if it were on the
 * disk, and may never write it (fsync(2)), and later lines would be counted from it. */
void visit_log_truncate_unsynced(struct visit_log *log);

/* Syncs and closes it: CLOSED, or FAILED with no file open. */
int visit_log_close(struct visit_log *log);

#endif
