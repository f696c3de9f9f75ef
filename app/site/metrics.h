/* Counters and histograms for Prometheus, in its text format 0.0.4. Any thread may count. */
#ifndef METRICS_H
#define METRICS_H

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

/* A request was answered with STATUS. */
void metrics_count_response(enum metrics_path path, int status);

/* COUNT visits could not be recorded, for the errno ERROR. */
void metrics_count_errors(int error, unsigned count);

/* One batch of visits was recorded; one fdatasync(2) took so long, or 0: there was none. */
void metrics_observe_batch(unsigned visits);
void metrics_observe_sync(uint64_t nanoseconds);

/* What is not counted here but known elsewhere. */
struct metrics_gauges {
    uint64_t visits, file_bytes;
    unsigned connections;
    const char *version;
};

enum { METRICS_MAX = 16384 };

/* Writes a string into BUFFER, of SIZE bytes; less than METRICS_MAX may be too little, and the
 * string is then cut. Returns its length. */
size_t metrics_write(const struct metrics_gauges *gauges, char *buffer, size_t size);

#endif
