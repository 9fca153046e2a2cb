/* bench_day.h: what the scenarios of questions share: a day of history, then questions at a fixed rate while clicks come in.
 */
#pragma once

#include <stdatomic.h>

#include "base/random_sequence.h"
#include "cli/bench.h"
#include "client/http_client.h"

enum { BENCH_HISTORY_MINUTES = 24 * 60, BENCH_MINUTES_AFTER = 12 * 60 /* far more than the loading takes */ };

/* All but `sent_again` is the caller's. */
struct bench_day {
    const char *scenario; /* for messages */
    const struct bench_options *options;
    struct server_child *child;
    struct workload *workload;
    struct http_client *client;
    void *self; /* told of every line */
    void (*made_line)(void *self, struct workload_click click);
    uint64_t sent_again;
};

/* A server with the settings that a day needs, before those that were given, which hold. */
enum status bench_day_start_server(const struct bench_options *options, struct server_child *child,
                                   struct failure *failure) MUST_USE;
/* options->clicks of history, until nothing is pending; adds history_*. */
enum status bench_day_load(struct bench_day *day, struct bench_figures *figures, struct failure *failure) MUST_USE;

enum { BENCH_KINDS_MAX = 3 };
struct bench_asking {
    /* The caller's: */
    const char *url;
    uint64_t rate, count; /* questions a second, and in all */
    size_t kinds;
    const char *kind_names[BENCH_KINDS_MAX];
    void *self;
    unsigned (*ask)(void *self, uint64_t number, struct buffer *path); /* as in asker.h; returns a kind */
    /* bench_day_ask's: */
    size_t answer_count[BENCH_KINDS_MAX];
    uint64_t *took_us[BENCH_KINDS_MAX]; /* room for `count` each */
    uint64_t errors;
    struct failure first_error;
    int64_t took_ns;
    atomic_bool done;
};
/* Asks while options->rate clicks a second come in; adds fed_clicks_per_s, server_cores_busy, and of each kind of question
 * KIND_p50_ms, KIND_p99_ms, KIND_max_ms. A question without a 200 is an `errors`, not a failure. */
enum status bench_day_ask(struct bench_day *day, struct bench_asking *asking, struct bench_figures *figures,
                          struct failure *failure) MUST_USE;
/* Waits until nothing is pending. STATUS_CORRUPT: the totals are not what was made. */
enum status bench_day_settle(struct bench_day *day, struct failure *failure) MUST_USE;
/* A number of /v1/status in MiB; a server that does not say it has no such figure. */
enum status bench_day_memory(const struct bench_day *day, const char *member, const char *figure,
                             struct bench_figures *figures, struct failure *failure) MUST_USE;
