#include "base/check.h"
#include "journal/record_format.h"

static size_t sum_of(const uint8_t *lengths, uint32_t count) {
    size_t sum = 0;
    for (uint32_t i = 0; i < count; i++) sum += lengths[i];
    return sum;
}

/* The lengths were validated when the record was parsed, so nothing below can run out of bytes. */
struct click_cursor click_cursor_of(const struct click_block *block) {
    struct click_cursor cursor = {.block = block, .source_lengths = block->event_id_lengths + block->count};
    struct reader billing = {block->ad_bytes.at, block->billing.at + block->billing.len, false};
    cursor.ads = reader_of(reader_bytes(&billing, block->ad_bytes.len));
    cursor.event_ids = reader_of(reader_bytes(&billing, sum_of(block->event_id_lengths, block->count)));
    cursor.sources = billing;
    CHECK(!billing.bad);
    if (block->personal.len == 0) return cursor;
    struct reader personal = reader_of(block->personal);
    (void)reader_bytes(&personal, PERSONAL_SALT_BYTES);
    cursor.user_lengths = reader_bytes(&personal, block->count).at;
    cursor.forms = reader_bytes(&personal, block->count).at;
    CHECK(!personal.bad);
    cursor.users = reader_of(reader_bytes(&personal, sum_of(cursor.user_lengths, block->count)));
    cursor.ips = personal;
    struct reader texts = personal;
    for (uint32_t i = 0; i < block->count; i++) {
        uint8_t kind = reader_u8(&texts);
        (void)reader_bytes(&texts, kind == IP_V6 ? 17 : 5);
    }
    cursor.texts = texts;
    CHECK(!texts.bad);
    return cursor;
}

static void cursor_personal(struct click_cursor *cursor, struct click *click) {
    if (cursor->forms == NULL) {
        /* Erased: forms that need no text. */
        click->time_form = TIME_MS_NUMBER;
        click->country_form = COUNTRY_ALPHA3;
        click->ip_form = IP_CANONICAL;
        return;
    }
    uint32_t index = cursor->index;
    click->user_id = reader_bytes(&cursor->users, cursor->user_lengths[index]);
    click->ip.kind = reader_u8(&cursor->ips);
    click->ip.mask = reader_u8(&cursor->ips);
    struct bytes address = reader_bytes(&cursor->ips, click->ip.kind == IP_V6 ? 16 : 4);
    CHECK(!cursor->users.bad && !cursor->ips.bad);
    memcpy(click->ip.bytes, address.at, address.len);
    uint8_t form = cursor->forms[index];
    click->time_form = form & 7;
    click->country_form = form >> 3 & 3;
    click->ip_form = form >> 5;
    struct reader *texts = &cursor->texts;
    if (click->time_form == TIME_VERBATIM) click->time_text = reader_bytes(texts, reader_varint(texts));
    if (click->country_form == COUNTRY_VERBATIM) click->country_text = reader_bytes(texts, reader_varint(texts));
    if (click->ip_form == IP_VERBATIM) click->ip_text = reader_bytes(texts, reader_varint(texts));
    CHECK(!texts->bad);
}

bool click_cursor_next(struct click_cursor *cursor, struct click *click) {
    const struct click_block *block = cursor->block;
    CHECK(cursor->index <= block->count);
    if (cursor->index == block->count) return false;
    size_t index = cursor->index;
    *click = (struct click){0};
    click->identity.low = get_u64(block->identities + 16 * index);
    click->identity.high = get_u64(block->identities + 16 * index + 8);
    click->content_tag = get_u32(block->content_tags + 4 * index);
    click->time.ms = (int64_t)get_u64(block->times + 8 * index);
    click->country.code = get_u16(block->countries + 2 * index);
    click->ad_id = reader_bytes(&cursor->ads, block->ad_lengths[index]);
    click->event_id = reader_bytes(&cursor->event_ids, block->event_id_lengths[index]);
    click->source = reader_bytes(&cursor->sources, cursor->source_lengths[index]);
    CHECK(!cursor->ads.bad && !cursor->event_ids.bad && !cursor->sources.bad);
    cursor_personal(cursor, click);
    cursor->index++;
    return true;
}
