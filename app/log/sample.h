/* Samples the visits over time. Reads a fixed number of lines, however long the file is. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "log/scan.h"

enum { SAMPLE_POINTS = 60 };

/* Visit NUMBER has the local time SECONDS, counted since 1970-01-01 00:00:00 local time. */
struct sample_point {
    int64_t seconds;
    uint64_t number;
};

/* Takes up to SAMPLE_POINTS lines of RANGE, evenly spread from `fixed_width_from` to the end; the
 * first and the last line are included. Returns the number of points; 0 if a line cannot be read,
 * or is not a timestamp. */
unsigned sample_points(const struct log_snapshot *range, struct sample_point points[SAMPLE_POINTS]);

#endif
