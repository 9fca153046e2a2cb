/* Scenario batches, and what it shares with others: a file of clicks, pushed as fast as the server takes it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/check.h"
#include "cli/bench.h"
#include "client/line_source.h"
#include "client/sender.h"
#include "client/server_child.h"
#include "client/timing.h"
#include "client/totals.h"
#include "workload/workload.h"

enum {
    WRITE_BYTES = 1024 * 1024,
    READY_MS_MAX = 5 * MINUTE_MS,
    SETTLE_MS_MAX = 5 * MINUTE_MS,
};

/* --- shared --- */

static struct wall_time stamp(const struct bench_making *making) {
    if (making->rate == 0) return timing_wall();
    double seconds = (double)workload_totals(making->workload).lines / (double)making->rate;
    return (struct wall_time){making->begin.ms + (int64_t)(seconds * SECOND_MS)};
}

enum status bench_make_next_file(const struct bench_options *options, const struct bench_making *making,
                                 char path[BENCH_PATH_BYTES], struct failure *failure) {
    snprintf(path, BENCH_PATH_BYTES, "%s/clicks.ndjson", options->directory);
    FILE *file = fopen(path, "we");
    if (file == NULL) return failure_set(failure, STATUS_IO_ERROR, "cannot write %s: %s", path, strerror(errno));
    struct buffer out = {0};
    for (uint64_t i = 0; i < making->lines; i++) {
        workload_next_json(making->workload, stamp(making), &out);
        if (making->made_line != NULL) making->made_line(making->self, workload_last(making->workload));
        if (out.len < WRITE_BYTES && i + 1 < making->lines) continue;
        fwrite(out.at, 1, out.len, file);
        buffer_clear(&out);
    }
    buffer_fini(&out);
    bool written = !ferror(file);
    written &= fclose(file) == 0;
    return written ? STATUS_OK : failure_set(failure, STATUS_IO_ERROR, "cannot write %s: %s", path, strerror(errno));
}

enum status bench_make_file(const struct bench_options *options, unsigned run, char path[BENCH_PATH_BYTES],
                            struct workload_totals *made, struct failure *failure) {
    struct workload_options workload = workload_defaults();
    workload.seed = run + 1;
    struct bench_making making = {.workload = workload_create(&workload), .lines = options->clicks};
    enum status status = bench_make_next_file(options, &making, path, failure);
    *made = workload_totals(making.workload);
    workload_destroy(making.workload);
    return status;
}

static void data_path(const struct bench_options *options, char path[BENCH_PATH_BYTES]) {
    snprintf(path, BENCH_PATH_BYTES, "%s/data", options->directory);
}

void bench_remove_data(const struct bench_options *options) {
    char path[BENCH_PATH_BYTES];
    data_path(options, path);
    temp_directory_remove(path);
}

enum status bench_start_server(const struct bench_options *options, const char *const *more, struct server_child *child,
                               struct failure *failure) {
    char path[BENCH_PATH_BYTES];
    data_path(options, path);
    struct child_flags flags = options->flags;
    for (; more != NULL && *more != NULL; more++) child_flags_add(&flags, *more);
    return server_child_start(child, path, NULL, flags.at, READY_MS_MAX, failure);
}

static void note_ack(void *self, const struct sender_batch *batch, int64_t took_us) {
    (void)batch;
    struct bench_sending *sending = self;
    if (sending->acks_us != NULL) sending->acks_us[sending->ack_count] = (uint64_t)took_us;
    sending->ack_count++;
}

static double own_cpu_seconds(void) {
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

enum status bench_send_file(const struct bench_options *options, const char *url, const char *path,
                            struct bench_sending *sending, struct failure *failure) {
    char name[BENCH_PATH_BYTES];
    snprintf(name, sizeof name, "%s", path);
    char *const names[] = {name};
    struct line_source *lines = line_source_create(names, 1, (uint32_t)options->batch_lines, NULL);
    const struct sender_options sender_options = {
        .url = url, .connections = (unsigned)options->connections, .give_up_ms = MINUTE_MS};
    const struct sender_source source = {.self = lines, .next = line_source_next};
    const struct sender_observer observer = {.self = sending, .acknowledged = note_ack};
    struct sender *sender = sender_create(&sender_options, &source, &observer);
    double cpu_before = own_cpu_seconds();
    int64_t begun_ns = timing_now_ns();
    enum status status;
    while ((status = sender_step(sender, SECOND_MS, failure)) == STATUS_OK) {
    }
    sending->seconds = (double)(timing_now_ns() - begun_ns) / 1e9;
    sending->sender_cpu_seconds = own_cpu_seconds() - cpu_before;
    sending->accepted = sender_totals(sender)->accepted;
    sending->retries = sender_totals(sender)->retries;
    sender_destroy(sender);
    line_source_destroy(lines);
    return status == STATUS_END ? STATUS_OK : status;
}

enum status bench_check_exact(const struct workload_totals *made, const struct server_totals *totals,
                              struct failure *failure) {
    bool exact = totals->accepted == made->lines && totals->rejected == 0 && totals->pending == 0 &&
                 totals->counted == made->lines - made->duplicates && totals->duplicate == made->duplicates &&
                 totals->conflict == 0 && totals->too_late == 0 && totals->invalid == 0;
    if (exact) return STATUS_OK;
    return failure_set(failure, STATUS_CORRUPT,
                       "the counts are wrong: made %" PRIu64 " lines, %" PRIu64
                       " of them duplicates; the server says accepted "
                       "%" PRIu64 ", rejected %" PRIu64 ", counted %" PRIu64 ", duplicate %" PRIu64 ", conflict %" PRIu64
                       ", too late %" PRIu64 ", invalid %" PRIu64 ", pending %" PRIu64,
                       made->lines, made->duplicates, totals->accepted, totals->rejected, totals->counted, totals->duplicate,
                       totals->conflict, totals->too_late, totals->invalid, totals->pending);
}

/* A retried batch is counted once more by the server, as duplicates: then the generator's numbers are not the server's. */
enum status bench_check_sent(const struct bench_sending *sending, const struct workload_totals *made,
                             const struct server_totals *totals, struct failure *failure) {
    if (sending->retries == 0) return bench_check_exact(made, totals, failure);
    uint64_t counted = made->lines - made->duplicates;
    if (totals->counted == counted && totals_conserved(totals) && totals->conflict == 0 && totals->too_late == 0) {
        return STATUS_OK;
    }
    return failure_set(failure, STATUS_CORRUPT,
                       "the counts are wrong: %" PRIu64 " different clicks were made, %" PRIu64 " counted", counted,
                       totals->counted);
}

static int compare_times(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

double bench_percentile_ms(uint64_t *times_us, size_t count, double share) {
    if (count == 0) return 0;
    qsort(times_us, count, sizeof *times_us, compare_times);
    size_t at = (size_t)(share * (double)count);
    return (double)times_us[at < count ? at : count - 1] / 1000;
}

/* --- the scenario --- */

static void add_figures(const struct bench_sending *sending, const double cpu_seconds[2], double settle_seconds,
                        const struct stage_costs stages[2], uint64_t peak_bytes, struct bench_figures *figures) {
    double clicks = (double)sending->accepted;
    bench_add(figures, "clicks_per_s", clicks / sending->seconds, 0);
    bench_add(figures, "counted_clicks_per_s", clicks / (sending->seconds + settle_seconds), 0);
    bench_add(figures, "ack_p50_ms", bench_percentile_ms(sending->acks_us, sending->ack_count, 0.5), 2);
    bench_add(figures, "ack_p99_ms", bench_percentile_ms(sending->acks_us, sending->ack_count, 0.99), 2);
    bench_add(figures, "server_cpu_ns_per_click", (cpu_seconds[1] - cpu_seconds[0]) * 1e9 / clicks, 0);
    for (size_t i = 0; i < stages[1].count; i++) {
        char name[BENCH_NAME_BYTES];
        double before = i < stages[0].count ? stages[0].stages[i].cpu_seconds : 0;
        snprintf(name, sizeof name, "%s_cpu_ns_per_click", stages[1].stages[i].name);
        bench_add(figures, name, (stages[1].stages[i].cpu_seconds - before) * 1e9 / clicks, 0);
    }
    bench_add(figures, "sender_cpu_ns_per_click", sending->sender_cpu_seconds * 1e9 / clicks, 0);
    bench_add(figures, "peak_rss_mib", (double)peak_bytes / (1024 * 1024), 0);
    bench_add(figures, "retries", (double)sending->retries, 0);
}

static enum status measure(const struct bench_options *options, struct server_child *child, const char *path,
                           const struct workload_totals *made, struct bench_sending *sending, struct bench_figures *figures,
                           struct failure *failure) {
    struct http_client *client = http_client_create(child->url, HTTP_CLIENT_TIMEOUT_MS);
    struct stage_costs stages[2] = {0};
    struct server_totals totals = {0};
    double cpu_seconds[2] = {server_child_cpu_seconds(child), 0};
    enum status status = stage_costs_ask(client, &stages[0], failure);
    if (status == STATUS_OK) status = bench_send_file(options, child->url, path, sending, failure);
    int64_t answered_ns = timing_now_ns();
    if (status == STATUS_OK) status = totals_await(client, SETTLE_MS_MAX, NULL, 0, &totals, failure);
    double settle_seconds = (double)(timing_now_ns() - answered_ns) / 1e9;
    cpu_seconds[1] = server_child_cpu_seconds(child);
    if (status == STATUS_OK) status = stage_costs_ask(client, &stages[1], failure);
    if (status == STATUS_OK) status = bench_check_sent(sending, made, &totals, failure);
    if (status == STATUS_OK) {
        add_figures(sending, cpu_seconds, settle_seconds, stages, server_child_peak_bytes(child), figures);
    }
    http_client_destroy(client);
    return status;
}

enum status bench_batches(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                          struct failure *failure) {
    char path[BENCH_PATH_BYTES];
    struct workload_totals made = {0};
    struct server_child child;
    enum status status = bench_make_file(options, run, path, &made, failure);
    if (status != STATUS_OK) return status;
    status = bench_start_server(options, NULL, &child, failure);
    if (status != STATUS_OK) return status;
    struct bench_sending sending = {0};
    sending.acks_us =
        memory_allocate_zeroed(options->clicks / options->batch_lines + options->clicks / 1000 + 2, sizeof(uint64_t));
    status = measure(options, &child, path, &made, &sending, figures, failure);
    free(sending.acks_us);
    if (status == STATUS_OK) status = server_child_stop(&child, NULL, 0, failure);
    server_child_kill(&child);
    return status;
}
