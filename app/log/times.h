/* Finds visits by their times, and counts them. Reads a few lines for a search, however long the
 * file is.
 *
 * It knows the lines from `fixed_width_from` on, and indexes them from 0. Where the clock was set
 * back, a run of lines ends: within a run the times ascend, so that a search can bisect it. A step
 * back of less than SLACK_S is no end, and one between two lines that ascend, a 64th of the file
 * apart, may be missed; the lines by the wrong clock may then be found at either time.
 *
 * Instants are in microseconds since 1970-01-01 00:00:00 UTC. After a failed read, or if another
 * process has changed a line, `error` is set, and all results are invalid. */
#ifndef TIMES_H
#define TIMES_H

#include "log/scan.h"

#include <stdbool.h>
#include <stdint.h>

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)

enum { RUNS_MAX = 8, SLACK_S = 10 };

struct times {
    struct log_snapshot range;
    uint64_t count;          /* lines */
    unsigned runs;           /* 0 if there are no lines; the last one also holds what is left */
    uint64_t ends[RUNS_MAX]; /* index after the last line of each run */
    int error;               /* errno, or 0 */
};

/* Finds the runs in RANGE. */
void times_init(struct times *ret_times, const struct log_snapshot *range);

int64_t times_at(struct times *times, uint64_t index);

/* Returns the number of lines before INSTANT. */
uint64_t times_before(struct times *times, int64_t instant);

/* Finds the first and the last time; there must be a line. */
void times_span(struct times *times, int64_t *ret_first, int64_t *ret_last);

/* Finds the lines from FROM on and before TO. Where the clock was set back, there may be others
 * between them. Returns their indices: *RET_FIRST, and *RET_END after the last one. */
void times_find(struct times *times, int64_t from, int64_t to, uint64_t *ret_first,
                uint64_t *ret_end);

/* Lines that are held in memory. */
struct times_window {
    uint64_t first, count; /* index of the first; how many */
    char lines[496][LINE_LENGTH];
};

/* The search for the hour with the most visits. Zero it before the first call. */
struct busiest_hour {
    uint64_t count;
    int64_t start; /* an instant */
    uint64_t next; /* index of the next line to look at */
    unsigned run;
    struct times_window window;
};

/* Continues the search. Reads up to 128 KiB. Returns whether it is done. */
bool times_search_busiest(struct times *times, struct busiest_hour *busiest);

/* Local times, in seconds since 1970-01-01 00:00:00 local time. For one that a change of the clock
 * skips or repeats, time_of_local() returns an instant beside the change. */
int64_t time_to_local(int64_t instant);
int64_t time_of_local(int64_t local_s);

/* Parses a time in the form of a line of visits.txt, or the beginning of one from the month on:
 * "2026-11-28", "2026-11-28T22:54". Without an offset it is local time. A "T" or "+" may replace
 * the space. Returns 0, or -1. */
int time_parse(const char *text, size_t length, int64_t *ret_instant);

#endif
