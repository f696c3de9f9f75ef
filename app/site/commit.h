/* Commits batches of visits: appends them to the log and makes them as durable as --sync requires.
 *
 * Without --sync=always each worker commits its own batch, at the end of its iteration. With it one
 * thread at a time commits the batches of all workers, so that one fdatasync(2) covers them all:
 * - the committer, a thread of its own. While a sync is slow, the loops go on with all that needs
 *   none. A visit that waits holds its connection, and a line in its worker's batch if there is
 *   room;
 * - or, where syncs are so short that the hand-over to another thread would be felt, the thread of
 *   the loop that got the last visit to wait for. It is then the leader, and the committer watches
 *   it: if the commit takes long after all, the committer takes over the loop, and the thread that
 *   was its own becomes the committer when the commit has ended. So each loop has one thread at any
 *   time, and there is one committer, or one that will be.
 *
 * A batch goes round:
 * - FILLING: the worker adds visits, under the lock. A commit takes it;
 * - COMMITTING: the committing thread uses it, without the lock;
 * - COMMITTED: the worker's loop responds, without the lock. Then it is FILLING again.
 *
 * The batches are appended one after the other, each with one write(2): a write that fails refuses
 * the visits of that batch alone, a sync that fails those of all. No lock is held meanwhile. */
#ifndef COMMIT_H
#define COMMIT_H

#include "site/site.h"

/* Is the committer, on the calling thread, until it must run the loop of another worker, which it
 * returns, or until committer_stop(), when it returns NULL. */
struct worker *committer_run(struct server *server);

/* To be called when all visitors' loops have stopped: no visit waits then. */
void committer_stop(struct committer *committer);

/* Functions of struct handler; batch_commit() is for workers that commit their own batches. */
bool batch_add(void *worker, int64_t tag);
bool batch_submit(void *worker, unsigned awaited);
bool batch_commit(void *worker, unsigned awaited);
bool batch_is_committed(void *worker);
void batch_reset(void *worker);

#endif
