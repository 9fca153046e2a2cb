#include "store/key.h"

#include <stdio.h>
#include <time.h>

#include "base/check.h"
#include "base/codec.h"

struct field {
    uint8_t at, size; /* in struct store_key; size 0 ends the list */
};
#define FIELD(name)                                                                                                         \
    { offsetof(struct store_key, name), sizeof((struct store_key){0}.name) }

enum { FIELDS_MAX = 6 };
static const struct layout {
    enum store_table table;
    struct field fields[FIELDS_MAX + 1];
} layouts[] = {
    {STORE_BLOCK, {FIELD(generation), FIELD(partition), FIELD(minute), FIELD(atom), FIELD(ad)}},
    {STORE_AMENDMENT, {FIELD(generation), FIELD(partition), FIELD(minute), FIELD(atom), FIELD(ad), FIELD(country)}},
    {STORE_ATOM_BLOCK, {FIELD(generation), FIELD(partition), FIELD(minute), FIELD(atom), FIELD(ad)}},
    {STORE_HISTORY, {FIELD(generation), FIELD(partition), FIELD(minute), FIELD(run), FIELD(atom), FIELD(ad)}},
    {STORE_OPEN, {FIELD(generation), FIELD(partition), FIELD(part)}},
    {STORE_ATOM_OPEN, {FIELD(generation), FIELD(partition), FIELD(part)}},
    {STORE_PARTITION, {FIELD(generation), FIELD(partition)}},
    {STORE_HISTORY_DONE, {FIELD(generation), FIELD(run), FIELD(partition)}},
    {STORE_BACKFILLED, {FIELD(generation), FIELD(atom)}},
    {STORE_RANKING, {FIELD(generation), FIELD(filter_id), FIELD(window), FIELD(minute)}},
    {STORE_ADS, {FIELD(ad)}},
    {STORE_META, {{0, 0}}},
};

/* NULL: no such table. */
static const struct layout *layout_of(enum store_table table) {
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        if (layouts[i].table == table) return &layouts[i];
    return NULL;
}

#ifdef TALLY_COSTLY_CHECKS
static bool keys_equal(const struct store_key *a, const struct store_key *b) {
    return a->table == b->table && a->generation == b->generation && a->partition == b->partition &&
           a->minute == b->minute && a->run == b->run && a->atom == b->atom && a->ad == b->ad && a->country == b->country &&
           a->part == b->part && a->filter_id == b->filter_id && a->window == b->window;
}

/* Whether the bytes are read as the key again, but for fields that its table does not have. */
static bool key_reads_back(const struct store_key *key, const struct store_key_bytes *bytes) {
    struct store_key again, once_more;
    if (!store_key_decode(store_key_view(bytes), &again) || again.table != key->table) return false;
    const struct layout *layout = layout_of(key->table);
    once_more = *key;
    struct store_key only = {.table = key->table};
    for (const struct field *field = layout->fields; field->size > 0; field++)
        memcpy((uint8_t *)&only + field->at, (const uint8_t *)&once_more + field->at, field->size);
    return keys_equal(&only, &again);
}
#endif

struct store_key_bytes store_key_encode(const struct store_key *key) {
    struct store_key_bytes bytes = {.at = {(uint8_t)key->table}, .len = 1};
    const struct layout *layout = layout_of(key->table);
    CHECK(layout != NULL);
    for (const struct field *field = layout->fields; field->size > 0; field++) {
        const uint8_t *from = (const uint8_t *)key + field->at;
        CHECK(bytes.len + field->size <= STORE_KEY_BYTES_MAX);
        if (field->size == sizeof(uint16_t))
            put_u16_be(bytes.at + bytes.len, get_u16(from));
        else
            put_u32_be(bytes.at + bytes.len, get_u32(from));
        bytes.len = (uint8_t)(bytes.len + field->size);
    }
    COSTLY_CHECK(key_reads_back(key, &bytes));
    return bytes;
}

bool store_key_decode(struct bytes bytes, struct store_key *key) {
    struct reader reader = reader_of(bytes);
    *key = (struct store_key){.table = (enum store_table)reader_u8(&reader)};
    const struct layout *layout = layout_of(key->table);
    if (layout == NULL) return false;
    for (const struct field *field = layout->fields; field->size > 0; field++) {
        uint8_t *to = (uint8_t *)key + field->at;
        if (field->size == sizeof(uint16_t))
            put_u16(to, __builtin_bswap16(reader_u16(&reader)));
        else
            put_u32(to, __builtin_bswap32(reader_u32(&reader)));
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

static void unknown_text(struct bytes bytes, char text[STORE_KEY_TEXT_MAX]) {
    char hex[2 * 2 * STORE_KEY_BYTES_MAX + 1] = "";
    for (size_t i = 0; i < bytes.len && 2 * i + 2 < sizeof hex; i++) (void)sprintf(hex + 2 * i, "%02x", bytes.at[i]);
    (void)snprintf(text, STORE_KEY_TEXT_MAX, "an unknown key of %zu bytes (%s)", bytes.len, hex);
}

/* Of the tables that have a minute and a partition. */
static void cells_text(const struct store_key *key, char text[STORE_KEY_TEXT_MAX]) {
    char minute[32], place[96];
    minute_text(key->minute, minute);
    (void)snprintf(place, sizeof place, "minute %s (%u), partition %u, generation %u", minute, key->minute, key->partition,
                   key->generation);
    switch (key->table) {
    case STORE_AMENDMENT:
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "the amendment of %s, atom %u, ad %u, country code %u", place, key->atom,
                       key->ad, key->country);
        break;
    case STORE_ATOM_BLOCK:
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "the block of atoms of %s, from atom %u, ad %u", place, key->atom, key->ad);
        break;
    case STORE_HISTORY:
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "the history of %s, run %u, from atom %u, ad %u", place, key->run,
                       key->atom, key->ad);
        break;
    default:
        CHECK(key->table == STORE_BLOCK);
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "the block of %s, atom %u, from ad %u", place, key->atom, key->ad);
    }
}

void store_key_text(struct bytes bytes, char text[STORE_KEY_TEXT_MAX]) {
    struct store_key key;
    char minute[32];
    if (!store_key_decode(bytes, &key)) {
        unknown_text(bytes, text);
        return;
    }
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
    case STORE_ATOM_OPEN:
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "part %u of the open minutes%s of partition %u, generation %u", key.part,
                       key.table == STORE_OPEN ? "" : " of atoms", key.partition, key.generation);
        break;
    case STORE_HISTORY_DONE:
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "the mark that run %u is done with partition %u, generation %u", key.run,
                       key.partition, key.generation);
        break;
    case STORE_BACKFILLED:
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "the mark that atom %u is backfilled, generation %u", key.atom,
                       key.generation);
        break;
    case STORE_RANKING:
        minute_text(key.minute, minute);
        (void)snprintf(text, STORE_KEY_TEXT_MAX, "the ranking of filter %u, window %u, minute %s (%u), generation %u",
                       key.filter_id, key.window, minute, key.minute, key.generation);
        break;
    case STORE_BLOCK:
    case STORE_AMENDMENT:
    case STORE_ATOM_BLOCK:
    case STORE_HISTORY:
        cells_text(&key, text);
        break;
    }
}
