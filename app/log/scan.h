/* Reads visits.txt once: counts its lines, and finds where the last visit ends. */
#ifndef SCAN_H
#define SCAN_H

#include "log/timestamp.h"

#include <stdbool.h>
#include <stdint.h>

/* In bytes. A multiple of LINE_LENGTH, so that complete lines fill the buffer. */
enum { SCAN_BUFFER_SIZE = LINE_LENGTH * 2048 };

/* The part of a file to read: complete lines, which do not change any more. */
struct log_snapshot {
    int fd;                    /* must stay open */
    uint64_t size, count;      /* bytes and lines, from the start of the file */
    uint64_t fixed_width_from; /* from this offset on every line has LINE_LENGTH bytes */
};

struct scan {
    uint64_t offset;                /* end of the last complete line */
    uint64_t count;                 /* complete lines */
    uint64_t fixed_width_from;      /* end of the last line that is not exactly a timestamp */
    uint64_t damaged;               /* lines that are not plausible as visits */
    uint64_t good_offset;           /* end of the last plausible line */
    uint64_t good_count;            /* lines up to there */
    uint64_t good_damaged;          /* damaged lines up to there */
    uint64_t good_fixed_width_from; /* `fixed_width_from` of the lines up to there */
    bool in_long_line;              /* more bytes than the buffer holds follow the last newline */
};

/* Reads FD from start to end. Then BUFFER, of SCAN_BUFFER_SIZE bytes, holds the *RET_REST bytes
 * after the last newline, or the last part of them if `in_long_line`. Returns 0, or -1 with the
 * errno of pread(2). */
int scan_file(int fd, struct scan *ret_scan, char *buffer, size_t *ret_rest);

/* Returns the complete lines of FD that SCAN has found; if `in_long_line`, only those up to the
 * last plausible line. */
struct log_snapshot scan_snapshot(const struct scan *scan, int fd);

#endif
