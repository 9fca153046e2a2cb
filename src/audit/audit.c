#include "audit/audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "click/country.h"
#include "click/timestamp.h"

static void add_to_oracle(struct oracle *oracle, const struct journal_record *record) {
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        const struct sub_block *sub_block = &record->sub_blocks[i];
        struct oracle_record entry = {
            .partition = sub_block->partition, .offset = sub_block->first_offset, .arrival = record->arrival};
        if (sub_block->kind == SUB_BLOCK_CLICKS) {
            struct click_cursor cursor = click_cursor_of(&sub_block->clicks);
            for (; click_cursor_next(&cursor, &entry.click); entry.offset.at++) {
                entry.kind = ORACLE_CLICK;
                oracle_add(oracle, &entry);
            }
            continue;
        }
        entry.kind = sub_block->kind == SUB_BLOCK_RULES ? ORACLE_RULES : ORACLE_TICK;
        entry.rules = sub_block->rules;
        entry.floor = sub_block->floor;
        oracle_add(oracle, &entry);
    }
}

enum status audit_count_journal(struct journal *journal, struct oracle **out, struct failure *failure) {
    struct journal_record *record;
    enum status status;
    struct oracle *oracle = oracle_create();
    while ((status = journal_replay_next(journal, &record, failure)) == STATUS_OK) {
        add_to_oracle(oracle, record);
        journal_record_release(record);
    }
    if (status != STATUS_END) {
        oracle_destroy(oracle);
        return status;
    }
    oracle_count(oracle);
    *out = oracle;
    return STATUS_OK;
}

/* The view's cells; they may come in parts. */
struct collected {
    const struct ads *ads;
    struct oracle_cell *cells;
    size_t count, capacity;
};

static void collect_cell(void *context, struct minute minute, const struct cell *cell) {
    struct collected *collected = context;
    if (collected->count == collected->capacity) {
        collected->capacity = collected->capacity * 2 + 1024;
        collected->cells = memory_resize(collected->cells, collected->capacity * sizeof *collected->cells);
    }
    collected->cells[collected->count++] =
        (struct oracle_cell){ads_id(collected->ads, cell->ad), minute, cell->country, cell->count};
}

static int by_position(const void *left, const void *right) {
    const struct oracle_cell *a = left, *b = right;
    int order = bytes_compare(a->ad_id, b->ad_id);
    if (order == 0) order = (a->minute.index > b->minute.index) - (a->minute.index < b->minute.index);
    return order != 0 ? order : (a->country.code > b->country.code) - (a->country.code < b->country.code);
}

static size_t merge_parts(struct oracle_cell *cells, size_t count) {
    size_t merged = 0;
    if (count > 0) qsort(cells, count, sizeof *cells, by_position);
    for (size_t i = 0; i < count; i++) {
        if (merged > 0 && by_position(&cells[merged - 1], &cells[i]) == 0)
            cells[merged - 1].count += cells[i].count;
        else
            cells[merged++] = cells[i];
    }
    return merged;
}

static void differ(struct audit_result *result, const struct oracle_cell *cell, uint64_t stored, uint64_t oracle) {
    if (result->differences++ > 0) return;
    char minute[TIMESTAMP_TEXT_BYTES], country[4];
    timestamp_text(minute_start(cell->minute), minute);
    country_text(cell->country, country);
    (void)snprintf(result->first_difference, sizeof result->first_difference,
                   "ad %.*s, minute %s, country %s: store %llu, journal %llu", (int)cell->ad_id.len,
                   (const char *)cell->ad_id.at, minute, country, (unsigned long long)stored, (unsigned long long)oracle);
}

static void compare_cells(struct collected *collected, const struct oracle *oracle, struct audit_result *result) {
    size_t expected_count, stored_count = merge_parts(collected->cells, collected->count);
    const struct oracle_cell *expected = oracle_cells(oracle, &expected_count);
    const struct oracle_cell *stored = collected->cells;
    result->cells = expected_count;
    for (size_t e = 0, s = 0; e < expected_count || s < stored_count;) {
        int order = e == expected_count ? 1 : s == stored_count ? -1 : by_position(&expected[e], &stored[s]);
        if (order < 0)
            differ(result, &expected[e], 0, expected[e].count);
        else if (order > 0)
            differ(result, &stored[s], stored[s].count, 0);
        else if (expected[e].count != stored[s].count)
            differ(result, &expected[e], stored[s].count, expected[e].count);
        e += order <= 0;
        s += order >= 0;
    }
}

static void differ_in_total(struct audit_result *result, const char *verdict, uint64_t stored, uint64_t oracle) {
    if (stored == oracle || result->differences++ > 0) return;
    (void)snprintf(result->first_difference, sizeof result->first_difference, "%s in total: store %llu, journal %llu",
                   verdict, (unsigned long long)stored, (unsigned long long)oracle);
}

static void compare_totals(const struct view *view, const struct oracle *oracle, struct audit_result *result) {
    size_t count;
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count; i++) {
        if (records[i].kind != ORACLE_CLICK) continue;
        result->clicks++;
        result->counted += records[i].verdict == VERDICT_COUNTED;
        result->duplicate += records[i].verdict == VERDICT_DUPLICATE;
        result->conflict += records[i].verdict == VERDICT_CONFLICT;
        result->too_late += records[i].verdict == VERDICT_TOO_LATE;
    }
    struct verdict_totals stored = {0};
    for (uint32_t p = 0; p < view_partition_count(view); p++) {
        const struct verdict_totals *totals = &view_partition(view, p)->totals;
        stored.counted += totals->counted;
        stored.duplicate += totals->duplicate;
        stored.conflict += totals->conflict;
        stored.too_late += totals->too_late;
    }
    differ_in_total(result, "counted", stored.counted, result->counted);
    differ_in_total(result, "duplicate", stored.duplicate, result->duplicate);
    differ_in_total(result, "conflict", stored.conflict, result->conflict);
    differ_in_total(result, "too late", stored.too_late, result->too_late);
}

enum status audit_compare(struct view *view, const struct ads *ads, const struct oracle *oracle, struct audit_result *result,
                          struct failure *failure) {
    *result = (struct audit_result){0};
    struct collected collected = {.ads = ads};
    enum status status =
        view_visit_cells(view, (struct minute){0}, (struct minute){UINT32_MAX}, collect_cell, &collected, failure);
    if (status == STATUS_OK) {
        compare_cells(&collected, oracle, result);
        compare_totals(view, oracle, result);
    }
    free(collected.cells);
    return status;
}
