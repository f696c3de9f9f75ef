/* Checks of the fuzz targets. */
#ifndef DEMAND_H
#define DEMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Unless HOLDS, prints CLAIM on stderr and aborts, which libFuzzer reports as a crash. */
void demand(bool holds, const char *claim);

/* A copy of LENGTH bytes in memory of exactly that size, so that the sanitizer detects an access
 * past it. */
void *copy_exactly(const void *bytes, size_t length);

/* libFuzzer calls it with one input after another. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
