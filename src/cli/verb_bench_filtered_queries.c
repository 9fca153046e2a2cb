/* Scenario filtered_queries: as queries, but every question by a random one of 10,000 filters that stood before the first
 * click, and rankings so many a second that they do not need the machine for themselves. */
#include "base/check.h"
#include "base/random_sequence.h"
#include "cli/bench.h"
#include "cli/bench_answers.h"
#include "cli/bench_day.h"
#include "cli/bench_filters_made.h"
#include "client/server_child.h"
#include "client/timing.h"
#include "workload/zipf.h"

enum {
    CHECKS = 200,
    RANKED = 32,
    MINUTES_BEFORE = 26 * 60, /* what is made begins no earlier: a day and an hour late, and some */
};

enum question_kind { QUESTION_COUNT, QUESTION_RANK, QUESTION_KINDS };

/* Of the asking thread. */
struct asked {
    struct random_sequence sequence;
    struct zipf ads;
    uint32_t filters;
    uint64_t questions, rankings; /* a second */
};

/* The rankings evenly among the others. */
static unsigned ask_question(void *self, uint64_t number, struct buffer *path) {
    struct asked *asked = self;
    struct random_sequence *sequence = &asked->sequence;
    bool ranking = (number + 1) * asked->rankings / asked->questions > number * asked->rankings / asked->questions;
    struct span span = answers_span(sequence, answers_window(sequence));
    if (ranking) {
        answers_ranking_path(path, span, 0);
    } else {
        answers_count_path(path, zipf_next(&asked->ads, sequence), span);
    }
    answers_filter(path, 1 + (uint32_t)random_sequence_below(sequence, asked->filters));
    return ranking ? QUESTION_RANK : QUESTION_COUNT;
}

static enum status check_answers(struct bench_day *day, const struct filters_made *filters, struct bench_figures *figures,
                                 struct failure *failure) {
    enum status status = bench_day_settle(day, failure);
    struct random_sequence sequence = {.state = 4242};
    for (int i = 0; i < CHECKS && status == STATUS_OK; i++) {
        const struct filters_made_sample at = {filters, (uint32_t)i % FILTERS_MADE_SAMPLED};
        const struct answers_expected expected = filters_made_expected(&at, FILTERS_MADE_ADS);
        struct span span = answers_span(&sequence, answers_window(&sequence));
        status = answers_check_count(day->client, &expected, span, &sequence, failure);
        span = answers_span(&sequence, answers_window(&sequence));
        if (status == STATUS_OK) status = answers_check_ranking(day->client, &expected, span, failure);
    }
    if (status == STATUS_OK) bench_add(figures, "answers_checked", 2 * CHECKS, 0);
    return status;
}

static enum status add_memory(const struct bench_day *day, struct bench_figures *figures, struct failure *failure) {
    static const struct {
        const char *member, *figure;
    } shown[] = {{"memory/window_bytes", "window_memory_mib"},
                 {"slices/bytes", "slices_memory_mib"},
                 {"filters/bytes", "filters_memory_mib"},
                 {"filters/bytes_aggregators", "filters_aggregators_memory_mib"}};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof shown / sizeof shown[0] && status == STATUS_OK; i++) {
        status = bench_day_memory(day, shown[i].member, shown[i].figure, figures, failure);
    }
    bench_add(figures, "peak_rss_mib", (double)server_child_peak_bytes(day->child) / (1024 * 1024), 0);
    return status;
}

static enum status measure(struct bench_day *day, const struct filters_made *filters, struct bench_asking *asking,
                           struct bench_figures *figures, struct failure *failure) {
    enum status status = filters_made_post(filters, RANKED, day->client, failure);
    if (status == STATUS_OK) status = bench_day_load(day, figures, failure);
    if (status == STATUS_OK) bench_add(figures, "atoms_per_click", filters_made_matched(filters), 2);
    if (status == STATUS_OK) status = bench_day_ask(day, asking, figures, failure);
    if (status == STATUS_OK) status = add_memory(day, figures, failure);
    if (status == STATUS_OK) status = check_answers(day, filters, figures, failure);
    return status;
}

enum status bench_filtered_queries(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                                   struct failure *failure) {
    struct server_child child;
    enum status status = bench_day_start_server(options, &child, failure);
    if (status != STATUS_OK) return status;
    int64_t minutes = MINUTES_BEFORE + BENCH_MINUTES_AFTER + (int64_t)options->seconds / 60;
    struct filters_made *filters = filters_made_create(run + 1, timing_wall().ms / MINUTE_MS - MINUTES_BEFORE, minutes);
    const struct workload_pool pool = filters_made_pool(filters, 1);
    struct workload_options making = workload_defaults();
    making.seed = run + 1;
    making.pool = &pool;
    struct bench_day day = {.scenario = "filtered_queries",
                            .options = options,
                            .child = &child,
                            .workload = workload_create(&making),
                            .client = http_client_create(child.url, HTTP_CLIENT_TIMEOUT_MS),
                            .self = filters,
                            .made_line = filters_made_note};
    struct asked asked = {.sequence = {.state = run + 1000},
                          .filters = filters_made_count(filters),
                          .questions = options->questions,
                          .rankings = options->rankings};
    zipf_init(&asked.ads, making.ads);
    struct bench_asking asking = {.url = child.url,
                                  .rate = options->questions,
                                  .count = options->questions * options->seconds,
                                  .kinds = QUESTION_KINDS,
                                  .kind_names = {"count", "rank"},
                                  .self = &asked,
                                  .ask = ask_question};
    status = measure(&day, filters, &asking, figures, failure);
    http_client_destroy(day.client);
    workload_destroy(day.workload);
    filters_made_destroy(filters);
    if (status == STATUS_OK) status = server_child_stop(&child, NULL, 0, failure);
    server_child_kill(&child);
    return status;
}
