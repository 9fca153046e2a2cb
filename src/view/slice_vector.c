#include "view/slice_vector.h"

#include <stdlib.h>

#include "base/check.h"

enum {
    RUN_SHARE = 4, /* a run that is not so many times as large as the one behind it is merged with it */
};

/* --- the base's items --- */

/* I9: checked, though no machine counts that far. */
static void add_checked(uint64_t *sum, uint64_t count) {
    CHECK(!__builtin_add_overflow(*sum, count, sum));
}

/* Each key once; returns how many are left. */
static uint32_t add_up_equal(struct slice *sorted, uint32_t count) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        CHECK(sorted[i].count > 0);
        if (kept > 0 && sorted[kept - 1].key == sorted[i].key)
            add_checked(&sorted[kept - 1].count, sorted[i].count);
        else
            sorted[kept++] = sorted[i];
    }
    return kept;
}

/* --- the base --- */

static uint8_t *encode(uint8_t *at, uint64_t gap, uint64_t count) {
    unsigned gap_bytes = 0;
    while (gap_bytes < 7 && gap >> (4 + 8 * gap_bytes) != 0) gap_bytes++;
    uint8_t has_count = count > 1 ? 1 << 3 : 0;
    *at++ = (uint8_t)(gap_bytes | has_count | (gap_bytes < 7 ? gap << 4 : 0));
    if (gap_bytes == 7) {
        put_u64(at, gap);
        at += 8;
    } else {
        for (unsigned i = 0; i < gap_bytes; i++) *at++ = (uint8_t)(gap >> (4 + 8 * i));
    }
    if (has_count == 0) return at;
    *at++ = (uint8_t)(count - 1 < UINT8_MAX ? count - 1 : UINT8_MAX);
    if (count - 1 < UINT8_MAX) return at;
    put_u64(at, count);
    return at + 8;
}

void slice_vector_init(struct slice_vector *vector, struct slice *items, struct slice *scratch, uint32_t count) {
    *vector = (struct slice_vector){0};
    if (count == 0) return;
    const struct slice *sorted = items = slices_sorted(items, scratch, count);
    vector->entry_count = count = add_up_equal(items, count);
    vector->group_count = (count + SLICE_GROUP - 1) / SLICE_GROUP;
    vector->groups = memory_allocate(vector->group_count * sizeof *vector->groups);
    CHECK(count <= (UINT32_MAX - SLICE_READ_AHEAD) / SLICE_ENTRY_BYTES_MAX);
    uint8_t *entries = memory_allocate((size_t)count * SLICE_ENTRY_BYTES_MAX + SLICE_READ_AHEAD), *at = entries;
    for (uint32_t i = 0; i < count; i++) {
        bool first = i % SLICE_GROUP == 0;
        if (first) vector->groups[i / SLICE_GROUP] = (struct slice_group){sorted[i].key, (uint32_t)(at - entries)};
        at = encode(at, first ? 0 : sorted[i].key - sorted[i - 1].key, sorted[i].count);
    }
    memset(at, 0, SLICE_READ_AHEAD);
    vector->entries_bytes = (uint32_t)(at - entries) + SLICE_READ_AHEAD;
    vector->entries = memory_resize(entries, vector->entries_bytes);
}

void slice_vector_fini(struct slice_vector *vector) {
    free(vector->groups);
    free(vector->entries);
    for (uint32_t r = 0; r < vector->run_count; r++) free(vector->runs[r].slices);
    *vector = (struct slice_vector){0};
}

/* --- late clicks --- */

/* Gives back what equal keys have left free. */
static void run_trim(struct slice_run *run, size_t room) {
    if (run->count < room) run->slices = memory_resize(run->slices, run->count * sizeof *run->slices);
}

/* Two runs into one; both are let go. */
static struct slice_run merge_runs(struct slice_run a, struct slice_run b) {
    struct slice_run merged = {.slices = memory_allocate(((size_t)a.count + b.count) * sizeof *merged.slices)};
    uint32_t i = 0, j = 0;
    while (i < a.count && j < b.count) {
        struct slice *next = &merged.slices[merged.count++];
        if (a.slices[i].key < b.slices[j].key) {
            *next = a.slices[i++];
        } else if (b.slices[j].key < a.slices[i].key) {
            *next = b.slices[j++];
        } else {
            *next = a.slices[i++];
            add_checked(&next->count, b.slices[j++].count);
        }
    }
    memcpy(merged.slices + merged.count, a.slices + i, (a.count - i) * sizeof *merged.slices);
    merged.count += a.count - i;
    memcpy(merged.slices + merged.count, b.slices + j, (b.count - j) * sizeof *merged.slices);
    merged.count += b.count - j;
    run_trim(&merged, (size_t)a.count + b.count);
    free(a.slices);
    free(b.slices);
    return merged;
}

void slice_vector_add_late(struct slice_vector *vector, struct slice *items, uint32_t count) {
    if (count == 0) return;
    struct slice_run run = {.slices = memory_allocate(count * sizeof *run.slices)};
    struct slice *sorted = slices_sorted(items, run.slices, count);
    run.count = add_up_equal(sorted, count);
    if (sorted != run.slices) memcpy(run.slices, sorted, run.count * sizeof *sorted);
    run_trim(&run, count);
    while (vector->run_count > 0 && vector->runs[vector->run_count - 1].count / RUN_SHARE <= run.count) {
        struct slice_run last = vector->runs[--vector->run_count];
        vector->late_count -= last.count;
        run = merge_runs(last, run);
    }
    CHECK(vector->run_count < SLICE_RUNS_MAX && run.count <= UINT32_MAX - vector->late_count);
    vector->runs[vector->run_count++] = run;
    vector->late_count += run.count;
}

struct gathering {
    struct slice *slices;
    uint32_t count;
};

static inline void gather(void *context, uint64_t key, uint64_t count) {
    struct gathering *gathering = context;
    gathering->slices[gathering->count++] = (struct slice){key, count};
}

void slice_vector_fold(const struct slice_vector *vector, struct slice_vector *folded) {
    size_t room = (size_t)vector->entry_count + vector->late_count;
    CHECK(room <= UINT32_MAX);
    struct gathering gathering = {.slices = memory_allocate(room * sizeof *gathering.slices)};
    struct slice *scratch = memory_allocate(room * sizeof *scratch);
    slice_vector_visit(vector, 0, UINT64_MAX, gather, &gathering);
    CHECK(gathering.count == room);
    slice_vector_init(folded, gathering.slices, scratch, gathering.count);
    free(gathering.slices);
    free(scratch);
}

/* --- reading --- */

uint32_t slice_vector_probes(const struct slice_vector *vector, uint64_t first, uint64_t last,
                             struct slice_probe probes[SLICE_PROBES_MAX]) {
    uint32_t count = 0;
    if (vector->group_count > 0)
        probes[count++] = (struct slice_probe){
            vector, NULL, first, last, (const uint8_t *)vector->groups, sizeof *vector->groups, vector->group_count, 0};
    for (uint32_t r = 0; r < vector->run_count; r++) {
        const struct slice_run *run = &vector->runs[r];
        probes[count++] = (struct slice_probe){
            vector, run, first, last, (const uint8_t *)&run->slices->key, sizeof *run->slices, run->count, 0};
    }
    return count;
}

static uint64_t probe_key(const struct slice_probe *probe, uint32_t index) {
    return get_u64(probe->keys + (size_t)index * probe->stride);
}

/* A step of all before the next step of any. What is left of a probe's keys to look at is halved in each, without branches
 * on what the keys are: there is no use in guessing where others can be done meanwhile. */
void slice_probes_locate(struct slice_probe *probes, uint32_t count) {
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < count; i++) {
            struct slice_probe *probe = &probes[i];
            if (probe->key_count == 0) continue;
            uint32_t half = (probe->key_count + 1) / 2;
            uint32_t is_below =
                0 - (uint32_t)(probe_key(probe, probe->below + half - 1) < probe->first); /* all bits or none */
            probe->below += half & is_below;
            probe->key_count = ((probe->key_count - half) & is_below) | ((half - 1) & ~is_below);
            uint32_t next = probe->below + (probe->key_count + 1) / 2;
            if (next > 0) __builtin_prefetch(probe->keys + (size_t)(next - 1) * probe->stride);
            more |= probe->key_count > 0;
        }
    }
}

uint64_t slice_vector_entries(const struct slice_vector *vector, uint64_t first, uint64_t last) {
    uint64_t entries = 0;
    for (uint32_t r = 0; r < vector->run_count; r++) {
        const struct slice_run *run = &vector->runs[r];
        uint32_t begin = slice_run_index(run, first);
        entries += last == UINT64_MAX ? run->count - begin : slice_run_index(run, last + 1) - begin;
    }
    int64_t begin = slice_vector_group(vector, first), end = slice_vector_group(vector, last);
    if (end < 0) return entries;
    uint64_t groups = (uint64_t)(end - (begin < 0 ? 0 : begin)) + 1, whole = groups * SLICE_GROUP;
    bool has_last = end == (int64_t)vector->group_count - 1;
    return entries + (has_last ? whole - (SLICE_GROUP - slice_vector_group_entries(vector, (uint32_t)end)) : whole);
}

uint64_t slice_vector_bytes(const struct slice_vector *vector) {
    return (uint64_t)vector->group_count * sizeof *vector->groups + vector->entries_bytes +
           (uint64_t)vector->late_count * sizeof(struct slice);
}
