/* dedup_run_fuzz.c: a run of identities made of anything. Twice: as it comes, and with its checksums put right, so that what
 * stands behind them is reached. A run that is accepted can be read to its end, and each of its entries is found or the run
 * is told to be damaged. */
#include <stdlib.h>

#include "base/check.h"
#include "dedup/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHUNK_BITS = 9, CHUNKS = 256, CAPACITY = 2 };
static const struct run_name a_name = {.path = "dedup/p0-1.run", .log = {1, 2, 3}, .partition = 7, .number = 1};

/* --- one file in memory --- */

static enum status call_open(void *self, const char *path, enum file_mode mode, struct file **out, struct failure *failure) {
    (void)failure;
    CHECK(mode == FILE_READ && path != NULL);
    *out = self;
    return STATUS_OK;
}

static void call_close(struct file *file) {
    (void)file;
}

static const struct bytes *content_of(struct file *file) {
    return (const struct bytes *)(void *)file;
}

static enum status call_size(struct file *file, uint64_t *out, struct failure *failure) {
    (void)failure;
    *out = content_of(file)->len;
    return STATUS_OK;
}

static enum status call_read(struct file *file, uint64_t offset, void *at, size_t len, size_t *got,
                             struct failure *failure) {
    const struct bytes *content = content_of(file);
    (void)failure;
    *got = offset >= content->len ? 0 : len < content->len - offset ? len : content->len - offset;
    if (*got > 0) memcpy(at, content->at + offset, *got);
    return STATUS_OK;
}

/* --- what must hold --- */

static bool is_told(enum status status, const struct failure *failure) {
    CHECK(status == STATUS_OK || failure->text[0] != '\0');
    return status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED || status == STATUS_FULL;
}

static void walk(const struct run *run, uint8_t *blocks, uint8_t *block) {
    struct failure failure = {0};
    struct run_cursor cursor;
    uint64_t count = 0;
    enum status status = run_cursor_begin(&cursor, &run->file, blocks, CAPACITY, &failure);
    while (status == STATUS_OK && !cursor.at_end) {
        struct dedup_entry found;
        struct failure own = {0};
        struct run_key key = run_key_of(cursor.entry.identity);
        (void)run_may_hold(run, &key);
        enum status look = run_find(run, cursor.entry.identity, EVENT_TIME_NONE, block, &found, &own);
        CHECK(look == STATUS_OK || look == STATUS_NOT_FOUND || is_told(look, &own));
        CHECK(look != STATUS_OK || identity_equal(found.identity, cursor.entry.identity));
        status = run_cursor_next(&cursor, &failure);
        count++;
    }
    CHECK(is_told(status, &failure) && (status != STATUS_OK || count == run->file.count));
}

static void read_run(const uint8_t *data, size_t size) {
    struct bytes content = {data, size};
    struct files files = {.self = &content, .open = call_open, .close = call_close, .size = call_size, .read = call_read};
    uint8_t *blocks = malloc((CAPACITY + 1) * RUN_BLOCK_BYTES);
    CHECK(blocks != NULL);
    struct pool pool;
    struct run *run;
    struct failure failure = {0};
    pool_init(&pool, CHUNK_BITS, CHUNKS);
    enum status status = run_load(&files, &a_name, &pool, blocks, CAPACITY, &run, &failure);
    CHECK(is_told(status, &failure));
    if (status == STATUS_OK) {
        if (run->file.count > 0) walk(run, blocks, blocks + CAPACITY * RUN_BLOCK_BYTES);
        run_destroy(run, &pool);
    }
    pool_fini(&pool); /* checks that all memory came back */
    free(blocks);
}

/* --- checksums put right --- */

static void run_put_right(uint8_t *data, size_t size) {
    for (size_t at = 0; size - at >= RUN_BLOCK_BYTES; at += RUN_BLOCK_BYTES) run_seal_block(data + at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size + 1);
    CHECK(copy != NULL);
    if (size > 0) memcpy(copy, data, size);
    read_run(copy, size);
    run_put_right(copy, size);
    read_run(copy, size);
    free(copy);
    return 0;
}
