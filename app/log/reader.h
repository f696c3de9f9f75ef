/* Reads the lines of visits.txt, from the last N on: for `web-app visits` and for /visits. However
 * long the file, a reader costs this struct and no more, and each call does a bounded amount of
 * work. */
#ifndef READER_H
#define READER_H

#include "log/scan.h"

#include <stdint.h>
#include <sys/types.h>

enum { READER_BLOCK_SIZE = 4096 };

struct reader {
    struct log_snapshot range;
    uint64_t offset;      /* of the first line, in the file; known once reader_seek() returns 0 */
    uint64_t number;      /* of that line */
    uint64_t search_end;  /* the first line begins before this offset, */
    uint64_t search_left; /* so many line ends back; 0: `offset` is known */
};

/* Starts at the last TAIL lines of RANGE. Reads nothing yet. */
void reader_start(struct reader *ret_reader, const struct log_snapshot *range, uint64_t tail);

/* Looks on for where the first line begins. Returns 0 once it is known, or -1 with the errno of
 * pread(2); EAGAIN: not found yet, call again. Reads up to 16 blocks. */
int reader_seek(struct reader *reader);

/* Reads up to READER_BLOCK_SIZE bytes at OFFSET, which lies before the end of the range. Returns
 * their number, or -1 with the errno of pread(2); EIO: another process has shortened the file. */
ssize_t reader_read(const struct reader *reader, uint64_t offset, char *block);

#endif
