/* GET /, a visit: its time when the request is read, a line in the batch of this iteration, its
 * number once the batch is in the file, its response once the batch is as durable as --sync asks
 * for. */
#ifndef VISIT_H
#define VISIT_H

#include "site/site.h"

/* Of struct handler. */
int visit_defer(struct worker *worker, const struct request *request, struct response *response);
void visit_commit(void *worker);
void visit_respond(void *worker, int tag, struct response *response);

#endif
