/* Scenario queries: questions at a fixed rate over a full day of history, while clicks come in. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/random_sequence.h"
#include "cli/bench.h"
#include "cli/bench_answers.h"
#include "cli/bench_made.h"
#include "cli/cli.h"
#include "client/api.h"
#include "client/asker.h"
#include "client/feed.h"
#include "client/history.h"
#include "client/server_child.h"
#include "client/table.h"
#include "client/timing.h"
#include "client/totals.h"
#include "workload/zipf.h"

enum {
    HISTORY_MINUTES = 24 * 60,
    CONNECTIONS = 64,
    ANSWER_MS_MAX = 10 * SECOND_MS,
    SETTLE_MS_MAX = 10 * MINUTE_MS,
    PROGRESS_MS = 10 * SECOND_MS,
    MADE_MINUTES_AFTER = 12 * 60, /* far more than the loading takes */
    CHECKS = 200,
};

enum question_kind { QUESTION_COUNT, QUESTION_RANK_CONFIGURED, QUESTION_RANK_ANY, QUESTION_KINDS };
static const char *const kind_names[QUESTION_KINDS] = {"count", "rank_configured", "rank_any"};
static const unsigned configured_windows[] = {1, 5, 15, 60, 1440};

/* Of the asking thread. */
struct asking {
    const char *url;
    uint64_t rate, count;
    struct random_sequence sequence;
    struct zipf ads;
    size_t answer_count[QUESTION_KINDS];
    uint64_t *took_us[QUESTION_KINDS]; /* room for `count` each */
    uint64_t errors;
    struct failure first_error;
    int64_t took_ns;
    atomic_bool done;
};

/* --- questions --- */

static unsigned ask_question(void *self, uint64_t number, struct buffer *path) {
    (void)number;
    struct asking *asking = self;
    struct random_sequence *sequence = &asking->sequence;
    if (random_sequence_below(sequence, 10) > 0) {
        uint32_t ad = zipf_next(&asking->ads, sequence);
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

static void note_answer(void *self, unsigned kind, int64_t took_us, const struct http_answer *answer,
                        const struct failure *why) {
    struct asking *asking = self;
    CHECK(kind < QUESTION_KINDS);
    asking->took_us[kind][asking->answer_count[kind]++] = (uint64_t)took_us;
    if (answer != NULL && answer->http_status == 200) return;
    asking->errors++;
    if (answer != NULL) {
        api_problem(asking->url, answer, &asking->first_error);
    } else {
        failure_set(&asking->first_error, why->status, "%s", why->text);
    }
}

static void *ask_all(void *self) {
    struct asking *asking = self;
    const struct asker_options options = {.url = asking->url,
                                          .rate = asking->rate,
                                          .connections = CONNECTIONS,
                                          .timeout_ms = ANSWER_MS_MAX,
                                          .self = asking,
                                          .ask = ask_question,
                                          .answered = note_answer};
    asking->took_ns = asker_run(&options, asking->count);
    atomic_store(&asking->done, true);
    return NULL;
}

/* --- the history, and what comes in meanwhile --- */

struct loading {
    struct server_child *child;
    const struct bench_options *options;
    struct workload *workload;
    struct made *made;
    struct http_client *client;
    uint64_t sent_again;
};

static enum status load_history(struct loading *loading, struct bench_figures *figures, struct failure *failure) {
    struct history history = {.workload = loading->workload,
                              .lines = loading->options->clicks,
                              .span_ms = (int64_t)HISTORY_MINUTES * MINUTE_MS,
                              .batch_lines = (uint32_t)loading->options->batch_lines,
                              .self = loading->made,
                              .made_line = made_note};
    const struct sender_options options = {
        .url = loading->child->url, .connections = (unsigned)loading->options->connections, .give_up_ms = MINUTE_MS};
    const struct sender_source source = {.self = &history, .next = history_next};
    const struct sender_observer observer = {0};
    struct sender *sender = sender_create(&options, &source, &observer);
    int64_t begun_ms = timing_now_ms(), next_ms = begun_ms + PROGRESS_MS;
    enum status status;
    while ((status = sender_step(sender, SECOND_MS, failure)) == STATUS_OK) {
        if (!server_child_alive(loading->child, failure)) {
            status = failure->status;
            break;
        }
        if (timing_now_ms() < next_ms) continue;
        char done[TABLE_NUMBER_BYTES], all[TABLE_NUMBER_BYTES];
        cli_say("queries: %s of %s clicks of history loaded", table_number(sender_totals(sender)->accepted, done),
                table_number(history.lines, all));
        next_ms += PROGRESS_MS;
    }
    if (status == STATUS_END) status = STATUS_OK;
    struct server_totals totals = {0};
    if (status == STATUS_OK) status = totals_await(loading->client, SETTLE_MS_MAX, NULL, 0, &totals, failure);
    double seconds = (double)(timing_now_ms() - begun_ms) / SECOND_MS;
    loading->sent_again += sender_totals(sender)->retries;
    sender_destroy(sender);
    if (status != STATUS_OK) return status;
    bench_add(figures, "history_clicks", (double)totals.accepted, 0);
    bench_add(figures, "history_clicks_per_s", (double)totals.accepted / seconds, 0);
    return STATUS_OK;
}

static enum status feed_while_asking(struct loading *loading, struct asking *asking, struct bench_figures *figures,
                                     struct failure *failure) {
    struct feed feed;
    feed_init(&feed, loading->workload, loading->options->rate);
    feed.self = loading->made;
    feed.made_line = made_note;
    const struct sender_options options = {.url = loading->child->url, .connections = 4, .give_up_ms = MINUTE_MS};
    const struct sender_source source = {.self = &feed, .next = feed_next};
    const struct sender_observer observer = {0};
    struct sender *sender = sender_create(&options, &source, &observer);
    double cpu_before = server_child_cpu_seconds(loading->child);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, ask_all, asking) == 0);
    int64_t begun_ns = timing_now_ns();
    enum status status;
    while ((status = sender_step(sender, 50, failure)) == STATUS_OK) {
        if (atomic_load(&asking->done)) feed.stopped = true;
        if (server_child_alive(loading->child, failure)) continue;
        status = failure->status;
        break;
    }
    double seconds = (double)(timing_now_ns() - begun_ns) / 1e9;
    double cpu_seconds = server_child_cpu_seconds(loading->child) - cpu_before;
    CHECK(pthread_join(thread, NULL) == 0);
    if (status == STATUS_END) {
        status = STATUS_OK;
        bench_add(figures, "fed_clicks_per_s", (double)sender_totals(sender)->accepted / seconds, 0);
        bench_add(figures, "server_cores_busy", cpu_seconds / seconds, 2);
    }
    loading->sent_again += sender_totals(sender)->retries;
    sender_destroy(sender);
    return status;
}

static enum status check_answers(const struct loading *loading, struct bench_figures *figures, struct failure *failure) {
    struct server_totals totals;
    enum status status = totals_await(loading->client, SETTLE_MS_MAX, NULL, 0, &totals, failure);
    struct workload_totals made = workload_totals(loading->workload);
    if (status == STATUS_OK && loading->sent_again == 0) status = bench_check_exact(&made, &totals, failure);
    struct random_sequence sequence = {.state = 4242};
    for (int i = 0; i < CHECKS && status == STATUS_OK; i++) {
        status = answers_check_count(loading->client, loading->made, &sequence, failure);
        if (status == STATUS_OK) status = answers_check_ranking(loading->client, loading->made, &sequence, failure);
    }
    if (status == STATUS_OK) bench_add(figures, "answers_checked", 2 * CHECKS, 0);
    return status;
}

/* --- the scenario --- */

static void add_times(struct asking *asking, struct bench_figures *figures) {
    static const struct {
        const char *name;
        double share;
    } shares[] = {{"p50", 0.5}, {"p99", 0.99}, {"max", 1.0}};
    bench_add(figures, "questions_per_s", (double)asking->count * 1e9 / (double)asking->took_ns, 0);
    for (size_t kind = 0; kind < QUESTION_KINDS; kind++) {
        for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
            char name[BENCH_NAME_BYTES];
            snprintf(name, sizeof name, "%s_%s_ms", kind_names[kind], shares[i].name);
            bench_add(figures, name, bench_percentile_ms(asking->took_us[kind], asking->answer_count[kind], shares[i].share),
                      2);
        }
    }
    bench_add(figures, "errors", (double)asking->errors, 0);
    if (asking->errors > 0) cli_say("queries: the first error: %s", asking->first_error.text);
}

/* What the server says about the minutes that it holds by ad; a server that says nothing has no such figure. */
static enum status add_memory(const struct loading *loading, struct bench_figures *figures, struct failure *failure) {
    struct json *json;
    enum status status = api_get(loading->client, BYTES_LITERAL("/v1/status"), &json, NULL, failure);
    if (status != STATUS_OK) return status;
    uint64_t bytes = 0;
    if (json_u64(json, "memory/window_bytes", &bytes)) {
        bench_add(figures, "window_memory_mib", (double)bytes / (1024 * 1024), 0);
    }
    json_destroy(json);
    bench_add(figures, "peak_rss_mib", (double)server_child_peak_bytes(loading->child) / (1024 * 1024), 0);
    return STATUS_OK;
}

static enum status measure(struct loading *loading, struct asking *asking, struct bench_figures *figures,
                           struct failure *failure) {
    enum status status = load_history(loading, figures, failure);
    if (status == STATUS_OK) {
        cli_say("queries: asking %" PRIu64 " questions a second for %" PRIu64 " s", asking->rate,
                asking->count / asking->rate);
        status = feed_while_asking(loading, asking, figures, failure);
    }
    if (status == STATUS_OK) add_times(asking, figures);
    if (status == STATUS_OK) status = add_memory(loading, figures, failure);
    if (status == STATUS_OK) status = check_answers(loading, figures, failure);
    return status;
}

/* The settings that this scenario needs, before those that were given, which hold. */
static enum status start_server(const struct bench_options *options, struct server_child *child, struct failure *failure) {
    static const char *const needed[] = {"--dedup-memory", "6GiB", "--window-memory", "8GiB", "--lateness", "24h", NULL};
    struct bench_options own = *options;
    own.flags.count = 0;
    for (const char *const *flag = needed; *flag != NULL; flag++) child_flags_add(&own.flags, *flag);
    for (unsigned i = 0; i < options->flags.count && own.flags.count < SERVER_CHILD_ARGUMENTS_MAX; i++) {
        child_flags_add(&own.flags, options->flags.at[i]);
    }
    return bench_start_server(&own, NULL, child, failure);
}

enum status bench_queries(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                          struct failure *failure) {
    struct server_child child;
    enum status status = start_server(options, &child, failure);
    if (status != STATUS_OK) return status;
    struct workload_options making = workload_defaults();
    making.seed = run + 1;
    struct loading loading = {.child = &child,
                              .options = options,
                              .workload = workload_create(&making),
                              .made = made_create(timing_wall(), MADE_MINUTES_AFTER + (int64_t)options->seconds / 60),
                              .client = http_client_create(child.url, HTTP_CLIENT_TIMEOUT_MS)};
    struct asking asking = {.url = child.url,
                            .rate = options->questions,
                            .count = options->questions * options->seconds,
                            .sequence = {.state = run + 1000}};
    zipf_init(&asking.ads, making.ads);
    for (size_t kind = 0; kind < QUESTION_KINDS; kind++) {
        asking.took_us[kind] = memory_allocate_zeroed(asking.count, sizeof(uint64_t));
    }
    status = measure(&loading, &asking, figures, failure);
    for (size_t kind = 0; kind < QUESTION_KINDS; kind++) free(asking.took_us[kind]);
    http_client_destroy(loading.client);
    made_destroy(loading.made);
    workload_destroy(loading.workload);
    if (status == STATUS_OK) status = server_child_stop(&child, NULL, 0, failure);
    server_child_kill(&child);
    return status;
}
