/* The paths of the two ports and their handlers. */
#ifndef ROUTES_H
#define ROUTES_H

#include "site/site.h"

/* Functions of struct handler. */
bool route_visitor(void *worker, const struct request *request, struct response *response);
bool route_admin(void *worker, const struct request *request, struct response *response);
void route_refuse(void *worker, int status, struct response *response);

#endif
