/* click_load URL SECONDS [RATE]: the workload of docs/benchmarks.md, to a server as `tally send` would send it, as fast as
 * it takes it, or RATE clicks a second. What was made and how long the answers took, on standard output as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "client/sender.h"
#include "client/timing.h"
#include "workload/workload.h"

enum { BATCH_LINES = 1000, CONNECTIONS = 4, TIMES_MAX = 4 * 1000 * 1000 };

struct load {
    struct workload *workload;
    int64_t begin_ns, end_ns, last_ns;
    uint64_t rate;    /* 0: as fast as it goes */
    uint64_t *ack_us; /* from a batch's last attempt to its answer */
    size_t ack_count;
    int64_t silence_ns_max; /* without any answer: also shows a server that refuses for a while */
};

static enum status next_batch(void *self, struct sender_batch *batch, struct sender_pause *pause, struct failure *failure) {
    (void)failure;
    struct load *load = self;
    int64_t now_ns = timing_now_ns();
    if (now_ns >= load->end_ns || load->ack_count == TIMES_MAX) return STATUS_END;
    uint64_t made = workload_totals(load->workload).lines;
    if (load->rate > 0 && made > (uint64_t)((double)(now_ns - load->begin_ns) / 1e9 * (double)load->rate)) {
        *pause = (struct sender_pause){.readable_fd = -1, .until_ms = timing_now_ms() + 1};
        return STATUS_AGAIN;
    }
    buffer_clear(&batch->body);
    struct wall_time now = timing_wall();
    for (int i = 0; i < BATCH_LINES; i++) workload_next_json(load->workload, now, &batch->body);
    batch->content_type = SENDER_NDJSON;
    batch->file = "synthetic clicks";
    batch->first_line = 1;
    batch->line_count = BATCH_LINES;
    return STATUS_OK;
}

static void note_acknowledged(void *self, const struct sender_batch *batch, int64_t took_us) {
    (void)batch;
    struct load *load = self;
    int64_t now_ns = timing_now_ns();
    if (now_ns - load->last_ns > load->silence_ns_max) load->silence_ns_max = now_ns - load->last_ns;
    load->last_ns = now_ns;
    if (load->ack_count < TIMES_MAX) load->ack_us[load->ack_count++] = (uint64_t)took_us;
}

static int compare_times(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double ack_ms(const struct load *load, double share) {
    size_t at = (size_t)(share * (double)load->ack_count);
    return (double)load->ack_us[at < load->ack_count ? at : load->ack_count - 1] / 1000;
}

int main(int count, char **arguments) {
    CHECKF(count >= 3, "usage: click_load URL SECONDS [RATE]");
    struct workload_options options = workload_defaults();
    options.seed = (uint64_t)timing_wall().ms; /* not the clicks of another run */
    struct load load = {.workload = workload_create(&options), .begin_ns = timing_now_ns()};
    load.end_ns = load.begin_ns + strtoll(arguments[2], NULL, 10) * 1000000000;
    load.last_ns = load.begin_ns;
    load.rate = count > 3 ? strtoull(arguments[3], NULL, 10) : 0;
    load.ack_us = memory_allocate(TIMES_MAX * sizeof *load.ack_us);
    const struct sender_options sending = {.url = arguments[1], .connections = CONNECTIONS, .give_up_ms = MINUTE_MS};
    const struct sender_source source = {.self = &load, .next = next_batch};
    const struct sender_observer observer = {.self = &load, .acknowledged = note_acknowledged};
    struct sender *sender = sender_create(&sending, &source, &observer);
    struct failure failure = {0};
    enum status status;
    while ((status = sender_step(sender, SECOND_MS, &failure)) == STATUS_OK) {
    }
    CHECKF(status == STATUS_END && load.ack_count > 0, "%s", failure.text);
    struct workload_totals totals = workload_totals(load.workload);
    qsort(load.ack_us, load.ack_count, sizeof *load.ack_us, compare_times);
    (void)printf("{\"lines\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"retries\":%" PRIu64
                 ",\"ack_p50_ms\":%.1f,\"ack_p99_ms\":%.1f,\"ack_max_ms\":%.1f,\"silence_max_ms\":%.1f}\n",
                 totals.lines, totals.duplicates, sender_totals(sender)->retries, ack_ms(&load, 0.5), ack_ms(&load, 0.99),
                 ack_ms(&load, 1.0), (double)load.silence_ns_max / 1e6);
    sender_destroy(sender);
    workload_destroy(load.workload);
    free(load.ack_us);
    return 0;
}
