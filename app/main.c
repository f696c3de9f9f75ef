/* web-app: serves a page and keeps every visit. This file is the table of contents; README.md of
 * the project tells the rest. */
#include "check.h"
#include "clock.h"
#include "die.h"
#include "io.h"
#include "listing.h"
#include "options.h"
#include "relocations.h"
#include "scan.h"
#include "server.h"
#include "timezone.h"
#include "visits.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int run_serve(int count, char *const *arguments);
static int run_visits(int count, char *const *arguments);
static int run_check(int count, char *const *arguments);
static int run_version(int count, char *const *arguments);
static int run_help(int count, char *const *arguments);

static const struct {
    const char *name, *operands, *help;
    int (*run)(int count, char *const *arguments);
} verbs[] = {
    {"serve", "[options]", "serve the page and record visits; the verb if none is given",
     run_serve},
    {"visits", "[--tail N] [--raw]", "print the recorded visits with their numbers", run_visits},
    {"check", "[URL]", "exit with 0 if the server is ready, or URL answers with 200", run_check},
    {"version", "", "print the version", run_version},
    {"help", "", "print this", run_help},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

int main(int argc, char **argv)
{
    relocations_protect();
    /* A write to a closed pipe or past a file's limit is an errno here, not the end. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    const char *name = argc > 1 ? argv[1] : "serve";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (unsigned i = 0; i < VERBS; i++)
        if (strcmp(name, verbs[i].name) == 0)
            return verbs[i].run(argc > 2 ? argc - 2 : 0, argv + 2);
    if (name[0] == '-')
        return run_serve(argc - 1, argv + 1);
    die(EXIT_USAGE, "there is no verb %s; see web-app help", name);
}

static struct options parse_or_die(enum verb verb, int count, char *const *arguments)
{
    char message[512];
    struct options options;
    if (options_parse(&options, verb, count, arguments, message, sizeof message) != 0)
        die(EXIT_USAGE, "%s", message);
    return options;
}

static int run_version(int count, char *const *arguments)
{
    (void)arguments;
    if (count > 0)
        die(EXIT_USAGE, "version takes no arguments");
    return printf("web-app %s\n", WEB_APP_VERSION) < 0 || fflush(stdout) != 0 ? EXIT_FAILED
                                                                              : EXIT_OK;
}

static int run_help(int count, char *const *arguments)
{
    char text[8192];
    (void)arguments;
    if (count > 0)
        die(EXIT_USAGE, "help takes no arguments");
    printf("usage: web-app [VERB] [options]\n\nServes a page and keeps every visit in a file.\n\n");
    for (unsigned i = 0; i < VERBS; i++)
        printf("  %-7s %-18s %s\n", verbs[i].name, verbs[i].operands, verbs[i].help);
    (void)options_help(text, sizeof text);
    printf("\noptions; a flag goes before the environment, that before the default:\n%s\n"
           "exit codes: 0 clean, 1 failed, 2 usage, 3 durability lost\n",
           text);
    return fflush(stdout) != 0 ? EXIT_FAILED : EXIT_OK;
}

static int run_check(int count, char *const *arguments)
{
    char own_url[128], text[RESPONSE_KEPT_MAX];
    struct url url;
    struct response response;
    struct options options = parse_or_die(VERB_CHECK, count, arguments);
    if (!options.url) {
        /* Where the server of this machine or container answers its probes. */
        const char *address = options.admin_listen;
        (void)snprintf(own_url, sizeof own_url, "http://%s%s/readyz",
                       strchr(address, ':') ? "" : "127.0.0.1:", address);
        options.url = own_url;
    }
    const char *complaint = url_parse(options.url, &url);
    if (complaint)
        die(EXIT_USAGE, "%s: %s", options.url, complaint);
    if (check_url(&url, &response, text, sizeof text) != 0)
        die(EXIT_FAILED, "%s: %s", options.url, text);
    check_describe(&response, text, sizeof text);
    printf("%d %s\n", response.status, text);
    return fflush(stdout) == 0 && response.status == 200 ? EXIT_OK : EXIT_FAILED;
}

/* The whole lines of the file, also while a server appends to it. */
static int run_visits(int count, char *const *arguments)
{
    char path[4096], buffer[SCAN_BUFFER_SIZE];
    struct scan scan;
    struct listing listing;
    size_t rest;
    ssize_t length;
    struct options options = parse_or_die(VERB_VISITS, count, arguments);
    (void)snprintf(path, sizeof path, "%s/" VISITS_FILE, options.data_dir);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || scan_file(file, &scan, buffer, &rest) != 0)
        die(EXIT_FAILED, "cannot read %s: %s; name its folder with --data-dir", path,
            strerror(errno));
    struct listing_range range = scan_snapshot(&scan, file);
    listing_start(&listing, &range, options.raw ? LISTING_RAW : LISTING_TEXT, options.tail);
    while ((length = listing_piece(&listing, buffer, sizeof buffer)) != 0) {
        if (length < 0 && errno == EAGAIN)
            continue;
        if (length < 0)
            die(EXIT_FAILED, "cannot read %s: %s", path, strerror(errno));
        if (write_all(STDOUT_FILENO, buffer, (size_t)length, NULL) != 0) {
            /* Whoever reads only the first lines is no failure. */
            if (errno == EPIPE)
                return EXIT_OK;
            die(EXIT_FAILED, "cannot write: %s", strerror(errno));
        }
        listing_sent(&listing, (size_t)length);
    }
    return EXIT_OK;
}

/* Each connection is a descriptor, and some are needed besides: files, and the admin port's
 * connections, which must never lack one because there are many visitors. */
static void make_room_for_connections(struct options *options)
{
    enum { BESIDES = 64 + 256 };
    struct rlimit limit;
    rlim_t wanted = (rlim_t)options->max_connections + BESIDES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        (void)prlimit(0, RLIMIT_NOFILE, &limit, NULL);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    rlim_t room = limit.rlim_cur > 2 * BESIDES ? limit.rlim_cur - BESIDES : limit.rlim_cur / 2;
    options->max_connections = room > 0 ? (unsigned)room : 1;
    warn("only %llu files may be open here, so there is room for %u connections; raise ulimit -n",
         (unsigned long long)limit.rlim_cur, options->max_connections);
}

static void report_repair(const char *folder, const struct visits_report *report)
{
    if (report->torn > 0)
        warn("cut %llu torn bytes off the end of %s/" VISITS_FILE " and kept them in %s/%s",
             (unsigned long long)report->torn, folder, folder, report->torn_name);
    if (report->completed)
        warn("the last line of %s/" VISITS_FILE " had lost its newline and got it again", folder);
    if (report->damaged > 0)
        warn("%llu lines of %s/" VISITS_FILE " are not visits; they are kept and counted",
             (unsigned long long)report->damaged, folder);
}

/* Says what is wrong with the data folder, and what to do. */
static void explain(const char *folder, int error)
{
    if (error == EWOULDBLOCK)
        warn("%s/" VISITS_FILE " is in use by another process; not ready, trying again", folder);
    else if (error == EACCES || error == EPERM)
        warn("may not write in %s as user %u of group %u: change its owner, or run as its owner "
             "(docker run --user \"$(id -u):$(id -g)\")",
             folder, (unsigned)geteuid(), (unsigned)getegid());
    else if (error == EINVAL || error == EISDIR || error == ENXIO)
        warn("%s/" VISITS_FILE " is not a regular file; move it away, or name another --data-dir",
             folder);
    else if (error == ELOOP)
        warn("%s/" VISITS_FILE " is a symbolic link; name the folder it leads to with --data-dir",
             folder);
    else if (error == ENOTDIR)
        warn("%s is not a folder; name another --data-dir", folder);
    else if (error == ENOENT)
        warn("%s cannot be made, since the folder that should hold it is absent", folder);
    else if (error == ENOSPC || error == EDQUOT || error == EROFS || error == EIO || error == EFBIG)
        warn("cannot write %s/" VISITS_FILE ": %s; not ready, trying again", folder,
             strerror(error));
    else
        warn("cannot use %s/" VISITS_FILE ": %s", folder, strerror(error));
}

/* Can the failure pass without anybody's starting this program again? */
static bool may_pass(int error)
{
    return error == EWOULDBLOCK || error == ENOSPC || error == EDQUOT || error == EROFS ||
           error == EIO || error == EINTR || error == EFBIG || error == ESTALE;
}

static void open_or_die(struct visits *visits)
{
    struct visits_report report;
    if (visits_open(visits, &report) == 0) {
        report_repair(visits->folder_path, &report);
        return;
    }
    int error = errno;
    explain(visits->folder_path, error);
    if (visits_has_failed(visits))
        exit(EXIT_DURABILITY_LOST);
    if (!may_pass(error))
        exit(EXIT_FAILED);
}

/* What is said of the log while it is served. A process that writes to visits.txt, or a volume that
 * comes and goes, would have something to be said of it all the time. */
struct speaker {
    int last_error;
    unsigned lines; /* that may still be written now */
    unsigned unsaid;
    int64_t next_line_ms; /* when there is one more */
};

enum { SPEAKER_LINES_MAX = 12, SPEAKER_LINE_MS = 5000 };

static bool may_speak(struct speaker *speaker)
{
    int64_t now_ms = clock_ms();
    for (; speaker->lines < SPEAKER_LINES_MAX && now_ms >= speaker->next_line_ms;
         speaker->next_line_ms += SPEAKER_LINE_MS)
        speaker->lines++;
    if (speaker->lines == 0) {
        speaker->unsaid++;
        return false;
    }
    if (speaker->lines == SPEAKER_LINES_MAX)
        speaker->next_line_ms = now_ms + SPEAKER_LINE_MS;
    speaker->lines--;
    if (speaker->unsaid > 0)
        warn("%u changes of the file or the volume were not logged: there were too many at a time",
             speaker->unsaid);
    speaker->unsaid = 0;
    return true;
}

/* What has to be done now and then. Says when the state of things has changed, and only then. */
static void tend(struct visits *visits, const struct options *options, struct speaker *speaker)
{
    struct visits_report report;
    int refused = visits_take_refused(visits);
    int opened = visits_tend(visits, &report), error = opened < 0 ? errno : 0;
    /* ESTALE: what is found in the file says it, as soon as it has been read. */
    error = error == ESTALE ? speaker->last_error : error;
    if (opened > 0 && may_speak(speaker)) {
        warn("opened %s/" VISITS_FILE " anew: %llu visits so far", options->data_dir,
             (unsigned long long)visits->count);
        report_repair(options->data_dir, &report);
    }
    bool is_news = refused && refused != ESTALE && refused != speaker->last_error;
    if (is_news && may_speak(speaker))
        explain(options->data_dir, refused);
    speaker->last_error = is_news ? refused : speaker->last_error;
    if (error != speaker->last_error && may_speak(speaker)) {
        if (error)
            explain(options->data_dir, error);
        else
            warn("ready: %s/" VISITS_FILE " can be written", options->data_dir);
    }
    speaker->last_error = error;
    /* Also while nothing can be written: what was answered before has still to become stable. */
    if (options->sync == SYNC_INTERVAL)
        (void)server_sync(visits, visits->size);
}

/* Waits for a signal, tending the visits once a second and when a worker asks for it. Returns
 * SIGTERM or SIGINT, or 0 after a failed sync. */
static int serve_until_signal(struct visits *visits, const struct options *options,
                              struct speaker *speaker, const sigset_t *signals)
{
    const struct timespec second = {.tv_sec = 1};
    for (;;) {
        int received = sigtimedwait(signals, NULL, &second);
        if (received == SIGTERM || received == SIGINT)
            return received;
        if (!visits_has_failed(visits))
            tend(visits, options, speaker);
        if (visits_has_failed(visits))
            return 0;
    }
}

/* Another SIGTERM or SIGINT while draining ends it at once. */
static void drain(struct server *server, struct visits *visits, const struct options *options,
                  struct speaker *speaker, const sigset_t *signals)
{
    const struct timespec second = {.tv_sec = 1};
    bool hurry = visits_has_failed(visits);
    server_drain(server, hurry ? 0 : options->drain_ms);
    while (!server_has_drained(server)) {
        int received = sigtimedwait(signals, NULL, &second);
        bool asked = received == SIGTERM || received == SIGINT;
        if (!visits_has_failed(visits) && !asked)
            tend(visits, options, speaker);
        if (asked || (visits_has_failed(visits) && !hurry)) {
            hurry = true;
            server_drain(server, 0);
        }
    }
    server_stop(server);
}

static int run_serve(int count, char *const *arguments)
{
    char text[512], addresses[256];
    struct options options = parse_or_die(VERB_SERVE, count, arguments);
    const char *complaint = timezone_set(options.timezone);
    if (complaint)
        die(EXIT_USAGE, "--timezone=%s %s", options.timezone, complaint);
    make_room_for_connections(&options);

    /* Before the first thread, so that all of them leave these signals to this one. As process 1 of
     * a container nothing else would end us: there the kernel drops signals without a handler. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);

    struct visits visits;
    visits_init(&visits, options.data_dir);
    open_or_die(&visits);
    struct server *server = server_start(&options, &visits, text, sizeof text);
    if (!server)
        die(EXIT_FAILED, "%s", text);
    server_describe(server, addresses, sizeof addresses);
    (void)options_describe(&options, text, sizeof text);
    warn("serving on %s, visits in %s/" VISITS_FILE " (%llu so far), %s", addresses,
         options.data_dir, (unsigned long long)visits.count, text);

    struct speaker speaker = {.last_error = visits_fault(&visits), .lines = SPEAKER_LINES_MAX};
    int received = serve_until_signal(&visits, &options, &speaker, &signals);
    if (received)
        warn("%s: answering open connections for up to %u ms",
             received == SIGTERM ? "SIGTERM" : "SIGINT", options.drain_ms);
    drain(server, &visits, &options, &speaker, &signals);
    if (visits_has_failed(&visits) || visits_close(&visits) != 0) {
        errno = visits_fault(&visits);
        warn_errno("a sync of %s/" VISITS_FILE
                   " failed, so nobody knows what is on the disk; start again "
                   "to read it",
                   options.data_dir);
        return EXIT_DURABILITY_LOST;
    }
    warn("stopped with %llu visits recorded", (unsigned long long)visits.count);
    return EXIT_OK;
}
