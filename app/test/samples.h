/* Lines for files of visits, good and bad, and files made of them. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#define LINE_A "2022-11-28 22:54:26.913511+03:00\n"
#define LINE_B "2022-11-28 22:54:27.000000+03:00\n"
#define LINE_C "2022-11-28 22:54:27.123456-03:30\n"

/* Numbers that look random and are the same in every run (xorshift64). */
uint64_t samples_next(uint64_t *state);

/* Fills FILE with whole lines, torn ones, long ones, NULs and garbage. Returns how many bytes, at
 * most SIZE; the last may belong to no line. */
size_t samples_make(uint64_t *state, char *file, size_t size);

#endif
