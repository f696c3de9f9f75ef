/* A sample of the visits over time. However long the file, a fixed number of its lines is read. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "log/scan.h"

enum { SAMPLE_POINTS = 60 };

/* There were NUMBER visits when a clock on the wall showed SECONDS since 1970-01-01 00:00:00. */
struct sample_point {
    int64_t seconds;
    uint64_t number;
};

/* Spreads up to SAMPLE_POINTS evenly over the lines of RANGE from `fixed_width_from` on; the first
 * and the last of them are always among the points. Returns how many points there are: 0 if a line
 * cannot be read, or is not what the range says. */
unsigned sample_points(const struct log_snapshot *range, struct sample_point points[SAMPLE_POINTS]);

#endif
