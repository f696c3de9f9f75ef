/* Commits batches of visits: appends them to the log and makes them as durable as --sync requires.
 *
 * Without --sync=always a worker does it itself, at the end of its iteration. With it the committer
 * does, a thread of its own. So one fdatasync(2) covers the visits of all workers, and while one is
 * slow, the workers go on with all that needs none. A visit that waits holds its connection, and a
 * line of its worker's batch if there is room; others wait with their connection alone.
 *
 * A batch goes round:
 *
 *   state       who uses it                                 next state, and who sets it
 *   FILLING     the worker adds visits, under the lock      COMMITTING, the committer
 *   COMMITTING  the committer, without the lock             COMMITTED, the committer; wakes the
 * loop COMMITTED   the worker responds, without the lock       FILLING, the worker
 *
 * The committer takes all batches that have visits and appends them one after the other, each with
 * one write(2): so a write that fails refuses the visits of that batch alone, a sync that fails
 * those of all. It holds its lock only to look at batches, never during a system call. The locks of
 * the log are taken without it. */
#ifndef COMMIT_H
#define COMMIT_H

#include "site/site.h"

void committer_init(struct committer *committer);

/* Starts the thread. Returns 0, or -1 with errno. */
int committer_start(struct server *server);

/* To be called when all visitors' loops have stopped: no batch has visits then. */
void committer_stop(struct server *server);

/* Functions of struct handler. `commit_` is that of a worker which commits its batch itself. */
bool batch_add(void *worker, int64_t tag);
void batch_submit(void *worker, unsigned awaited);
void batch_commit(void *worker, unsigned awaited);
bool batch_is_committed(void *worker);
void batch_reset(void *worker);

#endif
