/* sim.c: runs simulated nodes under consecutive seeds: `sim --seeds N --from S [--steps N] [--verbose]`.
 *
 * A failure prints its seed and the command that repeats it. The last line is `N passed, M failed`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/world.h"

enum { STEPS_DEFAULT = 6000, COVERAGE_SEEDS_MIN = 200 };

static bool run_seed(uint64_t seed, unsigned steps, struct coverage *coverage) {
    struct world *world = memory_allocate(sizeof *world);
    world_init(world, seed, coverage);
    bool good = world_run(world, steps) && world_compare(world);
    if (!good)
        (void)printf("seed %" PRIu64 " failed: %s\n  repeat: make sim SEEDS=1 FROM=%" PRIu64 "\n", seed, world->problem,
                     seed);
    world_fini(world);
    free(world);
    return good;
}

/* What never happened was not tested: a campaign that is long enough must have seen everything. */
static unsigned report_coverage(const struct coverage *coverage, bool must_be_complete) {
    unsigned missing = 0;
    (void)printf("what happened:");
#define X(name)                                                                                                             \
    (void)printf(" %s=%" PRIu64, #name, coverage->name);                                                                    \
    missing += coverage->name == 0;
    COVERAGE_TABLE(X)
#undef X
    (void)printf("\n");
    if (missing > 0) (void)printf("%u of these never happened%s\n", missing, must_be_complete ? ": failed" : "");
    return must_be_complete && missing > 0 ? 1 : 0;
}

int main(int argc, char **argv) {
    uint64_t seeds = 100, from = 1;
    unsigned steps = STEPS_DEFAULT;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seeds") == 0)
            seeds = value;
        else if (strcmp(argv[i], "--from") == 0)
            from = value;
        else if (strcmp(argv[i], "--steps") == 0)
            steps = (unsigned)value;
        else {
            (void)fprintf(stderr, "usage: sim [--seeds N] [--from SEED] [--steps N]\n");
            return 2;
        }
    }
    struct coverage coverage = {0};
    uint64_t passed = 0, failed = 0;
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        if (run_seed(seed, steps, &coverage))
            passed++;
        else
            failed++;
        if (isatty(STDERR_FILENO)) (void)fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " seeds", seed - from + 1, seeds);
    }
    if (isatty(STDERR_FILENO)) (void)fprintf(stderr, "\n");
    failed += report_coverage(&coverage, seeds >= COVERAGE_SEEDS_MIN);
    (void)printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
