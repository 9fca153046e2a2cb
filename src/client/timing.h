/* timing.h: the clocks of the client side: for pacing, waiting and measuring. No count depends on them. */
#pragma once

#include "base/units.h"

int64_t timing_now_ns(void); /* monotonic */
int64_t timing_now_ms(void); /* monotonic */
struct wall_time timing_wall(void);
void timing_sleep_ms(int64_t ms);
