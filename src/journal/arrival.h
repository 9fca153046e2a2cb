/* arrival.h: the clock that clicks arrive by (I8), a plain state machine over readings of the seam's clock.
 *
 * - A clock up to 1 s behind the last journalled arrival takes that arrival.
 * - Further behind: not trusted until it is back.
 * - Stepped by more than max skew against the monotonic clock: not trusted until it is back (or the server restarts). */
#pragma once

#include "base/units.h"

enum { ARRIVAL_BEHIND_MS_MAX = SECOND_MS };

struct arrival_clock {
    struct wall_time last_journalled; /* INT64_MIN before the first */
    struct wall_time good_wall;       /* the last trusted reading, and the monotonic reading beside it */
    struct mono_time good_mono;
    bool has_reading;
    int64_t max_skew_ms;
};

void arrival_clock_init(struct arrival_clock *clock, int64_t max_skew_ms);
/* True: `*arrival` is max(wall, last journalled). False: the clock is not to be trusted now; no click, no tick. */
bool arrival_clock_read(struct arrival_clock *clock, struct wall_time wall, struct mono_time mono,
                        struct wall_time *arrival);
/* `arrival` is in a durable record now. */
void arrival_clock_journalled(struct arrival_clock *clock, struct wall_time arrival);
