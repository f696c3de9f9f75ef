/* Reads visits.txt and repairs its end.
 *
 * Bytes that could be an acknowledged visit are never removed. Damage before the last plausible
 * line stays where it is. Bytes after that line are moved into a separate file. */
#ifndef RECOVERY_H
#define RECOVERY_H

#include "log/scan.h"

enum { TORN_NAME_SIZE = 64 }; /* visits.txt.torn-20221128T195426Z */

enum { TORN_FILES_MAX = 8 };

/* The files of torn bytes that this process has created. After TORN_FILES_MAX files, the last one
 * gets all further torn bytes: another process that keeps writing to visits.txt must not fill the
 * directory with files. */
struct torn_files {
    unsigned count;
    char last[TORN_NAME_SIZE]; /* name of the last file */
};

/* What recovery has found and changed. */
struct recovery {
    uint64_t count;            /* lines */
    uint64_t size;             /* bytes, all in complete lines */
    uint64_t fixed_width_from; /* from this offset on every line has LINE_LENGTH bytes */
    uint64_t damaged;          /* lines that are not visits; they stay where they are */
    uint64_t torn;             /* bytes moved from the end into the file `torn_name` */
    bool completed;            /* the missing newline of the last line was added */
    char torn_name[TORN_NAME_SIZE];
    bool name_unsynced; /* set by log_file_open(): this file system cannot sync a directory */
};

/* Reads FD, which is open for reading and appending in DIRECTORY, and repairs its end. The torn
 * bytes are durable in a separate file, recorded in TORN, before they are truncated from FD. The
 * caller must sync FD. Returns 0, or -1 with errno: no bytes are lost then, and the call can be
 * repeated. */
int recovery_run(int directory, int fd, struct torn_files *torn, struct recovery *ret_recovery);

#endif
