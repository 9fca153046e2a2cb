/* Scenario queries: questions at a fixed rate over a full day of history, while clicks come in. */
#include "base/random_sequence.h"
#include "cli/bench.h"
#include "cli/bench_answers.h"
#include "cli/bench_day.h"
#include "cli/bench_made.h"
#include "client/server_child.h"
#include "client/timing.h"
#include "workload/zipf.h"

enum { CHECKS = 200 };

enum question_kind { QUESTION_COUNT, QUESTION_RANK_CONFIGURED, QUESTION_RANK_ANY, QUESTION_KINDS };
static const unsigned configured_windows[] = {1, 5, 15, 60, 1440};

/* Of the asking thread. */
struct asked {
    struct random_sequence sequence;
    struct zipf ads;
};

static unsigned ask_question(void *self, uint64_t number, struct buffer *path) {
    (void)number;
    struct asked *asked = self;
    struct random_sequence *sequence = &asked->sequence;
    if (random_sequence_below(sequence, 10) > 0) {
        uint32_t ad = zipf_next(&asked->ads, sequence);
        answers_count_path(path, ad, answers_span(sequence, answers_window(sequence)));
        return QUESTION_COUNT;
    }
    if (random_sequence_below(sequence, 2) > 0) {
        size_t which = random_sequence_below(sequence, sizeof configured_windows / sizeof configured_windows[0]);
        buffer_printf(path, "/v1/ads/popular_ads?window=%u", configured_windows[which]);
        return QUESTION_RANK_CONFIGURED;
    }
    answers_ranking_path(path, answers_span(sequence, answers_window(sequence)), 0);
    return QUESTION_RANK_ANY;
}

static enum status check_answers(struct bench_day *day, const struct made *made, struct bench_figures *figures,
                                 struct failure *failure) {
    enum status status = bench_day_settle(day, failure);
    const struct answers_expected expected = answers_of_made(made);
    struct random_sequence sequence = {.state = 4242};
    for (int i = 0; i < CHECKS && status == STATUS_OK; i++) {
        struct span span = answers_span(&sequence, answers_window(&sequence));
        status = answers_check_count(day->client, &expected, span, &sequence, failure);
        span = answers_span(&sequence, answers_window(&sequence));
        if (status == STATUS_OK) status = answers_check_ranking(day->client, &expected, span, failure);
    }
    if (status == STATUS_OK) bench_add(figures, "answers_checked", 2 * CHECKS, 0);
    return status;
}

static enum status measure(struct bench_day *day, struct bench_asking *asking, struct bench_figures *figures,
                           struct failure *failure) {
    enum status status = bench_day_load(day, figures, failure);
    if (status == STATUS_OK) status = bench_day_ask(day, asking, figures, failure);
    if (status == STATUS_OK) {
        status = bench_day_memory(day, "memory/window_bytes", "window_memory_mib", figures, failure);
    }
    if (status == STATUS_OK) {
        bench_add(figures, "peak_rss_mib", (double)server_child_peak_bytes(day->child) / (1024 * 1024), 0);
        status = check_answers(day, day->self, figures, failure);
    }
    return status;
}

enum status bench_queries(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                          struct failure *failure) {
    struct server_child child;
    enum status status = bench_day_start_server(options, &child, failure);
    if (status != STATUS_OK) return status;
    struct workload_options making = workload_defaults();
    making.seed = run + 1;
    struct made *made = made_create(timing_wall(), BENCH_MINUTES_AFTER + (int64_t)options->seconds / 60);
    struct bench_day day = {.scenario = "queries",
                            .options = options,
                            .child = &child,
                            .workload = workload_create(&making),
                            .client = http_client_create(child.url, HTTP_CLIENT_TIMEOUT_MS),
                            .self = made,
                            .made_line = made_note};
    struct asked asked = {.sequence = {.state = run + 1000}};
    zipf_init(&asked.ads, making.ads);
    struct bench_asking asking = {.url = child.url,
                                  .rate = options->questions,
                                  .count = options->questions * options->seconds,
                                  .kinds = QUESTION_KINDS,
                                  .kind_names = {"count", "rank_configured", "rank_any"},
                                  .self = &asked,
                                  .ask = ask_question};
    status = measure(&day, &asking, figures, failure);
    http_client_destroy(day.client);
    workload_destroy(day.workload);
    made_destroy(made);
    if (status == STATUS_OK) status = server_child_stop(&child, NULL, 0, failure);
    server_child_kill(&child);
    return status;
}
