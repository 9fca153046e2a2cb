/* bench.h: what `tally bench` measures: each scenario on a server of its own, with the workload of workload.h. How to read
 * the figures: docs/benchmarks.md. Floating point is fine: figures are not counts. */
#pragma once

#include "base/status.h"
#include "base/units.h"
#include "cli/child_flags.h"
#include "client/temp_directory.h"
#include "workload/workload.h"

enum { BENCH_FIGURES_MAX = 64, BENCH_RUNS_MAX = 99, BENCH_NAME_BYTES = 64, BENCH_PATH_BYTES = TEMP_PATH_BYTES + 32 };

/* Figures by name, one value a run; a scenario adds the same names in every run. */
struct bench_figures {
    size_t count;
    struct bench_figure {
        char name[BENCH_NAME_BYTES]; /* with its unit last, "ack_p99_ms" */
        unsigned decimals;
        unsigned runs;
        double values[BENCH_RUNS_MAX];
    } figures[BENCH_FIGURES_MAX];
};
void bench_add(struct bench_figures *figures, const char *name, double value, unsigned decimals);
double bench_median(const struct bench_figure *figure);

struct bench_options {
    uint64_t clicks;
    uint64_t batch_lines, connections; /* of the sender */
    uint64_t rate;                     /* clicks a second that come in; of filters, by their stamps */
    uint64_t questions;                /* a second */
    uint64_t rankings;                 /* of them, of filtered_queries */
    uint64_t seconds;                  /* how long */
    struct child_flags flags;          /* for the server */
    char directory[TEMP_PATH_BYTES];   /* for data and input of the runs; emptied by each */
};

/* One run. A wrong count is a failure (STATUS_CORRUPT), not a figure. */
enum status bench_batches(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                          struct failure *failure) MUST_USE;
enum status bench_freshness(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                            struct failure *failure) MUST_USE;
enum status bench_restart(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                          struct failure *failure) MUST_USE;

enum status bench_queries(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                          struct failure *failure) MUST_USE;
enum status bench_filters(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                          struct failure *failure) MUST_USE;
enum status bench_filtered_queries(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                                   struct failure *failure) MUST_USE;
enum status bench_sink(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                       struct failure *failure) MUST_USE;

enum status bench_singles(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                          struct failure *failure) MUST_USE;

/* --- what the scenarios share --- */
struct http_client;
struct server_child;
struct server_totals;

/* DIRECTORY/clicks.ndjson, stamped near now; what was made goes to `made`. */
enum status bench_make_file(const struct bench_options *options, unsigned run, char path[BENCH_PATH_BYTES],
                            struct workload_totals *made, struct failure *failure) MUST_USE;
/* The same file with the next `lines` clicks of a workload. */
struct bench_making {
    struct workload *workload; /* the caller's, and goes on from file to file */
    struct wall_time begin;    /* `rate` clicks a second from then on; rate 0: stamped as they are made */
    uint64_t rate, lines;
    void *self; /* told of every line */
    void (*made_line)(void *self, struct workload_click click);
};
enum status bench_make_next_file(const struct bench_options *options, const struct bench_making *making,
                                 char path[BENCH_PATH_BYTES], struct failure *failure) MUST_USE;
/* A server on DIRECTORY/data; `more` (NULL-ended, or NULL) are further flags. */
enum status bench_start_server(const struct bench_options *options, const char *const *more, struct server_child *child,
                               struct failure *failure) MUST_USE;
void bench_remove_data(const struct bench_options *options);
/* Pushes the file as `tally send` does. `acks_us` (may be NULL) gets the time of each batch; room for every batch. */
struct bench_sending {
    double seconds; /* from the first byte sent to the last answer */
    double sender_cpu_seconds;
    uint64_t accepted, retries;
    uint64_t *acks_us;
    size_t ack_count;
};
enum status bench_send_file(const struct bench_options *options, const char *url, const char *path,
                            struct bench_sending *sending, struct failure *failure) MUST_USE;
/* Every click is where the generator says: all counted, but for exactly the duplicates that it made (and, of
 * bench_check_sent, what was sent again). */
enum status bench_check_sent(const struct bench_sending *sending, const struct workload_totals *made,
                             const struct server_totals *totals, struct failure *failure) MUST_USE;
enum status bench_check_exact(const struct workload_totals *made, const struct server_totals *totals,
                              struct failure *failure) MUST_USE;
/* Sorts; `share` 0.5 is the median, 1.0 the maximum. 0 when there are none. */
double bench_percentile_ms(uint64_t *times_us, size_t count, double share);
