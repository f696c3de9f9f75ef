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
void metrics_count_request(enum metrics_path path, int status);

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

/* Returns the length of the text, less than SIZE. */
size_t metrics_write(const struct metrics_gauges *gauges, char *text, size_t size);

#endif
