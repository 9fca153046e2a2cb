/* step_count.c: the aggregators' step and the reducer's. */
#include <unistd.h>

#include "base/check.h"
#include "node/control.h"
#include "node/recalculate.h"

bool node_step_aggregate(struct node *node, uint32_t p) {
    CHECK(p < node->partition_count);
    struct node_partition *partition = &node->partitions[p];
    enum node_phase phase = node_phase(node);
    if (phase == NODE_FAILED || phase == NODE_STOPPED) return false;

    pthread_mutex_lock(&partition->lock);
    bool waits = aggregator_is_behind(partition->aggregator) ||
                 aggregator_increments_waiting(partition->aggregator) > INCREMENTS_WAITING_MAX;
    struct journal_record *record = waits ? NULL : node_inbox_pop(node, p);
    struct failure failure = {0};
    enum status status = STATUS_OK;
    bool did = false;
    if (record != NULL) {
        status = aggregator_step(partition->aggregator, record, &failure);
        did = true;
    } else {
        status = aggregator_tidy(partition->aggregator, 2 * INTAKE_BATCH_CLICKS, &did, &failure);
    }
    uint64_t room = aggregator_dedup_room(partition->aggregator);
    uint64_t entries = aggregator_dedup_usage(partition->aggregator).entries;
    pthread_mutex_unlock(&partition->lock);

    /* Room first, pending after: what intake adds up is never more than there is. */
    atomic_store(&partition->dedup_room, room);
    atomic_store(&partition->dedup_entries, entries);
    if (record != NULL) {
        uint64_t clicks = node_record_clicks(record, p);
        CHECK(status != STATUS_OK || aggregator_watermark(partition->aggregator)->clicks >= clicks);
        atomic_fetch_add(&node->unpublished_clicks, clicks);
        node_settle_pending(node, clicks);
        journal_record_release(record);
        node_resume_waiting(node);
        node_wake(node, NODE_STAGE_REDUCE, 0);
    }
    if (status != STATUS_OK) node_fail(node, &failure);
    return did;
}

/* A writer that waits keeps new readers out (the lock prefers writers, or they would never end), so it waits beside the lock
 * first: a long question then holds up the publication for a moment, and not all the short questions behind it. */
void node_lock_view_for_writing(struct node *node) {
    enum { TRIES_MAX = 400, TRY_EVERY_US = 500 };
    for (int i = 0; i < TRIES_MAX; i++) {
        if (pthread_rwlock_trywrlock(&node->view_lock) == 0) return;
        (void)usleep(TRY_EVERY_US);
    }
    pthread_rwlock_wrlock(&node->view_lock);
}

static int64_t elapsed_ms(struct mono_time since, struct mono_time now) {
    return (now.ns - since.ns) / 1000000;
}

/* I3: nothing past the durable end is counted. Before the replay has ended the end is not known here. */
static bool is_durable(struct node *node, uint32_t p, struct journal_offset offset) {
    pthread_mutex_lock(&node->mail_lock);
    const uint64_t end = node->journal_end[p];
    pthread_mutex_unlock(&node->mail_lock);
    return end == 0 || offset.at <= end;
}

/* Of what is about to be applied, and after: I5. */
static void check_taken(struct node *node, uint32_t p) {
    const struct partial *partial = &node->partitions[p].partial;
    CHECK(partial->partition == p && partial->from.at == view_partition(node->view, p)->offset.at);
    CHECK(verdict_totals_clicks(&partial->totals) == partial->watermark.clicks); /* I4 */
    CHECK(partial->to.at > partial->from.at && partial->increment_count <= partial->to.at - partial->from.at);
    CHECK(partial->filters_number >= view_partition(node->view, p)->filters_number);
    CHECKF(is_durable(node, p, partial->to), "I3: partition %u, offset %llu", p, (unsigned long long)partial->to.at);
}

/* Takes what the aggregators have counted, a partition at a time, then applies all of it in one go: one cut. */
static bool publish(struct node *node, struct mono_time now) {
    atomic_store(&node->unpublished_clicks, 0);
    bool taken[PARTITIONS_MAX] = {false}, any = false;
    uint32_t filters[PARTITIONS_MAX];
    for (uint32_t p = 0; p < node->partition_count; p++) {
        struct node_partition *partition = &node->partitions[p];
        pthread_mutex_lock(&partition->lock);
        taken[p] = aggregator_take(partition->aggregator, &partition->partial);
        filters[p] = aggregator_filters_number(partition->aggregator);
        pthread_mutex_unlock(&partition->lock);
        if (taken[p]) check_taken(node, p);
        CHECK(filters[p] >= view_partition(node->view, p)->filters_number);
        any = any || taken[p] || filters[p] != view_partition(node->view, p)->filters_number;
    }
    CHECK(now.ns >= node->published_at.ns);
    node->published_at = now;
    if (!any) return false;
    node_lock_view_for_writing(node);
    for (uint32_t p = 0; p < node->partition_count; p++)
        if (taken[p]) view_apply(node->view, &node->partitions[p].partial);
    /* A replay passes filter records below the checkpoints, too: then nothing is taken. */
    for (uint32_t p = 0; p < node->partition_count; p++) view_pass_filters(node->view, p, filters[p]);
    for (uint32_t p = 0; p < node->partition_count; p++) {
        CHECK(view_partition(node->view, p)->filters_number == filters[p]);
        CHECK(!taken[p] || view_partition(node->view, p)->offset.at == node->partitions[p].partial.to.at); /* I5 */
    }
    node_apply_filter_mail(node);
    const uint64_t version = view_version(node->view);
    view_publish(node->view);
    CHECK(view_version(node->view) >= version);
    pthread_rwlock_unlock(&node->view_lock);
    while (view_close_prepare(node->view)) {
        node_lock_view_for_writing(node);
        view_close_commit(node->view);
        pthread_rwlock_unlock(&node->view_lock);
    }
    node_wake(node, NODE_STAGE_JOURNAL, 0);
    return true;
}

/* One more minute by country and atom, for filters: the newest that closed, or one of the past. */
static bool fill(struct node *node) {
    struct failure failure = {0};
    enum status status = view_fill_prepare(node->view, &failure);
    if (status == STATUS_END) return false;
    if (status != STATUS_OK) {
        node_fail(node, &failure);
        return false;
    }
    node_lock_view_for_writing(node);
    view_fill_commit(node->view);
    pthread_rwlock_unlock(&node->view_lock);
    return true;
}

/* One more ranking that is kept. Those of the newest minute at once; the past may take a tenth of the time, and only when
 * there is nothing better to do. */
static bool keep_ranking(struct node *node, bool idle) {
    enum { REST_FACTOR = 9 };
    struct failure failure = {0};
    struct mono_time begun = clock_mono(&node->seam.clock);
    enum status status = view_publish_ranking(node->view, idle && begun.ns >= node->rankings_rest_until.ns, &failure);
    if (status == STATUS_END) return false;
    if (status != STATUS_OK) node_fail(node, &failure);
    struct mono_time ended = clock_mono(&node->seam.clock);
    CHECK(ended.ns >= begun.ns); /* the clock is monotonic */
    node->rankings_rest_until.ns = ended.ns + REST_FACTOR * (ended.ns - begun.ns);
    return status == STATUS_OK;
}

static uint64_t clicks_since_checkpoint(const struct view_partition *public) {
    return verdict_totals_clicks(&public->totals) - verdict_totals_clicks(&public->checkpoint_totals);
}

static bool checkpoint(struct node *node, uint32_t p, struct mono_time now) {
    struct failure failure = {0};
    node->unflushed_clicks += clicks_since_checkpoint(view_partition(node->view, p));
    if (view_checkpoint_write(node->view, p, &failure) != STATUS_OK) {
        node_fail(node, &failure);
        return false;
    }
    node_lock_view_for_writing(node);
    view_checkpoint_done(node->view, p);
    pthread_rwlock_unlock(&node->view_lock);
    view_checkpoint_clean(node->view);
    CHECK(view_partition(node->view, p)->checkpoint_offset.at == view_partition(node->view, p)->offset.at);
    node->partitions[p].checkpoint_at = now;
    node->flush_needed = true;
    node_keep_choose(node, p, view_partition(node->view, p)->checkpoint_offset);
    atomic_fetch_add(&node->checkpoints, 1);
    return true;
}

static bool checkpoint_due(const struct node *node, uint32_t p, struct mono_time now) {
    const struct view_partition *public = view_partition(node->view, p);
    if (public->offset.at == public->checkpoint_offset.at) return false;
    CHECK(public->offset.at > public->checkpoint_offset.at);
    CHECK(verdict_totals_clicks(&public->totals) >= verdict_totals_clicks(&public->checkpoint_totals));
    return clicks_since_checkpoint(public) >= node->options.checkpoint_clicks / node->partition_count + 1 ||
           elapsed_ms(node->partitions[p].checkpoint_at, now) >= node->options.checkpoint_interval_ms;
}

/* By clicks too, since a start has to read again what came after the store was synced. */
static bool flush_due(const struct node *node, struct mono_time now) {
    return node->flush_needed && (elapsed_ms(node->flushed_at, now) >= node->options.flush_interval_ms ||
                                  node->unflushed_clicks >= node->options.checkpoint_clicks);
}

static bool flush(struct node *node, struct mono_time now) {
    struct failure failure = {0};
    CHECK(node->flush_needed && now.ns >= node->flushed_at.ns);
    node->flushed_at = now;
    node->flush_needed = false;
    node->unflushed_clicks = 0;
    if (store_flush(node->store, &failure) == STATUS_OK) {
        node_keep_flushed(node);
        return true;
    }
    node_fail(node, &failure);
    return false;
}

/* What is in runs by now is kept, once: the next start has that much less to read. True when that is done. */
static bool keep_last(struct node *node) {
    CHECK(!node->flush_needed); /* the last flush was before */
    if (!node->kept_at_stop && !node_keep_is_due(node)) {
        node->kept_at_stop = true;
        for (uint32_t p = 0; p < node->partition_count; p++)
            node_keep_choose(node, p, view_partition(node->view, p)->checkpoint_offset);
        node_keep_flushed(node);
    }
    return !node_keep_is_due(node);
}

/* The last publication, checkpoints and flush, once everything durable has been aggregated. */
static bool finish_counting(struct node *node, struct mono_time now) {
    if (!node_inboxes_empty(node) || atomic_load(&node->pending_clicks) > 0) return false;
    (void)publish(node, now);
    (void)node_answer_controls(node);
    for (uint32_t p = 0; p < node->partition_count; p++) {
        pthread_mutex_lock(&node->mail_lock);
        uint64_t end = node->journal_end[p];
        pthread_mutex_unlock(&node->mail_lock);
        if (view_partition(node->view, p)->offset.at != end) return false; /* a record was still being judged */
    }
    for (uint32_t p = 0; p < node->partition_count; p++) {
        const struct view_partition *public = view_partition(node->view, p);
        if (public->offset.at != public->checkpoint_offset.at && !checkpoint(node, p, now)) return true;
    }
    if (node->flush_needed && !flush(node, now)) return true;
    if (!keep_last(node)) return false;
    CHECK(atomic_load(&node->pending_clicks) == 0 && atomic_load(&node->stop_stage) == STOP_COUNTING);
    for (uint32_t p = 0; p < node->partition_count; p++)
        CHECK(view_partition(node->view, p)->checkpoint_offset.at == view_partition(node->view, p)->offset.at);
    atomic_store(&node->stop_stage, STOP_SEALING);
    node_wake(node, NODE_STAGE_JOURNAL, 0);
    return true;
}

bool node_step_reduce(struct node *node) {
    enum node_phase phase = node_phase(node);
    if (phase == NODE_FAILED || phase == NODE_STOPPED) return false;
    struct mono_time now = clock_mono(&node->seam.clock);
    if (phase == NODE_STOPPING && atomic_load(&node->stop_stage) == STOP_COUNTING) return finish_counting(node, now);
    if (phase == NODE_STOPPING && atomic_load(&node->stop_stage) == STOP_SEALING) return false;

    bool did = node_live_step(node, now);
    int64_t since_ms = elapsed_ms(node->published_at, now);
    bool little = atomic_load(&node->unpublished_clicks) <= PUBLISH_IDLE_CLICKS_MAX;
    bool due =
        since_ms >= PUBLISH_INTERVAL_MS || (little && since_ms >= PUBLISH_IDLE_INTERVAL_MS && node_inboxes_empty(node));
    did = (due && publish(node, now)) || did;
    did = node_answer_controls(node) || did;
    did = node_serve_recalculation(node) || did;
    did = fill(node) || did;
    if (phase == NODE_SERVING) did = keep_ranking(node, little && !due && node_inboxes_empty(node)) || did;
    for (uint32_t p = 0; p < node->partition_count; p++) {
        if (!checkpoint_due(node, p, now)) continue;
        (void)checkpoint(node, p, now);
        return true; /* one at a time, so that publishing goes on in between */
    }
    if (flush_due(node, now)) return flush(node, now);
    return did;
}
