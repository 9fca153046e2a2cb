#include "audit/audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "click/country.h"
#include "click/timestamp.h"

void audit_add_record(struct oracle *oracle, const struct journal_record *record) {
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        const struct sub_block *sub_block = &record->sub_blocks[i];
        struct oracle_record entry = {.partition = sub_block->partition,
                                      .offset = sub_block->first_offset,
                                      .arrival = record->arrival,
                                      .commit = record->number};
        if (sub_block->kind == SUB_BLOCK_CLICKS) {
            struct click_cursor cursor = click_cursor_of(&sub_block->clicks);
            for (; click_cursor_next(&cursor, &entry.click); entry.offset.at++) {
                entry.kind = ORACLE_CLICK;
                oracle_add(oracle, &entry);
            }
            continue;
        }
        if (sub_block->kind == SUB_BLOCK_FILTERS) {
            entry.kind = ORACLE_FILTER;
            for (uint32_t k = 0; k < sub_block->count; k++, entry.offset.at++) {
                entry.filter_record = sub_block->filter_records[k];
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
        audit_add_record(oracle, record);
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

/* --- filters --- */

static int by_ad(const void *left, const void *right) {
    const struct ranked_ad *a = left, *b = right;
    return bytes_compare(a->ad_id, b->ad_id);
}

/* A journal's filter records are the same in every partition. */
static void give_filters(struct view *view, const struct oracle *oracle) {
    size_t count;
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count; i++) {
        const struct filter_record *record = &records[i].filter_record;
        if (records[i].kind != ORACLE_FILTER || records[i].partition != 0) continue;
        if (record->number <= filters_number(view_filters(view))) continue;
        for (uint32_t p = 0; p < view_partition_count(view); p++)
            if (view_partition(view, p)->filters_number < record->number) view_pass_filters(view, p, record->number);
        view_apply_filters(view, record, 1);
    }
}

/* By ad id; the caller frees. */
static struct ranked_ad *count_by_scan(const struct oracle *oracle, const struct filter *filter, struct minute from,
                                       size_t *count) {
    size_t cell_count;
    struct oracle_cell *cells = oracle_filter_cells(oracle, filter, &cell_count);
    struct ranked_ad *ads = memory_allocate((cell_count + 1) * sizeof *ads);
    *count = 0;
    for (size_t i = 0; i < cell_count; i++) {
        if (cells[i].minute.index < from.index) continue;
        if (*count == 0 || !bytes_equal(ads[*count - 1].ad_id, cells[i].ad_id))
            ads[(*count)++] = (struct ranked_ad){cells[i].ad_id, 0};
        ads[*count - 1].count += cells[i].count;
    }
    free(cells);
    return ads;
}

static void differ_in_filter(struct audit_result *result, uint32_t id, struct bytes ad_id, uint64_t stored,
                             uint64_t oracle) {
    if (stored == oracle || result->differences++ > 0) return;
    (void)snprintf(result->first_difference, sizeof result->first_difference, "ad %.*s, filter %u: store %llu, journal %llu",
                   (int)ad_id.len, (const char *)ad_id.at, id, (unsigned long long)stored, (unsigned long long)oracle);
}

static enum status compare_filter(struct view *view, const struct oracle *oracle, const struct stored_filter *filter,
                                  struct minute to, struct ranked_ad *stored, size_t ads_max, struct audit_result *result,
                                  struct failure *failure) {
    struct selection selection = selection_of(filter->filter, filter->terms, filter->term_count);
    struct minute from = {0};
    size_t stored_count = 0, expected_count = 0;
    (void)filters_covers_from(view_filters(view), filter, &from);
    if (from.index >= to.index) return STATUS_OK;
    enum status status = view_rank(view, &selection, from, to, stored, ads_max, &stored_count, failure);
    if (status != STATUS_OK) return status;
    if (stored_count > 0) qsort(stored, stored_count, sizeof *stored, by_ad);
    struct ranked_ad *expected = count_by_scan(oracle, filter->filter, from, &expected_count);
    for (size_t e = 0, s = 0; e < expected_count || s < stored_count;) {
        int order = e == expected_count ? 1 : s == stored_count ? -1 : by_ad(&expected[e], &stored[s]);
        differ_in_filter(result, filter->filter->id, order <= 0 ? expected[e].ad_id : stored[s].ad_id,
                         order < 0 ? 0 : stored[s].count, order > 0 ? 0 : expected[e].count);
        e += order <= 0;
        s += order >= 0;
    }
    free(expected);
    return STATUS_OK;
}

static enum status compare_filters(struct view *view, const struct ads *ads, const struct oracle *oracle,
                                   struct audit_result *result, struct failure *failure) {
    give_filters(view, oracle);
    const struct filters *filters = view_filters(view);
    size_t cell_count, step = filters_standing(filters) / AUDIT_FILTERS_MAX + 1, at = 0;
    const struct oracle_cell *cells = oracle_cells(oracle, &cell_count);
    struct minute to = {0};
    for (size_t i = 0; i < cell_count; i++)
        if (cells[i].minute.index >= to.index) to.index = cells[i].minute.index + 1;
    struct ranked_ad *stored = memory_allocate((ads_count(ads) + (size_t)1) * sizeof *stored);
    enum status status = STATUS_OK;
    const struct stored_filter *filter = filters_next(filters, 1);
    for (; filter != NULL && status == STATUS_OK; filter = filters_next(filters, filter->filter->id + 1)) {
        if (at++ % step != 0) continue;
        status = compare_filter(view, oracle, filter, to, stored, ads_count(ads), result, failure);
        result->filters++;
    }
    free(stored);
    return status;
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
        status = compare_filters(view, ads, oracle, result, failure);
    }
    free(collected.cells);
    return status;
}
