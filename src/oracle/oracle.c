#include "oracle/oracle.h"

#include <stdlib.h>

#include "base/check.h"

struct record_times { /* W_p, S_p and D_p just before the record at the same index */
    int64_t w, s, d;
};

struct oracle {
    struct oracle_record *records;
    size_t record_count, record_capacity;
    struct oracle_cell *cells;
    size_t cell_count;
};

struct oracle *oracle_create(void) {
    return memory_allocate_zeroed(1, sizeof(struct oracle));
}

void oracle_destroy(struct oracle *oracle) {
    for (size_t i = 0; i < oracle->record_count; i++) {
        free((void *)(uintptr_t)oracle->records[i].click.ad_id.at);
        filter_destroy((struct filter *)(uintptr_t)oracle->records[i].filter_record.filter);
    }
    free(oracle->records);
    free(oracle->cells);
    free(oracle);
}

/* The click's bytes move into one block of the oracle's own, that begins with the ad id. */
static void own_bytes(struct click *click) {
    struct bytes *fields[] = {&click->ad_id, &click->user_id, &click->event_id, &click->source};
    uint8_t *at = memory_allocate(click->ad_id.len + click->user_id.len + click->event_id.len + click->source.len);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i]->len > 0) memcpy(at, fields[i]->at, fields[i]->len);
        fields[i]->at = at;
        at += fields[i]->len;
    }
}

void oracle_add(struct oracle *oracle, const struct oracle_record *record) {
    if (oracle->record_count == oracle->record_capacity) {
        oracle->record_capacity = oracle->record_capacity * 2 + 1024;
        oracle->records = memory_resize(oracle->records, oracle->record_capacity * sizeof *oracle->records);
    }
    struct oracle_record *added = &oracle->records[oracle->record_count++];
    *added = *record;
    if (record->kind == ORACLE_CLICK)
        own_bytes(&added->click);
    else
        added->click = (struct click){0};
    const struct filter *filter = record->kind == ORACLE_FILTER ? record->filter_record.filter : NULL;
    added->filter_record.filter = filter == NULL ? NULL : filter_copy(filter);
}

static int compare_u64(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

static int by_partition_and_offset(const void *left, const void *right) {
    const struct oracle_record *a = left, *b = right;
    if (a->partition != b->partition) return a->partition < b->partition ? -1 : 1;
    return compare_u64(a->offset.at, b->offset.at);
}

static int compare_content(const struct click *a, const struct click *b) {
    int order = bytes_compare(a->ad_id, b->ad_id);
    if (order == 0) order = compare_u64((uint64_t)a->time.ms, (uint64_t)b->time.ms);
    if (order == 0) order = bytes_compare(a->user_id, b->user_id);
    if (order == 0) order = memcmp(&a->ip, &b->ip, sizeof a->ip);
    if (order == 0) order = compare_u64(a->country.code, b->country.code);
    return order;
}

/* Identity by its full bytes, not by a hash of them. */
static int compare_identity(const struct click *a, const struct click *b) {
    int order = bytes_compare(a->source, b->source);
    if (order == 0) order = bytes_compare(a->event_id, b->event_id);
    if (order == 0 && a->event_id.len == 0) order = compare_content(a, b);
    return order;
}

static int by_identity_and_offset(const void *left, const void *right) {
    const struct oracle_record *a = *(struct oracle_record *const *)left, *b = *(struct oracle_record *const *)right;
    int order = compare_identity(&a->click, &b->click);
    return order != 0 ? order : by_partition_and_offset(a, b);
}

static int64_t raised(int64_t value, int64_t from, int64_t span) {
    return from != INT64_MIN && from - span > value ? from - span : value;
}

/* Design: seen, the jump guard, and W, S, D as the highest values they have had. Records of one partition, in order. */
static void compute_times(const struct oracle_record *records, size_t count, struct record_times *times) {
    int64_t seen = INT64_MIN, w = INT64_MIN, s = INT64_MIN, d = INT64_MIN;
    const struct oracle_record *far_ahead[16];
    size_t far_count = 0;
    bool clicked = false;
    struct rules rules = {0};
    for (size_t i = 0; i < count; i++) {
        const struct oracle_record *record = &records[i];
        times[i] = (struct record_times){w, s, d};
        int64_t reached = INT64_MIN;
        if (record->kind == ORACLE_RULES) rules = record->rules;
        if (record->kind == ORACLE_TICK) reached = record->floor.ms;
        if (record->kind == ORACLE_CLICK) {
            reached = record->click.time.ms < record->arrival.ms ? record->click.time.ms : record->arrival.ms;
            if (clicked && reached - HOUR_MS > seen) {
                bool repeat = false;
                for (size_t k = 0; k < far_count; k++)
                    repeat = repeat || compare_identity(&far_ahead[k]->click, &record->click) == 0;
                if (!repeat) far_ahead[far_count++] = record;
                reached = INT64_MIN;
                if (far_count == 16) {
                    reached = INT64_MAX;
                    for (size_t k = 0; k < far_count; k++) {
                        int64_t time = far_ahead[k]->click.time.ms, arrival = far_ahead[k]->arrival.ms;
                        if (time < reached) reached = time;
                        if (arrival < reached) reached = arrival;
                    }
                    far_count = 0;
                }
            } else {
                far_count = 0;
            }
            clicked = true;
        }
        if (reached > seen) seen = reached;
        w = raised(w, seen, rules.delay_ms);
        s = raised(s, w, rules.lateness_ms);
        d = raised(d, w, rules.horizon_ms);
    }
}

static int64_t click_minute_end(const struct oracle_record *record) {
    return (record->click.time.ms / 60000 + 1) * 60000;
}

/* I1 and I6 over the occurrences of one identity, in offset order. */
static void judge(const struct oracle *oracle, struct oracle_record **group, size_t count,
                  const struct record_times *times) {
    for (size_t i = 0; i < count; i++) {
        const struct record_times *now = &times[group[i] - oracle->records];
        group[i]->verdict = click_minute_end(group[i]) <= now->s ? VERDICT_TOO_LATE : VERDICT_COUNTED;
        for (size_t f = 0; f < i; f++) {
            if (group[f]->verdict != VERDICT_COUNTED && group[f]->verdict != VERDICT_TOO_LATE) continue;
            int64_t bound = times[group[f] - oracle->records].w;
            if (group[f]->click.time.ms > bound) bound = group[f]->click.time.ms;
            if (bound <= now->d) continue;
            bool same = compare_content(&group[f]->click, &group[i]->click) == 0;
            group[i]->verdict = same ? VERDICT_DUPLICATE : VERDICT_CONFLICT;
        }
    }
}

static int by_cell(const void *left, const void *right) {
    const struct oracle_cell *a = left, *b = right;
    int order = bytes_compare(a->ad_id, b->ad_id);
    if (order == 0) order = compare_u64(a->minute.index, b->minute.index);
    if (order == 0) order = compare_u64(a->country.code, b->country.code);
    return order;
}

/* Of all counted clicks (`filter` NULL), or of those that the filter matches. */
static struct oracle_cell *gather_cells(const struct oracle *oracle, const struct filter *filter, size_t *cell_count) {
    struct oracle_cell *cells = memory_allocate(oracle->record_count * sizeof *cells);
    size_t counted = 0, kept = 0;
    for (size_t i = 0; i < oracle->record_count; i++) {
        const struct oracle_record *record = &oracle->records[i];
        const struct click *click = &record->click;
        if (record->kind != ORACLE_CLICK || record->verdict != VERDICT_COUNTED) continue;
        if (filter != NULL && !filter_matches(filter, click->country, &click->ip, click->user_id)) continue;
        struct minute minute = {(uint32_t)(click->time.ms / 60000)};
        cells[counted++] = (struct oracle_cell){click->ad_id, minute, click->country, 1};
    }
    if (counted > 0) qsort(cells, counted, sizeof *cells, by_cell);
    for (size_t i = 0; i < counted; i++) {
        if (kept > 0 && by_cell(&cells[kept - 1], &cells[i]) == 0)
            cells[kept - 1].count++;
        else
            cells[kept++] = cells[i];
    }
    *cell_count = kept;
    return cells;
}

void oracle_count(struct oracle *oracle) {
    CHECK(oracle->cells == NULL);
    size_t count = oracle->record_count;
    if (count > 0) qsort(oracle->records, count, sizeof *oracle->records, by_partition_and_offset);
    struct record_times *times = memory_allocate(count * sizeof *times);
    struct oracle_record **clicks = memory_allocate(count * sizeof(struct oracle_record *));
    size_t click_count = 0;
    for (size_t first = 0, end = 0; first < count; first = end) {
        while (end < count && oracle->records[end].partition == oracle->records[first].partition) end++;
        compute_times(&oracle->records[first], end - first, &times[first]);
    }
    for (size_t i = 0; i < count; i++)
        if (oracle->records[i].kind == ORACLE_CLICK) clicks[click_count++] = &oracle->records[i];
    if (click_count > 0) qsort(clicks, click_count, sizeof(struct oracle_record *), by_identity_and_offset);
    for (size_t first = 0, end = 0; first < click_count; first = end) {
        while (end < click_count && compare_identity(&clicks[first]->click, &clicks[end]->click) == 0) end++;
        judge(oracle, &clicks[first], end - first, times);
    }
    free(clicks);
    free(times);
    oracle->cells = gather_cells(oracle, NULL, &oracle->cell_count);
}

const struct oracle_record *oracle_records(const struct oracle *oracle, size_t *count) {
    *count = oracle->record_count;
    return oracle->records;
}

const struct oracle_cell *oracle_cells(const struct oracle *oracle, size_t *count) {
    *count = oracle->cell_count;
    return oracle->cells;
}

struct oracle_cell *oracle_filter_cells(const struct oracle *oracle, const struct filter *filter, size_t *count) {
    CHECK(filter != NULL);
    return gather_cells(oracle, filter, count);
}
