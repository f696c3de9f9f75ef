/* One pass over visits.txt: how many lines it has, and where the last visit ends. */
#ifndef SCAN_H
#define SCAN_H

#include "log/timestamp.h"

#include <stdbool.h>
#include <stdint.h>

/* A multiple of the length of a line, so that whole lines fill it. */
enum { SCAN_BUFFER_SIZE = LINE_LENGTH * 2048 };

/* The part of a file that is read: whole lines that do not change any more. */
struct log_snapshot {
    int fd;                    /* must stay open */
    uint64_t size, count;      /* bytes and lines, from the start of the file */
    uint64_t fixed_width_from; /* from this offset on every line has LINE_LENGTH bytes */
};

struct scan {
    uint64_t offset;                /* where the last whole line ends */
    uint64_t count;                 /* whole lines */
    uint64_t fixed_width_from;      /* where the last line ends that is not exactly a timestamp */
    uint64_t damaged;               /* lines that are not plausible as visits */
    uint64_t good_offset;           /* the last plausible line ends here, and */
    uint64_t good_count;            /* so many lines and */
    uint64_t good_damaged;          /* so many damaged ones come up to it, and */
    uint64_t good_fixed_width_from; /* the last line before it that is not exactly a timestamp ends
                                       here */
    bool in_long_line;              /* what follows the last newline is longer than the buffer */
};

/* Reads FD from its start to its end. What follows the last newline is left in BUFFER, of
 * SCAN_BUFFER_SIZE bytes, its length in *RET_REST. Returns 0, or -1 with the errno of pread(2). */
int scan_file(int fd, struct scan *ret_scan, char *buffer, size_t *ret_rest);

/* The whole lines of FD that SCAN has found. If the end of the file is longer than the buffer, so
 * that no newline ends it, only the lines up to the last plausible one. */
struct log_snapshot scan_snapshot(const struct scan *scan, int fd);

#endif
