#include "log/timestamp.h"
#include "log/timezone.h"
#include "tap.h"

#include <errno.h>
#include <string.h>

/* 2022-11-28 19:54:26 UTC */
enum { MOMENT = 1669665266 };

static void expect(const char *zone, time_t second, long nanosecond, const char *wanted)
{
    struct timestamp_cache cache = {0};
    struct timespec moment = {second, nanosecond};
    char timestamp[TIMESTAMP_LENGTH];
    const char *complaint = timezone_set(zone);
    if (complaint)
        ok(false, "%s %s", zone, complaint);
    else if (timestamp_write(&cache, &moment, timestamp) != 0)
        ok(false, "%lld.%09ld in %s: %s", (long long)second, nanosecond, zone, strerror(errno));
    else
        same_bytes(timestamp, sizeof timestamp, wanted, strlen(wanted), "%lld.%09ld in %s is %s",
                   (long long)second, nanosecond, zone, wanted);
}

static void expect_zones(void)
{
    expect("Europe/Moscow", MOMENT, 913511000, "2022-11-28 22:54:26.913511+03:00");
    expect("Europe/Moscow", MOMENT, 0, "2022-11-28 22:54:26.000000+03:00");
    expect("Europe/Moscow", MOMENT, 999, "2022-11-28 22:54:26.000000+03:00");
    expect("Europe/Moscow", MOMENT, 1000, "2022-11-28 22:54:26.000001+03:00");
    expect("Europe/Moscow", MOMENT, 999999999, "2022-11-28 22:54:26.999999+03:00");
    expect("Europe/Moscow", 1293840000, 0, "2011-01-01 03:00:00.000000+03:00");
    expect("Europe/Moscow", 1309478400, 0, "2011-07-01 04:00:00.000000+04:00");
    expect("UTC", MOMENT, 0, "2022-11-28 19:54:26.000000+00:00");
    expect("MSK-3", MOMENT, 0, "2022-11-28 22:54:26.000000+03:00");
    expect("<+0330>-3:30", MOMENT, 0, "2022-11-28 23:24:26.000000+03:30");
    expect("Asia/Kolkata", MOMENT, 0, "2022-11-29 01:24:26.000000+05:30");
    expect("Asia/Kathmandu", MOMENT, 0, "2022-11-29 01:39:26.000000+05:45");
    expect("America/St_Johns", MOMENT, 0, "2022-11-28 16:24:26.000000-03:30");
    /* These two seconds have the same local time; only the offset distinguishes them. */
    expect("America/New_York", 1667712599, 0, "2022-11-06 01:29:59.000000-04:00");
    expect("America/New_York", 1667716199, 0, "2022-11-06 01:29:59.000000-05:00");
    expect("EST5EDT,M3.2.0,M11.1.0", 1667712599, 0, "2022-11-06 01:29:59.000000-04:00");
    expect("EST5EDT,M3.2.0,M11.1.0", 1667716199, 0, "2022-11-06 01:29:59.000000-05:00");
    expect("UTC", 951782400, 0, "2000-02-29 00:00:00.000000+00:00");
    expect("UTC", -1, 500000000, "1969-12-31 23:59:59.500000+00:00");
    /* The offset of local mean time had seconds; a timestamp has only whole minutes. */
    expect("Europe/Moscow", -3000000000, 0, "1874-12-07 21:10:17.000000+02:30");
}

static void expect_unknown_zones(void)
{
    /* Each zone, and words of the message that refuses it. */
    static const char *const zones[][2] = {
        {"", "not known"},
        {"Nowhere/City", "not known"},
        {"Europe", "not known"},
        {"Europe/", "not known"},
        {"europe/moscow", "not known"},
        {"../etc/passwd", "not known"},
        {"/etc/localtime", "not known"},
        {"Europe/../Europe/Moscow", "not known"},
        {"zone.tab", "not known"},
        {"MSK", "not known"},
        {"UTC\n", "not known"},
        {"\x01", "not known"},
        {"CET-1CEST", "starts and ends"},
        {"<+0330>-3:30:30", "with seconds"},
        {"XYZ24", "24 hours"},
        {"EST5EDT,0/0,J365/25", "misreads"},
    };
    struct timestamp_cache cache = {0};
    struct timespec moment = {MOMENT, 0};
    char timestamp[TIMESTAMP_LENGTH];
    if (timezone_set("Europe/Moscow"))
        ok(false, "Europe/Moscow is known");
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        const char *complaint = timezone_set(zones[i][0]);
        ok(complaint && strstr(complaint, zones[i][1]), "zone %zu of the table is refused: %s", i,
           zones[i][1]);
    }
    ok(timestamp_write(&cache, &moment, timestamp) == 0 && memcmp(timestamp + 26, "+03:00", 6) == 0,
       "after a refusal the zone is unchanged");
}

static void expect_cache(void)
{
    static const struct {
        struct timespec moment;
        const char *wanted;
    } steps[] = {
        {{MOMENT, 999999000}, "2022-11-28 19:54:26.999999+00:00"},
        {{MOMENT, 1000}, "2022-11-28 19:54:26.000001+00:00"},
        {{MOMENT + 1, 0}, "2022-11-28 19:54:27.000000+00:00"},
        {{MOMENT + 86400, 0}, "2022-11-29 19:54:26.000000+00:00"},
        {{MOMENT, 0}, "2022-11-28 19:54:26.000000+00:00"},
    };
    struct timestamp_cache cache = {0};
    bool right = !timezone_set("UTC");
    char timestamp[TIMESTAMP_LENGTH];
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        right = right && timestamp_write(&cache, &steps[i].moment, timestamp) == 0 &&
                memcmp(timestamp, steps[i].wanted, TIMESTAMP_LENGTH) == 0;
    ok(right, "a timestamp is right when the second changes, forward and back");
    struct timespec late = {253402300800, 0}, now = {MOMENT, 0};
    errno = 0;
    ok(timestamp_write(&cache, &late, timestamp) == -1 && errno == EOVERFLOW,
       "the year 10000 is refused");
    ok(timestamp_write(&cache, &now, timestamp) == 0 &&
           memcmp(timestamp, steps[4].wanted, TIMESTAMP_LENGTH) == 0,
       "after a refusal the next timestamp is right");
    struct timespec last = {253402300799, 0}, early = {-62167219201, 0};
    ok(timestamp_write(&cache, &last, timestamp) == 0 &&
           memcmp(timestamp, "9999-12-31 23:59:59", 19) == 0,
       "the last second of 9999 is written");
    ok(timestamp_write(&cache, &early, timestamp) == -1, "the year before 0 is refused");
}

static void expect_shapes(void)
{
    static const char line[] = "2022-11-28 22:54:26.913511+03:00";
    ok(timestamp_is_exact(line), "a timestamp east of Greenwich is exact");
    ok(timestamp_is_exact("2022-11-28 22:54:26.913511-03:30"),
       "a timestamp west of Greenwich is exact");
    bool all = true;
    for (size_t i = 0; i < TIMESTAMP_LENGTH; i++) {
        for (int byte = 0; byte < 256; byte++) {
            char other[TIMESTAMP_LENGTH];
            memcpy(other, line, TIMESTAMP_LENGTH);
            other[i] = (char)byte;
            bool digit = line[i] >= '0' && line[i] <= '9' && byte >= '0' && byte <= '9';
            bool sign = i == 26 && (byte == '+' || byte == '-');
            all = all && timestamp_is_exact(other) == (digit || sign || other[i] == line[i]);
        }
    }
    ok(all, "any other byte at any place makes it inexact");
}

static void expect_plausible(void)
{
    static const struct {
        const char *line;
        bool plausible;
    } table[] = {
        {"2022-11-28 22:54:26.913511+03:00", true},
        {"2022-11-28 22:54:26.913511+03:00\r", true},
        {"2022-11-28 22:54:26.9+03:00", true},
        {"2022-11-28 22:54:26+03:00", true},
        {"2022-11-28 22:54:26+03:00\r", true},
        {"2022-11-28 22:54:26.+03:00", false},
        {"2022-11-28 22:54:26.9135111+03:00", false},
        {"2022-11-28 22:54:26.913511", false},
        {"2022-11-28 22:54:26.913511+03:0", false},
        {"2022-11-28T22:54:26.913511+03:00", false},
        {"2022-11-28 22:54:26.913511+03:00\r\r", false},
        {" 2022-11-28 22:54:26.913511+03:00", false},
        {"", false},
        {"\r", false},
        {"#", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        same(timestamp_is_plausible(table[i].line, strlen(table[i].line)), table[i].plausible,
             "line %zu of the table is%s plausible", i, table[i].plausible ? "" : " not");
    static const char line[] = "2022-11-28 22:54:26.913511+03:00";
    bool none = true;
    for (size_t length = 0; length < TIMESTAMP_LENGTH; length++)
        none = none && !timestamp_is_plausible(line, length);
    ok(none, "no proper prefix of a timestamp is plausible, so a torn line is never taken for a "
             "complete one");
}

void test_timestamp(void)
{
    expect_zones();
    expect_unknown_zones();
    expect_cache();
    expect_shapes();
    expect_plausible();
}
