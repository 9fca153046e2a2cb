/* slice_vector.h: the counts of one closed minute by a 64-bit key (view/slices.h says which), over all partitions: 2 to 3
 * bytes an entry. An immutable base plus sorted runs of what late clicks added. One writer; readers only while nobody
 * writes.
 *
 * The base is sorted, in groups of SLICE_GROUP entries. An entry is the gap to the key before it in the group (0 for the
 * first) and the count. In its first byte:
 * - the low 3 bits: how many bytes of the gap follow, lowest first; 7: the gap is in the next 8 bytes, all of it;
 * - the 4th bit: a byte with the count - 1 follows the gap; if that is 255, 8 bytes with the count. Without the bit: 1;
 * - the high 4 bits: the lowest bits of the gap.
 *
 * Lengths come from the first byte alone, and no branch depends on common data: about 2.5 ns an entry however ads are
 * numbered. Plain varints for gap and count took 2.3 to 4 ns, and a third more bytes. */
#pragma once

#include "base/codec.h"
#include "view/slice_runs.h"

enum {
    SLICE_GROUP = 32, /* a look-up decodes at most this many entries */
    SLICE_ENTRY_BYTES_MAX = 1 + 8 + 1 + 8,
    SLICE_READ_AHEAD = 16, /* bytes behind the entries that decoding may touch */
};

/* Together, and 12 bytes: who has found the key has the offset in the same line. */
struct __attribute__((packed)) slice_group {
    uint64_t key;    /* the first of the group */
    uint32_t offset; /* where its entries begin */
};

struct slice_vector {
    uint32_t entry_count; /* of the base */
    uint32_t group_count;
    struct slice_group *groups; /* ascending */
    uint8_t *entries;
    uint32_t entries_bytes;
    struct slice_runs late;
};

/* From items in any order; equal keys are added up. `scratch` has room for as many. Both are used as working memory. */
void slice_vector_init(struct slice_vector *vector, struct slice *items, struct slice *scratch, uint32_t count);
void slice_vector_fini(struct slice_vector *vector);
/* Adds late clicks, in any order and with equal keys; `items` is used as working memory. */
void slice_vector_add_late(struct slice_vector *vector, struct slice *items, uint32_t count);
/* A vector of the same counts without runs. */
void slice_vector_fold(const struct slice_vector *vector, struct slice_vector *folded);
/* A look-up of the keys from `first` to `last`, both included, in one vector's base, or in one of its runs. Those of many
 * vectors are located together: nothing of them is in a cache, and so their loads overlap. Located in sixties it takes a
 * fifth of the time that one after the other takes. */
struct slice_probe {
    const struct slice_vector *vector; /* its base, */
    const struct slice_run *run;       /* or a run; the other is NULL */
    uint64_t first, last;
    const uint8_t *keys; /* ascending, one every `stride` bytes: the run's, or the groups' first ones */
    uint32_t stride, key_count;
    uint32_t below; /* found: so many keys are below `first` */
};
struct slice_probe slice_probe_base(const struct slice_vector *vector, uint64_t first, uint64_t last);
struct slice_probe slice_probe_run(const struct slice_run *run, uint64_t first, uint64_t last);
void slice_probes_locate(struct slice_probe *probes, uint32_t count);
/* Entries that slice_vector_visit decodes for [first, last], with those beside them in their groups; found without decoding.
 */
uint64_t slice_vector_entries(const struct slice_vector *vector, uint64_t first, uint64_t last);
uint64_t slice_vector_bytes(const struct slice_vector *vector);

/* --- inline, so that a visit of millions of entries calls nothing --- */

static inline const uint8_t *slice_decode(const uint8_t *at, uint64_t *key, uint64_t *count) {
    uint64_t head = get_u64(at), gap_bytes = head & 7, has_count = head >> 3 & 1;
    uint64_t gap = (head >> 4) & ((UINT64_C(1) << (4 + 8 * gap_bytes)) - 1);
    at += 1 + gap_bytes;
    if (__builtin_expect(gap_bytes == 7, 0)) gap = get_u64(at++ - 7);
    uint64_t more = *at & (0 - has_count);
    at += has_count;
    *key += gap;
    *count = 1 + more;
    if (__builtin_expect(more == UINT8_MAX, 0)) {
        *count = get_u64(at);
        at += 8;
    }
    return at;
}

/* The last group that begins at or before the key; -1: there is none. */
static inline int64_t slice_vector_group(const struct slice_vector *vector, uint64_t key) {
    /* With branches: they let the next loads begin before the last has come; without, it took twice as long. */
    uint32_t low = 0, high = vector->group_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (vector->groups[middle].key <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return (int64_t)low - 1;
}

static inline uint32_t slice_vector_group_entries(const struct slice_vector *vector, uint32_t group) {
    uint32_t left = vector->entry_count - group * SLICE_GROUP;
    return left < SLICE_GROUP ? left : SLICE_GROUP;
}

/* The last group that begins below `first`, or the first one: nothing before it is wanted. */
static inline uint32_t slice_probe_group(const struct slice_probe *probe) {
    return probe->below == 0 ? 0 : probe->below - 1;
}

/* Of the base, from the beginning of a group on that begins at or before `first`, or of the first one. */
__attribute__((always_inline)) static inline void slice_base_visit(const struct slice_vector *vector, uint32_t group,
                                                                   uint64_t first, uint64_t last, slice_visit *visit,
                                                                   void *context) {
    if (group >= vector->group_count) return;
    const uint8_t *at = vector->entries + vector->groups[group].offset;
    for (; group < vector->group_count && vector->groups[group].key <= last; group++) {
        uint64_t key = vector->groups[group].key, count;
        for (uint32_t left = slice_vector_group_entries(vector, group); left > 0; left--) {
            at = slice_decode(at, &key, &count);
            if (key < first) continue;
            if (key > last) return;
            visit(context, key, count);
        }
    }
}

/* `visit` for the entries from `first` to `last`, both included: base and runs, so a key may come more than once, and not in
 * order. With a static inline `visit` and a local context all of it becomes one loop. */
__attribute__((always_inline)) static inline void slice_vector_visit(const struct slice_vector *vector, uint64_t first,
                                                                     uint64_t last, slice_visit *visit, void *context) {
    slice_runs_visit(&vector->late, first, last, visit, context);
    int64_t begin = slice_vector_group(vector, first);
    slice_base_visit(vector, begin < 0 ? 0 : (uint32_t)begin, first, last, visit, context);
}

/* Of a probe that was located. */
__attribute__((always_inline)) static inline void slice_probe_visit(const struct slice_probe *probe, slice_visit *visit,
                                                                    void *context) {
    if (probe->run != NULL)
        slice_run_visit(probe->run, probe->below, probe->last, visit, context);
    else
        slice_base_visit(probe->vector, slice_probe_group(probe), probe->first, probe->last, visit, context);
}
