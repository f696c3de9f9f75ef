#include "report.h"

#include "base/clock.h"
#include "die.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { LINES_MAX = 12, LINE_MS = 5000 };

void report_recovery(const char *directory, const struct recovery *recovery)
{
    if (recovery->torn > 0)
        warn("truncated %llu bytes of a torn line from %s/" VISITS_FILE "; kept in %s/%s",
             (unsigned long long)recovery->torn, directory, directory, recovery->torn_name);
    if (recovery->completed)
        warn("restored the newline missing after the last line of %s/" VISITS_FILE, directory);
    if (recovery->damaged > 0)
        warn("%llu lines of %s/" VISITS_FILE " are not visits; they are kept and counted",
             (unsigned long long)recovery->damaged, directory);
}

void report_fault(const char *directory, int fault)
{
    if (fault == EWOULDBLOCK)
        warn("%s/" VISITS_FILE " is in use by another process; not ready, retrying", directory);
    else if (fault == EACCES || fault == EPERM)
        warn("cannot write to %s as user %u, group %u: change its owner, or run as its owner "
             "(docker run --user \"$(id -u):$(id -g)\")",
             directory, (unsigned)geteuid(), (unsigned)getegid());
    else if (fault == EINVAL || fault == EISDIR || fault == ENXIO)
        warn("%s/" VISITS_FILE " is not a regular file; move it away, or name another --data-dir",
             directory);
    else if (fault == ELOOP)
        warn("%s/" VISITS_FILE
             " is a symbolic link; name the directory it leads to with --data-dir",
             directory);
    else if (fault == ENOTDIR)
        warn("%s is not a directory; name another --data-dir", directory);
    else if (fault == ENOENT)
        warn("cannot create %s: its parent directory does not exist", directory);
    else if (fault == ENOSPC || fault == EDQUOT || fault == EROFS || fault == EIO || fault == EFBIG)
        warn("cannot write %s/" VISITS_FILE ": %s; not ready, retrying", directory,
             strerror(fault));
    else
        warn("cannot use %s/" VISITS_FILE ": %s", directory, strerror(fault));
}

void report_durability_lost(const char *directory, int fault)
{
    warn("fdatasync of %s/" VISITS_FILE
         " failed: %s: its durable content is unknown; restart to recover",
         directory, strerror(fault));
}

bool is_transient(int fault)
{
    return fault == EWOULDBLOCK || fault == ENOSPC || fault == EDQUOT || fault == EROFS ||
           fault == EIO || fault == EINTR || fault == EFBIG || fault == ESTALE;
}

void reporter_init(struct reporter *reporter, const char *directory, int fault)
{
    *reporter = (struct reporter){.directory = directory, .fault = fault, .lines = LINES_MAX};
}

/* A token bucket: LINES_MAX reports at once, then one more every LINE_MS. */
static bool may_report(struct reporter *reporter)
{
    int64_t now_ms = clock_ms();
    for (; reporter->lines < LINES_MAX && now_ms >= reporter->next_line_ms;
         reporter->next_line_ms += LINE_MS)
        reporter->lines++;
    if (reporter->lines == 0) {
        reporter->suppressed++;
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
    if (!may_report(reporter))
        return;
    warn("reopened %s/" VISITS_FILE ": %llu visits", reporter->directory,
         (unsigned long long)count);
    report_recovery(reporter->directory, recovery);
}

void report_state(struct reporter *reporter, int fault)
{
    if (fault == reporter->fault)
        return;
    reporter->fault = fault;
    if (!may_report(reporter))
        return;
    if (fault)
        report_fault(reporter->directory, fault);
    else
        warn("ready again: %s/" VISITS_FILE " is writable", reporter->directory);
}
