/* The HTML that people see, from plain data into a caller's buffer: no allocation, no I/O, nothing
 * from outside the program in it except the host's name, which has at most 64 bytes and no special
 * character. Each function writes a string into HTML, of SIZE bytes, and returns its length; less
 * than PAGE_MAX may be too little, and the string is then cut. */
#ifndef PAGE_H
#define PAGE_H

#include "log/sample.h"
#include "log/visit_log.h"

#include <stddef.h>
#include <stdint.h>

enum { PAGE_MAX = 8192 };

struct page_visit {
    uint64_t number;
    const char *timestamp; /* TIMESTAMP_LENGTH bytes */
    const char *pod;
    const char (*before)[LINE_LENGTH]; /* the lines before it, the oldest first */
    unsigned before_count;             /* RECENT_LINES at most */
};

/* Fields that go with every page: nothing is loaded from anywhere, and no script runs. */
extern const char page_fields[];

size_t page_of_visit(const struct page_visit *visit, char *html, size_t size);

/* The page in place of one when the visit could not be recorded, for REASON. */
size_t page_of_failure(const char *pod, const char *reason, char *html, size_t size);

/* What comes before and after the rows of the table of visits: COUNT visits in all, of which LISTED
 * are in the table, and a plot through the POINTS_COUNT <= SAMPLE_POINTS points. */
size_t page_of_visits_head(const char *pod, uint64_t count, uint64_t listed,
                           const struct sample_point *points, unsigned points_count, char *html,
                           size_t size);
extern const char page_of_visits_foot[];

#endif
