#include "site/history.h"

#include "log/timestamp.h"

#include <string.h>
#include <time.h>

enum { DAY_S = 86400, WEEK_S = 7 * DAY_S, MONDAY_S = 4 * DAY_S, HEIGHT = 160 };

/* The seconds that a bar may have, and those between two labels of the axis. */
static const uint32_t steps_s[] = {1, 10, 60, 600, 3600, 6 * 3600, DAY_S, WEEK_S, 4 * WEEK_S};
static const uint32_t ticks_s[] = {1,     5,         10,     30,         60,         300,
                                   600,   1800,      3600,   3 * 3600,   6 * 3600,   12 * 3600,
                                   DAY_S, 2 * DAY_S, WEEK_S, 2 * WEEK_S, 4 * WEEK_S, 12 * WEEK_S};

static int64_t seconds_of(int64_t instant)
{
    return instant / SECOND - (instant % SECOND < 0);
}

static void local_text(int64_t instant, char ret_timestamp[TIMESTAMP_LENGTH])
{
    struct timestamp_cache cache = {0};
    struct timespec moment = {.tv_sec = seconds_of(instant)};
    moment.tv_nsec = (instant - moment.tv_sec * SECOND) * 1000;
    /* For a year without four digits, a time before or after all that have them. */
    if (timestamp_write(&cache, &moment, ret_timestamp) != 0)
        memcpy(ret_timestamp,
               instant < 0 ? "0000-01-01 00:00:00.000000+24:00"
                           : "9999-12-31 23:59:59.000000-24:00",
               TIMESTAMP_LENGTH);
}

void put_time(struct text *text, int64_t instant)
{
    char local[TIMESTAMP_LENGTH];
    local_text(instant, local);
    text_bytes(text, local, 19);
}

void put_time_parameter(struct text *text, int64_t instant)
{
    char local[TIMESTAMP_LENGTH];
    local_text(instant, local);
    local[10] = 'T';
    text_bytes(text, local, instant % SECOND == 0 ? 19 : 26);
    text_bytes(text, local + 26, 6);
}

void put_count(struct text *text, uint64_t count)
{
    if (count < 1000) {
        text_number(text, count);
        return;
    }
    const char digits[] = {',', (char)('0' + count / 100 % 10), (char)('0' + count / 10 % 10),
                           (char)('0' + count % 10)};
    put_count(text, count / 1000);
    text_bytes(text, digits, sizeof digits);
}

/* Weeks begin on Mondays; 1970-01-01 was a Thursday. */
static int64_t past_step(int64_t local_s, int64_t step_s)
{
    int64_t past = (local_s - (step_s % WEEK_S ? 0 : MONDAY_S)) % step_s;
    return past < 0 ? past + step_s : past;
}

/* The start of a bar. An hour or less has always as many seconds, a day not: where the clock
 * changes, it has 23 or 25 hours. */
static int64_t bar_start(const struct history *history, unsigned bar)
{
    int64_t past_s = bar * history->step_s;
    return history->step_s > 3600 ? time_of_local(history->start_local_s + past_s)
                                  : history->start + past_s * SECOND;
}

/* Chooses the bars that show FIRST to LAST. */
static void choose_bars(struct history *history, int64_t first, int64_t last)
{
    enum { STEPS = sizeof steps_s / sizeof *steps_s, BARS_MIN = 10 };
    int64_t local_s = time_to_local(first), bars;
    for (unsigned i = 0;; i++) {
        int64_t step_s = i < STEPS ? steps_s[i] : history->step_s * 2;
        int64_t past_s = past_step(local_s, step_s);
        history->step_s = step_s;
        history->start_local_s = local_s - past_s;
        history->start = (seconds_of(first) - past_s) * SECOND;
        bars = (step_s > 3600 ? time_to_local(last) - history->start_local_s
                              : seconds_of(last) - seconds_of(history->start)) /
                   step_s +
               1;
        if (bars <= BARS_MAX)
            break;
    }
    if (bars < BARS_MIN) { /* a few seconds stand in the middle */
        int64_t shift_s = (BARS_MIN - bars) / 2 * history->step_s;
        history->start -= shift_s * SECOND;
        history->start_local_s -= shift_s;
        bars = BARS_MIN;
    }
    history->bars = (unsigned)bars;
}

void history_init(struct history *ret_history, const struct times *times, int64_t from, int64_t to,
                  uint64_t first, uint64_t end)
{
    struct history history = {.times = *times, .from = from, .to = to};
    struct times *searched = &history.times;
    struct timespec clock;
    (void)clock_gettime(CLOCK_REALTIME, &clock);
    int64_t now = (clock.tv_sec + 1) * SECOND, local_s = time_to_local(now - SECOND);
    int64_t day_local_s = local_s - past_step(local_s, DAY_S);
    history.today = times_before(searched, time_of_local(day_local_s + DAY_S)) -
                    times_before(searched, time_of_local(day_local_s));
    history.last_hour = times_before(searched, now) - times_before(searched, now - HOUR);
    if (first < end) {
        int64_t earliest, latest;
        times_span(searched, &earliest, &latest);
        if (times->runs == 1) {
            earliest = times_at(searched, first);
            latest = times_at(searched, end - 1);
        }
        earliest = earliest < from ? from : earliest;
        latest = latest >= to ? to - 1 : latest;
        choose_bars(&history, earliest, latest < earliest ? earliest : latest);
    }
    if (times->count > 0) {
        history.first = times_at(searched, 0);
        history.last = times_at(searched, times->count - 1);
    }
    *ret_history = history;
}

bool history_count(struct history *history)
{
    if (!history->busiest_found) {
        history->busiest_found = times_search_busiest(&history->times, &history->busiest);
        return false;
    }
    if (history->bars == 0 || history->counted > history->bars)
        return true;
    /* The first and the last bar have what is a little out of order, too. */
    int64_t start = history->counted == 0               ? history->from
                    : history->counted == history->bars ? history->to
                                                        : bar_start(history, history->counted);
    start = start < history->from ? history->from : start > history->to ? history->to : start;
    history->before[history->counted++] = times_before(&history->times, start);
    return false;
}

static uint64_t count_of(const struct history *history, unsigned bar)
{
    uint64_t before = history->before[bar], end = history->before[bar + 1];
    return end > before ? end - before : 0;
}

static void put_step(struct text *text, int64_t step_s)
{
    int64_t unit_s = step_s % DAY_S == 0 ? DAY_S : step_s % 3600 == 0 ? 3600 : step_s % 60 ? 1 : 60;
    if (step_s > unit_s) {
        text_number(text, (uint64_t)(step_s / unit_s));
        text_string(text, " ");
    }
    text_string(text, unit_s == DAY_S  ? "day"
                      : unit_s == 3600 ? "hour"
                      : unit_s == 60   ? "minute"
                                       : "second");
    if (step_s > unit_s)
        text_string(text, "s");
}

/* Lines and labels at round numbers, up to about MOST. Returns the number at the top. */
static uint64_t put_grid(struct text *text, uint64_t most)
{
    uint64_t step = 1, top;
    for (unsigned i = 0; most > 4 * step; i++)
        step = i % 3 == 1 ? step / 2 * 5 : step * 2;
    top = (most + step - 1) / step * step;
    for (uint64_t at = 0; at <= top; at += step) {
        uint64_t y = 18 + HEIGHT - at * HEIGHT / top;
        text_printf(text, "<line x2=100%% y1=%llu y2=\"%llu\"/>", (unsigned long long)y,
                    (unsigned long long)y);
        if (at > 0) {
            text_printf(text, "<text class=y x=-8 y=%llu>", (unsigned long long)y + 4);
            put_count(text, at < 10000 ? at : at / 1000);
            text_string(text, at < 10000 ? "</text>" : "k</text>");
        }
    }
    return top;
}

/* A bar is a link to its visits. */
static void put_bar(struct text *text, const struct history *history, unsigned bar, uint64_t top)
{
    uint64_t count = count_of(history, bar);
    unsigned height = (unsigned)(count * HEIGHT / top);
    if (count == 0)
        return;
    text_string(text, "<a tabindex=-1 href=\"?from=");
    put_time_parameter(text, bar_start(history, bar));
    text_string(text, "&amp;to=");
    put_time_parameter(text, bar_start(history, bar + 1));
    text_string(text, "\"><title>");
    put_time(text, bar_start(history, bar));
    text_string(text, ": ");
    put_count(text, count);
    text_printf(text, "</title><path d=\"M%u 0v%dh1V0z\"/><path d=\"M%u.1 %dv-%uh.8v%uz\"/></a>\n",
                bar, HEIGHT, bar, HEIGHT, height > 0 ? height : 1, height > 0 ? height : 1);
}

/* Labels at round local times, as far as they have room: the time, or the day and month; and below
 * it the day, or the year, where it is another than before. */
static void put_axis(struct text *text, const struct history *history)
{
    enum { TICKS = sizeof ticks_s / sizeof *ticks_s, LABELS_MAX = 5, MIN_PERMILLE = 180 };
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t tick_s = 0;
    for (unsigned i = 0; tick_s == 0 || tick_s % history->step_s != 0 ||
                         history->bars * history->step_s / tick_s > LABELS_MAX;
         i++)
        tick_s = i < TICKS ? ticks_s[i] : tick_s * 2;
    char above[11] = "";
    unsigned last = 0;
    for (unsigned bar = 0; bar < history->bars; bar++) {
        unsigned permille = bar * 1000 / history->bars;
        int64_t start = bar_start(history, bar);
        if (past_step(time_to_local(start), tick_s) != 0 || permille > 1000 - MIN_PERMILLE ||
            (above[0] && permille < last + MIN_PERMILLE))
            continue;
        char local[TIMESTAMP_LENGTH], day[] = "00 Jan";
        local_text(start, local);
        memcpy(day, local + 8, 2);
        memcpy(day + 3, months + 3 * ((local[5] - '0') * 10 + local[6] - '1') % 36, 3);
        bool is_day = tick_s >= DAY_S;
        unsigned same = is_day ? 4 : 10;
        text_printf(text,
                    "<svg x=%u.%u%%><line y1=178 y2=\"184\"/><text y=197>%.*s</text>"
                    "<text y=213>%.*s</text></svg>",
                    permille / 10, permille % 10,
                    is_day        ? 6
                    : tick_s < 60 ? 8
                                  : 5,
                    is_day ? day : local + 11,
                    memcmp(above, local, same) == 0 ? 0
                    : is_day                        ? 4
                                                    : 6,
                    is_day ? local : day);
        memcpy(above, local, same);
        last = permille;
    }
}

static void put_plot(struct text *text, const struct history *history)
{
    unsigned fullest = 0;
    for (unsigned bar = 1; bar < history->bars; bar++)
        if (count_of(history, bar) > count_of(history, fullest))
            fullest = bar;
    uint64_t most = count_of(history, fullest);
    if (most == 0)
        return;
    text_string(text, "<h2>Visits per ");
    put_step(text, history->step_s);
    text_string(text, "</h2>\n<svg class=p role=img aria-label=\"Visits per ");
    put_step(text, history->step_s);
    text_string(text, " from ");
    put_time(text, bar_start(history, 0));
    text_string(text, " to ");
    put_time(text, bar_start(history, history->bars));
    text_string(text, "; the most, ");
    put_count(text, most);
    text_string(text, ", from ");
    put_time(text, bar_start(history, fullest));
    text_string(text, "\">");
    uint64_t top = put_grid(text, most);
    put_axis(text, history);
    text_printf(text, "<svg y=18 height=%d viewBox=\"0 0 %u %d\" preserveAspectRatio=none>\n",
                HEIGHT, history->bars, HEIGHT);
    for (unsigned bar = 0; bar < history->bars; bar++)
        put_bar(text, history, bar, top);
    text_string(text, "</svg></svg>\n");
}

/* COUNT, or UINT64_MAX: none. INSTANT, or INT64_MIN: none. */
static void put_fact(struct text *text, const char *name, uint64_t count, int64_t instant)
{
    char local[TIMESTAMP_LENGTH];
    text_strings(text, "<div><dt>", name, "<dd>");
    if (count != UINT64_MAX)
        put_count(text, count);
    if (instant != INT64_MIN) {
        local_text(instant, local);
        if (count == UINT64_MAX)
            text_bytes(text, local, 10);
        text_string(text, "<small>");
        text_bytes(text, count == UINT64_MAX ? local + 11 : local, count == UINT64_MAX ? 8 : 16);
        text_string(text, "</small>");
    }
    text_string(text, "</div>");
}

static void put_summary(struct text *text, const struct history *history)
{
    text_string(text, "<dl>");
    put_fact(text, "Today", history->today, INT64_MIN);
    put_fact(text, "Last hour", history->last_hour, INT64_MIN);
    put_fact(text, "Busiest hour", history->busiest.count, history->busiest.start);
    put_fact(text, "First", UINT64_MAX, history->first);
    put_fact(text, "Last", UINT64_MAX, history->last);
    text_string(text, "</dl>\n");
}

/* What the summary and the plot do not cover, or do not show exactly. */
static void put_limits(struct text *text, const struct history *history)
{
    const struct times *times = &history->times;
    uint64_t unknown = times->range.count - times->count;
    if (unknown > 0) {
        text_string(text, "<p>Line ");
        put_count(text, unknown);
        text_string(
            text,
            " is not a visit in the usual form. Times are known only of the lines after it.\n");
    }
    for (unsigned run = 0; run + 1 < times->runs; run++) {
        text_string(text, run == 0 ? "<p>The clock was set back after visit " : ", ");
        put_count(text, unknown + times->ends[run]);
    }
    if (times->runs == RUNS_MAX)
        text_string(text, " and perhaps later: the numbers by time may not be exact");
    if (times->runs > 1)
        text_string(text, ".\n");
}

void history_put(struct text *text, const struct history *history)
{
    put_limits(text, history);
    if (history->times.count > 0)
        put_summary(text, history);
    if (history->bars > 0)
        put_plot(text, history);
}
