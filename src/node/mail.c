/* mail.c: what passes from one step to another. */
#include <stdlib.h>

#include "base/check.h"
#include "node/node_internal.h"

void node_wake(struct node *node, enum node_stage stage, uint32_t partition) {
    if (node->options.wake != NULL) node->options.wake(node->options.wake_self, stage, partition);
}

void node_settle_pending(struct node *node, uint64_t clicks) {
    const unsigned long long before = atomic_fetch_sub(&node->pending_clicks, clicks);
    CHECKF(before >= clicks, "%llu clicks of %llu pending ones", (unsigned long long)clicks, before);
}

void node_session_closed(struct node *node) {
    CHECK(atomic_fetch_sub(&node->sessions_open, 1) > 0);
}

/* Under mail_lock. */
static void inbox_push(struct inbox *inbox, struct journal_record *record) {
    if (inbox->count == inbox->capacity) {
        uint32_t capacity = inbox->capacity == 0 ? 64 : inbox->capacity * 2;
        struct journal_record **records = memory_allocate(capacity * sizeof(struct journal_record *));
        for (uint32_t i = 0; i < inbox->count; i++) records[i] = inbox->records[(inbox->first + i) % inbox->capacity];
        free(inbox->records);
        inbox->records = records;
        inbox->first = 0;
        inbox->capacity = capacity;
    }
    CHECK(inbox->count == 0 || /* I2: in the journal's order */
          inbox->records[(inbox->first + inbox->count - 1) % inbox->capacity]->number < record->number);
    CHECK(inbox->count < inbox->capacity && inbox->count <= INBOX_RECORDS_MAX); /* I10 */
    inbox->records[(inbox->first + inbox->count++) % inbox->capacity] = record;
}

struct journal_record *node_inbox_pop(struct node *node, uint32_t partition) {
    CHECK(partition < node->partition_count);
    struct inbox *inbox = &node->partitions[partition].inbox;
    struct journal_record *record = NULL;
    pthread_mutex_lock(&node->mail_lock);
    if (inbox->count > 0) {
        record = inbox->records[inbox->first];
        CHECK(record != NULL && inbox->first < inbox->capacity);
        inbox->first = (inbox->first + 1) % inbox->capacity;
        inbox->count--;
    }
    pthread_mutex_unlock(&node->mail_lock);
    return record;
}

static bool record_concerns(const struct journal_record *record, uint32_t partition) {
    for (uint32_t i = 0; i < record->sub_block_count; i++)
        if (record->sub_blocks[i].partition == partition) return true;
    return false;
}

uint64_t node_record_clicks(const struct journal_record *record, uint32_t partition) {
    uint64_t clicks = 0;
    for (uint32_t i = 0; i < record->sub_block_count; i++)
        if (record->sub_blocks[i].kind == SUB_BLOCK_CLICKS && record->sub_blocks[i].partition == partition)
            clicks += record->sub_blocks[i].count;
    return clicks;
}

/* Of all partitions. */
static uint64_t all_clicks(const struct journal_record *record) {
    uint64_t clicks = 0;
    for (uint32_t i = 0; i < record->sub_block_count; i++)
        if (record->sub_blocks[i].kind == SUB_BLOCK_CLICKS) clicks += record->sub_blocks[i].count;
    return clicks;
}

void node_distribute(struct node *node, struct journal_record *record, bool count_pending) {
    bool concerned[PARTITIONS_MAX] = {false};
    uint64_t clicks = 0;
    pthread_mutex_lock(&node->mail_lock);
    for (uint32_t p = 0; p < node->partition_count; p++) {
        concerned[p] = record_concerns(record, p);
        if (!concerned[p]) continue;
        clicks += node_record_clicks(record, p);
        inbox_push(&node->partitions[p].inbox, journal_record_hold(record));
    }
    /* I4: every click of the record goes to a partition, and to one. */
    CHECKF(clicks == all_clicks(record), "%llu of %llu clicks", (unsigned long long)clicks,
           (unsigned long long)all_clicks(record));
    if (count_pending) atomic_fetch_add(&node->pending_clicks, clicks);
    node->progress.records++;
    node->progress.clicks += clicks;
    pthread_mutex_unlock(&node->mail_lock);
    for (uint32_t p = 0; p < node->partition_count; p++)
        if (concerned[p]) node_wake(node, NODE_STAGE_AGGREGATE, p);
}

bool node_inboxes_empty(struct node *node) {
    bool empty = true;
    pthread_mutex_lock(&node->mail_lock);
    for (uint32_t p = 0; p < node->partition_count; p++) empty = empty && node->partitions[p].inbox.count == 0;
    pthread_mutex_unlock(&node->mail_lock);
    return empty;
}

bool node_inbox_has_room(struct node *node) {
    bool room = true;
    pthread_mutex_lock(&node->mail_lock);
    for (uint32_t p = 0; p < node->partition_count; p++) room = room && node->partitions[p].inbox.count < INBOX_RECORDS_MAX;
    pthread_mutex_unlock(&node->mail_lock);
    return room;
}

void node_resume_waiting(struct node *node) {
    uint64_t pending = atomic_load(&node->pending_clicks);
    if (pending > node->options.pending_clicks_max / 2 && node_phase(node) == NODE_SERVING) return;
    pthread_mutex_lock(&node->mail_lock);
    void **waiting = node->waiting;
    size_t count = node->waiting_count;
    node->waiting = NULL;
    CHECK(count <= node->waiting_capacity);
    node->waiting_count = node->waiting_capacity = 0;
    pthread_mutex_unlock(&node->mail_lock);
    for (size_t i = 0; i < count; i++) node->seam.requests.resume(node->seam.requests.self, waiting[i]);
    free(waiting);
}
