/* store.h: the aggregates on disk, in terms of cells; keys and values: docs/format/store.md.
 *
 * The journal replays, so a checkpoint is one atomic unsynced batch: all that a partition counted up to one offset.
 * Everything is per (generation, partition): absolute partials (I5). Generation is 1 until a recalculation makes another.
 * A closed minute is an immutable block of cells, in chunks sorted by (ad, country); a late click to a minute that already
 * has its block is an amendment, a small key with the absolute amended count; open minutes are one blob per partition.
 *   cell = block + amendment     (and, in memory, what came since the checkpoint)
 * One writer at a time; readers on snapshots at the same time.
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
                                 void (*visit)(void *context, struct minute minute, const struct cell *cell), void *context,
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
/* Refuses (CHECK) to take a partition back to a lower offset than it has (I5). */
enum status store_write(struct store *store, const struct kv_batch *batch, struct failure *failure) MUST_USE;
enum status store_flush(struct store *store, struct failure *failure) MUST_USE;

/* --- reading, any thread; blocks and amendments only, never the open blob --- */
typedef void store_cell_visit(void *context, struct minute minute, const struct cell *cell);
/* Cells of one ad in [from, to), minute ascending. A cell may be visited in parts: add them up. */
enum status store_visit_ad(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition, uint32_t ad,
                           struct minute from, struct minute to, store_cell_visit *visit, void *context,
                           struct failure *failure) MUST_USE;
/* All cells in [from, to), in parts as above, minute ascending. */
enum status store_visit_all(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition, struct minute from,
                            struct minute to, store_cell_visit *visit, void *context, struct failure *failure) MUST_USE;
/* The lowest and highest minute that have a block or an amendment, over all partitions; STATUS_NOT_FOUND when there is none
 * (`failure` is then left alone). */
enum status store_minute_range(struct store *store, const struct kv_snapshot *snapshot, struct minute *lowest,
                               struct minute *highest, struct failure *failure) MUST_USE;
