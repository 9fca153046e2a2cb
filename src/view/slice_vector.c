#include "view/slice_vector.h"

#include <stdlib.h>

#include "base/check.h"

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
    vector->entry_count = count = slices_add_up(items, count);
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
    slice_runs_fini(&vector->late);
    *vector = (struct slice_vector){0};
}

/* --- late clicks --- */

void slice_vector_add_late(struct slice_vector *vector, struct slice *items, uint32_t count) {
    slice_runs_add(&vector->late, items, count);
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
    size_t room = (size_t)vector->entry_count + vector->late.count;
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

struct slice_probe slice_probe_base(const struct slice_vector *vector, uint64_t first, uint64_t last) {
    return (struct slice_probe){.vector = vector,
                                .first = first,
                                .last = last,
                                .keys = (const uint8_t *)vector->groups,
                                .stride = sizeof *vector->groups,
                                .key_count = vector->group_count};
}

struct slice_probe slice_probe_run(const struct slice_run *run, uint64_t first, uint64_t last) {
    return (struct slice_probe){.run = run,
                                .first = first,
                                .last = last,
                                .keys = (const uint8_t *)&run->slices->key,
                                .stride = sizeof *run->slices,
                                .key_count = run->count};
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
    for (uint32_t r = 0; r < vector->late.run_count; r++) {
        const struct slice_run *run = &vector->late.runs[r];
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
    return (uint64_t)vector->group_count * sizeof *vector->groups + vector->entries_bytes + slice_runs_bytes(&vector->late);
}
