/* The two frames of a click sub-block: billing (what is counted and billed) and personal (what may be erased). */
#include <sodium.h>

#include "base/check.h"
#include "journal/record_format.h"

/* Stands in the salt's place in an erased frame. A zeroed or lost sector does not look like it. */
static const uint8_t erased_mark[PERSONAL_SALT_BYTES] = {'P', 'E', 'R', 'S', 'O', 'N', 'A', 'L',
                                                         ' ', 'E', 'R', 'A', 'S', 'E', 'D', '.'};

size_t click_block_place(struct click_block *block, uint32_t count, struct bytes billing, size_t ad_bytes_len) {
    CHECK(count >= 1 && billing.len >= (size_t)count * CLICK_FIXED_BYTES + ad_bytes_len);
    const uint8_t *at = billing.at;
    block->count = count;
    block->billing = billing;
    block->identities = at;
    at += (size_t)count * 16;
    block->content_tags = at;
    at += (size_t)count * 4;
    block->times = at;
    at += (size_t)count * 8;
    block->countries = at;
    at += (size_t)count * 2;
    block->ad_lengths = at;
    at += count;
    block->event_id_lengths = at;
    at += (size_t)count * 2; /* the source lengths stand behind; only the cursor reads them */
    block->ad_bytes = (struct bytes){at, ad_bytes_len};
    return (size_t)(at - billing.at) + ad_bytes_len;
}

/* Sums lengths that must be in [shortest, ID_BYTES_MAX]. */
static bool lengths_sum(const uint8_t *lengths, uint32_t count, uint8_t shortest, size_t *sum) {
    uint64_t total = 0;
    unsigned bad = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += lengths[i];
        bad |= (unsigned)(lengths[i] > ID_BYTES_MAX) | (unsigned)(lengths[i] < shortest);
    }
    *sum = total;
    return bad == 0;
}

bool click_block_parse(struct click_block *block, uint32_t count, struct bytes billing) {
    if (count == 0 || billing.len / CLICK_FIXED_BYTES < count) return false;
    click_block_place(block, count, billing, 0);
    size_t ads, event_ids, sources;
    bool lengths_good = lengths_sum(block->ad_lengths, count, 1, &ads);
    lengths_good &= lengths_sum(block->event_id_lengths, count, 0, &event_ids);
    lengths_good &= lengths_sum(block->event_id_lengths + count, count, 1, &sources);
    if (!lengths_good || (size_t)count * CLICK_FIXED_BYTES + ads + event_ids + sources != billing.len) return false;
    block->ad_bytes.len = ads;
    unsigned bad = 0;
    for (uint32_t i = 0; i < count; i++) {
        bad |= (unsigned)(get_u64(block->times + 8 * (size_t)i) > (uint64_t)RECORD_TIME_MS_MAX);
        bad |= (unsigned)(get_u16(block->countries + 2 * (size_t)i) >= COUNTRY_CODES);
    }
    return bad == 0;
}

static bool form_valid(uint8_t form) {
    return (form & 7) <= TIME_RFC3339_MS_Z && form >> 6 == 0;
}

static bool ip_column_skip(struct reader *ips) {
    uint8_t kind = reader_u8(ips);
    uint8_t mask = reader_u8(ips);
    (void)reader_bytes(ips, kind == IP_V6 ? 16 : 4);
    if (kind == IP_V4_MASKED) return mask >= 1 && mask <= 15;
    return (kind == IP_V4 || kind == IP_V6) && mask == 0;
}

static bool text_column_skip(struct reader *texts, bool present) {
    if (!present) return true;
    uint64_t len = reader_varint(texts);
    if (len > LINE_BYTES_MAX) return false;
    (void)reader_bytes(texts, len);
    return !texts->bad;
}

bool personal_frame_valid(uint32_t count, struct bytes frame) {
    size_t users;
    if (frame.len < PERSONAL_SALT_BYTES + 2 * (size_t)count) return false;
    const uint8_t *user_lengths = frame.at + PERSONAL_SALT_BYTES;
    const uint8_t *forms = user_lengths + count;
    if (!lengths_sum(user_lengths, count, 1, &users)) return false;
    struct reader rest = {forms + count, frame.at + frame.len, false};
    (void)reader_bytes(&rest, users);
    for (uint32_t i = 0; i < count; i++)
        if (!form_valid(forms[i]) || !ip_column_skip(&rest) || rest.bad) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!text_column_skip(&rest, (forms[i] & 7) == TIME_VERBATIM)) return false;
        if (!text_column_skip(&rest, (forms[i] >> 3 & 3) == COUNTRY_VERBATIM)) return false;
        if (!text_column_skip(&rest, forms[i] >> 5 == IP_VERBATIM)) return false;
    }
    return !rest.bad && reader_left(&rest) == 0;
}

/* SipHash-2-4-128 of the frame behind its salt, keyed by the salt. */
void personal_frame_digest(struct bytes frame, uint8_t digest[PERSONAL_DIGEST_BYTES]) {
    _Static_assert(crypto_shorthash_siphashx24_KEYBYTES == PERSONAL_SALT_BYTES, "the salt is the key");
    _Static_assert(crypto_shorthash_siphashx24_BYTES == PERSONAL_DIGEST_BYTES, "128 bits");
    CHECK(frame.len > PERSONAL_SALT_BYTES);
    int result =
        crypto_shorthash_siphashx24(digest, frame.at + PERSONAL_SALT_BYTES, frame.len - PERSONAL_SALT_BYTES, frame.at);
    CHECK(result == 0);
}

bool personal_frame_erased(struct bytes frame) {
    if (frame.len < PERSONAL_SALT_BYTES || memcmp(frame.at, erased_mark, PERSONAL_SALT_BYTES) != 0) return false;
    for (size_t i = PERSONAL_SALT_BYTES; i < frame.len; i++)
        if (frame.at[i] != 0) return false;
    return true;
}

void personal_frame_erase(uint8_t *frame, size_t len) {
    CHECK(len > PERSONAL_SALT_BYTES);
    memcpy(frame, erased_mark, PERSONAL_SALT_BYTES);
    memset(frame + PERSONAL_SALT_BYTES, 0, len - PERSONAL_SALT_BYTES);
}

void personal_frame_salt(uint8_t salt[PERSONAL_SALT_BYTES], const struct random *random) {
    /* A salt that reads as the erased mark has a chance of 2^-128: the loop is there to be exact, not to run. */
    do random_fill(random, salt, PERSONAL_SALT_BYTES);
    while (memcmp(salt, erased_mark, PERSONAL_SALT_BYTES) == 0);
}
