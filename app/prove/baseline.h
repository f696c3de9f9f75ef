/* A hash of the lines of a file, with marks on the way, so that it can be said later up to which
 * line a file is the same. */
#ifndef BASELINE_H
#define BASELINE_H

#include "prove/evidence.h"

/* FNV-1a with 64 bits (Fowler, Noll and Vo). Zero it before its first use. */
struct line_hash {
    uint64_t lines;
    uint64_t hash;   /* of these lines */
    uint64_t so_far; /* with the beginning of the next */
};

/* Takes bytes up to the end of a line, or fewer. Returns how many. */
size_t line_hash_feed(struct line_hash *hash, const char *bytes, size_t length);

/* Makes a baseline from the pieces of a file. */
struct baseline_maker {
    struct baseline *baseline;
    struct line_hash hash;
    uint64_t stride;                   /* lines between two marks */
    struct mark recent[MARKS_MAX / 2]; /* of each of the last lines; a ring */
    char line[MOMENT_LENGTH];
    size_t line_length;
};

void baseline_begin(struct baseline_maker *maker, struct baseline *ret_baseline);
void baseline_feed(struct baseline_maker *maker, const char *bytes, size_t length);
void baseline_end(struct baseline_maker *maker);

#endif
