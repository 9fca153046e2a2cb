/* node_internal.h: the node's insides, shared by the files of this folder only.
 *
 * Locks, in the order in which they may be taken: the recalculation's, stage->lock (one partition), then view_lock, then
 * mail_lock. live_lock is taken alone. None but the recalculation's is held over a sync, a kv write or a reply.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "ads/ads.h"
#include "intake/intake.h"
#include "node/node.h"
#include "query/query.h"
#include "reply/reply.h"
#include "view/view.h"

enum {
    COMMIT_BYTES_MAX = 8 * 1024 * 1024,       /* of the batches that go into one commit (one batch always goes) */
    INCREMENTS_WAITING_MAX = 4 * 1024 * 1024, /* per partition: then the aggregator waits for the view */
    INBOX_RECORDS_MAX = 4096,                 /* per partition: then the journal waits for the aggregators */
    PUBLISH_INTERVAL_MS = 100,     /* under load: each publication makes readers wait a little, so not more often */
    PUBLISH_IDLE_INTERVAL_MS = 10, /* when nothing waits to be judged, and there is little to publish */
    PUBLISH_IDLE_CLICKS_MAX = 256,
    COUNT_BATCHES_MAX = 1024, /* of one commit */
    LIVE_REQUESTS_MAX = 256,  /* that watch /v1/live */
    DEDUP_FILE_NAME_BYTES = 24,
};
#define NODE_RECALCULATION_FILES "recalculate-p"
#define NODE_SLOW_COMMIT_NS UINT64_C(1000000000)

struct inbox {
    struct journal_record **records; /* ring */
    uint32_t first, count, capacity;
};

struct node_partition {
    pthread_mutex_t lock; /* guards the aggregator between its step and the reducer's take */
    struct aggregator *aggregator;
    struct inbox inbox;     /* guarded by mail_lock */
    struct partial partial; /* the reducer's, memory is swapped to and fro */
    struct mono_time checkpoint_at;
    atomic_ullong dedup_room;
    atomic_ullong dedup_entries;
    bool keep_chosen, keep_due; /* guarded by lock: keep.c */
};

/* Who watches /v1/live (live.c). */
struct node_live {
    pthread_mutex_t lock; /* live_lock: guards the next four */
    void *requests[LIVE_REQUESTS_MAX];
    unsigned listed;   /* of `requests` */
    unsigned watchers; /* listed, or in the hands of a thread */
    bool ended;        /* no more, and none comes back */
    /* the reducer's */
    struct mono_time sampled_at;
    bool sampled_serving;
    uint64_t accepted; /* at that sample */
    atomic_ullong clicks_per_second;
};

struct control; /* control.h */

enum stop_stage { STOP_NOT, STOP_COMMITTING, STOP_COUNTING, STOP_SEALING };

struct node {
    struct node_seam seam;
    struct node_options options;
    struct journal *journal; /* the journal step's */
    struct store *store;
    struct ads *ads;
    struct view *view;
    pthread_rwlock_t view_lock;
    uint32_t partition_count;
    struct node_partition *partitions;
    struct intake_context intake;

    atomic_int phase;      /* enum node_phase */
    atomic_int stop_stage; /* enum stop_stage */
    atomic_bool clock_trusted;
    atomic_llong last_arrival_ms;
    atomic_llong stop_deadline_ns;
    atomic_ullong pending_clicks;     /* taken in (submitted, or read back by the replay) and not yet aggregated */
    atomic_ullong unpublished_clicks; /* judged since the last publication */
    atomic_ullong sessions_open;
    atomic_ullong requests, queries, checkpoints;
    atomic_ullong refused[NODE_REFUSALS];
    atomic_ullong commits[QUERY_COMMIT_BUCKETS], commits_ns; /* how long they took */
    atomic_ullong slow_commits, slowest_commit_ns;           /* the slowest of those since it was asked for */

    atomic_ullong journal_filters_bytes;

    pthread_mutex_t mail_lock;                       /* guards what follows, and the inboxes */
    struct control *control_queue, *control_waiting; /* to be committed; to be seen in the view */
    struct journal_record **filter_mail;             /* with filters, for the reducer */
    size_t filter_mail_count, filter_mail_capacity;
    struct intake_batch *queue_first, *queue_last;
    void **waiting; /* requests that were told STATUS_AGAIN, to be resumed */
    size_t waiting_count, waiting_capacity;
    struct rules rules;
    struct journal_totals totals; /* as of the last commit whose requests may have been answered */
    uint64_t journal_end[PARTITIONS_MAX];
    struct failure failure;
    struct node_progress progress;

    struct node_live live;
    struct recalculation *recalculation; /* recalculate.h */
    atomic_uint recalculating_id, recalculated_permille;
    atomic_ullong recalculation_bytes;

    bool replay_ended, started;      /* the journal step's */
    bool flush_needed, kept_at_stop; /* the reducer's, as the next */
    struct mono_time opened_at, published_at, flushed_at, rankings_rest_until;
    uint64_t unflushed_clicks;    /* in checkpoints since the last flush */
    struct dedup_keeping keeping; /* the keeper's */
};

/* Everything stops here: the first reason wins, all that waits is answered 503. */
void node_fail(struct node *node, const struct failure *failure);
/* How a partition's aggregator remembers identities. `name`: of its files, DEDUP_FILE_NAME_BYTES; filled in, and referred to
 * by the result. `of`: what the name begins with. */
void node_dedup_name(char name[DEDUP_FILE_NAME_BYTES], const char *of, uint32_t partition);
struct dedup_options node_dedup_options(const struct node *node, uint32_t partition, const char *of, char *name);
/* Answers 503 to what waits to be committed. */
void node_fail_queue(struct node *node, enum status status);
void node_begin_serving(struct node *node);
/* Answers 503 to changes of the filters that wait (control.c). */
void node_fail_controls(struct node *node);
/* What the journal holds by now is what status may tell (step_journal.c). */
void node_note_durable(struct node *node, const struct journal_record *record);
/* So many of the pending clicks are judged, or refused after all. */
void node_settle_pending(struct node *node, uint64_t clicks);
/* A request with a body has its answer, or none is wanted any more. Before the reply: once the last is answered, a stop may
 * go on. */
void node_session_closed(struct node *node);
/* Hands the record to the aggregators that it concerns. `count_pending`: its clicks are not in pending_clicks yet. */
void node_distribute(struct node *node, struct journal_record *record, bool count_pending);
/* The next record for the partition with its reference, or NULL. */
struct journal_record *node_inbox_pop(struct node *node, uint32_t partition);
uint64_t node_record_clicks(const struct journal_record *record, uint32_t partition);
bool node_inboxes_empty(struct node *node);
bool node_inbox_has_room(struct node *node);
void node_wake(struct node *node, enum node_stage stage, uint32_t partition);
/* NULL, or why clicks are not taken in now. */
const char *node_refuses(const struct node *node);
enum node_refusal node_refusal(const struct node *node);
/* The reducer's: without holding up new readers for long (step_count.c). */
void node_lock_view_for_writing(struct node *node);
/* Which filter's past is being counted now. */
struct filter_progress node_recalculation(const struct node *node);
/* --- keep.c: the reducer's --- */
/* The partition's checkpoint at this offset is written. */
void node_keep_choose(struct node *node, uint32_t partition, struct journal_offset counted_below);
/* The checkpoints written so far are durable. */
void node_keep_flushed(struct node *node);
bool node_keep_is_due(struct node *node);
/* --- condition.c --- */
/* Whether some identity might find no room: what is pending and `more` could all go to the fullest partition. */
bool node_ads_full(const struct node *node, uint64_t more);
bool node_dedup_full(const struct node *node, uint64_t more);
/* A request that was answered 503 for this reason. */
void node_count_refused(struct node *node, enum node_refusal refusal);
void node_count_commit(struct node *node, int64_t took_ns);
/* /livez and /readyz, with `?verbose` a line for each check before. */
void node_answer_probe(const struct node *node, bool ready_wanted, struct bytes query, struct reply *reply);
/* Resumes what waits if there is room again. */
void node_resume_waiting(struct node *node);
/* --- export.c --- */
void node_answer_export(struct node *node, struct bytes query, struct reply *reply);
/* --- live.c --- */
void node_live_init(struct node *node);
void node_live_fini(struct node *node);
/* Begins the answer and sends the first event; false with a refusal. Any thread. */
bool node_live_begin(struct node *node, void *request, struct reply *refusal) MUST_USE;
/* The reducer's: an event to all, once a second. */
bool node_live_step(struct node *node, struct mono_time now);
/* Ends all, and whoever would begin after. Any thread, more than once. */
void node_live_end(struct node *node);
/* requests.c: gathers and takes the locks that /v1/status takes. */
void node_append_live_event(struct node *node, uint64_t clicks_per_second, struct buffer *out);
/* intake_context's functions. */
void node_submit(void *self, struct intake_batch *batch);
void node_session_finished(void *self, struct intake_session *session);
void node_session_resume(void *self, struct intake_session *session);
