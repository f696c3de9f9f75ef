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

struct server {
    const struct server_settings *settings;
    struct visit_log *log;
    struct listeners *listeners, *admin_listeners;
    struct loop_group *visitors, *admins;
    pthread_t owner; /* gets SIGUSR1 after a failed sync, a changed file, a stopped loop */
    _Atomic bool draining, stuck;
    _Atomic unsigned running; /* workers whose loop has not stopped */
    char pod[65];
    char pod_field[80]; /* header field of every response */
    struct worker *admin;
    unsigned workers_count;
    struct worker *workers[];
};

/* The visits that are deferred in this iteration. `lines` holds the lines before the batch and then
 * its own; the tag of a request is the index of its line among the latter. */
struct batch {
    unsigned count;
    int error;             /* of the last commit: errno, or 0 if all of it was recorded */
    uint64_t first;        /* number of the first visit */
    unsigned before_count; /* lines before the batch */
    bool json[DEFERRED_MAX];
    char lines[RECENT_LINES + DEFERRED_MAX][LINE_LENGTH];
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
