#include "cli/bench_pass.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/timing.h"

enum { SETTLE_MS_MAX = 5 * MINUTE_MS };

enum status bench_pass_begin(struct bench_pass *pass, const struct bench_options *options, const char *name,
                             const char *const *more, struct failure *failure) {
    char directory[sizeof options->directory + BENCH_NAME_BYTES];
    snprintf(directory, sizeof directory, "%s/%s", options->directory, name);
    if (strlen(directory) >= sizeof pass->options.directory || (mkdir(directory, 0700) != 0 && errno != EEXIST)) {
        return failure_set(failure, STATUS_IO_ERROR, "cannot make %.200s: %s", directory, strerror(errno));
    }
    pass->options = *options;
    memcpy(pass->options.directory, directory, strlen(directory) + 1);
    enum status status = bench_start_server(&pass->options, more, &pass->child, failure);
    if (status == STATUS_OK) pass->client = http_client_create(pass->child.url, HTTP_CLIENT_TIMEOUT_MS);
    return status;
}

enum status bench_pass_mark(struct bench_pass *pass, struct failure *failure) {
    pass->cpu_seconds = server_child_cpu_seconds(&pass->child);
    return stage_costs_ask(pass->client, &pass->stages, failure);
}

enum status bench_pass_send(struct bench_pass *pass, const char *path, struct failure *failure) {
    struct server_totals totals;
    struct bench_sending sending = {0};
    int64_t begun_ns = timing_now_ns();
    enum status status = bench_send_file(&pass->options, pass->child.url, path, &sending, failure);
    if (status == STATUS_OK) status = totals_await(pass->client, SETTLE_MS_MAX, NULL, 0, &totals, failure);
    pass->seconds += (double)(timing_now_ns() - begun_ns) / 1e9;
    pass->clicks += sending.accepted;
    pass->retries += sending.retries;
    return status;
}

enum status bench_pass_end(struct bench_pass *pass, const struct workload_totals *made, struct failure *failure) {
    pass->cpu_seconds = server_child_cpu_seconds(&pass->child) - pass->cpu_seconds;
    struct stage_costs before = pass->stages;
    struct server_totals totals;
    enum status status = stage_costs_ask(pass->client, &pass->stages, failure);
    for (size_t i = 0; i < pass->stages.count && i < before.count; i++) {
        pass->stages.stages[i].cpu_seconds -= before.stages[i].cpu_seconds;
    }
    if (status == STATUS_OK) status = totals_ask(pass->client, &totals, failure);
    const struct bench_sending sending = {.accepted = pass->clicks, .retries = pass->retries};
    return status == STATUS_OK ? bench_check_sent(&sending, made, &totals, failure) : status;
}

enum status bench_pass_stop(struct bench_pass *pass, struct failure *failure) {
    return server_child_stop(&pass->child, NULL, 0, failure);
}

void bench_pass_fini(struct bench_pass *pass) {
    if (pass->client != NULL) http_client_destroy(pass->client);
    server_child_kill(&pass->child);
    if (pass->options.directory[0] != '\0') bench_remove_data(&pass->options);
}
