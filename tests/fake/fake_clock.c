#include "fake/fake_clock.h"

#include "base/check.h"

static struct wall_time read_wall(void *self) {
    return (struct wall_time){((const struct fake_clock *)self)->wall_ms};
}

static struct mono_time read_mono(void *self) {
    return (struct mono_time){((const struct fake_clock *)self)->mono_ns};
}

struct clock fake_clock_table(struct fake_clock *clock) {
    return (struct clock){.self = clock, .wall = read_wall, .mono = read_mono};
}

void fake_clock_pass(struct fake_clock *clock, int64_t ms) {
    CHECK(ms >= 0);
    clock->wall_ms += ms;
    clock->mono_ns += ms * 1000000;
}

void fake_clock_step(struct fake_clock *clock, int64_t ms) {
    clock->wall_ms += ms;
}
