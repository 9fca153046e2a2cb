/* `tally bench`: measures this machine. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/bench.h"
#include "cli/cli.h"
#include "cli/verbs.h"
#include "client/table.h"

struct scenario {
    const char *name;
    const char *text;
    uint64_t clicks, seconds; /* when not told */
    bool in_all;              /* one of --scenario all */
    uint64_t clicks_in_all;   /* 0: as many as by its own name */
    enum status (*run)(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                       struct failure *failure);
};

static const struct scenario scenarios[] = {
    {"batches", "NDJSON batches, several in flight, durable and exact", 5000000, 0, true, 0, bench_batches},
    {"freshness", "acknowledged to visible in a query, under load", 0, 20, true, 0, bench_freshness},
    {"restart", "SIGKILL with nothing in a checkpoint, until ready", 10000000, 0, true, 0, bench_restart},
    {"singles", "one click a request, 512 connections, durable and exact", 1000000, 0, true, 0, bench_singles},
    {"sink", "a file sent to a server that only counts lines", 5000000, 0, true, 0, bench_sink},
    {"filters", "batches with 10,000 filters standing, against none", 6000000, 0, true, 0, bench_filters},
    {"queries", "questions over a day of history, under load", 86000000, 30, false, 0, bench_queries},
    {"filtered_queries", "questions by filters over a day of history, under load", 86000000, 30, true, 4000000,
     bench_filtered_queries},
};
enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

void bench_add(struct bench_figures *figures, const char *name, double value, unsigned decimals) {
    size_t i = 0;
    while (i < figures->count && strcmp(figures->figures[i].name, name) != 0) i++;
    CHECK(i < BENCH_FIGURES_MAX);
    struct bench_figure *figure = &figures->figures[i];
    if (i == figures->count) {
        figures->count++;
        snprintf(figure->name, sizeof figure->name, "%s", name);
        figure->decimals = decimals;
    }
    CHECK(figure->runs < BENCH_RUNS_MAX);
    figure->values[figure->runs++] = value;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(const struct bench_figure *figure) {
    CHECK(figure->runs > 0);
    double sorted[BENCH_RUNS_MAX];
    memcpy(sorted, figure->values, figure->runs * sizeof sorted[0]);
    qsort(sorted, figure->runs, sizeof sorted[0], compare_doubles);
    unsigned middle = figure->runs / 2;
    return figure->runs % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/* Whole numbers grouped by thousands, others as they are. */
static void add_value(struct table *table, const struct bench_figure *figure, double value) {
    if (figure->decimals == 0 && value >= 0 && value < 1e18) {
        table_cell_number(table, (uint64_t)(value + 0.5));
        return;
    }
    char text[64];
    snprintf(text, sizeof text, "%.*f", (int)figure->decimals, value);
    table_cell(table, text);
}

static void print_table(const struct bench_figures *figures, unsigned runs) {
    struct table table = {0};
    table_cell(&table, "figure");
    table_cell(&table, "median");
    for (unsigned run = 0; run < runs && runs > 1; run++) {
        char heading[32];
        snprintf(heading, sizeof heading, "run %u", run + 1);
        table_cell(&table, heading);
    }
    table_end_row(&table);
    for (size_t i = 0; i < figures->count; i++) {
        const struct bench_figure *figure = &figures->figures[i];
        CHECK(figure->runs == runs);
        table_cell(&table, figure->name);
        add_value(&table, figure, bench_median(figure));
        for (unsigned run = 0; run < runs && runs > 1; run++) add_value(&table, figure, figure->values[run]);
        table_end_row(&table);
    }
    table_print(&table, stdout, "  ", true);
    table_fini(&table);
}

static void print_json(const char *scenario, const struct bench_figures *figures) {
    printf("{\"scenario\":\"%s\",\"figures\":{", scenario);
    for (size_t i = 0; i < figures->count; i++) {
        const struct bench_figure *figure = &figures->figures[i];
        int decimals = (int)figure->decimals;
        printf("%s\"%s\":{\"median\":%.*f,\"runs\":[", i > 0 ? "," : "", figure->name, decimals, bench_median(figure));
        for (unsigned run = 0; run < figure->runs; run++)
            printf("%s%.*f", run > 0 ? "," : "", decimals, figure->values[run]);
        printf("]}");
    }
    printf("}}\n");
}

static void print_figures(const struct scenario *scenario, const struct bench_figures *figures, unsigned runs,
                          bool as_json) {
    if (as_json) {
        print_json(scenario->name, figures);
        return;
    }
    printf("%s: %s; %u run%s\n", scenario->name, scenario->text, runs, runs == 1 ? "" : "s");
    print_table(figures, runs);
    printf("\n");
}

/* The scenarios take turns, run by run, so that a slow spell of the machine does not hit one of them alone. */
static enum status run_all(const char *wanted, const struct bench_options *options, unsigned runs, bool as_json,
                           struct failure *failure) {
    struct bench_figures *figures = memory_allocate_zeroed(SCENARIOS, sizeof *figures);
    enum status status = STATUS_OK;
    for (unsigned run = 0; run < runs; run++) {
        for (size_t i = 0; i < SCENARIOS && status == STATUS_OK; i++) {
            const bool all = strcmp(wanted, "all") == 0;
            bool chosen = all ? scenarios[i].in_all : strcmp(wanted, scenarios[i].name) == 0;
            if (!chosen) continue;
            struct bench_options own = *options;
            if (own.clicks == 0 && all) own.clicks = scenarios[i].clicks_in_all;
            if (own.clicks == 0) own.clicks = scenarios[i].clicks;
            if (own.seconds == 0) own.seconds = scenarios[i].seconds;
            cli_say("%s, run %u of %u ...", scenarios[i].name, run + 1, runs);
            status = scenarios[i].run(&own, run, &figures[i], failure);
            bench_remove_data(&own);
        }
    }
    for (size_t i = 0; i < SCENARIOS && status == STATUS_OK; i++) {
        if (figures[i].count > 0) print_figures(&scenarios[i], &figures[i], runs, as_json);
    }
    free(figures);
    return status;
}

int verb_bench(int argc, char **argv) {
    static const char *const formats[] = {"text", "json", NULL};
    static const char *const names[] = {"all",  "batches", "freshness", "restart",          "singles",
                                        "sink", "filters", "queries",   "filtered_queries", NULL};
    struct config config;
    struct bench_options options = {.batch_lines = 1000, .connections = 4, .rate = 100000, .questions = 1000, .rankings = 5};
    uint64_t runs = 3;
    const char *scenario = "batches", *format = "text";
    child_flags_collect(&options.flags, CONFIG_FOR_BENCH, argc, argv);
    const struct cli_flag flags[] = {
        {.name = "scenario", .argument = "NAME", .help = "what to measure", .to_text = &scenario, .choices = names},
        {.name = "clicks",
         .argument = "N",
         .help = "clicks in a run; without it 5 million, for restart 10, for each pass of filters 6, for queries 86",
         .to_count = &options.clicks,
         .max = 1000000000},
        {.name = "runs",
         .argument = "N",
         .help = "how often; the medians count",
         .to_count = &runs,
         .min = 1,
         .max = BENCH_RUNS_MAX},
        {.name = "batch",
         .argument = "N",
         .help = "lines in one request",
         .to_count = &options.batch_lines,
         .min = 1,
         .max = 1000000},
        {.name = "connections",
         .argument = "N",
         .help = "requests in flight at once",
         .to_count = &options.connections,
         .min = 1,
         .max = 256},
        {.name = "rate",
         .argument = "N",
         .help = "clicks a second that come in, for freshness and queries; by their stamps, for filters",
         .to_count = &options.rate,
         .min = 1,
         .max = 10000000},
        {.name = "questions",
         .argument = "N",
         .help = "questions a second, for queries",
         .to_count = &options.questions,
         .min = 1,
         .max = 100000},
        {.name = "rankings",
         .argument = "N",
         .help = "rankings a second among them, for filtered_queries; no more than --questions are asked",
         .to_count = &options.rankings,
         .max = 100000},
        {.name = "seconds",
         .argument = "N",
         .help = "how long, for freshness (without it 20) and queries (30)",
         .to_count = &options.seconds,
         .min = 1,
         .max = 86400},
        {.name = "format",
         .argument = "text|json",
         .help = "how to print the figures",
         .to_text = &format,
         .choices = formats},
    };
    const struct cli_usage usage = {
        .verb = "bench",
        .summary = "Measures this machine with made-up clicks; server and sender both run on it.",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .settings = CONFIG_FOR_BENCH,
        .config = &config,
        .notes =
            "Scenarios: batches (clicks a second, cost of a click), freshness (acknowledged to visible), restart (after\n"
            "SIGKILL), singles (one click a request), sink (the sender alone), filters (what 10,000 filters cost),\n"
            "filtered_queries (questions over 24 h of history by filters, under load); all of these, the last with 4 "
            "million\n"
            "clicks; and by its own name queries (the same without filters). By their own names these two have 86 million\n"
            "and need 14 GB of memory. Data goes to a temporary directory under $TMPDIR or /var/tmp; give it a\n"
            "real disk. A wrong count is a failure: exit code 3.\n"};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    struct failure failure = {0};
    if (options.rankings > options.questions) options.rankings = options.questions;
    if (temp_directory_make("bench", "/var/tmp", options.directory, &failure) != STATUS_OK) return cli_fail(&failure);
    enum status status = run_all(scenario, &options, (unsigned)runs, strcmp(format, "json") == 0, &failure);
    temp_directory_remove(options.directory);
    if (status == STATUS_OK) return CLI_DONE;
    int failed = cli_fail(&failure);
    return status == STATUS_CORRUPT ? CLI_DIFFERENT : failed;
}
