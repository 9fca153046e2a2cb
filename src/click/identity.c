/* identity.c: the bytes that say which click this is, and their SipHash. docs/format/identity.md has the layout, the reasons
 * and a worked example. It is canonical form version 1: changing a byte here counts old clicks again. */
#include <sodium/crypto_shorthash_siphash24.h>

#include "base/check.h"
#include "base/codec.h"
#include "click/click.h"

enum {
    CANONICAL_FORM_VERSION = 1,
    TEXT_BYTES_MAX = 1 + ID_BYTES_MAX,
    FIELDS_BYTES_MAX = TEXT_BYTES_MAX + 8 + TEXT_BYTES_MAX + 2 + 16 + 2,
    CANONICAL_BYTES_MAX = 2 + TEXT_BYTES_MAX + TEXT_BYTES_MAX + FIELDS_BYTES_MAX,
};
_Static_assert(crypto_shorthash_siphash24_KEYBYTES == IDENTITY_KEY_BYTES, "one key for both");
_Static_assert(crypto_shorthash_siphashx24_KEYBYTES == IDENTITY_KEY_BYTES, "one key for both");
_Static_assert(crypto_shorthash_siphashx24_BYTES == sizeof(struct identity), "128 bits");
_Static_assert(ID_BYTES_MAX <= UINT8_MAX, "a length is one byte");

static uint8_t *put_text(uint8_t *to, struct bytes text) {
    CHECKF(text.len >= 1 && text.len <= ID_BYTES_MAX, "an id of %zu bytes", text.len);
    *to = (uint8_t)text.len;
    memcpy(to + 1, text.at, text.len);
    return to + 1 + text.len;
}

/* The five fields, canonical. At most FIELDS_BYTES_MAX bytes. */
static uint8_t *put_fields(uint8_t *to, const struct click *click) {
    CHECK(click->ip.kind == IP_V4 || click->ip.kind == IP_V6 || click->ip.kind == IP_V4_MASKED);
    CHECK(click->country.code < COUNTRY_CODES && click->time.ms >= 0);
    to = put_text(to, click->ad_id);
    put_u64(to, (uint64_t)click->time.ms);
    to = put_text(to + 8, click->user_id);
    const size_t ip_bytes = click->ip.kind == IP_V6 ? 16 : 4;
    to[0] = click->ip.kind;
    to[1] = click->ip.mask;
    memcpy(to + 2, click->ip.bytes, ip_bytes);
    to += 2 + ip_bytes;
    put_u16(to, click->country.code);
    return to + 2;
}

void click_identify(struct click *click, const struct identity_key *key) {
    uint8_t canonical[CANONICAL_BYTES_MAX];
    const enum identity_kind kind = click_identity_kind(click);
    canonical[0] = CANONICAL_FORM_VERSION;
    canonical[1] = (uint8_t)kind;
    uint8_t *to = put_text(canonical + 2, click->source);
    if (kind == IDENTITY_BY_EVENT_ID) to = put_text(to, click->event_id);
    /* The fields stand behind the rest in both kinds, so that the tag is taken over a suffix and they are written once. */
    const uint8_t *const fields = to;
    const uint8_t *const end = put_fields(to, click);
    CHECK(end <= canonical + sizeof canonical);

    uint8_t hash[crypto_shorthash_siphashx24_BYTES];
    const uint8_t *const identity_end = kind == IDENTITY_BY_EVENT_ID ? fields : end;
    crypto_shorthash_siphashx24(hash, canonical, (size_t)(identity_end - canonical), key->at);
    click->identity = (struct identity){.low = get_u64(hash), .high = get_u64(hash + 8)};
    crypto_shorthash_siphash24(hash, fields, (size_t)(end - fields), key->at);
    click->content_tag = get_u32(hash);
}
