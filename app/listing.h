/* The lines of visits.txt with their numbers, piece by piece: for `web-app visits` and for /visits.
 * However long the file and however slow the reader, a listing costs this struct and no more: a
 * piece that has been sent in part is made again from the file. */
#ifndef LISTING_H
#define LISTING_H

#include "scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum listing_format {
    LISTING_TEXT, /* as `cat -b` prints it: the number in six columns, a tab, the line */
    LISTING_RAW,
    LISTING_JSON,
    LISTING_HTML, /* the rows of a table */
};

struct listing_position {
    unsigned phase;
    bool first;      /* no row has been listed yet */
    bool mid_line;   /* the line's beginning has been listed already */
    uint64_t offset; /* of what comes next, in the file */
    uint64_t number; /* of the line there */
};

struct listing {
    struct listing_range range;
    enum listing_format format;
    bool chunked;            /* framed by Transfer-Encoding: chunked (RFC 9112 §7.1) */
    const char *head, *foot; /* around the lines; must outlive it */
    struct listing_position at, next;
    uint64_t search_end;  /* the first line listed begins before this offset, */
    uint64_t search_left; /* so many line ends back; 0 once `at.offset` is known */
    size_t piece_length, piece_sent;
};

/* Starts at the last TAIL lines of RANGE; their first number is then in `at.number`. Reads nothing:
 * where they begin is found out piece by piece. */
void listing_start(struct listing *ret_listing, const struct listing_range *range,
                   enum listing_format format, uint64_t tail);

/* Puts what is still to be sent of the piece into DATA, of SIZE >= 16384 bytes. Returns its length,
 * 0 when all has been sent, or -1 with the errno of pread(2); EAGAIN: there is nothing to be sent
 * yet, call again. Reads at most PIECE_READS_MAX blocks, whatever the file holds. */
ssize_t listing_piece(struct listing *listing, char *data, size_t size);

/* LENGTH bytes of the piece have been sent. */
void listing_sent(struct listing *listing, size_t length);

#endif
