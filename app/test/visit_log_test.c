#include "directory.h"
#include "log/visit_log.h"
#include "samples.h"
#include "site/listing.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int append(struct visit_log *log, const char *lines, size_t count, uint64_t *ret_first)
{
    uint64_t end;
    struct recent_lines recent;
    return visit_log_append(log, lines, count, ret_first, &end, &recent);
}

static bool file_is(const char *directory, const char *wanted)
{
    size_t length;
    char *bytes = directory_read(directory, VISITS_FILE, &length);
    bool equal = bytes && length == strlen(wanted) && memcmp(bytes, wanted, length) == 0;
    free(bytes);
    return equal;
}

static void expect_creation(void)
{
    char *directory = directory_make(), *inner;
    struct visit_log log;
    struct recovery report;
    uint64_t first = 0;
    if (asprintf(&inner, "%s/data/", directory) < 0)
        return;
    visit_log_init(&log, inner);
    ok(visit_log_fault(&log) != 0, "a log that is not open has a fault");
    ok(append(&log, LINE_A, 1, &first) == -1 && errno != 0,
       "a log that is not open refuses a visit");
    ok(visit_log_open(&log, &report) == 0 && log.count == 0 && visit_log_fault(&log) == 0,
       "an absent directory and file are created");
    ok(append(&log, LINE_A, 1, &first) == 0 && first == 1, "the first visit has number 1");
    ok(append(&log, LINE_B LINE_C, 2, &first) == 0 && first == 2,
       "the first visit of the next batch has number 2");
    uint64_t duration_ns;
    ok(visit_log_sync(&log, log.size, &duration_ns) == 0 && log.durable_size == 99 &&
           duration_ns > 0,
       "a sync makes all lines durable");
    ok(visit_log_sync(&log, log.size, &duration_ns) == 0 && duration_ns == 0,
       "durable lines are not synced again");
    ok(visit_log_close(&log) == 0, "the log closes");
    ok(visit_log_open(&log, &report) == 0 && log.count == 3 && report.torn == 0,
       "opened again, the log has three visits");
    (void)visit_log_close(&log);
    ok(file_is(inner, LINE_A LINE_B LINE_C), "the file holds them in the order of their numbers");
    (void)remove(directory_path(inner, VISITS_FILE));
    (void)remove(directory_path(inner, VISITS_FILE ".durable"));
    (void)rmdir(inner);
    free(inner);
    directory_remove(directory);
}

static void expect_recent(void)
{
    char *directory = directory_make();
    char lines[20][LINE_LENGTH];
    struct visit_log log;
    struct recovery report;
    struct recent_lines recent;
    uint64_t first, end, appended = 0;
    bool right = true;
    for (int i = 0; i < 20; i++) {
        memcpy(lines[i], LINE_A, LINE_LENGTH);
        lines[i][24] = (char)('0' + i / 10);
        lines[i][25] = (char)('0' + i % 10);
    }
    visit_log_init(&log, directory);
    right = visit_log_open(&log, &report) == 0;
    for (size_t count = 1; appended + count <= 20; count++) {
        right = right && visit_log_append(&log, lines[appended], count, &first, &end, &recent) == 0;
        unsigned before = appended < RECENT_LINES ? (unsigned)appended : RECENT_LINES;
        right = right && recent.count == before &&
                memcmp(recent.lines, lines[appended - before], before * LINE_LENGTH) == 0;
        appended += count;
        if (count == 3) { /* a restart in between */
            right = right && visit_log_close(&log) == 0 && visit_log_open(&log, &report) == 0;
        }
    }
    ok(right, "an append returns the lines before the batch, at most five, even after a restart");
    (void)visit_log_close(&log);
    directory_remove(directory);
}

enum { THREADS = 4, BATCHES = 1000, BATCH_MAX = 7 };

struct appender {
    pthread_t thread;
    pthread_barrier_t *start;
    struct visit_log *log;
    int id;
    uint64_t firsts[BATCHES];
    size_t counts[BATCHES];
    bool failed;
};

static void *append_batches(void *context)
{
    struct appender *appender = context;
    (void)pthread_barrier_wait(appender->start);
    char lines[BATCH_MAX][LINE_LENGTH];
    for (int i = 0; i < BATCHES; i++) {
        size_t count = 1 + (size_t)(i % BATCH_MAX);
        for (size_t j = 0; j < count; j++) {
            char text[128];
            (void)snprintf(text, sizeof text, "2022-11-28 22:54:26.%d%04d%zu+03:00\n", appender->id,
                           i, j);
            memcpy(lines[j], text, LINE_LENGTH);
        }
        appender->counts[i] = count;
        uint64_t end, duration_ns;
        struct recent_lines recent;
        appender->failed |= visit_log_append(appender->log, lines[0], count, &appender->firsts[i],
                                             &end, &recent) != 0 ||
                            visit_log_sync(appender->log, end, &duration_ns) != 0 ||
                            appender->log->durable_size < end;
    }
    return NULL;
}

static void expect_concurrency(void)
{
    char *directory = directory_make();
    struct visit_log log;
    struct recovery report;
    static struct appender appenders[THREADS];
    pthread_barrier_t start;
    (void)pthread_barrier_init(&start, NULL, THREADS);
    visit_log_init(&log, directory);
    bool right = visit_log_open(&log, &report) == 0;
    for (int i = 0; i < THREADS; i++) {
        appenders[i] = (struct appender){.start = &start, .log = &log, .id = i};
        right =
            right && pthread_create(&appenders[i].thread, NULL, append_batches, &appenders[i]) == 0;
    }
    for (int i = 0; i < THREADS; i++) {
        right = right && pthread_join(appenders[i].thread, NULL) == 0 && !appenders[i].failed;
    }
    ok(right, "four threads append and sync at once");
    size_t length;
    char *bytes = directory_read(directory, VISITS_FILE, &length);
    uint64_t total = 0;
    for (int i = 0; i < THREADS && right; i++) {
        for (int batch = 0; batch < BATCHES; batch++) {
            for (size_t j = 0; j < appenders[i].counts[batch]; j++, total++) {
                char text[128];
                uint64_t number = appenders[i].firsts[batch] + j;
                (void)snprintf(text, sizeof text, "2022-11-28 22:54:26.%d%04d%zu+03:00\n", i, batch,
                               j);
                right = right && number * LINE_LENGTH <= length &&
                        memcmp(bytes + (number - 1) * LINE_LENGTH, text, LINE_LENGTH) == 0;
            }
        }
    }
    ok(right && total * LINE_LENGTH == length && log.count == total,
       "each line is at the place of its number, and there are no others");
    free(bytes);
    (void)visit_log_close(&log);
    directory_remove(directory);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    (void)getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    (void)setrlimit(RLIMIT_FSIZE, &limit);
}

/* RLIMIT_FSIZE makes write(2) short, then makes it fail, as a full disk does. It applies to stdout
 * too, so results are reported after it is lifted. */
static void expect_no_space(void)
{
    char *directory = directory_make();
    struct visit_log log;
    struct recovery report;
    uint64_t first = 0;
    visit_log_init(&log, directory);
    bool opened = visit_log_open(&log, &report) == 0 && append(&log, LINE_A, 1, &first) == 0;
    limit_files(2 * LINE_LENGTH + 5);
    bool refused = append(&log, LINE_A LINE_B LINE_C, 3, &first) == -1 && errno == EFBIG;
    bool truncated = file_is(directory, LINE_A) && log.count == 1;
    int fault = visit_log_fault(&log);
    limit_files(LINE_LENGTH + 5);
    bool still =
        visit_log_maintain(&log, &report) == -1 && errno == EFBIG && file_is(directory, LINE_A);
    limit_files(RLIM_INFINITY);
    ok(opened && refused, "a batch that does not fit is refused as a whole");
    ok(truncated, "no line of a refused batch is in the file");
    same(fault, EFBIG, "the log has a fault after a refused batch");
    ok(still, "maintenance finds that a line still does not fit, and leaves the file unchanged");
    ok(visit_log_maintain(&log, &report) == 0 && visit_log_fault(&log) == 0 &&
           file_is(directory, LINE_A),
       "maintenance finds that a line fits again");
    ok(append(&log, LINE_B, 1, &first) == 0 && first == 2 && file_is(directory, LINE_A LINE_B),
       "the next visit has the next number");
    (void)visit_log_close(&log);
    directory_remove(directory);
}

static void expect_errors(void)
{
    struct visit_log log;
    struct recovery report;
    char *directory = directory_make();
    visit_log_init(&log, directory_path(directory, "a/b"));
    ok(visit_log_open(&log, &report) == -1 && errno == ENOENT,
       "a directory without a parent: ENOENT");
    directory_write(directory, "file", "", 0);
    visit_log_init(&log, directory_path(directory, "file"));
    ok(visit_log_open(&log, &report) == -1 && errno == ENOTDIR,
       "a file in place of the directory: ENOTDIR");
    visit_log_init(&log, directory);
    (void)mkdir(directory_path(directory, VISITS_FILE), 0755);
    ok(visit_log_open(&log, &report) == -1 && errno == EISDIR, "visits.txt is a directory: EISDIR");
    (void)rmdir(directory_path(directory, VISITS_FILE));
    (void)mkfifo(directory_path(directory, VISITS_FILE), 0644);
    ok(visit_log_open(&log, &report) == -1 && errno == ENXIO,
       "visits.txt is a FIFO: ENXIO, without blocking");
    (void)remove(directory_path(directory, VISITS_FILE));
    (void)symlink("file", directory_path(directory, VISITS_FILE));
    ok(visit_log_open(&log, &report) == -1 && errno == ELOOP,
       "visits.txt is a symbolic link: ELOOP");
    (void)remove(directory_path(directory, VISITS_FILE));
    ok(visit_log_open(&log, &report) == 0, "the log opens when the obstacle is gone");
    struct visit_log second;
    visit_log_init(&second, directory);
    ok(visit_log_open(&second, &report) == -1 && errno == EWOULDBLOCK,
       "a second writer: EWOULDBLOCK");
    ok(visit_log_maintain(&second, &report) == -1 && errno == EWOULDBLOCK,
       "maintenance of a second writer: EWOULDBLOCK");
    (void)visit_log_close(&log);
    ok(visit_log_maintain(&second, &report) == 1 && visit_log_fault(&second) == 0,
       "maintenance opens the log when the first writer is gone");
    (void)visit_log_close(&second);
    directory_remove(directory);
}

/* An operator replaces, shortens or removes the file of a running program. */
static void expect_reopening(void)
{
    char *directory = directory_make();
    struct visit_log log;
    struct recovery report;
    struct log_snapshot range, old;
    struct log_file *file, *old_file;
    uint64_t first = 0;
    visit_log_init(&log, directory);
    ok(visit_log_snapshot(&log, &range, &file) == -1, "a log that is not open has no snapshot");
    bool right = visit_log_open(&log, &report) == 0 && append(&log, LINE_A LINE_B, 2, &first) == 0;
    ok(right && visit_log_maintain(&log, &report) == 0, "an unchanged file is not read again");
    ok(visit_log_snapshot(&log, &old, &old_file) == 0, "an open log has a snapshot");
    directory_write(directory, "new", LINE_C LINE_B LINE_A "torn", 3 * LINE_LENGTH + 4);
    char *from = strdup(directory_path(directory, "new"));
    (void)rename(from, directory_path(directory, VISITS_FILE));
    free(from);
    ok(visit_log_maintain(&log, &report) == 1 && log.count == 3 && report.torn == 4,
       "a replaced file is reopened and repaired");
    ok(append(&log, LINE_A, 1, &first) == 0 && first == 4 &&
           file_is(directory, LINE_C LINE_B LINE_A LINE_A),
       "the next visit is appended to the new file");
    char line[LINE_LENGTH];
    ok(pread(old.fd, line, sizeof line, 0) == LINE_LENGTH && memcmp(line, LINE_A, LINE_LENGTH) == 0,
       "a snapshot still reads the old file");
    log_file_release(old_file);
    ok(fcntl(old.fd, F_GETFD) == -1, "the old file is closed when the snapshot is released");
    (void)truncate(directory_path(directory, VISITS_FILE), LINE_LENGTH + 7);
    ok(visit_log_maintain(&log, &report) == 1 && log.count == 1 && report.torn == 7,
       "a shortened file is reopened");
    (void)remove(directory_path(directory, VISITS_FILE));
    ok(visit_log_maintain(&log, &report) == 1 && log.count == 0, "a removed file is created again");
    ok(append(&log, LINE_B, 1, &first) == 0 && first == 1 && file_is(directory, LINE_B),
       "a new file counts from 1");
    ok(visit_log_snapshot(&log, &range, &file) == 0 && range.size == LINE_LENGTH &&
           range.count == 1,
       "a snapshot has the current lines");
    log_file_release(file);
    (void)visit_log_close(&log);
    ok(visit_log_maintain(&log, &report) <= 1, "maintenance of a closed log is allowed");
    (void)visit_log_close(&log);
    directory_remove(directory);
}

static unsigned count_torn(const char *directory, uint64_t *ret_bytes)
{
    DIR *entries = opendir(directory);
    unsigned count = 0;
    *ret_bytes = 0;
    for (const struct dirent *entry; (entry = readdir(entries));) {
        struct stat status;
        if (strncmp(entry->d_name, VISITS_FILE ".torn-", sizeof VISITS_FILE ".torn-" - 1) != 0)
            continue;
        count++;
        *ret_bytes += stat(directory_path(directory, entry->d_name), &status) == 0
                          ? (uint64_t)status.st_size
                          : 0;
    }
    (void)closedir(entries);
    return count;
}

/* Another process keeps appending bytes that are not a visit. */
static void expect_few_torn_files(void)
{
    enum { TIMES = 20 };
    char *directory = directory_make();
    struct visit_log log;
    struct recovery report;
    uint64_t bytes;
    visit_log_init(&log, directory);
    bool right = visit_log_open(&log, &report) == 0;
    for (int i = 0; i < TIMES && right; i++) {
        log.reopen_after_ms = 0;
        right = truncate(directory_path(directory, VISITS_FILE), 10) == 0 &&
                visit_log_maintain(&log, &report) == 1 && report.torn == 10;
    }
    ok(right, "a file that gets a torn end again and again is repaired each time");
    ok(count_torn(directory, &bytes) == TORN_FILES_MAX && bytes == TIMES * 10,
       "all torn bytes are kept, in few files");
    (void)remove(directory_path(directory, report.torn_name));
    log.reopen_after_ms = 0;
    ok(truncate(directory_path(directory, VISITS_FILE), 10) == 0 &&
           visit_log_maintain(&log, &report) == 1 &&
           count_torn(directory, &bytes) == TORN_FILES_MAX,
       "torn bytes are kept in a new file if an operator has removed the last one");
    (void)visit_log_close(&log);
    directory_remove(directory);
}

void test_visit_log(void)
{
    expect_few_torn_files();
    expect_creation();
    expect_recent();
    expect_concurrency();
    expect_no_space();
    expect_errors();
    expect_reopening();
}
