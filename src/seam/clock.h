/* clock.h (seam): the only source of time. */
#pragma once

#include "base/units.h"

struct clock {
    void *self;
    struct wall_time (*wall)(void *self);
    struct mono_time (*mono)(void *self);
};

static inline struct wall_time clock_wall(const struct clock *clock) {
    return clock->wall(clock->self);
}
static inline struct mono_time clock_mono(const struct clock *clock) {
    return clock->mono(clock->self);
}
