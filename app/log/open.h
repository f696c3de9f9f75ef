/* Opens visits.txt so that it is safe to append to: made, locked, repaired, and durable with its
 * name. */
#ifndef OPEN_H
#define OPEN_H

#include "log/recovery.h"

enum { RECENT_LINES = 5 }; /* how many lines before a batch come with its acknowledgement */

struct recent_lines {
    unsigned count; /* of these lines, the oldest first */
    char lines[RECENT_LINES][LINE_LENGTH];
};

/* The open file, and what was in it when it was opened. A reader keeps it open, also after another
 * file has taken its name. */
struct log_file {
    int directory, fd; /* descriptors */
    _Atomic unsigned users;
    struct recovery found;
    struct recent_lines recent; /* the last lines, as far as they have LINE_LENGTH bytes */
};

/* Does what visit_log_open() promises for the directory at PATH. TORN is as in repair.h. IS_FIRST:
 * this process has had no file open there, and does not know how the one before has ended
 * (durable.h). Returns the file with one user, or NULL with errno; *RET_SYNC_FAILED is then set if
 * the failure was that of an fsync(2), after which it is unknown what is on the disk. */
struct log_file *log_file_open(const char *path, bool is_first, struct torn_files *torn,
                               bool *ret_sync_failed);

/* Is FILE still the file of its name in the directory at PATH, and SIZE bytes long? Also if that
 * cannot be found out just now. */
bool log_file_is_in_place(const struct log_file *file, const char *path, uint64_t size);

/* One user less; after the last one it is closed. FILE may be NULL. */
void log_file_release(struct log_file *file);

/* The same for the log itself, which no longer appends to it: closes the directory now, since
 * readers need the file alone. */
void log_file_supersede(struct log_file *file);

#endif
