/* Counters and histograms for Prometheus, in its text format 0.0.4. Any thread may call the
 * counting functions. */
#ifndef METRICS_H
#define METRICS_H

#include "log/visit_log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metrics_path {
    METRICS_ROOT,
    METRICS_VISITS,
    METRICS_VERSION,
    METRICS_HEALTHZ,
    METRICS_READYZ,
    METRICS_METRICS,
    METRICS_OTHER,
    METRICS_PATHS
};

/* Counts a response with STATUS. */
void metrics_count_response(enum metrics_path path, int status);

/* Counts COUNT visits that could not be recorded, by the errno ERROR. */
void metrics_count_errors(int error, unsigned count);

/* Returns how many visits could not be recorded so far. */
uint64_t metrics_errors(void);

/* Counts a listing whose sending begins (+1) or ends (-1), and one that was not sent to its end. */
void metrics_count_listing(int change);
void metrics_count_aborted_listing(void);

/* Counts a line of the log that was not written. */
void metrics_count_dropped_line(void);

/* Observe the number of visits in a recorded batch, and the duration of an fdatasync(2). A duration
 * of 0 means that there was none. */
void metrics_observe_batch(unsigned visits);
void metrics_observe_sync(uint64_t nanoseconds);

/* Observes how long a recorded visit was in the server: from its request to the last byte of its
 * response, in microseconds. */
void metrics_observe_visit(uint64_t microseconds);

/* The volume that holds the visits, in bytes. A size of 0: it is not known. */
void metrics_set_volume(uint64_t size, uint64_t available);

/* Values that are known elsewhere. */
struct metrics_gauges {
    enum visit_log_state state;
    bool ready;
    uint64_t visits, file_bytes; /* left out while CLOSED: they are not known */
    unsigned connections, connections_max;
    uint64_t evicted; /* connections */
    const char *version;
};

enum { METRICS_MAX = 16384 };

/* Writes all metrics as a string into BUFFER, of SIZE bytes. METRICS_MAX bytes are enough; in a
 * smaller buffer the string may be truncated. Returns its length. */
size_t metrics_write(const struct metrics_gauges *gauges, char *buffer, size_t size);

#endif
