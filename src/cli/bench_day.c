#include "cli/bench_day.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "cli/cli.h"
#include "client/api.h"
#include "client/asker.h"
#include "client/feed.h"
#include "client/history.h"
#include "client/server_child.h"
#include "client/table.h"
#include "client/timing.h"
#include "client/totals.h"

enum {
    CONNECTIONS = 64,
    ANSWER_MS_MAX = 10 * SECOND_MS,
    SETTLE_MS_MAX = 10 * MINUTE_MS,
    PROGRESS_MS = 10 * SECOND_MS,
};

/* --- the history --- */

enum status bench_day_start_server(const struct bench_options *options, struct server_child *child,
                                   struct failure *failure) {
    static const char *const needed[] = {"--dedup-memory", "6GiB", "--window-memory", "8GiB", "--lateness", "24h", NULL};
    struct bench_options own = *options;
    own.flags.count = 0;
    for (const char *const *flag = needed; *flag != NULL; flag++) child_flags_add(&own.flags, *flag);
    for (unsigned i = 0; i < options->flags.count && own.flags.count < SERVER_CHILD_ARGUMENTS_MAX; i++) {
        child_flags_add(&own.flags, options->flags.at[i]);
    }
    return bench_start_server(&own, NULL, child, failure);
}

enum status bench_day_load(struct bench_day *day, struct bench_figures *figures, struct failure *failure) {
    struct history history = {.workload = day->workload,
                              .lines = day->options->clicks,
                              .span_ms = (int64_t)BENCH_HISTORY_MINUTES * MINUTE_MS,
                              .batch_lines = (uint32_t)day->options->batch_lines,
                              .self = day->self,
                              .made_line = day->made_line};
    const struct sender_options options = {
        .url = day->child->url, .connections = (unsigned)day->options->connections, .give_up_ms = MINUTE_MS};
    const struct sender_source source = {.self = &history, .next = history_next};
    const struct sender_observer observer = {0};
    struct sender *sender = sender_create(&options, &source, &observer);
    int64_t begun_ms = timing_now_ms(), next_ms = begun_ms + PROGRESS_MS;
    enum status status;
    while ((status = sender_step(sender, SECOND_MS, failure)) == STATUS_OK) {
        if (!server_child_alive(day->child, failure)) {
            status = failure->status;
            break;
        }
        if (timing_now_ms() < next_ms) continue;
        char done[TABLE_NUMBER_BYTES], all[TABLE_NUMBER_BYTES];
        cli_say("%s: %s of %s clicks of history loaded", day->scenario, table_number(sender_totals(sender)->accepted, done),
                table_number(history.lines, all));
        next_ms += PROGRESS_MS;
    }
    if (status == STATUS_END) status = STATUS_OK;
    struct server_totals totals = {0};
    if (status == STATUS_OK) status = totals_await(day->client, SETTLE_MS_MAX, NULL, 0, &totals, failure);
    double seconds = (double)(timing_now_ms() - begun_ms) / SECOND_MS;
    day->sent_again += sender_totals(sender)->retries;
    sender_destroy(sender);
    if (status != STATUS_OK) return status;
    bench_add(figures, "history_clicks", (double)totals.accepted, 0);
    bench_add(figures, "history_clicks_per_s", (double)totals.accepted / seconds, 0);
    return STATUS_OK;
}

/* --- questions, and what comes in meanwhile --- */

static unsigned ask_next(void *self, uint64_t number, struct buffer *path) {
    struct bench_asking *asking = self;
    return asking->ask(asking->self, number, path);
}

static void note_answer(void *self, unsigned kind, int64_t took_us, const struct http_answer *answer,
                        const struct failure *why) {
    struct bench_asking *asking = self;
    CHECK(kind < asking->kinds);
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
    struct bench_asking *asking = self;
    const struct asker_options options = {.url = asking->url,
                                          .rate = asking->rate,
                                          .connections = CONNECTIONS,
                                          .timeout_ms = ANSWER_MS_MAX,
                                          .self = asking,
                                          .ask = ask_next,
                                          .answered = note_answer};
    asking->took_ns = asker_run(&options, asking->count);
    atomic_store(&asking->done, true);
    return NULL;
}

static void add_times(const struct bench_day *day, struct bench_asking *asking, struct bench_figures *figures) {
    static const struct {
        const char *name;
        double share;
    } shares[] = {{"p50", 0.5}, {"p99", 0.99}, {"max", 1.0}};
    bench_add(figures, "questions_per_s", (double)asking->count * 1e9 / (double)asking->took_ns, 0);
    for (size_t kind = 0; kind < asking->kinds; kind++) {
        for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
            char name[BENCH_NAME_BYTES];
            snprintf(name, sizeof name, "%s_%s_ms", asking->kind_names[kind], shares[i].name);
            bench_add(figures, name, bench_percentile_ms(asking->took_us[kind], asking->answer_count[kind], shares[i].share),
                      2);
        }
    }
    bench_add(figures, "errors", (double)asking->errors, 0);
    if (asking->errors > 0) cli_say("%s: the first error: %s", day->scenario, asking->first_error.text);
}

enum status bench_day_ask(struct bench_day *day, struct bench_asking *asking, struct bench_figures *figures,
                          struct failure *failure) {
    for (size_t kind = 0; kind < asking->kinds; kind++) {
        asking->took_us[kind] = memory_allocate_zeroed(asking->count, sizeof(uint64_t));
    }
    cli_say("%s: asking %" PRIu64 " questions a second for %" PRIu64 " s", day->scenario, asking->rate,
            asking->count / asking->rate);
    struct feed feed;
    feed_init(&feed, day->workload, day->options->rate);
    feed.self = day->self;
    feed.made_line = day->made_line;
    const struct sender_options options = {.url = day->child->url, .connections = 4, .give_up_ms = MINUTE_MS};
    const struct sender_source source = {.self = &feed, .next = feed_next};
    const struct sender_observer observer = {0};
    struct sender *sender = sender_create(&options, &source, &observer);
    double cpu_before = server_child_cpu_seconds(day->child);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, ask_all, asking) == 0);
    int64_t begun_ns = timing_now_ns();
    enum status status;
    while ((status = sender_step(sender, 50, failure)) == STATUS_OK) {
        if (atomic_load(&asking->done)) feed.stopped = true;
        if (server_child_alive(day->child, failure)) continue;
        status = failure->status;
        break;
    }
    double seconds = (double)(timing_now_ns() - begun_ns) / 1e9;
    double cpu_seconds = server_child_cpu_seconds(day->child) - cpu_before;
    CHECK(pthread_join(thread, NULL) == 0);
    if (status == STATUS_END) {
        status = STATUS_OK;
        bench_add(figures, "fed_clicks_per_s", (double)sender_totals(sender)->accepted / seconds, 0);
        bench_add(figures, "server_cores_busy", cpu_seconds / seconds, 2);
        add_times(day, asking, figures);
    }
    for (size_t kind = 0; kind < asking->kinds; kind++) free(asking->took_us[kind]);
    day->sent_again += sender_totals(sender)->retries;
    sender_destroy(sender);
    return status;
}

/* --- afterwards --- */

enum status bench_day_settle(struct bench_day *day, struct failure *failure) {
    struct server_totals totals;
    enum status status = totals_await(day->client, SETTLE_MS_MAX, NULL, 0, &totals, failure);
    struct workload_totals made = workload_totals(day->workload);
    /* What was sent again is counted once more by the server, as duplicates. */
    if (status == STATUS_OK && day->sent_again == 0) status = bench_check_exact(&made, &totals, failure);
    return status;
}

enum status bench_day_memory(const struct bench_day *day, const char *member, const char *figure,
                             struct bench_figures *figures, struct failure *failure) {
    struct json *json;
    enum status status = api_get(day->client, BYTES_LITERAL("/v1/status"), &json, NULL, failure);
    if (status != STATUS_OK) return status;
    uint64_t bytes = 0;
    if (json_u64(json, member, &bytes)) bench_add(figures, figure, (double)bytes / (1024 * 1024), 1);
    json_destroy(json);
    return STATUS_OK;
}
