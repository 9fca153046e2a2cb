#include "filter/entry_table.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"

enum { SLOTS_MIN = 8, SLOTS_MAX = 1 << 29, ENTRIES_MIN = 4 };

static uint32_t slot_mask(const struct entry_table *table) {
    return table->mark_mask >> 3;
}

static void slot_put(struct entry_table *table, uint64_t value) {
    const uint32_t tag = (uint32_t)(value >> 32);
    uint32_t at = entry_table_home(table, tag);
    CHECK((uint64_t)table->live * 2 <= (uint64_t)slot_mask(table) + 1); /* so the search below ends */
    table->marks[at] |= (uint8_t)(1u << (tag & 7));
    while (table->slots[at] != 0) at = (at + 1) & slot_mask(table);
    table->slots[at] = value;
}

static void slots_create(struct entry_table *table, uint32_t slots) {
    CHECKF(slots >= SLOTS_MIN && slots <= SLOTS_MAX && (slots & (slots - 1)) == 0, "%u slots", slots);
    table->slots = memory_allocate_large_zeroed(slots * sizeof *table->slots);
    table->marks = memory_allocate_large_zeroed(slots);
    table->mark_mask = (uint32_t)((uint64_t)slots * 8 - 1);
}

/* The tags are in the slots: no look at the entries. */
static void slots_double(struct entry_table *table) {
    uint64_t *old = table->slots;
    const uint32_t old_slots = slot_mask(table) + 1;
    uint32_t moved = 0;
    free(table->marks);
    slots_create(table, old_slots * 2);
    for (uint32_t at = 0; at < old_slots; at++) {
        if (old[at] == 0) continue;
        slot_put(table, old[at]);
        moved++;
    }
    CHECKF(moved == table->live, "%u of %u entries", moved, table->live);
    free(old);
}

void entry_table_init(struct entry_table *table, size_t entry_bytes) {
    CHECK(entry_bytes >= sizeof(uint32_t));
    *table = (struct entry_table){.entry_bytes = entry_bytes, .free_first = ENTRY_NONE};
    slots_create(table, SLOTS_MIN);
}

void entry_table_fini(struct entry_table *table) {
    free(table->entries);
    free(table->slots);
    free(table->marks);
    *table = (struct entry_table){0};
}

static uint32_t place_take(struct entry_table *table) {
    uint32_t number = table->free_first;
    if (number != ENTRY_NONE) {
        memcpy(&table->free_first, entry_table_at(table, number), sizeof table->free_first);
    } else {
        if (table->entry_count == table->entry_capacity) {
            table->entry_capacity = table->entry_capacity == 0 ? ENTRIES_MIN : table->entry_capacity * 2;
            table->entries = memory_resize(table->entries, table->entry_capacity * table->entry_bytes);
        }
        number = table->entry_count++;
    }
    CHECK(number < table->entry_count && table->entry_count <= table->entry_capacity);
    memset(entry_table_at(table, number), 0, table->entry_bytes);
    return number;
}

uint32_t entry_table_add(struct entry_table *table, uint32_t tag) {
    if (((uint64_t)table->live + 1) * 2 > (uint64_t)slot_mask(table) + 1) slots_double(table);
    const uint32_t number = place_take(table);
    slot_put(table, (uint64_t)tag << 32 | (number + 1));
    table->live++;
    CHECK(table->live <= table->entry_count && entry_table_may_hold(table, tag));
    return number;
}

/* Moves later slots of the run into the gap, so that no search ends at it. */
static void slot_close_gap(struct entry_table *table, uint32_t gap) {
    const uint32_t mask = slot_mask(table);
    for (uint32_t at = (gap + 1) & mask; table->slots[at] != 0; at = (at + 1) & mask) {
        const uint32_t home = entry_table_home(table, (uint32_t)(table->slots[at] >> 32));
        if (((at - home) & mask) < ((at - gap) & mask)) continue; /* its home is behind the gap */
        table->slots[gap] = table->slots[at];
        gap = at;
    }
    table->slots[gap] = 0;
}

/* All whose home it is lie between it and the next empty slot. */
static void mark_renew(struct entry_table *table, uint32_t home) {
    uint32_t mark = 0;
    for (uint32_t at = home; table->slots[at] != 0; at = (at + 1) & slot_mask(table)) {
        const uint32_t tag = (uint32_t)(table->slots[at] >> 32);
        if (entry_table_home(table, tag) == home) mark |= 1u << (tag & 7);
    }
    table->marks[home] = (uint8_t)mark;
}

void entry_table_remove(struct entry_table *table, uint32_t tag, uint32_t number) {
    const uint64_t value = (uint64_t)tag << 32 | (number + 1);
    uint32_t at = entry_table_home(table, tag);
    CHECK(table->live > 0 && number < table->entry_count);
    while (table->slots[at] != value) {
        CHECKF(table->slots[at] != 0, "entry %u is not in the table", number);
        at = (at + 1) & slot_mask(table);
    }
    slot_close_gap(table, at);
    mark_renew(table, entry_table_home(table, tag));
    memcpy(entry_table_at(table, number), &table->free_first, sizeof table->free_first);
    table->free_first = number;
    table->live--;
}

uint64_t entry_table_memory_bytes(const struct entry_table *table) {
    const uint64_t slots = (uint64_t)slot_mask(table) + 1;
    return slots * (sizeof *table->slots + sizeof *table->marks) + (uint64_t)table->entry_capacity * table->entry_bytes;
}
