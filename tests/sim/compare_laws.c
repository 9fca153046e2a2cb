/* compare_laws.c: the three laws of conservation (I4), of a node that has caught up. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "sim/compare.h"

static json_t *ask(struct world *world, struct node *node, const char *path, const char *query) {
    world_ask(world, node, path, query);
    json_t *answer = json_loadb((const char *)world->answer.at, world->answer.len, 0, NULL);
    if (world->answer_status != 200 || answer == NULL)
        world_problem(world, "%s?%s: %u %.*s", path, query, world->answer_status, (int)world->answer.len,
                      (const char *)world->answer.at);
    return answer;
}

struct verdict_counts {
    uint64_t clicks, of[VERDICT_TOO_LATE + 1];
};

static struct verdict_counts oracle_verdicts(const struct oracle *oracle) {
    size_t count;
    struct verdict_counts counts = {0};
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count; i++) {
        if (records[i].kind != ORACLE_CLICK) continue;
        counts.clicks++;
        if (records[i].verdict <= VERDICT_TOO_LATE) counts.of[records[i].verdict]++;
    }
    return counts;
}

/* received = accepted + rejected; accepted = the sum of the verdicts = the clicks in the journal. */
static void compare_intake_and_partitions(struct world *world, struct node *node, const struct oracle *oracle) {
    static const char stated[] = "\"conservation\":{\"intake\":true,\"partitions\":true,\"cells\":true}";
    world_ask(world, node, "/v1/status", "");
    const struct buffer *answer = &world->answer;
    struct verdict_counts counts = oracle_verdicts(oracle);
    uint64_t accepted = answer_number(answer, "accepted");
    bool intake = answer_number(answer, "received") == accepted + answer_number(answer, "rejected");
    bool verdicts = answer_number(answer, "counted") == counts.of[VERDICT_COUNTED] &&
                    answer_number(answer, "duplicate") == counts.of[VERDICT_DUPLICATE] &&
                    answer_number(answer, "conflict") == counts.of[VERDICT_CONFLICT] &&
                    answer_number(answer, "too_late") == counts.of[VERDICT_TOO_LATE] &&
                    answer_number(answer, "invalid") == 0 && answer_number(answer, "pending") == 0;
    bool holds = memmem(answer->at, answer->len, stated, sizeof stated - 1) != NULL;
    if (!intake || !verdicts || !holds || accepted != counts.clicks)
        world_problem(world, "the laws of intake and partitions: %" PRIu64 " clicks, answer %.*s", counts.clicks,
                      (int)answer->len, (const char *)answer->at);
}

static uint64_t series_sum(struct world *world, struct node *node, const char *path, const char *range, const char *step) {
    char query[160];
    uint64_t sum = 0;
    (void)snprintf(query, sizeof query, "%s&step=%s", range, step);
    json_t *answer = ask(world, node, path, query), *counts = json_object_get(answer, "counts");
    for (size_t i = 0; i < json_array_size(counts); i++) sum += (uint64_t)json_integer_value(json_array_get(counts, i));
    json_decref(answer);
    return sum;
}

struct widths {
    uint64_t minutes, hours, days, expected;
};

/* Of one ad, over days, beginning with the one that holds the cell at `*at`: as many as one answer has minutes for. Moves on
 * to the first cell behind. */
static void sum_some_days(struct world *world, struct node *node, const char *path, const struct oracle_counts *cells,
                          size_t *at, struct widths *sums) {
    enum { DAY = 1440, DAYS = 7 };
    uint32_t day = cells->cells[*at].minute.index / DAY;
    struct minute from = {day * DAY}, to = {(day + DAYS) * DAY};
    char range[96];
    (void)snprintf(range, sizeof range, "from=%lld&to=%lld", (long long)minute_start(from).ms,
                   (long long)minute_start(to).ms);
    sums->minutes += series_sum(world, node, path, range, "minute");
    sums->hours += series_sum(world, node, path, range, "hour");
    sums->days += series_sum(world, node, path, range, "day");
    for (; *at < cells->count && cells->cells[*at].minute.index < to.index; (*at)++)
        sums->expected += cells->cells[*at].count;
}

static void compare_widths(struct world *world, struct node *node, const struct oracle_counts *cells) {
    struct widths sums = {0};
    struct bytes ad_id = cells->cells[0].ad_id;
    char id[3 * ID_BYTES_MAX + 1], path[sizeof id + 32], range[96];
    for (size_t i = 0; i < ad_id.len; i++) (void)snprintf(id + 3 * i, 4, "%%%02x", ad_id.at[i]);
    (void)snprintf(path, sizeof path, "/v1/ads/%s/series", id);
    for (size_t at = 0; at < cells->count && fine(world);) sum_some_days(world, node, path, cells, &at, &sums);
    (void)snprintf(range, sizeof range, "from=%lld&to=%lld", (long long)minute_start(cells->cells[0].minute).ms,
                   (long long)minute_end(cells->cells[cells->count - 1].minute).ms);
    (void)snprintf(path, sizeof path, "/v1/ads/%s/aggregated_cnt", id);
    json_decref(ask(world, node, path, range));
    uint64_t count = answer_number(&world->answer, "count");
    if (fine(world) && (count != sums.expected || sums.minutes != sums.expected || sums.hours != sums.expected ||
                        sums.days != sums.expected))
        world_problem(world,
                      "the law of cells: %s?%s: %" PRIu64 " in all, %" PRIu64 " in minutes, %" PRIu64 " in hours, %" PRIu64
                      " in days, expected %" PRIu64,
                      path, range, count, sums.minutes, sums.hours, sums.days, sums.expected);
    world->coverage->ads_summed_in_all_widths++;
}

void compare_all_widths(struct world *world, struct node *node, const struct oracle *oracle) {
    struct oracle_counts counts;
    counts.cells = oracle_cells(oracle, &counts.count);
    for (size_t from = 0, to = 0; from < counts.count && fine(world); from = to) {
        while (to < counts.count && bytes_equal(counts.cells[to].ad_id, counts.cells[from].ad_id)) to++;
        struct oracle_counts ad = {counts.cells + from, to - from};
        compare_widths(world, node, &ad);
    }
}

void compare_laws(struct world *world, struct node *node, const struct oracle *oracle) {
    size_t cell_count;
    uint64_t sum = 0;
    const struct oracle_cell *cells = oracle_cells(oracle, &cell_count);
    for (size_t i = 0; i < cell_count; i++) sum += cells[i].count;
    if (sum != oracle_verdicts(oracle).of[VERDICT_COUNTED]) world_problem(world, "the oracle's own cells do not add up");
    compare_intake_and_partitions(world, node, oracle);
}
