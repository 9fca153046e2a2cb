#include "journal/arrival.h"

#include "base/check.h"

/* Readings outside 1970 to 9999 are of a broken clock; within, no difference below can overflow. */
static bool wall_is_sane(struct wall_time wall) {
    return wall.ms >= 0 && wall.ms <= INT64_C(253402300799999);
}

void arrival_clock_init(struct arrival_clock *clock, int64_t max_skew_ms) {
    CHECK(max_skew_ms >= 0);
    *clock = (struct arrival_clock){.last_journalled = {INT64_MIN}, .max_skew_ms = max_skew_ms};
}

static bool arrival_clock_stepped(const struct arrival_clock *clock, struct wall_time wall, struct mono_time mono) {
    if (!clock->has_reading) return false;
    int64_t passed_ms = mono.ns > clock->good_mono.ns ? (mono.ns - clock->good_mono.ns) / 1000000 : 0;
    int64_t step_ms = wall.ms - clock->good_wall.ms - passed_ms;
    return step_ms > clock->max_skew_ms || step_ms < -clock->max_skew_ms;
}

/* I8. An untrusted reading leaves everything as it was: the clock is back when it again agrees with the last good reading
 * carried on by the monotonic clock. Small steps are taken over one by one, so ordinary slewing never adds up. */
bool arrival_clock_read(struct arrival_clock *clock, struct wall_time wall, struct mono_time mono,
                        struct wall_time *arrival) {
    if (!wall_is_sane(wall)) return false;
    bool has_journalled = clock->last_journalled.ms != INT64_MIN;
    if (has_journalled && wall.ms < clock->last_journalled.ms - ARRIVAL_BEHIND_MS_MAX) return false;
    if (arrival_clock_stepped(clock, wall, mono)) return false;
    clock->good_wall = wall;
    clock->good_mono = mono;
    clock->has_reading = true;
    arrival->ms = has_journalled && clock->last_journalled.ms > wall.ms ? clock->last_journalled.ms : wall.ms;
    CHECK(arrival->ms >= wall.ms && arrival->ms - wall.ms <= ARRIVAL_BEHIND_MS_MAX);
    return true;
}

void arrival_clock_journalled(struct arrival_clock *clock, struct wall_time arrival) {
    CHECK(wall_is_sane(arrival));
    CHECKF(arrival.ms >= clock->last_journalled.ms, "arrival went back from %lld to %lld",
           (long long)clock->last_journalled.ms, (long long)arrival.ms);
    clock->last_journalled = arrival;
}
