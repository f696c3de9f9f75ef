/* What the files behind server.h share: a worker is one event loop, its thread, and its answers. */
#ifndef WORKER_H
#define WORKER_H

#include "answer.h"
#include "event_loop.h"
#include "metrics.h"
#include "options.h"
#include "visits.h"

#include <pthread.h>

struct server {
    const struct options *options;
    struct visits *visits;
    struct listeners *listeners, *admin_listeners;
    struct loop_group *visitors, *admins;
    pthread_t owner; /* is told of a failed sync, a changed file and stopped loops */
    _Atomic bool draining;
    _Atomic unsigned running; /* workers whose loop has not stopped */
    char pod[65];
    struct worker *admin;
    unsigned workers_count;
    struct worker *workers[];
};

/* The visits that are deferred in the present turn: the tag of a deferred answer is its place in
 * `lines`, behind the lines that came before the batch. */
struct batch {
    unsigned count;
    int error; /* of the last commit: errno, or 0 if all of it was recorded */
    uint64_t first;
    unsigned before_count;
    bool json[DEFERRED_MAX];
    char lines[VISITS_RECENT + DEFERRED_MAX][LINE_LENGTH];
};

struct worker {
    struct server *server;
    struct event_loop *loop;
    struct handler handler;
    struct answers answers;
    pthread_t thread;
    struct stamp_cache stamps;
    struct batch batch;
};

/* routes.c: the handlers of the two ports. */
int route_visitor(void *worker, const struct request *request, struct reply *reply);
int route_admin(void *worker, const struct request *request, struct reply *reply);
void route_refuse(void *worker, int status, struct reply *reply);

/* A short text as the whole answer, counted. */
void route_text(struct worker *worker, struct reply *reply, enum metrics_path path, int status,
                const char *extra, const char *text);

/* visit.c: GET / from its request to its answer. */
int visit_defer(struct worker *worker, const struct request *request, struct reply *reply);
void visit_commit(void *worker);
void visit_answer(void *worker, int tag, struct reply *reply);

/* visits_answer.c: GET /visits, a listing of any length. */
void visits_answer(struct worker *worker, const struct request *request, struct reply *reply);

#endif
