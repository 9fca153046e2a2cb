#include "view/view.h"

#include <stdlib.h>

#include "base/check.h"
#include "view/view_internal.h"

struct store_cut *store_cut_take(const struct kv *kv) {
    struct store_cut *cut = memory_allocate_zeroed(1, sizeof *cut);
    cut->kv = *kv;
    cut->snapshot = kv->snapshot_take(kv->self);
    atomic_init(&cut->holders, 1);
    return cut;
}

struct store_cut *store_cut_hold(struct store_cut *cut) {
    CHECK(atomic_fetch_add(&cut->holders, 1) > 0);
    return cut;
}

void store_cut_release(struct store_cut *cut) {
    unsigned holders = atomic_fetch_sub(&cut->holders, 1);
    CHECK(holders > 0);
    if (holders > 1) return;
    cut->kv.snapshot_drop(cut->kv.self, cut->snapshot);
    free(cut);
}

struct view *view_create(struct store *store, const struct kv *kv, struct ads *ads, uint32_t partition_count,
                         const struct view_bounds *bounds) {
    CHECK(partition_count >= 1 && partition_count <= PARTITIONS_MAX);
    struct view *view = memory_allocate_zeroed(1, sizeof *view);
    view->store = store;
    view->kv = *kv;
    view->ads = ads;
    view->partition_count = partition_count;
    view->partitions = memory_allocate_zeroed(partition_count, sizeof *view->partitions);
    for (uint32_t p = 0; p < partition_count; p++) {
        watermark_init(&view->partitions[p].public.watermark);
        watermark_init(&view->partitions[p].public.checkpoint_watermark);
    }
    view->cut = store_cut_take(kv);
    view->window = window_create(bounds->window_memory_bytes);
    view->slices = slices_create(bounds->slices_memory_bytes);
    view->ranking_cells_max = bounds->ranking_cells_max;
    view->filters = filters_create();
    view->memo = rank_memo_create();
    view->published = published_create();
    return view;
}

static void minute_cells_destroy(struct minute_cells *minute) {
    cell_table_fini(&minute->cells);
    slice_runs_fini(&minute->atoms);
    free(minute);
}

void view_destroy(struct view *view) {
    for (uint32_t p = 0; p < view->partition_count; p++) {
        for (size_t i = 0; i < view->partitions[p].minute_count; i++) minute_cells_destroy(view->partitions[p].minutes[i]);
        free(view->partitions[p].minutes);
    }
    view_checkpoint_clean(view);
    free(view->garbage);
    store_cut_release(view->cut);
    window_destroy(view->window);
    slices_destroy(view->slices);
    work_fini(&view->work);
    filters_destroy(view->filters);
    free(view->history_runs);
    rank_memo_destroy(view->memo);
    published_destroy(view->published);
    free(view->partitions);
    free(view);
}

size_t partition_minute_index(const struct partition_cells *partition, struct minute minute) {
    size_t low = 0, high = partition->minute_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (partition->minutes[middle]->minute.index < minute.index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct minute_cells *partition_get_minute(struct partition_cells *partition, struct minute minute) {
    size_t at = partition_minute_index(partition, minute);
    if (at < partition->minute_count && partition->minutes[at]->minute.index == minute.index) return partition->minutes[at];
    if (partition->minute_count == partition->minute_capacity) {
        partition->minute_capacity = partition->minute_capacity * 2 + 64;
        partition->minutes = memory_resize(partition->minutes, partition->minute_capacity * sizeof(struct minute_cells *));
    }
    memmove(&partition->minutes[at + 1], &partition->minutes[at],
            (partition->minute_count - at) * sizeof(struct minute_cells *));
    struct minute_cells *added = memory_allocate_zeroed(1, sizeof *added);
    added->minute = minute;
    /* A new newest minute will likely be as large as the one before; only then, since a late one is small. */
    if (at == partition->minute_count && at > 0)
        cell_table_expect(&added->cells, partition->minutes[at - 1]->cells.cell_count);
    partition->minutes[at] = added;
    partition->minute_count++;
    CHECK(at == 0 || partition->minutes[at - 1]->minute.index < minute.index);
    CHECK(at + 1 == partition->minute_count || partition->minutes[at + 1]->minute.index > minute.index);
    return added;
}

void view_note_minute(struct view *view, struct minute minute) {
    if (!view->has_minutes || minute.index < view->first_minute.index) view->first_minute = minute;
    if (!view->has_minutes || minute.index > view->newest_minute.index) view->newest_minute = minute;
    view->has_minutes = true;
    CHECK(view->first_minute.index <= minute.index && minute.index <= view->newest_minute.index);
}

/* --- loading --- */

static void load_ad(void *context, uint32_t index, struct bytes ad_id) {
    struct view *view = context;
    uint32_t given = ads_index(view->ads, ad_id, ads_hash(view->ads, ad_id));
    CHECKF(given == index, "the store gives ad %u where the dictionary has %u", index, given);
}

struct load_context {
    struct view *view;
    struct partition_cells *partition;
    uint64_t clicks;
};

static uint64_t add_clicks(uint64_t sum, uint64_t clicks) {
    CHECK(!__builtin_add_overflow(sum, clicks, &sum)); /* I9 */
    return sum;
}

static void load_cell(void *context, struct minute minute, const struct cell *cell) {
    struct load_context *load = context;
    CHECK(load->partition->public.offset.at == 0); /* before its checkpoint is taken over */
    cell_table_add(&partition_get_minute(load->partition, minute)->cells, cell_key(cell->ad, cell->country), cell->count);
    view_note_minute(load->view, minute);
    load->clicks = add_clicks(load->clicks, cell->count);
}

#ifdef TALLY_COSTLY_CHECKS
/* Clicks of all minutes that memory holds. */
static uint64_t clicks_in_memory(const struct partition_cells *partition) {
    uint64_t clicks = 0;
    for (size_t i = 0; i < partition->minute_count; i++) {
        struct cell_cursor cursor = {0};
        for (const struct cell_slot *slot; (slot = cell_table_next(&partition->minutes[i]->cells, &cursor)) != NULL;)
            clicks += slot->count;
    }
    return clicks;
}
#endif

static void measure_memory(struct partition_cells *partition) {
    partition->public.cells_in_memory = partition->public.bytes_in_memory = 0;
    for (size_t i = 0; i < partition->minute_count; i++) {
        const struct minute_cells *minute = partition->minutes[i];
        partition->public.cells_in_memory += (uint64_t)minute->cells.cell_count + minute->atoms.count;
        partition->public.bytes_in_memory += cell_table_bytes(&minute->cells) + slice_runs_bytes(&minute->atoms);
    }
}

static void load_window_cell(void *context, struct minute minute, const struct cell *cell) {
    struct load_context *load = context;
    window_add(load->view->window, minute, cell->ad, cell->count);
    load->clicks = add_clicks(load->clicks, cell->count);
}

/* What the cells of the store add up to. A store whose minutes the window has all read is known by that; of an older one,
 * only the open minutes are: the sum of the others is what is left of what was counted. */
static void begin_cells_sum(struct partition_cells *partition, bool all_read, uint64_t read) {
    struct view_partition *public = &partition->public;
    uint64_t counted = public->checkpoint_totals.counted, open = partition->stored.open;
    uint64_t at_least_open = counted > open ? counted : open;
    uint64_t sum = all_read ? read : at_least_open;
    CHECK(sum >= open); /* the window reads the open minutes, too */
    partition->stored.closed = sum - open;
    public->checkpoint_cells = sum;
}

/* The window's minutes, each closed as soon as it is read, so that only one is held the costly way. */
static enum status load_window_minutes(struct view *view, struct load_context *loads, bool *all, struct failure *failure) {
    uint32_t newest = view->newest_minute.index;
    uint32_t from = newest >= WINDOW_MINUTES_MAX ? newest - WINDOW_MINUTES_MAX + 1 : 0;
    window_begin(view->window, (struct minute){from});
    if (from < view->first_minute.index) from = view->first_minute.index;
    *all = from == view->first_minute.index;
    for (uint32_t minute = from; minute <= newest; minute++) {
        for (uint32_t p = 0; p < view->partition_count; p++) {
            loads[p].view = view;
            enum status status = view_visit_partition(view, p, (struct minute){minute}, (struct minute){minute + 1},
                                                      load_window_cell, &loads[p], failure);
            if (status != STATUS_OK) return status;
        }
        window_settle(view->window);
        while (view_close_prepare(view)) view_close_commit(view);
    }
    return STATUS_OK;
}

static enum status load_window(struct view *view, struct failure *failure) {
    struct load_context loads[PARTITIONS_MAX] = {0};
    bool all = true;
    enum status status = view->has_minutes ? load_window_minutes(view, loads, &all, failure) : STATUS_OK;
    for (uint32_t p = 0; p < view->partition_count && status == STATUS_OK; p++)
        begin_cells_sum(&view->partitions[p], all, loads[p].clicks);
    return status;
}

enum status view_load(struct view *view, struct failure *failure) {
    CHECK(view->version == 0 && !view->has_minutes && ads_count(view->ads) == 0);
    enum status status = store_load_ads(view->store, load_ad, view, failure);
    if (status != STATUS_OK) return status;
    view->ads_stored = ads_count(view->ads);
    status = store_minute_range(view->store, view->cut->snapshot, &view->stored_lowest, &view->stored_highest, failure);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    view->has_stored = status == STATUS_OK;
    if (view->has_stored) {
        view_note_minute(view, view->stored_lowest);
        view_note_minute(view, view->stored_highest);
    }
    for (uint32_t p = 0; p < view->partition_count; p++) {
        struct partition_checkpoint checkpoint;
        struct load_context load = {view, &view->partitions[p], 0};
        status = store_load_partition(view->store, p, &checkpoint, load_cell, &load, failure);
        if (status == STATUS_NOT_FOUND) continue;
        if (status != STATUS_OK) return status;
        struct view_partition *public = &view->partitions[p].public;
        public->offset = public->checkpoint_offset = checkpoint.offset;
        public->watermark = public->checkpoint_watermark = checkpoint.watermark;
        public->totals = public->checkpoint_totals = checkpoint.totals;
        public->rules_number = checkpoint.rules_number;
        view->partitions[p].stored.open = load.clicks;
        CHECK(verdict_totals_clicks(&public->totals) <= public->offset.at); /* I4: a click has an offset of its own */
    }
    status = view_load_atoms(view, failure);
    if (status != STATUS_OK) return status;
    for (uint32_t p = 0; p < view->partition_count; p++) measure_memory(&view->partitions[p]);
    status = load_window(view, failure);
    if (status == STATUS_OK) view_publish(view);
    return status;
}

/* --- applying --- */

enum { APPLY_GROUP = 16 }; /* increments whose slots are fetched together before any is touched */

static void apply_increments(struct view *view, struct partition_cells *partition, const struct partial *partial) {
    struct minute_cells *tables[APPLY_GROUP];
    struct minute_cells *last = NULL;
    for (size_t first = 0; first < partial->increment_count; first += APPLY_GROUP) {
        size_t left = partial->increment_count - first;
        size_t group = left < APPLY_GROUP ? left : APPLY_GROUP;
        const struct increment *increments = &partial->increments[first];
        for (size_t i = 0; i < group; i++) {
            if (last == NULL || last->minute.index != increments[i].minute.index) {
                last = partition_get_minute(partition, increments[i].minute);
                view_note_minute(view, increments[i].minute);
            }
            tables[i] = last;
            cell_table_prefetch(&last->cells, cell_key(increments[i].ad, increments[i].country));
            window_prefetch(view->window, increments[i].minute, increments[i].ad);
        }
        for (size_t i = 0; i < group; i++) {
            cell_table_add(&tables[i]->cells, cell_key(increments[i].ad, increments[i].country), 1);
            window_add(view->window, increments[i].minute, increments[i].ad, 1);
            if (slices_hold(view->slices, increments[i].minute))
                slices_add_late(view->slices, increments[i].minute,
                                slice_key_country(increments[i].country, increments[i].ad), 1);
        }
    }
}

void view_apply(struct view *view, const struct partial *partial) {
    CHECK(partial->partition < view->partition_count);
    struct partition_cells *partition = &view->partitions[partial->partition];
    struct view_partition *public = &partition->public;
    /* I5: partials join without gap or overlap, and what they counted is what the totals say. */
    CHECK(partial->from.at == public->offset.at && partial->to.at > partial->from.at);
    CHECK(partial->totals.counted - public->totals.counted == partial->increment_count);
    CHECK(partial->watermark.w.ms >= public->watermark.w.ms && partial->watermark.s.ms >= public->watermark.s.ms);
    CHECK(partial->rules.number >= public->rules_number);
#ifdef TALLY_COSTLY_CHECKS
    const uint64_t clicks_before = clicks_in_memory(partition);
#endif
    apply_increments(view, partition, partial);
    COSTLY_CHECK(clicks_in_memory(partition) == clicks_before + partial->increment_count);
    view_apply_atoms(view, partition, partial);
    public->offset = partial->to;
    public->watermark = partial->watermark;
    public->totals = partial->totals;
    public->rules_number = partial->rules.number;
    CHECK(public->checkpoint_offset.at <= public->offset.at);
    measure_memory(partition);
}

void view_publish(struct view *view) {
    uint64_t version = 0;
    window_settle(view->window);
    slices_settle(view->slices);
    for (uint32_t p = 0; p < view->partition_count; p++) version += view->partitions[p].public.offset.at;
    CHECK(version >= view->version);
    CHECK(view_sealed_to(view).ms <= view_watermark(view).ms); /* I7: what is sealed is closed */
    view->version = version;
}

bool view_close_prepare(struct view *view) {
    struct event_time watermark = view_watermark(view);
    if (event_time_is_none(watermark) || watermark.ms < 0) return false;
    CHECK(view_sealed_to(view).ms <= watermark.ms);
    return window_close_prepare(view->window, minute_of(watermark), ads_count(view->ads));
}

void view_close_commit(struct view *view) {
    window_close_commit(view->window);
}

/* --- checkpoint --- */

bool view_minute_leaves(const struct partition_cells *partition, struct minute minute) {
    return minute_end(minute).ms <= partition->public.watermark.w.ms;
}

bool view_minute_has_block(const struct partition_cells *partition, struct minute minute) {
    return minute_end(minute).ms <= partition->public.checkpoint_watermark.w.ms;
}

/* Returns the clicks in them. */
static uint64_t sorted_cells(struct view *view, const struct minute_cells *minute, struct cell *out) {
    size_t count = minute->cells.cell_count;
    uint64_t clicks = 0;
    const struct slice *sorted = cell_table_sorted(&minute->cells, work_slices(&view->work, WORK_ITEMS, count),
                                                   work_slices(&view->work, WORK_SCRATCH, count));
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct cell){cell_key_ad(sorted[i].key), cell_key_country(sorted[i].key), sorted[i].count};
        COSTLY_CHECK(i == 0 || cell_compare(&out[i - 1], &out[i]) < 0);
        clicks = add_clicks(clicks, out[i].count);
    }
    return clicks;
}

/* Up to `count`. */
static void put_new_ads(struct view *view, struct kv_batch *batch, uint32_t count) {
    CHECK(count >= view->ads_stored); /* the store's dictionary is a prefix of ours */
    uint32_t added = count - view->ads_stored;
    if (added == 0) return;
    struct bytes *ids = memory_allocate(added * sizeof *ids);
    for (uint32_t i = 0; i < added; i++) ids[i] = ads_id(view->ads, view->ads_stored + i);
    store_put_ads(view->store, batch, view->ads_stored, ids, added);
    free(ids);
}

enum status view_store_ads(struct view *view, struct failure *failure) {
    struct kv_batch batch = {0};
    uint32_t count = ads_count(view->ads);
    put_new_ads(view, &batch, count);
    enum status status = store_write(view->store, &batch, failure);
    if (status == STATUS_OK) view->ads_stored = count;
    kv_batch_fini(&batch);
    return status;
}

/* A minute that closed since the last checkpoint gets its block; one that was closed then already has one, and what came
 * since is late: amendments. */
static enum status put_closed_minute(struct view *view, struct kv_batch *batch, uint32_t p,
                                     const struct minute_cells *minute, struct cell *cells, struct failure *failure) {
    CHECK(view_minute_leaves(&view->partitions[p], minute->minute));
    size_t count = minute->cells.cell_count;
    struct cells_sum *written = &view->partitions[p].written;
    written->closed = add_clicks(written->closed, sorted_cells(view, minute, cells));
    if (view_minute_has_block(&view->partitions[p], minute->minute))
        return store_put_amendments(view->store, batch, p, minute->minute, cells, count, failure);
    store_put_block(view->store, batch, p, minute->minute, cells, count);
    return STATUS_OK;
}

/* For those of all open minutes, which are written together, and of one that leaves. */
static struct cell *cells_room(struct view *view, const struct partition_cells *partition) {
    size_t open = 0, largest = 0;
    for (size_t i = 0; i < partition->minute_count; i++) {
        size_t count = partition->minutes[i]->cells.cell_count;
        if (!view_minute_leaves(partition, partition->minutes[i]->minute))
            open += count;
        else if (count > largest)
            largest = count;
    }
    return work_get(&view->work, WORK_CELLS, (open + largest) * sizeof(struct cell));
}

static enum status put_minutes(struct view *view, struct kv_batch *batch, uint32_t p, struct failure *failure) {
    struct partition_cells *partition = &view->partitions[p];
    partition->written = (struct cells_sum){.closed = partition->stored.closed};
    struct open_minute *open = memory_allocate(partition->minute_count * sizeof *open);
    struct cell *cells = cells_room(view, partition);
    size_t open_count = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < partition->minute_count && status == STATUS_OK; i++) {
        const struct minute_cells *minute = partition->minutes[i];
        if (view_minute_leaves(partition, minute->minute)) {
            status = put_closed_minute(view, batch, p, minute, cells, failure);
        } else {
            partition->written.open = add_clicks(partition->written.open, sorted_cells(view, minute, cells));
            open[open_count++] = (struct open_minute){minute->minute, cells, minute->cells.cell_count};
            cells += minute->cells.cell_count;
        }
    }
    CHECK(open_count <= partition->minute_count);
    if (status == STATUS_OK) store_put_open(view->store, batch, p, open, open_count);
    free(open);
    return status;
}

enum status view_checkpoint_write(struct view *view, uint32_t partition, struct failure *failure) {
    CHECK(partition < view->partition_count);
    const struct view_partition *public = &view->partitions[partition].public;
    struct kv_batch batch = {0};
    CHECK(public->offset.at >= public->checkpoint_offset.at); /* I5 */
    CHECK(public->totals.duplicate_content <= public->totals.duplicate);
    CHECK(public->totals.late_amended <= public->totals.counted);
    /* Entries that no cell of this batch uses do no harm: the dictionary in the store is always a prefix. */
    uint32_t ads = ads_count(view->ads);
    put_new_ads(view, &batch, ads);
    enum status status = put_minutes(view, &batch, partition, failure);
    if (status == STATUS_OK) status = view_put_atoms(view, &batch, partition, failure);
    if (status == STATUS_OK) {
        struct partition_checkpoint checkpoint = {public->offset, public->watermark, public->totals, public->rules_number};
        store_put_partition(view->store, &batch, partition, &checkpoint);
        status = store_write(view->store, &batch, failure);
    }
    CHECK(ads >= view->ads_stored);
    if (status == STATUS_OK) view->ads_stored = ads;
    kv_batch_fini(&batch);
    return status;
}

static void push_garbage(struct view *view, struct minute_cells *minute) {
    if (view->garbage_count == view->garbage_capacity) {
        view->garbage_capacity = view->garbage_capacity * 2 + 16;
        view->garbage = memory_resize(view->garbage, view->garbage_capacity * sizeof(struct minute_cells *));
    }
    CHECK(view->garbage_count == 0 || view->garbage[view->garbage_count - 1] != minute); /* one owner */
    view->garbage[view->garbage_count++] = minute;
}

void view_checkpoint_clean(struct view *view) {
    for (size_t i = 0; i < view->garbage_count; i++) minute_cells_destroy(view->garbage[i]);
    view->garbage_count = 0;
}

void view_checkpoint_done(struct view *view, uint32_t partition_index) {
    struct partition_cells *partition = &view->partitions[partition_index];
    size_t kept = 0;
    for (size_t i = 0; i < partition->minute_count; i++) {
        struct minute_cells *minute = partition->minutes[i];
        if (!view_minute_leaves(partition, minute->minute)) {
            partition->minutes[kept++] = minute;
            continue;
        }
        if (!view->has_stored || minute->minute.index < view->stored_lowest.index) view->stored_lowest = minute->minute;
        if (!view->has_stored || minute->minute.index > view->stored_highest.index) view->stored_highest = minute->minute;
        view->has_stored = true;
        push_garbage(view, minute);
    }
    CHECK(kept <= partition->minute_count);
    for (size_t i = 0; i < kept; i++) CHECK(!view_minute_has_block(partition, partition->minutes[i]->minute));
    partition->minute_count = kept;
    struct view_partition *public = &partition->public;
    public->checkpoint_offset = public->offset;
    public->checkpoint_watermark = public->watermark;
    public->checkpoint_totals = public->totals;
    partition->stored = partition->written;
    public->checkpoint_cells = add_clicks(partition->stored.closed, partition->stored.open);
    CHECK(!view->has_stored || view->stored_lowest.index <= view->stored_highest.index);
    measure_memory(partition);
    store_cut_release(view->cut);
    view->cut = store_cut_take(&view->kv);
}
