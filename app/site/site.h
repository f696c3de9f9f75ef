/* Types that the files of the site share. A worker is an event loop with its thread and its
 * responses. */
#ifndef SITE_H
#define SITE_H

#include "http/event_loop.h"
#include "http/response.h"
#include "log/progress.h"
#include "log/timestamp.h"
#include "log/visit_log.h"
#include "site/page.h"
#include "site/settings.h"

#include <pthread.h>

/* The commits of --sync=always: see commit.h. */
struct committer {
    pthread_t thread;       /* the first that is the committer */
    pthread_mutex_t lock;   /* guards the following, and batches that are not COMMITTING */
    pthread_t waiter;       /* the thread that is the committer, while it waits */
    int64_t waits_until_ns; /* or until SIGUSR1; 0: it does not wait */
    bool stops;
    bool commits;          /* some thread does */
    bool visits_wait;      /* in batches that are FILLING */
    struct worker *leader; /* its loop's thread commits, and runs the loop; or NULL */
    unsigned led;          /* how often there was one */
    unsigned awaited;      /* the sum of all batches */
    int64_t sync_ns;       /* how long syncs have lately taken */
    int64_t responses_ns;  /* how long it took to send the responses of the last commit */
    /* By clock_ns(): when the last leader began, the last commit ended, and the last awaited
     * request came. */
    int64_t led_since_ns, ended_ns, last_come_ns;
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
    char started[TIMESTAMP_LENGTH + 1]; /* as visits are written; "" if the clock is wrong */
    char pod_field[80];                 /* header field of every response */
    struct page_frame frame;
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
