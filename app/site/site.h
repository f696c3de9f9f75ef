/* Types that the files of the site share. A worker is an event loop with its thread and its
 * responses. */
#ifndef SITE_H
#define SITE_H

#include "http/event_loop.h"
#include "http/response.h"
#include "log/progress.h"
#include "log/timestamp.h"
#include "log/visit_log.h"
#include "site/settings.h"

#include <pthread.h>

struct committer {
    pthread_t thread;
    int64_t sync_ns;      /* how long syncs have lately taken; only the thread uses it */
    pthread_mutex_t lock; /* guards the following, and batches that are not COMMITTING */
    pthread_cond_t wake;
    enum { NOTHING, ANY_VISIT, MORE_VISITS } waits_for;
    bool stops;
    bool visits_wait;     /* in batches that are FILLING */
    unsigned awaited;     /* the sum of all batches */
    int64_t ended_ns;     /* when the last commit did, by clock_ns() */
    int64_t last_come_ns; /* when the last awaited request did */
};

struct server {
    const struct server_settings *settings;
    struct visit_log *log;
    struct listeners *listeners, *admin_listeners;
    struct loop_group *visitors, *admins;
    struct committer committer; /* with --sync=always */
    pthread_t owner; /* gets SIGUSR1 after a failed sync, a changed file, a stopped loop */
    _Atomic bool draining, stuck;
    _Atomic unsigned running; /* workers whose loop has not stopped */
    char pod[65];
    char pod_field[80]; /* header field of every response */
    struct worker *admin;
    unsigned workers_count;
    struct worker *workers[];
};

/* The visits of a worker that are committed together: see commit.h. `lines` holds the lines before
 * the batch and then its own. */
struct batch {
    enum { BATCH_FILLING, BATCH_COMMITTING, BATCH_COMMITTED } state;
    unsigned count;
    unsigned awaited;      /* connections of the worker that the next commit waits for */
    int error;             /* errno, or 0 if all of it was recorded */
    uint64_t first;        /* number of the first visit */
    unsigned before_count; /* lines before the batch */
    struct event_loop *loop;
    struct batch *next; /* in the same commit */
    char lines[RECENT_LINES + BATCH_ROOM][LINE_LENGTH];
};

struct worker {
    struct server *server;
    struct event_loop *loop;
    struct handler handler;
    struct response_defaults defaults;
    pthread_t thread;
    struct timestamp_cache timestamps;
    struct batch batch;
};

#endif
