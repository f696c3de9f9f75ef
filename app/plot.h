/* The points of a plot of visits over time. However long the file, a fixed number of lines is read.
 */
#ifndef PLOT_H
#define PLOT_H

#include "listing.h"
#include "page.h"

enum { PLOT_POINTS = 60 };

/* Spreads up to PLOT_POINTS over the part of RANGE whose lines all have LINE_LENGTH bytes. Returns
 * how many there are: none where lines cannot be read. */
unsigned plot_points(const struct listing_range *range, struct page_point points[PLOT_POINTS]);

#endif
