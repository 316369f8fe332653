/*
 * clock: the only place that reads the time.
 */
#ifndef SM_CLOCK_H
#define SM_CLOCK_H

#include <stdint.h>

/* Monotonic nanoseconds since an arbitrary start. */
int64_t sm_clock_mono_ns(void);
/* Wall clock, nanoseconds since 1970-01-01T00:00:00Z. */
int64_t sm_clock_wall_ns(void);

#endif
