/* The work behind: the frozen table is written, runs are merged, runs of forgotten entries go. */
#include "base/check.h"
#include "dedup/dedup_internal.h"

static uint8_t *buffer(const struct dedup *dedup, unsigned which) {
    return dedup->buffers + (size_t)which * dedup->buffer_blocks * RUN_BLOCK_BYTES;
}
enum { BUFFER_SPILL, BUFFER_MERGE, BUFFER_CURSORS };

static enum status begin_run(struct dedup *dedup, struct run_writer *writer, unsigned which, uint64_t count_max, bool whole,
                             struct failure *failure) {
    dedup->name.number++;
    for (uint32_t i = 0; i < dedup->run_count; i++) CHECK(dedup->runs[i]->file.name.number < dedup->name.number);
    dedup_run_path(dedup->file_name, dedup->name.number, dedup->name.path);
    return run_writer_begin(writer, &dedup->files, &dedup->name, count_max, whole, &dedup->pool, buffer(dedup, which),
                            dedup->buffer_blocks, failure);
}

static void paid(struct dedup *dedup, uint64_t entries) {
    dedup->owed -= entries < dedup->owed ? entries : dedup->owed;
}

/* --- files go --- */

static bool any_old_may_go(const struct dedup *dedup, uint32_t *which) {
    for (uint32_t i = dedup->old_count; i > 0; i--)
        if (!dedup_is_listed(dedup, dedup->old[i - 1].name.number)) {
            *which = i - 1;
            return true;
        }
    return false;
}

/* Cut off at its end by a portion; removed when little is left. */
static enum status remove_some(struct dedup *dedup, uint32_t which, struct failure *failure) {
    struct run_file *file = &dedup->old[which];
    CHECK(which < dedup->old_count && !dedup_is_listed(dedup, file->name.number)); /* a list names what exists */
    paid(dedup, STEP_ENTRIES);
    uint64_t blocks = file->block_count + file->tail_blocks;
    if (file->writable && blocks > REMOVED_BLOCKS) {
        file->block_count = blocks - REMOVED_BLOCKS;
        file->tail_blocks = 0;
        return file->files->truncate(file->file, run_file_bytes(file), failure);
    }
    run_file_close(file);
    struct run_name name = file->name;
    *file = dedup->old[--dedup->old_count];
    return dedup->files.remove(dedup->files.self, name.path, failure);
}

static enum status let_go(struct dedup *dedup, struct run *run, struct failure *failure) {
    enum status status = STATUS_OK;
    while (dedup->old_count == OLD_MAX && status == STATUS_OK) {
        uint32_t which;
        CHECK(any_old_may_go(dedup, &which)); /* two manifests list fewer */
        status = remove_some(dedup, which, failure);
    }
    CHECK(status != STATUS_OK || dedup->old_count < OLD_MAX);
    if (status == STATUS_OK)
        dedup->old[dedup->old_count++] = run_take_file(run, &dedup->pool);
    else
        run_destroy(run, &dedup->pool);
    return status;
}

/* --- the frozen table into a run --- */

static bool spill_can_begin(const struct dedup *dedup) {
    if (dedup->frozen == NULL || dedup->spill.active || dedup->run_count >= dedup->runs_max) return false;
    uint64_t entries = table_entries(dedup->frozen);
    uint32_t bits = dedup->pool.chunk_bits;
    uint64_t needed = (uint64_t)run_filter_chunks(entries, bits) + run_index_chunks(entries, bits);
    return pool_free(&dedup->pool) >= needed + MERGE_CHUNKS;
}

static enum status spill_begin(struct dedup *dedup, struct failure *failure) {
    struct spill *spill = &dedup->spill;
    CHECK(!spill->active && dedup->frozen_from == 0 && dedup->run_count < dedup->runs_max);
    *spill = (struct spill){.entries = table_entries(dedup->frozen)};
    enum status status = begin_run(dedup, &spill->writer, BUFFER_SPILL, spill->entries, true, failure);
    spill->active = status == STATUS_OK; /* dedup_usage is asked after an error, too */
    return status;
}

static void sort_next_leaf(struct dedup *dedup) {
    struct spill *spill = &dedup->spill;
    CHECK(spill->active && !spill->all_sorted && spill->sorted_at == spill->sorted_count);
    uint64_t last;
    const struct leaf *leaf = table_leaf(dedup->frozen, table_leaf_at(dedup->frozen, spill->next_high, &last));
    spill->sorted_count =
        leaf_sorted(leaf, table_leaf_capacity(dedup->frozen), dedup->frozen_d, dedup->sorted, dedup->sort_starts);
    spill->sorted_at = 0;
    spill->all_sorted = last == UINT64_MAX;
    CHECK(last >= spill->next_high); /* leaf after leaf, upwards */
    if (!spill->all_sorted) spill->next_high = last + 1;
    paid(dedup, leaf->count);
}

/* Leaves are cleared one by one as the run takes over, so that an empty table never has to be made at once. */
static void clear_leaves_below(struct dedup *dedup, uint64_t high, bool all) {
    struct spill *spill = &dedup->spill;
    CHECK(all || spill->clear_high <= high);
    for (;;) {
        uint64_t last;
        uint32_t index = table_leaf_at(dedup->frozen, spill->clear_high, &last);
        if (!all && last >= high) return;
        CHECK(spill->all_sorted || last < spill->next_high); /* only what was sorted before */
        table_clear_leaf(dedup->frozen, index);
        if (last == UINT64_MAX) return;
        spill->clear_high = last + 1;
    }
}

static void unfreeze(struct dedup *dedup) {
    CHECK(!dedup->spill.active && dedup->spare == NULL);
    table_reset(dedup->frozen);
    dedup->spare = dedup->frozen;
    dedup->frozen = NULL;
    dedup_note_whole(dedup);
}

static enum status spill_end(struct dedup *dedup, struct failure *failure) {
    struct run *run = NULL;
    enum status status = run_writer_finish(&dedup->spill.writer, &run, failure);
    if (status != STATUS_OK) return status;
    if (table_entries(dedup->frozen) > 0) clear_leaves_below(dedup, UINT64_MAX, true);
    paid(dedup, STEP_ENTRIES);
    if (run == NULL) return STATUS_OK;              /* the next portion */
    CHECK(run->file.count <= dedup->spill.entries); /* what was not forgotten meanwhile */
    dedup->spill.active = false;
    dedup->runs_written++;
    enum status let = STATUS_OK;
    if (run->file.count == 0) {
        let = let_go(dedup, run, failure); /* all were forgotten meanwhile */
    } else {
        CHECK(dedup->run_count < dedup->runs_max);
        CHECK(dedup->run_count == 0 || dedup->runs[dedup->run_count - 1]->file.offset_max < run->file.offset_min);
        dedup->runs[dedup->run_count++] = run;
    }
    unfreeze(dedup);
    return let;
}

static enum status spill_step(struct dedup *dedup, struct failure *failure) {
    struct spill *spill = &dedup->spill;
    if (spill->sorted_at == spill->sorted_count) {
        if (spill->all_sorted) return spill_end(dedup, failure);
        sort_next_leaf(dedup);
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < STEP_ENTRIES && spill->sorted_at < spill->sorted_count; i++) {
        struct dedup_entry entry = leaf_slot_entry(&dedup->sorted[spill->sorted_at++]);
        enum status status = run_writer_add(&spill->writer, &entry, failure);
        if (status != STATUS_OK) return status;
    }
    CHECK(spill->writer.flushed_high >= dedup->frozen_from);
    dedup->frozen_from = spill->writer.flushed_high;
    clear_leaves_below(dedup, dedup->frozen_from, false);
    paid(dedup, STEP_ENTRIES);
    return STATUS_OK;
}

enum status dedup_freeze(struct dedup *dedup, struct failure *failure) {
    while (dedup->frozen != NULL) {
        bool did = false;
        enum status status = dedup_step(dedup, dedup->d_max, &did, failure);
        if (status != STATUS_OK) return status;
        if (!did) return STATUS_FULL;
    }
    dedup_note_frozen(dedup);
    struct table *fresh = dedup->spare != NULL ? dedup->spare : table_create(dedup->table_bytes);
    CHECK(table_entries(fresh) == 0);
    dedup->frozen = dedup->table;
    dedup->frozen_from = 0;
    dedup->table = fresh;
    dedup->spare = NULL;
    return STATUS_OK;
}

/* --- two runs into one --- */

/* Begun early, so that the next tables have a place while it goes on. */
static bool merge_can_begin(const struct dedup *dedup) {
    return !dedup->merge.active && dedup->run_count >= 2 && dedup->run_count + 2 >= dedup->runs_max;
}

/* The two neighbours that are the least work, the older ones of equals. That evens out the runs: each entry is written a few
 * times in its life, and a run does not outlive the most of its entries by much. */
static uint32_t merge_choice(const struct dedup *dedup) {
    uint32_t best = 0;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i + 1 < dedup->run_count; i++) {
        uint64_t entries = dedup->runs[i]->file.count + dedup->runs[i + 1]->file.count;
        if (entries < least) {
            least = entries;
            best = i;
        }
    }
    return best;
}

static enum status merge_begin(struct dedup *dedup, struct failure *failure) {
    struct merge *merge = &dedup->merge;
    *merge = (struct merge){.at = merge_choice(dedup)};
    CHECK(merge->at + 1 < dedup->run_count);
    struct run **inputs = &dedup->runs[merge->at];
    uint64_t entries = inputs[0]->file.count + inputs[1]->file.count;
    enum status status = begin_run(dedup, &merge->writer, BUFFER_MERGE, entries, false, failure);
    if (status != STATUS_OK) return status;
    merge->active = true;
    for (unsigned i = 0; i < 2 && status == STATUS_OK; i++) {
        merge->writer.replaced[i] = inputs[i];
        status = run_cursor_begin(&merge->cursors[i], &inputs[i]->file, buffer(dedup, BUFFER_CURSORS + i),
                                  dedup->buffer_blocks, failure);
        if (status != STATUS_OK) (void)dedup_distrust(dedup, status, failure);
    }
    return status;
}

/* At most one entry of an identity is live (I1), and only live ones are kept: so no two of one identity meet in a run. */
static enum status merge_end(struct dedup *dedup, struct failure *failure) {
    struct merge *merge = &dedup->merge;
    struct run *run = NULL, **inputs = &dedup->runs[merge->at];
    enum status status = run_writer_finish(&merge->writer, &run, failure);
    if (status != STATUS_OK) return status;
    paid(dedup, STEP_ENTRIES);
    if (run == NULL) return STATUS_OK; /* the next portion */
    CHECK(merge->at + 1 < dedup->run_count);
    CHECK(run->file.count <= inputs[0]->file.count + inputs[1]->file.count); /* nothing comes from nowhere */
    merge->active = false;
    dedup->runs_merged++;
    struct run *old[2] = {inputs[0], inputs[1]};
    uint32_t kept = run->file.count > 0;
    if (kept > 0) inputs[0] = run;
    for (uint32_t i = merge->at + kept; i + 2 - kept < dedup->run_count; i++) dedup->runs[i] = dedup->runs[i + 2 - kept];
    dedup->run_count -= 2 - kept;
    struct run *gone[3] = {old[0], old[1], kept > 0 ? NULL : run};
    for (int i = 0; i < 3; i++) {
        enum status removed = gone[i] == NULL ? STATUS_OK : let_go(dedup, gone[i], failure);
        if (status == STATUS_OK) status = removed;
    }
    return status;
}

static enum status merge_step(struct dedup *dedup, struct failure *failure) {
    struct merge *merge = &dedup->merge;
    CHECK(merge->active && dedup->line.ms <= dedup->d_max.ms); /* what it leaves out is forgotten */
    struct run_cursor *older = &merge->cursors[0], *newer = &merge->cursors[1];
    for (uint32_t i = 0; i < STEP_ENTRIES; i++) {
        if (older->at_end && newer->at_end) return merge_end(dedup, failure);
        bool takes_older =
            newer->at_end || (!older->at_end && identity_compare(older->entry.identity, newer->entry.identity) <= 0);
        struct run_cursor *cursor = takes_older ? older : newer;
        if (cursor->entry.bound.ms > dedup->line.ms) {
            enum status status = run_writer_add(&merge->writer, &cursor->entry, failure);
            if (status != STATUS_OK) return status;
        }
        enum status status = run_cursor_next(cursor, failure);
        if (status != STATUS_OK) return dedup_distrust(dedup, status, failure);
    }
    paid(dedup, STEP_ENTRIES);
    return STATUS_OK;
}

/* --- runs go --- */

static bool is_merging(const struct dedup *dedup, uint32_t i) {
    return dedup->merge.active && (i == dedup->merge.at || i == dedup->merge.at + 1);
}

static enum status drop_forgotten_run(struct dedup *dedup, bool *did, struct failure *failure) {
    for (uint32_t i = 0; i < dedup->run_count; i++) {
        struct run *run = dedup->runs[i];
        if (run->file.bound_max.ms > dedup->line.ms || is_merging(dedup, i)) continue;
        for (uint32_t k = i; k + 1 < dedup->run_count; k++) dedup->runs[k] = dedup->runs[k + 1];
        dedup->run_count--;
        if (dedup->merge.active && i < dedup->merge.at) dedup->merge.at--;
        CHECK(!dedup->merge.active || dedup->merge.at + 1 < dedup->run_count);
        *did = true;
        return let_go(dedup, run, failure);
    }
    return STATUS_OK;
}

/* Though the table is not full: a run is forgotten as a whole, but not by the line; or so much has come that, were it not
 * forgotten again, the table would have been full, and a start would have to go a long way. */
static bool line_should_move(const struct dedup *dedup) {
    if (dedup->frozen != NULL) return false;
    for (uint32_t i = 0; i < dedup->run_count; i++)
        if (dedup->runs[i]->file.bound_max.ms <= dedup->d_max.ms && !is_merging(dedup, i)) return true;
    return dedup->kept != NULL && dedup->inserted >= dedup->table_bytes / sizeof(struct leaf_slot);
}

enum status dedup_step(struct dedup *dedup, struct event_time d, bool *did, struct failure *failure) {
    CHECK(d.ms >= dedup->d_max.ms);
    dedup->d_max = d;
    *did = false;
    if (!dedup->spills) return STATUS_OK;
    CHECK(dedup->run_count <= dedup->runs_max && dedup->old_count <= OLD_MAX);
    if (dedup->kept == NULL) dedup_jump_line(dedup); /* nobody will go on from anywhere */
    enum status status = drop_forgotten_run(dedup, did, failure);
    if (status != STATUS_OK || *did) return status;
    *did = true;
    uint32_t old;
    if (any_old_may_go(dedup, &old)) return remove_some(dedup, old, failure);
    if (dedup->spill.active) return spill_step(dedup, failure);
    if (dedup->frozen != NULL && table_entries(dedup->frozen) == 0) {
        unfreeze(dedup);
        return STATUS_OK;
    }
    if (spill_can_begin(dedup)) return spill_begin(dedup, failure);
    if (line_should_move(dedup)) return dedup_freeze(dedup, failure);
    if (dedup->merge.active) return merge_step(dedup, failure);
    if (merge_can_begin(dedup)) return merge_begin(dedup, failure);
    /* The frozen table waits, and the memory for its filter is with what is forgotten: that goes now. */
    if (dedup->frozen != NULL && dedup->line.ms < dedup->d_max.ms) {
        dedup_jump_line(dedup);
        return STATUS_OK;
    }
    *did = false;
    dedup->owed = 0;
    return STATUS_OK;
}

bool dedup_is_behind(const struct dedup *dedup) {
    uint32_t old;
    return dedup->spills && dedup->owed >= STEP_ENTRIES &&
           (any_old_may_go(dedup, &old) || dedup->spill.active || dedup->merge.active || spill_can_begin(dedup) ||
            merge_can_begin(dedup));
}
