#include "aggregate/filter_atoms.h"

#include <stdlib.h>

#include "base/check.h"

/* An id once used is never free again, so the table only grows and needs no tombstones. */
struct kept_filter {
    uint32_t id; /* 0: an empty slot */
    uint16_t len;
    bool standing;
    uint8_t *encoded; /* NULL: region only (it has no atom but 0), or not standing any more */
};

enum { SLOTS_MIN = 16 };

struct filter_atoms {
    struct atoms *atoms;
    struct kept_filter *slots; /* open addressing, at most half full */
    uint32_t slot_count;       /* a power of two */
    uint32_t id_count;
    uint64_t encoded_bytes;
};

struct filter_atoms *filter_atoms_create(void) {
    struct filter_atoms *filter_atoms = memory_allocate_zeroed(1, sizeof *filter_atoms);
    filter_atoms->atoms = atoms_create();
    filter_atoms->slot_count = SLOTS_MIN;
    filter_atoms->slots = memory_allocate_zeroed(SLOTS_MIN, sizeof *filter_atoms->slots);
    return filter_atoms;
}

void filter_atoms_destroy(struct filter_atoms *filter_atoms) {
    if (filter_atoms == NULL) return;
    for (uint32_t i = 0; i < filter_atoms->slot_count; i++) free(filter_atoms->slots[i].encoded);
    free(filter_atoms->slots);
    atoms_destroy(filter_atoms->atoms);
    free(filter_atoms);
}

/* The id's slot, or the empty one where it belongs. */
static struct kept_filter *find(const struct filter_atoms *filter_atoms, uint32_t id) {
    uint32_t mask = filter_atoms->slot_count - 1;
    CHECK((filter_atoms->slot_count & mask) == 0 && filter_atoms->id_count < filter_atoms->slot_count); /* so it ends */
    uint32_t index = (uint32_t)(((uint64_t)id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;
    while (filter_atoms->slots[index].id != 0 && filter_atoms->slots[index].id != id) index = (index + 1) & mask;
    return &filter_atoms->slots[index];
}

static void grow(struct filter_atoms *filter_atoms) {
    struct kept_filter *old = filter_atoms->slots;
    uint32_t old_count = filter_atoms->slot_count;
    CHECK(old_count <= UINT32_MAX / 4);
    filter_atoms->slot_count = old_count * 2;
    filter_atoms->slots = memory_allocate_zeroed(filter_atoms->slot_count, sizeof *filter_atoms->slots);
    uint32_t moved = 0;
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i].id == 0) continue;
        *find(filter_atoms, old[i].id) = old[i];
        moved++;
    }
    CHECKF(moved == filter_atoms->id_count, "%u of %u filters", moved, filter_atoms->id_count);
    free(old);
}

static void keep_encoded(struct filter_atoms *filter_atoms, const struct filter *filter, struct kept_filter *kept) {
    struct buffer encoded = {0};
    filter_encode(filter, &encoded);
    CHECK(kept->standing && kept->encoded == NULL);
    CHECK(encoded.len > 0 && encoded.len <= FILTER_BYTES_MAX);
    kept->len = (uint16_t)encoded.len;
    kept->encoded = memory_resize(encoded.at, encoded.len); /* gives back what the buffer had in reserve */
    filter_atoms->encoded_bytes += encoded.len;
}

static enum status keep(struct filter_atoms *filter_atoms, const struct filter_record *record, struct failure *failure) {
    const struct filter *filter = record->filter;
    CHECK(filter != NULL && filter->id == record->id && record->id != 0);
    if (filter_atoms->id_count >= filter_atoms->slot_count / 2) grow(filter_atoms);
    struct kept_filter *kept = find(filter_atoms, record->id);
    if (kept->id != 0)
        return failure_set(failure, STATUS_CORRUPT, "filter record %u creates filter %u, which was created before",
                           record->number, record->id);
    *kept = (struct kept_filter){.id = record->id, .standing = true};
    filter_atoms->id_count++;
    CHECK(filter_atoms->id_count <= filter_atoms->slot_count / 2);
    if (filter_is_region_only(filter)) return STATUS_OK;
    struct filter_term terms[FILTER_TERMS_MAX];
    CHECK(filter_term_count(filter) <= FILTER_TERMS_MAX);
    atoms_use(filter_atoms->atoms, filter, terms);
    keep_encoded(filter_atoms, filter, kept);
    return STATUS_OK;
}

static enum status forget(struct filter_atoms *filter_atoms, const struct filter_record *record, struct failure *failure) {
    struct kept_filter *kept = find(filter_atoms, record->id);
    if (kept->id == 0 || !kept->standing)
        return failure_set(failure, STATUS_CORRUPT, "filter record %u deletes filter %u, which does not stand",
                           record->number, record->id);
    kept->standing = false;
    if (kept->encoded == NULL) return STATUS_OK;
    struct filter *filter = filter_decode((struct bytes){kept->encoded, kept->len});
    CHECK(filter != NULL && filter->id == record->id);
    atoms_release(filter_atoms->atoms, filter);
    filter_destroy(filter);
    CHECK(filter_atoms->encoded_bytes >= kept->len);
    filter_atoms->encoded_bytes -= kept->len;
    free(kept->encoded);
    kept->encoded = NULL;
    CHECK(filter_atoms->encoded_bytes > 0 || atoms_none(filter_atoms->atoms)); /* what is matched can be let go */
    return STATUS_OK;
}

enum status filter_atoms_step(struct filter_atoms *filter_atoms, const struct filter_record *record,
                              struct failure *failure) {
    switch (record->action) {
    case FILTER_CREATE:
        return keep(filter_atoms, record, failure);
    case FILTER_DELETE:
        return forget(filter_atoms, record, failure);
    case FILTER_RECALCULATE:
        return STATUS_OK; /* a wish about what was clicked before: backfill.h */
    }
    CHECK_FAIL("filter action %d", (int)record->action);
}

const struct atoms *filter_atoms_view(const struct filter_atoms *filter_atoms) {
    return filter_atoms->atoms;
}

uint64_t filter_atoms_memory_bytes(const struct filter_atoms *filter_atoms) {
    return atoms_memory_bytes(filter_atoms->atoms) + filter_atoms->encoded_bytes +
           (uint64_t)filter_atoms->slot_count * sizeof *filter_atoms->slots;
}
