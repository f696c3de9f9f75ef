/* Opens visits.txt so that appending is safe: creates it if it is absent, locks it, repairs its
 * end, and makes its content and its name durable. */
#ifndef OPEN_H
#define OPEN_H

#include "log/recovery.h"

enum { RECENT_LINES = 5 }; /* lines before a batch that visit_log_append() returns */

struct recent_lines {
    unsigned count; /* number of `lines`, the oldest first */
    char lines[RECENT_LINES][LINE_LENGTH];
};

/* The open file, and its content when it was opened. A reader keeps it open, even after another
 * file has taken its name. */
struct log_file {
    int directory, fd;      /* descriptors */
    _Atomic unsigned users; /* references to this struct */
    bool is_new;            /* there was none before */
    struct recovery found;
    struct recent_lines recent; /* the last lines, those of LINE_LENGTH bytes only */
};

/* Opens the file in the directory at PATH, as described at visit_log_open(). TORN is as in
 * recovery.h. IS_FIRST: this process has not had the file open before, so it does not know how the
 * previous process ended (durable.h). Returns the file with one user, or NULL with errno.
 * *RET_SYNC_FAILED is then set if a sync failed: the content of the disk is unknown. */
struct log_file *log_file_open(const char *path, bool is_first, struct torn_files *torn,
                               bool *ret_sync_failed);

/* Is FILE still visits.txt in the directory at PATH, and SIZE bytes long? True also if PATH cannot
 * be checked now. */
bool log_file_is_in_place(const struct log_file *file, const char *path, uint64_t size);

/* Removes one user; the last one closes and frees FILE. FILE may be NULL. */
void log_file_release(struct log_file *file);

/* The same for the log itself, which no longer appends to it: closes the directory now, since
 * readers need the file alone. */
void log_file_supersede(struct log_file *file);

#endif
