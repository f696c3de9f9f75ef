/* Opens visits.txt so that it is safe to append to: made, locked, repaired, and stable with its
 * name. */
#ifndef OPENING_H
#define OPENING_H

#include "repair.h"
#include "visits.h"

/* What opening yields, before it is put in place of what is open. */
struct opened {
    int folder;
    int file;
    struct repair_result found;
    struct visits_recent recent;
};

/* Does what visits_open() promises for the folder at PATH. TORN is as in repair.h. IS_FIRST: this
 * process has had no file open there, and does not know how the one before has ended (durable.h).
 * Returns 0, or -1 with errno and nothing left open; *RET_SYNC_FAILED is then set if the failure
 * was that of an fsync(2), after which nobody knows what is on the disk. */
int opening_open(const char *path, bool is_first, struct torn_files *torn,
                 struct opened *ret_opened, struct visits_report *ret_report,
                 bool *ret_sync_failed);

#endif
