#include "rocks/rocks.h"

#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"

enum {
    ROCKS_MAGIC = 0x0c5db00c,
    OPEN_FILES_MAX = 512,
    INFO_LOG_FILES_MAX = 2,
    INFO_LOG_LEVEL_NOTHING = 5,    /* HEADER_LEVEL, the last */
    TABLE_BLOCK_BYTES = 16 * 1024, /* one value of a full chunk fills about one of these */
    METADATA_BLOCK_BYTES = 4096,
    CACHE_SHARD_BITS = 4,
    WRITE_BUFFER_BYTES_MIN = 1024 * 1024,
};

struct rocks {
    uint32_t magic;
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read_now;
    rocksdb_writeoptions_t *write;
    rocksdb_flushoptions_t *flush;
    /* The first failure of a write or flush. Since RocksDB 7.8.3 may lose its way after one, it is never asked to write
     * again; writer's thread only. */
    struct failure failed;
    /* Iterators and snapshots that are out; all must be back before the close. */
    atomic_uint lent;
    char path[];
};

struct kv_snapshot {
    const rocksdb_snapshot_t *taken;
    rocksdb_readoptions_t *read;
};

struct kv_iterator {
    struct rocks *rocks;
    rocksdb_iterator_t *at;
};

static struct rocks *rocks_of(void *self) {
    struct rocks *rocks = self;
    CHECK(rocks != NULL && rocks->magic == ROCKS_MAGIC);
    return rocks;
}

/* RocksDB gives its errors as text alone; these are the texts of 7.8.3 (checked by tests/unit/rocks). */
static enum status status_of_text(const char *text) {
    if (strstr(text, "While lock file") != NULL || strstr(text, "lock hold by current process") != NULL) return STATUS_BUSY;
    if (strstr(text, "No space left") != NULL || strstr(text, "NoSpace") != NULL) return STATUS_NO_SPACE;
    if (strncmp(text, "Corruption", strlen("Corruption")) == 0) return STATUS_CORRUPT;
    /* Of its own files: one that another one names is gone, or the name is damaged. */
    if (strstr(text, "No such file or directory") != NULL) return STATUS_CORRUPT;
    return STATUS_IO_ERROR;
}

/* Takes the text. */
static enum status failed_with(const char *path, const char *doing, char *text, struct failure *failure) {
    enum status status = status_of_text(text);
    switch (status) {
    case STATUS_BUSY:
        (void)failure_set(failure, status, "the store %s is in use by another process (%s)", path, text);
        break;
    case STATUS_CORRUPT:
        (void)failure_set(failure, status,
                          "%s the store %s: %s; stop the server, remove this directory and start again: it is rebuilt from "
                          "the journal",
                          doing, path, text);
        break;
    default:
        (void)failure_set(failure, status, "%s the store %s: %s", doing, path, text);
    }
    rocksdb_free(text);
    return status;
}

static enum status rocks_get(void *self, const struct kv_snapshot *snapshot, struct bytes key, struct buffer *value,
                             struct failure *failure) {
    struct rocks *rocks = rocks_of(self);
    char *error = NULL;
    const rocksdb_readoptions_t *read = snapshot == NULL ? rocks->read_now : snapshot->read;
    rocksdb_pinnableslice_t *found = rocksdb_get_pinned(rocks->db, read, (const char *)key.at, key.len, &error);
    if (error != NULL) {
        CHECK(found == NULL);
        return failed_with(rocks->path, "reading", error, failure);
    }
    if (found == NULL) return STATUS_NOT_FOUND;
    size_t len = 0;
    const char *at = rocksdb_pinnableslice_value(found, &len);
    buffer_clear(value);
    buffer_append(value, at, len);
    rocksdb_pinnableslice_destroy(found);
    return STATUS_OK;
}

static void add_entry(void *context, enum kv_operation op, struct bytes key, struct bytes value) {
    rocksdb_writebatch_t *batch = context;
    if (op == KV_PUT) {
        rocksdb_writebatch_put(batch, (const char *)key.at, key.len, (const char *)value.at, value.len);
    } else {
        CHECK(op == KV_DELETE);
        rocksdb_writebatch_delete(batch, (const char *)key.at, key.len);
    }
}

static enum status repeat_failure(const struct rocks *rocks, struct failure *failure) {
    return failure_set(failure, rocks->failed.status, "after an earlier failure: %.900s", rocks->failed.text);
}

static enum status rocks_write(void *self, const struct kv_batch *batch, struct failure *failure) {
    struct rocks *rocks = rocks_of(self);
    if (rocks->failed.status != STATUS_OK) return repeat_failure(rocks, failure);
    char *error = NULL;
    rocksdb_writebatch_t *entries = rocksdb_writebatch_create();
    kv_batch_each(batch, add_entry, entries);
    rocksdb_write(rocks->db, rocks->write, entries, &error);
    rocksdb_writebatch_destroy(entries);
    if (error == NULL) return STATUS_OK;
    enum status status = failed_with(rocks->path, "writing to", error, &rocks->failed);
    return failure_set(failure, status, "%s", rocks->failed.text);
}

/* The memtables become synced files, then the write-ahead log is synced: whatever was accepted before is on disk after. */
static enum status rocks_flush(void *self, struct failure *failure) {
    struct rocks *rocks = rocks_of(self);
    if (rocks->failed.status != STATUS_OK) return repeat_failure(rocks, failure);
    char *error = NULL;
    rocksdb_flush(rocks->db, rocks->flush, &error);
    if (error == NULL) rocksdb_flush_wal(rocks->db, 1, &error);
    if (error == NULL) return STATUS_OK;
    enum status status = failed_with(rocks->path, "flushing", error, &rocks->failed);
    return failure_set(failure, status, "%s", rocks->failed.text);
}

static struct kv_snapshot *rocks_snapshot_take(void *self) {
    struct rocks *rocks = rocks_of(self);
    struct kv_snapshot *snapshot = memory_allocate_zeroed(1, sizeof *snapshot);
    snapshot->taken = rocksdb_create_snapshot(rocks->db);
    CHECK(snapshot->taken != NULL);
    snapshot->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(snapshot->read, snapshot->taken);
    (void)atomic_fetch_add(&rocks->lent, 1);
    return snapshot;
}

static void rocks_snapshot_drop(void *self, struct kv_snapshot *snapshot) {
    struct rocks *rocks = rocks_of(self);
    CHECK(snapshot != NULL && snapshot->taken != NULL);
    rocksdb_readoptions_destroy(snapshot->read);
    rocksdb_release_snapshot(rocks->db, snapshot->taken);
    free(snapshot);
    CHECK(atomic_fetch_sub(&rocks->lent, 1) > 0);
}

static struct kv_iterator *rocks_iterate(void *self, const struct kv_snapshot *snapshot) {
    struct rocks *rocks = rocks_of(self);
    struct kv_iterator *iterator = memory_allocate_zeroed(1, sizeof *iterator);
    iterator->rocks = rocks;
    iterator->at = rocksdb_create_iterator(rocks->db, snapshot == NULL ? rocks->read_now : snapshot->read);
    CHECK(iterator->at != NULL);
    (void)atomic_fetch_add(&rocks->lent, 1);
    return iterator;
}

static void rocks_iterator_seek(struct kv_iterator *iterator, struct bytes key) {
    rocksdb_iter_seek(iterator->at, (const char *)key.at, key.len);
}

static void rocks_iterator_seek_before(struct kv_iterator *iterator, struct bytes key) {
    rocksdb_iter_seek_for_prev(iterator->at, (const char *)key.at, key.len);
}

static void rocks_iterator_next(struct kv_iterator *iterator) {
    CHECK(rocksdb_iter_valid(iterator->at));
    rocksdb_iter_next(iterator->at);
}

static bool rocks_iterator_valid(const struct kv_iterator *iterator) {
    return rocksdb_iter_valid(iterator->at) != 0;
}

static struct bytes rocks_iterator_key(const struct kv_iterator *iterator) {
    size_t len = 0;
    const char *at = rocksdb_iter_key(iterator->at, &len);
    return (struct bytes){(const uint8_t *)at, len};
}

static struct bytes rocks_iterator_value(const struct kv_iterator *iterator) {
    size_t len = 0;
    const char *at = rocksdb_iter_value(iterator->at, &len);
    return (struct bytes){(const uint8_t *)at, len};
}

static enum status rocks_iterator_status(const struct kv_iterator *iterator, struct failure *failure) {
    char *error = NULL;
    rocksdb_iter_get_error(iterator->at, &error);
    return error == NULL ? STATUS_OK : failed_with(iterator->rocks->path, "reading", error, failure);
}

static void rocks_iterator_close(struct kv_iterator *iterator) {
    struct rocks *rocks = rocks_of(iterator->rocks);
    rocksdb_iter_destroy(iterator->at);
    free(iterator);
    CHECK(atomic_fetch_sub(&rocks->lent, 1) > 0);
}

struct kv rocks_kv(struct rocks *rocks) {
    return (struct kv){
        .self = rocks_of(rocks),
        .get = rocks_get,
        .write = rocks_write,
        .flush = rocks_flush,
        .snapshot_take = rocks_snapshot_take,
        .snapshot_drop = rocks_snapshot_drop,
        .iterate = rocks_iterate,
        .iterator_seek = rocks_iterator_seek,
        .iterator_seek_before = rocks_iterator_seek_before,
        .iterator_next = rocks_iterator_next,
        .iterator_valid = rocks_iterator_valid,
        .iterator_key = rocks_iterator_key,
        .iterator_value = rocks_iterator_value,
        .iterator_status = rocks_iterator_status,
        .iterator_close = rocks_iterator_close,
    };
}

/* A quarter of the memory takes what is written, the rest is the block cache, which also holds indexes and filters. Two
 * memtables at most: when the disk cannot follow, writes wait; so the bound holds but for one batch. */
static void bound_memory(struct rocks *rocks, uint64_t cache_bytes) {
    uint64_t write_bytes = cache_bytes / 4;
    if (write_bytes < 2 * WRITE_BUFFER_BYTES_MIN) write_bytes = UINT64_C(2) * WRITE_BUFFER_BYTES_MIN;
    uint64_t read_bytes = cache_bytes > write_bytes ? cache_bytes - write_bytes : 0;
    rocksdb_options_set_db_write_buffer_size(rocks->options, write_bytes);
    rocksdb_options_set_write_buffer_size(rocks->options, write_bytes / 2);
    rocksdb_options_set_max_write_buffer_number(rocks->options, 2);

    rocksdb_lru_cache_options_t *cache = rocksdb_lru_cache_options_create();
    rocksdb_lru_cache_options_set_capacity(cache, read_bytes);
    rocksdb_lru_cache_options_set_num_shard_bits(cache, CACHE_SHARD_BITS);
    rocks->cache = rocksdb_cache_create_lru_opts(cache);
    rocksdb_lru_cache_options_destroy(cache);
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, rocks->cache);
    /* Index and filter of a file can be larger than a shard of the cache; whole, they would then be read and checked anew
     * for every look-up. In parts of a block's size they stay. */
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_index_type(table, rocksdb_block_based_table_index_type_two_level_index_search);
    rocksdb_block_based_options_set_partition_filters(table, 1);
    rocksdb_block_based_options_set_metadata_block_size(table, METADATA_BLOCK_BYTES);
    rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1);
    rocksdb_block_based_options_set_block_size(table, TABLE_BLOCK_BYTES);
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10)); /* moved */
    rocksdb_options_set_block_based_table_factory(rocks->options, table);                             /* copied */
    rocksdb_block_based_options_destroy(table);
}

static void set_options(struct rocks *rocks) {
    rocksdb_options_set_create_if_missing(rocks->options, 1);
    rocksdb_options_set_paranoid_checks(rocks->options, 1);
    /* Values are compressed already. */
    rocksdb_options_set_compression(rocks->options, rocksdb_no_compression);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(rocks->options, 1);
    rocksdb_options_set_max_background_jobs(rocks->options, 2);
    rocksdb_options_set_max_open_files(rocks->options, OPEN_FILES_MAX);
    /* A torn tail of the write-ahead log is cut: what remains is a prefix of the batches. */
    rocksdb_options_set_wal_recovery_mode(rocks->options, rocksdb_point_in_time_recovery);
    rocksdb_options_set_manual_wal_flush(rocks->options, 0);
    /* Nothing into a log of its own: every failure comes back as a status, and on a disk that has failed or is full the next
     * line would be an assertion (WritableFileWriter has seen an error), thus an abort. */
    rocksdb_options_set_info_log_level(rocks->options, INFO_LOG_LEVEL_NOTHING);
    rocksdb_options_set_keep_log_file_num(rocks->options, INFO_LOG_FILES_MAX);
    rocksdb_options_set_stats_dump_period_sec(rocks->options, 0);
    rocksdb_options_set_stats_persist_period_sec(rocks->options, 0);
}

/* The C API has no function for this one: RocksDB must not resume by itself after a background error either. */
static void forbid_resume(struct rocks *rocks) {
    char *error = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_get_options_from_string(rocks->options, "max_bgerror_resume_count=0", options, &error);
    CHECKF(error == NULL, "%s", error);
    rocksdb_options_destroy(rocks->options);
    rocks->options = options;
}

enum status rocks_open(const struct rocks_options *options, struct rocks **out, struct failure *failure) {
    size_t path_size = strlen(options->path) + 1;
    struct rocks *rocks = memory_allocate_zeroed(1, sizeof *rocks + path_size);
    rocks->magic = ROCKS_MAGIC;
    memcpy(rocks->path, options->path, path_size);
    rocks->options = rocksdb_options_create();
    set_options(rocks);
    bound_memory(rocks, options->cache_bytes);
    forbid_resume(rocks);
    rocks->read_now = rocksdb_readoptions_create();
    rocks->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(rocks->write, 0);
    rocks->flush = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(rocks->flush, 1);

    char *error = NULL;
    rocks->db = options->read_only ? rocksdb_open_for_read_only(rocks->options, rocks->path, 0, &error)
                                   : rocksdb_open(rocks->options, rocks->path, &error);
    if (error != NULL) {
        enum status status = failed_with(rocks->path, "opening", error, failure);
        rocks_close(rocks);
        return status;
    }
    CHECK(rocks->db != NULL);
    *out = rocks;
    return STATUS_OK;
}

void rocks_close(struct rocks *rocks) {
    if (rocks == NULL) return;
    CHECK(rocks_of(rocks)->magic == ROCKS_MAGIC);
    unsigned lent = atomic_load(&rocks->lent);
    CHECKF(lent == 0, "%u iterators or snapshots are still out", lent);
    if (rocks->db != NULL) rocksdb_close(rocks->db);
    rocksdb_flushoptions_destroy(rocks->flush);
    rocksdb_writeoptions_destroy(rocks->write);
    rocksdb_readoptions_destroy(rocks->read_now);
    rocksdb_options_destroy(rocks->options);
    rocksdb_cache_destroy(rocks->cache);
    rocks->magic = 0;
    free(rocks);
}
