/* The points of a plot of visits over time. However long the file, a fixed number of lines is read.
 */
#ifndef PLOT_H
#define PLOT_H

#include "listing.h"

#include <stdint.h>

enum { PLOT_POINTS = 60 };

/* A point of the plot: the NUMBER of visits there had been at SECONDS since 1970 of local time. */
struct page_point {
    int64_t seconds;
    uint64_t number;
};

/* Spreads up to PLOT_POINTS over the part of RANGE whose lines all have LINE_LENGTH bytes. Returns
 * how many there are: none where lines cannot be read. */
unsigned plot_points(const struct listing_range *range, struct page_point points[PLOT_POINTS]);

#endif
