#include "dedup/run_file.h"

#include "base/check.h"

enum status run_file_damaged(const struct run_file *run, uint64_t at, const char *what, struct failure *failure) {
    return failure_set(failure, STATUS_CORRUPT,
                       "%s: %s at byte %llu; nothing is lost: a start makes it anew from the journal", run->name.path, what,
                       (unsigned long long)at);
}

void run_file_end(const struct run_file *run, uint64_t magic, uint8_t *block) {
    CHECK(magic == RUN_HEADER_MAGIC || magic == RUN_FOOTER_MAGIC);
    memset(block, 0, RUN_BLOCK_BYTES);
    put_u64(block + RUN_END_MAGIC_AT, magic);
    put_u32(block + RUN_END_VERSION_AT, RUN_FORMAT_VERSION);
    put_u32(block + RUN_END_PARTITION_AT, run->name.partition);
    put_u64(block + RUN_END_NUMBER_AT, run->name.number);
    memcpy(block + RUN_END_LOG_AT, run->name.log, RUN_LOG_BYTES);
    if (magic == RUN_FOOTER_MAGIC) {
        CHECK(run->block_count == run->count / RUN_BLOCK_ENTRIES + (run->count % RUN_BLOCK_ENTRIES != 0));
        CHECK(run->tail_blocks == run_file_index_blocks(run) + run_file_filter_blocks(run));
        CHECK(run->count == 0 || (run->offset_min <= run->offset_max && run->bound_max.ms >= 0));
        put_u64(block + RUN_END_COUNT_AT, run->count);
        put_u64(block + RUN_END_BLOCKS_AT, run->block_count);
        put_u64(block + RUN_END_OFFSET_MIN_AT, run->offset_min);
        put_u64(block + RUN_END_OFFSET_MAX_AT, run->offset_max);
        put_u64(block + RUN_END_BOUND_MAX_AT, (uint64_t)run->bound_max.ms);
        put_u64(block + RUN_END_FILTER_LINES_AT, run->filter_lines);
    }
    run_seal_block(block);
}

static enum status read_blocks(const struct run_file *run, uint64_t at, uint8_t *blocks, uint64_t len,
                               struct failure *failure) {
    CHECK(at % RUN_BLOCK_BYTES == 0 && len > 0 && len % RUN_BLOCK_BYTES == 0);
    size_t got;
    enum status status = run->files->read(run->file, at, blocks, len, &got, failure);
    if (status != STATUS_OK) return status;
    return got == len ? STATUS_OK : run_file_damaged(run, at + got, "the file ends too early", failure);
}

/* The two ends say the same, but for what only the footer can know. */
static enum status read_end(const struct run_file *run, uint64_t at, uint64_t magic, uint8_t *block,
                            struct failure *failure) {
    enum status status = read_blocks(run, at, block, RUN_BLOCK_BYTES, failure);
    if (status != STATUS_OK) return status;
    if (!run_block_is_whole(block)) return run_file_damaged(run, at, "damage", failure);
    if (get_u64(block + RUN_END_MAGIC_AT) != magic)
        return run_file_damaged(run, at, "this is no run of identities", failure);
    if (get_u32(block + RUN_END_VERSION_AT) != RUN_FORMAT_VERSION)
        return failure_set(failure, STATUS_UNSUPPORTED, "%s: format version %u, this program knows %d", run->name.path,
                           get_u32(block + RUN_END_VERSION_AT), RUN_FORMAT_VERSION);
    if (get_u32(block + RUN_END_PARTITION_AT) != run->name.partition ||
        get_u64(block + RUN_END_NUMBER_AT) != run->name.number ||
        memcmp(block + RUN_END_LOG_AT, run->name.log, RUN_LOG_BYTES) != 0)
        return run_file_damaged(run, at, "another run's name", failure);
    return STATUS_OK;
}

uint64_t run_file_index_blocks(const struct run_file *run) {
    return run->block_count / RUN_BLOCK_KEYS + (run->block_count % RUN_BLOCK_KEYS != 0);
}

uint64_t run_file_filter_blocks(const struct run_file *run) {
    return run->filter_lines / RUN_BLOCK_LINES + (run->filter_lines % RUN_BLOCK_LINES != 0);
}

enum status run_file_check(struct run_file *run, uint32_t *footer_crc, struct failure *failure) {
    uint8_t block[RUN_BLOCK_BYTES];
    uint64_t size;
    enum status status = run->files->size(run->file, &size, failure);
    if (status != STATUS_OK) return status;
    if (size < 2 * RUN_BLOCK_BYTES || size % RUN_BLOCK_BYTES != 0)
        return run_file_damaged(run, size, "the file ends too early", failure);
    status = read_end(run, 0, RUN_HEADER_MAGIC, block, failure);
    if (status == STATUS_OK) status = read_end(run, size - RUN_BLOCK_BYTES, RUN_FOOTER_MAGIC, block, failure);
    if (status != STATUS_OK) return status;
    run->count = get_u64(block + RUN_END_COUNT_AT);
    run->block_count = get_u64(block + RUN_END_BLOCKS_AT);
    run->offset_min = get_u64(block + RUN_END_OFFSET_MIN_AT);
    run->offset_max = get_u64(block + RUN_END_OFFSET_MAX_AT);
    run->bound_max.ms = (int64_t)get_u64(block + RUN_END_BOUND_MAX_AT);
    run->filter_lines = get_u64(block + RUN_END_FILTER_LINES_AT);
    if (footer_crc != NULL) *footer_crc = get_u32(block + RUN_CRC_AT);
    uint64_t blocks = run->count / RUN_BLOCK_ENTRIES + (run->count % RUN_BLOCK_ENTRIES != 0);
    uint64_t in_file = size / RUN_BLOCK_BYTES - 2;
    if (run->block_count != blocks || blocks > in_file || run->filter_lines == 0 || run->filter_lines > UINT32_MAX ||
        run_file_index_blocks(run) + run_file_filter_blocks(run) != in_file - blocks ||
        (run->count > 0 && run->offset_min > run->offset_max))
        return run_file_damaged(run, size - RUN_BLOCK_BYTES, "figures that cannot be", failure);
    run->tail_blocks = in_file - blocks;
    return STATUS_OK;
}

void run_file_close(struct run_file *run) {
    if (run->file != NULL) run->files->close(run->file);
    run->file = NULL;
}

uint64_t run_file_bytes(const struct run_file *run) {
    return run->file == NULL ? 0 : (run->block_count + run->tail_blocks + 2) * RUN_BLOCK_BYTES;
}

void run_file_seal(const struct run_file *run, uint8_t *block, enum run_block_kind kind, uint64_t index, uint32_t count) {
    static const uint32_t bytes_each[] = {RUN_ENTRY_BYTES, RUN_KEY_BYTES, RUN_LINE_BYTES};
    uint32_t used = count * bytes_each[kind];
    CHECK(used <= RUN_BLOCK_COUNT_AT);
    CHECK(count >= 1 && (kind == RUN_BLOCK_OF_ENTRIES || used <= RUN_BLOCK_TAIL_BYTES));
    memset(block + used, 0, RUN_BLOCK_BYTES - used);
    put_u32(block + RUN_BLOCK_COUNT_AT, count);
    put_u32(block + RUN_BLOCK_PARTITION_AT, run->name.partition);
    put_u64(block + RUN_BLOCK_NUMBER_AT, run->name.number);
    put_u64(block + RUN_BLOCK_INDEX_AT, index);
    put_u32(block + RUN_BLOCK_KIND_AT, kind);
    run_seal_block(block);
}

/* How many things the block holds: all blocks of a section but its last are full, so count and place follow from each
 * other. */
static uint32_t expected_count(uint64_t things, uint64_t block, uint32_t of_block) {
    CHECK(block * of_block < things);
    uint64_t left = things - block * of_block;
    return left < of_block ? (uint32_t)left : of_block;
}

static bool is_in_place(const struct run_file *run, uint64_t index, const uint8_t *block) {
    enum run_block_kind kind = RUN_BLOCK_OF_ENTRIES;
    uint32_t count;
    if (index < run->block_count) {
        /* While it is being written, its last block is not known, and it may not be full. */
        count = run_block_count(block);
        if (count < 1 || count > RUN_BLOCK_ENTRIES || (index + 1 < run->block_count && count != RUN_BLOCK_ENTRIES))
            return false;
    } else if (index - run->block_count < run_file_index_blocks(run)) {
        kind = RUN_BLOCK_OF_INDEX;
        count = expected_count(run->block_count, index - run->block_count, RUN_BLOCK_KEYS);
    } else {
        kind = RUN_BLOCK_OF_FILTER;
        count = expected_count(run->filter_lines, index - run->block_count - run_file_index_blocks(run), RUN_BLOCK_LINES);
    }
    return get_u32(block + RUN_BLOCK_PARTITION_AT) == run->name.partition &&
           get_u64(block + RUN_BLOCK_NUMBER_AT) == run->name.number && get_u64(block + RUN_BLOCK_INDEX_AT) == index &&
           get_u32(block + RUN_BLOCK_KIND_AT) == kind && run_block_count(block) == count;
}

static enum status read_in_place(const struct run_file *run, uint64_t first, uint32_t count, uint8_t *blocks,
                                 struct failure *failure) {
    uint64_t at = (first + 1) * RUN_BLOCK_BYTES;
    enum status status = read_blocks(run, at, blocks, (uint64_t)count * RUN_BLOCK_BYTES, failure);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *block = blocks + (size_t)i * RUN_BLOCK_BYTES;
        uint64_t place = at + (uint64_t)i * RUN_BLOCK_BYTES;
        if (!run_block_is_whole(block)) return run_file_damaged(run, place, "damage", failure);
        if (!is_in_place(run, first + i, block)) return run_file_damaged(run, place, "another block", failure);
    }
    return STATUS_OK;
}

enum status run_file_read(const struct run_file *run, uint64_t first, uint32_t count, uint8_t *blocks,
                          struct failure *failure) {
    CHECK(count >= 1 && first + count <= run->block_count);
    return read_in_place(run, first, count, blocks, failure);
}

enum status run_file_read_tail(const struct run_file *run, uint64_t first, uint32_t count, uint8_t *blocks,
                               struct failure *failure) {
    CHECK(count >= 1 && first + count <= run->tail_blocks);
    return read_in_place(run, run->block_count + first, count, blocks, failure);
}

/* --- the cursor --- */

static enum status fill(struct run_cursor *cursor, struct failure *failure) {
    CHECK(cursor->next_block <= cursor->run->block_count);
    uint64_t left = cursor->run->block_count - cursor->next_block;
    cursor->at_end = left == 0;
    if (cursor->at_end) return STATUS_OK;
    cursor->held = left < cursor->capacity ? (uint32_t)left : cursor->capacity;
    enum status status = run_file_read(cursor->run, cursor->next_block, cursor->held, cursor->blocks, failure);
    cursor->next_block += cursor->held;
    cursor->block = cursor->index = 0;
    return status;
}

static enum status load(struct run_cursor *cursor, struct failure *failure) {
    CHECK(cursor->block < cursor->held && cursor->index < RUN_BLOCK_ENTRIES);
    const uint8_t *block = cursor->blocks + (size_t)cursor->block * RUN_BLOCK_BYTES;
    struct dedup_entry entry = run_get_entry(block + (size_t)cursor->index * RUN_ENTRY_BYTES);
    bool is_first = cursor->next_block == cursor->held && cursor->block == 0 && cursor->index == 0;
    if (!is_first && identity_compare(cursor->entry.identity, entry.identity) >= 0)
        return run_file_damaged(cursor->run, (cursor->next_block - cursor->held + cursor->block + 1) * RUN_BLOCK_BYTES,
                                "identities out of order", failure);
    cursor->entry = entry;
    return STATUS_OK;
}

enum status run_cursor_begin(struct run_cursor *cursor, const struct run_file *run, uint8_t *blocks, uint32_t capacity,
                             struct failure *failure) {
    CHECK(capacity >= 1);
    *cursor = (struct run_cursor){.run = run, .blocks = blocks, .capacity = capacity};
    enum status status = fill(cursor, failure);
    return status == STATUS_OK && !cursor->at_end ? load(cursor, failure) : status;
}

enum status run_cursor_next(struct run_cursor *cursor, struct failure *failure) {
    CHECK(!cursor->at_end);
    if (++cursor->index == run_block_count(cursor->blocks + (size_t)cursor->block * RUN_BLOCK_BYTES)) {
        cursor->index = 0;
        cursor->block++;
    }
    if (cursor->block == cursor->held) {
        enum status status = fill(cursor, failure);
        if (status != STATUS_OK || cursor->at_end) return status;
    }
    return load(cursor, failure);
}
