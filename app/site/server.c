#include "site/server.h"

#include "base/thread.h"
#include "site/commit.h"
#include "site/routes.h"
#include "site/visit.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A thread runs the loop of WORKER, or is the committer: see commit.h. */
static void run(struct server *server, struct worker *worker)
{
    while (worker && !event_loop_run(worker->loop))
        worker = committer_run(server);
    if (!worker)
        return;
    atomic_fetch_sub(&server->running, 1);
    (void)pthread_kill(server->owner, SIGUSR1);
}

static void *run_worker(void *context)
{
    struct worker *worker = context;
    run(worker->server, worker);
    return NULL;
}

static void *run_committer(void *context)
{
    run(context, committer_run(context));
    return NULL;
}

static void free_worker(struct worker *worker)
{
    if (worker && worker->loop)
        event_loop_free(worker->loop);
    free(worker);
}

static int start_worker(struct worker *worker)
{
    atomic_fetch_add(&worker->server->running, 1);
    int result = thread_start(&worker->thread, run_worker, worker);
    if (result != 0)
        atomic_fetch_sub(&worker->server->running, 1);
    return result;
}

static struct worker *new_worker(struct server *server, struct loop_group *group,
                                 bool (*request)(void *, const struct request *, struct response *))
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return NULL;
    worker->server = server;
    worker->handler =
        (struct handler){.context = worker,
                         .request = request,
                         .refuse = route_refuse,
                         .add = batch_add,
                         .commit = server->settings->sync_always ? batch_submit : batch_commit,
                         .is_committed = batch_is_committed,
                         .respond = visit_respond,
                         .reset = batch_reset,
                         .sent = visit_sent};
    response_defaults_init(&worker->defaults, server->pod_field);
    worker->loop = event_loop_new(group, &worker->handler, server->settings->idle_timeout_ms);
    worker->batch.loop = worker->loop;
    if (!worker->loop) {
        free_worker(worker);
        return NULL;
    }
    return worker;
}

/* The host name, which in Kubernetes is the name of the pod. It is sent in header fields and pages,
 * so characters that do not belong in a host name (RFC 1123 §2.1) are replaced. */
static void find_pod_name(char name[65])
{
    if (gethostname(name, 64) != 0 || name[0] == '\0')
        (void)snprintf(name, 65, "localhost");
    name[64] = '\0';
    for (char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-._", *p))
            *p = '-';
}

static struct listeners *open_listeners(const char *option, const char *address, char *message,
                                        size_t size)
{
    char reason[128];
    struct listeners *listeners = listeners_open(address, reason, sizeof reason);
    if (!listeners)
        (void)snprintf(message, size, "cannot listen on --%s=%s: %s; give --%s another", option,
                       address, reason, option);
    return listeners;
}

static void free_server(struct server *server)
{
    for (unsigned i = 0; i < server->workers_count; i++)
        free_worker(server->workers[i]);
    free_worker(server->admin);
    loop_group_free(server->visitors);
    loop_group_free(server->admins);
    if (server->listeners)
        listeners_close(server->listeners);
    if (server->admin_listeners)
        listeners_close(server->admin_listeners);
    free(server);
}

/* Half of the visitors' limit, but from LEAST to MOST: enough for all probes, and so few that
 * visitors keep most connections where the limit is low. */
static unsigned admin_connections_max(unsigned connections_max)
{
    enum { LEAST = 8, MOST = 256 };
    unsigned share = connections_max / 2;
    return share < LEAST ? LEAST : share > MOST ? MOST : share;
}

static int make_workers(struct server *server)
{
    const struct server_settings *settings = server->settings;
    unsigned admin_max = admin_connections_max(settings->max_connections);
    server->admins = loop_group_new(server->admin_listeners, admin_max, 1);
    server->visitors =
        loop_group_new(server->listeners, settings->max_connections, settings->workers);
    if (!server->admins || !server->visitors)
        return -1;
    server->admin = new_worker(server, server->admins, route_admin);
    if (!server->admin)
        return -1;
    for (; server->workers_count < settings->workers; server->workers_count++) {
        struct worker *worker = new_worker(server, server->visitors, route_visitor);
        if (!worker)
            return -1;
        server->workers[server->workers_count] = worker;
    }
    return 0;
}

static int start_workers(struct server *server)
{
    if (start_worker(server->admin) != 0 ||
        (server->settings->sync_always &&
         thread_start(&server->committer.thread, run_committer, server) != 0))
        return -1;
    for (unsigned i = 0; i < server->workers_count; i++)
        if (start_worker(server->workers[i]) != 0)
            return -1;
    return 0;
}

static void note_start(struct server *server)
{
    struct timestamp_cache cache = {0};
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)timestamp_write(&cache, &now, server->started);
}

struct server *server_open(const struct server_settings *settings, struct visit_log *log,
                           char *message, size_t size)
{
    struct server *server = calloc(1, sizeof *server + settings->workers * sizeof *server->workers);
    if (!server) {
        (void)snprintf(message, size, "out of memory");
        return NULL;
    }
    server->settings = settings;
    server->log = log;
    server->owner = pthread_self();
    (void)pthread_mutex_init(&server->committer.lock, NULL);
    find_pod_name(server->pod);
    page_frame_init(&server->frame, server->pod);
    note_start(server);
    (void)snprintf(server->pod_field, sizeof server->pod_field, "X-Pod: %s\r\n", server->pod);
    server->listeners = open_listeners("listen", settings->listen, message, size);
    if (server->listeners)
        server->admin_listeners =
            open_listeners("admin-listen", settings->admin_listen, message, size);
    if (!server->listeners || !server->admin_listeners) {
        free_server(server);
        return NULL;
    }
    if (make_workers(server) != 0) {
        (void)snprintf(message, size, "cannot start: %s", strerror(errno));
        free_server(server);
        return NULL;
    }
    return server;
}

int server_start(struct server *server, char *message, size_t size)
{
    if (start_workers(server) == 0)
        return 0;
    (void)snprintf(message, size, "cannot start %u threads: %s; give fewer --workers",
                   server->settings->workers + 1 + server->settings->sync_always, strerror(errno));
    return -1;
}

void server_describe(const struct server *server, char *text, size_t size)
{
    char visitors[80], admin[80];
    listeners_describe(server->listeners, visitors, sizeof visitors);
    listeners_describe(server->admin_listeners, admin, sizeof admin);
    (void)snprintf(text, size, "http://%s/ (admin %s)", visitors, admin);
}

void server_drain(struct server *server, unsigned drain_ms)
{
    server->draining = true;
    for (unsigned i = 0; i < server->workers_count; i++)
        event_loop_drain(server->workers[i]->loop, drain_ms);
}

void server_set_stuck(struct server *server, bool is_stuck)
{
    server->stuck = is_stuck;
}

bool server_has_drained(const struct server *server)
{
    return server->running <= 1; /* the admin loop serves until the end */
}

void server_stop(struct server *server)
{
    committer_stop(&server->committer);
    for (unsigned i = 0; i < server->workers_count; i++)
        (void)pthread_join(server->workers[i]->thread, NULL);
    if (server->settings->sync_always)
        (void)pthread_join(server->committer.thread, NULL);
    event_loop_drain(server->admin->loop, 0);
    (void)pthread_join(server->admin->thread, NULL);
    free_server(server);
}
