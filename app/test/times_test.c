#include "log/times.h"

#include "directory.h"
#include "log/timezone.h"
#include "samples.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES_MAX = 20000 };

static char bytes[LINES_MAX * LINE_LENGTH];
static int64_t instants[LINES_MAX]; /* of the lines in `bytes` */
static unsigned lines;

static void add(int64_t instant)
{
    struct timestamp_cache cache = {0};
    struct timespec moment = {.tv_sec = instant / SECOND, .tv_nsec = instant % SECOND * 1000};
    (void)timestamp_write(&cache, &moment, bytes + lines * LINE_LENGTH);
    bytes[lines * LINE_LENGTH + TIMESTAMP_LENGTH] = '\n';
    instants[lines++] = instant;
}

static char *open_times(struct times *times)
{
    char *directory = directory_make();
    directory_write(directory, "f", bytes, lines * LINE_LENGTH);
    struct log_snapshot range = {.fd = open(directory_path(directory, "f"), O_RDONLY | O_CLOEXEC),
                                 .size = lines * LINE_LENGTH,
                                 .count = lines};
    times_init(times, &range);
    return directory;
}

static void close_times(struct times *times, char *directory)
{
    (void)close(times->range.fd);
    directory_remove(directory);
}

static uint64_t wanted_before(int64_t instant)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < lines; i++)
        count += instants[i] < instant;
    return count;
}

/* The most lines in an hour of local time; in the order of the file, as the times ascend. */
static uint64_t wanted_busiest(void)
{
    uint64_t most = 0, count = 0;
    int64_t hour = INT64_MIN;
    for (unsigned i = 0; i < lines; i++) {
        int64_t local_s = time_to_local(instants[i]), own = local_s - local_s % 3600;
        /* The offset distinguishes the hours that a change of the clock repeats. */
        own = own * 2 + (instants[i] / SECOND - local_s) / 1800;
        count = own == hour ? count + 1 : 1;
        hour = own;
        most = count > most ? count : most;
    }
    return most;
}

static uint64_t busiest_of(struct times *times, struct busiest_hour *busiest)
{
    memset(busiest, 0, sizeof *busiest);
    while (!times_search_busiest(times, busiest))
        continue;
    return busiest->count;
}

static void expect_counts(uint64_t *state, unsigned runs, const char *what)
{
    struct times times;
    struct busiest_hour busiest;
    char *directory = open_times(&times);
    int wrong = 0;
    same(times.runs, runs, "the runs of %s", what);
    for (int i = 0; i < 200; i++) {
        int64_t at = instants[samples_next(state) % lines] + (int64_t)(samples_next(state) % 3) - 1;
        wrong += times_before(&times, at) != wanted_before(at);
    }
    same(wrong, 0, "the visits before 200 times are counted in %s", what);
    same((long long)busiest_of(&times, &busiest), (long long)wanted_busiest(),
         "the busiest hour of %s", what);
    same((long long)(times_before(&times, busiest.start + HOUR) -
                     times_before(&times, busiest.start)),
         (long long)busiest.count, "it begins where it begins in %s", what);
    same(times.error, 0, "%s can be read", what);
    close_times(&times, directory);
}

/* Fills the file with COUNT lines from START on, some in bursts. */
static int64_t add_lines(uint64_t *state, int64_t start, unsigned count, int64_t step)
{
    for (unsigned i = 0; i < count; i++) {
        bool burst = samples_next(state) % 300 == 0;
        for (unsigned more = burst ? 200 : 1; more > 0 && lines < LINES_MAX; more--) {
            add(start);
            start += burst ? 1000 : 0;
        }
        start += (int64_t)(samples_next(state) % (uint64_t)step);
    }
    return start;
}

static void expect_files(void)
{
    static const int64_t steps[] = {50000, 20 * SECOND, 20 * 60 * SECOND, 20 * HOUR};
    uint64_t state = 1918;
    int64_t start = INT64_C(1729720000) * SECOND;
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        lines = 0;
        (void)add_lines(&state, start, 3000, steps[i]);
        char what[64];
        (void)snprintf(what, sizeof what, "a file with steps of %lld us", (long long)steps[i]);
        expect_counts(&state, 1, what);
    }
    lines = 0;
    (void)add_lines(&state, start + 400 * 24 * HOUR, 2000, 20 * SECOND);
    (void)add_lines(&state, start, 2000, 20 * SECOND);
    (void)add_lines(&state, start - 24 * HOUR, 2000, 20 * SECOND);
    expect_counts(&state, 3, "a file whose clock was set back twice");
    lines = 0;
    for (int i = 0; i < 40; i++)
        (void)add_lines(&state, start - i * 24 * HOUR, 50, SECOND);
    struct times times;
    char *directory = open_times(&times);
    ok(times.runs == RUNS_MAX && times_before(&times, INT64_MAX) == lines &&
           times_before(&times, INT64_MIN) == 0,
       "a clock that was set back often does no harm");
    close_times(&times, directory);
}

/* Ten lines by a clock that was decades ahead, or behind, between two that times_init() reads. */
static void expect_wrong_clock(int64_t wrong)
{
    struct times times;
    struct busiest_hour busiest;
    lines = 0;
    for (int i = 0; i < 10000; i++)
        add(i >= 5010 && i < 5020 ? wrong + i : (INT64_C(1700002800) + i * 60) * SECOND);
    char *directory = open_times(&times);
    uint64_t most = busiest_of(&times, &busiest);
    ok(times.runs == 1 && most == 60 && busiest.start == INT64_C(1700002800) * SECOND,
       "ten visits by a wrong clock are not the busiest hour with all after them: %llu",
       (unsigned long long)most);
    close_times(&times, directory);
}

static void expect_find(void)
{
    struct times times;
    uint64_t first, end;
    lines = 0;
    for (int i = 0; i < 100; i++)
        add((i < 50 ? 1000000 + i : 999980 + i) * SECOND); /* 999,980 + 50 is a step of 19 s back */
    char *directory = open_times(&times);
    same(times.runs, 2, "a step of 19 s back ends a run");
    times_find(&times, 1000010 * SECOND, 1000020 * SECOND, &first, &end);
    ok(first == 10 && end == 20, "visits are found by time: %llu to %llu",
       (unsigned long long)first, (unsigned long long)end);
    times_find(&times, 1000035 * SECOND, 1000040 * SECOND, &first, &end);
    ok(first == 35 && end == 60, "those of both runs, and what is between them: %llu to %llu",
       (unsigned long long)first, (unsigned long long)end);
    times_find(&times, 2000000 * SECOND, INT64_MAX, &first, &end);
    ok(first == end, "there may be none");
    int64_t earliest, latest;
    times_span(&times, &earliest, &latest);
    ok(earliest == 1000000 * SECOND && latest == 1000079 * SECOND, "the span is that of all runs");
    close_times(&times, directory);

    lines = 0;
    directory = open_times(&times);
    times_find(&times, INT64_MIN, INT64_MAX, &first, &end);
    struct busiest_hour busiest;
    ok(times.runs == 0 && first == end && busiest_of(&times, &busiest) == 0,
       "an empty file has no times");
    close_times(&times, directory);
}

static void expect_damage(void)
{
    struct times times;
    lines = 0;
    for (int i = 0; i < 100; i++)
        add(i * SECOND);
    char *directory = open_times(&times);
    (void)truncate(directory_path(directory, "f"), 50 * LINE_LENGTH);
    (void)times_before(&times, 99 * SECOND);
    same(times.error, EIO, "a shortened file is noticed");
    times.error = 0;
    memset(bytes, 'x', LINE_LENGTH);
    directory_write(directory, "f", bytes, LINE_LENGTH);
    (void)times_at(&times, 0);
    same(times.error, EIO, "a changed line is noticed");
    close_times(&times, directory);
}

static void expect_parsed(const char *text, int64_t wanted)
{
    int64_t instant = -1;
    same(time_parse(text, strlen(text), &instant), 0, "'%s' is a time", text);
    same(instant, wanted, "it is the right one");
}

static void expect_parse(void)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "2022",
                                      "2022-1",
                                      "2022-13",
                                      "2022-00",
                                      "2022-02-30",
                                      "2022-11-2",
                                      "2022-11-31",
                                      "2022-11-28T24",
                                      "2022-11-28T22:60",
                                      "2022-11-28T22:54+3",
                                      "2022-11-28 22:54:26.91",
                                      "2022/11/28",
                                      "2022-11-28T22:54:26.913511+03:000",
                                      "2022-11-28x22",
                                      "-022-11-28"};
    const int64_t day = INT64_C(1669582800) * SECOND; /* 2022-11-28 in Moscow */
    expect_parsed("0000-01-01T00:00+00:00", INT64_C(-62167219200) * SECOND);
    expect_parsed("0000-03-01T00:00+00:00", INT64_C(-62162035200) * SECOND);
    expect_parsed("2022-11", day - 27 * 24 * HOUR);
    expect_parsed("2022-11-28", day);
    expect_parsed("2022-11-28T22", day + 22 * HOUR);
    expect_parsed("2022-11-28T22:54", day + 22 * HOUR + 54 * 60 * SECOND);
    expect_parsed("2022-11-28+22:54:26", day + 22 * HOUR + (54 * 60 + 26) * SECOND);
    expect_parsed("2022-11-28 22:54:26.913511", day + 22 * HOUR + (54 * 60 + 26) * SECOND + 913511);
    expect_parsed("2022-11-28 22:54:26.913511-03:30",
                  day + 28 * HOUR + HOUR / 2 + (54 * 60 + 26) * SECOND + 913511);
    expect_parsed("2022-11-28T22:54 00:00", day + 25 * HOUR + 54 * 60 * SECOND);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t instant = 7;
        ok(time_parse(bad[i], strlen(bad[i]), &instant) == -1 && instant == 7, "'%s' is not a time",
           bad[i]);
    }
}

static void expect_summer_time(void)
{
    (void)timezone_set("Europe/Berlin");
    expect_parsed("2026-10-25T02:30:00+02:00", (INT64_C(1792890000) - 1800) * SECOND);
    expect_parsed("2026-10-25T02:30:00+01:00", (INT64_C(1792890000) + 1800) * SECOND);
    int64_t day, next;
    (void)time_parse("2026-10-25", 10, &day);
    (void)time_parse("2026-10-26", 10, &next);
    same(next - day, 25 * HOUR, "the day on which summer time ends has 25 hours");
    (void)time_parse("2026-03-29", 10, &day);
    (void)time_parse("2026-03-30", 10, &next);
    same(next - day, 23 * HOUR, "the day on which it begins has 23");
    uint64_t state = 2026;
    lines = 0;
    (void)add_lines(&state, (INT64_C(1792890000) - 4 * 3600) * SECOND, 3000, 10 * SECOND);
    expect_counts(&state, 1, "a file in which summer time ends");
    (void)timezone_set("UTC");
}

void test_times(void)
{
    (void)timezone_set("Europe/Moscow");
    expect_files();
    expect_wrong_clock(INT64_C(4085000000) * SECOND);
    expect_wrong_clock(0);
    expect_find();
    expect_damage();
    expect_parse();
    expect_summer_time();
}
