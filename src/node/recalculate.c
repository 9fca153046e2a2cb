#include "node/recalculate.h"

#include <stdlib.h>

#include "base/check.h"

enum {
    RECORDS_A_STEP = 16, /* the lock is held so long */
    CELLS_SHARE = 16,    /* of the memory for filters is the cells' */
};

uint64_t node_recalculation_cells_bytes_max(const struct node *node) {
    uint64_t given = node->options.recalculation_cells_bytes;
    return given > 0 ? given : node->options.slices_memory_bytes / CELLS_SHARE;
}

uint64_t node_recalculation_bytes_max(const struct node *node) {
    return node_recalculation_cells_bytes_max(node) + node->options.dedup_memory_bytes / node->partition_count;
}

void node_recalculation_init(struct node *node) {
    node->recalculation = memory_allocate_zeroed(1, sizeof *node->recalculation);
    CHECK(pthread_mutex_init(&node->recalculation->lock, NULL) == 0);
}

/* What may be where it is in a run: recalculate.h. */
static void check_state(const struct recalculation *recalculation) {
    const bool idle = recalculation->run == 0;
    CHECK(idle == (recalculation->filter == NULL) && idle == (recalculation->atoms == NULL));
    CHECK(idle ? recalculation->atom_count == 0 && !recalculation->marked : recalculation->atom_count > 0);
    CHECK((recalculation->scan == NULL) == (recalculation->backfill == NULL));
    CHECK(recalculation->scan == NULL || (recalculation->ads_stored && !recalculation->marked));
    CHECK(recalculation->scan != NULL || recalculation->cells.minute_count == 0);
    CHECK(recalculation->added <= recalculation->partial.atom_increment_count);
}

static void end_pass(struct recalculation *recalculation) {
    journal_scan_destroy(recalculation->scan);
    backfill_destroy(recalculation->backfill);
    recalculation->scan = NULL;
    recalculation->backfill = NULL;
    partial_fini(&recalculation->partial);
    history_cells_clear(&recalculation->cells);
    recalculation->added = 0;
    recalculation->spilling = false;
}

static void end_run(struct recalculation *recalculation) {
    end_pass(recalculation);
    filter_destroy(recalculation->filter);
    free((void *)(uintptr_t)recalculation->wanted);
    free(recalculation->atoms);
    recalculation->filter = NULL;
    recalculation->wanted = NULL;
    recalculation->atoms = NULL;
    recalculation->atom_count = 0;
    recalculation->run = recalculation->filter_id = 0;
    recalculation->marked = recalculation->ads_stored = false;
    check_state(recalculation);
}

void node_end_recalculation(struct node *node) {
    pthread_mutex_lock(&node->recalculation->lock);
    end_run(node->recalculation);
    pthread_mutex_unlock(&node->recalculation->lock);
}

void node_recalculation_fini(struct node *node) {
    end_run(node->recalculation);
    pthread_mutex_destroy(&node->recalculation->lock);
    free(node->recalculation);
}

/* --- what is wanted --- */

/* The filter's atoms that lack their history. When this is asked again after a restart they may be fewer, never more, so
 * what the store has of the run is enough. */
static void want_atoms(struct recalculation *recalculation, const struct filters *filters,
                       const struct stored_filter *stored) {
    struct wanted_atom *wanted = memory_allocate_zeroed(stored->term_count, sizeof *wanted);
    recalculation->atoms = memory_allocate_zeroed(stored->term_count, sizeof *recalculation->atoms);
    for (size_t i = 0; i < stored->term_count; i++) {
        bool backfilled = false;
        uint32_t atom = stored->terms[i].atom;
        if (atom == ATOM_ALL || !filters_atom_lacks_past(filters, atom)) continue;
        uint32_t born = filters_atom_born(filters, atom, &backfilled);
        CHECK(!backfilled && born <= stored->number); /* by this filter's record, or one before it */
        CHECK(recalculation->atom_count < stored->term_count);
        wanted[recalculation->atom_count] = (struct wanted_atom){i, atom, born};
        recalculation->atoms[recalculation->atom_count++] = atom;
    }
    recalculation->wanted = wanted;
}

/* The oldest filter that waits. */
static bool begin_run(struct node *node) {
    struct recalculation *recalculation = node->recalculation;
    pthread_rwlock_rdlock(&node->view_lock);
    const struct filters *filters = view_filters(node->view);
    const struct stored_filter *oldest = NULL;
    bool any = filters_recalculations(filters) > 0; /* mostly none, and there may be a hundred thousand filters */
    for (const struct stored_filter *at = any ? filters_next_created(filters, 1) : NULL; at != NULL;
         at = filters_next_created(filters, at->filter->id + 1))
        if (filters_awaits_past(filters, at) && (oldest == NULL || at->number < oldest->number)) oldest = at;
    if (oldest != NULL) {
        recalculation->run = oldest->number;
        recalculation->filter_id = oldest->filter->id;
        recalculation->filter = filter_copy(oldest->filter);
        recalculation->partition = 0;
        want_atoms(recalculation, filters, oldest);
        CHECK(recalculation->run > 0 && recalculation->run <= filters_number(filters));
        check_state(recalculation);
    }
    pthread_rwlock_unlock(&node->view_lock);
    return oldest != NULL;
}

/* --- counting one partition --- */

#ifdef TALLY_COSTLY_CHECKS
static bool is_wanted(const struct recalculation *recalculation, uint32_t atom) {
    for (size_t i = 0; i < recalculation->atom_count; i++)
        if (recalculation->atoms[i] == atom) return true;
    return false;
}
#endif

/* What the last record brought and is not yet among the cells; false when they have no room for it. */
static bool add_increments(struct recalculation *recalculation) {
    const struct partial *partial = &recalculation->partial;
    for (; recalculation->added < partial->atom_increment_count; recalculation->added++) {
        const struct atom_increment *increment = &partial->atom_increments[recalculation->added];
        COSTLY_CHECK(is_wanted(recalculation, increment->atom));
        CHECK(increment->ad < recalculation->ads); /* every partition has passed the filter's record, and so this click */
        if (!history_cells_add(&recalculation->cells, increment)) return false;
    }
    return true;
}

static void begin_pass(struct node *node) {
    struct recalculation *recalculation = node->recalculation;
    pthread_mutex_lock(&node->mail_lock);
    recalculation->end_record = node->totals.records + 1;
    pthread_mutex_unlock(&node->mail_lock);
    recalculation->records = 0;
    CHECK(recalculation->partition < node->partition_count && recalculation->atom_count > 0);
    CHECK(recalculation->scan == NULL && recalculation->cells.minute_count == 0 && recalculation->ads_stored);
    recalculation->scan = journal_scan_create(node->journal, recalculation->end_record);
    history_cells_begin(&recalculation->cells, node->store, recalculation->run, recalculation->partition,
                        node_recalculation_cells_bytes_max(node));
    char name[DEDUP_FILE_NAME_BYTES];
    struct dedup_options dedup = node_dedup_options(node, recalculation->partition, NODE_RECALCULATION_FILES, name);
    recalculation->backfill = backfill_create(recalculation->partition, &dedup, node->ads);
    for (size_t i = 0; i < recalculation->atom_count; i++) {
        const struct wanted_atom *wanted = &recalculation->wanted[i];
        backfill_want(recalculation->backfill, recalculation->filter, wanted->term_index, wanted->atom, wanted->born);
    }
}

static enum status end_partition(struct node *node, struct failure *failure) {
    struct recalculation *recalculation = node->recalculation;
    enum status status = history_cells_write_all(&recalculation->cells, failure);
    if (status == STATUS_OK)
        status = store_mark_history_partition(node->store, recalculation->run, recalculation->partition, failure);
    CHECK(status != STATUS_OK || recalculation->cells.minute_count == 0); /* every minute was written */
    end_pass(recalculation);
    recalculation->partition++;
    CHECK(recalculation->partition <= node->partition_count);
    return status;
}

static enum status count_record(struct recalculation *recalculation, struct failure *failure) {
    struct journal_record *record;
    enum status status = journal_scan_next(recalculation->scan, &record, failure);
    if (status != STATUS_OK) return status;
    status = backfill_step(recalculation->backfill, record, failure);
    journal_record_release(record);
    if (status != STATUS_OK) return status;
    recalculation->records++;
    CHECK(recalculation->records <= recalculation->end_record);
    CHECK(recalculation->added == recalculation->partial.atom_increment_count);
    if (backfill_take(recalculation->backfill, &recalculation->partial)) {
        CHECK(recalculation->partial.partition == recalculation->partition &&
              recalculation->partial.increment_count == 0); /* what all clicks are counted under, it is not */
        recalculation->added = 0;
    }
    return STATUS_OK;
}

static enum status count_some(struct node *node, struct failure *failure) {
    struct recalculation *recalculation = node->recalculation;
    if (recalculation->spilling) return history_cells_spill(&recalculation->cells, &recalculation->spilling, failure);
    for (int i = 0; i < RECORDS_A_STEP; i++) {
        recalculation->spilling = !add_increments(recalculation);
        if (recalculation->spilling) return STATUS_OK;
        if (backfill_done(recalculation->backfill)) return end_partition(node, failure);
        enum status status = count_record(recalculation, failure);
        if (status == STATUS_END) {
            CHECK(backfill_done(recalculation->backfill)); /* the filters' records are durable, so they were read */
            return end_partition(node, failure);
        }
        if (status != STATUS_OK) return status;
    }
    /* The watermark stands behind the record: a minute that it seals may be one of those that the record is counted in. */
    recalculation->spilling = !add_increments(recalculation);
    if (recalculation->spilling) return STATUS_OK;
    return history_cells_write_sealed(&recalculation->cells, recalculation->partial.watermark.s, failure);
}

/* One step of the run; under the lock. */
static enum status advance(struct node *node, struct failure *failure) {
    struct recalculation *recalculation = node->recalculation;
    check_state(recalculation);
    CHECK(recalculation->partition <= node->partition_count);
    if (recalculation->scan != NULL) return count_some(node, failure);
    if (recalculation->partition == node->partition_count) {
        enum status status =
            store_mark_backfilled(node->store, recalculation->run, recalculation->atoms, recalculation->atom_count, failure);
        recalculation->marked = status == STATUS_OK;
        return status;
    }
    bool done = false;
    enum status status =
        store_history_partition_done(node->store, recalculation->run, recalculation->partition, &done, failure);
    if (status != STATUS_OK) return status;
    if (done)
        recalculation->partition++;
    else
        begin_pass(node);
    return STATUS_OK;
}

/* For whoever asks, who must not wait for a step. */
static void note_progress(struct node *node) {
    const struct recalculation *recalculation = node->recalculation;
    double pass = recalculation->scan != NULL ? (double)recalculation->records / (double)recalculation->end_record : 0;
    CHECK(recalculation->partition <= node->partition_count && recalculation->records <= recalculation->end_record);
    double done = (recalculation->partition + pass) / node->partition_count;
    atomic_store(&node->recalculating_id, recalculation->filter_id);
    atomic_store(&node->recalculated_permille, (unsigned)(done * 1000));
    uint64_t bytes = recalculation->cells.bytes;
    if (recalculation->backfill != NULL) bytes += backfill_memory_bytes(recalculation->backfill);
    atomic_store(&node->recalculation_bytes, bytes);
}

bool node_step_recalculate(struct node *node) {
    if (node_phase(node) != NODE_SERVING) return false;
    struct recalculation *recalculation = node->recalculation;
    struct failure failure = {0};
    enum status status = STATUS_OK;
    bool did = false;
    pthread_mutex_lock(&recalculation->lock);
    /* Again under the lock: once it is stopping, node_end_recalculation may have been here, and the journal may be gone. */
    if (node_phase(node) == NODE_SERVING && !recalculation->marked && (recalculation->run != 0 || begin_run(node))) {
        did = recalculation->ads_stored;
        if (did) status = advance(node, &failure);
        note_progress(node);
        if (!did || recalculation->marked) node_wake(node, NODE_STAGE_REDUCE, 0);
    }
    pthread_mutex_unlock(&recalculation->lock);
    if (status != STATUS_OK) node_fail(node, &failure);
    return did;
}

/* The store's history names ads by number, and a number that is not in the store goes to another ad after a crash. */
static enum status store_ads(struct node *node, struct failure *failure) {
    struct recalculation *recalculation = node->recalculation;
    recalculation->ads = ads_count(node->ads);
    enum status status = view_store_ads(node->view, failure);
    CHECK(recalculation->scan == NULL); /* nothing was counted before */
    recalculation->ads_stored = status == STATUS_OK;
    if (status == STATUS_OK) node_wake(node, NODE_STAGE_RECALCULATE, 0);
    return status;
}

bool node_serve_recalculation(struct node *node) {
    struct recalculation *recalculation = node->recalculation;
    struct failure failure = {0};
    enum status status = STATUS_OK;
    pthread_mutex_lock(&recalculation->lock);
    bool marked = recalculation->marked, begins = recalculation->run != 0 && !recalculation->ads_stored;
    if (begins) status = store_ads(node, &failure);
    if (marked) {
        CHECK(recalculation->partition == node->partition_count && !begins);
        node_lock_view_for_writing(node);
        view_backfilled(node->view, recalculation->run, recalculation->atoms, recalculation->atom_count);
        pthread_rwlock_unlock(&node->view_lock);
        end_run(recalculation);
        note_progress(node);
    }
    pthread_mutex_unlock(&recalculation->lock);
    if (status != STATUS_OK) node_fail(node, &failure);
    return marked || begins;
}
