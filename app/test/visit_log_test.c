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

static bool file_is(const char *folder, const char *wanted)
{
    size_t length;
    char *bytes = directory_read(folder, VISITS_FILE, &length);
    bool equal = bytes && length == strlen(wanted) && memcmp(bytes, wanted, length) == 0;
    free(bytes);
    return equal;
}

static void expect_creation(void)
{
    char *folder = directory_make(), *inner;
    struct visit_log log;
    struct recovery report;
    uint64_t first = 0;
    if (asprintf(&inner, "%s/data/", folder) < 0)
        return;
    visit_log_init(&log, inner);
    ok(visit_log_fault(&log) != 0, "before it is open, no visit can be recorded");
    ok(append(&log, LINE_A, 1, &first) == -1 && errno != 0, "and none is");
    ok(visit_log_open(&log, &report) == 0 && log.count == 0 && visit_log_fault(&log) == 0,
       "an absent folder and file are made");
    ok(append(&log, LINE_A, 1, &first) == 0 && first == 1, "the first visit has number 1");
    ok(append(&log, LINE_B LINE_C, 2, &first) == 0 && first == 2,
       "and the next of a batch number 2");
    uint64_t duration_ns;
    ok(visit_log_sync(&log, log.size, &duration_ns) == 0 && log.durable_size == 99 &&
           duration_ns > 0,
       "all of it is synced");
    ok(visit_log_sync(&log, log.size, &duration_ns) == 0 && duration_ns == 0,
       "and what is synced is not synced again");
    ok(visit_log_close(&log) == 0, "and closed");
    ok(visit_log_open(&log, &report) == 0 && log.count == 3 && report.torn == 0,
       "opened again it has three");
    (void)visit_log_close(&log);
    ok(file_is(inner, LINE_A LINE_B LINE_C), "the file holds them in the order of their numbers");
    (void)remove(directory_path(inner, VISITS_FILE));
    (void)remove(directory_path(inner, VISITS_FILE ".durable"));
    (void)rmdir(inner);
    free(inner);
    directory_remove(folder);
}

static void expect_recent(void)
{
    char *folder = directory_make();
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
    visit_log_init(&log, folder);
    right = visit_log_open(&log, &report) == 0;
    for (size_t count = 1; appended + count <= 20; count++) {
        right = right && visit_log_append(&log, lines[appended], count, &first, &end, &recent) == 0;
        unsigned before = appended < RECENT_LINES ? (unsigned)appended : RECENT_LINES;
        right = right && recent.count == before &&
                memcmp(recent.lines, lines[appended - before], before * LINE_LENGTH) == 0;
        appended += count;
        if (count == 3) { /* what was there before a restart counts too */
            right = right && visit_log_close(&log) == 0 && visit_log_open(&log, &report) == 0;
        }
    }
    ok(right, "with a batch come the lines before it, at most five, over a restart too");
    (void)visit_log_close(&log);
    directory_remove(folder);
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
    char *folder = directory_make();
    struct visit_log log;
    struct recovery report;
    static struct appender appenders[THREADS];
    pthread_barrier_t start;
    (void)pthread_barrier_init(&start, NULL, THREADS);
    visit_log_init(&log, folder);
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
    char *bytes = directory_read(folder, VISITS_FILE, &length);
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
       "each line is where its number says, and there are no others");
    free(bytes);
    (void)visit_log_close(&log);
    directory_remove(folder);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    (void)getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    (void)setrlimit(RLIMIT_FSIZE, &limit);
}

/* A limit on the size of files makes write(2) short, and then fail, as a full disk does. It holds
 * for the results on stdout too, so nothing is said until it is lifted. */
static void expect_no_space(void)
{
    char *folder = directory_make();
    struct visit_log log;
    struct recovery report;
    uint64_t first = 0;
    visit_log_init(&log, folder);
    bool opened = visit_log_open(&log, &report) == 0 && append(&log, LINE_A, 1, &first) == 0;
    limit_files(2 * LINE_LENGTH + 5);
    bool refused = append(&log, LINE_A LINE_B LINE_C, 3, &first) == -1 && errno == EFBIG;
    bool cut = file_is(folder, LINE_A) && log.count == 1;
    int fault = visit_log_fault(&log);
    limit_files(LINE_LENGTH + 5);
    bool still =
        visit_log_maintain(&log, &report) == -1 && errno == EFBIG && file_is(folder, LINE_A);
    limit_files(RLIM_INFINITY);
    ok(opened && refused, "a batch that does not fit is refused whole");
    ok(cut, "and nothing of it is in the file");
    same(fault, EFBIG, "from then on it is known to be at fault");
    ok(still,
       "a look after it finds that a line still does not fit, and leaves the file as it was");
    ok(visit_log_maintain(&log, &report) == 0 && visit_log_fault(&log) == 0 &&
           file_is(folder, LINE_A),
       "and, once there is room, that it does");
    ok(append(&log, LINE_B, 1, &first) == 0 && first == 2 && file_is(folder, LINE_A LINE_B),
       "the next visit has the next number");
    (void)visit_log_close(&log);
    directory_remove(folder);
}

static void expect_errors(void)
{
    struct visit_log log;
    struct recovery report;
    char *folder = directory_make();
    visit_log_init(&log, directory_path(folder, "a/b"));
    ok(visit_log_open(&log, &report) == -1 && errno == ENOENT, "a folder without a parent: ENOENT");
    directory_write(folder, "file", "", 0);
    visit_log_init(&log, directory_path(folder, "file"));
    ok(visit_log_open(&log, &report) == -1 && errno == ENOTDIR, "a file for a folder: ENOTDIR");
    visit_log_init(&log, folder);
    (void)mkdir(directory_path(folder, VISITS_FILE), 0755);
    ok(visit_log_open(&log, &report) == -1 && errno == EISDIR, "visits.txt is a folder: EISDIR");
    (void)rmdir(directory_path(folder, VISITS_FILE));
    (void)mkfifo(directory_path(folder, VISITS_FILE), 0644);
    ok(visit_log_open(&log, &report) == -1 && errno == EINVAL,
       "visits.txt is a FIFO: EINVAL, and no wait");
    (void)remove(directory_path(folder, VISITS_FILE));
    (void)symlink("file", directory_path(folder, VISITS_FILE));
    ok(visit_log_open(&log, &report) == -1 && errno == ELOOP,
       "visits.txt is a symbolic link: ELOOP");
    (void)remove(directory_path(folder, VISITS_FILE));
    ok(visit_log_open(&log, &report) == 0, "and it opens once the hindrance is gone");
    struct visit_log second;
    visit_log_init(&second, folder);
    ok(visit_log_open(&second, &report) == -1 && errno == EWOULDBLOCK,
       "a second writer: EWOULDBLOCK");
    ok(visit_log_maintain(&second, &report) == -1 && errno == EWOULDBLOCK,
       "and again at the next look");
    (void)visit_log_close(&log);
    ok(visit_log_maintain(&second, &report) == 1 && visit_log_fault(&second) == 0,
       "until the first is gone");
    (void)visit_log_close(&second);
    directory_remove(folder);
}

/* An operator replaces, shortens or removes the file of a running program. */
static void expect_reopening(void)
{
    char *folder = directory_make();
    struct visit_log log;
    struct recovery report;
    struct log_snapshot range, old;
    struct log_file *file, *old_file;
    uint64_t first = 0;
    visit_log_init(&log, folder);
    ok(visit_log_snapshot(&log, &range, &file) == -1, "what is not open cannot be listed");
    bool right = visit_log_open(&log, &report) == 0 && append(&log, LINE_A LINE_B, 2, &first) == 0;
    ok(right && visit_log_maintain(&log, &report) == 0, "a file left alone is not read again");
    ok(visit_log_snapshot(&log, &old, &old_file) == 0, "it can be listed");
    directory_write(folder, "new", LINE_C LINE_B LINE_A "torn", 3 * LINE_LENGTH + 4);
    char *from = strdup(directory_path(folder, "new"));
    (void)rename(from, directory_path(folder, VISITS_FILE));
    free(from);
    ok(visit_log_maintain(&log, &report) == 1 && log.count == 3 && report.torn == 4,
       "a replaced file is taken up, and repaired");
    ok(append(&log, LINE_A, 1, &first) == 0 && first == 4 &&
           file_is(folder, LINE_C LINE_B LINE_A LINE_A),
       "the next visit goes there");
    char line[LINE_LENGTH];
    ok(pread(old.fd, line, sizeof line, 0) == LINE_LENGTH && memcmp(line, LINE_A, LINE_LENGTH) == 0,
       "a listing that has begun goes on in the file that it began with");
    log_file_release(old_file);
    ok(fcntl(old.fd, F_GETFD) == -1, "which is closed when nobody lists it");
    (void)truncate(directory_path(folder, VISITS_FILE), LINE_LENGTH + 7);
    ok(visit_log_maintain(&log, &report) == 1 && log.count == 1 && report.torn == 7,
       "a shortened file is taken up");
    (void)remove(directory_path(folder, VISITS_FILE));
    ok(visit_log_maintain(&log, &report) == 1 && log.count == 0, "a removed file is made again");
    ok(append(&log, LINE_B, 1, &first) == 0 && first == 1 && file_is(folder, LINE_B),
       "and counts from 1");
    ok(visit_log_snapshot(&log, &range, &file) == 0 && range.size == LINE_LENGTH &&
           range.count == 1,
       "a snapshot is of what there is");
    log_file_release(file);
    (void)visit_log_close(&log);
    ok(visit_log_maintain(&log, &report) <= 1, "a closed one can be looked after");
    (void)visit_log_close(&log);
    directory_remove(folder);
}

static unsigned count_torn(const char *folder, uint64_t *ret_bytes)
{
    DIR *entries = opendir(folder);
    unsigned count = 0;
    *ret_bytes = 0;
    for (const struct dirent *entry; (entry = readdir(entries));) {
        struct stat status;
        if (strncmp(entry->d_name, VISITS_FILE ".torn-", sizeof VISITS_FILE ".torn-" - 1) != 0)
            continue;
        count++;
        *ret_bytes += stat(directory_path(folder, entry->d_name), &status) == 0
                          ? (uint64_t)status.st_size
                          : 0;
    }
    (void)closedir(entries);
    return count;
}

/* Another process keeps appending what is no visit. */
static void expect_few_torn_files(void)
{
    enum { TIMES = 20 };
    char *folder = directory_make();
    struct visit_log log;
    struct recovery report;
    uint64_t bytes;
    visit_log_init(&log, folder);
    bool right = visit_log_open(&log, &report) == 0;
    for (int i = 0; i < TIMES && right; i++) {
        log.reopen_after_ms = 0;
        right = truncate(directory_path(folder, VISITS_FILE), 10) == 0 &&
                visit_log_maintain(&log, &report) == 1 && report.torn == 10;
    }
    ok(right, "a file that keeps getting a torn end is repaired each time");
    ok(count_torn(folder, &bytes) == TORN_FILES_MAX && bytes == TIMES * 10,
       "and all torn bytes are kept, in few files");
    (void)remove(directory_path(folder, report.torn_name));
    log.reopen_after_ms = 0;
    ok(truncate(directory_path(folder, VISITS_FILE), 10) == 0 &&
           visit_log_maintain(&log, &report) == 1 && count_torn(folder, &bytes) == TORN_FILES_MAX,
       "also after an operator has removed the last of them");
    (void)visit_log_close(&log);
    directory_remove(folder);
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
