#include "site/metrics.h"

#include "base/text.h"
#include "site/process_metrics.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/resource.h>

/* Arrays of characters: a table of pointers would need a relocation for each. */
static const char path_labels[METRICS_PATHS][12] = {
    [METRICS_ROOT] = "/",           [METRICS_VISITS] = "/visits", [METRICS_VERSION] = "/version",
    [METRICS_HEALTHZ] = "/healthz", [METRICS_READYZ] = "/readyz", [METRICS_METRICS] = "/metrics",
    [METRICS_OTHER] = "other",
};

static const int codes[] = {200, 400, 404, 405, 408, 413, 414, 431, 500, 503, 505};
enum { CODES = sizeof codes / sizeof *codes };

enum reason { NO_SPACE, READ_ONLY, LOCKED, CHANGED, STALE, READING, CLOCK, INPUT_OUTPUT, REASONS };
static const char reason_labels[REASONS][16] = {
    [NO_SPACE] = "no_space", [READ_ONLY] = "read_only",   [LOCKED] = "locked",
    [CHANGED] = "changed",   [STALE] = "stale_handle",    [READING] = "reading",
    [CLOCK] = "clock",       [INPUT_OUTPUT] = "io_error",
};

enum { BUCKETS_MAX = 13 };

/* `counts[bounds_count]` counts the values above the last bound. */
struct histogram {
    const char (*labels)[8]; /* the bounds, as Prometheus writes them */
    uint64_t bounds[BUCKETS_MAX];
    unsigned bounds_count;
    uint64_t sum_divisor; /* how many observed units are one unit of the sum */
    _Atomic uint64_t counts[BUCKETS_MAX + 1], sum;
};

static const char sync_labels[][8] = {"0.0001", "0.00025", "0.0005", "0.001", "0.0025",
                                      "0.005",  "0.01",    "0.025",  "0.05",  "0.1",
                                      "0.5",    "1",       "2.5"};
_Static_assert(sizeof sync_labels / sizeof *sync_labels <= BUCKETS_MAX, "each has a bound");
static struct histogram sync_duration = {
    .labels = sync_labels,
    .bounds = {100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000,
               100000000, 500000000, 1000000000, 2500000000},
    .bounds_count = sizeof sync_labels / sizeof *sync_labels,
    .sum_divisor = 1000000000,
};

static const char batch_labels[][8] = {"1", "2", "4", "8", "16", "32", "64", "128", "256", "512"};
_Static_assert(sizeof batch_labels / sizeof *batch_labels <= BUCKETS_MAX, "each has a bound");
static struct histogram sync_batch = {
    .labels = batch_labels,
    .bounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512},
    .bounds_count = sizeof batch_labels / sizeof *batch_labels,
    .sum_divisor = 1,
};

static const char visit_labels[][8] = {"0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01",
                                       "0.025",   "0.05",   "0.1",   "0.25",   "1",     "10"};
_Static_assert(sizeof visit_labels / sizeof *visit_labels <= BUCKETS_MAX, "each has a bound");
static struct histogram visit_duration = {
    .labels = visit_labels,
    .bounds = {250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, 10000000},
    .bounds_count = sizeof visit_labels / sizeof *visit_labels,
    .sum_divisor = 1000000,
};

static const char state_labels[][8] = {
    [LOG_CLOSED] = "closed",
    [LOG_OPEN] = "open",
    [LOG_STALE] = "stale",
    [LOG_FAILED] = "failed",
};
enum { STATES = sizeof state_labels / sizeof *state_labels };

static _Atomic uint64_t requests[METRICS_PATHS][CODES];
static _Atomic uint64_t errors[REASONS];
static _Atomic uint64_t dropped_lines;
static _Atomic uint64_t listings, aborted_listings;
static _Atomic uint64_t volume_size, volume_available;

static void add(_Atomic uint64_t *counter, uint64_t number)
{
    atomic_fetch_add_explicit(counter, number, memory_order_relaxed);
}

static unsigned long long get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_count_response(enum metrics_path path, int status)
{
    assert(path < METRICS_PATHS);
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
    else if (error == EINPROGRESS)
        reason = READING;
    else if (error == EBADFD)
        reason = STALE;
    else if (error == EOVERFLOW)
        reason = CLOCK;
    add(&errors[reason], count);
}

uint64_t metrics_errors(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < REASONS; i++)
        sum += get(&errors[i]);
    return sum;
}

void metrics_count_listing(int change)
{
    add(&listings, (uint64_t)change);
}

void metrics_count_aborted_listing(void)
{
    add(&aborted_listings, 1);
}

void metrics_count_dropped_line(void)
{
    add(&dropped_lines, 1);
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

void metrics_observe_visit(uint64_t microseconds)
{
    observe(&visit_duration, microseconds);
}

void metrics_set_volume(uint64_t size, uint64_t available)
{
    /* In this order, so that a known size never comes with the space of an unknown one. */
    if (size > 0)
        volume_available = available;
    volume_size = size;
}

static void put_family(struct text *text, const char *name, const char *type, const char *help)
{
    text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_histogram(struct text *text, const char *name, const char *help,
                          const struct histogram *histogram)
{
    unsigned long long total = 0, sum = get(&histogram->sum), divisor = histogram->sum_divisor;
    int digits = divisor == 1000000 ? 6 : 9;
    put_family(text, name, "histogram", help);
    for (unsigned i = 0; i < histogram->bounds_count; i++) {
        total += get(&histogram->counts[i]);
        text_printf(text, "%s_bucket{le=\"%s\"} %llu\n", name, histogram->labels[i], total);
    }
    total += get(&histogram->counts[histogram->bounds_count]);
    text_printf(text, "%s_bucket{le=\"+Inf\"} %llu\n", name, total);
    if (divisor == 1)
        text_printf(text, "%s_sum %llu\n", name, sum);
    else
        text_printf(text, "%s_sum %llu.%0*llu\n", name, sum / divisor, digits, sum % divisor);
    text_printf(text, "%s_count %llu\n", name, total);
}

static void put_value(struct text *text, const char *name, const char *type, const char *help,
                      uint64_t value)
{
    put_family(text, name, type, help);
    text_printf(text, "%s %llu\n", name, (unsigned long long)value);
}

static void put_hundredths(struct text *text, const char *name, const char *type, const char *help,
                           uint64_t value)
{
    put_family(text, name, type, help);
    text_printf(text, "%s %llu.%02u\n", name, (unsigned long long)value / 100,
                (unsigned)(value % 100));
}

/* The names are those of Prometheus' client libraries. */
static void put_process(struct text *text)
{
    struct process_stat stat;
    struct rlimit limit;
    unsigned descriptors;
    if (process_read_stat(&stat) == 0) {
        put_hundredths(text, "process_cpu_seconds_total", "counter",
                       "User and system CPU time spent.", stat.cpu_cs);
        put_value(text, "process_resident_memory_bytes", "gauge", "Resident memory.",
                  stat.resident_bytes);
        put_value(text, "process_virtual_memory_bytes", "gauge", "Virtual memory.",
                  stat.virtual_bytes);
        put_value(text, "process_threads", "gauge", "Threads.", stat.threads);
        put_hundredths(text, "process_start_time_seconds", "gauge",
                       "Start time of the process, in seconds of Unix time.", stat.start_cs);
    }
    if (process_count_descriptors(&descriptors) == 0)
        put_value(text, "process_open_fds", "gauge", "Open file descriptors.", descriptors);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        put_value(text, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
                  limit.rlim_cur);
}

/* The size is read once: it may be set to 0 meanwhile. */
static void put_volume(struct text *text)
{
    uint64_t size = get(&volume_size);
    if (size == 0)
        return;
    put_value(text, "web_app_volume_size_bytes", "gauge", "Size of the volume of visits.txt.",
              size);
    put_value(text, "web_app_volume_available_bytes", "gauge", "Space left on this volume.",
              get(&volume_available));
}

size_t metrics_write(const struct metrics_gauges *gauges, char *buffer, size_t size)
{
    struct text text = text_begin(buffer, size);
    /* A counter that starts at 0 and jumps would be taken for that many visits in a moment. */
    if (gauges->state != LOG_CLOSED) {
        put_value(&text, "web_app_visits_total", "counter", "Visits in visits.txt.",
                  gauges->visits);
        put_value(&text, "web_app_visits_file_bytes", "gauge", "Size of visits.txt.",
                  gauges->file_bytes);
    }
    put_family(&text, "web_app_visit_errors_total", "counter",
               "Visits that could not be recorded and got a 503 response.");
    for (unsigned i = 0; i < REASONS; i++)
        text_printf(&text, "web_app_visit_errors_total{reason=\"%s\"} %llu\n", reason_labels[i],
                    get(&errors[i]));
    put_histogram(&text, "web_app_visit_duration_seconds",
                  "Time from the request of a recorded visit to the last byte of its response.",
                  &visit_duration);
    put_histogram(&text, "web_app_sync_duration_seconds", "Duration of an fdatasync of visits.txt.",
                  &sync_duration);
    put_histogram(&text, "web_app_sync_batch_visits", "Visits recorded together in one batch.",
                  &sync_batch);
    put_family(&text, "web_app_http_requests_total", "counter", "Requests that got a response.");
    for (unsigned path = 0; path < METRICS_PATHS; path++)
        for (unsigned i = 0; i < CODES; i++)
            if (codes[i] == 200 || get(&requests[path][i]) > 0)
                text_printf(&text, "web_app_http_requests_total{path=\"%s\",code=\"%d\"} %llu\n",
                            path_labels[path], codes[i], get(&requests[path][i]));
    put_value(&text, "web_app_connections", "gauge", "Open connections of visitors.",
              gauges->connections);
    put_value(&text, "web_app_connections_max", "gauge", "Limit of open connections of visitors.",
              gauges->connections_max);
    put_value(&text, "web_app_connections_evicted_total", "counter",
              "Connections evicted at the limit for new ones.", gauges->evicted);
    put_value(&text, "web_app_listings", "gauge", "Listings of visits that are being sent.",
              get(&listings));
    put_value(&text, "web_app_listings_aborted_total", "counter",
              "Listings that ended before their last byte.", get(&aborted_listings));
    put_value(&text, "web_app_ready", "gauge", "Whether /readyz responds with 200.", gauges->ready);
    put_family(&text, "web_app_visit_log_state", "gauge",
               "The state of visits.txt has the value 1.");
    for (unsigned i = 0; i < STATES; i++)
        text_printf(&text, "web_app_visit_log_state{state=\"%s\"} %d\n", state_labels[i],
                    i == gauges->state);
    put_volume(&text);
    put_value(&text, "web_app_log_lines_dropped_total", "counter",
              "Lines of the log that stderr did not take.", get(&dropped_lines));
    put_family(&text, "web_app_build_info", "gauge", "The running version; the value is always 1.");
    text_printf(&text, "web_app_build_info{version=\"%s\"} 1\n", gauges->version);
    put_process(&text);
    assert(!text.overflowed || size < METRICS_MAX);
    return text.length;
}
