#include "log/times.h"

#include "base/io.h"
#include "log/timestamp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Days since 1970-01-01 in the proleptic Gregorian calendar. Years start in March here, so that the
 * leap day is the last day of a year. */
static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
    year += 400 - (month <= 2); /* not negative in the year 0 */
    int64_t era = year / 400, year_of_era = year % 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           865565;
}

static int64_t number_at(const char *at, int digits)
{
    int64_t number = 0;
    while (digits-- > 0)
        number = number * 10 + (*at++ - '0');
    return number;
}

static int64_t local_seconds(const char *timestamp)
{
    int64_t days = days_since_1970(number_at(timestamp, 4), number_at(timestamp + 5, 2),
                                   number_at(timestamp + 8, 2));
    return ((days * 24 + number_at(timestamp + 11, 2)) * 60 + number_at(timestamp + 14, 2)) * 60 +
           number_at(timestamp + 17, 2);
}

static int64_t instant_of(const char *timestamp)
{
    int64_t offset_s = (number_at(timestamp + 27, 2) * 60 + number_at(timestamp + 30, 2)) * 60;
    return (local_seconds(timestamp) - (timestamp[26] == '-' ? -offset_s : offset_s)) * SECOND +
           number_at(timestamp + 20, 6);
}

/* Reads COUNT lines. */
static void read_lines(struct times *times, uint64_t index, char *lines, uint64_t count)
{
    size_t size = count * LINE_LENGTH;
    ssize_t got = read_at(times->range.fd, lines, size,
                          (off_t)(times->range.fixed_width_from + index * LINE_LENGTH));
    if (got != (ssize_t)size) {
        times->error = got < 0 ? errno : EIO;
        memset(lines, '0', size);
    }
}

/* Returns a line; WINDOW holds lines that need not be read, or is NULL. */
static const char *line_at(struct times *times, const struct times_window *window, uint64_t index,
                           char buffer[LINE_LENGTH])
{
    const char *line = buffer;
    assert(index < times->count);
    if (window && index - window->first < window->count)
        line = window->lines[index - window->first];
    else
        read_lines(times, index, buffer, 1);
    if (!timestamp_is_exact(line) && !times->error)
        times->error = EIO; /* another process has changed the file */
    return line;
}

static int64_t time_at(struct times *times, const struct times_window *window, uint64_t index)
{
    char buffer[LINE_LENGTH];
    return instant_of(line_at(times, window, index, buffer));
}

int64_t times_at(struct times *times, uint64_t index)
{
    return time_at(times, NULL, index);
}

static bool is_within(int64_t time, int64_t earliest, int64_t instant)
{
    return time >= earliest && time < instant;
}

/* The index of the first of the lines FROM to END that is not from EARLIEST on and before INSTANT;
 * else END. */
static uint64_t bisect(struct times *times, const struct times_window *window, uint64_t from,
                       uint64_t end, int64_t earliest, int64_t instant)
{
    while (from < end) {
        uint64_t middle = from + (end - from) / 2;
        if (is_within(time_at(times, window, middle), earliest, instant))
            from = middle + 1;
        else
            end = middle;
    }
    return from;
}

/* Ends a run between the lines FROM and END, of which the first is later. */
static void end_run(struct times *times, uint64_t from, uint64_t end, int64_t between)
{
    while (end - from > 1) {
        uint64_t middle = from + (end - from) / 2;
        if (times_at(times, middle) < between)
            end = middle;
        else
            from = middle;
    }
    times->ends[times->runs++] = end;
}

void times_init(struct times *ret_times, const struct log_snapshot *range)
{
    enum { STEPS = 64 };
    struct times times = {.range = *range,
                          .count = (range->size - range->fixed_width_from) / LINE_LENGTH};
    uint64_t before = 0;
    int64_t before_time = 0;
    for (uint64_t i = 0; i <= STEPS && times.count > 0 && times.runs < RUNS_MAX - 1; i++) {
        uint64_t index = (times.count - 1) / STEPS * i + (times.count - 1) % STEPS * i / STEPS;
        int64_t time = times_at(&times, index);
        if (i > 0 && time < before_time - SLACK_S * SECOND)
            end_run(&times, before, index, time + (before_time - time) / 2);
        before = index;
        before_time = time;
    }
    if (times.count > 0)
        times.ends[times.runs++] = times.count;
    *ret_times = times;
}

static uint64_t run_start(const struct times *times, unsigned run)
{
    return run > 0 ? times->ends[run - 1] : 0;
}

uint64_t times_before(struct times *times, int64_t instant)
{
    uint64_t count = 0;
    for (unsigned run = 0; run < times->runs; run++) {
        uint64_t start = run_start(times, run);
        count += bisect(times, NULL, start, times->ends[run], INT64_MIN, instant) - start;
    }
    return count;
}

void times_span(struct times *times, int64_t *ret_first, int64_t *ret_last)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (unsigned run = 0; run < times->runs; run++) {
        int64_t start = times_at(times, run_start(times, run));
        int64_t end = times_at(times, times->ends[run] - 1);
        first = start < first ? start : first;
        last = end > last ? end : last;
    }
    *ret_first = first;
    *ret_last = last < first ? first : last;
}

void times_find(struct times *times, int64_t from, int64_t to, uint64_t *ret_first,
                uint64_t *ret_end)
{
    uint64_t first = times->count, end = 0;
    for (unsigned run = 0; run < times->runs; run++) {
        uint64_t start = run_start(times, run);
        uint64_t run_first = bisect(times, NULL, start, times->ends[run], INT64_MIN, from);
        uint64_t run_end = bisect(times, NULL, run_first, times->ends[run], INT64_MIN, to);
        if (run_first < run_end) {
            first = run_first < first ? run_first : first;
            end = run_end;
        }
    }
    *ret_first = first < end ? first : end;
    *ret_end = end;
}

/* The end of the hour of a line, in its local time. */
static int64_t hour_end(const char *line)
{
    int64_t past =
        (number_at(line + 14, 2) * 60 + number_at(line + 17, 2)) * SECOND + number_at(line + 20, 6);
    return instant_of(line) - past + HOUR;
}

/* Reads lines at `next`, unless they are in the window. If the busiest hour has more lines than a
 * window, single lines are read. */
static void fill_window(struct times *times, struct busiest_hour *busiest, uint64_t end)
{
    enum { LINES = sizeof busiest->window.lines / LINE_LENGTH };
    struct times_window *window = &busiest->window;
    uint64_t ahead = busiest->next + busiest->count;
    if (busiest->next >= window->first && ahead < window->first + window->count)
        return;
    window->first = busiest->next;
    window->count = busiest->count >= LINES ? 1 : LINES;
    if (window->count > end - busiest->next)
        window->count = end - busiest->next;
    read_lines(times, window->first, window->lines[0], window->count);
}

/* Goes from hour to hour. An hour counts only if it has more visits than the busiest so far: the
 * line that far ahead is then in the same hour. A line by a wrong clock, of which times_init() has
 * found no run, is in no hour of its neighbours. */
bool times_search_busiest(struct times *times, struct busiest_hour *busiest)
{
    enum { HOURS_MAX = 8 };
    uint64_t *next = &busiest->next;
    for (unsigned hours = 0; hours < HOURS_MAX; hours++) {
        while (busiest->run < times->runs && times->ends[busiest->run] - *next <= busiest->count)
            *next = times->ends[busiest->run++];
        if (busiest->run == times->runs || times->error)
            return true;
        uint64_t end = times->ends[busiest->run], ahead = *next + busiest->count;
        char buffer[LINE_LENGTH];
        fill_window(times, busiest, end);
        int64_t next_hour = hour_end(line_at(times, &busiest->window, *next, buffer));
        int64_t earliest = next_hour - HOUR - SLACK_S * SECOND;
        if (is_within(time_at(times, &busiest->window, ahead), earliest, next_hour)) {
            ahead = bisect(times, &busiest->window, ahead, end, earliest, next_hour);
            busiest->count = ahead - *next;
            busiest->start = next_hour - HOUR;
            *next = ahead;
        } else {
            *next = bisect(times, &busiest->window, *next + 1, ahead, earliest, next_hour);
        }
    }
    return false;
}

static int64_t offset_at(int64_t second)
{
    struct tm local;
    time_t time = second;
    return localtime_r(&time, &local) ? local.tm_gmtoff : 0;
}

int64_t time_to_local(int64_t instant)
{
    int64_t second = instant / SECOND - (instant % SECOND < 0);
    return second + offset_at(second);
}

int64_t time_of_local(int64_t local_s)
{
    return (local_s - offset_at(local_s - offset_at(local_s))) * SECOND;
}

int time_parse(const char *text, size_t length, int64_t *ret_instant)
{
    enum { OFFSET_LENGTH = 6, LOCAL_LENGTH = TIMESTAMP_LENGTH - OFFSET_LENGTH };
    char full[] = "0000-01-01 00:00:00.000000+00:00";
    size_t local_length = length;
    /* Only an offset ends in a colon and two digits after a sign. */
    bool has_offset = length > 16 && length <= TIMESTAMP_LENGTH && text[length - 3] == ':' &&
                      strchr("+- ", text[length - OFFSET_LENGTH]);
    if (has_offset) {
        local_length -= OFFSET_LENGTH;
        memcpy(full + LOCAL_LENGTH, text + local_length, OFFSET_LENGTH);
        if (full[LOCAL_LENGTH] == ' ') /* a form's "+" */
            full[LOCAL_LENGTH] = '+';
    }
    /* It ends after the month, day, hour, minute, second or microsecond. */
    if (local_length > LOCAL_LENGTH || !((1U << local_length) & 0x4092480))
        return -1;
    memcpy(full, text, local_length);
    if (full[10] == 'T' || full[10] == '+')
        full[10] = ' ';
    if (!timestamp_is_exact(full))
        return -1;
    int64_t local_s = local_seconds(full);
    time_t time = local_s;
    struct tm parts;
    if (!gmtime_r(&time, &parts) || parts.tm_mon + 1 != number_at(full + 5, 2) ||
        parts.tm_mday != number_at(full + 8, 2) || parts.tm_hour != number_at(full + 11, 2) ||
        parts.tm_min != number_at(full + 14, 2))
        return -1;
    *ret_instant = has_offset ? instant_of(full) : time_of_local(local_s) + number_at(full + 20, 6);
    return 0;
}
