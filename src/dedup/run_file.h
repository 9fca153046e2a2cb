/* run_file.h: a run on disk: an immutable file of entries in the order of their identities. Internal to dedup/.
 *
 * Damage is STATUS_CORRUPT and names the file and the place in it. Nothing is lost by it: the journal has everything. */
#pragma once

#include "base/status.h"
#include "dedup/run_format.h"
#include "seam/files.h"

enum { RUN_PATH_BYTES = 96, RUN_LOG_BYTES = 16 };

/* Which run it is; written into it, so that a file in another's place is seen. */
struct run_name {
    char path[RUN_PATH_BYTES];
    uint8_t log[RUN_LOG_BYTES]; /* the journal's own number */
    uint32_t partition;
    uint64_t number; /* grows with each run of the partition */
};

struct run_file {
    const struct files *files; /* outlives it */
    struct file *file;
    bool writable; /* made by this process */
    struct run_name name;
    uint64_t count, block_count; /* entries; blocks of entries */
    uint64_t filter_lines;
    uint64_t tail_blocks;            /* of index and filter that are in the file: all, once it is whole */
    uint64_t offset_min, offset_max; /* of its entries */
    struct event_time bound_max;
};

/* Of an open file: checks size, header and footer, and that it is the run that its name says. Fills in what the footer
 * tells; `*footer_crc` (may be NULL) tells two runs of one name apart. */
enum status run_file_check(struct run_file *run, uint32_t *footer_crc, struct failure *failure) MUST_USE;
void run_file_close(struct run_file *run);
/* Makes the header or footer. */
void run_file_end(const struct run_file *run, uint64_t magic, uint8_t *block);
/* Reads and checks `count` blocks of entries from block `first` on. */
enum status run_file_read(const struct run_file *run, uint64_t first, uint32_t count, uint8_t *blocks,
                          struct failure *failure) MUST_USE;
/* The same of index and filter, block 0 being the index's first. */
enum status run_file_read_tail(const struct run_file *run, uint64_t first, uint32_t count, uint8_t *blocks,
                               struct failure *failure) MUST_USE;
/* Of a whole run. */
uint64_t run_file_index_blocks(const struct run_file *run);
uint64_t run_file_filter_blocks(const struct run_file *run);
/* Reads all of a checked run and compares: each block, the order, the index, and what the footer tells. `blocks`: the
 * caller's, for `capacity` blocks. */
enum status run_file_verify(const struct run_file *run, uint8_t *blocks, uint32_t capacity,
                            struct failure *failure) MUST_USE;
/* What stands behind a block's content; clears what the content leaves free. `index`: from the first block of entries on. */
void run_file_seal(const struct run_file *run, uint8_t *block, enum run_block_kind kind, uint64_t index, uint32_t count);
static inline uint32_t run_block_count(const uint8_t *block) {
    return get_u32(block + RUN_BLOCK_COUNT_AT);
}
enum status run_file_damaged(const struct run_file *run, uint64_t at, const char *what, struct failure *failure);
/* 0 while nothing was written. */
uint64_t run_file_bytes(const struct run_file *run);

/* Reads a run from its beginning to its end. */
struct run_cursor {
    const struct run_file *run;
    uint8_t *blocks;          /* the caller's, for `capacity` blocks */
    uint32_t capacity, held;  /* blocks */
    uint64_t next_block;      /* to be read */
    uint32_t block, index;    /* of the next entry, in `blocks` */
    struct dedup_entry entry; /* while not at_end */
    bool at_end;
};

/* Stands at the first entry. */
enum status run_cursor_begin(struct run_cursor *cursor, const struct run_file *run, uint8_t *blocks, uint32_t capacity,
                             struct failure *failure) MUST_USE;
enum status run_cursor_next(struct run_cursor *cursor, struct failure *failure) MUST_USE;
