#include "view/cell_table.h"

#include <stdlib.h>

#include "base/check.h"

enum { SLOTS_MIN = 16 };

void cell_table_fini(struct cell_table *table) {
    free(table->slots);
    free(table->countries);
    *table = (struct cell_table){0};
}

void cell_table_expect(struct cell_table *table, uint32_t cell_count) {
    CHECK(table->slot_count == 0 && cell_count <= UINT32_MAX / 4);
    uint32_t slot_count = SLOTS_MIN;
    while ((uint64_t)slot_count * 7 <= (uint64_t)cell_count * 10) slot_count *= 2;
    table->slots = memory_allocate_large_zeroed(slot_count * sizeof *table->slots);
    table->slot_count = slot_count;
}

/* Fibonacci hashing, by the high bits: neighbours in ad and country land far apart. */
static uint32_t home_slot(const struct cell_table *table, uint64_t key) {
    uint64_t mixed = key * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(mixed >> 32) & (table->slot_count - 1);
}

void cell_table_prefetch(const struct cell_table *table, uint64_t key) {
    if (table->slot_count > 0) __builtin_prefetch(&table->slots[home_slot(table, key)], 1);
}

/* The key's slot, or the empty one where it belongs. The table is never full, so this ends. */
static struct cell_slot *find_slot(const struct cell_table *table, uint64_t key) {
    uint32_t at = home_slot(table, key);
    while (table->slots[at].key != 0 && table->slots[at].key != key) at = (at + 1) & (table->slot_count - 1);
    return &table->slots[at];
}

static void grow(struct cell_table *table) {
    struct cell_table grown = *table;
    CHECK(table->slot_count <= UINT32_MAX / 4);
    grown.slot_count = table->slot_count == 0 ? SLOTS_MIN : table->slot_count * 2;
    grown.slots = memory_allocate_large_zeroed(grown.slot_count * sizeof *grown.slots);
    for (uint32_t i = 0; i < table->slot_count; i++)
        if (table->slots[i].key != 0) *find_slot(&grown, table->slots[i].key) = table->slots[i];
    free(table->slots);
    *table = grown;
}

static void note_country(struct cell_table *table, uint16_t country) {
    for (uint16_t i = 0; i < table->country_count; i++)
        if (table->countries[i] == country) return;
    if (table->country_count == table->country_capacity) {
        table->country_capacity = (uint16_t)(table->country_capacity + 16);
        table->countries = memory_resize(table->countries, table->country_capacity * sizeof *table->countries);
    }
    CHECK(table->country_count < COUNTRY_CODES);
    table->countries[table->country_count++] = country;
}

void cell_table_add(struct cell_table *table, uint64_t key, uint64_t count) {
    CHECK(key != 0);
    if ((uint64_t)table->cell_count * 10 >= (uint64_t)table->slot_count * 7) grow(table);
    struct cell_slot *slot = find_slot(table, key);
    if (slot->key == 0) {
        slot->key = key;
        table->cell_count++;
        note_country(table, cell_key_country(key).code);
    }
    /* I9: checked, though no machine counts that far. */
    CHECK(!__builtin_add_overflow(slot->count, count, &slot->count));
}

uint64_t cell_table_ad_count(const struct cell_table *table, uint32_t ad) {
    uint64_t sum = 0;
    for (uint16_t i = 0; i < table->country_count; i++)
        sum += find_slot(table, cell_key(ad, (struct country){table->countries[i]}))->count;
    return sum;
}

void cell_table_sorted(const struct cell_table *table, struct cell *out) {
    size_t count = 0;
    for (uint32_t i = 0; i < table->slot_count; i++) {
        uint64_t key = table->slots[i].key;
        if (key != 0) out[count++] = (struct cell){cell_key_ad(key), cell_key_country(key), table->slots[i].count};
    }
    CHECK(count == table->cell_count);
    qsort(out, count, sizeof *out, cell_compare);
}
