#include "aggregate/backfill.h"

#include <stdlib.h>

#include "aggregate/aggregator.h"
#include "base/check.h"

struct wanted {
    uint32_t atom, born;
    const struct filter *filter; /* one of `filters` */
    size_t term_index;
};

struct backfill {
    uint32_t partition;
    struct atoms *atoms; /* the wanted ones that are still to be counted */
    struct aggregator *aggregator;
    bool started;
    struct wanted *wanted; /* once started: by born, then atom */
    size_t wanted_count, wanted_capacity;
    size_t passed; /* so many of them are counted whole */
    struct filter **filters;
    size_t filter_count, filter_capacity;
};

struct backfill *backfill_create(uint32_t partition, const struct dedup_options *dedup, struct ads *ads) {
    struct backfill *backfill = memory_allocate_zeroed(1, sizeof *backfill);
    backfill->partition = partition;
    backfill->atoms = atoms_create();
    backfill->aggregator = aggregator_create_backfill(partition, dedup, ads, backfill->atoms);
    return backfill;
}

void backfill_destroy(struct backfill *backfill) {
    if (backfill == NULL) return;
    aggregator_destroy(backfill->aggregator);
    atoms_destroy(backfill->atoms);
    for (size_t i = 0; i < backfill->filter_count; i++) filter_destroy(backfill->filters[i]);
    free(backfill->filters);
    free(backfill->wanted);
    free(backfill);
}

/* A copy of the filter; the terms of one filter are mostly wanted one after the other, and share it. */
static const struct filter *keep(struct backfill *backfill, const struct filter *filter) {
    if (backfill->filter_count > 0 && filter_equal(backfill->filters[backfill->filter_count - 1], filter))
        return backfill->filters[backfill->filter_count - 1];
    if (backfill->filter_count == backfill->filter_capacity) {
        backfill->filter_capacity = backfill->filter_capacity * 2 + 16;
        backfill->filters = memory_resize(backfill->filters, backfill->filter_capacity * sizeof *backfill->filters);
    }
    CHECK(backfill->filter_count < backfill->filter_capacity);
    backfill->filters[backfill->filter_count++] = filter_copy(filter);
    return backfill->filters[backfill->filter_count - 1];
}

void backfill_want(struct backfill *backfill, const struct filter *filter, size_t term_index, uint32_t atom, uint32_t born) {
    CHECK(!backfill->started && atom != 0 && born != 0 && term_index < filter_term_count(filter));
    if (backfill->wanted_count == backfill->wanted_capacity) {
        backfill->wanted_capacity = backfill->wanted_capacity * 2 + 16;
        backfill->wanted = memory_resize(backfill->wanted, backfill->wanted_capacity * sizeof *backfill->wanted);
    }
    backfill->wanted[backfill->wanted_count++] = (struct wanted){atom, born, keep(backfill, filter), term_index};
}

static int wanted_compare(const void *a, const void *b) {
    const struct wanted *left = a, *right = b;
    if (left->born != right->born) return left->born < right->born ? -1 : 1;
    return (left->atom > right->atom) - (left->atom < right->atom);
}

/* Numbers are given in the order of the records, so a later record's atoms have higher ones: ascending by both, and an atom
 * that was wanted more than once (filters share atoms) stands in one place. */
static void start(struct backfill *backfill) {
    backfill->started = true;
    struct wanted *wanted = backfill->wanted;
    if (backfill->wanted_count > 0) qsort(wanted, backfill->wanted_count, sizeof *wanted, wanted_compare);
    size_t kept = 0;
    for (size_t i = 0; i < backfill->wanted_count; i++) {
        if (kept > 0 && wanted[i].atom == wanted[kept - 1].atom && wanted[i].born == wanted[kept - 1].born) continue;
        CHECK(kept == 0 || wanted[i].atom > wanted[kept - 1].atom);
        wanted[kept++] = wanted[i];
        atoms_put(backfill->atoms, wanted[i].filter, wanted[i].term_index, wanted[i].atom);
    }
    CHECK(kept <= backfill->wanted_count && atoms_live(backfill->atoms) == kept);
    backfill->wanted_count = kept;
}

static void drop_born(struct backfill *backfill, uint32_t number) {
    CHECK(backfill->started && backfill->passed <= backfill->wanted_count);
    for (; !backfill_done(backfill) && backfill->wanted[backfill->passed].born <= number; backfill->passed++) {
        const struct wanted *wanted = &backfill->wanted[backfill->passed];
        atoms_drop(backfill->atoms, wanted->filter, wanted->term_index);
    }
    /* What is matched is what still lacks its past. */
    CHECK(atoms_live(backfill->atoms) == backfill->wanted_count - backfill->passed);
}

enum status backfill_step(struct backfill *backfill, const struct journal_record *record, struct failure *failure) {
    if (!backfill->started) start(backfill);
    enum status status = STATUS_OK;
    for (bool did = true; did && status == STATUS_OK && aggregator_is_behind(backfill->aggregator);)
        status = aggregator_tidy(backfill->aggregator, 0, &did, failure);
    if (status == STATUS_OK) status = aggregator_step(backfill->aggregator, record, failure);
    if (status != STATUS_OK) return status;
    /* The record that holds filter records holds nothing else, so no click stands behind them in it. */
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        const struct sub_block *sub_block = &record->sub_blocks[i];
        if (sub_block->kind != SUB_BLOCK_FILTERS || sub_block->partition != backfill->partition) continue;
        CHECK(sub_block->count >= 1);
        drop_born(backfill, sub_block->filter_records[sub_block->count - 1].number);
    }
    return STATUS_OK;
}

bool backfill_done(const struct backfill *backfill) {
    CHECK(backfill->passed <= backfill->wanted_count);
    return backfill->passed == backfill->wanted_count;
}

bool backfill_take(struct backfill *backfill, struct partial *out) {
    bool taken = aggregator_take(backfill->aggregator, out);
    CHECK(!taken || (out->partition == backfill->partition && out->increment_count == 0));
    return taken;
}

uint64_t backfill_memory_bytes(const struct backfill *backfill) {
    struct dedup_usage usage = aggregator_dedup_usage(backfill->aggregator);
    CHECK(usage.bytes <= usage.bytes_max); /* I10 */
    return usage.bytes;
}
