/* A sample of the visits over time. However long the file, a fixed number of its lines is read. */
#ifndef PLOT_H
#define PLOT_H

#include "scan.h"

enum { PLOT_POINTS = 60 };

/* There were NUMBER visits when a clock on the wall showed SECONDS since 1970-01-01 00:00:00. */
struct page_point {
    int64_t seconds;
    uint64_t number;
};

/* Spreads up to PLOT_POINTS evenly over the lines of RANGE from `uniform_from` on; the first and
 * the last of them are always among the points. Returns how many points there are: 0 if a line
 * cannot be read, or is not what the range says. */
unsigned plot_points(const struct listing_range *range, struct page_point points[PLOT_POINTS]);

#endif
