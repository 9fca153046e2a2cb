/* Writes a record's bytes, once, into the memory that its readers will share: no copy of the columns but this one. */
#include "base/check.h"
#include "checksum/crc32c.h"
#include "journal/columns_layout.h"
#include "journal/record_format.h"

struct sizes {
    uint32_t billing[RECORD_SUB_BLOCKS_MAX], personal[RECORD_SUB_BLOCKS_MAX];
    uint32_t ad_bytes[RECORD_SUB_BLOCKS_MAX];
    uint32_t reject_count;
    size_t before_padding, covered, length;
};

static void measure_clicks(const struct record_draft *draft, uint32_t index, struct sizes *sizes) {
    uint32_t partition = draft->sub_blocks[index].partition;
    size_t count = 0, billing = 0, personal = PERSONAL_SALT_BYTES, ads = 0;
    for (size_t i = 0; i < draft->columns[partition].count; i++) {
        const struct columns *columns = draft->columns[partition].at[i];
        count += columns->count;
        billing += columns_billing_bytes(columns);
        personal += columns_personal_bytes(columns);
        ads += columns->ad_bytes.len;
    }
    CHECK(count == draft->sub_blocks[index].count);
    CHECK(billing <= RECORD_BYTES_MAX && personal <= RECORD_BYTES_MAX);
    sizes->billing[index] = (uint32_t)billing;
    sizes->personal[index] = (uint32_t)personal;
    sizes->ad_bytes[index] = (uint32_t)ads;
}

static void measure(const struct record_draft *draft, struct sizes *sizes) {
    sizes->reject_count = 0;
    for (int code = 0; code < REJECT_CODES; code++) sizes->reject_count += draft->counts.rejected_by[code] > 0;
    size_t at = RECORD_HEADER_BYTES + (size_t)sizes->reject_count * RECORD_REJECT_BYTES +
                (size_t)draft->sub_block_count * RECORD_SUB_BLOCK_BYTES;
    size_t personal = 0;
    for (uint32_t i = 0; i < draft->sub_block_count; i++) {
        sizes->personal[i] = 0;
        switch (draft->sub_blocks[i].kind) {
        case SUB_BLOCK_CLICKS:
            measure_clicks(draft, i, sizes);
            break;
        case SUB_BLOCK_RULES:
            sizes->billing[i] = RULES_BYTES;
            break;
        case SUB_BLOCK_TICK:
            sizes->billing[i] = TICK_FRAME_BYTES;
            break;
        case SUB_BLOCK_FILTERS:
            CHECK(draft->filter_frame.len <= RECORD_BYTES_MAX);
            sizes->billing[i] = (uint32_t)draft->filter_frame.len;
            break;
        }
        at += sizes->billing[i];
        personal += sizes->personal[i];
    }
    /* The padding stands before the personal frames, so that what the CRC covers is one piece. */
    sizes->before_padding = at;
    sizes->length = (at + personal + RECORD_ALIGNMENT - 1) / RECORD_ALIGNMENT * RECORD_ALIGNMENT;
    sizes->covered = sizes->length - personal;
    CHECKF(sizes->length <= RECORD_BYTES_MAX, "a record of %zu bytes", sizes->length);
}

static uint8_t *copy_columns(const struct record_draft *draft, uint32_t partition, const size_t *offsets, size_t count,
                             uint8_t *at) {
    for (size_t column = 0; column < count; column++) {
        for (size_t i = 0; i < draft->columns[partition].count; i++) {
            const struct buffer *buffer = columns_buffer_view(draft->columns[partition].at[i], offsets[column]);
            if (buffer->len == 0) continue;
            memcpy(at, buffer->at, buffer->len);
            at += buffer->len;
        }
    }
    return at;
}

static uint8_t *write_rejects(const struct record_draft *draft, uint8_t *at) {
    for (uint32_t code = 0; code < REJECT_CODES; code++) {
        if (draft->counts.rejected_by[code] == 0) continue;
        put_u32(at, code);
        put_u32(at + 4, 0);
        put_u64(at + 8, draft->counts.rejected_by[code]);
        at += RECORD_REJECT_BYTES;
    }
    return at;
}

static void write_header(const struct record_draft *draft, const struct sizes *sizes, uint8_t *at) {
    put_u32(at, RECORD_MAGIC);
    put_u32(at + RECORD_AT_LENGTH, (uint32_t)sizes->length);
    put_u16(at + RECORD_AT_VERSION, RECORD_VERSION);
    put_u16(at + RECORD_AT_REJECTS, (uint16_t)sizes->reject_count);
    put_u64(at + RECORD_AT_NUMBER, draft->number);
    put_u64(at + RECORD_AT_ARRIVAL, (uint64_t)draft->arrival.ms);
    put_u64(at + RECORD_AT_RECEIVED, draft->counts.received);
    put_u32(at + RECORD_AT_SUB_BLOCKS, draft->sub_block_count);
    put_u32(at + RECORD_AT_COVERED, (uint32_t)sizes->covered);
}

static uint8_t *write_billing(const struct record_draft *draft, const struct sizes *sizes, uint32_t index, uint8_t *at,
                              struct journal_record *record, struct sub_block *block) {
    struct bytes frame = {at, sizes->billing[index]};
    struct buffer encoded = {0};
    switch ((enum sub_block_kind)block->kind) {
    case SUB_BLOCK_CLICKS:
        at = copy_columns(draft, block->partition, columns_billing, COLUMNS_BILLING, at);
        click_block_place(&block->clicks, block->count, frame, sizes->ad_bytes[index]);
        break;
    case SUB_BLOCK_RULES:
        rules_encode(draft->rules, &encoded);
        CHECK(encoded.len == RULES_BYTES);
        memcpy(at, encoded.at, encoded.len);
        at += encoded.len;
        buffer_fini(&encoded);
        block->rules = *draft->rules;
        break;
    case SUB_BLOCK_TICK:
        block->floor = draft->sub_blocks[index].floor;
        put_u64(at, (uint64_t)block->floor.ms);
        at += TICK_FRAME_BYTES;
        break;
    case SUB_BLOCK_FILTERS:
        memcpy(at, draft->filter_frame.at, draft->filter_frame.len);
        at += draft->filter_frame.len;
        bool good = record_place_filters(record, block, frame);
        CHECK(good && block->filter_records != NULL);
        break;
    }
    CHECK(at == frame.at + frame.len);
    return at;
}

static void write_entry(const struct sub_block *block, const struct sizes *sizes, uint32_t index, uint8_t *entry) {
    put_u16(entry, block->partition);
    entry[2] = block->kind;
    entry[3] = FRAME_VERSION;
    put_u32(entry + 4, block->count);
    put_u64(entry + 8, block->first_offset.at);
    put_u32(entry + 16, sizes->billing[index]);
    put_u32(entry + 20, sizes->personal[index]);
    memset(entry + 24, 0, PERSONAL_DIGEST_BYTES);
}

static uint8_t *write_personal(const struct record_draft *draft, const struct sizes *sizes, uint32_t index, uint8_t *at,
                               const struct random *random, struct sub_block *block, uint8_t *entry) {
    struct bytes frame = {at, sizes->personal[index]};
    personal_frame_salt(at, random);
    at = copy_columns(draft, block->partition, columns_personal, COLUMNS_PERSONAL, at + PERSONAL_SALT_BYTES);
    CHECK(at == frame.at + frame.len);
    personal_frame_digest(frame, entry + 24);
    block->clicks.personal = frame;
    return at;
}

struct journal_record *record_build(const struct record_draft *draft, uint32_t seed, const struct random *random) {
    CHECK(draft->number >= 1 && draft->arrival.ms >= 0 && draft->arrival.ms <= RECORD_TIME_MS_MAX);
    CHECK(draft->sub_block_count <= RECORD_SUB_BLOCKS_MAX);
    struct sizes sizes;
    measure(draft, &sizes);
    struct journal_record *record = record_allocate(sizes.length);
    record->number = draft->number;
    record->arrival = draft->arrival;
    record->counts = draft->counts;
    struct sub_block *blocks = record_allocate_sub_blocks(record, draft->sub_block_count);
    uint8_t *bytes = record_writable(record);

    write_header(draft, &sizes, bytes);
    uint8_t *table = write_rejects(draft, bytes + RECORD_HEADER_BYTES);
    uint8_t *at = table + (size_t)draft->sub_block_count * RECORD_SUB_BLOCK_BYTES;
    for (uint32_t i = 0; i < draft->sub_block_count; i++) {
        blocks[i].partition = draft->sub_blocks[i].partition;
        blocks[i].kind = (uint8_t)draft->sub_blocks[i].kind;
        blocks[i].count = draft->sub_blocks[i].count;
        blocks[i].first_offset = draft->sub_blocks[i].first_offset;
        write_entry(&blocks[i], &sizes, i, table + (size_t)i * RECORD_SUB_BLOCK_BYTES);
        at = write_billing(draft, &sizes, i, at, record, &blocks[i]);
    }
    CHECK(at == bytes + sizes.before_padding);
    memset(at, 0, sizes.covered - sizes.before_padding);
    at = bytes + sizes.covered;
    for (uint32_t i = 0; i < draft->sub_block_count; i++)
        if (blocks[i].kind == SUB_BLOCK_CLICKS)
            at = write_personal(draft, &sizes, i, at, random, &blocks[i], table + (size_t)i * RECORD_SUB_BLOCK_BYTES);
    CHECK(at == bytes + sizes.length);
    struct bytes covered = {bytes + RECORD_AT_LENGTH, sizes.covered - RECORD_AT_LENGTH};
    put_u32(bytes + RECORD_AT_CRC, crc32c(seed, covered));
    return record;
}
