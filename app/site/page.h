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

enum { PAGE_MAX = 8192, PAGE_START_MAX = 4096 /* bytes of page_start(), with a title */ };

/* What all pages of a pod have in common. */
struct page_frame {
    char html[PAGE_START_MAX];
    size_t title_at, length; /* where the title belongs, and the end */
};

struct page_visit {
    uint64_t number;
    const char *timestamp; /* TIMESTAMP_LENGTH bytes */
    const struct page_frame *frame;
    const char (*before)[LINE_LENGTH]; /* the lines before it, the oldest first */
    unsigned before_count;             /* RECENT_LINES at most */
};

/* Header fields of every page. They forbid scripts and loading anything from anywhere. The icon is
 * in the page, as a data: URI. */
extern const char page_fields[];

/* Makes the frame of the pages of POD: their style and icon, with its accent, and their header. */
void page_frame_init(struct page_frame *frame, const char *pod);

/* Appends the start of a page, up to its header. */
void page_start(struct text *text, const char *title, const struct page_frame *frame);

size_t page_of_visit(const struct page_visit *visit, char *html, size_t size);

/* The page for a visit that could not be recorded, for REASON. */
size_t page_of_failure(const struct page_frame *frame, const char *reason, char *html, size_t size);

#endif
