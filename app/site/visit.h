/* GET /, a visit. Its time is that when its request is read. Its line is written in the batch of
 * this iteration, which gives it a number. Its response is sent when the batch is as durable as
 * --sync requires. */
#ifndef VISIT_H
#define VISIT_H

#include "site/site.h"

/* Functions of struct handler. */
int visit_defer(struct worker *worker, const struct request *request, struct response *response);
void visit_commit(void *worker);
void visit_respond(void *worker, int tag, struct response *response);

#endif
