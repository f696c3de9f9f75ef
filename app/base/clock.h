/* The clocks of clock_gettime(2), in milliseconds or nanoseconds. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

/* The time of CLOCK_MONOTONIC, which cannot be set. For deadlines and durations. */
int64_t clock_ms(void);
int64_t clock_ns(void);

/* The time of CLOCK. */
int64_t clock_read_ns(clockid_t clock);

#endif
