#include "journal/tick.h"

#include "base/check.h"
#include "journal/record_format.h"

static int64_t passed_ms(struct mono_time since, struct mono_time now) {
    return now.ns > since.ns ? (now.ns - since.ns) / 1000000 : 0;
}

void tick_clock_start(struct tick_clock *clock, const struct log_state *state, struct mono_time now) {
    CHECK(state->partition_count >= 1 && state->partition_count <= PARTITIONS_MAX);
    *clock = (struct tick_clock){.highest = EVENT_TIME_NONE, .highest_moved = now};
    for (uint32_t i = 0; i < state->partition_count; i++) {
        clock->partitions[i].seen = state->partitions[i].watermark.seen;
        clock->partitions[i].moved = now;
        clock->highest = event_time_max(clock->highest, clock->partitions[i].seen);
    }
}

void tick_clock_observe(struct tick_clock *clock, const struct log_state *state, struct mono_time now) {
    for (uint32_t i = 0; i < state->partition_count; i++) {
        struct event_time seen = state->partitions[i].watermark.seen;
        if (seen.ms == clock->partitions[i].seen.ms) continue;
        CHECK(seen.ms > clock->partitions[i].seen.ms);
        clock->partitions[i].seen = seen;
        clock->partitions[i].moved = now;
        if (seen.ms <= clock->highest.ms) continue;
        clock->highest = seen;
        clock->highest_moved = now;
    }
    for (uint32_t i = 0; i < state->partition_count; i++) CHECK(clock->partitions[i].seen.ms <= clock->highest.ms);
}

bool tick_clock_floor(const struct tick_clock *clock, const struct log_state *state, struct wall_time arrival,
                      struct mono_time now, struct event_time *floor) {
    if (state->accepted == 0) return false;
    CHECK(!event_time_is_none(clock->highest)); /* a partition's first click moves it at once */
    if (recent_clicks_live(&state->recent))
        floor->ms = arrival.ms;
    else
        floor->ms = clock->highest.ms + passed_ms(clock->highest_moved, now);
    if (floor->ms > RECORD_TIME_MS_MAX) floor->ms = RECORD_TIME_MS_MAX;
    CHECK(floor->ms >= 0);
    return true;
}

bool tick_clock_due(const struct tick_clock *clock, uint32_t partition, struct event_time floor, struct mono_time now) {
    CHECK(partition < PARTITIONS_MAX);
    return passed_ms(clock->partitions[partition].moved, now) >= TICK_IDLE_MS &&
           floor.ms > clock->partitions[partition].seen.ms;
}
