/* The state of the log as one line on stderr that names the file and the remedy. */
#ifndef REPORT_H
#define REPORT_H

#include "log/visit_log.h"

#include <stdbool.h>
#include <stdint.h>

/* What was found at the end of the file in DIRECTORY and done about it; nothing if all was well. */
void report_recovery(const char *directory, const struct recovery *recovery);

/* Why visits cannot be recorded in DIRECTORY, from the errno FAULT, and what to do about it. */
void report_fault(const char *directory, int fault);

/* A sync has failed, with the errno FAULT. */
void report_durability_lost(const char *directory, int fault);

/* Can this errno pass without a restart of the program? */
bool is_transient(int fault);

/* Reports while the log is served: only changes, and only so many in a time. Another process that
 * writes to the file, or a volume that comes and goes, would have something reported all the time.
 */
struct reporter {
    const char *directory;
    int fault;            /* errno of what keeps visits from being recorded, or 0, as reported */
    unsigned lines;       /* that may still be written now */
    unsigned suppressed;  /* changes since the last line */
    int64_t next_line_ms; /* of clock_ms(): when one more line may be */
};

/* FAULT is known already. DIRECTORY must outlive the reporter. */
void reporter_init(struct reporter *reporter, const char *directory, int fault);

/* The file was read anew and holds COUNT visits. */
void report_reopened(struct reporter *reporter, uint64_t count, const struct recovery *recovery);

/* FAULT keeps visits from being recorded now, or nothing does: 0. */
void report_state(struct reporter *reporter, int fault);

#endif
