/* Scenario restart: everything must be replayed, because nothing is in a checkpoint. */
#include <inttypes.h>

#include "cli/bench.h"
#include "client/server_child.h"
#include "client/timing.h"
#include "client/totals.h"
#include "workload/workload.h"

enum { SETTLE_MS_MAX = 5 * MINUTE_MS };

static enum status settle(const struct server_child *child, struct server_totals *totals, struct failure *failure) {
    struct http_client *client = http_client_create(child->url, HTTP_CLIENT_TIMEOUT_MS);
    enum status status = totals_await(client, SETTLE_MS_MAX, NULL, 0, totals, failure);
    http_client_destroy(client);
    return status;
}

static enum status fill(const struct bench_options *options, const char *path, struct server_child *child,
                        struct server_totals *totals, struct failure *failure) {
    struct bench_sending sending = {0};
    enum status status = bench_send_file(options, child->url, path, &sending, failure);
    return status == STATUS_OK ? settle(child, totals, failure) : status;
}

enum status bench_restart(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                          struct failure *failure) {
    static const char *const never_checkpoint[] = {"--checkpoint-interval", "1h", "--checkpoint-clicks", "1000000000", NULL};
    char path[BENCH_PATH_BYTES];
    struct workload_totals made = {0};
    struct server_child child;
    struct server_totals before = {0}, after = {0};
    enum status status = bench_make_file(options, run, path, &made, failure);
    if (status == STATUS_OK) status = bench_start_server(options, never_checkpoint, &child, failure);
    if (status != STATUS_OK) return status;
    status = fill(options, path, &child, &before, failure);
    server_child_kill(&child);
    if (status != STATUS_OK) return status;

    int64_t begun_ns = timing_now_ns();
    status = bench_start_server(options, never_checkpoint, &child, failure);
    double ready_seconds = (double)(timing_now_ns() - begun_ns) / 1e9;
    if (status != STATUS_OK) return status;
    double cpu_seconds = server_child_cpu_seconds(&child);
    status = settle(&child, &after, failure);
    if (status == STATUS_OK && (after.counted != before.counted || after.duplicate != before.duplicate ||
                                after.accepted != before.accepted || after.counted != made.lines - made.duplicates)) {
        status = failure_set(failure, STATUS_CORRUPT,
                             "the restart changed the counts: accepted %" PRIu64 " -> %" PRIu64 ", counted %" PRIu64
                             " -> %" PRIu64 ", duplicate %" PRIu64 " -> %" PRIu64 ", of %" PRIu64 " different clicks made",
                             before.accepted, after.accepted, before.counted, after.counted, before.duplicate,
                             after.duplicate, made.lines - made.duplicates);
    }
    if (status == STATUS_OK) {
        bench_add(figures, "restart_ready_s", ready_seconds, 2);
        bench_add(figures, "restart_cpu_s", cpu_seconds, 2);
        bench_add(figures, "replayed_clicks", (double)before.accepted, 0);
        bench_add(figures, "peak_rss_mib", (double)server_child_peak_bytes(&child) / (1024 * 1024), 0);
    }
    server_child_kill(&child);
    return status;
}
