#include "view/rank_memo.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"

enum { SPARE_MAX = 4 };

struct remembered {
    uint32_t filter_id;
    struct minute from, to;
    uint64_t changes;
    uint64_t used; /* for the choice of what to forget */
    size_t count;
    bool complete;
    struct ranked_ad *ads;
};

struct rank_memo {
    pthread_mutex_t lock;
    uint64_t uses;
    struct remembered entries[RANK_MEMO_ENTRIES];
    struct {
        uint32_t *counts;
        uint32_t count;
    } spare[SPARE_MAX];
};

struct rank_memo *rank_memo_create(void) {
    struct rank_memo *memo = memory_allocate_zeroed(1, sizeof *memo);
    CHECK(pthread_mutex_init(&memo->lock, NULL) == 0);
    return memo;
}

void rank_memo_destroy(struct rank_memo *memo) {
    for (size_t i = 0; i < RANK_MEMO_ENTRIES; i++) free(memo->entries[i].ads);
    for (size_t i = 0; i < SPARE_MAX; i++) free(memo->spare[i].counts);
    pthread_mutex_destroy(&memo->lock);
    free(memo);
}

static bool is_of(const struct remembered *entry, uint32_t filter_id, struct minute from, struct minute to) {
    return entry->ads != NULL && entry->filter_id == filter_id && entry->from.index == from.index &&
           entry->to.index == to.index;
}

bool rank_memo_find(struct rank_memo *memo, uint32_t filter_id, struct minute from, struct minute to, uint64_t changes,
                    struct ranked_ad *out, size_t count_max, size_t *count) {
    bool found = false;
    pthread_mutex_lock(&memo->lock);
    for (size_t i = 0; i < RANK_MEMO_ENTRIES && !found; i++) {
        struct remembered *entry = &memo->entries[i];
        if (!is_of(entry, filter_id, from, to) || entry->changes != changes) continue;
        if (entry->count < count_max && !entry->complete) continue;
        CHECK(entry->count <= RANK_MEMO_ADS_MAX && entry->used <= memo->uses);
        *count = entry->count < count_max ? entry->count : count_max;
        memcpy(out, entry->ads, *count * sizeof *out);
        entry->used = ++memo->uses;
        found = true;
    }
    pthread_mutex_unlock(&memo->lock);
    return found;
}

void rank_memo_keep(struct rank_memo *memo, uint32_t filter_id, struct minute from, struct minute to, uint64_t changes,
                    const struct ranked_ad *ads, size_t count, bool complete) {
    if (count > RANK_MEMO_ADS_MAX) return;
    CHECK(from.index <= to.index);
    for (size_t i = 1; i < count; i++) CHECK(ads[i - 1].count >= ads[i].count);
    pthread_mutex_lock(&memo->lock);
    struct remembered *chosen = &memo->entries[0];
    for (size_t i = 0; i < RANK_MEMO_ENTRIES; i++) {
        struct remembered *entry = &memo->entries[i];
        if (is_of(entry, filter_id, from, to)) {
            chosen = entry;
            break;
        }
        if (entry->used < chosen->used) chosen = entry;
    }
    if (chosen->ads == NULL) chosen->ads = memory_allocate(RANK_MEMO_ADS_MAX * sizeof *chosen->ads);
    memcpy(chosen->ads, ads, count * sizeof *ads);
    chosen->filter_id = filter_id;
    chosen->from = from;
    chosen->to = to;
    chosen->changes = changes;
    chosen->count = count;
    chosen->complete = complete;
    chosen->used = ++memo->uses;
    CHECK(chosen->used > 0 && is_of(chosen, filter_id, from, to));
    pthread_mutex_unlock(&memo->lock);
}

void rank_memo_clear(struct rank_memo *memo) {
    pthread_mutex_lock(&memo->lock);
    for (size_t i = 0; i < RANK_MEMO_ENTRIES; i++) {
        free(memo->entries[i].ads);
        memo->entries[i] = (struct remembered){0};
    }
    pthread_mutex_unlock(&memo->lock);
}

uint64_t rank_memo_bytes(struct rank_memo *memo) {
    uint64_t bytes = sizeof *memo;
    pthread_mutex_lock(&memo->lock);
    for (size_t i = 0; i < RANK_MEMO_ENTRIES; i++)
        if (memo->entries[i].ads != NULL) bytes += RANK_MEMO_ADS_MAX * sizeof *memo->entries[i].ads;
    for (size_t i = 0; i < SPARE_MAX; i++)
        if (memo->spare[i].counts != NULL) bytes += (uint64_t)memo->spare[i].count * sizeof *memo->spare[i].counts;
    pthread_mutex_unlock(&memo->lock);
    return bytes;
}

uint32_t *rank_memo_take_counts(struct rank_memo *memo, uint32_t count) {
    uint32_t *counts = NULL;
    pthread_mutex_lock(&memo->lock);
    for (size_t i = 0; i < SPARE_MAX && counts == NULL; i++) {
        if (memo->spare[i].counts == NULL || memo->spare[i].count < count) continue;
        CHECK(memo->spare[i].count >= count);
        counts = memo->spare[i].counts;
        memo->spare[i].counts = NULL;
    }
    pthread_mutex_unlock(&memo->lock);
    return counts != NULL ? counts : memory_allocate_large(count * sizeof *counts);
}

void rank_memo_give_counts(struct rank_memo *memo, uint32_t *counts, uint32_t count) {
    pthread_mutex_lock(&memo->lock);
    for (size_t i = 0; i < SPARE_MAX && counts != NULL; i++) {
        if (memo->spare[i].counts != NULL && memo->spare[i].count >= count) continue;
        uint32_t *smaller = memo->spare[i].counts;
        memo->spare[i].counts = counts;
        memo->spare[i].count = count;
        counts = smaller;
        break;
    }
    pthread_mutex_unlock(&memo->lock);
    free(counts);
}
