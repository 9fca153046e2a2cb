/* metrics.c: what a monitoring system reads, in the Prometheus text format 0.0.4. The table below is the one list of all
 * metrics: their samples, their HELP and TYPE and the documentation come from it. No label ever holds an ad id. */
#include <inttypes.h>

#include "base/check.h"
#include "query/answers.h"
#include "query/parameters.h"

struct metric {
    const char *name; /* counters end with _total */
    const char *type;
    const char *labels; /* for the documentation; "" = none */
    const char *help;
    size_t at; /* of the uint64_t in struct figures, when there is no `write` */
    void (*write)(const struct metric *metric, const struct figures *figures, struct buffer *out);
};

static void sample(struct buffer *out, const struct metric *metric, const char *label, const char *label_value,
                   uint64_t value) {
    buffer_printf(out, "%s{%s=\"%s\"} %" PRIu64 "\n", metric->name, label, label_value, value);
}

static void sample_partition(struct buffer *out, const struct metric *metric, uint32_t partition, uint64_t value) {
    buffer_printf(out, "%s{partition=\"%u\"} %" PRIu64 "\n", metric->name, partition, value);
}

/* Nothing when there is no such time yet: an absent sample is what "unknown" looks like. */
static void sample_partition_time(struct buffer *out, const struct metric *metric, uint32_t partition,
                                  struct event_time time) {
    if (event_time_is_none(time) || time.ms < 0) return;
    buffer_printf(out, "%s{partition=\"%u\"} %" PRId64 ".%03d\n", metric->name, partition, time.ms / SECOND_MS,
                  (int)(time.ms % SECOND_MS));
}

static void write_rejected(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    for (size_t i = 0; i < REJECT_CODES; ++i) {
        sample(out, metric, "code", reject_code((enum reject)i), figures->status.totals.rejected_by[i]);
    }
}

static void write_verdicts(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    sample(out, metric, "verdict", "counted", figures->verdicts.counted);
    sample(out, metric, "verdict", "duplicate", figures->verdicts.duplicate);
    sample(out, metric, "verdict", "conflict", figures->verdicts.conflict);
    sample(out, metric, "verdict", "too_late", figures->verdicts.too_late);
    sample(out, metric, "verdict", "invalid", figures->verdicts.invalid);
}

static void write_conservation(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    sample(out, metric, "law", "intake", figures->intake_violated);
    sample(out, metric, "law", "partitions", figures->partitions_violated);
    sample(out, metric, "law", "cells", figures->cells_violated);
}

static void write_watermarks(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    for (uint32_t i = 0; i < view_partition_count(figures->view); ++i) {
        sample_partition_time(out, metric, i, view_partition(figures->view, i)->watermark.w);
    }
}

static void write_sealed(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    for (uint32_t i = 0; i < view_partition_count(figures->view); ++i) {
        sample_partition_time(out, metric, i, view_partition(figures->view, i)->watermark.s);
    }
}

static void write_offsets(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    for (uint32_t i = 0; i < view_partition_count(figures->view); ++i) {
        sample_partition(out, metric, i, view_partition(figures->view, i)->offset.at);
    }
}

static void write_journal_ends(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    for (uint32_t i = 0; i < view_partition_count(figures->view); ++i) {
        sample_partition(out, metric, i, figures->status.journal_end[i]);
    }
}

static void write_checkpoint_offsets(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    for (uint32_t i = 0; i < view_partition_count(figures->view); ++i) {
        sample_partition(out, metric, i, view_partition(figures->view, i)->checkpoint_offset.at);
    }
}

static void write_cells(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    for (uint32_t i = 0; i < view_partition_count(figures->view); ++i) {
        sample_partition(out, metric, i, view_partition(figures->view, i)->cells_in_memory);
    }
}

static void write_stages(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    const size_t stages = sizeof figures->status.stage_cpu / sizeof figures->status.stage_cpu[0];
    for (size_t i = 0; i < stages && figures->status.stage_cpu[i].stage != NULL; ++i) {
        buffer_printf(out, "%s{stage=\"%s\"} %.6f\n", metric->name, figures->status.stage_cpu[i].stage,
                      figures->status.stage_cpu[i].seconds);
    }
}

static void write_reasons(struct buffer *out, const struct metric *metric, const struct query_reason *reasons) {
    for (size_t i = 0; i < QUERY_REASONS_MAX && reasons[i].reason != NULL; ++i) {
        sample(out, metric, "reason", reasons[i].reason, reasons[i].count);
    }
}

static void write_refused(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    write_reasons(out, metric, figures->status.refused);
}

static void write_ended(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    write_reasons(out, metric, figures->status.connections.ended);
}

/* The buckets are read one by one beside commits, so their sum is the count: a bucket is never above it. */
static void write_commits(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    static const uint64_t bounds_us[] = QUERY_COMMIT_BOUNDS_US;
    const struct query_status *status = &figures->status;
    uint64_t count = 0;
    for (size_t i = 0; i < QUERY_COMMIT_BUCKETS; ++i) {
        count += status->commits[i];
        if (i + 1 < QUERY_COMMIT_BUCKETS) {
            buffer_printf(out, "%s_bucket{le=\"%" PRIu64 ".%06" PRIu64 "\"} %" PRIu64 "\n", metric->name,
                          bounds_us[i] / 1000000, bounds_us[i] % 1000000, count);
        } else {
            buffer_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", metric->name, count);
        }
    }
    buffer_printf(out, "%s_sum %.9f\n%s_count %" PRIu64 "\n", metric->name, (double)status->commits_ns / 1e9, metric->name,
                  count);
}

/* promtool wants base units: minutes are given in seconds. */
static void write_seconds(const struct metric *metric, uint64_t minutes, struct buffer *out) {
    buffer_printf(out, "%s %" PRIu64 "\n", metric->name, minutes * 60);
}

static void write_from(const struct metric *metric, uint64_t minutes, struct minute from, struct buffer *out) {
    if (minutes == 0) return;
    buffer_printf(out, "%s %" PRId64 "\n", metric->name, minute_start(from).ms / SECOND_MS);
}

static void write_window_seconds(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    write_seconds(metric, figures->usage.window_minutes, out);
}

static void write_window_from(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    write_from(metric, figures->usage.window_minutes, figures->usage.window_from, out);
}

static void write_slices_seconds(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    write_seconds(metric, figures->usage.slices_minutes, out);
}

static void write_slices_from(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    write_from(metric, figures->usage.slices_minutes, figures->usage.slices_from, out);
}

static void write_uptime(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    buffer_printf(out, "%s %.3f\n", metric->name, figures->status.uptime_seconds);
}

static void write_ready(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    sample(out, metric, "phase", figures->status.phase, figures->status.waits_for == NULL);
}

static void write_build(const struct metric *metric, const struct figures *figures, struct buffer *out) {
    (void)figures;
    buffer_printf(out, "%s{version=\"%s\",compiler=\"%s\"} 1\n", metric->name, TALLY_VERSION, compiler_text());
}

#define AT(member) .at = offsetof(struct figures, member)

static const struct metric metrics[] = {
    {"tally_build_info", "gauge", "version, compiler", "Always 1; the labels say what runs.", .write = write_build},
    {"tally_taking_clicks", "gauge", "phase", "1 while clicks are taken, 0 while intake answers 503.", .write = write_ready},
    {"tally_uptime_seconds", "gauge", "", "Since the start of the process.", .write = write_uptime},
    {"tally_resident_memory_bytes", "gauge", "", "Resident memory of the process.", AT(status.resident_bytes)},
    {"tally_stage_cpu_seconds_total", "counter", "stage", "CPU time used by each stage.", .write = write_stages},
    {"tally_requests_total", "counter", "", "HTTP requests since the start.", AT(status.requests)},
    {"tally_queries_total", "counter", "", "Questions answered since the start.", AT(status.queries)},
    {"tally_intake_refused_total", "counter", "reason",
     "Requests with clicks that were answered 503, since the start. The reasons are those of the event `refusing` in the "
     "log.",
     .write = write_refused},
    {"tally_connections", "gauge", "", "HTTP connections that are open.", AT(status.connections.open)},
    {"tally_connections_accepted_total", "counter", "", "HTTP connections since the start.",
     AT(status.connections.accepted)},
    {"tally_connections_ended_total", "counter", "reason",
     "HTTP connections that the server ended, or that were lost in the middle of a request, since the start.",
     .write = write_ended},

    {"tally_lines_received_total", "counter", "", "Lines received, over the whole journal: accepted and rejected.",
     AT(status.totals.received)},
    {"tally_clicks_accepted_total", "counter", "", "Clicks in the journal.", AT(status.totals.accepted)},
    {"tally_lines_rejected_total", "counter", "code", "Lines rejected, by reason.", .write = write_rejected},
    {"tally_clicks_total", "counter", "verdict", "Clicks judged, by verdict.", .write = write_verdicts},
    {"tally_clicks_pending", "gauge", "", "Clicks accepted and not yet in what questions are answered from.", AT(pending)},
    {"tally_clicks_duplicate_content_total", "counter", "", "Duplicates known by their five fields, without an event id.",
     AT(verdicts.duplicate_content)},
    {"tally_clicks_late_amended_total", "counter", "", "Clicks counted into a minute that was closed already.",
     AT(verdicts.late_amended)},
    {"tally_conservation_violated", "gauge", "law",
     "1 when a conservation law does not hold; alert on it. intake: received = accepted + rejected. partitions: clicks in "
     "the journal = the sum of the verdicts. cells: the sum of all minutes = counted, as of the checkpoints.",
     .write = write_conservation},

    {"tally_watermark_timestamp_seconds", "gauge", "partition", "Watermark: minutes that end before it are closed.",
     .write = write_watermarks},
    {"tally_sealed_timestamp_seconds", "gauge", "partition", "Minutes that end before it never change.",
     .write = write_sealed},
    {"tally_partition_offset", "gauge", "partition", "Offset up to which questions see the journal.",
     .write = write_offsets},
    {"tally_partition_journal_end", "gauge", "partition", "Offset of the journal's durable end.",
     .write = write_journal_ends},
    {"tally_partition_checkpoint_offset", "gauge", "partition", "Offset up to which the store holds the counts.",
     .write = write_checkpoint_offsets},
    {"tally_partition_cells_in_memory", "gauge", "partition", "Counters that are not yet in the store.",
     .write = write_cells},
    {"tally_view_version", "gauge", "", "Version of the published view.", AT(version)},
    {"tally_checkpoints_total", "counter", "", "Checkpoints written since the start.", AT(status.checkpoints)},

    {"tally_journal_records_total", "counter", "", "Records of the journal.", AT(status.totals.records)},
    {"tally_journal_bytes_total", "counter", "", "Bytes of the journal.", AT(status.totals.bytes)},
    {"tally_journal_syncs_total", "counter", "", "Times the journal was synced to the disk.", AT(status.totals.syncs)},
    {"tally_commit_seconds", "histogram", "le",
     "How long commits took, from the first byte written to the end of the sync, since the start.", .write = write_commits},
    {"tally_journal_segments", "gauge", "", "Segment files of the journal.", AT(status.totals.segments)},
    {"tally_journal_torn_bytes", "gauge", "", "Bytes of a torn tail that recovery put aside.", AT(status.totals.torn_bytes)},

    {"tally_dedup_entries", "gauge", "", "Identities remembered.", AT(status.dedup.entries)},
    {"tally_dedup_entries_max", "gauge", "", "Identities that the memory bound surely has room for.",
     AT(status.dedup.entries_max)},
    {"tally_dedup_bytes", "gauge", "", "Memory of the remembered identities.", AT(status.dedup.bytes)},
    {"tally_dedup_bytes_max", "gauge", "", "Bound of that memory.", AT(status.dedup.bytes_max)},
    {"tally_dedup_runs", "gauge", "", "Files of older identities.", AT(status.dedup.runs)},
    {"tally_dedup_file_bytes", "gauge", "", "Bytes of these files.", AT(status.dedup.file_bytes)},
    {"tally_dedup_reads_total", "counter", "", "Blocks that were read from them to look an identity up.",
     AT(status.dedup.reads)},
    {"tally_dedup_runs_written_total", "counter", "", "Files of identities that were written.", AT(status.dedup.written)},
    {"tally_dedup_runs_merged_total", "counter", "", "Files of identities that were made of two.", AT(status.dedup.merged)},
    {"tally_dedup_partitions_restored", "gauge", "", "Partitions that went on from their files at the start.",
     AT(status.dedup.restored)},
    {"tally_dedup_partitions_rebuilt", "gauge", "",
     "Partitions whose files were of no use at the start: the whole journal was read for them.", AT(status.dedup.rebuilt)},
    {"tally_ads", "gauge", "", "Distinct ads.", AT(status.ads)},
    {"tally_ads_bytes", "gauge", "", "Memory of the ad dictionary.", AT(status.ads_bytes)},
    {"tally_window_bytes", "gauge", "", "Memory of the last 25 hours by ad.", AT(usage.window_bytes)},
    {"tally_window_bytes_max", "gauge", "", "Bound of that memory.", AT(usage.window_bytes_max)},
    {"tally_window_seconds", "gauge", "", "Event time that it holds, whole minutes.", .write = write_window_seconds},
    {"tally_window_vectors", "gauge", "", "Cumulative vectors in it.", AT(usage.window_vectors)},
    {"tally_window_from_timestamp_seconds", "gauge", "", "Questions from this minute on are answered from memory.",
     .write = write_window_from},
    {"tally_slices_bytes", "gauge", "", "Memory of the last 25 hours by country and filter.", AT(usage.slices_bytes)},
    {"tally_slices_bytes_max", "gauge", "", "Bound of that memory.", AT(usage.slices_bytes_max)},
    {"tally_slices_seconds", "gauge", "", "Event time that it holds, whole minutes.", .write = write_slices_seconds},
    {"tally_slices_from_timestamp_seconds", "gauge", "",
     "Questions with a filter are answered from memory from this minute on.", .write = write_slices_from},
    {"tally_recalculation_bytes", "gauge", "",
     "Memory of a recalculation: what it counted and has not yet written, and its own identities.",
     AT(status.recalculation_bytes)},
    {"tally_recalculation_bytes_max", "gauge", "", "Bound of that memory.", AT(status.recalculation_bytes_max)},
    {"tally_filters", "gauge", "", "Stored filters.", AT(filters)},
    {"tally_filters_max", "gauge", "", "Bound of their number.", AT(status.filters_max)},
    {"tally_filters_ranked", "gauge", "", "Those of them whose rankings are published every minute.", AT(filters_ranked)},
    {"tally_atoms", "gauge", "", "Distinct pairs of an address or block and a user that the filters are sums of.",
     AT(atoms)},
    {"tally_atoms_max", "gauge", "", "Bound of their number.", AT(status.atoms_max)},
    {"tally_filters_bytes", "gauge", "", "Memory of filters and atoms for questions.", AT(usage.filters_bytes)},
    {"tally_filters_journal_bytes", "gauge", "", "Memory of the filters that the journal's writer checks changes against.",
     AT(status.filters_journal_bytes)},
    {"tally_filters_aggregators_bytes", "gauge", "", "Memory of the atoms that clicks are matched against.",
     AT(status.filters_aggregators_bytes)},
    {"tally_cells_bytes", "gauge", "", "Memory of counters that are not yet in the store.", AT(usage.cells_bytes)},
    {"tally_rankings_bytes", "gauge", "", "Memory of rankings, and of what is needed to make one.",
     AT(usage.rankings_bytes)},
    {"tally_rules_number", "gauge", "", "Number of the counting rules in force.", AT(rules_number)},
};
enum { METRICS = sizeof metrics / sizeof metrics[0] };

void answer_metrics(const struct view *view, const struct query_status *status, const struct request_head *head,
                    struct reply *reply) {
    static const char *const accepted[] = {NULL};
    struct parameters parameters = {.query = head->query, .reply = reply};
    if (!parameters_only(&parameters, accepted)) return;
    struct figures figures = figures_of(view, status);
    struct buffer body = {0};
    for (size_t i = 0; i < METRICS; ++i) {
        const struct metric *metric = &metrics[i];
        buffer_printf(&body, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name, metric->type);
        if (metric->write != NULL) {
            metric->write(metric, &figures, &body);
            continue;
        }
        uint64_t value;
        CHECK(metric->at > 0 && metric->at + sizeof value <= sizeof figures);
        memcpy(&value, (const uint8_t *)&figures + metric->at, sizeof value);
        buffer_printf(&body, "%s %" PRIu64 "\n", metric->name, value);
    }
    *reply = (struct reply){
        .http_status = 200,
        .content_type = "text/plain; version=0.0.4; charset=utf-8",
        .body = body,
        .body_file = -1,
    };
}

void metrics_document(struct buffer *out) {
    buffer_append_text(out, "# Metrics\n\n"
                            "`GET /metrics`, Prometheus text format 0.0.4. Generated from the table in "
                            "`src/query/metrics.c`; a unit test compares the two.\n\n"
                            "| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < METRICS; ++i) {
        buffer_printf(out, "| `%s` | %s | %s | %s |\n", metrics[i].name, metrics[i].type, metrics[i].labels,
                      metrics[i].help);
    }
}
