#include "log/sample.h"

#include "base/io.h"
#include "log/timestamp.h"

#include <assert.h>

/* Days since 1970-01-01 in the proleptic Gregorian calendar. Years start in March here, so that the
 * leap day is the last day of a year. */
static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400, year_of_era = year % 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static int64_t number_at(const char *at, int digits)
{
    int64_t number = 0;
    while (digits-- > 0)
        number = number * 10 + (*at++ - '0');
    return number;
}

static int64_t seconds_of(const char *timestamp)
{
    int64_t days = days_since_1970(number_at(timestamp, 4), number_at(timestamp + 5, 2),
                                   number_at(timestamp + 8, 2));
    return ((days * 24 + number_at(timestamp + 11, 2)) * 60 + number_at(timestamp + 14, 2)) * 60 +
           number_at(timestamp + 17, 2);
}

unsigned sample_points(const struct log_snapshot *range, struct sample_point points[SAMPLE_POINTS])
{
    assert(range->fixed_width_from <= range->size);
    uint64_t lines = (range->size - range->fixed_width_from) / LINE_LENGTH;
    unsigned count = lines < SAMPLE_POINTS ? (unsigned)lines : SAMPLE_POINTS;
    for (unsigned i = 0; i < count; i++) {
        char line[LINE_LENGTH];
        uint64_t index = count > 1 ? i * (lines - 1) / (count - 1) : 0;
        off_t offset = (off_t)(range->fixed_width_from + index * LINE_LENGTH);
        if (read_at(range->fd, line, sizeof line, offset) != (ssize_t)sizeof line ||
            !timestamp_is_exact(line))
            return 0;
        points[i] = (struct sample_point){seconds_of(line), range->count - lines + index + 1};
    }
    return count;
}
