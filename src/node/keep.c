/* keep.c: what lets a start go on from the files of identities: they and a list of them are made durable, by a thread of
 * their own, since that takes as long as the disk does.
 *
 *   checkpoint written (reducer) -> chosen: what is in runs below it
 *   store synced (reducer)       -> due
 *   files synced, list written (this step) -> kept
 *
 * A start counts from the store's checkpoint on, so the list is of a place below it, and is written when the store holds it.
 */
#include "base/check.h"
#include "node/node_internal.h"

void node_keep_choose(struct node *node, uint32_t p, struct journal_offset counted_below) {
    struct node_partition *partition = &node->partitions[p];
    pthread_mutex_lock(&partition->lock);
    CHECK(partition->keep_chosen || !partition->keep_due);
    if (!partition->keep_chosen) partition->keep_chosen = aggregator_keep_choose(partition->aggregator, counted_below);
    pthread_mutex_unlock(&partition->lock);
}

void node_keep_flushed(struct node *node) {
    bool any = false;
    CHECK(!node->flush_needed); /* no list is written of what the store may lose */
    for (uint32_t p = 0; p < node->partition_count; p++) {
        struct node_partition *partition = &node->partitions[p];
        pthread_mutex_lock(&partition->lock);
        if (partition->keep_chosen) any = partition->keep_due = true;
        pthread_mutex_unlock(&partition->lock);
    }
    if (any) node_wake(node, NODE_STAGE_KEEP, 0);
}

bool node_keep_is_due(struct node *node) {
    bool due = false;
    for (uint32_t p = 0; p < node->partition_count && !due; p++) {
        pthread_mutex_lock(&node->partitions[p].lock);
        due = node->partitions[p].keep_due;
        pthread_mutex_unlock(&node->partitions[p].lock);
    }
    return due;
}

static bool take(struct node *node, uint32_t p) {
    struct node_partition *partition = &node->partitions[p];
    pthread_mutex_lock(&partition->lock);
    CHECK(partition->keep_chosen || !partition->keep_due);
    bool taken = partition->keep_due && aggregator_keep_take(partition->aggregator, &node->keeping);
    if (partition->keep_due && !taken) partition->keep_due = partition->keep_chosen = false;
    pthread_mutex_unlock(&partition->lock);
    return taken;
}

bool node_step_keep(struct node *node) {
    enum node_phase phase = node_phase(node);
    if (phase == NODE_FAILED || phase == NODE_STOPPED) return false;
    for (uint32_t p = 0; p < node->partition_count; p++) {
        if (!take(node, p)) continue;
        struct node_partition *partition = &node->partitions[p];
        struct failure failure = {0};
        enum status status = dedup_keep_write(&node->seam.files, &node->keeping, &failure);
        pthread_mutex_lock(&partition->lock);
        CHECK(partition->keep_due && partition->keep_chosen); /* nobody else ends it */
        if (status == STATUS_OK) aggregator_keep_done(partition->aggregator);
        partition->keep_due = partition->keep_chosen = false;
        pthread_mutex_unlock(&partition->lock);
        if (status != STATUS_OK) node_fail(node, &failure);
        node_wake(node, NODE_STAGE_AGGREGATE, p); /* files may go */
        node_wake(node, NODE_STAGE_REDUCE, 0);    /* a stop may go on */
        return true;
    }
    return false;
}
