#include "log/zone.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

/* The earliest and the latest time at which a rule may apply, in seconds from the start of a year.
 */
struct rule {
    long earliest_s, latest_s;
};

/* [+-]H[H[H]][:MM[:SS]] */
static const char *read_time(const char *p, long hours_max, long *ret_time_s)
{
    char *end;
    bool minus = *p == '-';
    if (*p == '+' || *p == '-')
        p++;
    if (!isdigit((unsigned char)*p))
        return NULL;
    long hours = strtol(p, &end, 10);
    if (hours > hours_max || end - p > 3)
        return NULL;
    long time_s = hours * HOUR_S;
    for (long unit_s = 60; unit_s > 0 && *end == ':'; unit_s /= 60) {
        if (!isdigit((unsigned char)end[1]) || !isdigit((unsigned char)end[2]) || end[1] > '5')
            return NULL;
        time_s += ((end[1] - '0') * 10 + (end[2] - '0')) * unit_s;
        end += 3;
    }
    *ret_time_s = minus ? -time_s : time_s;
    return end;
}

static const char *skip_name(const char *p)
{
    const char *start = p;
    if (*p == '<') {
        start = ++p;
        while (isalnum((unsigned char)*p) || *p == '+' || *p == '-')
            p++;
        return *p == '>' && p - start >= 3 && p - start <= 6 ? p + 1 : NULL;
    }
    while (isalpha((unsigned char)*p))
        p++;
    return p - start >= 3 && p - start <= 6 ? p : NULL;
}

static const char *read_number(const char *p, long minimum, long maximum, long *ret_number)
{
    char *end;
    if (!isdigit((unsigned char)*p))
        return NULL;
    long number = strtol(p, &end, 10);
    if (number < minimum || number > maximum || end - p > 3)
        return NULL;
    *ret_number = number;
    return end;
}

/* month.week.day; week 5 is the last one. The date is one of seven, depending on the year. The
 * results are days from the start of the year. */
static const char *read_month_rule(const char *p, int leap, long *ret_earliest, long *ret_latest)
{
    static const short days_before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    long month, week, weekday;
    p = read_number(p, 1, 12, &month);
    p = p && *p == '.' ? read_number(p + 1, 1, 5, &week) : NULL;
    p = p && *p == '.' ? read_number(p + 1, 0, 6, &weekday) : NULL;
    if (!p)
        return NULL;
    if (week < 5)
        *ret_earliest = days_before[month - 1] + (month > 2 ? leap : 0) + 7 * (week - 1);
    else
        *ret_earliest = days_before[month] + (month > 1 ? leap : 0) - 7;
    *ret_latest = *ret_earliest + 6;
    return p;
}

/* ,Mmonth.week.day or ,Jday or ,day, each with an optional /time. LEAP is 1 for a leap year, whose
 * additional day ,Jday does not count. */
static const char *read_rule(const char *p, int leap, struct rule *ret_rule)
{
    long earliest = 0, latest = 0, time_s = 2 * HOUR_S;
    if (*p++ != ',')
        return NULL;
    if (*p == 'M') {
        p = read_month_rule(p + 1, leap, &earliest, &latest);
    } else if (*p == 'J') {
        p = read_number(p + 1, 1, 365, &earliest);
        latest = earliest -= earliest < 60 || !leap;
    } else {
        p = read_number(p, 0, 365, &earliest);
        latest = earliest;
    }
    if (p && *p == '/')
        p = read_time(p + 1, 167, &time_s);
    if (p)
        *ret_rule = (struct rule){earliest * DAY_S + time_s, latest * DAY_S + time_s};
    return p;
}

/* musl considers only the two changes of the current year in UTC, and assumes that they are in the
 * order of their local times. That is right if each change falls into its own year in UTC, and if
 * the order is the same in every year and on both clocks. */
static bool is_in_order(struct rule start, struct rule end, int leap, long shift_s)
{
    struct rule first = start, second = end;
    if (start.earliest_s > end.earliest_s) {
        first = end;
        second = start;
    }
    return first.earliest_s > 0 && second.latest_s < (365 + leap) * DAY_S &&
           first.latest_s + shift_s < second.earliest_s;
}

/* Checks both rules. The offsets are those of the string, in seconds west of UTC. */
static enum zone_fault check_rules(const char *text, long standard_s, long daylight_s)
{
    bool in_order = true, starts_first[2];
    for (int leap = 0; leap < 2; leap++) {
        struct rule start, end;
        const char *p = read_rule(text, leap, &start);
        p = p ? read_rule(p, leap, &end) : NULL;
        if (!p || *p)
            return ZONE_UNKNOWN;
        start = (struct rule){start.earliest_s + standard_s, start.latest_s + standard_s};
        end = (struct rule){end.earliest_s + daylight_s, end.latest_s + daylight_s};
        in_order = in_order && is_in_order(start, end, leap, labs(daylight_s - standard_s));
        starts_first[leap] = start.earliest_s < end.earliest_s;
    }
    return in_order && starts_first[0] == starts_first[1] ? ZONE_OK : ZONE_NEW_YEAR;
}

enum zone_fault zone_offset_check(long offset_s)
{
    if (offset_s % 60 != 0)
        return ZONE_SECONDS;
    return labs(offset_s) < DAY_S ? ZONE_OK : ZONE_FAR;
}

/* The offsets in the string are west of UTC. */
enum zone_fault zone_string_check(const char *text, long *ret_standard_s, long *ret_daylight_s)
{
    long standard_s, daylight_s;
    enum zone_fault fault = ZONE_OK;
    const char *p = skip_name(text);
    p = p ? read_time(p, 24, &standard_s) : NULL;
    if (!p)
        return ZONE_UNKNOWN;
    daylight_s = standard_s;
    if (*p) {
        daylight_s = standard_s - HOUR_S;
        p = skip_name(p);
        if (p && *p && *p != ',')
            p = read_time(p, 24, &daylight_s);
        if (!p)
            return ZONE_UNKNOWN;
        fault = *p ? check_rules(p, standard_s, daylight_s) : ZONE_WITHOUT_RULES;
    }
    if (fault == ZONE_OK)
        fault = zone_offset_check(standard_s);
    if (fault == ZONE_OK)
        fault = zone_offset_check(daylight_s);
    if (fault == ZONE_OK) {
        *ret_standard_s = -standard_s;
        *ret_daylight_s = -daylight_s;
    }
    return fault;
}
