/* Visits the targets on an open schedule, notes what happens, and reads the files of the pods. */
#ifndef VISITING_H
#define VISITING_H

#include "prove/journal.h"
#include "prove/target.h"
#include "prove/verdict.h"

enum connections { CONNECTIONS_NEW, CONNECTIONS_KEPT, CONNECTIONS_BOTH };

struct visiting {
    struct target **targets;
    unsigned targets_count;
    unsigned rate; /* visits a second for each target */
    enum connections connections;
    unsigned for_ms, timeout_ms, wait_ms; /* `for_ms` 0: until a signal */
    /* Says something at once, with a new line after it. */
    void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2)));
};

/* Waits until each target responds, then visits them, until the time is over or SIGTERM or SIGINT
 * comes. Both must be blocked. JOURNAL has the ledger. Returns NULL, or why nothing can be proven.
 */
const char *visit_targets(const struct visiting *visiting, struct journal *journal);

/* Reads the files of the pods of PROOF that are not read, until all are, WAIT_MS are over, or a
 * signal comes. JOURNAL may have no file. */
void read_pods(const struct visiting *visiting, struct journal *journal, struct proof *proof);

#endif
