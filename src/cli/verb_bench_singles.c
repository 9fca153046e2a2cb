/* Scenario singles: one click a request, on many kept connections, each durable before it is answered. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "cli/bench.h"
#include "client/click_swarm.h"
#include "client/server_child.h"
#include "client/timing.h"
#include "client/totals.h"

enum { SINGLES_CONNECTIONS = 512, SETTLE_MS_MAX = 2 * MINUTE_MS };

static double own_cpu_seconds(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static enum status check(const struct server_totals *totals, uint64_t clicks, struct failure *failure) {
    if (totals->accepted == clicks && totals->counted == clicks && totals->rejected == 0 && totals_conserved(totals))
        return STATUS_OK;
    return failure_set(failure, STATUS_CORRUPT,
                       "the counts are wrong: %" PRIu64 " clicks were sent, %" PRIu64 " accepted, %" PRIu64 " counted",
                       clicks, totals->accepted, totals->counted);
}

static void add_figures(const struct click_swarm_result *result, const struct stage_costs stages[2], double server_seconds,
                        double client_seconds, struct bench_figures *figures) {
    double clicks = (double)result->acks;
    bench_add(figures, "requests_per_s", clicks / result->seconds, 0);
    bench_add(figures, "ack_p50_ms", bench_percentile_ms(result->ack_us, result->acks, 0.5), 2);
    bench_add(figures, "ack_p99_ms", bench_percentile_ms(result->ack_us, result->acks, 0.99), 2);
    bench_add(figures, "ack_max_ms", bench_percentile_ms(result->ack_us, result->acks, 1.0), 2);
    bench_add(figures, "server_cpu_us_per_request", server_seconds * 1e6 / clicks, 2);
    for (size_t i = 0; i < stages[1].count; i++) {
        char name[BENCH_NAME_BYTES];
        double before = i < stages[0].count ? stages[0].stages[i].cpu_seconds : 0;
        snprintf(name, sizeof name, "%s_cpu_us_per_request", stages[1].stages[i].name);
        bench_add(figures, name, (stages[1].stages[i].cpu_seconds - before) * 1e6 / clicks, 2);
    }
    bench_add(figures, "client_cpu_us_per_request", client_seconds * 1e6 / clicks, 2);
}

static enum status measure(const struct bench_options *options, unsigned run, struct server_child *child,
                           struct bench_figures *figures, struct failure *failure) {
    struct http_client *client = http_client_create(child->url, HTTP_CLIENT_TIMEOUT_MS);
    struct click_swarm_options swarm = {.url = child->url,
                                        .connections = SINGLES_CONNECTIONS,
                                        .clicks = options->clicks,
                                        .first = (uint64_t)run * options->clicks};
    struct click_swarm_result result = {.ack_us = memory_allocate_zeroed(options->clicks, sizeof(uint64_t))};
    struct stage_costs stages[2] = {0};
    struct server_totals totals = {0};
    enum status status = stage_costs_ask(client, &stages[0], failure);
    double server = server_child_cpu_seconds(child), own = own_cpu_seconds();
    if (status == STATUS_OK) status = click_swarm_run(&swarm, &result, failure);
    own = own_cpu_seconds() - own;
    if (status == STATUS_OK) status = totals_await(client, SETTLE_MS_MAX, NULL, 0, &totals, failure);
    server = server_child_cpu_seconds(child) - server;
    if (status == STATUS_OK) status = stage_costs_ask(client, &stages[1], failure);
    if (status == STATUS_OK) status = check(&totals, options->clicks, failure);
    if (status == STATUS_OK) add_figures(&result, stages, server, own, figures);
    free(result.ack_us);
    http_client_destroy(client);
    return status;
}

enum status bench_singles(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                          struct failure *failure) {
    struct server_child child;
    enum status status = bench_start_server(options, NULL, &child, failure);
    if (status != STATUS_OK) return status;
    status = measure(options, run, &child, figures, failure);
    if (status == STATUS_OK) status = server_child_stop(&child, NULL, 0, failure);
    server_child_kill(&child);
    return status;
}
