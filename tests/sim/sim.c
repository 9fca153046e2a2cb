/* sim.c: runs simulated nodes under consecutive seeds:
 *     sim [--seeds N] [--from S] [--jobs N] [--seconds N] [--failures N] [--shrunk N]
 *         [--steps N] [--without EVENT,...] [--skip FROM-TO,...]
 * It ends early after that many seconds or failures; so many failures are made small. The third line takes things out of
 * the runs.
 *
 * A failure prints its seed, the command that repeats it, and the same with less in it. The last line is `N passed, M
 * failed`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/campaign.h"

/* What is long enough to have seen everything, how many failures are made small, and how many are told of. */
enum { COVERAGE_SEEDS_MIN = 200, SHRUNK_DEFAULT = 3, FAILURES_MAX = 64 };

struct arguments {
    uint64_t seeds, from, jobs, seconds, failures, shrunk;
    struct plan plan;
};

struct failed_seed {
    uint64_t seed;
    struct outcome outcome;
};

struct campaign {
    struct coverage coverage;
    uint64_t passed, failed, simulated_ms;
    struct failed_seed *failures[FAILURES_MAX];
};

static void take(void *context, uint64_t seed, const struct outcome *outcome) {
    struct campaign *campaign = context;
    campaign->simulated_ms += (uint64_t)outcome->simulated_ms;
#define X(name) campaign->coverage.name += outcome->coverage.name;
    COVERAGE_TABLE(NO_GROUP, X)
#undef X
    if (outcome->good) {
        campaign->passed++;
        return;
    }
    if (campaign->failed < FAILURES_MAX) {
        struct failed_seed *failure = memory_allocate(sizeof *failure);
        *failure = (struct failed_seed){seed, *outcome};
        campaign->failures[campaign->failed] = failure;
    }
    campaign->failed++;
    (void)fprintf(stderr, "seed %" PRIu64 " failed\n", seed);
}

static void report_failures(struct campaign *campaign, const struct arguments *arguments) {
    const struct plan *plan = &arguments->plan;
    for (uint64_t i = 0; i < campaign->failed && i < FAILURES_MAX; i++) {
        struct failed_seed *failure = campaign->failures[i];
        (void)printf("seed %" PRIu64 " failed at step %u: %s\n  repeat: ", failure->seed, failure->outcome.step,
                     failure->outcome.problem);
        print_command(failure->seed, plan, "");
        (void)fflush(stdout);
        if (i < arguments->shrunk && plan->skip_count == 0) {
            struct plan small = shrink(failure->seed, plan, &failure->outcome);
            (void)printf("  with less in it: ");
            print_command(failure->seed, &small, "");
        }
        free(failure);
    }
}

struct table {
    unsigned column, missing;
};

static void print_heading(struct table *table, const char *heading) {
    (void)printf("%s  %s\n", table->column % 2 == 0 ? "" : "\n", heading);
    table->column = 0;
}

static void print_point(struct table *table, const char *name, uint64_t count) {
    (void)printf("    %-34s %12" PRIu64 "%s", name, count, ++table->column % 2 == 0 ? "\n" : "");
    table->missing += count == 0;
}

/* What never happened was not tested: a campaign that is long enough must have seen everything. */
static unsigned report_coverage(const struct coverage *coverage, bool must_be_complete) {
    struct table table = {0};
    (void)printf("what happened:\n");
#define GROUP(heading) print_heading(&table, heading);
#define X(name) print_point(&table, #name, coverage->name);
    COVERAGE_TABLE(GROUP, X)
#undef X
#undef GROUP
    (void)printf(table.column % 2 == 0 ? "" : "\n");
    if (table.missing > 0) (void)printf("%u of these never happened%s\n", table.missing, must_be_complete ? ": failed" : "");
    return must_be_complete && table.missing > 0 ? 1 : 0;
}

/* "53,000": two digits of it, and thousands apart. */
static void print_ratio(double ratio) {
    uint64_t unit = 1, value = ratio < 1 ? 1 : (uint64_t)ratio;
    while (value / unit >= 100) unit *= 10;
    value = (value + unit / 2) / unit * unit;
    if (value >= 1000000)
        (void)printf("%" PRIu64 ",%03" PRIu64 ",%03" PRIu64 " to 1", value / 1000000, value / 1000 % 1000, value % 1000);
    else if (value >= 1000)
        (void)printf("%" PRIu64 ",%03" PRIu64 " to 1", value / 1000, value % 1000);
    else
        (void)printf("%" PRIu64 " to 1", value);
}

static bool read_arguments(int argc, char **argv, struct arguments *arguments) {
    *arguments = (struct arguments){
        .seeds = 100, .from = 1, .jobs = 1, .failures = UINT64_MAX, .shrunk = SHRUNK_DEFAULT, .plan = {.steps = PLAN_STEPS}};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) return false;
        const char *name = argv[i], *text = argv[i + 1];
        uint64_t value = strtoull(text, NULL, 10);
        if (strcmp(name, "--seeds") == 0)
            arguments->seeds = value;
        else if (strcmp(name, "--from") == 0)
            arguments->from = value;
        else if (strcmp(name, "--jobs") == 0 && value > 0)
            arguments->jobs = value;
        else if (strcmp(name, "--seconds") == 0)
            arguments->seconds = value;
        else if (strcmp(name, "--failures") == 0)
            arguments->failures = value;
        else if (strcmp(name, "--shrunk") == 0)
            arguments->shrunk = value;
        else if (strcmp(name, "--steps") == 0)
            arguments->plan.steps = (unsigned)value;
        else if (strcmp(name, "--without") == 0 ? !plan_parse_without(&arguments->plan, text)
                                                : strcmp(name, "--skip") != 0 || !plan_parse_skip(&arguments->plan, text))
            return false;
    }
    return true;
}

static double seconds_since(const struct timespec *began) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
}

int main(int argc, char **argv) {
    struct arguments arguments;
    struct timespec began;
    if (!read_arguments(argc, argv, &arguments)) {
        (void)fprintf(stderr, "usage: sim [--seeds N] [--from SEED] [--jobs N] [--seconds N] [--failures N] [--shrunk N] "
                              "[--steps N] [--without EVENT,...] [--skip FROM-TO,...]\n");
        return 2;
    }
    struct campaign campaign = {0};
    struct runner *runner = runner_create((unsigned)arguments.jobs);
    uint64_t ran = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    for (; ran < arguments.seeds; ran++) {
        if (arguments.seconds > 0 && seconds_since(&began) > (double)arguments.seconds) break;
        if (campaign.failed >= arguments.failures) break;
        runner_start(runner, arguments.from + ran, &arguments.plan, take, &campaign);
        if (isatty(STDERR_FILENO)) (void)fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " seeds", ran + 1, arguments.seeds);
    }
    runner_finish(runner, take, &campaign);
    runner_destroy(runner);
    if (isatty(STDERR_FILENO)) (void)fprintf(stderr, "\n");
    double seconds = seconds_since(&began);
    unsigned missing = report_coverage(&campaign.coverage, ran >= COVERAGE_SEEDS_MIN);
    report_failures(&campaign, &arguments);
    campaign.failed += missing;
    (void)printf("%" PRIu64 " seeds, simulated %.0f h in %.1f s, ", ran, (double)campaign.simulated_ms / 3600e3, seconds);
    print_ratio((double)campaign.simulated_ms / 1e3 / seconds);
    (void)printf("\n");
    (void)printf("%" PRIu64 " passed, %" PRIu64 " failed\n", campaign.passed, campaign.failed);
    return campaign.failed == 0 ? 0 : 1;
}
