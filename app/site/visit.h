/* GET /, a visit. Its time is that when its request is read. Its line is committed with the others
 * of its batch (commit.h), which gives it a number. Its response is sent when the batch is as
 * durable as --sync requires. */
#ifndef VISIT_H
#define VISIT_H

#include "site/site.h"

/* Functions of struct handler. The tag of a visit holds its time, and the type of its response. */
bool visit_defer(struct worker *worker, const struct request *request, struct response *response);
void visit_respond(void *worker, unsigned index, struct response *response);
void visit_sent(void *worker, uint32_t duration_us);

/* Writes the line of the visit with TAG, which has LINE_LENGTH bytes. */
void visit_write_line(struct worker *worker, int64_t tag, char *ret_line);

#endif
