/* A moment as a line of visits.txt: local time, six digits of microseconds, offset from UTC.
 *
 * Every line that this program writes has the same length, so that the n-th line is an offset. */
#ifndef TIMESTAMP_H
#define TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define VISITS_FILE "visits.txt"

#define TIMESTAMP_LENGTH 32                /* 2022-11-28 22:54:26.913511+03:00 */
#define LINE_LENGTH (TIMESTAMP_LENGTH + 1) /* with its newline */

/* The text of one second, kept from one timestamp to the next: localtime_r(3) takes a lock that all
 * threads share. Zero it before its first use; one thread, one cache. */
struct timestamp_cache {
    bool valid;
    time_t second;
    char text[TIMESTAMP_LENGTH];
};

/* Writes the TIMESTAMP_LENGTH bytes of MOMENT, without a newline or NUL. Returns 0, or -1 with
 * errno EOVERFLOW if its year does not have four digits. */
int timestamp_write(struct timestamp_cache *cache, const struct timespec *moment,
                    char *ret_timestamp);

/* Are these TIMESTAMP_LENGTH bytes a timestamp as timestamp_write() makes them, in any zone? */
bool timestamp_is_exact(const char *text);

/* Could this line, without its newline, be a visit's? Wider than timestamp_is_exact(): also without
 * or with fewer digits of the fraction, with a trailing CR, as other writers and editors leave
 * them.
 */
bool timestamp_is_plausible(const char *line, size_t length);

#endif
