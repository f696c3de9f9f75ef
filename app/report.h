/* Reports the state of the log on stderr. Each line names the file and the remedy. */
#ifndef REPORT_H
#define REPORT_H

#include "log/visit_log.h"

#include <stdbool.h>
#include <stdint.h>

/* Reports what recovery found and repaired in the file in DIRECTORY; nothing if the file was
 * intact. */
void report_recovery(const char *directory, const struct recovery *recovery);

/* Reports why visits cannot be recorded in DIRECTORY, from the errno FAULT, and the remedy. */
void report_fault(const char *directory, int fault);

/* Reports that a sync failed with the errno FAULT. */
void report_durability_lost(const char *directory, int fault);

/* Reports how far the file has been read, if FAULT is EINPROGRESS: when that has lasted 2 s, and
 * then every 5 s. To be called about once a second. *NEXT_MS is 0 at first. */
void report_reading(const char *directory, int fault, int64_t *next_ms);

/* Can this fault, an errno, disappear without a restart of the program? */
bool is_transient(int fault);

/* Reports changes while the server runs, at a limited rate. Otherwise another process that keeps
 * writing to the file, or an unstable volume, would flood stderr. */
struct reporter {
    const char *directory;
    int fault;            /* the errno that keeps visits from being recorded, or 0 */
    int reported_fault;   /* the same as it was last reported */
    uint64_t errors;      /* metrics_errors() before that fault */
    bool is_stale;        /* visit_log_is_stale() at the last housekeeping */
    unsigned lines;       /* reports that are allowed now */
    unsigned suppressed;  /* changes that were not reported */
    int64_t next_line_ms; /* when `lines` grows by one, by clock_ms() */
};

/* FAULT is an errno that has been reported already, or 0. DIRECTORY must outlive the reporter. */
void reporter_init(struct reporter *reporter, const char *directory, int fault);

/* Reports that the file was reopened and holds COUNT visits. */
void report_reopened(struct reporter *reporter, uint64_t count, const struct recovery *recovery);

/* Reports FAULT, the errno that keeps visits from being recorded, or 0; for 0 also how many visits
 * were refused meanwhile. Reports only a change. To be called about once a second. ERRORS is
 * metrics_errors() from before FAULT was looked for. */
void report_state(struct reporter *reporter, int fault, uint64_t errors);

#endif
