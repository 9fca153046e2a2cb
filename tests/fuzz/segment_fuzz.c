/* segment_fuzz.c: a journal segment made of anything. Twice: as it comes, and with its checksums and digests put right, so
 * that what stands behind them is reached. Whatever is accepted must be walkable to its last click. */
#include <stdlib.h>

#include "base/check.h"
#include "journal/journal.h"
#include "put_right.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_filters(const struct sub_block *block) {
    struct buffer words = {0};
    for (uint32_t i = 0; i < block->count; i++) {
        const struct filter_record *record = &block->filter_records[i];
        CHECK((record->filter != NULL) == (record->action == FILTER_CREATE));
        if (record->filter != NULL) filter_describe(record->filter, &words);
    }
    buffer_fini(&words);
}

static void visit(void *context, struct journal_record *record) {
    uint64_t *clicks = context;
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        if (record->sub_blocks[i].kind == SUB_BLOCK_FILTERS) walk_filters(&record->sub_blocks[i]);
        if (record->sub_blocks[i].kind != SUB_BLOCK_CLICKS) continue;
        struct click_cursor cursor = click_cursor_of(&record->sub_blocks[i].clicks);
        struct click click;
        uint32_t count = 0;
        while (click_cursor_next(&cursor, &click)) count++;
        CHECK(count == record->sub_blocks[i].count);
        *clicks += count;
    }
}

static void read_all(const uint8_t *data, size_t size) {
    struct failure failure = {0};
    uint64_t clicks = 0;
    enum status status = segment_read((struct bytes){data, size}, visit, &clicks, &failure);
    CHECK((status == STATUS_OK) == (failure.status == STATUS_OK));
    CHECK(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_all(data, size);
    uint8_t *copy = malloc(size + 1);
    CHECK(copy != NULL);
    if (size > 0) memcpy(copy, data, size);
    segment_put_right(copy, size);
    read_all(copy, size);
    free(copy);
    return 0;
}
