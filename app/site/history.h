/* What the page of visits shows of their times: a summary and a plot. Both are counted, not
 * sampled, by searches in the file (log/times.h), in bounded steps. */
#ifndef HISTORY_H
#define HISTORY_H

#include "base/text.h"
#include "log/times.h"

enum { BARS_MAX = 90, HISTORY_MAX = 20480 /* bytes of its HTML */ };

struct history {
    struct times times;
    int64_t first, last;       /* the times of the first and the last line */
    uint64_t today, last_hour; /* visits */
    struct busiest_hour busiest;
    bool busiest_found;
    /* The plot has BARS bars, for STEP_S seconds each; none if no visit is selected. */
    int64_t from, to; /* the selected instants */
    int64_t start, start_local_s, step_s;
    unsigned bars, counted;
    uint64_t
        before[BARS_MAX + 1]; /* visits before the start of each bar, and the end of the last */
};

/* Prepares the summary of TIMES, and the plot of its lines FIRST to END, which are the ones from
 * FROM on and before TO. Makes a few searches. */
void history_init(struct history *ret_history, const struct times *times, int64_t from, int64_t to,
                  uint64_t first, uint64_t end);

/* Continues the counting. Returns whether it is done. */
bool history_count(struct history *history);

void history_put(struct text *text, const struct history *history);

/* Append an instant: its local time, as in visits.txt, up to the second; or, for a link, all of
 * it with a "T". A year without four digits gives a time before or after all others. */
void put_time(struct text *text, int64_t instant);
void put_time_parameter(struct text *text, int64_t instant);

/* Appends a number with a comma after each three digits. */
void put_count(struct text *text, uint64_t count);

#endif
