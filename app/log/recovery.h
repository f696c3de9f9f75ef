/* Reads visits.txt and makes its end whole again.
 *
 * Nothing that could be an acknowledged visit is ever removed: damage before the last line that is
 * a visit's stays where it is, and what follows that line is moved into a file of its own. */
#ifndef RECOVERY_H
#define RECOVERY_H

#include "log/scan.h"

enum { TORN_NAME_SIZE = 64 }; /* visits.txt.torn-20221128T195426Z */

enum { TORN_FILES_MAX = 8 };

/* The files of torn bytes that this process has made. After TORN_FILES_MAX the last of them takes
 * what follows: a process that keeps writing to visits.txt must not fill the directory with files.
 */
struct torn_files {
    unsigned count;
    char last[TORN_NAME_SIZE];
};

/* What was found in the file and done to it. */
struct recovery {
    uint64_t count;            /* lines */
    uint64_t size;             /* bytes, all of them whole lines */
    uint64_t fixed_width_from; /* from this offset on every line has LINE_LENGTH bytes */
    uint64_t damaged;          /* lines that are not visits, kept where they are */
    uint64_t torn;             /* bytes moved from the end into the file `torn_name` */
    bool completed;            /* the last line lacked its newline and got it */
    char torn_name[TORN_NAME_SIZE];
};

/* FD is open for reading and appending in DIRECTORY. The file that takes the torn bytes, which TORN
 * keeps account of, is durable before they are truncated; the truncation itself is for the caller
 * to sync. Returns 0, or -1 with errno: nothing has been lost then, and it can be called again. */
int recovery_run(int directory, int fd, struct torn_files *torn, struct recovery *ret_recovery);

#endif
