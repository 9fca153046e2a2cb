/* status_answer.c: what the node is doing, and that nothing got lost, in one answer. */
#include <inttypes.h>

#include "click/decode.h"
#include "query/answers.h"
#include "query/parameters.h"

static void append_member(struct buffer *out, const char *name, uint64_t value) {
    buffer_printf(out, ",\"%s\":%" PRIu64, name, value);
}

static void append_rules(struct buffer *out, const struct rules *rules) {
    buffer_printf(out,
                  ",\"rules\":{\"number\":%u,\"partitions\":%u,\"delay_ms\":%" PRId64 ",\"lateness_ms\":%" PRId64
                  ",\"horizon_ms\":%" PRId64 ",\"max_skew_ms\":%" PRId64 ",\"without_event_id\":\"%s\"}",
                  rules->number, rules->partition_count, rules->delay_ms, rules->lateness_ms, rules->horizon_ms,
                  rules->max_skew_ms, rules->identity_mode == IDENTITY_MODE_CONTENT ? "content" : "reject");
}

static void append_verdicts(struct buffer *out, const struct verdict_totals *totals) {
    append_member(out, "counted", totals->counted);
    append_member(out, "duplicate", totals->duplicate);
    append_member(out, "conflict", totals->conflict);
    append_member(out, "too_late", totals->too_late);
    append_member(out, "invalid", totals->invalid);
}

static void append_totals(struct buffer *out, const struct figures *figures) {
    const struct journal_totals *totals = &figures->status.totals;
    buffer_printf(out, ",\"totals\":{\"received\":%" PRIu64, totals->received);
    append_member(out, "accepted", totals->accepted);
    append_member(out, "rejected", figures->rejected);
    buffer_append_text(out, ",\"rejected_by\":{");
    const char *comma = "";
    for (size_t i = 0; i < REJECT_CODES; ++i) {
        if (totals->rejected_by[i] == 0) continue;
        buffer_printf(out, "%s\"%s\":%" PRIu64, comma, reject_code((enum reject)i), totals->rejected_by[i]);
        comma = ",";
    }
    buffer_append_text(out, "}");
    append_verdicts(out, &figures->verdicts);
    append_member(out, "pending", figures->pending);
    append_member(out, "duplicate_content", figures->verdicts.duplicate_content);
    append_member(out, "late_amended", figures->verdicts.late_amended);
    buffer_append_text(out, "}");
}

static void append_partition(struct buffer *out, const struct figures *figures, uint32_t index) {
    const struct view_partition *partition = view_partition(figures->view, index);
    buffer_printf(out, "%s{\"partition\":%u", index == 0 ? "" : ",", index);
    append_member(out, "offset", partition->offset.at);
    append_member(out, "journal_end", figures->status.journal_end[index]);
    append_member(out, "checkpoint_offset", partition->checkpoint_offset.at);
    buffer_append_text(out, ",\"watermark\":");
    append_time(out, partition->watermark.w);
    buffer_append_text(out, ",\"sealed_to\":");
    append_time(out, partition->watermark.s);
    append_verdicts(out, &partition->totals);
    append_member(out, "duplicate_content", partition->totals.duplicate_content);
    append_member(out, "late_amended", partition->totals.late_amended);
    append_member(out, "cells_in_memory", partition->cells_in_memory);
    buffer_append_text(out, "}");
}

static void append_minute_or_null(struct buffer *out, const char *name, bool known, struct minute minute) {
    buffer_printf(out, ",\"%s\":", name);
    append_time(out, known ? minute_start(minute) : EVENT_TIME_NONE);
}

/* Everything that grows with the clicks, with its bound where it has one of its own (I10). */
static void append_memory(struct buffer *out, const struct figures *figures) {
    const struct view_usage *usage = &figures->usage;
    const struct query_status *status = &figures->status;
    buffer_printf(out, ",\"memory\":{\"resident_bytes\":%" PRIu64, status->resident_bytes);
    append_member(out, "dedup_bytes", status->dedup.bytes);
    append_member(out, "dedup_bytes_max", status->dedup.bytes_max);
    append_member(out, "window_bytes", usage->window_bytes);
    append_member(out, "window_bytes_max", usage->window_bytes_max);
    append_member(out, "window_minutes", usage->window_minutes);
    append_minute_or_null(out, "window_from", usage->window_minutes > 0, usage->window_from);
    append_member(out, "cells_bytes", usage->cells_bytes);
    append_member(out, "rankings_bytes", usage->rankings_bytes);
    append_member(out, "ads_bytes", status->ads_bytes);
    append_member(out, "recalculation_bytes", status->recalculation_bytes);
    append_member(out, "recalculation_bytes_max", status->recalculation_bytes_max);
    buffer_append_text(out, "}");
}

static void append_filters(struct buffer *out, const struct figures *figures) {
    const struct view_usage *usage = &figures->usage;
    buffer_printf(out, ",\"filters\":{\"standing\":%" PRIu64, figures->filters);
    append_member(out, "standing_max", figures->status.filters_max);
    append_member(out, "ranked", figures->filters_ranked);
    append_member(out, "atoms", figures->atoms);
    append_member(out, "atoms_max", figures->status.atoms_max);
    append_member(out, "bytes", usage->filters_bytes);
    append_member(out, "bytes_journal", figures->status.filters_journal_bytes);
    append_member(out, "bytes_aggregators", figures->status.filters_aggregators_bytes);
    buffer_printf(out, "},\"slices\":{\"bytes\":%" PRIu64, usage->slices_bytes);
    append_member(out, "bytes_max", usage->slices_bytes_max);
    append_member(out, "minutes", usage->slices_minutes);
    append_minute_or_null(out, "from", usage->slices_minutes > 0, usage->slices_from);
    buffer_append_text(out, "}");
}

static void append_node(struct buffer *out, const struct figures *figures) {
    const struct query_status *status = &figures->status;
    buffer_append_text(out, ",\"phase\":");
    json_append_string(out, bytes_of_text(status->phase));
    buffer_append_text(out, ",\"waits_for\":");
    if (status->waits_for == NULL) {
        buffer_append_text(out, "null");
    } else {
        json_append_string(out, bytes_of_text(status->waits_for));
    }
    buffer_printf(out, ",\"dedup\":{\"entries\":%" PRIu64, status->dedup.entries);
    append_member(out, "entries_max", status->dedup.entries_max);
    append_member(out, "bytes", status->dedup.bytes);
    append_member(out, "bytes_max", status->dedup.bytes_max);
    append_member(out, "runs", status->dedup.runs);
    append_member(out, "file_bytes", status->dedup.file_bytes);
    append_member(out, "reads", status->dedup.reads);
    append_member(out, "runs_written", status->dedup.written);
    append_member(out, "runs_merged", status->dedup.merged);
    append_member(out, "partitions_restored", status->dedup.restored);
    append_member(out, "partitions_rebuilt", status->dedup.rebuilt);
    buffer_printf(out, "},\"ads\":%" PRIu64, status->ads);
    buffer_printf(out, ",\"journal\":{\"records\":%" PRIu64, status->totals.records);
    append_member(out, "bytes", status->totals.bytes);
    append_member(out, "segments", status->totals.segments);
    append_member(out, "syncs", status->totals.syncs);
    append_member(out, "torn_bytes", status->totals.torn_bytes);
    buffer_printf(out, "},\"conservation\":{\"intake\":%s,\"partitions\":%s,\"cells\":%s}",
                  figures->intake_violated == 0 ? "true" : "false", figures->partitions_violated == 0 ? "true" : "false",
                  figures->cells_violated == 0 ? "true" : "false");
}

void answer_status(const struct view *view, const struct query_status *status, const struct request_head *head,
                   struct reply *reply) {
    static const char *const accepted[] = {NULL};
    struct parameters parameters = {.query = head->query, .reply = reply};
    if (!parameters_only(&parameters, accepted)) return;
    struct figures figures = figures_of(view, status);
    struct buffer body = {0};
    buffer_append_text(&body, "{\"version_info\":{\"version\":\"" TALLY_VERSION "\",\"compiler\":");
    json_append_string(&body, bytes_of_text(compiler_text()));
    buffer_append_text(&body, "},\"watermark\":");
    append_time(&body, view_watermark(view));
    /* A replay passes through cuts that were published long ago: a version must not be seen to go back. */
    if (strcmp(status->phase, "replaying") == 0)
        buffer_append_text(&body, ",\"version\":null");
    else
        append_member(&body, "version", figures.version);
    append_rules(&body, &status->rules);
    append_totals(&body, &figures);
    buffer_append_text(&body, ",\"partitions\":[");
    for (uint32_t i = 0; i < view_partition_count(view); ++i) append_partition(&body, &figures, i);
    buffer_append_text(&body, "]");
    append_node(&body, &figures);
    append_memory(&body, &figures);
    append_filters(&body, &figures);
    buffer_append_text(&body, "}\n");
    *reply = (struct reply){.http_status = 200, .content_type = "application/json", .body = body, .body_file = -1};
}
