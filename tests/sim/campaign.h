/* campaign.h: many runs, each in a process of its own, so that one that aborts or hangs is a failed seed like any other. */
#pragma once

#include "sim/world.h"

enum { KIND_BYTES = 256 };

/* What a run leaves behind for its parent, in shared memory. */
struct outcome {
    struct coverage coverage;
    bool ended;    /* it came to its end, good or bad */
    bool good;     /* and nothing was wrong */
    unsigned step; /* it was here last */
    int64_t simulated_ms;
    char problem[1024];
    char kind[KIND_BYTES]; /* two failures of one kind are alike */
};

struct runner;
/* `jobs` runs at a time. */
struct runner *runner_create(unsigned jobs);
void runner_destroy(struct runner *runner);
/* Waits until one may start, and starts it. `done` is told of each that has ended, from within start and finish. */
typedef void run_done(void *context, uint64_t seed, const struct outcome *outcome);
void runner_start(struct runner *runner, uint64_t seed, const struct plan *plan, run_done *done, void *context);
void runner_finish(struct runner *runner, run_done *done, void *context);

/* --- shrink.c --- */
/* A smaller plan that fails in the same way, found by leaving things out for as long as that is so. */
struct plan shrink(uint64_t seed, const struct plan *plan, const struct outcome *outcome);
/* "make sim SEEDS=1 FROM=..." */
void print_command(uint64_t seed, const struct plan *plan, const char *after);
