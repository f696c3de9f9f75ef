/* Reads the last N lines of visits.txt, for `web-app visits` and for /visits. A reader needs no
 * memory besides this struct, and each call does a bounded amount of work, however long the file
 * is. */
#ifndef READER_H
#define READER_H

#include "log/scan.h"

#include <stdint.h>
#include <sys/types.h>

struct reader {
    struct log_snapshot range;
    uint64_t offset;      /* of the first line; valid once reader_seek() returns 0 */
    uint64_t number;      /* of that line */
    uint64_t search_end;  /* the search goes back from this offset */
    uint64_t search_left; /* newlines still to find; 0: `offset` is valid */
};

/* Prepares to read the last TAIL lines of RANGE. Reads nothing yet. */
void reader_start(struct reader *ret_reader, const struct log_snapshot *range, uint64_t tail);

/* Continues the search for the first line. Reads up to 16 blocks. Returns 0 when the line is found,
 * or -1 with the errno of pread(2); EAGAIN: not found yet, call again; EIO: another process has
 * changed the file. */
int reader_seek(struct reader *reader);

/* Reads up to SIZE bytes at OFFSET, which must be before the end of the range. Returns the number
 * of bytes, or -1 with the errno of pread(2); EIO: another process has shortened the file. */
ssize_t reader_read(const struct reader *reader, uint64_t offset, char *block, size_t size);

#endif
