/* Timestamps, the lines of visits.txt: local time with microseconds, and the offset from UTC.
 *
 * Every line that this program writes has the same length, so the offset of a line in the file
 * follows from its number. */
#ifndef TIMESTAMP_H
#define TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define VISITS_FILE "visits.txt"

#define TIMESTAMP_LENGTH 32                /* 2022-11-28 22:54:26.913511+03:00 */
#define LINE_LENGTH (TIMESTAMP_LENGTH + 1) /* with its newline */

/* The text of the last second that was written: localtime_r(3) takes a lock that all threads share.
 * Zero it before its first use. Each thread needs its own. */
struct timestamp_cache {
    bool valid;
    time_t second;
    char text[TIMESTAMP_LENGTH];
};

/* Writes MOMENT as TIMESTAMP_LENGTH bytes, without a newline or NUL. Returns 0, or -1 with errno
 * EOVERFLOW if its year does not have four digits. */
int timestamp_write(struct timestamp_cache *cache, const struct timespec *moment,
                    char *ret_timestamp);

/* Do these TIMESTAMP_LENGTH bytes have the form that timestamp_write() writes, in any zone? */
bool timestamp_is_exact(const char *text);

/* Could this line of LENGTH bytes, without its newline, be a visit? Accepts more than
 * timestamp_is_exact(): the fraction may have fewer digits or be absent, and a CR may follow. Other
 * programs and editors write such lines. */
bool timestamp_is_plausible(const char *line, size_t length);

#endif
