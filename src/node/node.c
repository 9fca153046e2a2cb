/* node.c: the node's life: open, fail, stop, close. */
#include "node/node.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "node/control.h"
#include "node/recalculate.h"

const char *node_phase_text(enum node_phase phase) {
    static const char *const texts[] = {"replaying", "serving", "stopping", "stopped", "failed"};
    CHECK((unsigned)phase < sizeof texts / sizeof *texts);
    return texts[phase];
}

enum node_phase node_phase(const struct node *node) {
    const int phase = atomic_load(&node->phase);
    CHECKF(phase >= NODE_REPLAYING && phase <= NODE_FAILED, "phase %d", phase);
    return (enum node_phase)phase;
}

const struct failure *node_failure(const struct node *node) {
    return &node->failure;
}

uint32_t node_partition_count(const struct node *node) {
    return node->partition_count;
}

/* The journal refuses to begin below what the store has counted, so the store is read first: its log and its offsets. */
static enum status open_journal(struct node *node, struct failure *failure) {
    struct journal_options options = {
        .files = &node->seam.files,
        .random = &node->seam.random,
        .proposal = node->options.proposal,
        .segment_bytes = node->options.segment_bytes,
    };
    struct store_identity identity;
    struct journal_offset counted_below[PARTITIONS_MAX] = {{0}};
    enum status status = store_peek(&node->seam.kv, &identity, failure);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    if (status == STATUS_OK) {
        options.expected_uuid = identity.log_uuid;
        options.counted_below = counted_below;
        options.counted_below_count = identity.partition_count;
        CHECK(identity.partition_count >= 1 && identity.partition_count <= PARTITIONS_MAX);
        for (uint32_t p = 0; p < identity.partition_count; p++) counted_below[p] = identity.offsets[p];
    }
    return journal_open(&options, &node->journal, failure);
}

void node_dedup_name(char name[DEDUP_FILE_NAME_BYTES], const char *of, uint32_t partition) {
    (void)snprintf(name, DEDUP_FILE_NAME_BYTES, "%s%02u", of, partition);
}

struct dedup_options node_dedup_options(const struct node *node, uint32_t partition, const char *of, char *name) {
    node_dedup_name(name, of, partition);
    struct dedup_options options = {
        .memory_bytes = node->options.dedup_memory_bytes / node->partition_count,
        .files = &node->seam.files,
        .name = name,
        .partition = partition,
        .table_bytes = node->options.dedup_table_bytes,
        .runs_max = (uint32_t)node->options.dedup_runs_max,
    };
    struct journal_uuid uuid = journal_uuid(node->journal);
    _Static_assert(sizeof uuid.at == sizeof options.log_uuid, "it names the journal");
    memcpy(options.log_uuid, uuid.at, sizeof options.log_uuid);
    return options;
}

static void open_partition(struct node *node, uint32_t p) {
    char name[DEDUP_FILE_NAME_BYTES];
    struct dedup_options dedup = node_dedup_options(node, p, "p", name);
    struct node_partition *partition = &node->partitions[p];
    const struct view_partition *stored = view_partition(node->view, p);
    struct aggregator_checkpoint checkpoint = {stored->offset, stored->watermark, stored->totals};
    CHECK(pthread_mutex_init(&partition->lock, NULL) == 0);
    /* I5: what the store has counted is below what the journal holds (journal_open saw to it), and counted whole. */
    CHECK(stored->offset.at == stored->checkpoint_offset.at);
    CHECK(verdict_totals_clicks(&stored->totals) <= stored->offset.at);
    partition->aggregator = aggregator_create(p, &dedup, node->ads, &checkpoint, &node->options.listener);
    partition->checkpoint_at = node->opened_at;
    atomic_init(&partition->dedup_room, aggregator_dedup_room(partition->aggregator));
    struct dedup_usage usage = aggregator_dedup_usage(partition->aggregator);
    atomic_init(&partition->dedup_entries, usage.entries);
    CHECK(atomic_load(&partition->dedup_room) <= usage.entries_max);
    node->progress.dedup_entries_max += usage.entries_max;
}

static void note_restored(struct node *node, uint32_t p, const struct failure *why) {
    struct node_progress *progress = &node->progress;
    const struct aggregator *aggregator = node->partitions[p].aggregator;
    if (aggregator_judges_from(aggregator).at > 0) {
        progress->partitions_restored++;
        progress->identities_restored += aggregator_dedup_usage(aggregator).entries;
    } else if (why->status != STATUS_OK) {
        if (progress->partitions_rebuilt++ == 0)
            (void)snprintf(progress->rebuilt_why, sizeof progress->rebuilt_why, "%.199s", why->text);
    }
}

/* The process before met a damaged block, and nobody knows of the others: then no partition goes on from its files. The
 * journal is read from its beginning for the one, so it costs little that it is for all. */
static bool all_files_of_no_use(const struct node *node, struct failure *why) {
    const struct journal_uuid uuid = journal_uuid(node->journal);
    for (uint32_t p = 0; p < node->partition_count; p++) {
        char name[DEDUP_NAME_BYTES];
        dedup_partition_name(name, p);
        if (dedup_all_of_no_use(&node->seam.files, name, uuid.at, p, why)) return true;
    }
    return false;
}

static enum status open_partitions(struct node *node, struct failure *failure) {
    node->partitions = memory_allocate_zeroed(node->partition_count, sizeof *node->partitions);
    enum status status = STATUS_OK;
    struct failure no_use = {0};
    const struct failure *distrusted = all_files_of_no_use(node, &no_use) ? &no_use : NULL;
    for (uint32_t p = 0; p < node->partition_count; p++) open_partition(node, p);
    for (uint32_t p = 0; p < node->partition_count && status == STATUS_OK; p++) {
        struct failure why = {0};
        char name[DEDUP_FILE_NAME_BYTES];
        status = aggregator_restore(node->partitions[p].aggregator, distrusted, &why, failure);
        if (status != STATUS_OK) return status;
        note_restored(node, p, &why);
        node_dedup_name(name, NODE_RECALCULATION_FILES, p);
        status = dedup_clear(&node->seam.files, name, failure);
    }
    return status;
}

/* The filter records that the replay will not meet. */
static void take_filters(void *context, const struct filter_record *records, uint32_t count) {
    struct node *node = context;
    for (uint32_t p = 0; p < node->partition_count; p++) view_pass_filters(node->view, p, count);
    view_apply_filters(node->view, records, count);
}

struct beginning {
    struct node *node;
    const struct journal_offset *begins;
    struct failure *failure;
    enum status status;
};

static void begin_aggregators(void *context, const struct filter_record *records, uint32_t count) {
    struct beginning *beginning = context;
    for (uint32_t p = 0; p < beginning->node->partition_count && beginning->status == STATUS_OK; p++)
        beginning->status = aggregator_begin(beginning->node->partitions[p].aggregator, beginning->begins[p], records, count,
                                             beginning->failure);
}

/* The replay begins where the first partition goes on. Of what lies before, only the filters are missing. */
static enum status choose_beginning(struct node *node, struct failure *failure) {
    struct journal_offset from[PARTITIONS_MAX], begins[PARTITIONS_MAX];
    for (uint32_t p = 0; p < node->partition_count; p++) from[p] = aggregator_judges_from(node->partitions[p].aggregator);
    enum status status = journal_replay_from(node->journal, from, begins, &node->progress.segments_skipped, failure);
    if (status != STATUS_OK) return status;
    struct beginning beginning = {node, begins, failure, STATUS_OK};
    if (filters_number(journal_filters(node->journal)) > 0) {
        journal_visit_filters(node->journal, take_filters, node);
        journal_visit_filters(node->journal, begin_aggregators, &beginning);
        atomic_store(&node->journal_filters_bytes, filters_memory_bytes(journal_filters(node->journal)));
    } else {
        begin_aggregators(&beginning, NULL, 0);
    }
    return beginning.status;
}

static void open_intake(struct node *node) {
    const struct rules *rules = journal_rules(node->journal);
    CHECK(node->intake.pool == NULL && rules->partition_count == node->partition_count);
    node->intake = (struct intake_context){
        .partition_count = node->partition_count,
        .key = *journal_identity_key(node->journal),
        .identity_mode = (enum identity_mode)rules->identity_mode,
        .max_skew_ms = rules->max_skew_ms,
        .pool = intake_pool_create(node->partition_count),
        .self = node,
        .submit = node_submit,
        .finished = node_session_finished,
        .resume = node_session_resume,
    };
}

enum status node_open(const struct node_seam *seam, const struct node_options *options, struct node **out,
                      struct failure *failure) {
    struct node *node = memory_allocate_zeroed(1, sizeof *node);
    node->seam = *seam;
    node->options = *options;
    atomic_init(&node->phase, NODE_REPLAYING);
    atomic_init(&node->clock_trusted, true);
    atomic_init(&node->last_arrival_ms, INT64_MIN);
    CHECK(pthread_mutex_init(&node->mail_lock, NULL) == 0);
    /* Readers never hold up the next publication for longer than those that are reading already. */
    pthread_rwlockattr_t attributes;
    CHECK(pthread_rwlockattr_init(&attributes) == 0);
    CHECK(pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
    CHECK(pthread_rwlock_init(&node->view_lock, &attributes) == 0);
    pthread_rwlockattr_destroy(&attributes);
    node->opened_at = node->published_at = node->flushed_at = clock_mono(&seam->clock);
    node_live_init(node);
    node_recalculation_init(node);
    uint64_t seed;
    random_fill(&seam->random, &seed, sizeof seed);
    node->ads = ads_create(seed);
    enum status status = open_journal(node, failure);
    if (status == STATUS_OK) {
        node->partition_count = journal_rules(node->journal)->partition_count;
        CHECK(node->partition_count >= 1 && node->partition_count <= PARTITIONS_MAX);
        struct journal_uuid uuid = journal_uuid(node->journal);
        status = store_open(&node->seam.kv, uuid.at, node->partition_count, &node->store, failure);
    }
    if (status == STATUS_OK) {
        CHECK(node_recalculation_cells_bytes_max(node) < node->options.slices_memory_bytes);
        struct view_bounds bounds = {node->options.window_memory_bytes,
                                     node->options.slices_memory_bytes - node_recalculation_cells_bytes_max(node),
                                     node->options.ranking_cells_max};
        node->view = view_create(node->store, &node->seam.kv, node->ads, node->partition_count, &bounds);
        status = view_load(node->view, failure);
    }
    if (status == STATUS_OK) status = dedup_make_directory(&node->seam.files, failure);
    if (status == STATUS_OK) status = open_partitions(node, failure);
    if (status == STATUS_OK) status = choose_beginning(node, failure);
    if (status != STATUS_OK) {
        node_close(node);
        return status;
    }
    *out = node;
    return STATUS_OK;
}

/* The rules may change with journal_start, so intake begins after it. */
void node_begin_serving(struct node *node) {
    int replaying = NODE_REPLAYING;
    CHECK(node->replay_ended && node->started); /* nothing is served that the journal holds and the view does not */
    open_intake(node);
    /* Unless it was stopped meanwhile. */
    const bool serves = atomic_compare_exchange_strong(&node->phase, &replaying, NODE_SERVING);
    CHECK(serves || replaying == NODE_STOPPED || replaying == NODE_FAILED);
}

void node_fail_queue(struct node *node, enum status status) {
    pthread_mutex_lock(&node->mail_lock);
    struct intake_batch *batch = node->queue_first;
    CHECK(status != STATUS_OK && (batch == NULL) == (node->queue_last == NULL));
    node->queue_first = node->queue_last = NULL;
    pthread_mutex_unlock(&node->mail_lock);
    while (batch != NULL) {
        struct intake_batch *next = batch->next;
        node_settle_pending(node, batch->click_count);
        intake_batch_committed(batch, status);
        batch = next;
    }
}

void node_fail(struct node *node, const struct failure *failure) {
    CHECK(failure->status != STATUS_OK);
    pthread_mutex_lock(&node->mail_lock);
    if (node->failure.status == STATUS_OK) node->failure = *failure;
    CHECK(node->failure.status != STATUS_OK); /* the first reason stays */
    pthread_mutex_unlock(&node->mail_lock);
    atomic_store(&node->phase, NODE_FAILED);
    node_fail_queue(node, failure->status);
    node_fail_controls(node);
    node_resume_waiting(node);
    node_live_end(node);
}

void node_stop(struct node *node, int64_t deadline_ms) {
    int serving = NODE_SERVING, replaying = NODE_REPLAYING;
    int64_t deadline_ns = clock_mono(&node->seam.clock).ns + deadline_ms * 1000000;
    atomic_store(&node->stop_deadline_ns, deadline_ns);
    /* The stage first: whoever sees the phase looks at it. */
    int not_yet = STOP_NOT;
    (void)atomic_compare_exchange_strong(&node->stop_stage, &not_yet, STOP_COMMITTING);
    if (!atomic_compare_exchange_strong(&node->phase, &serving, NODE_STOPPING))
        /* Nothing was taken in yet, and nothing is half done: what replay built in memory is rebuilt next time. */
        (void)atomic_compare_exchange_strong(&node->phase, &replaying, NODE_STOPPED);
    CHECK(node_phase(node) != NODE_SERVING && atomic_load(&node->stop_stage) != STOP_NOT);
    node_resume_waiting(node);
    node_live_end(node);
    node_wake(node, NODE_STAGE_JOURNAL, 0);
}

void node_abandon(struct node *node, const char *reason) {
    struct failure failure = {0};
    (void)failure_set(&failure, STATUS_AGAIN, "%s", reason);
    node_fail(node, &failure);
}

struct node_progress node_progress(const struct node *node) {
    struct node *locked = (struct node *)(uintptr_t)node;
    pthread_mutex_lock(&locked->mail_lock);
    struct node_progress progress = node->progress;
    pthread_mutex_unlock(&locked->mail_lock);
    return progress;
}

static void close_partition(struct node_partition *partition) {
    struct inbox *inbox = &partition->inbox;
    for (uint32_t i = 0; i < inbox->count; i++) journal_record_release(inbox->records[(inbox->first + i) % inbox->capacity]);
    free(inbox->records);
    partial_fini(&partition->partial);
    aggregator_destroy(partition->aggregator);
    pthread_mutex_destroy(&partition->lock);
}

void node_close(struct node *node) {
    CHECK(atomic_load(&node->sessions_open) == 0);
    CHECK(node->queue_first == NULL && node->queue_last == NULL);
    CHECK(node->waiting_count == 0);
    node_live_fini(node);
    node_control_fini(node);
    node_recalculation_fini(node);
    for (uint32_t p = 0; node->partitions != NULL && p < node->partition_count; p++) close_partition(&node->partitions[p]);
    free(node->partitions);
    if (node->intake.pool != NULL) intake_pool_destroy(node->intake.pool);
    if (node->view != NULL) view_destroy(node->view);
    if (node->store != NULL) store_destroy(node->store);
    if (node->journal != NULL) journal_destroy(node->journal);
    ads_destroy(node->ads);
    dedup_keeping_fini(&node->keeping);
    free(node->waiting);
    pthread_rwlock_destroy(&node->view_lock);
    pthread_mutex_destroy(&node->mail_lock);
    free(node);
}
