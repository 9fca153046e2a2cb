/* fake_clock.h: a clock that moves when the test says so. */
#pragma once

#include "seam/clock.h"

struct fake_clock {
    int64_t wall_ms;
    int64_t mono_ns;
};

/* The clock outlives the table. */
struct clock fake_clock_table(struct fake_clock *clock);
/* Time passes: both readings move. */
void fake_clock_pass(struct fake_clock *clock, int64_t ms);
/* Somebody sets the wall clock; the monotonic one knows nothing of it. */
void fake_clock_step(struct fake_clock *clock, int64_t ms);
