#include "dedup/run_writer.h"

#include "base/check.h"

static enum status write_end(struct run_writer *writer, uint64_t at, uint64_t magic, struct failure *failure) {
    uint8_t block[RUN_BLOCK_BYTES];
    const struct run_file *file = &writer->run->file;
    run_file_end(file, magic, block);
    return file->files->write(file->file, at, (struct bytes){block, sizeof block}, failure);
}

enum status run_writer_begin(struct run_writer *writer, const struct files *files, const struct run_name *name,
                             uint64_t count_max, bool whole, struct pool *pool, uint8_t *blocks, uint32_t capacity,
                             struct failure *failure) {
    CHECK(capacity >= 1);
    struct run *run = memory_allocate_zeroed(1, sizeof *run);
    *writer = (struct run_writer){.run = run, .pool = pool, .blocks = blocks, .capacity = capacity};
    run->file = (struct run_file){
        .files = files, .name = *name, .writable = true, .offset_min = UINT64_MAX, .bound_max = EVENT_TIME_NONE};
    run->chunk_bits = pool->chunk_bits;
    run->from = 1; /* nothing yet */
    run->filter_lines = count_max / RUN_ENTRIES_PER_LINE + 1;
    CHECK(run->filter_lines <= UINT32_MAX);
    chunks_init(&run->filter, run_filter_chunks(count_max, pool->chunk_bits));
    chunks_init(&run->index, run_index_chunks(count_max, pool->chunk_bits));
    if (whole) {
        chunks_take_up_to(&run->filter, pool, run->filter.count);
        chunks_take_up_to(&run->index, pool, run->index.count);
    }
    enum status status = files->open(files->self, name->path, FILE_CREATE, &run->file.file, failure);
    if (status == STATUS_OK) status = write_end(writer, 0, RUN_HEADER_MAGIC, failure);
    if (status != STATUS_OK) run_writer_destroy(writer);
    return status;
}

static uint32_t chunk_of(const struct run_writer *writer, uint64_t byte) {
    return (uint32_t)(byte >> writer->pool->chunk_bits);
}

/* Filter and index of a block that is in the file. */
static void publish(struct run_writer *writer, const uint8_t *block, uint64_t index) {
    struct run *run = writer->run;
    uint64_t key_at = index * sizeof(uint64_t);
    uint32_t chunk = chunk_of(writer, key_at);
    if (run->index.taken <= chunk) chunks_take_up_to(&run->index, writer->pool, chunk + 1);
    put_u64(run->index.at[chunk] + (key_at & ((UINT64_C(1) << run->chunk_bits) - 1)), get_u64(block));
    for (uint32_t i = 0; i < run_block_count(block); i++) {
        struct run_key key = run_key_of(run_get_identity(block + (size_t)i * RUN_ENTRY_BYTES));
        chunk = chunk_of(writer, run_filter_line(run, key.high) * CACHE_LINE_BYTES);
        if (run->filter.taken <= chunk) chunks_take_up_to(&run->filter, writer->pool, chunk + 1);
        run_filter_add(run, &key);
    }
}

/* Writes the first `count` blocks. What the replaced runs need no more goes back before this one takes as much. */
static enum status flush(struct run_writer *writer, uint32_t count, struct failure *failure) {
    struct run *run = writer->run;
    uint64_t first = run->file.block_count, high = writer->previous.high;
    CHECK(count >= 1 && count == writer->held + (writer->in_block > 0));
    CHECK(get_u64(writer->blocks) >= writer->flushed_high && get_u64(writer->blocks) <= high); /* blocks ascend */
    for (uint32_t i = 0; i < count; i++)
        run_file_seal(&run->file, writer->blocks + (size_t)i * RUN_BLOCK_BYTES, RUN_BLOCK_OF_ENTRIES, first + i,
                      i < writer->held ? RUN_BLOCK_ENTRIES : writer->in_block);
    enum status status = run->file.files->write(run->file.file, (first + 1) * RUN_BLOCK_BYTES,
                                                (struct bytes){writer->blocks, (size_t)count * RUN_BLOCK_BYTES}, failure);
    if (status != STATUS_OK) return status;
    for (int i = 0; i < 2; i++)
        if (writer->replaced[i] != NULL) run_give_back_below(writer->replaced[i], writer->pool, high);
    for (uint32_t i = 0; i < count; i++) publish(writer, writer->blocks + (size_t)i * RUN_BLOCK_BYTES, first + i);
    run->file.block_count += count;
    CHECK(run->file.count > (run->file.block_count - 1) * RUN_BLOCK_ENTRIES); /* all that was added is in the blocks */
    CHECK(run->file.count <= run->file.block_count * RUN_BLOCK_ENTRIES);
    writer->held = writer->in_block = 0;
    writer->flushed_high = high;
    /* Not for `high` itself: another entry with it may come. */
    if (high > 0) {
        run->from = 0;
        run->last = high - 1;
    }
    return STATUS_OK;
}

static void note(struct run_file *file, const struct dedup_entry *entry) {
    file->count++;
    if (entry->offset.at < file->offset_min) file->offset_min = entry->offset.at;
    if (entry->offset.at > file->offset_max) file->offset_max = entry->offset.at;
    file->bound_max = event_time_max(file->bound_max, entry->bound);
}

enum status run_writer_add(struct run_writer *writer, const struct dedup_entry *entry, struct failure *failure) {
    struct run *run = writer->run;
    CHECK(run->file.count == 0 || identity_compare(writer->previous, entry->identity) < 0);
    CHECK(entry->bound.ms >= 0);
    CHECK(!writer->entries_done && run->file.count / RUN_ENTRIES_PER_LINE < run->filter_lines); /* count_max */
    if (writer->held == writer->capacity) {
        enum status status = flush(writer, writer->held, failure);
        if (status != STATUS_OK) return status;
    }
    CHECK(writer->held < writer->capacity && writer->in_block < RUN_BLOCK_ENTRIES);
    run_put_entry(writer->blocks + (size_t)writer->held * RUN_BLOCK_BYTES + (size_t)writer->in_block * RUN_ENTRY_BYTES,
                  entry);
    if (++writer->in_block == RUN_BLOCK_ENTRIES) {
        writer->held++;
        writer->in_block = 0;
    }
    writer->previous = entry->identity;
    note(&run->file, entry);
    return STATUS_OK;
}

/* --- behind the entries --- */

static void let_replaced_go(struct run_writer *writer) {
    for (int i = 0; i < 2; i++) {
        struct run *replaced = writer->replaced[i];
        if (replaced == NULL) continue;
        run_give_back_below(replaced, writer->pool, UINT64_MAX);
        replaced->from = 1; /* nothing any more */
        replaced->last = 0;
        writer->replaced[i] = NULL;
    }
}

static enum status end_entries(struct run_writer *writer, struct failure *failure) {
    struct run *run = writer->run;
    uint32_t count = writer->held + (writer->in_block > 0);
    enum status status = count == 0 ? STATUS_OK : flush(writer, count, failure);
    if (status != STATUS_OK) return status;
    let_replaced_go(writer);
    chunks_take_up_to(&run->filter, writer->pool, run->filter.count); /* whoever looks may look beyond the last entry */
    run->file.filter_lines = run->filter_lines;
    run->from = 0;
    run->last = UINT64_MAX;
    writer->entries_done = true;
    return STATUS_OK;
}

/* As many blocks as the buffer holds. */
static enum status write_tail(struct run_writer *writer, uint64_t tail, struct failure *failure) {
    struct run *run = writer->run;
    struct run_file *file = &run->file;
    uint64_t index_blocks = run_file_index_blocks(file), first = file->tail_blocks;
    uint32_t count = 0;
    for (; count < writer->capacity && first + count < tail; count++) {
        bool of_index = first + count < index_blocks;
        uint64_t at = of_index ? first + count : first + count - index_blocks;
        uint64_t things = of_index ? file->block_count - at * RUN_BLOCK_KEYS : file->filter_lines - at * RUN_BLOCK_LINES;
        uint32_t most = of_index ? RUN_BLOCK_KEYS : RUN_BLOCK_LINES, in_block = things < most ? (uint32_t)things : most;
        uint8_t *block = writer->blocks + (size_t)count * RUN_BLOCK_BYTES;
        chunks_read(of_index ? &run->index : &run->filter, run->chunk_bits, at * RUN_BLOCK_TAIL_BYTES, block,
                    (size_t)in_block * (of_index ? RUN_KEY_BYTES : RUN_LINE_BYTES));
        run_file_seal(file, block, of_index ? RUN_BLOCK_OF_INDEX : RUN_BLOCK_OF_FILTER, file->block_count + first + count,
                      in_block);
    }
    enum status status = file->files->write(file->file, (file->block_count + first + 1) * RUN_BLOCK_BYTES,
                                            (struct bytes){writer->blocks, (size_t)count * RUN_BLOCK_BYTES}, failure);
    if (status == STATUS_OK) file->tail_blocks += count;
    CHECK(count >= 1 && file->tail_blocks <= tail);
    return status;
}

static enum status write_footer(struct run_writer *writer, struct failure *failure) {
    struct run *run = writer->run;
    const struct run_file written = run->file;
    enum status status =
        write_end(writer, (written.block_count + written.tail_blocks + 1) * RUN_BLOCK_BYTES, RUN_FOOTER_MAGIC, failure);
    if (status == STATUS_OK) status = run_file_check(&run->file, &run->footer_crc, failure);
    if (status != STATUS_OK) return status;
    if (run->file.count != written.count || run->file.offset_max != written.offset_max ||
        run->file.bound_max.ms != written.bound_max.ms || run->file.tail_blocks != written.tail_blocks)
        return run_file_damaged(&run->file, 0, "not what was written", failure);
    return STATUS_OK;
}

enum status run_writer_finish(struct run_writer *writer, struct run **out, struct failure *failure) {
    struct run *run = writer->run;
    *out = NULL;
    if (!writer->entries_done) return end_entries(writer, failure);
    uint64_t tail = run_file_index_blocks(&run->file) + run_file_filter_blocks(&run->file);
    if (run->file.tail_blocks < tail) return write_tail(writer, tail, failure);
    enum status status = write_footer(writer, failure);
    if (status != STATUS_OK) return status;
    CHECK(run->from == 0 && run->last == UINT64_MAX); /* whole: it answers for all */
    *out = run;
    writer->run = NULL;
    return STATUS_OK;
}

void run_writer_destroy(struct run_writer *writer) {
    if (writer->run != NULL) run_destroy(writer->run, writer->pool);
    writer->run = NULL;
}
