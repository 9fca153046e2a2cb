/* view.h: what questions are answered from: the sum over the partitions at one cut of the journal (reduce).
 *
 * A cell is what the store's snapshot holds plus what came since (in memory): both change together, under the holder's write
 * lock, so a reader under the read lock sees one cut, never half of one. `version` = the sum of the cut's offsets: it only
 * grows, over restarts too, since a restart replays at least to every cut that was ever published.
 */
#pragma once

#include "ads/ads.h"
#include "aggregate/partial.h"
#include "filter/filters.h"
#include "filter/selection.h"
#include "store/store.h"

struct view;

struct view_bounds {
    uint64_t window_memory_bytes; /* of the minutes of the last 25 h that are held by ad (view/window.h) */
    uint64_t slices_memory_bytes; /* of those that are held by country and atom, for filters (view/slices.h) */
    uint64_t ranking_cells_max;   /* a filtered ranking that would read more is refused */
};
/* Store, kv and dictionary outlive the view. */
struct view *view_create(struct store *store, const struct kv *kv, struct ads *ads, uint32_t partition_count,
                         const struct view_bounds *bounds);
void view_destroy(struct view *view);
/* Ads, partitions and open minutes from the store. Afterwards view_partition tells from which offsets to go on. */
enum status view_load(struct view *view, struct failure *failure) MUST_USE;

/* --- writer's side: one thread, under the write lock --- */
void view_apply(struct view *view, const struct partial *partial);
/* Takes over the journal's next filter records; every partition must have passed them (view_filters_passed). */
void view_apply_filters(struct view *view, const struct filter_record *records, size_t count);
/* Everything in the partition is counted under the filter records up to this one, which lies below its offset. */
void view_pass_filters(struct view *view, uint32_t partition, uint32_t number);
/* The number of the last filter record that all partitions have passed. */
uint32_t view_filters_passed(const struct view *view);
/* Makes what was applied visible as a new version. */
void view_publish(struct view *view);

/* Closes one more minute of the window, if one is closed in every partition: the costly part beside readers (false: none is
 * due), the other under the write lock. Changes no answer. */
bool view_close_prepare(struct view *view);
void view_close_commit(struct view *view);
/* The same for one more minute of the past by country and atom, once there is a filter. STATUS_END: none is due. */
enum status view_fill_prepare(struct view *view, struct failure *failure) MUST_USE;
void view_fill_commit(struct view *view);
/* The store has marked these atoms as backfilled (recalculation): from now on their history counts. Under the write lock. */
void view_backfilled(struct view *view, uint32_t run, const uint32_t *atoms, size_t count);

/* Keeps one more ranking (view/published.h): of the newest closed minute first, then what readers had to make, then, when
 * `idle`, those of the 25 h before that are missing or stale. The writer's thread, beside readers; changes no answer. Not
 * before the view has all that the journal holds: what is kept would not be older than it. STATUS_END: nothing to do. */
enum status view_publish_ranking(struct view *view, bool idle, struct failure *failure) MUST_USE;

/* --- checkpoint: the writer's thread; readers go on in between --- */
/* Whatever is written from now on may name any ad that has a number by now: after a crash it stands for the same ad. What
 * does not come from a checkpoint needs this before. No lock needed. */
enum status view_store_ads(struct view *view, struct failure *failure) MUST_USE;
/* Writes the partition's state into the store as one batch. No lock needed. */
enum status view_checkpoint_write(struct view *view, uint32_t partition, struct failure *failure) MUST_USE;
/* Lets go of what the store holds now. Under the write lock; nothing may have been applied in between. */
void view_checkpoint_done(struct view *view, uint32_t partition);
/* Frees what done let go of, which takes milliseconds; no lock needed. */
void view_checkpoint_clean(struct view *view);

/* --- readers' side: any thread, under the read lock --- */
struct view_partition {
    struct journal_offset offset; /* everything below is in the view */
    struct watermark watermark;
    struct verdict_totals totals;
    uint32_t rules_number;
    struct journal_offset checkpoint_offset; /* everything below is in the store */
    struct watermark checkpoint_watermark;
    struct verdict_totals checkpoint_totals;
    /* Clicks in all cells of the store, minute by minute, as of the checkpoint. Another number than what was counted up to
     * there means that a conservation law is broken (I4). */
    uint64_t checkpoint_cells;
    uint64_t cells_in_memory, bytes_in_memory;
    uint32_t filters_number; /* of the last filter record that it has passed */
};
uint32_t view_partition_count(const struct view *view);
const struct view_partition *view_partition(const struct view *view, uint32_t partition);
uint64_t view_version(const struct view *view);
/* Lowest W over the partitions; none before every partition has one. */
struct event_time view_watermark(const struct view *view);
struct event_time view_sealed_to(const struct view *view); /* lowest S */
/* The newest minute that is closed in every partition and not before the first minute with a click; else (none is closed
 * yet) the newest minute with a click; false when there is no click at all. */
bool view_last_minute(const struct view *view, struct minute *out);
const char *view_state(const struct view *view, struct minute to); /* of [.., to): "open", "closed" or "sealed" (I7) */

/* Those that every partition has passed. */
const struct filters *view_filters(const struct view *view);

/* In the next three `selection` NULL is all clicks. A selection's atoms count from filters_covers_from on: an earlier `from`
 * is the caller's mistake, and what it gets is only what has been counted. */
/* Exact count of one ad in [from, to). */
enum status view_count(struct view *view, const struct selection *selection, struct bytes ad_id, struct minute from,
                       struct minute to, uint64_t *count, struct failure *failure) MUST_USE;
/* The same, minute by minute, ascending; minutes without a click are left out. A minute may come in parts: add them up. */
typedef void view_minute_visit(void *context, struct minute minute, uint64_t count);
enum status view_visit_ad(struct view *view, const struct selection *selection, struct bytes ad_id, struct minute from,
                          struct minute to, view_minute_visit *visit, void *context, struct failure *failure) MUST_USE;
struct ranked_ad {
    struct bytes ad_id; /* valid as long as the dictionary */
    uint64_t count;
};
/* The `count_max` most clicked ads of [from, to): count descending, then ad id ascending (I9); fewer if fewer have a click.
 * STATUS_FULL: it would read more than ranking_cells_max cells; the failure says how many. Not with a filter that is marked
 * as ranked, where memory holds the range. */
enum status view_rank(struct view *view, const struct selection *selection, struct minute from, struct minute to,
                      struct ranked_ad *out, size_t count_max, size_t *count, struct failure *failure) MUST_USE;
/* Whether that ranking, of up to PUBLISHED_ADS_MAX ads, is one of those that are kept; view_rank then takes it from there if
 * it is exact, or else sees to it that it will be kept. */
bool view_ranking_is_published(const struct view *view, const struct selection *selection, struct minute from,
                               struct minute to);
/* A line of the rankings that are kept. */
struct published_row {
    uint32_t filter_id, window;
    struct minute minute, from; /* `from`: where the range begins, later than the window does when the filter covers less */
    uint64_t version, amended;  /* version: as of which it is exact; amended: how often it was changed */
    bool final;                 /* it cannot change any more */
    uint32_t rank;              /* from 1 */
    struct bytes ad_id;
    uint64_t count;
};
typedef enum status view_ranking_visit(void *context, const struct published_row *row, struct failure *failure);
/* By filter, window, minute, rank; ends with the first visit that is not STATUS_OK, and with its status. Needs no lock. */
enum status view_visit_rankings(const struct view *view, view_ranking_visit *visit, void *context,
                                struct failure *failure) MUST_USE;
/* Calls `visit` with the cells in [from, to), minutes ascending within a partition; a cell may come in parts. */
enum status view_visit_cells(struct view *view, struct minute from, struct minute to, store_cell_visit *visit, void *context,
                             struct failure *failure) MUST_USE;

struct view_usage {
    uint64_t window_bytes, window_bytes_max, window_minutes, window_vectors;
    struct minute window_from; /* questions from here on are answered from memory */
    uint64_t cells_bytes;      /* what came since the checkpoints */
    uint64_t slices_bytes, slices_bytes_max, slices_minutes;
    struct minute slices_from; /* filtered questions from here on are answered from memory; meaningful with slices_minutes */
    uint64_t filters_bytes;    /* filters, atoms and dictionaries, without the aggregators' */
    uint32_t filters_standing, filters_ranked, atoms_live;
    uint64_t rankings_bytes; /* those remembered, those to be kept, and what is noted of those that are */
};
struct view_usage view_usage(const struct view *view);

/* --- export: tables of one cut as CSV (RFC 4180, lines end with LF), beside live traffic --- */
/* With the same backfilled atoms, two replays of one journal give the same bytes (I2). */
enum view_table {
    /* ad_id,minute,atom,country,count: every cell, by ad id, minute, atom, country. The history of an atom that no filter
     * uses any more is left out. */
    VIEW_TABLE_CELLS,
    /* ad_id,minute,filter_id,count: signed sums, by ad id, minute, filter; not those that are 0, nor those of minutes before
     * their filter covers. */
    VIEW_TABLE_COUNTS,
    /* filter_id,region,ip,user_id,ranked,covers_from,number,deleted: every filter that was ever created, by id. */
    VIEW_TABLE_FILTERS,
    /* filter_id,window,update_minute,version,rank,ad_id,count: the rankings that are kept when the export runs, by filter,
     * window, minute, rank. When they were made is their version, so two replays need not have the same. */
    VIEW_TABLE_RANKINGS,
};
struct view_export_wanted {
    enum view_table table;
    const uint32_t *filter_ids; /* of counts: only these, ascending, no two equal; 0: all clicks */
    size_t filter_count;        /* 0: of every filter that stands, and of all clicks */
};
struct view_export;
/* Takes the cut, under the read lock; everything after needs no lock. The export keeps the view, its store and dictionary in
 * use. STATUS_NOT_FOUND: one of the filters does not stand; the failure says which. */
enum status view_export_begin(struct view *view, const struct view_export_wanted *wanted, struct view_export **out,
                              struct failure *failure) MUST_USE;
/* Once. `write` gets the table in parts of little more than 64 KiB; its error ends the export. Memory beside the cut: 16
 * bytes an ad, and EXPORT_CELLS_MAX cells at a time, however many there are (more only if one ad has more in one minute);
 * of counts, 4 bytes for each country and each atom of each filter, too. */
enum status view_export_run(struct view_export *export, enum status (*write)(void *context, struct bytes part),
                            void *context, struct failure *failure) MUST_USE;
void view_export_destroy(struct view_export *export);
