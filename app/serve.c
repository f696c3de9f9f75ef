#include "serve.h"

#include "base/text.h"
#include "die.h"
#include "log/timezone.h"
#include "log/visit_log.h"
#include "report.h"
#include "site/metrics.h"
#include "site/server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

/* Each connection needs a descriptor. RESERVED descriptors are for files and for the connections of
 * the admin port, so that many visitors cannot use them up. Returns how many of the CONNECTIONS are
 * possible. */
static unsigned raise_descriptor_limit(unsigned connections)
{
    enum { RESERVED = 64 + 256 };
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + RESERVED;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return connections;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        (void)prlimit(0, RLIMIT_NOFILE, &limit, NULL);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return connections;
    rlim_t room = limit.rlim_cur > 2 * RESERVED ? limit.rlim_cur - RESERVED : limit.rlim_cur / 2;
    unsigned possible = room > 0 ? (unsigned)room : 1;
    warn("only %llu files may be open here, so there is room for %u connections; raise ulimit -n",
         (unsigned long long)limit.rlim_cur, possible);
    return possible;
}

/* To be called before the first thread starts: threads inherit the mask, and only this thread waits
 * for these signals. Without it process 1 of a container could not be stopped, since the kernel
 * drops its signals that have no handler (pid_namespaces(7)). */
static void block_signals(sigset_t *ret_signals)
{
    sigemptyset(ret_signals);
    sigaddset(ret_signals, SIGTERM);
    sigaddset(ret_signals, SIGINT);
    sigaddset(ret_signals, SIGQUIT);
    sigaddset(ret_signals, SIGHUP);
    sigaddset(ret_signals, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
}

/* After a transient fault the log stays closed and the program not ready; housekeeping() retries.
 */
static void open_or_exit(struct visit_log *log)
{
    struct recovery recovery;
    if (visit_log_open(log, &recovery) == 0) {
        report_recovery(log->directory_path, &recovery);
        return;
    }
    int fault = errno;
    report_fault(log->directory_path, fault);
    if (visit_log_has_failed(log))
        exit(EXIT_DURABILITY_LOST);
    if (!is_transient(fault))
        exit(EXIT_FAILED);
}

static struct server *start_or_die(const struct options *options,
                                   const struct server_settings *settings, struct visit_log *log)
{
    char message[512], addresses[256], described[512];
    struct server *server = server_start(settings, log, message, sizeof message);
    if (!server)
        die(EXIT_FAILED, "%s", message);
    server_describe(server, addresses, sizeof addresses);
    struct text text = text_begin(described, sizeof described);
    options_describe(options, &text);
    warn("serving on %s, visits in %s/" VISITS_FILE " (%llu so far), %s", addresses,
         options->data_dir, (unsigned long long)log->count, text.data);
    return server;
}

static void housekeeping(struct visit_log *log, enum sync_mode sync, struct reporter *reporter)
{
    struct recovery recovery;
    int refused = visit_log_take_refused(log);
    int opened = visit_log_maintain(log, &recovery), fault = opened < 0 ? errno : 0;
    /* ESTALE: the file has changed. This is reported when the file has been reopened. */
    if (fault == ESTALE)
        fault = reporter->fault;
    if (opened > 0)
        report_reopened(reporter, log->count, &recovery);
    if (refused && refused != ESTALE)
        report_state(reporter, refused);
    report_state(reporter, fault);
    /* Sync even while nothing can be written: visits acknowledged earlier must still become
     * durable. */
    if (sync == SYNC_INTERVAL) {
        uint64_t duration_ns;
        (void)visit_log_sync(log, log->size, &duration_ns);
        metrics_observe_sync(duration_ns);
    }
}

/* SERVING until SIGTERM, SIGINT or SIGQUIT. DRAINING for up to --drain. STOPPING, at once, after a
 * second signal or a failed sync. */
enum phase { SERVING, DRAINING, STOPPING };

static enum phase next_phase(enum phase phase, bool has_signal, bool sync_failed)
{
    if (sync_failed)
        return STOPPING;
    if (has_signal)
        return phase == SERVING ? DRAINING : STOPPING;
    return phase;
}

/* Calls housekeeping() once a second, when a worker asks for it with SIGUSR1, and on SIGHUP, which
 * log rotation sends after it has moved the file. Returns when all visitors' loops have stopped. */
static void serve_until_drained(struct server *server, struct visit_log *log,
                                const struct options *options, const sigset_t *signals)
{
    const struct timespec second = {.tv_sec = 1};
    struct reporter reporter;
    enum phase phase = SERVING;
    reporter_init(&reporter, options->data_dir, visit_log_fault(log));
    while (phase == SERVING || !server_has_drained(server)) {
        int received = sigtimedwait(signals, NULL, &second);
        bool has_signal = received == SIGTERM || received == SIGINT || received == SIGQUIT;
        if (!has_signal && !visit_log_has_failed(log))
            housekeeping(log, options->sync, &reporter);
        if (has_signal && phase == SERVING)
            warn("SIG%s: draining open connections for up to %u ms",
                 received == SIGTERM  ? "TERM"
                 : received == SIGINT ? "INT"
                                      : "QUIT",
                 options->drain_ms);
        enum phase next = next_phase(phase, has_signal, visit_log_has_failed(log));
        if (next != phase)
            server_drain(server, next == DRAINING ? options->drain_ms : 0);
        phase = next;
    }
}

int serve(const struct options *given)
{
    sigset_t signals;
    struct visit_log log;
    struct options options = *given;
    const char *complaint = timezone_set(options.timezone);
    if (complaint)
        die(EXIT_USAGE, "--timezone=%s %s", options.timezone, complaint);
    options.max_connections = raise_descriptor_limit(options.max_connections);
    block_signals(&signals);
    visit_log_init(&log, options.data_dir);
    open_or_exit(&log);
    const struct server_settings settings = {.listen = options.listen,
                                             .admin_listen = options.admin_listen,
                                             .workers = options.workers,
                                             .max_connections = options.max_connections,
                                             .sync_always = options.sync == SYNC_ALWAYS};
    struct server *server = start_or_die(&options, &settings, &log);
    serve_until_drained(server, &log, &options, &signals);
    server_stop(server);
    if (visit_log_has_failed(&log) || visit_log_close(&log) != 0) {
        report_durability_lost(options.data_dir, visit_log_fault(&log));
        return EXIT_DURABILITY_LOST;
    }
    warn("stopped with %llu visits recorded", (unsigned long long)log.count);
    return EXIT_OK;
}
