/* The clocks of clock_gettime(2) as plain numbers. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC, which no one sets: for deadlines and durations. */
int64_t clock_ms(void);
int64_t clock_ns(void);

int64_t clock_read_ns(clockid_t clock);

#endif
