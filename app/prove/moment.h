/* The time of a visit as a number. A parser of its own, and not that of log/: what is checked must
 * not check itself. */
#ifndef MOMENT_H
#define MOMENT_H

#include <stdint.h>

enum { MOMENT_LENGTH = 32, MOMENT_SIZE = MOMENT_LENGTH + 1 }; /* 2022-11-28 22:54:26.913511+03:00 */

struct moment {
    int64_t utc_us; /* since 1970 */
    int16_t offset_minutes;
};

/* Parses MOMENT_LENGTH bytes. Two texts are equal if and only if their moments are. Returns 0, or
 * -1: TEXT is not such a time. */
int moment_parse(const char *text, struct moment *ret_moment);

/* Writes MOMENT as moment_parse() reads it, with a NUL. */
void moment_write(const struct moment *moment, char ret_text[MOMENT_SIZE]);

#endif
