/* query.h: questions in, JSON answers out. Thread-safe as far as the view is read-locked by the caller. */
#pragma once

#include "journal/journal.h"
#include "query/filter_json.h"
#include "seam/requests.h"
#include "view/view.h"

enum {
    QUERY_REASONS_MAX = 12,
    QUERY_COMMIT_BUCKETS = 13, /* the last one has no bound */
};
/* Upper bounds of the buckets into which commits are counted by how long they took. */
#define QUERY_COMMIT_BOUNDS_US                                                                                              \
    { 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000 }

/* How often something happened for this reason. */
struct query_reason {
    const char *reason; /* static, snake_case; NULL ends a list */
    uint64_t count;
};

/* The transport's connections. */
struct query_connections {
    uint64_t open, accepted;
    struct query_reason ended[QUERY_REASONS_MAX]; /* by the server or by accident, not in order by the peer */
};

/* What /v1/status and /metrics tell beside the view; a plain value, gathered by the node just before. `totals` is read after
 * the view's lock was taken, so accepted >= what the view has seen. */
struct query_status {
    struct journal_totals totals;
    struct rules rules;
    struct dedup_usage_summary {
        uint64_t entries, entries_max, bytes, bytes_max, runs, file_bytes, reads;
        uint64_t written, merged;   /* runs, since the start */
        uint64_t restored, rebuilt; /* partitions, by the start */
    } dedup;
    const char *phase;     /* "starting", "replaying", "serving", "stopping", "failed" */
    const char *waits_for; /* NULL, or why intake says 503 now, in words */
    uint64_t journal_end[PARTITIONS_MAX];
    struct query_stage_cpu {
        const char *stage; /* NULL ends the list */
        double seconds;
    } stage_cpu[16];
    uint64_t ads, ads_bytes;
    uint64_t filters_max, atoms_max;    /* bounds by configuration */
    uint64_t filters_journal_bytes;     /* of the writer's own account of them */
    uint64_t filters_aggregators_bytes; /* of the atoms that the partitions match clicks against */
    struct filter_progress recalculation;
    uint64_t recalculation_bytes, recalculation_bytes_max; /* of its cells and its identities */
    uint64_t checkpoints, requests, queries;
    double uptime_seconds;
    uint64_t resident_bytes;
    struct query_reason refused[QUERY_REASONS_MAX]; /* requests with clicks answered 503 */
    uint64_t commits[QUERY_COMMIT_BUCKETS], commits_ns;
    struct query_connections connections;
};

/* Appends one server-sent event `status`: the members of /v1/status at this moment, `now` and `clicks_per_second`. `view` is
 * read-locked. */
void query_live_event(const struct view *view, const struct query_status *status, struct wall_time now,
                      uint64_t clicks_per_second, struct buffer *out);

/* Answers GET /v1/ads/..., /v1/filters..., /v1/status, /metrics (all but /v1/clicks, probes and export, and what changes
 * filters, which the node answers itself) and 404, 405 for what does not exist. `view` is read-locked. Of `status`, the
 * questions about ads and filters read nothing but the recalculation and the phase, which may be NULL (serving). */
void query_answer(struct view *view, const struct query_status *status, const struct request_head *head,
                  struct reply *reply);
