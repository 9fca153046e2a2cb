#include "cli/bench_made.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"

struct made *made_create(struct wall_time now, int64_t minutes_after) {
    struct made *made = memory_allocate_zeroed(1, sizeof *made);
    made->begin_minute = now.ms / MINUTE_MS - MADE_MINUTES_BEFORE;
    made->minutes = MADE_MINUTES_BEFORE + minutes_after;
    made->counts = memory_allocate_zeroed((size_t)MADE_ADS * (size_t)made->minutes, sizeof *made->counts);
    return made;
}

void made_destroy(struct made *made) {
    if (made == NULL) return;
    free(made->counts);
    free(made);
}

void made_note(void *self, struct workload_click click) {
    struct made *made = self;
    if (click.duplicate || click.ad > MADE_ADS) return;
    int64_t minute = click.time_ms / MINUTE_MS - made->begin_minute;
    CHECK(click.ad >= 1 && minute >= 0 && minute < made->minutes);
    made->counts[(click.ad - 1) * made->minutes + minute]++;
}

uint64_t made_count(const struct made *made, uint32_t ad, int64_t from_minute, int64_t to_minute) {
    CHECK(ad >= 1 && ad <= MADE_ADS);
    uint64_t sum = 0;
    for (int64_t minute = from_minute; minute < to_minute; minute++) {
        int64_t at = minute - made->begin_minute;
        if (at >= 0 && at < made->minutes) sum += made->counts[(ad - 1) * made->minutes + at];
    }
    return sum;
}
