/* GET /visits: a listing of any length. */
#ifndef LISTING_H
#define LISTING_H

#include "site/site.h"

void listing_respond(struct worker *worker, const struct request *request,
                     struct response *response);

#endif
