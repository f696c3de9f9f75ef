#include "site/metrics.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has_line(const char *text, const char *line)
{
    size_t length = strlen(line);
    for (const char *at = text; (at = strstr(at, line)); at += length)
        if ((at == text || at[-1] == '\n') && at[length] == '\n')
            return true;
    return false;
}

void test_metrics(void)
{
    struct metrics_gauges gauges = {.state = LOG_STALE,
                                    .ready = true,
                                    .visits = 17,
                                    .file_bytes = 561,
                                    .connections = 3,
                                    .connections_max = 64,
                                    .evicted = 5,
                                    .version = "1.2.3"};
    static char text[METRICS_MAX];
    metrics_count_response(METRICS_ROOT, 200);
    metrics_count_response(METRICS_ROOT, 200);
    metrics_count_response(METRICS_OTHER, 404);
    metrics_count_response(METRICS_OTHER, 299);
    metrics_count_errors(ENOSPC, 3);
    metrics_count_errors(ENOENT, 1);
    metrics_count_errors(EINPROGRESS, 2);
    metrics_count_dropped_line();
    metrics_count_listing(1);
    metrics_count_listing(1);
    metrics_count_listing(-1);
    metrics_count_aborted_listing();
    metrics_observe_visit(250);
    metrics_observe_visit(251);
    metrics_observe_visit(10000001);
    metrics_set_volume(1000, 900);
    metrics_observe_batch(1);
    metrics_observe_batch(3);
    metrics_observe_batch(513);
    metrics_observe_sync(100000);
    metrics_observe_sync(3000000000);
    size_t length = metrics_write(&gauges, text, sizeof text);
    static const char *const lines[] = {
        "web_app_visits_total 17",
        "web_app_visits_file_bytes 561",
        "web_app_connections 3",
        "web_app_connections_max 64",
        "web_app_connections_evicted_total 5",
        "web_app_listings 1",
        "web_app_listings_aborted_total 1",
        "web_app_ready 1",
        "web_app_visit_log_state{state=\"open\"} 0",
        "web_app_visit_log_state{state=\"stale\"} 1",
        "web_app_volume_size_bytes 1000",
        "web_app_volume_available_bytes 900",
        "web_app_visit_duration_seconds_bucket{le=\"0.00025\"} 1",
        "web_app_visit_duration_seconds_bucket{le=\"0.0005\"} 2",
        "web_app_visit_duration_seconds_bucket{le=\"10\"} 2",
        "web_app_visit_duration_seconds_bucket{le=\"+Inf\"} 3",
        "web_app_visit_duration_seconds_sum 10.000502",
        "web_app_visit_duration_seconds_count 3",
        "web_app_build_info{version=\"1.2.3\"} 1",
        "web_app_http_requests_total{path=\"/\",code=\"200\"} 2",
        "web_app_http_requests_total{path=\"other\",code=\"404\"} 1",
        "web_app_visit_errors_total{reason=\"no_space\"} 3",
        "web_app_visit_errors_total{reason=\"io_error\"} 1",
        "web_app_visit_errors_total{reason=\"reading\"} 2",
        "web_app_log_lines_dropped_total 1",
        "web_app_sync_batch_visits_bucket{le=\"1\"} 1",
        "web_app_sync_batch_visits_bucket{le=\"4\"} 2",
        "web_app_sync_batch_visits_bucket{le=\"512\"} 2",
        "web_app_sync_batch_visits_bucket{le=\"+Inf\"} 3",
        "web_app_sync_batch_visits_sum 517",
        "web_app_sync_batch_visits_count 3",
        "web_app_sync_duration_seconds_bucket{le=\"0.0001\"} 1",
        "web_app_sync_duration_seconds_bucket{le=\"+Inf\"} 2",
        "web_app_sync_duration_seconds_sum 3.000100000",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ok(has_line(text, lines[i]), "%s", lines[i]);
    ok(metrics_errors() == 6, "all visits that were not recorded are counted together");
    ok(length < sizeof text && strlen(text) == length, "the returned length is that of the text");
    ok(strstr(text, "\nprocess_open_fds ") && strstr(text, "\nprocess_resident_memory_bytes "),
       "there are metrics of the process");
    static char again[sizeof text];
    struct metrics_gauges unread = {.state = LOG_CLOSED, .version = ""};
    metrics_set_volume(0, 0);
    (void)metrics_write(&unread, again, sizeof again);
    ok(!strstr(again, "web_app_visits_total") && !strstr(again, "web_app_visits_file_bytes"),
       "before the file has been read its lines are not exported as 0");
    ok(!strstr(again, "web_app_volume"), "nor is a volume of unknown size");
    (void)metrics_write(&gauges, again, sizeof again);
    char *start = strstr(text, "\nprocess_start_time_seconds ");
    start[1 + strcspn(start + 1, "\n")] = '\0';
    ok(strchr(start, '.') && has_line(again, start + 1),
       "%s has fractions of a second and does not change", start + 1);
    bool right = true;
    for (size_t size = 1; size < 4000; size++) {
        char *cut = malloc(size);
        right = right && metrics_write(&gauges, cut, size) < size;
        free(cut);
    }
    ok(right, "the text is truncated to its buffer, at every size");
}
