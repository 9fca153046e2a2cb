/* compare_answers.c: answers about all clicks against the oracle's cells. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "oracle/oracle_filters.h"
#include "rules/watermark.h"
#include "sim/compare.h"

uint64_t oracle_counts_sum(const struct oracle_counts *counts, struct bytes ad_id, struct minute from, struct minute to) {
    uint64_t sum = 0;
    for (size_t i = 0; i < counts->count; i++) {
        const struct oracle_cell *cell = &counts->cells[i];
        if ((ad_id.len == 0 || bytes_equal(cell->ad_id, ad_id)) && cell->minute.index >= from.index &&
            cell->minute.index < to.index)
            sum += cell->count;
    }
    return sum;
}

static struct oracle_counts counts_of(const struct oracle *oracle) {
    struct oracle_counts counts;
    counts.cells = oracle_cells(oracle, &counts.count);
    return counts;
}

static const struct filter *filter_of(const struct oracle *oracle, uint32_t id) {
    size_t count;
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count; i++)
        if (records[i].kind == ORACLE_FILTER && records[i].filter_record.id == id &&
            records[i].filter_record.action == FILTER_CREATE)
            return records[i].filter_record.filter;
    return NULL;
}

static uint64_t sealed_sum(struct world *world, const struct oracle *oracle, const struct sealed_answer *sealed) {
    struct oracle_counts counts = counts_of(oracle);
    struct oracle_cell *filtered = NULL;
    if (sealed->filter_id != 0) {
        const struct filter *filter = filter_of(oracle, sealed->filter_id);
        if (filter == NULL) {
            world_problem(world, "filter %u gave an answer, but is not in the journal", sealed->filter_id);
            return 0;
        }
        counts.cells = filtered = oracle_filter_cells(oracle, filter, &counts.count);
    }
    uint64_t sum = oracle_counts_sum(&counts, bytes_of_text(sealed->ad), sealed->from, sealed->to);
    free(filtered);
    return sum;
}

/* Up to where every partition has sealed its minutes: told by the product's own watermark. */
static struct event_time sealed_to(const struct world *world, const struct oracle *oracle) {
    size_t count;
    struct rules in_force = {0};
    struct watermark watermarks[PARTITIONS_MAX];
    for (size_t p = 0; p < PARTITIONS_MAX; p++) watermark_init(&watermarks[p]);
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count; i++) {
        const struct oracle_record *record = &records[i];
        struct watermark *watermark = &watermarks[record->partition];
        if (record->kind == ORACLE_RULES) {
            in_force = record->rules;
            watermark_rules(watermark, &in_force);
        }
        if (record->kind == ORACLE_TICK) watermark_tick(watermark, &in_force, record->floor);
        if (record->kind == ORACLE_CLICK)
            watermark_click(watermark, &in_force, record->click.time, record->arrival, &record->click.identity);
    }
    struct event_time lowest = watermarks[0].s;
    for (uint32_t p = 1; p < world->options.proposal.partition_count; p++)
        if (watermarks[p].s.ms < lowest.ms) lowest = watermarks[p].s;
    return lowest;
}

void forget_sealed(struct world *world, const struct oracle *oracle, bool shrunk) {
    size_t kept = 0;
    struct event_time to = sealed_to(world, oracle);
    for (size_t i = 0; i < world->sealed_count; i++) {
        const struct sealed_answer *sealed = &world->sealed[i];
        bool known = sealed->filter_id == 0 || filter_of(oracle, sealed->filter_id) != NULL;
        uint64_t sum = known ? sealed_sum(world, oracle, sealed) : 0;
        if (known && sum != sealed->count && !shrunk)
            world_problem(world,
                          "a sealed answer changed, and no click is gone: %s, filter %u: was %" PRIu64 ", is %" PRIu64,
                          sealed->ad, sealed->filter_id, sealed->count, sum);
        if (known && sum == sealed->count && minute_start(sealed->to).ms <= to.ms)
            world->sealed[kept++] = *sealed;
        else
            world->coverage->sealed_destroyed++;
    }
    world->sealed_count = kept;
}

void compare_sealed(struct world *world, const struct oracle *oracle) {
    for (size_t i = 0; i < world->sealed_count; i++) {
        const struct sealed_answer *sealed = &world->sealed[i];
        uint64_t sum = sealed_sum(world, oracle, sealed);
        if (sum != sealed->count)
            world_problem(world, "a sealed answer changed: %s, filter %u: was %" PRIu64 ", is %" PRIu64, sealed->ad,
                          sealed->filter_id, sealed->count, sum);
    }
}

struct total {
    struct bytes ad_id;
    uint64_t count;
};

static int by_rank(const void *left, const void *right) {
    const struct total *a = left, *b = right;
    if (a->count != b->count) return a->count > b->count ? -1 : 1;
    return bytes_compare(a->ad_id, b->ad_id);
}

static size_t oracle_ranking(const struct oracle_counts *counts, struct minute from, struct minute to,
                             struct total *totals) {
    size_t total_count = 0;
    for (size_t i = 0; i < counts->count; i++) { /* cells come sorted by ad */
        const struct oracle_cell *cell = &counts->cells[i];
        if (cell->minute.index < from.index || cell->minute.index >= to.index) continue;
        if (total_count == 0 || !bytes_equal(totals[total_count - 1].ad_id, cell->ad_id))
            totals[total_count++] = (struct total){cell->ad_id, 0};
        totals[total_count - 1].count += cell->count;
    }
    if (total_count > 0) qsort(totals, total_count, sizeof *totals, by_rank);
    return total_count;
}

void compare_ranking_answer(struct world *world, const char *query, const struct oracle_counts *counts, struct minute from,
                            struct minute to, size_t count_max) {
    struct total *totals = memory_allocate(counts->count * sizeof *totals);
    size_t expected = oracle_ranking(counts, from, to, totals);
    if (expected > count_max) expected = count_max;
    json_t *answer = json_loadb((const char *)world->answer.at, world->answer.len, 0, NULL);
    json_t *ads = json_object_get(answer, "ads");
    if (!json_is_array(ads) || json_array_size(ads) != expected)
        world_problem(world, "ranking %s: %zu ads, expected %zu", query, json_array_size(ads), expected);
    for (size_t i = 0; i < expected && fine(world); i++) {
        json_t *ad = json_array_get(ads, i);
        struct bytes id = bytes_of_text(json_string_value(json_object_get(ad, "ad_id")));
        uint64_t count = (uint64_t)json_integer_value(json_object_get(ad, "count"));
        if (!bytes_equal(id, totals[i].ad_id) || count != totals[i].count)
            world_problem(world, "ranking %s: place %zu is %s with %" PRIu64, query, i + 1, (const char *)id.at, count);
    }
    json_decref(answer);
    free(totals);
}

void compare_ranking(struct world *world, struct node *node, const struct oracle *oracle) {
    struct oracle_counts counts = counts_of(oracle);
    if (counts.count == 0) return;
    struct minute at = counts.cells[below(world, counts.count)].minute;
    uint32_t window = 1 + (uint32_t)below(world, 200);
    size_t count_max = 1 + below(world, 40);
    char query[128];
    (void)snprintf(query, sizeof query, "at=%lld&window=%u&count=%zu", (long long)minute_start(at).ms, window, count_max);
    world_ask(world, node, "/v1/ads/popular_ads", query);
    compare_ranking_answer(world, query, &counts, (struct minute){at.index + 1 - window}, (struct minute){at.index + 1},
                           count_max);
}

void compare_counts(struct world *world, struct node *node, const struct oracle *oracle) {
    struct oracle_counts counts = counts_of(oracle);
    if (counts.count == 0) return;
    const struct oracle_cell *cell = &counts.cells[below(world, counts.count)];
    if (memchr(cell->ad_id.at, ',', cell->ad_id.len) != NULL) return;
    struct minute from = {cell->minute.index - (uint32_t)below(world, 30)},
                  to = {cell->minute.index + 1 + (uint32_t)below(world, 300)};
    char path[256], query[96];
    (void)snprintf(path, sizeof path, "/v1/ads/%.*s/aggregated_cnt", (int)cell->ad_id.len, (const char *)cell->ad_id.at);
    (void)snprintf(query, sizeof query, "from=%lld&to=%lld", (long long)minute_start(from).ms,
                   (long long)minute_start(to).ms);
    world_ask(world, node, path, query);
    uint64_t sum = oracle_counts_sum(&counts, cell->ad_id, from, to);
    if (answer_number(&world->answer, "count") != sum)
        world_problem(world, "%s?%s: %" PRIu64 " expected, answer %.*s", path, query, sum, (int)world->answer.len,
                      (const char *)world->answer.at);
}
