/* Lines for test files, good and bad, and files made of them. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#define LINE_A "2022-11-28 22:54:26.913511+03:00\n"
#define LINE_B "2022-11-28 22:54:27.000000+03:00\n"
#define LINE_C "2022-11-28 22:54:27.123456-03:30\n"

/* Pseudo-random numbers, the same in every run (xorshift64). */
uint64_t samples_next(uint64_t *state);

/* Fills FILE with complete lines, torn lines, long lines, NULs and garbage. Returns the number of
 * bytes, at most SIZE. The last bytes may be an incomplete line. */
size_t samples_make(uint64_t *state, char *file, size_t size);

#endif
