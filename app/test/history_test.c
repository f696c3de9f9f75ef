#include "site/history.h"

#include "directory.h"
#include "log/timezone.h"
#include "reads.h"
#include "tap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_MAX = 128 * 1024 + 4096 }; /* by one step */

static char html[HISTORY_MAX];
static int64_t first_late; /* how much later the first line is than it should be */
static uint64_t most_read;

static void note_read(void)
{
    uint64_t bytes = reads_take();
    most_read = bytes > most_read ? bytes : most_read;
}

/* Writes into `html` what is shown of a file of COUNT lines, from START on, STEP apart. */
static struct history show(int64_t start, int64_t step, unsigned count, int64_t from, int64_t to)
{
    char *directory = directory_make(), *bytes = malloc((count + 1) * LINE_LENGTH);
    struct timestamp_cache cache = {0};
    for (unsigned i = 0; i < count; i++) {
        int64_t instant = start + i * step + (i == 0 ? first_late : 0);
        struct timespec moment = {.tv_sec = instant / SECOND, .tv_nsec = instant % SECOND * 1000};
        (void)timestamp_write(&cache, &moment, bytes + i * LINE_LENGTH);
        bytes[i * LINE_LENGTH + TIMESTAMP_LENGTH] = '\n';
    }
    directory_write(directory, "f", bytes, count * LINE_LENGTH);
    struct log_snapshot range = {.fd = open(directory_path(directory, "f"), O_RDONLY | O_CLOEXEC),
                                 .size = count * LINE_LENGTH,
                                 .count = count};
    struct times times;
    struct history history;
    uint64_t first, end;
    (void)reads_take();
    most_read = 0;
    times_init(&times, &range);
    times_find(&times, from, to, &first, &end);
    history_init(&history, &times, from, to, first, end);
    note_read();
    while (!history_count(&history))
        note_read();
    struct text text = text_begin(html, sizeof html);
    history_put(&text, &history);
    ok(!text.overflowed && history.times.error == 0 && most_read <= READ_MAX,
       "%u lines are shown in %zu bytes, after steps of up to %llu bytes", count, text.length,
       (unsigned long long)most_read);
    (void)close(range.fd);
    directory_remove(directory);
    free(bytes);
    return history;
}

/* The sum and the number of the bars, by their titles. */
static uint64_t sum_of_bars(unsigned *ret_bars)
{
    uint64_t sum = 0;
    *ret_bars = 0;
    for (const char *at = html; (at = strstr(at, "<title>")); (*ret_bars)++) {
        at += 7 + 21;
        for (uint64_t number = 0;; at++) {
            if (*at == '<') {
                sum += number;
                break;
            }
            if (*at != ',')
                number = number * 10 + (uint64_t)(*at - '0');
        }
    }
    return sum;
}

static void expect_plot(int64_t step, unsigned count, const char *per)
{
    unsigned bars;
    char heading[64];
    (void)show(INT64_C(1669665266913511), step, count, INT64_MIN, INT64_MAX);
    (void)snprintf(heading, sizeof heading, "<h2>Visits per %s</h2>", per);
    ok(strstr(html, heading) != NULL, "%u visits, %lld us apart, are plotted per %s", count,
       (long long)step, per);
    same((long long)sum_of_bars(&bars), count, "the bars have all of them");
    ok(bars >= 1 && bars <= BARS_MAX, "there are %u bars", bars);
}

static void expect_plots(void)
{
    expect_plot(SECOND, 1, "second");
    expect_plot(0, 5000, "second");
    expect_plot(10000, 8000, "second");
    expect_plot(SECOND, 89, "second");
    first_late = 5 * SECOND; /* as threads write that wait for each other */
    expect_plot(SECOND, 70, "second");
    first_late = 0;
    expect_plot(SECOND, 200, "10 seconds");
    expect_plot(SECOND, 2000, "minute");
    expect_plot(60 * SECOND, 500, "10 minutes");
    expect_plot(60 * SECOND, 5000, "hour");
    expect_plot(HOUR, 300, "6 hours");
    expect_plot(HOUR, 2000, "day");
    expect_plot(24 * HOUR, 600, "7 days");
    expect_plot(24 * HOUR, 2500, "28 days");
    expect_plot(24 * HOUR, 200000, "3584 days");
    expect_plot(24 * HOUR * 365, 7900, "57344 days");
}

static void expect_words(void)
{
    (void)show(0, 0, 0, INT64_MIN, INT64_MAX);
    ok(html[0] == '\0', "of no visits nothing is shown");
    (void)show(INT64_C(1669665266) * SECOND, SECOND, 7200, INT64_MIN, INT64_MAX);
    ok(strstr(html, "<dt>First<dd>2022-11-28<small>22:54:26</small>") &&
           strstr(html, "<dt>Last<dd>2022-11-29<small>00:54:25</small>"),
       "the first and the last visit are named");
    ok(strstr(html, "<dt>Today<dd>0</div>") &&
           strstr(html, "<dt>Busiest hour<dd>3,600<small>2022-11-28 23:00</small>"),
       "visits of today and of the busiest hour are counted");
    ok(strstr(html, "<text y=197>23:00</text><text y=213>28 Nov</text>") &&
           strstr(html, "<text y=197>00:00</text><text y=213>29 Nov</text>"),
       "the axis has times, and the day where it changes");
    struct history history = show(INT64_C(1669665266) * SECOND, SECOND, 7200,
                                  INT64_C(1669665600) * SECOND, INT64_C(1669665660) * SECOND);
    unsigned bars;
    ok(sum_of_bars(&bars) == 60 && bars == 60 && history.bars == 60,
       "what is selected is plotted, and no more");
    ok(strstr(html, "href=\"?from=2022-11-28T23:00:00+03:00&amp;to=2022-11-28T23:00:01+03:00\""),
       "a bar leads to its visits");
    (void)show(INT64_C(253402289999) * SECOND, SECOND, 1, INT64_MIN, INT64_MAX);
    ok(strstr(html, "?from=9999-12-31T23:59:59+03:00&amp;to=9999-12-31T23:59:59-24:00\""),
       "the last second of the last year has a bar, and its link a time");
    char link[64];
    struct text text = text_begin(link, sizeof link);
    put_time_parameter(&text, INT64_C(1669665266913511));
    ok(strcmp(link, "2022-11-28T22:54:26.913511+03:00") == 0, "a link has the whole of a time: %s",
       link);
    (void)timezone_set("Europe/Berlin");
    history = show((INT64_C(1792890000) - 40 * 3600) * SECOND, HOUR, 80, INT64_MIN, INT64_MAX);
    ok(history.bars == 80 && sum_of_bars(&bars) == 80 && bars == 80 &&
           strstr(html, "2026-10-25T02:00:00+02:00&amp;to=2026-10-25T02:00:00+01:00\""),
       "the hour that the end of summer time repeats has two bars");
    (void)timezone_set("Europe/Moscow");
}

void test_history(void)
{
    (void)timezone_set("Europe/Moscow");
    expect_plots();
    expect_words();
    (void)timezone_set("UTC");
}
