#include "metrics.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const char *const path_labels[METRICS_PATHS] = {
    [METRICS_ROOT] = "/",           [METRICS_VISITS] = "/visits", [METRICS_VERSION] = "/version",
    [METRICS_HEALTHZ] = "/healthz", [METRICS_READYZ] = "/readyz", [METRICS_METRICS] = "/metrics",
    [METRICS_OTHER] = "other",
};

static const int codes[] = {200, 400, 404, 405, 408, 413, 414, 431, 500, 503, 505};
enum { CODES = sizeof codes / sizeof *codes };

enum reason { NO_SPACE, READ_ONLY, LOCKED, CHANGED, CLOCK, INPUT_OUTPUT, REASONS };
static const char *const reason_labels[REASONS] = {
    [NO_SPACE] = "no_space", [READ_ONLY] = "read_only", [LOCKED] = "locked",
    [CHANGED] = "changed",   [CLOCK] = "clock",         [INPUT_OUTPUT] = "io_error",
};

enum { BUCKETS_MAX = 12 };

/* `count` of the last bucket, of everything above the bounds, stands at `bounds_count`. */
struct histogram {
    const char *const *labels; /* the bounds as Prometheus writes them */
    uint64_t bounds[BUCKETS_MAX];
    unsigned bounds_count;
    uint64_t sum_divisor; /* a unit of the sum in units of what is observed */
    _Atomic uint64_t counts[BUCKETS_MAX + 1], sum;
};

static const char *const sync_labels[] = {"0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005",
                                          "0.01",   "0.025",   "0.05",   "0.1",   "0.5",    "2.5"};
static struct histogram sync_duration = {
    .labels = sync_labels,
    .bounds = {100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000,
               100000000, 500000000, 2500000000},
    .bounds_count = 12,
    .sum_divisor = 1000000000,
};

static const char *const batch_labels[] = {"1",  "2",  "4",   "8",   "16",
                                           "32", "64", "128", "256", "512"};
static struct histogram sync_batch = {
    .labels = batch_labels,
    .bounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512},
    .bounds_count = 10,
    .sum_divisor = 1,
};

static _Atomic uint64_t requests[METRICS_PATHS][CODES];
static _Atomic uint64_t errors[REASONS];

static void add(_Atomic uint64_t *counter, uint64_t number)
{
    atomic_fetch_add_explicit(counter, number, memory_order_relaxed);
}

static unsigned long long get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_count_request(enum metrics_path path, int status)
{
    for (unsigned i = 0; i < CODES; i++) {
        if (codes[i] == status) {
            add(&requests[path][i], 1);
            return;
        }
    }
}

void metrics_count_errors(int error, unsigned count)
{
    enum reason reason = INPUT_OUTPUT;
    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        reason = NO_SPACE;
    else if (error == EROFS)
        reason = READ_ONLY;
    else if (error == EWOULDBLOCK)
        reason = LOCKED;
    else if (error == ESTALE)
        reason = CHANGED;
    else if (error == EOVERFLOW)
        reason = CLOCK;
    add(&errors[reason], count);
}

static void observe(struct histogram *histogram, uint64_t value)
{
    unsigned bucket = 0;
    while (bucket < histogram->bounds_count && value > histogram->bounds[bucket])
        bucket++;
    add(&histogram->counts[bucket], 1);
    add(&histogram->sum, value);
}

void metrics_observe_batch(unsigned visits)
{
    observe(&sync_batch, visits);
}

void metrics_observe_sync(uint64_t nanoseconds)
{
    if (nanoseconds > 0)
        observe(&sync_duration, nanoseconds);
}

struct text {
    char *at;
    size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int printed = vsnprintf(text->at + text->length, text->size - text->length, format, arguments);
    va_end(arguments);
    if (printed > 0)
        text->length += (size_t)printed;
    if (text->length >= text->size)
        text->length = text->size - 1;
}

static void put_family(struct text *text, const char *name, const char *type, const char *help)
{
    put(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_histogram(struct text *text, const char *name, const char *help,
                          const struct histogram *histogram)
{
    unsigned long long total = 0, sum = get(&histogram->sum), divisor = histogram->sum_divisor;
    put_family(text, name, "histogram", help);
    for (unsigned i = 0; i < histogram->bounds_count; i++) {
        total += get(&histogram->counts[i]);
        put(text, "%s_bucket{le=\"%s\"} %llu\n", name, histogram->labels[i], total);
    }
    total += get(&histogram->counts[histogram->bounds_count]);
    put(text, "%s_bucket{le=\"+Inf\"} %llu\n", name, total);
    if (divisor == 1)
        put(text, "%s_sum %llu\n", name, sum);
    else
        put(text, "%s_sum %llu.%09llu\n", name, sum / divisor, sum % divisor);
    put(text, "%s_count %llu\n", name, total);
}

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* When the process started, in hundredths of a second of Unix time, from when that was after boot.
 * Found out once, since two clocks are read one after the other, and one of them may be set: what
 * changes is a restart to Prometheus. */
static uint64_t start_time(uint64_t after_boot)
{
    static _Atomic uint64_t known;
    uint64_t found = 0;
    uint64_t boot = nanoseconds(CLOCK_REALTIME) - nanoseconds(CLOCK_BOOTTIME);
    uint64_t started = boot / 10000000 + after_boot;
    return atomic_compare_exchange_strong(&known, &found, started) ? started : found;
}

/* The fields of /proc/self/stat after the command's name (proc_pid_stat(5)): from field 3 on. */
static void put_process_stat(struct text *text)
{
    char stat[1024];
    int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    ssize_t got = read(file, stat, sizeof stat - 1);
    (void)close(file);
    if (got <= 0)
        return;
    stat[got] = '\0';
    const char *fields = strrchr(stat, ')');
    unsigned long long user, system, started, virtual_bytes, resident_pages, threads;
    if (!fields ||
        sscanf(fields + 1,
               " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu %*s %*s %*s %*s %llu %*s "
               "%llu %llu %llu",
               &user, &system, &threads, &started, &virtual_bytes, &resident_pages) != 6)
        return;
    unsigned long long ticks = getauxval(AT_CLKTCK), page = getauxval(AT_PAGESZ);
    unsigned long long cpu = user + system;
    uint64_t start = start_time(started * 100 / ticks);
    put_family(text, "process_cpu_seconds_total", "counter", "User and system CPU time spent.");
    put(text, "process_cpu_seconds_total %llu.%02llu\n", cpu / ticks, cpu % ticks * 100 / ticks);
    put_family(text, "process_resident_memory_bytes", "gauge", "Resident memory.");
    put(text, "process_resident_memory_bytes %llu\n", resident_pages * page);
    put_family(text, "process_virtual_memory_bytes", "gauge", "Virtual memory.");
    put(text, "process_virtual_memory_bytes %llu\n", virtual_bytes);
    put_family(text, "process_threads", "gauge", "Threads.");
    put(text, "process_threads %llu\n", threads);
    put_family(text, "process_start_time_seconds", "gauge",
               "When the process started, in Unix time.");
    put(text, "process_start_time_seconds %llu.%02llu\n", (unsigned long long)start / 100,
        (unsigned long long)start % 100);
}

static void put_process_descriptors(struct text *text)
{
    struct rlimit limit;
    unsigned open_descriptors = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder) {
        for (const struct dirent *entry; (entry = readdir(folder));)
            open_descriptors += entry->d_name[0] != '.';
        (void)closedir(folder);
        put_family(text, "process_open_fds", "gauge", "Open file descriptors.");
        put(text, "process_open_fds %u\n", open_descriptors - 1); /* without the folder's own */
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        put_family(text, "process_max_fds", "gauge", "The most file descriptors that may be open.");
        put(text, "process_max_fds %llu\n", (unsigned long long)limit.rlim_cur);
    }
}

size_t metrics_write(const struct metrics_gauges *gauges, char *data, size_t size)
{
    struct text text = {data, size, 0};
    put_family(&text, "web_app_visits_total", "counter", "Visits in visits.txt.");
    put(&text, "web_app_visits_total %llu\n", (unsigned long long)gauges->visits);
    put_family(&text, "web_app_visits_file_bytes", "gauge", "Size of visits.txt.");
    put(&text, "web_app_visits_file_bytes %llu\n", (unsigned long long)gauges->file_bytes);
    put_family(&text, "web_app_visit_errors_total", "counter",
               "Visits that could not be recorded and were answered with 503.");
    for (unsigned i = 0; i < REASONS; i++)
        put(&text, "web_app_visit_errors_total{reason=\"%s\"} %llu\n", reason_labels[i],
            get(&errors[i]));
    put_histogram(&text, "web_app_sync_duration_seconds",
                  "How long an fdatasync of visits.txt took.", &sync_duration);
    put_histogram(&text, "web_app_sync_batch_visits", "Visits written and synced together.",
                  &sync_batch);
    put_family(&text, "web_app_http_requests_total", "counter", "Requests answered.");
    for (unsigned path = 0; path < METRICS_PATHS; path++)
        for (unsigned i = 0; i < CODES; i++)
            if (codes[i] == 200 || get(&requests[path][i]) > 0)
                put(&text, "web_app_http_requests_total{path=\"%s\",code=\"%d\"} %llu\n",
                    path_labels[path], codes[i], get(&requests[path][i]));
    put_family(&text, "web_app_connections", "gauge", "Open connections of visitors.");
    put(&text, "web_app_connections %u\n", gauges->connections);
    put_family(&text, "web_app_build_info", "gauge", "The version that runs; always 1.");
    put(&text, "web_app_build_info{version=\"%s\"} 1\n", gauges->version);
    put_process_stat(&text);
    put_process_descriptors(&text);
    return text.length;
}
