#include "prove/moment.h"

#include "base/text.h"

#include <assert.h>
#include <stdio.h>

#define SECOND_US INT64_C(1000000)
enum { DAY_MINUTES = 1440 };

/* Days since 1970-01-01 of a date in the Gregorian calendar. The year begins in March, so that the
 * leap day is its last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return 365 * year + year / 4 - year / 100 + year / 400 + of_year - 719468;
}

static int64_t month_length(int64_t year, int64_t month)
{
    return days_of(year + month / 12, month % 12 + 1, 1) - days_of(year, month, 1);
}

int moment_parse(const char *text, struct moment *ret_moment)
{
    static const char shape[] = "####-##-## ##:##:##.######+##:##";
    static const struct {
        uint8_t at, digits;
        uint32_t minimum, maximum;
    } fields[] = {{0, 4, 1, 9999},    {5, 2, 1, 12},  {8, 2, 1, 31},
                  {11, 2, 0, 23},     {14, 2, 0, 59}, {17, 2, 0, 59},
                  {20, 6, 0, 999999}, {27, 2, 0, 23}, {30, 2, 0, 59}};
    enum {
        YEAR,
        MONTH,
        DAY,
        HOUR,
        MINUTE,
        SECOND,
        MICROSECOND,
        OFFSET_HOUR,
        OFFSET_MINUTE,
        FIELDS
    };
    uint64_t value[FIELDS];
    for (unsigned i = 0; i < MOMENT_LENGTH; i++)
        if (shape[i] != '#' && text[i] != shape[i] && (i != 26 || text[i] != '-'))
            return -1;
    for (unsigned i = 0; i < FIELDS; i++)
        if (parse_number(text + fields[i].at, fields[i].digits, fields[i].minimum,
                         fields[i].maximum, &value[i]) != 0)
            return -1;
    int offset = (int)(value[OFFSET_HOUR] * 60 + value[OFFSET_MINUTE]);
    if ((text[26] == '-' && offset == 0) ||
        (int64_t)value[DAY] > month_length((int64_t)value[YEAR], (int64_t)value[MONTH]))
        return -1;
    offset = text[26] == '-' ? -offset : offset;
    int64_t minutes =
        days_of((int64_t)value[YEAR], (int64_t)value[MONTH], (int64_t)value[DAY]) * DAY_MINUTES +
        (int64_t)(value[HOUR] * 60 + value[MINUTE]) - offset;
    ret_moment->utc_us =
        (minutes * 60 + (int64_t)value[SECOND]) * SECOND_US + (int64_t)value[MICROSECOND];
    ret_moment->offset_minutes = (int16_t)offset;
    return 0;
}

void moment_write(const struct moment *moment, char ret_text[MOMENT_SIZE])
{
    int64_t local_us = moment->utc_us + moment->offset_minutes * 60 * SECOND_US;
    int64_t seconds = local_us / SECOND_US - (local_us % SECOND_US < 0);
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int64_t year = days < 0 ? 1969 + days / 365 : 1970 + days / 366, month = 1;
    while (days_of(year + 1, 1, 1) <= days)
        year++;
    while (days_of(year + month / 12, month % 12 + 1, 1) <= days)
        month++;
    unsigned of_day = (unsigned)(seconds - days * 86400);
    int offset = moment->offset_minutes < 0 ? -moment->offset_minutes : moment->offset_minutes;
    int length =
        snprintf(ret_text, MOMENT_SIZE, "%04d-%02d-%02d %02u:%02u:%02u.%06u%c%02d:%02d", (int)year,
                 (int)month, (int)(days - days_of(year, month, 1)) + 1, of_day / 3600,
                 of_day / 60 % 60, of_day % 60, (unsigned)(local_us - seconds * SECOND_US),
                 moment->offset_minutes < 0 ? '-' : '+', offset / 60, offset % 60);
    assert(length == MOMENT_LENGTH);
    (void)length;
}
