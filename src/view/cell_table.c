#include "view/cell_table.h"

#include <stdlib.h>

#include "base/check.h"

enum {
    SLOTS_MIN = 16,
    WHOLE_SLOTS_MAX = 16 * 1024,                   /* 256 KiB: these are moved in less than 0.2 ms */
    SHARD_SLOTS_MAX = 1 << (32 - CELL_SHARD_BITS), /* the hash has so many bits for the slot */
    EXPECTED_CELLS_MAX = 30 * 1000,                /* 512 slots a shard: 1 MiB */
};

void cell_table_fini(struct cell_table *table) {
    if (table->shards != NULL)
        for (uint32_t i = 0; i < CELL_SHARDS; i++) free(table->shards[i].slots);
    free(table->shards);
    free(table->whole.slots);
    free(table->countries);
    *table = (struct cell_table){0};
}

/* Every bit of the key moves every bit from the 32nd on: keys differ in the ad, the country or the highest bits only. */
static uint64_t hash(uint64_t key) {
    uint64_t mixed = key * UINT64_C(0x9E3779B97F4A7C15);
    return (mixed ^ (mixed >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
}

/* By the highest bits; the slot in it is by those from the 32nd on. */
static struct cell_shard *find_shard(const struct cell_table *table, uint64_t key_hash) {
    /* Const is the caller's promise about the table, not about who owns the memory. */
    return table->shards != NULL ? &table->shards[key_hash >> (64 - CELL_SHARD_BITS)]
                                 : (struct cell_shard *)(uintptr_t)&table->whole;
}

static struct cell_slot *home_slot(const struct cell_shard *shard, uint64_t key_hash) {
    return &shard->slots[(uint32_t)(key_hash >> 32) & (shard->slot_count - 1)];
}

void cell_table_prefetch(const struct cell_table *table, uint64_t key) {
    uint64_t key_hash = hash(key);
    const struct cell_shard *shard = find_shard(table, key_hash);
    if (shard->slot_count > 0) __builtin_prefetch(home_slot(shard, key_hash), 1);
}

/* The key's slot, or the empty one where it belongs. A shard is never full, so this ends. */
static struct cell_slot *find_slot(const struct cell_shard *shard, uint64_t key, uint64_t key_hash) {
    struct cell_slot *slot = home_slot(shard, key_hash), *end = shard->slots + shard->slot_count;
    while (slot->key != 0 && slot->key != key)
        if (++slot == end) slot = shard->slots;
    return slot;
}

/* So many cells and the shard grows: 70 % while there is one; between 50 % and 72 % else, since shards are filled evenly and
 * would grow all at once. */
static uint32_t cells_max(const struct cell_table *table, const struct cell_shard *shard, uint32_t slot_count) {
    uint64_t share = table->shards == NULL ? 180 : 128 + (uint64_t)(shard - table->shards) * 56 / CELL_SHARDS; /* of 256 */
    return (uint32_t)(slot_count * share / 256);
}

static void shard_init(struct cell_table *table, struct cell_shard *shard, uint32_t slot_count) {
    CHECK(slot_count <= SHARD_SLOTS_MAX && (slot_count & (slot_count - 1)) == 0);
    *shard = (struct cell_shard){.slots = memory_allocate_large_zeroed(slot_count * sizeof *shard->slots),
                                 .slot_count = slot_count};
    table->slot_count += slot_count;
}

/* Moves the cells of `old`, a shard that is replaced, to where they belong now. */
static void move_cells(struct cell_table *table, struct cell_shard *old) {
    uint32_t moved = 0;
    for (uint32_t i = 0; i < old->slot_count; i++) {
        if (old->slots[i].key == 0) continue;
        uint64_t key_hash = hash(old->slots[i].key);
        struct cell_shard *shard = find_shard(table, key_hash);
        struct cell_slot *slot = find_slot(shard, old->slots[i].key, key_hash);
        CHECK(slot->key == 0); /* each key once */
        *slot = old->slots[i];
        shard->cell_count++;
        CHECK(shard->cell_count < shard->slot_count); /* so every search ends */
        moved++;
    }
    CHECKF(moved == old->cell_count, "%u of %u cells", moved, old->cell_count);
    CHECK(table->slot_count >= old->slot_count);
    table->slot_count -= old->slot_count;
    free(old->slots);
}

/* At least so many slots a shard. However unevenly the keys fall, each shard has room for its own. */
static void split(struct cell_table *table, uint32_t shard_slots_min) {
    struct cell_shard old = table->whole;
    uint32_t cell_counts[CELL_SHARDS] = {0};
    table->shards = memory_allocate_zeroed(CELL_SHARDS, sizeof *table->shards);
    for (uint32_t i = 0; i < old.slot_count; i++)
        if (old.slots[i].key != 0) cell_counts[find_shard(table, hash(old.slots[i].key)) - table->shards]++;
    uint64_t cells = 0;
    for (uint32_t i = 0; i < CELL_SHARDS; i++) cells += cell_counts[i];
    CHECK(cells == old.cell_count);
    for (uint32_t i = 0; i < CELL_SHARDS; i++) {
        uint32_t slot_count = shard_slots_min;
        while (cells_max(table, &table->shards[i], slot_count) <= cell_counts[i]) slot_count *= 2;
        shard_init(table, &table->shards[i], slot_count);
    }
    table->whole = (struct cell_shard){0};
    move_cells(table, &old);
}

#ifdef TALLY_COSTLY_CHECKS
/* The cells of the shards are those of the table, and so are their slots. */
static bool shards_agree(const struct cell_table *table) {
    uint64_t cells = table->whole.cell_count, slots = table->whole.slot_count;
    for (uint32_t i = 0; table->shards != NULL && i < CELL_SHARDS; i++) {
        cells += table->shards[i].cell_count;
        slots += table->shards[i].slot_count;
    }
    return cells == table->cell_count && slots == table->slot_count;
}
#endif

static void grow(struct cell_table *table, struct cell_shard *shard) {
    CHECK(shard->cell_count >= cells_max(table, shard, shard->slot_count));
    COSTLY_CHECK(shards_agree(table));
    if (shard == &table->whole && shard->slot_count == WHOLE_SLOTS_MAX) {
        split(table, 2 * WHOLE_SLOTS_MAX / CELL_SHARDS);
        return;
    }
    struct cell_shard old = *shard;
    shard_init(table, shard, old.slot_count == 0 ? SLOTS_MIN : old.slot_count * 2);
    move_cells(table, &old);
}

void cell_table_expect(struct cell_table *table, uint32_t cell_count) {
    CHECK(table->slot_count == 0);
    uint32_t slot_count = SLOTS_MIN;
    if (cell_count < cells_max(table, &table->whole, WHOLE_SLOTS_MAX)) {
        while (cells_max(table, &table->whole, slot_count) <= cell_count) slot_count *= 2;
        shard_init(table, &table->whole, slot_count);
        return;
    }
    if (cell_count > EXPECTED_CELLS_MAX) cell_count = EXPECTED_CELLS_MAX;
    while (slot_count / 2 <= cell_count / CELL_SHARDS) slot_count *= 2; /* by the shard that grows first */
    split(table, slot_count);
}

static void note_country(struct cell_table *table, uint16_t country) {
    for (uint16_t i = 0; i < table->country_count; i++)
        if (table->countries[i] == country) return;
    if (table->country_count == table->country_capacity) {
        table->country_capacity = (uint16_t)(table->country_capacity + 16);
        table->countries = memory_resize(table->countries, table->country_capacity * sizeof *table->countries);
    }
    CHECK(table->country_count < COUNTRY_CODES && country < COUNTRY_CODES);
    table->countries[table->country_count++] = country;
}

void cell_table_add(struct cell_table *table, uint64_t key, uint64_t count) {
    CHECK(key != 0);
    uint64_t key_hash = hash(key);
    struct cell_shard *shard = find_shard(table, key_hash);
    if (shard->cell_count >= cells_max(table, shard, shard->slot_count)) {
        grow(table, shard);
        shard = find_shard(table, key_hash);
    }
    struct cell_slot *slot = find_slot(shard, key, key_hash);
    if (slot->key == 0) {
        CHECK(table->cell_count < UINT32_MAX);
        slot->key = key;
        shard->cell_count++;
        table->cell_count++;
        note_country(table, cell_key_country(key).code);
    }
    /* I9: checked, though no machine counts that far. */
    CHECK(!__builtin_add_overflow(slot->count, count, &slot->count));
}

uint64_t cell_table_count(const struct cell_table *table, uint64_t key) {
    if (table->cell_count == 0) return 0;
    uint64_t key_hash = hash(key);
    return find_slot(find_shard(table, key_hash), key, key_hash)->count;
}

uint64_t cell_table_ad_count(const struct cell_table *table, uint32_t ad) {
    uint64_t sum = 0;
    for (uint16_t i = 0; i < table->country_count; i++)
        sum += cell_table_count(table, cell_key(ad, (struct country){table->countries[i]}));
    return sum;
}

#ifdef TALLY_COSTLY_CHECKS
/* The cells of the shards are those of the table, and so are their slots. */
static bool shards_agree(const struct cell_table *table) {
    uint64_t cells = table->whole.cell_count, slots = table->whole.slot_count;
    for (uint32_t i = 0; table->shards != NULL && i < CELL_SHARDS; i++) {
        cells += table->shards[i].cell_count;
        slots += table->shards[i].slot_count;
    }
    return cells == table->cell_count && slots == table->slot_count;
}
#endif

struct slice *cell_table_sorted(const struct cell_table *table, struct slice *items, struct slice *scratch) {
    struct cell_cursor cursor = {0};
    uint32_t count = 0;
    for (const struct cell_slot *slot; (slot = cell_table_next(table, &cursor)) != NULL;)
        items[count++] = (struct slice){slot->key, slot->count};
    CHECK(count == table->cell_count);
    COSTLY_CHECK(shards_agree(table));
    struct slice *sorted = slices_sorted(items, scratch, count);
    for (uint32_t i = 0; i < count; i++) {
        COSTLY_CHECK(i == 0 || sorted[i - 1].key < sorted[i].key);
        COSTLY_CHECK(cell_table_count(table, sorted[i].key) == sorted[i].count);
    }
    return sorted;
}
