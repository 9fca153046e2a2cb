/* step_journal.c: the journal's step: replay, then one commit after another, at last the seal. */
#include <stdio.h>

#include "base/check.h"
#include "node/control.h"
#include "node/recalculate.h"

static void fail_with(struct node *node, struct failure *failure, enum status status) {
    if (failure->status == STATUS_OK) (void)failure_set(failure, status, "%s", status_text(status));
    node_fail(node, failure);
}

void node_note_durable(struct node *node, const struct journal_record *record) {
    const struct journal_totals totals = journal_totals(node->journal);
    const struct rules *rules = journal_rules(node->journal);
    CHECK(totals.accepted <= totals.received); /* I4 */
    pthread_mutex_lock(&node->mail_lock);
    CHECK(totals.received >= node->totals.received && totals.accepted >= node->totals.accepted);
    CHECK(totals.records >= node->totals.records && rules->number >= node->rules.number);
    node->totals = totals;
    node->rules = *rules;
    for (uint32_t p = 0; p < node->partition_count; p++) {
        const uint64_t end = journal_end(node->journal, p).at;
        CHECKF(end >= node->journal_end[p], "partition %u ends at %llu", p, (unsigned long long)end);
        node->journal_end[p] = end;
    }
    pthread_mutex_unlock(&node->mail_lock);
    if (record == NULL) return;
    CHECK(record->arrival.ms >= atomic_load(&node->last_arrival_ms)); /* I8 */
    atomic_store(&node->last_arrival_ms, record->arrival.ms);
}

/* Everything durable is in the view; what lies below the checkpoints is from the beginning, but not its filters. */
static bool view_has_all(struct node *node) {
    bool all = node_inboxes_empty(node);
    pthread_rwlock_rdlock(&node->view_lock);
    all = all && filters_number(view_filters(node->view)) == filters_number(journal_filters(node->journal));
    for (uint32_t p = 0; p < node->partition_count; p++) {
        const uint64_t offset = view_partition(node->view, p)->offset.at, end = journal_end(node->journal, p).at;
        CHECKF(offset <= end, "I3: the view of partition %u is at %llu, its journal at %llu", p, (unsigned long long)offset,
               (unsigned long long)end);
        all = all && offset == end;
    }
    pthread_rwlock_unlock(&node->view_lock);
    return all;
}

static void note_torn_tail(struct node *node) {
    const char *path = journal_torn_path(node->journal);
    if (path == NULL) return;
    CHECK(journal_totals(node->journal).torn_bytes > 0);
    pthread_mutex_lock(&node->mail_lock);
    (void)snprintf(node->progress.torn_path, sizeof node->progress.torn_path, "%s", path);
    node->progress.torn_bytes = journal_totals(node->journal).torn_bytes;
    pthread_mutex_unlock(&node->mail_lock);
}

static bool replay(struct node *node) {
    struct failure failure = {0};
    struct journal_record *record = NULL;
    enum status status = STATUS_OK;
    CHECK(!node->started || node->replay_ended);
    if (!node->replay_ended) {
        if (atomic_load(&node->pending_clicks) > node->options.pending_clicks_max || !node_inbox_has_room(node))
            return false;
        status = journal_replay_next(node->journal, &record, &failure);
        if (status == STATUS_END) {
            CHECK(atomic_load(&node->last_arrival_ms) == INT64_MIN); /* nothing was committed yet */
            node->replay_ended = true;
            node_note_durable(node, NULL);
            return true;
        }
    } else if (!view_has_all(node)) {
        node_wake(node, NODE_STAGE_REDUCE, 0);
        return false;
    } else if (!node->started) {
        const struct clock *clock = &node->seam.clock;
        status = journal_start(node->journal, clock_wall(clock), clock_mono(clock), &record, &failure);
        if (status == STATUS_OK) {
            atomic_store(&node->clock_trusted, true);
            node->started = true;
            note_torn_tail(node);
            node_note_durable(node, record);
        }
    } else {
        uint32_t filters = filters_number(journal_filters(node->journal));
        status = node_commit_configured_filters(node, &failure);
        /* What it wrote has to be in the view first; then it finds nothing left to write. */
        if (status == STATUS_OK && filters_number(journal_filters(node->journal)) == filters) {
            CHECK(node->started && node->replay_ended);
            node_begin_serving(node);
            return true;
        }
    }
    if (status != STATUS_OK) {
        fail_with(node, &failure, status);
        return true;
    }
    if (record != NULL) {
        node_note_filters(node, record);
        node_distribute(node, record, true);
        journal_record_release(record);
    }
    return true;
}

/* I4: what the batches brought is what the record holds. */
static void check_committed(const struct node *node, const struct journal_record *record,
                            struct intake_batch *const *batches, size_t count) {
    uint64_t given = 0, held = 0;
    for (size_t i = 0; i < count; i++) given += batches[i]->click_count;
    for (uint32_t p = 0; p < node->partition_count; p++) held += node_record_clicks(record, p);
    CHECKF(given == held, "%llu clicks given, %llu in the record", (unsigned long long)given, (unsigned long long)held);
}

/* Takes batches off the queue for one commit: at least one if there is any, then up to COMMIT_BYTES_MAX. */
static size_t take_batches(struct node *node, struct intake_batch **batches) {
    size_t count = 0, bytes = 0;
    pthread_mutex_lock(&node->mail_lock);
    while (node->queue_first != NULL && count < COUNT_BATCHES_MAX) {
        if (count > 0 && bytes + node->queue_first->bytes > COMMIT_BYTES_MAX) break;
        batches[count] = node->queue_first;
        bytes += batches[count++]->bytes;
        node->queue_first = node->queue_first->next;
    }
    if (node->queue_first == NULL) node->queue_last = NULL;
    CHECK(count <= COUNT_BATCHES_MAX && (count <= 1 || bytes <= COMMIT_BYTES_MAX + batches[count - 1]->bytes));
    CHECK(count > 0 || node->queue_first == NULL); /* one batch always goes, however large */
    pthread_mutex_unlock(&node->mail_lock);
    return count;
}

/* I8: no click is rejected for a clock that was behind. By now the clock says that more time than the skew has passed since
 * a line was refused as one of the future: either the clock was behind then, or the body took that long. Its sender is told
 * to try again, and nothing of the batch is counted; the others are not concerned. */
static size_t send_back_doubtful(struct node *node, struct intake_batch **batches, size_t count) {
    int64_t now_ms = clock_wall(&node->seam.clock).ms, skew_ms = journal_rules(node->journal)->max_skew_ms;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct intake_batch *batch = batches[i];
        if (batch->journal.counts.rejected_by[REJECT_FUTURE_TIMESTAMP] == 0 ||
            batch->journal.refused_at.ms >= now_ms - skew_ms) {
            CHECK(kept <= i);
            batches[kept++] = batch;
            continue;
        }
        node_settle_pending(node, batch->click_count);
        intake_batch_committed(batch, STATUS_AGAIN);
    }
    return kept;
}

static bool commit(struct node *node) {
    struct intake_batch *batches[COUNT_BATCHES_MAX];
    const struct journal_batch *journal_batches[COUNT_BATCHES_MAX];
    if (!node_inbox_has_room(node)) return false;
    if (node_commit_control(node)) return true;
    size_t taken = take_batches(node, batches), count = send_back_doubtful(node, batches, taken);
    CHECK(count <= taken && taken <= COUNT_BATCHES_MAX);
    for (size_t i = 0; i < count; i++) journal_batches[i] = &batches[i]->journal;

    struct failure failure = {0};
    struct journal_record *record = NULL;
    const struct clock *clock = &node->seam.clock;
    struct mono_time begun = clock_mono(clock);
    enum status status = journal_commit(node->journal, journal_batches, count, clock_wall(clock), begun, &record, &failure);
    if (record != NULL) node_count_commit(node, clock_mono(clock).ns - begun.ns);
    atomic_store(&node->clock_trusted, status != STATUS_AGAIN);
    CHECK(record == NULL || status == STATUS_OK);
    if (status == STATUS_OK && record != NULL) {
        check_committed(node, record, batches, count);
        node_note_durable(node, record); /* before any answer: status includes every request that was answered */
        node_distribute(node, record, false);
        journal_record_release(record);
    } else {
        for (size_t i = 0; i < count; i++) node_settle_pending(node, batches[i]->click_count);
    }
    for (size_t i = 0; i < count; i++) intake_batch_committed(batches[i], status); /* I3 */
    if (status != STATUS_OK && status != STATUS_AGAIN) fail_with(node, &failure, status);
    return taken > 0 || record != NULL;
}

/* Once all requests are answered, or have had their time: from here on node_submit refuses and nothing is committed any
 * more. The queue is looked at and the stage is set under one lock, so no batch slips in between. */
static bool begin_counting(struct node *node) {
    bool late = clock_mono(&node->seam.clock).ns >= atomic_load(&node->stop_deadline_ns);
    pthread_mutex_lock(&node->mail_lock);
    bool done = node->queue_first == NULL && node->control_queue == NULL && (atomic_load(&node->sessions_open) == 0 || late);
    CHECK(atomic_load(&node->stop_stage) == STOP_COMMITTING);
    if (done) atomic_store(&node->stop_stage, STOP_COUNTING);
    pthread_mutex_unlock(&node->mail_lock);
    return done;
}

static bool stop(struct node *node) {
    switch ((enum stop_stage)atomic_load(&node->stop_stage)) {
    case STOP_NOT:
        CHECK_FAIL("stopping without a stop");
    case STOP_COMMITTING:
        if (commit(node)) return true;
        return begin_counting(node);
    case STOP_COUNTING:
        node_wake(node, NODE_STAGE_REDUCE, 0);
        return false;
    case STOP_SEALING: {
        CHECK(atomic_load(&node->pending_clicks) == 0 && node->queue_first == NULL);
        int stopping = NODE_STOPPING;
        struct failure failure = {0};
        for (uint32_t p = 0; p < node->partition_count; p++) /* the two clocks of a partition tell the same time */
            CHECK(
                watermark_equal(journal_watermark(node->journal, p), aggregator_watermark(node->partitions[p].aggregator)));
        for (uint32_t p = 0; p < node->partition_count; p++) /* what is sealed is in the store */
            CHECK(view_partition(node->view, p)->checkpoint_offset.at == journal_end(node->journal, p).at);
        node_end_recalculation(node);
        enum status status = journal_close(node->journal, &failure);
        node->journal = NULL;
        if (status != STATUS_OK)
            fail_with(node, &failure, status);
        else
            (void)atomic_compare_exchange_strong(&node->phase, &stopping, NODE_STOPPED); /* not over a failure */
        return true;
    }
    }
    return false;
}

bool node_step_journal(struct node *node) {
    switch (node_phase(node)) {
    case NODE_REPLAYING:
        return replay(node);
    case NODE_SERVING:
        return commit(node);
    case NODE_STOPPING:
        return stop(node);
    case NODE_STOPPED:
    case NODE_FAILED:
        return false;
    }
    return false;
}
