/* shrink.c: makes a failure small: fewer steps, fewer kinds of events, then fewer of the steps that are left. What a step
 * does follows from the seed and its number alone, so leaving one out does not change what the others try. */
#include <inttypes.h>
#include <stdio.h>

#include "sim/campaign.h"

enum { RUNS_MAX = 300, PARTS_MAX = 128 };

struct search {
    uint64_t seed;
    struct runner *runner;
    unsigned runs; /* so far */
    char kind[KIND_BYTES];
    struct plan best;
    struct outcome last;
};

static void take(void *context, uint64_t seed, const struct outcome *outcome) {
    struct search *search = context;
    (void)seed;
    search->last = *outcome;
}

/* Keeps the plan when it fails as the first did. */
static bool try_plan(struct search *search, const struct plan *plan) {
    if (search->runs++ >= RUNS_MAX) return false;
    runner_start(search->runner, search->seed, plan, take, search);
    runner_finish(search->runner, take, search);
    bool same = !search->last.good && strcmp(search->last.kind, search->kind) == 0;
    if (same) search->best = *plan;
    return same;
}

static void shorten(struct search *search, unsigned failed_at) {
    struct plan plan = search->best;
    if (failed_at + 1 < plan.steps) {
        plan.steps = failed_at + 1;
        (void)try_plan(search, &plan);
    }
    for (unsigned by = search->best.steps / 2; by > 0 && search->runs < RUNS_MAX; by /= 2) {
        plan = search->best;
        plan.steps -= by;
        if (try_plan(search, &plan)) by = plan.steps > 2 * by ? 2 * by : plan.steps; /* as much again */
    }
}

static void switch_off(struct search *search) {
    for (int event = 0; event < EVENTS; event++) {
        struct plan plan = search->best;
        plan.without |= UINT64_C(1) << event;
        (void)try_plan(search, &plan);
    }
}

static void add_skip(struct plan *plan, unsigned from, unsigned to) {
    struct plan_skip *last = plan->skip_count > 0 ? &plan->skips[plan->skip_count - 1] : NULL;
    if (last != NULL && last->to == from)
        last->to = to;
    else if (plan->skip_count < PLAN_SKIPS_MAX)
        plan->skips[plan->skip_count++] = (struct plan_skip){from, to};
}

/* In halves, quarters and so on: each part is left out if it can be. Those of a round begin from nothing, so that they stay
 * ascending and join. */
static void leave_out(struct search *search) {
    for (unsigned parts = 2; parts <= PARTS_MAX && parts <= search->best.steps; parts *= 2) {
        struct plan round = search->best;
        round.skip_count = 0;
        for (unsigned part = 0; part < parts && search->runs < RUNS_MAX; part++) {
            unsigned steps = search->best.steps;
            unsigned from = (unsigned)((uint64_t)steps * part / parts),
                     to = (unsigned)((uint64_t)steps * (part + 1) / parts);
            bool was_out = plan_skips(&search->best, from) && plan_skips(&search->best, to - 1);
            struct plan wanted = round;
            add_skip(&wanted, from, to);
            if (was_out) {
                round = wanted;
                continue;
            }
            /* What is left out behind this part stays so. */
            struct plan plan = wanted;
            for (size_t i = 0; i < search->best.skip_count; i++) {
                const struct plan_skip *skip = &search->best.skips[i];
                if (skip->to > to) add_skip(&plan, skip->from > to ? skip->from : to, skip->to);
            }
            if (try_plan(search, &plan)) round = wanted;
        }
    }
}

struct plan shrink(uint64_t seed, const struct plan *plan, const struct outcome *outcome) {
    struct search search = {.seed = seed, .runner = runner_create(1), .best = *plan};
    (void)snprintf(search.kind, sizeof search.kind, "%s", outcome->kind);
    shorten(&search, outcome->step);
    switch_off(&search);
    leave_out(&search);
    shorten(&search, search.best.steps);
    runner_destroy(search.runner);
    return search.best;
}

void print_command(uint64_t seed, const struct plan *plan, const char *after) {
    char text[PLAN_TEXT_BYTES];
    plan_print(plan, text);
#if defined(__SANITIZE_ADDRESS__)
    const char *build = " BUILD=build-asan";
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    const char *build = " BUILD=build-asan";
#else
    const char *build = "";
#endif
#else
    const char *build = "";
#endif
    (void)printf("make sim SEEDS=1 FROM=%" PRIu64 "%s%s%s\n", seed, text, build, after);
}
