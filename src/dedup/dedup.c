#include "dedup/dedup.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "dedup/dedup_internal.h"

enum {
    MEMORY_BYTES_MIN = 4096,
    BUFFERS = 4,                    /* dedup_step.c */
    LARGE_BYTES = 16 * 1024 * 1024, /* from here on, larger buffers */
    BUFFER_BLOCKS = 16,             /* then: 64 KiB are read or written at a time */
    REPLAY_SHARE = 8,
    TABLE_SHARE = 8, /* the table may take an eighth of the memory, the frozen one another */
    CHUNK_BITS_MIN = 9,
    CHUNK_BITS_MAX = 20,
    CHUNKS_WANTED = 1024,          /* at most: what is kept back is then some percent */
    CHUNK_EXTRA_BYTES = 4 + 2 * 8, /* in the pool's list and in the arrays of two runs */
    RUN_BYTES_FOR_TENTH = 16,      /* ten entries take so many bytes: 64 / 42 + 8 / 127 each, rounded up */
    RUNS_BEING_MADE = 2,
};

/* --- what the memory is used for --- */

static uint64_t entries_of_chunks(const struct dedup *dedup, uint64_t chunks) {
    return (chunks << dedup->pool.chunk_bits) * 10 / RUN_BYTES_FOR_TENTH;
}

/* Of all runs, and a merge's. */
uint32_t dedup_chunks_partly_used(const struct dedup *dedup) {
    return RUN_PARTLY_USED * (dedup->runs_max + RUNS_BEING_MADE) + MERGE_CHUNKS + RUN_PARTLY_USED;
}

/* A replay merges at other moments than those at which the clicks were taken, so it may hold more that is forgotten. What is
 * kept back of the room that is told gives it a place: what was taken once fits again. */
static uint32_t chunks_kept_back(const struct dedup *dedup) {
    return dedup_chunks_partly_used(dedup) + dedup->pool.chunk_count / REPLAY_SHARE;
}

/* Buffers, and the fixed parts of everything. */
static uint64_t fixed_bytes(const struct dedup *dedup) {
    uint64_t capacity = table_leaf_capacity(dedup->table);
    return sizeof *dedup + RUN_BLOCK_BYTES + (uint64_t)BUFFERS * dedup->buffer_blocks * RUN_BLOCK_BYTES +
           capacity * sizeof *dedup->sorted + (capacity / 4 + 2) * sizeof *dedup->sort_starts +
           (dedup->runs_max + RUNS_BEING_MADE) * run_fixed_bytes(0) + OLD_MAX * sizeof *dedup->old + sizeof *dedup->kept +
           DEDUP_STATE_BYTES_MAX;
}

/* Two tables, the fixed parts, and the rest is the pool's. False when the rest is not worth it: then twice what a table
 * holds would not fit before it. */
static bool plan_runs(struct dedup *dedup, const struct dedup_options *options) {
    dedup->runs_max = options->runs_max > 0 ? options->runs_max : DEDUP_RUNS_MAX;
    CHECK(dedup->runs_max >= 3 && dedup->runs_max <= DEDUP_RUNS_MAX);
    dedup->buffer_blocks = dedup->memory_bytes >= LARGE_BYTES ? BUFFER_BLOCKS : 1;
    dedup->fixed_bytes = fixed_bytes(dedup);
    uint64_t used = 2 * dedup->table_bytes + dedup->fixed_bytes + PAGE_BYTES;
    uint64_t left = used < dedup->memory_bytes ? dedup->memory_bytes - used : 0;
    uint32_t bits = CHUNK_BITS_MIN;
    while (bits < CHUNK_BITS_MAX && left >> bits > CHUNKS_WANTED) bits++;
    uint64_t chunks = left / ((UINT64_C(1) << bits) + CHUNK_EXTRA_BYTES);
    dedup->pool.chunk_bits = bits;
    uint32_t kept = dedup_chunks_partly_used(dedup) + (uint32_t)(chunks / REPLAY_SHARE);
    uint64_t table_slots = dedup->table_bytes / sizeof(struct leaf_slot);
    if (chunks <= kept || entries_of_chunks(dedup, chunks - kept) < 2 * table_slots) return false;
    CHECK(chunks <= UINT32_MAX);
    dedup->fixed_bytes += chunks * CHUNK_EXTRA_BYTES;
    pool_init(&dedup->pool, bits, (uint32_t)chunks);
    CHECK(dedup->fixed_bytes + 2 * dedup->table_bytes + dedup->pool.arena.bytes <= dedup->memory_bytes); /* I10 */
    return true;
}

static void prepare_runs(struct dedup *dedup, const struct dedup_options *options) {
    dedup->spills = true;
    dedup->files = *options->files;
    dedup->name.partition = options->partition;
    memcpy(dedup->name.log, options->log_uuid, sizeof dedup->name.log);
    CHECK(strlen(options->name) < sizeof dedup->file_name);
    (void)snprintf(dedup->file_name, sizeof dedup->file_name, "%s", options->name);
    uint32_t capacity = table_leaf_capacity(dedup->table);
    dedup->block = memory_allocate(RUN_BLOCK_BYTES);
    dedup->buffers = memory_allocate((size_t)BUFFERS * dedup->buffer_blocks * RUN_BLOCK_BYTES);
    dedup->old = memory_allocate(OLD_MAX * sizeof *dedup->old);
    if (options->position != NULL) {
        dedup->kept = memory_allocate_zeroed(1, sizeof *dedup->kept);
        dedup->kept->position = options->position;
        dedup->kept->go_on_from = options->go_on_from;
        dedup->kept->owner = options->owner;
    }
    dedup->sorted = memory_allocate(capacity * sizeof *dedup->sorted);
    dedup->sort_starts = memory_allocate((capacity / 4 + 2) * sizeof *dedup->sort_starts);
}

struct dedup *dedup_create(const struct dedup_options *options) {
    CHECKF(options->memory_bytes >= MEMORY_BYTES_MIN, "%llu bytes for identities",
           (unsigned long long)options->memory_bytes);
    struct dedup *dedup = memory_allocate_zeroed(1, sizeof *dedup);
    dedup->memory_bytes = options->memory_bytes;
    dedup->d_max = dedup->line = dedup->frozen_d = EVENT_TIME_NONE;
    dedup->table_bytes = options->table_bytes > 0 ? options->table_bytes : options->memory_bytes / TABLE_SHARE;
    if (options->files != NULL && dedup->table_bytes >= TABLE_BYTES_MIN) {
        dedup->table = table_create(dedup->table_bytes);
        if (plan_runs(dedup, options)) {
            prepare_runs(dedup, options);
            return dedup;
        }
        table_destroy(dedup->table);
    }
    dedup->fixed_bytes = sizeof *dedup;
    dedup->table = table_create(options->memory_bytes - dedup->fixed_bytes);
    return dedup;
}

/* What fails here is left for dedup_clear. What is kept, and whatever else a crash would leave, is the next start's. */
static void remove_file(struct dedup *dedup, struct run_file file) {
    struct failure unused = {0};
    run_file_close(&file);
    if (dedup->kept == NULL) (void)dedup->files.remove(dedup->files.self, file.name.path, &unused);
}

static void remove_run(struct dedup *dedup, struct run *run) {
    remove_file(dedup, run_take_file(run, &dedup->pool));
}

static void remove_runs(struct dedup *dedup) {
    if (dedup->spill.writer.run != NULL) remove_run(dedup, dedup->spill.writer.run);
    if (dedup->merge.writer.run != NULL) remove_run(dedup, dedup->merge.writer.run);
    for (uint32_t i = 0; i < dedup->run_count; i++) remove_run(dedup, dedup->runs[i]);
    for (uint32_t i = 0; i < dedup->old_count; i++) remove_file(dedup, dedup->old[i]);
    pool_fini(&dedup->pool);
}

void dedup_destroy(struct dedup *dedup) {
    if (dedup == NULL) return;
    CHECK(dedup->frozen == NULL || dedup->spare == NULL); /* two tables at most (I10) */
    if (dedup->spills) remove_runs(dedup);
    table_destroy(dedup->table);
    table_destroy(dedup->frozen);
    table_destroy(dedup->spare);
    free(dedup->block);
    free(dedup->buffers);
    free(dedup->old);
    if (dedup->kept != NULL) buffer_fini(&dedup->kept->scratch);
    free(dedup->kept);
    free(dedup->sorted);
    free(dedup->sort_starts);
    free(dedup);
}

/* --- looking up --- */

void dedup_prefetch(const struct dedup *dedup, struct identity identity) {
    table_prefetch(dedup->table, identity);
    if (!dedup->spills) return;
    if (dedup->frozen != NULL && identity.high >= dedup->frozen_from) table_prefetch(dedup->frozen, identity);
    for (uint32_t i = 0; i < dedup->run_count; i++) run_prefetch(dedup->runs[i], identity.high);
    if (dedup->spill.active) run_prefetch(dedup->spill.writer.run, identity.high);
    if (dedup->merge.active) run_prefetch(dedup->merge.writer.run, identity.high);
}

static enum status ask_run(struct dedup *dedup, const struct run *run, const struct run_key *key, struct identity identity,
                           struct event_time d, struct dedup_entry *out, struct failure *failure) {
    if (!run_answers_for(run, key->high) || !run_may_hold(run, key)) return STATUS_NOT_FOUND;
    dedup->reads++;
    enum status status = run_find(run, identity, d, dedup->block, out, failure);
    return status == STATUS_OK || status == STATUS_NOT_FOUND ? status : dedup_distrust(dedup, status, failure);
}

/* The newest first: copies mostly come soon. */
static enum status ask_runs(struct dedup *dedup, struct identity identity, struct event_time d, struct dedup_entry *out,
                            struct failure *failure) {
    const struct run_key key = run_key_of(identity);
    enum status status = STATUS_NOT_FOUND;
    if (dedup->spill.active) status = ask_run(dedup, dedup->spill.writer.run, &key, identity, d, out, failure);
    for (uint32_t i = dedup->run_count; i > 0 && status == STATUS_NOT_FOUND; i--)
        status = ask_run(dedup, dedup->runs[i - 1], &key, identity, d, out, failure);
    if (dedup->merge.active && status == STATUS_NOT_FOUND)
        status = ask_run(dedup, dedup->merge.writer.run, &key, identity, d, out, failure);
    return status;
}

enum status dedup_find(struct dedup *dedup, struct identity identity, struct event_time d, struct dedup_entry *out,
                       struct failure *failure) {
    CHECK(d.ms >= dedup->d_max.ms); /* I1: D never goes back; by an older D, what is dropped would have counted */
    if (table_find(dedup->table, identity, d, out)) return STATUS_OK;
    if (!dedup->spills) return STATUS_NOT_FOUND;
    if (dedup->frozen != NULL && identity.high >= dedup->frozen_from && table_find(dedup->frozen, identity, d, out))
        return STATUS_OK;
    return ask_runs(dedup, identity, d, out, failure);
}

enum status dedup_insert(struct dedup *dedup, const struct dedup_entry *entry, struct event_time d,
                         struct failure *failure) {
    CHECK(d.ms >= dedup->d_max.ms);
    COSTLY_CHECK(dedup_find(dedup, entry->identity, d, &(struct dedup_entry){0}, NULL) != STATUS_OK);
    dedup->d_max = d;
    if (dedup->spills && !table_makes_room(dedup->table, entry->identity, d)) {
        enum status status = dedup_freeze(dedup, failure);
        if (status == STATUS_FULL && table_room(dedup->table) == 0)
            return failure_set(failure, STATUS_FULL, "%llu identities are remembered and there is no room for more",
                               (unsigned long long)dedup_usage(dedup).entries);
        if (status != STATUS_OK && status != STATUS_FULL) return status;
    }
    table_insert(dedup->table, entry, d);
    dedup->inserted++;
    if (dedup->frozen != NULL || dedup->merge.active) dedup->owed += WORK_AN_INSERT;
    return STATUS_OK;
}

/* --- room --- */

/* Of the two that hold, the better. In the table is room (table_room). And what is not yet in a run finds memory for its
 * filter: all chunks that are free but for those that are kept back. */
static uint64_t room(const struct dedup *dedup, uint32_t kept) {
    uint64_t in_table = table_room(dedup->table);
    if (!dedup->spills) return in_table;
    uint32_t chunks = pool_free(&dedup->pool);
    CHECK(chunks <= dedup->pool.chunk_count && kept < dedup->pool.chunk_count);
    uint64_t fit = chunks > kept ? entries_of_chunks(dedup, chunks - kept) : 0;
    uint64_t wait = table_entries(dedup->table);
    if (dedup->frozen != NULL && !dedup->spill.active) wait += table_entries(dedup->frozen);
    uint64_t in_runs = fit > wait ? fit - wait : 0;
    return in_runs > in_table ? in_runs : in_table;
}

uint64_t dedup_room(const struct dedup *dedup) {
    return room(dedup, chunks_kept_back(dedup));
}

bool dedup_fits(const struct dedup *dedup, uint64_t count) {
    return room(dedup, dedup_chunks_partly_used(dedup)) >= count;
}

bool dedup_purge_some(struct dedup *dedup, struct event_time d) {
    CHECK(d.ms >= dedup->d_max.ms);
    dedup->d_max = d;
    bool done = table_purge_some(dedup->table, d);
    /* Not when a start may go on from where it ends: there less is forgotten. */
    bool waits = dedup->frozen != NULL && !dedup->spill.active && (dedup->kept == NULL || !dedup->kept->frozen.known);
    return (!waits || table_purge_some(dedup->frozen, d)) && done;
}

static void add_table(const struct table *table, struct dedup_usage *usage) {
    if (table == NULL) return;
    struct dedup_usage of_table = table_usage(table);
    usage->entries += of_table.entries;
    usage->bytes += of_table.bytes;
}

struct dedup_usage dedup_usage(const struct dedup *dedup) {
    struct dedup_usage usage = {.bytes = dedup->fixed_bytes, .bytes_max = dedup->memory_bytes, .reads = dedup->reads};
    add_table(dedup->table, &usage);
    if (!dedup->spills) {
        usage.entries_max = table_usage(dedup->table).entries_max;
        CHECK(usage.bytes <= usage.bytes_max); /* I10 */
        return usage;
    }
    add_table(dedup->frozen, &usage);
    add_table(dedup->spare, &usage);
    if (dedup->spill.active) {
        CHECK(dedup->frozen != NULL && table_entries(dedup->frozen) <= dedup->spill.entries);
        usage.entries += dedup->spill.entries - table_entries(dedup->frozen);
        usage.file_bytes += run_file_bytes(&dedup->spill.writer.run->file);
    }
    for (uint32_t i = 0; i < dedup->run_count; i++) {
        usage.entries += dedup->runs[i]->file.count;
        usage.file_bytes += run_file_bytes(&dedup->runs[i]->file);
    }
    if (dedup->merge.active) usage.file_bytes += run_file_bytes(&dedup->merge.writer.run->file);
    for (uint32_t i = 0; i < dedup->old_count; i++) usage.file_bytes += run_file_bytes(&dedup->old[i]);
    usage.runs = dedup->run_count;
    usage.written = dedup->runs_written;
    usage.merged = dedup->runs_merged;
    usage.entries_max = entries_of_chunks(dedup, dedup->pool.chunk_count - chunks_kept_back(dedup));
    usage.bytes += pool_touched_bytes(&dedup->pool);
    CHECK(usage.bytes <= usage.bytes_max); /* I10 */
    return usage;
}
