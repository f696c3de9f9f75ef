/* The clock that no one sets: for deadlines and durations. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC of clock_gettime(2). */
int64_t clock_ms(void);
int64_t clock_ns(void);

#endif
