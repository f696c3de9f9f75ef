/* Reads visits.txt at start-up and makes its end whole again.
 *
 * Nothing that could be an answered visit is ever removed: damage before the last line that is a
 * visit's stays where it is, and what follows that line is moved into a file of its own. */
#ifndef REPAIR_H
#define REPAIR_H

#include "visits.h"

struct repair_result {
    uint64_t count;        /* lines */
    uint64_t size;         /* bytes, all of them whole lines */
    uint64_t uniform_from; /* see struct visits */
};

/* FILE is open for reading and appending in FOLDER. The file that it moves the end into, which TORN
 * keeps account of, is durable before the end is truncated; the truncation itself is for the caller
 * to sync. Returns 0, or -1 with errno: nothing has been lost then, and it can be called again. */
int repair(int folder, int file, struct torn_files *torn, struct repair_result *ret_result,
           struct visits_report *ret_report);

#endif
