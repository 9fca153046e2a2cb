#include "sweep/small.h"

#include <stdio.h>

#include "base/check.h"
#include "base/codec.h"
#include "journal/segment.h"
#include "store/store.h"

static void add_segment(void *context, const char *path) {
    struct small *small = context;
    size_t len = strlen(path);
    if (len < 4 || strcmp(path + len - 4, ".seg") != 0) return;
    CHECK(small->segment_count < SMALL_SEGMENTS_MAX);
    (void)snprintf(small->segments[small->segment_count++].path, sizeof small->segments[0].path, "%s", path);
}

struct walk {
    struct small_segment *segment;
    uint64_t offsets[2], clicks;
};

static void add_record(void *context, struct journal_record *record) {
    struct walk *walk = context;
    struct small_segment *segment = walk->segment;
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        const struct sub_block *block = &record->sub_blocks[i];
        walk->offsets[block->partition] = block->first_offset.at + block->count;
        if (block->kind == SUB_BLOCK_CLICKS) walk->clicks += block->count;
    }
    segment->end += record->bytes.len;
    CHECK(segment->record_count < SMALL_RECORDS_MAX);
    segment->records[segment->record_count++] =
        (struct small_record){segment->end, {walk->offsets[0], walk->offsets[1]}, walk->clicks};
}

void small_init(struct small *small) {
    *small = (struct small){0};
    struct rig *rig = &small->rig;
    struct walk walk = {0};
    rig_init(rig, 1);
    CHECK(script_run(script_small, rig, 0) == script_actions(script_small) && rig_fine(rig));
    fake_files_each(rig->files, add_segment, small);
    for (size_t i = 0; i < small->segment_count; i++) {
        struct small_segment *segment = walk.segment = &small->segments[i];
        struct bytes content = fake_files_content(rig->files, segment->path);
        segment->size = content.len;
        segment->header = segment->end = get_u32(content.at + 12);
        segment->sealed = content.at[SEGMENT_MARK_AT] == SEGMENT_MARK_SEALED;
        CHECK(segment_read(content, add_record, &walk, NULL) == STATUS_OK && segment->record_count > 0);
        CHECK(segment->sealed == (i + 1 < small->segment_count));
    }
    small->clicks = walk.clicks;
    struct store_identity identity;
    struct kv kv = fake_kv_table(rig->kv);
    CHECK(store_peek(&kv, &identity, NULL) == STATUS_OK && identity.partition_count == 2);
    for (int p = 0; p < 2; p++) small->counted[p] = identity.offsets[p].at;
    /* What the sweeps are about is there: the store has counted a part of the last segment, and not all of it. */
    const struct small_segment *last = &small->segments[small->segment_count - 1];
    CHECK(small->segment_count == 3 && last->record_count > 4);
    CHECK(small->counted[0] > small->segments[1].records[small->segments[1].record_count - 1].offsets[0]);
    CHECK(small->counted[0] < last->records[last->record_count - 1].offsets[0]);
}

void small_fini(struct small *small) {
    rig_fini(&small->rig);
}
