#include "../listing.h"
#include "../visits.h"
#include "folder.h"
#include "samples.h"
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

static int append(struct visits *visits, const char *lines, size_t count, uint64_t *ret_first)
{
    uint64_t end;
    struct visits_recent recent;
    return visits_append(visits, lines, count, ret_first, &end, &recent);
}

static bool file_is(const char *folder, const char *wanted)
{
    size_t length;
    char *bytes = folder_read(folder, VISITS_FILE, &length);
    bool equal = bytes && length == strlen(wanted) && memcmp(bytes, wanted, length) == 0;
    free(bytes);
    return equal;
}

static void expect_creation(void)
{
    char *folder = folder_make(), *inner;
    struct visits visits;
    struct visits_report report;
    uint64_t first = 0;
    if (asprintf(&inner, "%s/data/", folder) < 0)
        return;
    visits_init(&visits, inner);
    ok(visits_fault(&visits) != 0, "before it is open, no visit can be recorded");
    ok(append(&visits, LINE_A, 1, &first) == -1 && errno != 0, "and none is");
    ok(visits_open(&visits, &report) == 0 && visits.count == 0 && visits_fault(&visits) == 0,
       "an absent folder and file are made");
    ok(append(&visits, LINE_A, 1, &first) == 0 && first == 1, "the first visit has number 1");
    ok(append(&visits, LINE_B LINE_C, 2, &first) == 0 && first == 2,
       "and the next of a batch number 2");
    uint64_t duration_ns;
    ok(visits_sync(&visits, visits.size, &duration_ns) == 0 && visits.durable_size == 99 &&
           duration_ns > 0,
       "all of it is synced");
    ok(visits_sync(&visits, visits.size, &duration_ns) == 0 && duration_ns == 0,
       "and what is synced is not synced again");
    ok(visits_close(&visits) == 0, "and closed");
    ok(visits_open(&visits, &report) == 0 && visits.count == 3 && report.torn == 0,
       "opened again it has three");
    (void)visits_close(&visits);
    ok(file_is(inner, LINE_A LINE_B LINE_C), "the file holds them in the order of their numbers");
    (void)remove(folder_path(inner, VISITS_FILE));
    (void)remove(folder_path(inner, VISITS_FILE ".durable"));
    (void)rmdir(inner);
    free(inner);
    folder_remove(folder);
}

static void expect_recent(void)
{
    char *folder = folder_make();
    char lines[20][LINE_LENGTH];
    struct visits visits;
    struct visits_report report;
    struct visits_recent recent;
    uint64_t first, end, appended = 0;
    bool right = true;
    for (int i = 0; i < 20; i++) {
        memcpy(lines[i], LINE_A, LINE_LENGTH);
        lines[i][24] = (char)('0' + i / 10);
        lines[i][25] = (char)('0' + i % 10);
    }
    visits_init(&visits, folder);
    right = visits_open(&visits, &report) == 0;
    for (size_t count = 1; appended + count <= 20; count++) {
        right = right && visits_append(&visits, lines[appended], count, &first, &end, &recent) == 0;
        unsigned before = appended < VISITS_RECENT ? (unsigned)appended : VISITS_RECENT;
        right = right && recent.count == before &&
                memcmp(recent.lines, lines[appended - before], before * LINE_LENGTH) == 0;
        appended += count;
        if (count == 3) { /* what was there before a restart counts too */
            right = right && visits_close(&visits) == 0 && visits_open(&visits, &report) == 0;
        }
    }
    ok(right, "with a batch come the lines before it, at most five, over a restart too");
    (void)visits_close(&visits);
    folder_remove(folder);
}

enum { THREADS = 4, BATCHES = 1000, BATCH_MAX = 7 };

struct appender {
    pthread_t thread;
    pthread_barrier_t *start;
    struct visits *visits;
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
        struct visits_recent recent;
        appender->failed |= visits_append(appender->visits, lines[0], count, &appender->firsts[i],
                                          &end, &recent) != 0 ||
                            visits_sync(appender->visits, end, &duration_ns) != 0 ||
                            appender->visits->durable_size < end;
    }
    return NULL;
}

static void expect_concurrency(void)
{
    char *folder = folder_make();
    struct visits visits;
    struct visits_report report;
    static struct appender appenders[THREADS];
    pthread_barrier_t start;
    (void)pthread_barrier_init(&start, NULL, THREADS);
    visits_init(&visits, folder);
    bool right = visits_open(&visits, &report) == 0;
    for (int i = 0; i < THREADS; i++) {
        appenders[i] = (struct appender){.start = &start, .visits = &visits, .id = i};
        right =
            right && pthread_create(&appenders[i].thread, NULL, append_batches, &appenders[i]) == 0;
    }
    for (int i = 0; i < THREADS; i++) {
        right = right && pthread_join(appenders[i].thread, NULL) == 0 && !appenders[i].failed;
    }
    ok(right, "four threads append and sync at once");
    size_t length;
    char *bytes = folder_read(folder, VISITS_FILE, &length);
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
    ok(right && total * LINE_LENGTH == length && visits.count == total,
       "each line is where its number says, and there are no others");
    free(bytes);
    (void)visits_close(&visits);
    folder_remove(folder);
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
    char *folder = folder_make();
    struct visits visits;
    struct visits_report report;
    uint64_t first = 0;
    visits_init(&visits, folder);
    bool opened = visits_open(&visits, &report) == 0 && append(&visits, LINE_A, 1, &first) == 0;
    limit_files(2 * LINE_LENGTH + 5);
    bool refused = append(&visits, LINE_A LINE_B LINE_C, 3, &first) == -1 && errno == EFBIG;
    bool cut = file_is(folder, LINE_A) && visits.count == 1;
    int fault = visits_fault(&visits);
    limit_files(LINE_LENGTH + 5);
    bool still = visits_tend(&visits, &report) == -1 && errno == EFBIG && file_is(folder, LINE_A);
    limit_files(RLIM_INFINITY);
    ok(opened && refused, "a batch that does not fit is refused whole");
    ok(cut, "and nothing of it is in the file");
    same(fault, EFBIG, "from then on it is known to be at fault");
    ok(still,
       "a look after it finds that a line still does not fit, and leaves the file as it was");
    ok(visits_tend(&visits, &report) == 0 && visits_fault(&visits) == 0 && file_is(folder, LINE_A),
       "and, once there is room, that it does");
    ok(append(&visits, LINE_B, 1, &first) == 0 && first == 2 && file_is(folder, LINE_A LINE_B),
       "the next visit has the next number");
    (void)visits_close(&visits);
    folder_remove(folder);
}

static void expect_errors(void)
{
    struct visits visits;
    struct visits_report report;
    char *folder = folder_make();
    visits_init(&visits, folder_path(folder, "a/b"));
    ok(visits_open(&visits, &report) == -1 && errno == ENOENT, "a folder without a parent: ENOENT");
    folder_write(folder, "file", "", 0);
    visits_init(&visits, folder_path(folder, "file"));
    ok(visits_open(&visits, &report) == -1 && errno == ENOTDIR, "a file for a folder: ENOTDIR");
    visits_init(&visits, folder);
    (void)mkdir(folder_path(folder, VISITS_FILE), 0755);
    ok(visits_open(&visits, &report) == -1 && errno == EISDIR, "visits.txt is a folder: EISDIR");
    (void)rmdir(folder_path(folder, VISITS_FILE));
    (void)mkfifo(folder_path(folder, VISITS_FILE), 0644);
    ok(visits_open(&visits, &report) == -1 && errno == EINVAL,
       "visits.txt is a FIFO: EINVAL, and no wait");
    (void)remove(folder_path(folder, VISITS_FILE));
    (void)symlink("file", folder_path(folder, VISITS_FILE));
    ok(visits_open(&visits, &report) == -1 && errno == ELOOP,
       "visits.txt is a symbolic link: ELOOP");
    (void)remove(folder_path(folder, VISITS_FILE));
    ok(visits_open(&visits, &report) == 0, "and it opens once the hindrance is gone");
    struct visits second;
    visits_init(&second, folder);
    ok(visits_open(&second, &report) == -1 && errno == EWOULDBLOCK, "a second writer: EWOULDBLOCK");
    ok(visits_tend(&second, &report) == -1 && errno == EWOULDBLOCK, "and again at the next look");
    (void)visits_close(&visits);
    ok(visits_tend(&second, &report) == 1 && visits_fault(&second) == 0, "until the first is gone");
    (void)visits_close(&second);
    folder_remove(folder);
}

/* An operator replaces, shortens or removes the file of a running program. */
static void expect_takeovers(void)
{
    char *folder = folder_make();
    struct visits visits;
    struct visits_report report;
    struct listing_range range, old;
    struct visits_file *file, *old_file;
    uint64_t first = 0;
    visits_init(&visits, folder);
    ok(visits_snapshot(&visits, &range, &file) == -1, "what is not open cannot be listed");
    bool right =
        visits_open(&visits, &report) == 0 && append(&visits, LINE_A LINE_B, 2, &first) == 0;
    ok(right && visits_tend(&visits, &report) == 0, "a file left alone is not read again");
    ok(visits_snapshot(&visits, &old, &old_file) == 0, "it can be listed");
    folder_write(folder, "new", LINE_C LINE_B LINE_A "torn", 3 * LINE_LENGTH + 4);
    char *from = strdup(folder_path(folder, "new"));
    (void)rename(from, folder_path(folder, VISITS_FILE));
    free(from);
    ok(visits_tend(&visits, &report) == 1 && visits.count == 3 && report.torn == 4,
       "a replaced file is taken up, and repaired");
    ok(append(&visits, LINE_A, 1, &first) == 0 && first == 4 &&
           file_is(folder, LINE_C LINE_B LINE_A LINE_A),
       "the next visit goes there");
    char line[LINE_LENGTH];
    ok(pread(old.file, line, sizeof line, 0) == LINE_LENGTH &&
           memcmp(line, LINE_A, LINE_LENGTH) == 0,
       "a listing that has begun goes on in the file that it began with");
    visits_release(old_file);
    ok(fcntl(old.file, F_GETFD) == -1, "which is closed when nobody lists it");
    (void)truncate(folder_path(folder, VISITS_FILE), LINE_LENGTH + 7);
    ok(visits_tend(&visits, &report) == 1 && visits.count == 1 && report.torn == 7,
       "a shortened file is taken up");
    (void)remove(folder_path(folder, VISITS_FILE));
    ok(visits_tend(&visits, &report) == 1 && visits.count == 0, "a removed file is made again");
    ok(append(&visits, LINE_B, 1, &first) == 0 && first == 1 && file_is(folder, LINE_B),
       "and counts from 1");
    ok(visits_snapshot(&visits, &range, &file) == 0 && range.size == LINE_LENGTH &&
           range.count == 1,
       "a snapshot is of what there is");
    visits_release(file);
    (void)visits_close(&visits);
    ok(visits_tend(&visits, &report) <= 1, "a closed one can be looked after");
    (void)visits_close(&visits);
    folder_remove(folder);
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
        *ret_bytes +=
            stat(folder_path(folder, entry->d_name), &status) == 0 ? (uint64_t)status.st_size : 0;
    }
    (void)closedir(entries);
    return count;
}

/* Another process keeps appending what is no visit. */
static void expect_few_torn_files(void)
{
    enum { TIMES = 20 };
    char *folder = folder_make();
    struct visits visits;
    struct visits_report report;
    uint64_t bytes;
    visits_init(&visits, folder);
    bool right = visits_open(&visits, &report) == 0;
    for (int i = 0; i < TIMES && right; i++) {
        visits.reopen_after_ms = 0;
        right = truncate(folder_path(folder, VISITS_FILE), 10) == 0 &&
                visits_tend(&visits, &report) == 1 && report.torn == 10;
    }
    ok(right, "a file that keeps getting a torn end is repaired each time");
    ok(count_torn(folder, &bytes) == TORN_FILES_MAX && bytes == TIMES * 10,
       "and all torn bytes are kept, in few files");
    (void)remove(folder_path(folder, report.torn_name));
    visits.reopen_after_ms = 0;
    ok(truncate(folder_path(folder, VISITS_FILE), 10) == 0 && visits_tend(&visits, &report) == 1 &&
           count_torn(folder, &bytes) == TORN_FILES_MAX,
       "also after an operator has removed the last of them");
    (void)visits_close(&visits);
    folder_remove(folder);
}

void test_visits(void)
{
    expect_few_torn_files();
    expect_creation();
    expect_recent();
    expect_concurrency();
    expect_no_space();
    expect_errors();
    expect_takeovers();
}
