/* The HTML pages. No allocation, no I/O. The only text from outside the program is the name of the
 * host, POD: it has at most 64 bytes and no special character. Each function writes a string into
 * HTML, of SIZE bytes, and returns its length. PAGE_MAX bytes are enough; in a smaller buffer the
 * string may be truncated. */
#ifndef PAGE_H
#define PAGE_H

#include "base/text.h"
#include "log/visit_log.h"

#include <stddef.h>
#include <stdint.h>

enum { PAGE_MAX = 8192, PAGE_START_MAX = 4096 /* bytes of page_start() */ };

struct page_visit {
    uint64_t number;
    const char *timestamp; /* TIMESTAMP_LENGTH bytes */
    const char *pod;
    const char (*before)[LINE_LENGTH]; /* the lines before it, the oldest first */
    unsigned before_count;             /* RECENT_LINES at most */
};

/* Header fields of every page. They forbid scripts and loading anything from anywhere. The icon is
 * in the page, as a data: URI. */
extern const char page_fields[];

/* Appends the start of a page: its style and icon, with the accent of POD, and its title. */
void page_start(struct text *text, const char *title, const char *pod);

size_t page_of_visit(const struct page_visit *visit, char *html, size_t size);

/* The page for a visit that could not be recorded, for REASON. */
size_t page_of_failure(const char *pod, const char *reason, char *html, size_t size);

#endif
