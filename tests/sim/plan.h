/* plan.h: what a run does: all of it, or, to find out what a failure needs, less. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What happens beside the node's own steps; each kind can be switched off. */
/* clang-format off */
#define EVENT_TABLE(X) \
    X(clicks) X(hostile) X(status) X(count) X(filter_change) X(filter_question) \
    X(power_cut) X(kill) X(cut_in_write) X(trouble_in_start) X(clean_stop) \
    X(failed_sync) X(failed_call) X(full_disk) X(failed_read) X(failed_store) \
    X(lying_sync) X(lost_write) X(misdirected_write) X(rot) X(run_rot) X(lying_store) X(store_rot) X(wiped_store) \
    X(slow_disk) X(beside) X(clock_off) X(clock_forward) X(clock_back) X(clock_wild) X(clock_set) X(idle) X(pause) \
    X(rules) X(bad_start)
/* clang-format on */

enum event {
#define X(name) EVENT_##name,
    EVENT_TABLE(X)
#undef X
        EVENTS
};

enum { PLAN_STEPS = 6000, PLAN_SKIPS_MAX = 64, PLAN_TEXT_BYTES = 2048 };

struct plan {
    unsigned steps;
    uint64_t without; /* a bit for each event */
    struct plan_skip {
        unsigned from, to; /* steps that are left out, `to` not included */
    } skips[PLAN_SKIPS_MAX];
    size_t skip_count;
};

const char *event_name(enum event event);
static inline bool plan_allows(const struct plan *plan, enum event event) {
    return (plan->without >> event & 1) == 0;
}
bool plan_skips(const struct plan *plan, unsigned step);
/* "a,b" and "0-100,205-300"; false when they are not that. */
bool plan_parse_without(struct plan *plan, const char *text);
bool plan_parse_skip(struct plan *plan, const char *text);
/* What follows `make sim SEEDS=1 FROM=seed` to have this plan: " STEPS=n WITHOUT=... SKIP=...", or less. */
void plan_print(const struct plan *plan, char text[PLAN_TEXT_BYTES]);
