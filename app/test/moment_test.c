#include "prove/moment.h"
#include "tap.h"

#include <stdint.h>
#include <string.h>

static const char *const rejected[] = {
    "2022-11-28 22:54:26.913511-00:00", "2022-11-28 22:54:26.913511+24:00",
    "2022-11-28 22:54:26.913511+03:60", "2022-11-28 22:54:26.913511 03:00",
    "2022-11-28 22:54:26.913511+03 00", "2022-11-28 22:54:26.913511+03:0x",
    "2022-11-28 22:54:26,913511+03:00", "2022-11-28T22:54:26.913511+03:00",
    "2022-11-28 24:00:00.000000+03:00", "2022-11-28 22:60:26.913511+03:00",
    "2022-11-28 22:54:60.913511+03:00", "2022-11-28 22:54:26.91351 +03:00",
    "2022-11-28 22:54:26.+13511+03:00", "2022-11-00 22:54:26.913511+03:00",
    "2022-00-28 22:54:26.913511+03:00", "2022-13-28 22:54:26.913511+03:00",
    "2022-11-31 22:54:26.913511+03:00", "2023-02-29 22:54:26.913511+03:00",
    "1900-02-29 22:54:26.913511+03:00", "2100-02-29 22:54:26.913511+03:00",
    "0000-01-01 00:00:00.000000+00:00", "-022-11-28 22:54:26.913511+03:00",
    "2022/11/28 22:54:26.913511+03:00", " 2022-11-28 22:54:26.913511+03:0",
};

static const struct {
    const char *text;
    int64_t utc_us;
    int16_t offset_minutes;
} known[] = {
    {"1970-01-01 00:00:00.000000+00:00", 0, 0},
    {"1970-01-01 00:00:00.000001+00:00", 1, 0},
    {"1969-12-31 23:59:59.999999+00:00", -1, 0},
    {"1970-01-01 03:00:00.000000+03:00", 0, 180},
    {"1969-12-31 19:00:00.000000-05:00", 0, -300},
    {"2000-02-29 00:00:00.000000+00:00", INT64_C(951782400000000), 0},
    {"2022-11-28 22:54:26.913511+03:00", INT64_C(1669665266913511), 180},
    {"2022-11-28 19:54:26.913511+00:00", INT64_C(1669665266913511), 0},
    {"1970-01-01 23:59:00.000000+23:59", 0, 1439},
    {"1969-12-31 00:01:00.000000-23:59", 0, -1439},
    {"0001-01-01 00:00:00.000000+00:00", INT64_C(-62135596800000000), 0},
    {"9999-12-31 23:59:59.999999+00:00", INT64_C(253402300799999999), 0},
};

/* Each month of the years 1 to 9999 follows the one before: its first and last day, and some others
 * are parsed and written. */
static bool days_are_in_order(void)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t expected = INT64_C(-62135596800000000);
    char text[MOMENT_SIZE] = "0000-00-00 12:34:56.789012+00:00", again[MOMENT_SIZE];
    for (int year = 1; year <= 9999; year++) {
        for (int month = 1; month <= 12; month++) {
            bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            int length = lengths[month - 1] + (month == 2 && is_leap);
            for (int day = 1; day <= length; day++) {
                if (day > 1 && day < length && (day + month + year) % 13 != 0) {
                    expected += INT64_C(86400000000);
                    continue;
                }
                struct moment moment;
                int parts[] = {year / 1000, year / 100 % 10, year / 10 % 10, year % 10,
                               month / 10,  month % 10,      day / 10,       day % 10};
                for (unsigned i = 0; i < 8; i++)
                    text[i + (i > 3) + (i > 5)] = (char)('0' + parts[i]);
                if (moment_parse(text, &moment) != 0 ||
                    moment.utc_us != expected + INT64_C(45296789012))
                    return false;
                moment_write(&moment, again);
                if (strcmp(text, again) != 0)
                    return false;
                expected += INT64_C(86400000000);
            }
        }
    }
    return expected == INT64_C(253402300800000000);
}

/* Offsets change the day, the month and the year of what is written. */
static bool offsets_are_kept(void)
{
    char text[MOMENT_SIZE];
    for (int offset = -1439; offset <= 1439; offset++) {
        for (unsigned i = 0; i < sizeof known / sizeof *known - 2; i++) {
            struct moment moment = {known[i].utc_us + 123456, (int16_t)offset}, again;
            moment_write(&moment, text);
            if (strlen(text) != MOMENT_LENGTH || moment_parse(text, &again) != 0 ||
                again.utc_us != moment.utc_us || again.offset_minutes != offset)
                return false;
        }
    }
    return true;
}

void test_moment(void)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct moment moment = {0};
        char text[MOMENT_SIZE];
        same(moment_parse(known[i].text, &moment), 0, "%s is a time", known[i].text);
        same(moment.utc_us, known[i].utc_us, "%s in microseconds", known[i].text);
        same(moment.offset_minutes, known[i].offset_minutes, "and its offset");
        moment_write(&moment, text);
        same_bytes(text, strlen(text), known[i].text, MOMENT_LENGTH, "it is written so again");
    }
    for (size_t i = 0; i < sizeof rejected / sizeof *rejected; i++) {
        struct moment moment = {.utc_us = 7};
        ok(moment_parse(rejected[i], &moment) == -1 && moment.utc_us == 7, "%s is no time",
           rejected[i]);
    }
    ok(days_are_in_order(), "each month of the years 1 to 9999 follows the one before");
    ok(offsets_are_kept(), "each offset from -23:59 to +23:59 is kept");
    /* Another text is another time. */
    char text[MOMENT_SIZE];
    unsigned wrong = 0;
    struct moment one, other;
    (void)moment_parse(known[6].text, &one);
    for (unsigned i = 0; i < MOMENT_LENGTH; i++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(text, known[6].text, sizeof text);
            text[i] = (char)byte;
            wrong += memcmp(text, known[6].text, sizeof text) != 0 &&
                     moment_parse(text, &other) == 0 && other.utc_us == one.utc_us &&
                     other.offset_minutes == one.offset_minutes;
        }
    }
    same(wrong, 0, "no other byte anywhere gives the same time");
}
