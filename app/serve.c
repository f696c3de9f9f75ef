#include "serve.h"

#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"
#include "die.h"
#include "log/progress.h"
#include "log/timezone.h"
#include "log/visit_log.h"
#include "report.h"
#include "sandbox.h"
#include "site/metrics.h"
#include "site/server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

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

/* The group may read and write what the program creates, whatever the umask says: in Kubernetes the
 * next pod may have another user, but the same group (fsGroup). */
static void let_group_write(void)
{
    (void)umask(umask(0) & ~(mode_t)S_IRWXG);
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
    /* Otherwise a log line would stop the program in the background of a terminal (stty tostop). */
    sigaddset(ret_signals, SIGTTOU);
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

/* The admin loop must not ask for it: a lost volume may hold the call for ever. */
static void observe_volume(struct visit_log *log)
{
    struct log_snapshot range;
    struct log_file *file;
    struct statvfs volume = {0};
    if (visit_log_snapshot(log, &range, &file) == 0) {
        if (fstatvfs(range.fd, &volume) != 0)
            volume.f_blocks = 0;
        log_file_release(file);
    }
    metrics_set_volume((uint64_t)volume.f_blocks * volume.f_frsize,
                       (uint64_t)volume.f_bavail * volume.f_frsize);
}

static void housekeeping(struct visit_log *log, enum sync_mode sync, struct reporter *reporter)
{
    struct recovery recovery;
    uint64_t errors = metrics_errors();
    int refused = visit_log_take_refused(log);
    int opened = visit_log_maintain(log, &recovery), fault = opened < 0 ? errno : 0;
    /* This is reported when the file has been reopened, unless that fails. */
    bool is_stale = visit_log_is_stale(fault);
    if (is_stale && !reporter->is_stale)
        fault = reporter->fault;
    reporter->is_stale = is_stale;
    if (opened > 0)
        report_reopened(reporter, log->count, &recovery);
    if (refused && !visit_log_is_stale(refused))
        report_state(reporter, refused, errors);
    report_state(reporter, fault, errors);
    observe_volume(log);
    /* Sync even while nothing can be written: visits acknowledged earlier must still become
     * durable. */
    if (sync == SYNC_INTERVAL) {
        uint64_t duration_ns;
        (void)visit_log_sync(log, log->size, &duration_ns);
        metrics_observe_sync(duration_ns);
    }
}

/* Opens the log and keeps it, in a thread of its own: reading a large file may take minutes, and a
 * lost volume may hold a system call for ever. Visitors, probes and signals must not wait for it.
 * Each SIGUSR1 to the thread asks for housekeeping(). */
struct keeper {
    const struct options *options;
    struct visit_log log;
    char addresses[256];
    pthread_t thread, owner; /* the owner gets SIGUSR1 after a failed sync */
    pthread_mutex_t busy;    /* held while the thread uses the log */
    bool is_stuck;           /* as is_stuck() last said */
    int64_t progress_ms;     /* when the volume last responded, by clock_ms() */
    _Atomic unsigned rounds; /* of housekeeping() */
    uint64_t progress;       /* changes with bytes written or synced, and with rounds */
};

static void report_start(const struct keeper *keeper)
{
    char described[512];
    struct text text = text_begin(described, sizeof described);
    options_describe(keeper->options, &text);
    inform("serving on %s, visits in %s/" VISITS_FILE " (%llu so far), %s", keeper->addresses,
           keeper->options->data_dir, (unsigned long long)keeper->log.count, text.data);
}

static void *keep(void *context)
{
    struct keeper *keeper = context;
    struct visit_log *log = &keeper->log;
    struct reporter reporter;
    sigset_t signals;
    int received;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    pthread_mutex_lock(&keeper->busy);
    open_or_exit(log);
    report_start(keeper);
    reporter_init(&reporter, log->directory_path, visit_log_fault(log));
    for (;;) {
        pthread_mutex_unlock(&keeper->busy);
        (void)sigwait(&signals, &received);
        pthread_mutex_lock(&keeper->busy);
        if (!visit_log_has_failed(log))
            housekeeping(log, keeper->options->sync, &reporter);
        keeper->rounds++;
        if (visit_log_has_failed(log))
            (void)pthread_kill(keeper->owner, SIGUSR1);
    }
    return NULL;
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

/* Does the volume not respond, as a network share whose server is gone? Then the thread is in a
 * system call that does not return, or waits for a worker that is in one. */
static bool is_stuck(struct keeper *keeper)
{
    enum { STUCK_MS = 10000 };
    const struct visit_log *log = &keeper->log;
    int64_t now_ms = clock_ms();
    uint64_t progress = log->size + log->durable_size + keeper->rounds;
    bool is_busy = pthread_mutex_trylock(&keeper->busy) != 0;
    if (!is_busy)
        pthread_mutex_unlock(&keeper->busy);
    if (!is_busy || progress != keeper->progress || visit_log_fault(log) == EINPROGRESS)
        keeper->progress_ms = now_ms;
    keeper->progress = progress;
    return now_ms - keeper->progress_ms >= STUCK_MS;
}

static void check_volume(struct keeper *keeper, struct server *server)
{
    bool before = keeper->is_stuck;
    keeper->is_stuck = is_stuck(keeper);
    if (keeper->is_stuck == before)
        return;
    server_set_stuck(server, keeper->is_stuck);
    if (before)
        inform("%s responds again", keeper->options->data_dir);
    else
        alert("%s does not respond; not ready, waiting", keeper->options->data_dir);
}

/* To exit now is as safe as to be killed. */
static _Noreturn void abandon(const struct keeper *keeper)
{
    die(EXIT_FAILED, "stopped, though %s does not respond", keeper->options->data_dir);
}

/* Waits until the thread is idle, and stays so. Returns false if it reads the file, or if the
 * volume has not responded for a second; all visits are durable then. To exit meanwhile is as safe
 * as to be killed. */
static bool stop_keeper(struct keeper *keeper)
{
    const struct visit_log *log = &keeper->log;
    for (unsigned pauses = 0; pthread_mutex_trylock(&keeper->busy) != 0; pauses++) {
        if (visit_log_fault(log) == EINPROGRESS)
            return false;
        if (pauses >= 100 && log->durable_size == log->size && !visit_log_has_failed(log))
            return false;
        if (is_stuck(keeper))
            abandon(keeper);
        (void)poll(NULL, 0, 10);
    }
    return true;
}

/* Asks for housekeeping() once a second, when a worker asks for it with SIGUSR1, and on SIGHUP,
 * which log rotation sends after it has moved the file. Returns when all visitors' loops have
 * stopped. Exits if --drain is over and the volume keeps one from stopping. */
static void serve_until_drained(struct server *server, struct keeper *keeper,
                                const sigset_t *signals)
{
    const struct timespec second = {.tv_sec = 1};
    const struct options *options = keeper->options;
    const struct visit_log *log = &keeper->log;
    enum phase phase = SERVING;
    int64_t next_report_ms = 0, drain_until_ms = 0;
    while (phase == SERVING || !server_has_drained(server)) {
        int received = sigtimedwait(signals, NULL, &second);
        bool has_signal = received == SIGTERM || received == SIGINT || received == SIGQUIT;
        if (!has_signal && !visit_log_has_failed(log))
            (void)pthread_kill(keeper->thread, SIGUSR1);
        report_reading(options->data_dir, visit_log_fault(log), &next_report_ms);
        check_volume(keeper, server);
        if (has_signal && phase == SERVING)
            inform("SIG%s: draining open connections for up to %u ms",
                   received == SIGTERM  ? "TERM"
                   : received == SIGINT ? "INT"
                                        : "QUIT",
                   options->drain_ms);
        enum phase next = next_phase(phase, has_signal, visit_log_has_failed(log));
        if (next != phase) {
            unsigned drain_ms = next == DRAINING ? options->drain_ms : 0;
            drain_until_ms = clock_ms() + drain_ms;
            server_drain(server, drain_ms);
        }
        phase = next;
        if (phase != SERVING && keeper->is_stuck && clock_ms() >= drain_until_ms)
            abandon(keeper);
    }
}

int serve(const struct options *given)
{
    /* Not on the stack: the thread may outlive this call. */
    static struct options options;
    static struct keeper keeper;
    struct visit_log *log = &keeper.log;
    sigset_t signals;
    char message[512];
    options = *given;
    block_signals(&signals);
    let_group_write();
    options_warn(given); /* before timezone_set() sets TZ */
    const char *complaint = timezone_set(options.timezone);
    if (complaint)
        die(EXIT_USAGE, "--timezone=%s %s", options.timezone, complaint);
    options.max_connections = raise_descriptor_limit(options.max_connections);
    visit_log_init(log, options.data_dir);
    const struct server_settings settings = {.listen = options.listen,
                                             .admin_listen = options.admin_listen,
                                             .workers = options.workers,
                                             .max_connections = options.max_connections,
                                             .idle_timeout_ms = options.idle_timeout_ms,
                                             .sync = options_sync_name(options.sync),
                                             .sync_always = options.sync == SYNC_ALWAYS};
    struct server *server = server_open(&settings, log, message, sizeof message);
    if (!server)
        die(EXIT_FAILED, "%s", message);
    options.sandbox = sandbox_enter(options.sandbox, options.data_dir);
    log_in_background();
    if (server_start(server, message, sizeof message) != 0)
        die(EXIT_FAILED, "%s", message);
    server_describe(server, keeper.addresses, sizeof keeper.addresses);
    keeper.owner = pthread_self();
    keeper.options = &options;
    keeper.progress_ms = clock_ms();
    (void)pthread_mutex_init(&keeper.busy, NULL);
    if (thread_start(&keeper.thread, keep, &keeper) != 0)
        die(EXIT_FAILED, "cannot start a thread: %s", strerror(errno));
    serve_until_drained(server, &keeper, &signals);
    server_stop(server);
    bool is_idle = stop_keeper(&keeper);
    if (!is_idle && visit_log_fault(log) == EINPROGRESS) {
        char reason[EXPLANATION_SIZE];
        explain_fault(EINPROGRESS, reason);
        inform("stopped while %s", reason);
        return EXIT_OK;
    }
    if (is_idle && (visit_log_has_failed(log) || visit_log_close(log) != 0)) {
        report_durability_lost(options.data_dir, visit_log_fault(log));
        return EXIT_DURABILITY_LOST;
    }
    inform("stopped with %llu visits recorded", (unsigned long long)log->count);
    return EXIT_OK;
}
