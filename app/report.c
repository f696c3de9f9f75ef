#include "report.h"

#include "base/clock.h"
#include "die.h"
#include "log/progress.h"
#include "sandbox.h"
#include "site/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINES_MAX = 12, LINE_MS = 5000 };

void report_recovery(const char *directory, const struct recovery *recovery)
{
    if (recovery->torn > 0)
        warn("truncated %llu bytes of a torn line from %s/" VISITS_FILE "; kept in %s/%s",
             (unsigned long long)recovery->torn, directory, directory, recovery->torn_name);
    if (recovery->completed)
        warn("restored the newline missing after the last line of %s/" VISITS_FILE, directory);
    if (recovery->name_unsynced)
        warn("this file system cannot sync %s: power loss may lose a new " VISITS_FILE, directory);
    if (recovery->damaged > 0)
        warn("%llu lines of %s/" VISITS_FILE " are not visits; they are kept and counted",
             (unsigned long long)recovery->damaged, directory);
}

/* Reports the attribute of chattr(1) that keeps even root from writing, if the file or the
 * directory has one. Returns false if neither has. */
static bool report_attribute(const char *directory)
{
    static const char names[][sizeof VISITS_FILE] = {VISITS_FILE, ""};
    enum { IMMUTABLE = 0x10, APPEND_ONLY = 0x20, EMPTY_PATH = 0x1000 }; /* statx(2) */
    struct {
        uint32_t mask, block_size;
        uint64_t attributes, rest[30];
    } status;
    _Static_assert(sizeof status == 256, "struct statx");
    int fd = open(directory, O_PATH | O_CLOEXEC);
    bool found = false;
    for (unsigned i = 0; i < 2 && !found; i++) {
        found = syscall(SYS_statx, fd, names[i], EMPTY_PATH, 0, &status) == 0 &&
                (status.attributes & (IMMUTABLE | APPEND_ONLY));
        bool immutable = status.attributes & IMMUTABLE;
        if (found)
            alert("cannot write %s/%s: it is %s; remove that with chattr -%c", directory, names[i],
                  immutable ? "immutable" : "append-only", immutable ? 'i' : 'a');
    }
    (void)close(fd);
    return found;
}

void report_fault(const char *directory, int fault)
{
    if (fault == EPERM && report_attribute(directory))
        return;
    if (fault == EWOULDBLOCK)
        alert("%s/" VISITS_FILE " is in use by another process; not ready, retrying", directory);
    else if (fault == EACCES && sandbox_excludes(directory))
        alert("%s was moved or replaced, and the sandbox keeps to the one before: put it back, or "
              "restart",
              directory);
    else if (fault == EACCES || fault == EPERM)
        /* In a rootless container the owner has another number: the container's root is the user
         * who started it. And SELinux denies what the owner and the mode allow. */
        alert("cannot write to %s as user %u, group %u: change its owner, or run as its owner "
              "(docker run --user \"$(id -u):$(id -g)\"; if rootless, Docker: --user 0:0, "
              "Podman: --userns=keep-id); with SELinux mount it with :Z",
              directory, (unsigned)geteuid(), (unsigned)getegid());
    else if (fault == EOPNOTSUPP || fault == ENOLCK)
        alert("cannot use %s/" VISITS_FILE ": this file system lacks %s; name another --data-dir",
              directory, fault == ENOLCK ? "flock" : "fsync");
    else if (fault == EISDIR || fault == ENXIO)
        alert("%s/" VISITS_FILE " is not a regular file; move it away, or name another --data-dir",
              directory);
    else if (fault == ELOOP)
        alert("%s/" VISITS_FILE
              " is a symbolic link; name the directory it leads to with --data-dir",
              directory);
    else if (fault == ENOTDIR)
        alert("%s is not a directory; name another --data-dir", directory);
    else if (fault == ENOENT)
        alert("cannot create %s: its parent directory does not exist", directory);
    else if (fault == ENOSPC || fault == EDQUOT || fault == EROFS || fault == EIO || fault == EFBIG)
        alert("cannot write %s/" VISITS_FILE ": %s; not ready, retrying", directory,
              strerror(fault));
    else
        alert("cannot use %s/" VISITS_FILE ": %s", directory, strerror(fault));
}

void report_durability_lost(const char *directory, int fault)
{
    alert("fdatasync of %s/" VISITS_FILE
          " failed: %s: its durable content is unknown; restart to recover",
          directory, strerror(fault));
}

bool is_transient(int fault)
{
    return fault == EWOULDBLOCK || fault == ENOSPC || fault == EDQUOT || fault == EROFS ||
           fault == EIO || fault == EINTR || fault == EFBIG || fault == ESTALE;
}

void report_reading(const char *directory, int fault, int64_t *next_ms)
{
    enum { FIRST_MS = 2000, PAUSE_MS = 5000 };
    char reason[EXPLANATION_SIZE];
    int64_t now_ms = clock_ms();
    if (fault != EINPROGRESS) {
        *next_ms = 0;
    } else if (*next_ms == 0) {
        *next_ms = now_ms + FIRST_MS;
    } else if (now_ms >= *next_ms) {
        explain_fault(fault, reason);
        inform("not ready: %s, in %s", reason, directory);
        *next_ms = now_ms + PAUSE_MS;
    }
}

void reporter_init(struct reporter *reporter, const char *directory, int fault)
{
    *reporter = (struct reporter){
        .directory = directory, .fault = fault, .reported_fault = fault, .lines = LINES_MAX};
}

/* A token bucket: LINES_MAX reports at once, then one more every LINE_MS. */
static bool may_report(struct reporter *reporter, bool is_change)
{
    int64_t now_ms = clock_ms();
    for (; reporter->lines < LINES_MAX && now_ms >= reporter->next_line_ms;
         reporter->next_line_ms += LINE_MS)
        reporter->lines++;
    if (reporter->lines == 0) {
        reporter->suppressed += is_change;
        return false;
    }
    if (reporter->lines == LINES_MAX)
        reporter->next_line_ms = now_ms + LINE_MS;
    reporter->lines--;
    if (reporter->suppressed > 0)
        warn("%u changes of the file or the volume were not logged: there were too many at once",
             reporter->suppressed);
    reporter->suppressed = 0;
    return true;
}

void report_reopened(struct reporter *reporter, uint64_t count, const struct recovery *recovery)
{
    if (!may_report(reporter, true))
        return;
    inform("reopened %s/" VISITS_FILE ": %llu visits", reporter->directory,
           (unsigned long long)count);
    report_recovery(reporter->directory, recovery);
}

/* A state that could not be reported when it changed is reported later. */
void report_state(struct reporter *reporter, int fault, uint64_t errors)
{
    bool is_change = fault != reporter->fault;
    reporter->fault = fault;
    if (fault == reporter->reported_fault && !is_change && reporter->suppressed == 0) {
        if (!fault)
            reporter->errors = errors;
        return;
    }
    if (!may_report(reporter, is_change) || fault == reporter->reported_fault)
        return;
    reporter->reported_fault = fault;
    if (fault) {
        report_fault(reporter->directory, fault);
        return;
    }
    errors = metrics_errors();
    if (errors > reporter->errors)
        inform("ready again: %s/" VISITS_FILE " is writable; %llu visits got 503 meanwhile",
               reporter->directory, (unsigned long long)(errors - reporter->errors));
    else
        inform("ready again: %s/" VISITS_FILE " is writable", reporter->directory);
    reporter->errors = errors;
}
