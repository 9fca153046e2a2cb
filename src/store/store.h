/* store.h: the aggregates on disk, in terms of cells; keys and values: docs/format/store.md.
 *
 * The journal replays, so a checkpoint is one atomic unsynced batch: all that a partition counted up to one offset.
 * Everything is per (generation, partition): absolute partials (I5). Generation is 1 until a recalculation makes another.
 * A closed minute is an immutable block of cells, in chunks sorted by (ad, country); a late click to a minute that already
 * has its block is an amendment, a small key with the absolute amended count; open minutes are one blob per partition.
 *   cell = block + amendment     (and, in memory, what came since the checkpoint)
 * Cells of atoms other than 0 (filter/atoms.h) stand in tables of their own, so that clicks without them cost nothing:
 * blocks whose chunks run over several atoms, sorted by (atom, ad, country), and amendments. What a recalculation counted of
 * an atom's older clicks is its history, and counts once the atom is marked as backfilled. One writer at a time, and one
 * thread that writes history; readers on snapshots at the same time.
 */
#pragma once

#include "aggregate/verdict.h"
#include "click/click.h"
#include "rules/watermark.h"
#include "seam/kv.h"

enum { ATOM_ALL = 0, GENERATION_FIRST = 1 };

struct cell {
    uint32_t ad; /* dense index */
    struct country country;
    uint64_t count;
};
/* By ad, then country. For qsort too. */
int cell_compare(const void *a, const void *b);

struct atom_cell {
    uint32_t atom; /* >= 1 */
    uint32_t ad;
    struct country country;
    uint64_t count;
};
/* By atom, ad, country. For qsort too. */
int atom_cell_compare(const void *a, const void *b);

/* The cell is the visitor's until it returns. */
typedef void store_cell_visit(void *context, struct minute minute, const struct cell *cell);
typedef void store_atom_visit(void *context, struct minute minute, const struct atom_cell *cell);

struct store;

/* The kv outlives the store. An empty kv is made a store of this log; another log's, another partition count or another
 * format version is refused (STATUS_BAD_CONFIG), naming both. */
enum status store_open(const struct kv *kv, const uint8_t log_uuid[16], uint32_t partition_count, struct store **out,
                       struct failure *failure) MUST_USE;
void store_destroy(struct store *store);

/* Whose store this is and how far each partition has counted, without opening it: the journal is opened after, and must not
 * end below that. STATUS_NOT_FOUND: the kv is empty. Refuses another format version as store_open does. */
struct store_identity {
    uint8_t log_uuid[16];
    uint32_t partition_count;
    struct journal_offset offsets[PARTITIONS_MAX];
};
enum status store_peek(const struct kv *kv, struct store_identity *out, struct failure *failure) MUST_USE;

/* Reads every value there is and checks it against its checksum. STATUS_OK whatever it finds; other statuses are the kv's,
 * STATUS_CORRUPT among them: then it could not be read to its end. */
struct store_findings {
    uint64_t values, bytes, damaged;
    struct failure first; /* of the damaged ones, in words */
};
enum status store_verify(const struct kv *kv, struct store_findings *out, struct failure *failure) MUST_USE;

/* --- loading, at start --- */
enum status store_load_ads(struct store *store, void (*visit)(void *context, uint32_t index, struct bytes ad_id),
                           void *context, struct failure *failure) MUST_USE;

struct partition_checkpoint {
    struct journal_offset offset; /* everything below it is in the store */
    struct watermark watermark;   /* just before that offset */
    struct verdict_totals totals;
    uint32_t rules_number;
};
/* STATUS_NOT_FOUND: no checkpoint yet. Calls `visit` with each cell of the open-minute blob. */
enum status store_load_partition(struct store *store, uint32_t partition, struct partition_checkpoint *out,
                                 store_cell_visit *visit, void *context, struct failure *failure) MUST_USE;
/* Each cell of atoms of the open minutes; none when there is no checkpoint. */
enum status store_load_open_atoms(struct store *store, uint32_t partition, store_atom_visit *visit, void *context,
                                  struct failure *failure) MUST_USE;

/* --- a checkpoint: build one batch, then write it --- */
/* The put functions are for the writer's thread. A store_put_* that cannot read what it has to replace says so at
 * store_write. Build a batch when the one before is written: they look at what the store holds. */
/* New dictionary entries: ids[i] has index first + i; `first` is the number of entries put before. */
void store_put_ads(struct store *store, struct kv_batch *batch, uint32_t first, const struct bytes *ids, uint32_t count);
/* `cells` sorted by cell_compare, no two equal. */
void store_put_block(struct store *store, struct kv_batch *batch, uint32_t partition, struct minute minute,
                     const struct cell *cells, size_t count);
/* Adds `cells` (sorted, no two equal) to the amendments of a minute that has (or would have) a block: reads the stored
 * counts, puts absolute ones. At most once a minute in one batch: the second would not see the first. */
enum status store_put_amendments(struct store *store, struct kv_batch *batch, uint32_t partition, struct minute minute,
                                 const struct cell *cells, size_t count, struct failure *failure) MUST_USE;
/* The open minutes, replacing the blob before; `minutes` ascending, each with sorted cells; none at all is allowed. */
struct open_minute {
    struct minute minute;
    const struct cell *cells;
    size_t count;
};
void store_put_open(struct store *store, struct kv_batch *batch, uint32_t partition, const struct open_minute *minutes,
                    size_t count);
void store_put_partition(struct store *store, struct kv_batch *batch, uint32_t partition,
                         const struct partition_checkpoint *checkpoint);
/* The same three for cells of atoms, sorted by atom_cell_compare. None at all takes away what was put there before: a minute
 * or partition that never had any need not be put. Amendments of a minute: at most once in one batch, beside those above. */
void store_put_atom_block(struct store *store, struct kv_batch *batch, uint32_t partition, struct minute minute,
                          const struct atom_cell *cells, size_t count);
enum status store_put_atom_amendments(struct store *store, struct kv_batch *batch, uint32_t partition, struct minute minute,
                                      const struct atom_cell *cells, size_t count, struct failure *failure) MUST_USE;
struct open_atom_minute {
    struct minute minute;
    const struct atom_cell *cells;
    size_t count;
};
void store_put_open_atoms(struct store *store, struct kv_batch *batch, uint32_t partition,
                          const struct open_atom_minute *minutes, size_t count);

/* Refuses (CHECK) to take a partition back to a lower offset than it has (I5). */
enum status store_write(struct store *store, const struct kv_batch *batch, struct failure *failure) MUST_USE;
enum status store_flush(struct store *store, struct failure *failure) MUST_USE;

/* --- history of atoms (recalculation) --- */
/* From one thread, which need not be the writer's: a lock keeps their writes and flushes apart, so one may wait for the
 * other's. A run is a number of the caller's, 1 or above. Batches last in the order in which they were written: a mark that
 * survives a crash has everything that was written before it. */
/* All cells of one partition and minute that were clicked before their atoms were interned, in one call: it replaces what
 * that minute had of `run`, so that a pass may be repeated. Not seen by readers before its atoms are marked. */
enum status store_write_history(struct store *store, uint32_t run, uint32_t partition, struct minute minute,
                                const struct atom_cell *cells, size_t count, struct failure *failure) MUST_USE;
/* What that minute has of the run, by atom, ad, country, marked or not. The history's thread. */
enum status store_read_history(struct store *store, uint32_t run, uint32_t partition, struct minute minute,
                               store_atom_visit *visit, void *context, struct failure *failure) MUST_USE;
/* Marks the atoms, all or none: their history is then that of `run`, and of no other. Synced. Readers go by struct
 * store_history: they may say so on snapshots taken after this returned. */
enum status store_mark_backfilled(struct store *store, uint32_t run, const uint32_t *atoms, size_t count,
                                  struct failure *failure) MUST_USE;
/* How far a run is: the partitions that are done; a new number or the one under way. */
enum status store_mark_history_partition(struct store *store, uint32_t run, uint32_t partition,
                                         struct failure *failure) MUST_USE;
enum status store_history_partition_done(struct store *store, uint32_t run, uint32_t partition, bool *done,
                                         struct failure *failure) MUST_USE;
/* Every marked atom, with the run that holds its history, by atom. Any thread. */
enum status store_load_backfilled(struct store *store, void (*visit)(void *context, uint32_t atom, uint32_t run),
                                  void *context, struct failure *failure) MUST_USE;

/* --- published rankings (view/published.h says what the value holds) --- */
/* Replaces the one before. The writer's thread; a batch of its own, lasting like any other. */
enum status store_write_ranking(struct store *store, uint32_t filter_id, uint32_t window, struct minute minute,
                                struct bytes ranking, struct failure *failure) MUST_USE;
/* STATUS_NOT_FOUND: none was published. Any thread. */
enum status store_read_ranking(struct store *store, uint32_t filter_id, uint32_t window, struct minute minute,
                               struct buffer *ranking, struct failure *failure) MUST_USE; /* replaces its content */
typedef enum status store_ranking_visit(void *context, uint32_t filter_id, uint32_t window, struct minute minute,
                                        struct bytes ranking, struct failure *failure);
/* By filter, window, minute; ends with the first visit that is not STATUS_OK, and with its status. Any thread. */
enum status store_visit_rankings(struct store *store, const struct kv_snapshot *snapshot, store_ranking_visit *visit,
                                 void *context, struct failure *failure) MUST_USE;

/* --- reading, any thread; blocks and amendments only, never the open blob --- */
/* Cells of one ad in [from, to), minute ascending. A cell may be visited in parts: add them up. */
enum status store_visit_ad(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition, uint32_t ad,
                           struct minute from, struct minute to, store_cell_visit *visit, void *context,
                           struct failure *failure) MUST_USE;
/* All cells in [from, to), in parts as above, minute ascending. */
enum status store_visit_all(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition, struct minute from,
                            struct minute to, store_cell_visit *visit, void *context, struct failure *failure) MUST_USE;
/* Which history counts: that of run runs[atom] for an atom below `count`; none where it is 0. */
struct store_history {
    const uint32_t *runs;
    uint32_t count;
};
/* Cells of one atom (>= 1) and ad in [from, to), in parts as above. A minute costs a look-up in the blocks, one in the
 * amendments, and one in the history for an atom that has one; minutes without data cost nothing. */
enum status store_visit_atom_ad(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition,
                                const struct store_history *history, uint32_t atom, uint32_t ad, struct minute from,
                                struct minute to, store_atom_visit *visit, void *context, struct failure *failure) MUST_USE;
/* Of all ads, in parts, minute ascending; `atom` 0: all cells of all atoms >= 1, else only of this one. */
enum status store_visit_atoms(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition,
                              const struct store_history *history, uint32_t atom, struct minute from, struct minute to,
                              store_atom_visit *visit, void *context, struct failure *failure) MUST_USE;
/* The lowest and highest minute that have a block or an amendment, over all partitions; STATUS_NOT_FOUND when there is none
 * (`failure` is then left alone). */
enum status store_minute_range(struct store *store, const struct kv_snapshot *snapshot, struct minute *lowest,
                               struct minute *highest, struct failure *failure) MUST_USE;
