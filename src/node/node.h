/* node.h: a whole node, intake to query, on the five tables of the seam. It has no thread of its own: a driver calls the
 * steps, either threads (node/threads.h) or a test under a seed. The stages themselves have no locks; what passes from one
 * step to another goes through the node's mailboxes, which do.
 *
 * Life: node_open -> REPLAYING -> SERVING -> node_stop -> STOPPING -> STOPPED -> node_close
 *       any of them -> FAILED (full disk, failed sync, damage): nothing more is acknowledged, node_failure says why.
 */
#pragma once

#include "aggregate/aggregator.h"
#include "base/status.h"
#include "journal/journal.h"
#include "seam/clock.h"
#include "seam/files.h"
#include "seam/kv.h"
#include "seam/random.h"
#include "seam/requests.h"

struct node;
struct query_connections;  /* query/query.h */
struct filter_list;        /* query/filter_request.h */
struct view_export_wanted; /* view/view.h */

struct node_seam {
    struct clock clock;
    struct random random;
    struct files files;
    struct kv kv;
    struct requests requests;
};

enum node_stage { NODE_STAGE_JOURNAL, NODE_STAGE_AGGREGATE, NODE_STAGE_REDUCE, NODE_STAGE_RECALCULATE, NODE_STAGE_KEEP };

struct node_options {
    struct rules_proposal proposal;
    uint64_t segment_bytes;
    uint64_t dedup_memory_bytes;
    uint64_t dedup_table_bytes, dedup_runs_max; /* dedup/dedup.h; for tests; 0: as the memory allows */
    uint64_t window_memory_bytes;               /* of the last 25 h by ad */
    uint64_t slices_memory_bytes;               /* of the last 25 h by country and atom, for filters, and of recalculation */
    uint64_t recalculation_cells_bytes;         /* for tests; 0: a sixteenth of these */
    uint64_t ranking_cells_max;                 /* a filtered ranking that would read more is refused */
    uint64_t filters_max, atoms_max;
    const struct filter_list *filters; /* to stand once the node serves; NULL: none. Outlives the start */
    uint64_t ads_max;                  /* distinct ads, for tests; 0: the bound of ads/ads.h */
    uint64_t pending_clicks_max;       /* taken in but not yet aggregated: beyond, intake waits or says 503 (I10) */
    int64_t checkpoint_interval_ms;    /* 30 s */
    uint64_t checkpoint_clicks;        /* 5 M */
    int64_t flush_interval_ms;         /* 60 s, or when checkpoints of so many clicks wait for it: the store is synced */
    struct verdict_listener listener;
    /* Tells a driver that the stage has work (partition only for AGGREGATE). Any thread. May be NULL. */
    void (*wake)(void *self, enum node_stage stage, uint32_t partition);
    void *wake_self;
    /* Asked for the CPU seconds of each stage's threads, for /metrics. May be NULL. */
    double (*stage_cpu)(void *self, enum node_stage stage);
    double (*intake_cpu)(void *self);
    uint64_t (*resident_bytes)(void); /* may be NULL */
    /* The transport's connections, for /metrics. May be NULL. */
    void (*connections)(void *self, struct query_connections *out);
    void *connections_self;
};

enum node_phase { NODE_REPLAYING, NODE_SERVING, NODE_STOPPING, NODE_STOPPED, NODE_FAILED };
const char *node_phase_text(enum node_phase phase);

/* The seam is copied; what its tables point to outlives the node. */
enum status node_open(const struct node_seam *seam, const struct node_options *options, struct node **out,
                      struct failure *failure) MUST_USE;
enum node_phase node_phase(const struct node *node);
const struct failure *node_failure(const struct node *node); /* meaningful once FAILED */
uint32_t node_partition_count(const struct node *node);

/* --- steps; each returns true when it did something. Each kind (and partition) from one thread at a time --- */
bool node_step_journal(struct node *node);                       /* replay one record, or commit once */
bool node_step_aggregate(struct node *node, uint32_t partition); /* judge the partition's part of one record */
bool node_step_reduce(struct node *node);                        /* publish, checkpoint, flush: what is due */
bool node_step_recalculate(struct node *node);                   /* count a little of a filter's past, if that is wanted */
bool node_step_keep(struct node *node);                          /* make runs of identities durable, if that is due */

/* --- requests; any thread --- */
/* The transport hands over a request whose head is complete. `*body_wanted`: feed its body, then end it, with `*session`.
 * Otherwise the reply has been given. */
void node_request(struct node *node, const struct request_head *head, void *request, void **session, bool *body_wanted);
/* STATUS_AGAIN: nothing was taken; feed the same again after requests.resume(request). */
enum status node_request_feed(struct node *node, void *session, struct bytes bytes) MUST_USE;
void node_request_end(struct node *node, void *session);
/* The peer is gone before the end of the body: no reply will be given. */
void node_request_abort(struct node *node, void *session);

/* A table as CSV (view/view.h: view_export_begin and view_export_run). Any thread, beside traffic. */
enum status node_export(struct node *node, const struct view_export_wanted *wanted,
                        enum status (*write)(void *context, struct bytes part), void *context,
                        struct failure *failure) MUST_USE;
/* `table` by its name; `filters` "12,0013" or NULL. STATUS_BAD_INPUT, naming the parameter. Fini in either case. */
enum status node_export_parse(struct bytes table, const struct bytes *filters, struct view_export_wanted *out,
                              struct failure *failure) MUST_USE;
void node_export_wanted_fini(struct view_export_wanted *wanted);
/* Some filter waits for its past to be counted: what is exported meanwhile lacks it. Any thread. */
bool node_export_lacks_history(struct node *node);

/* Where replay is, for a line of progress. */
struct node_progress {
    uint64_t records, clicks;
    char torn_path[64]; /* where the torn tail of the last crash was put, known once SERVING; or empty */
    uint64_t torn_bytes;
    uint64_t dedup_entries_max;
    /* Of node_open. Partitions that go on from their runs of identities; whose runs were of no use, and why the first of
     * them were; segments that need not be read. */
    uint32_t partitions_restored, partitions_rebuilt;
    char rebuilt_why[200];
    uint64_t identities_restored, segments_skipped;
};
struct node_progress node_progress(const struct node *node);

/* Why clicks get 503 now. */
enum node_refusal {
    NODE_REFUSES_NOT,
    NODE_REFUSES_REPLAYING,
    NODE_REFUSES_STOPPING,
    NODE_REFUSES_FAILED,
    NODE_REFUSES_CLOCK,
    NODE_REFUSES_PENDING,
    NODE_REFUSES_DEDUP,
    NODE_REFUSES_ADS,
    NODE_REFUSALS /* how many */
};
/* Static text of all but NOT: a stable name for labels and logs, and a sentence for people. */
const char *node_refusal_code(enum node_refusal refusal);
const char *node_refusal_text(enum node_refusal refusal);

/* What an operator is told when it changes. Counts are since the open. */
struct node_condition {
    enum node_refusal refusal;
    uint64_t refused[NODE_REFUSALS]; /* requests answered 503, by reason */
    bool clock_trusted;
    uint64_t dedup_entries, dedup_entries_max; /* identities remembered, and what surely fits */
    uint64_t checkpoints;
    uint64_t slow_commits;     /* that took a second or longer */
    int64_t slowest_commit_ms; /* of those since the call before; 0: none */
};
/* Any thread; one caller, who learns of the slowest commit. */
struct node_condition node_condition(struct node *node);
/* In force; of a node that is SERVING. */
struct rules node_rules(const struct node *node);

/* No new requests (503); what was taken in gets committed, counted and checkpointed; the journal is sealed. Requests whose
 * body is not complete by `deadline_ms` from now get a 503. */
void node_stop(struct node *node, int64_t deadline_ms);
/* Gives up without finishing anything: FAILED with this reason; what was not committed is answered 503. */
void node_abandon(struct node *node, const char *reason);
/* Frees everything without writing anything: after STOPPED or FAILED, or before the first request. No request is open. */
void node_close(struct node *node);
