#include "prove.h"

#include "die.h"
#include "prove/comparison.h"
#include "prove/evidence.h"
#include "prove/journal.h"
#include "prove/target.h"
#include "prove/verdict.h"
#include "prove/visiting.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    warn("%s", line);
}

static unsigned parse_targets(const struct options *options, struct target **targets)
{
    char message[TARGET_TEXT_MAX + 256];
    unsigned count = 0;
    for (unsigned i = 0; i < options->operands_count; i++) {
        int more = targets_parse(targets, count, options->operands[i], message, sizeof message);
        if (more < 0)
            die(EXIT_USAGE, "%s", message);
        count += (unsigned)more;
    }
    for (unsigned i = 0; i < count; i++)
        if (target_start(targets[i]) != 0)
            die(EXIT_FAILED, "cannot start a thread: %s", strerror(errno));
    return count;
}

/* Each visit under way has a connection. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)prlimit(0, RLIMIT_NOFILE, &limit, NULL); /* setrlimit(3) would stop all threads */
    }
}

/* An option of milliseconds, which may be absent, in microseconds; then INT64_MAX. */
static int64_t optional_us(unsigned ms)
{
    return ms == UINT_MAX ? INT64_MAX : (int64_t)ms * 1000;
}

static void begin_proof(const struct options *options, const struct evidence *evidence,
                        struct proof *ret_proof)
{
    *ret_proof = (struct proof){.evidence = evidence,
                                .pods = calloc(evidence->pods_count + 1, sizeof *ret_proof->pods),
                                .is_alone = options->alone,
                                .requires_fault = options->require_fault,
                                .grace_us = optional_us(options->grace_ms),
                                .max_gap_us = optional_us(options->max_gap_ms),
                                .max_refused = options->max_refused};
    if (!ret_proof->pods)
        die(EXIT_FAILED, "there is no memory for the report");
    /* A pod that was met, and acknowledged nothing, has nothing to keep. */
    for (unsigned i = 0; i < evidence->pods_count; i++) {
        struct pod_proof *next = &ret_proof->pods[ret_proof->pods_count];
        if (evidence->pods[i]->visits_count == 0)
            continue;
        next->pod = evidence->pods[i];
        proof_set_grace(ret_proof, next);
        ret_proof->pods_count++;
    }
}

static struct pod_proof *find_pod(const struct proof *proof, const char *name, size_t length)
{
    for (unsigned i = 0; i < proof->pods_count; i++)
        if (strncmp(proof->pods[i].pod->name, name, length) == 0 &&
            proof->pods[i].pod->name[length] == '\0')
            return &proof->pods[i];
    return NULL;
}

/* Reads what `web-app visits --raw` printed. */
static void read_file(struct proof *proof, struct evidence *evidence, const char *argument)
{
    char bytes[65536];
    const char *path = strchr(argument, '=') + 1;
    size_t name_length = (size_t)(path - 1 - argument);
    struct pod_proof *pod = find_pod(proof, argument, name_length);
    if (!pod && proof->pods_count == 0)
        return; /* there is nothing to compare, as the verdict says */
    if (!pod || pod->is_read)
        die(EXIT_USAGE,
            pod ? "--file=%s: the file of this pod is given already; give one for each pod"
                : "--file=%s: the ledger has no acknowledged visit of this pod; see its name",
            argument);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;
    if (fd < 0 || comparison_begin(&pod->comparison, evidence, pod->pod) != 0)
        die(EXIT_FAILED, "cannot read %s: %s", path, strerror(errno));
    while ((got = read(fd, bytes, sizeof bytes)) != 0) {
        if (got < 0 && errno != EINTR)
            die(EXIT_FAILED, "cannot read %s: %s", path, strerror(errno));
        if (got > 0)
            comparison_feed(&pod->comparison, bytes, (size_t)got);
    }
    (void)close(fd);
    comparison_end(&pod->comparison, pod->grace_us);
    if (pod->comparison.lines > 0 && pod->comparison.is_numbered)
        die(EXIT_USAGE, "%s has numbered lines; print them with web-app visits --raw", path);
    pod->is_read = true;
}

/* JSON is where the report goes as JSON, or -1. */
static int report(const struct options *options, struct proof *proof, int json, const char *prefix)
{
    char buffer[2048];
    struct text line = text_begin(buffer, sizeof buffer);
    if (json >= 0 && (proof_write_json(proof, json) != 0 || close(json) != 0)) {
        warn("cannot write %s: %s", options->json, strerror(errno));
        proof->failure = "the report could not be written";
    }
    enum verdict verdict = proof_verdict(proof, &line);
    if (proof_write_text(proof, STDOUT_FILENO, prefix) != 0) {
        warn("cannot write the report: %s", strerror(errno));
        warn("%s", line.data);
    }
    return (int)verdict;
}

static void block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

static int check_ledger(const struct options *options, struct visiting *visiting,
                        struct evidence *evidence, int json)
{
    static struct journal journal;
    char message[512];
    struct proof proof;
    if (visiting->targets_count == 0 && options->files_count == 0)
        die(EXIT_USAGE, "--check needs what to compare with: URLs of the pods, or --file POD=FILE");
    if (options->only_visits)
        die(EXIT_USAGE, "--check only compares; --%s is for visits", options->only_visits);
    if (journal_read(options->check, evidence, NULL, message, sizeof message) != 0)
        die(EXIT_FAILED, "%s", message);
    if (evidence_end(evidence) != 0)
        die(EXIT_FAILED, "there is no memory for the ledger");
    begin_proof(options, evidence, &proof);
    for (unsigned i = 0; i < options->files_count; i++)
        read_file(&proof, evidence, options->files[i]);
    journal_without_file(&journal, evidence);
    if (visiting->targets_count > 0)
        read_pods(visiting, &journal, &proof);
    return report(options, &proof, json, "");
}

static int visit_and_check(const struct options *options, struct visiting *visiting,
                           struct evidence *evidence, int json)
{
    static struct journal journal;
    char message[512];
    struct proof proof;
    if (visiting->targets_count == 0)
        die(EXIT_USAGE, "prove needs a URL to visit, such as http://127.0.0.1:8080/");
    if (options->files_count > 0)
        die(EXIT_USAGE, "--file goes with --check LEDGER");
    int opened =
        journal_open(&journal, options->ledger, options->resume, evidence, message, sizeof message);
    if (opened != 0)
        die(opened > 0 ? EXIT_USAGE : EXIT_FAILED, "%s", message);
    const char *failure = visit_targets(visiting, &journal);
    if (failure && !evidence->lanes[0] && journal.fd != STDOUT_FILENO)
        (void)unlink(options->ledger); /* nothing was visited, so the next run needs no --resume */
    begin_proof(options, evidence, &proof);
    proof.failure = failure;
    if (!failure)
        read_pods(visiting, &journal, &proof);
    if (journal.error)
        proof.failure = "the ledger could not be written; see the space on its disk";
    return report(options, &proof, json, journal.fd == STDOUT_FILENO ? "# " : "");
}

int prove(const struct options *options)
{
    static struct evidence evidence;
    struct target *targets[TARGETS_MAX];
    if (options->operands_count > 0) /* before threads start, which inherit the mask */
        block_signals();
    raise_descriptor_limit();
    struct visiting visiting = {.targets = targets,
                                .targets_count = parse_targets(options, targets),
                                .rate = options->rate,
                                .connections = options->connections,
                                .for_ms = options->for_ms,
                                .timeout_ms = options->timeout_ms,
                                .wait_ms = options->wait_ms,
                                .say = say};
    /* Not at the end: a night's report must not fail for want of a directory. */
    int json =
        options->json ? open(options->json, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    if (options->json && json < 0)
        die(EXIT_USAGE, "cannot write %s: %s", options->json, strerror(errno));
    return options->check ? check_ledger(options, &visiting, &evidence, json)
                          : visit_and_check(options, &visiting, &evidence, json);
}
