/* Scenario sink: what the sender can do when the server costs next to nothing. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/bench.h"
#include "cli/bench_sink.h"
#include "workload/workload.h"

enum status bench_sink(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                       struct failure *failure) {
    char path[BENCH_PATH_BYTES];
    struct workload_totals made = {0};
    enum status status = bench_make_file(options, run, path, &made, failure);
    if (status != STATUS_OK) return status;
    struct sink *sink = sink_start();
    struct bench_sending sending = {0};
    double sink_seconds = 0;
    status = bench_send_file(options, sink_url(sink), path, &sending, failure);
    uint64_t lines = sink_stop(sink, &sink_seconds);
    if (status != STATUS_OK) return status;
    if (lines != made.lines || sending.accepted != made.lines) {
        return failure_set(failure, STATUS_CORRUPT,
                           "made %" PRIu64 " lines, the sink got %" PRIu64 ", the sender says %" PRIu64, made.lines, lines,
                           sending.accepted);
    }
    double clicks = (double)lines;
    bench_add(figures, "lines_per_s", clicks / sending.seconds, 0);
    /* Both are threads of this process. */
    bench_add(figures, "sender_cpu_ns_per_line", (sending.sender_cpu_seconds - sink_seconds) * 1e9 / clicks, 0);
    bench_add(figures, "sink_cpu_ns_per_line", sink_seconds * 1e9 / clicks, 0);
    return STATUS_OK;
}
