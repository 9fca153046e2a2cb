#include "store/key.h"

#include <stdio.h>
#include <time.h>

#include "base/check.h"
#include "base/codec.h"

static void append_u16(struct store_key_bytes *bytes, uint16_t value) {
    CHECK(bytes->len + sizeof value <= sizeof bytes->at);
    put_u16_be(bytes->at + bytes->len, value);
    bytes->len = (uint8_t)(bytes->len + sizeof value);
}

static void append_u32(struct store_key_bytes *bytes, uint32_t value) {
    CHECK(bytes->len + sizeof value <= sizeof bytes->at);
    put_u32_be(bytes->at + bytes->len, value);
    bytes->len = (uint8_t)(bytes->len + sizeof value);
}

struct store_key_bytes store_key_encode(const struct store_key *key) {
    struct store_key_bytes bytes = {.at = {(uint8_t)key->table}, .len = 1};
    if (key->table == STORE_META) return bytes;
    if (key->table == STORE_ADS) {
        append_u32(&bytes, key->ad);
        return bytes;
    }
    append_u32(&bytes, key->generation);
    append_u16(&bytes, key->partition);
    if (key->table == STORE_PARTITION) return bytes;
    if (key->table == STORE_OPEN) {
        append_u32(&bytes, key->part);
        return bytes;
    }
    CHECK(key->table == STORE_BLOCK || key->table == STORE_AMENDMENT);
    append_u32(&bytes, key->minute);
    append_u32(&bytes, key->atom);
    append_u32(&bytes, key->ad);
    if (key->table == STORE_AMENDMENT) append_u16(&bytes, key->country);
    return bytes;
}

static uint16_t take_u16(struct reader *reader) {
    return __builtin_bswap16(reader_u16(reader));
}

static uint32_t take_u32(struct reader *reader) {
    return __builtin_bswap32(reader_u32(reader));
}

bool store_key_decode(struct bytes bytes, struct store_key *key) {
    struct reader reader = reader_of(bytes);
    *key = (struct store_key){.table = (enum store_table)reader_u8(&reader)};
    switch (key->table) {
    case STORE_META:
        break;
    case STORE_ADS:
        key->ad = take_u32(&reader);
        break;
    case STORE_PARTITION:
    case STORE_OPEN:
    case STORE_BLOCK:
    case STORE_AMENDMENT:
        key->generation = take_u32(&reader);
        key->partition = take_u16(&reader);
        if (key->table == STORE_OPEN) key->part = take_u32(&reader);
        if (key->table == STORE_PARTITION || key->table == STORE_OPEN) break;
        key->minute = take_u32(&reader);
        key->atom = take_u32(&reader);
        key->ad = take_u32(&reader);
        if (key->table == STORE_AMENDMENT) key->country = take_u16(&reader);
        break;
    default:
        return false;
    }
    return !reader.bad && reader_left(&reader) == 0;
}

static void minute_text(uint32_t minute, char text[32]) {
    time_t seconds = (time_t)minute * 60;
    struct tm parts;
    /* The 32-bit minute ends in the year 10136; gmtime_r knows years far beyond. */
    CHECK(gmtime_r(&seconds, &parts) != NULL);
    CHECK(strftime(text, 32, "%Y-%m-%dT%H:%MZ", &parts) > 0);
}

void store_key_text(struct bytes bytes, char text[STORE_KEY_TEXT_MAX]) {
    struct store_key key;
    char minute[32];
    if (!store_key_decode(bytes, &key)) {
        char hex[2 * 2 * STORE_KEY_BYTES_MAX + 1] = "";
        for (size_t i = 0; i < bytes.len && 2 * i + 2 < sizeof hex; i++) (void)sprintf(hex + 2 * i, "%02x", bytes.at[i]);
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "an unknown key of %zu bytes (%s)", bytes.len, hex);
        return;
    }
    minute_text(key.minute, minute);
    switch (key.table) {
    case STORE_META:
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "the store's description");
        break;
    case STORE_ADS:
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "the ad ids from index %u", key.ad);
        break;
    case STORE_PARTITION:
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "the checkpoint of partition %u, generation %u", key.partition,
                       key.generation);
        break;
    case STORE_OPEN:
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "part %u of the open minutes of partition %u, generation %u", key.part,
                       key.partition, key.generation);
        break;
    case STORE_BLOCK:
        (void)snprintf(text, STORE_KEY_TEXT_MAX,
                       "the block of minute %s (%u), partition %u, generation %u, atom %u, from ad %u", minute, key.minute,
                       key.partition, key.generation, key.atom, key.ad);
        break;
    case STORE_AMENDMENT:
        (void)snprintf(text, STORE_KEY_TEXT_MAX,
                       "the amendment of minute %s (%u), partition %u, generation %u, atom %u, ad %u, country code %u",
                       minute, key.minute, key.partition, key.generation, key.atom, key.ad, key.country);
        break;
    }
}
