/* bench_pass.h: one of several servers that stand side by side and get the same clicks in turns, a part each: so the
 * machine's mood is the same for all, and the ratio of two of them means something on a machine that is not quiet. */
#pragma once

#include "cli/bench.h"
#include "client/http_client.h"
#include "client/server_child.h"
#include "client/totals.h"

/* {0} is one that has not begun. */
struct bench_pass {
    struct bench_options options; /* with a directory of its own */
    struct server_child child;
    struct http_client *client;
    uint64_t clicks, retries;
    double seconds; /* of sending, each time until everything was counted */
    /* From bench_pass_mark to bench_pass_end: */
    double cpu_seconds;
    struct stage_costs stages;
};

/* A server on options->directory/name/data; `more` as of bench_start_server. */
enum status bench_pass_begin(struct bench_pass *pass, const struct bench_options *options, const char *name,
                             const char *const *more, struct failure *failure) MUST_USE;
/* The costs count from here. */
enum status bench_pass_mark(struct bench_pass *pass, struct failure *failure) MUST_USE;
enum status bench_pass_send(struct bench_pass *pass, const char *path, struct failure *failure) MUST_USE;
/* Until here. STATUS_CORRUPT: the totals are not what was made. */
enum status bench_pass_end(struct bench_pass *pass, const struct workload_totals *made, struct failure *failure) MUST_USE;
enum status bench_pass_stop(struct bench_pass *pass, struct failure *failure) MUST_USE;
/* Also of one that failed, or has not begun. */
void bench_pass_fini(struct bench_pass *pass);
