/* What a fuzz target demands of the program. */
#ifndef DEMAND_H
#define DEMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ends the process with CLAIM on stderr, as libFuzzer takes a crash, unless it HOLDS. */
void demand(bool holds, const char *claim);

/* A copy of LENGTH bytes in memory of exactly that size, so that the sanitizer sees a step past it.
 */
void *copy_exactly(const void *bytes, size_t length);

/* libFuzzer calls it with one input after the other. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
