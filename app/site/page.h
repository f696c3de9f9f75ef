/* The HTML pages. No allocation, no I/O. The only text from outside the program is the name of the
 * host, POD: it has at most 64 bytes and no special character. Each function writes a string into
 * HTML, of SIZE bytes, and returns its length. PAGE_MAX bytes are enough; in a smaller buffer the
 * string may be truncated. */
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

/* Header fields of every page. They forbid scripts and loading anything from anywhere. */
extern const char page_fields[];

size_t page_of_visit(const struct page_visit *visit, char *html, size_t size);

/* The page for a visit that could not be recorded, for REASON. */
size_t page_of_failure(const char *pod, const char *reason, char *html, size_t size);

/* The HTML before and after the rows of the table of visits. There are COUNT visits, LISTED of them
 * in the table. The plot has POINTS_COUNT <= SAMPLE_POINTS points. */
size_t page_of_visits_head(const char *pod, uint64_t count, uint64_t listed,
                           const struct sample_point *points, unsigned points_count, char *html,
                           size_t size);
extern const char page_of_visits_foot[];

#endif
