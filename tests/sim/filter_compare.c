/* filter_compare.c: answers by filter against the oracle's plain scan. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "click/timestamp.h"
#include "oracle/oracle_filters.h"
#include "sim/compare.h"

/* What is asked by one filter, and what must be answered. */
struct asked {
    const struct oracle *oracle;
    struct node *node;
    char choice[1536]; /* "filter=12", or "region=...&ip=...&user_id=..." */
    struct oracle_counts all, counts;
    bool settled; /* nothing is left to recalculate: `covers_part` and `covers_from` are what is answered */
    bool covers_part;
    struct minute covers_from;
};

/* --- an answer's members --- */

static bool read_minute(const json_t *answer, const char *name, struct minute *minute) {
    struct event_time time;
    const char *text = json_string_value(json_object_get(answer, name));
    if (text == NULL || !timestamp_parse_question(bytes_of_text(text), &time)) return false;
    *minute = minute_of(time);
    return true;
}

/* Whether `covers_from` is what it must be, and what it makes of the range: the first minute that counts. */
static struct minute check_cover(struct world *world, const struct asked *asked, const json_t *answer, const char *query,
                                 struct minute from, struct minute to, uint32_t step) {
    struct minute covers_from = {0}, used = {0}, counted = from;
    bool part = read_minute(answer, "covers_from", &covers_from);
    if (asked->settled ? part != asked->covers_part || (part && covers_from.index != asked->covers_from.index)
                       : asked->covers_part && !part)
        world_problem(world, "%s: covers from %u, expected %u: %.*s", query, covers_from.index, asked->covers_from.index,
                      (int)world->answer.len, (const char *)world->answer.at);
    bool complete = !part || covers_from.index <= from.index;
    if (!complete) counted = covers_from.index < to.index ? covers_from : to;
    if (json_is_true(json_object_get(answer, "complete")) != complete || !read_minute(answer, "from", &used) ||
        used.index != counted.index - (complete ? 0 : counted.index % step))
        world_problem(world, "%s: the range is not what it covers: %.*s", query, (int)world->answer.len,
                      (const char *)world->answer.at);
    world->coverage->partly_covered += !complete;
    return counted;
}

/* Asks; NULL after a problem. */
static json_t *ask(struct world *world, struct node *node, const char *path, const char *query) {
    world_ask(world, node, path, query);
    json_t *answer = json_loadb((const char *)world->answer.at, world->answer.len, 0, NULL);
    if (world->answer_status != 200 || answer == NULL)
        world_problem(world, "%s?%s: %u %.*s", path, query, world->answer_status, (int)world->answer.len,
                      (const char *)world->answer.at);
    return answer;
}

/* --- questions --- */

/* About some click, mostly one that the filter matches. */
static const struct oracle_cell *choose_cell(struct world *world, const struct asked *asked) {
    const struct oracle_counts *counts = asked->counts.count > 0 && below(world, 4) > 0 ? &asked->counts : &asked->all;
    return &counts->cells[below(world, counts->count)];
}

static struct minute before(struct minute minute, uint64_t minutes) {
    return (struct minute){minute.index > minutes ? minute.index - (uint32_t)minutes : 0};
}

static void compare_count(struct world *world, const struct asked *asked) {
    const struct oracle_cell *cell = choose_cell(world, asked);
    if (memchr(cell->ad_id.at, ',', cell->ad_id.len) != NULL) return;
    struct minute from = before(cell->minute, below(world, 30)), to = {cell->minute.index + 1 + (uint32_t)below(world, 300)};
    if (below(world, 4) == 0) from = before(cell->minute, 3000); /* all of it */
    char path[256], query[2048];
    (void)snprintf(path, sizeof path, "/v1/ads/%.*s/aggregated_cnt", (int)cell->ad_id.len, (const char *)cell->ad_id.at);
    (void)snprintf(query, sizeof query, "%s&from=%lld&to=%lld", asked->choice, (long long)minute_start(from).ms,
                   (long long)minute_start(to).ms);
    json_t *answer = ask(world, asked->node, path, query);
    struct minute counted = check_cover(world, asked, answer, query, from, to, 1);
    uint64_t sum = oracle_counts_sum(&asked->counts, cell->ad_id, counted, to);
    if (fine(world) && answer_number(&world->answer, "count") != sum)
        world_problem(world, "%s?%s: %" PRIu64 " expected, answer %.*s", path, query, sum, (int)world->answer.len,
                      (const char *)world->answer.at);
    world->coverage->filtered_counts += sum > 0;
    json_decref(answer);
}

static void compare_series(struct world *world, const struct asked *asked) {
    const struct oracle_cell *cell = choose_cell(world, asked);
    if (memchr(cell->ad_id.at, ',', cell->ad_id.len) != NULL) return;
    static const struct {
        uint32_t minutes;
        const char *name;
    } steps[] = {{1, "minute"}, {60, "hour"}, {1440, "day"}};
    const uint64_t chance = below(world, 6); /* half of them by minute */
    const size_t chosen = chance < 3 ? 0 : chance < 5 ? 1 : 2;
    const uint32_t step = steps[chosen].minutes;
    struct minute from = before(cell->minute, below(world, 100)),
                  to = {cell->minute.index + 1 + (uint32_t)below(world, 100)};
    from.index -= from.index % step;
    to.index += (step - to.index % step) % step;
    char path[256], query[2048];
    (void)snprintf(path, sizeof path, "/v1/ads/%.*s/series", (int)cell->ad_id.len, (const char *)cell->ad_id.at);
    (void)snprintf(query, sizeof query, "%s&from=%lld&to=%lld&step=%s", asked->choice, (long long)minute_start(from).ms,
                   (long long)minute_start(to).ms, steps[chosen].name);
    json_t *answer = ask(world, asked->node, path, query), *counts = json_object_get(answer, "counts");
    struct minute counted = check_cover(world, asked, answer, query, from, to, step);
    struct minute used = {counted.index > from.index ? counted.index - counted.index % step : from.index};
    if (fine(world) && json_array_size(counts) != (to.index - used.index) / step)
        world_problem(world, "%s?%s: %zu points", path, query, json_array_size(counts));
    for (size_t i = 0; i < json_array_size(counts) && fine(world); i++) {
        struct minute first = {used.index + (uint32_t)i * step}, end = {first.index + step};
        if (first.index < counted.index) first = counted;
        uint64_t sum = oracle_counts_sum(&asked->counts, cell->ad_id, first, end);
        if ((uint64_t)json_integer_value(json_array_get(counts, i)) != sum)
            world_problem(world, "%s?%s: point %zu: %" PRIu64 " expected", path, query, i, sum);
        world->coverage->filtered_series += sum > 0;
    }
    json_decref(answer);
}

static void compare_filtered_ranking(struct world *world, const struct asked *asked) {
    const struct oracle_cell *cell = choose_cell(world, asked);
    static const uint32_t windows[] = {1, 5, 15, 60, 1440};
    uint32_t window = below(world, 2) == 0 ? windows[below(world, 5)] : 1 + (uint32_t)below(world, 200);
    size_t count_max = 1 + below(world, 40);
    struct minute to = {cell->minute.index + 1 + (uint32_t)below(world, 3)}, from = before(to, window);
    char query[2048];
    (void)snprintf(query, sizeof query, "%s&at=%lld&window=%u&count=%zu", asked->choice,
                   (long long)minute_start((struct minute){to.index - 1}).ms, window, count_max);
    json_t *answer = ask(world, asked->node, "/v1/ads/popular_ads", query);
    struct minute counted = check_cover(world, asked, answer, query, from, to, 1);
    if (fine(world)) compare_ranking_answer(world, query, &asked->counts, counted, to, count_max);
    world->coverage->filtered_rankings += json_array_size(json_object_get(answer, "ads")) > 0;
    json_decref(answer);
}

static void compare_answers(struct world *world, const struct asked *asked) {
    if (asked->all.count == 0) return;
    for (int i = 0; i < 3 && fine(world); i++) {
        compare_count(world, asked);
        if (fine(world)) compare_filtered_ranking(world, asked);
    }
    if (fine(world)) compare_series(world, asked);
}

/* --- the filters --- */

static struct asked asked_of(const struct oracle *oracle, struct node *node, bool settled) {
    struct asked asked = {.oracle = oracle, .node = node, .settled = settled};
    asked.all.cells = oracle_cells(oracle, &asked.all.count);
    return asked;
}

static void compare_filter(struct world *world, struct node *node, const struct oracle_filters *filters,
                           const struct oracle_filter *filter, const struct oracle *oracle, bool settled) {
    char path[64];
    uint32_t id = filter->filter->id;
    const struct known_filter *known = &world->filters.known[id];
    if (known->stage == FILTER_GONE && !filter->deleted) world_problem(world, "filter %u was deleted, and stands", id);
    if (known->stage == FILTER_STANDING && filter->deleted && !known->unsure)
        world_problem(world, "filter %u was deleted by nobody", id);
    (void)snprintf(path, sizeof path, "/v1/filters/%u", id);
    if (filter->deleted) {
        world_ask(world, node, path, "");
        if (world->answer_status != 404) world_problem(world, "%s: %u for a deleted one", path, world->answer_status);
        return;
    }
    struct asked asked = asked_of(oracle, node, settled);
    asked.covers_part = oracle_filters_cover(filters, filter->filter, &asked.covers_from) == ORACLE_COVERS_PART;
    (void)snprintf(asked.choice, sizeof asked.choice, "filter=%s%u", below(world, 4) == 0 ? "0" : "", id);
    json_t *answer = ask(world, node, path, "");
    struct minute covers_from;
    bool part = read_minute(answer, "covers_from", &covers_from);
    if (json_integer_value(json_object_get(answer, "number")) != filter->number ||
        (settled && (part != asked.covers_part || (part && covers_from.index != asked.covers_from.index))))
        world_problem(world, "%s: %.*s", path, (int)world->answer.len, (const char *)world->answer.at);
    json_decref(answer);
    struct oracle_cell *cells = oracle_filter_cells(oracle, filter->filter, &asked.counts.count);
    asked.counts.cells = cells;
    if (fine(world)) compare_answers(world, &asked);
    free(cells);
}

/* A filter that is asked once: answered if all that it needs is counted for some other, refused if not. */
static void compare_once(struct world *world, struct node *node, const struct oracle_filters *filters,
                         const struct oracle *oracle) {
    struct filter_wish wish;
    filter_wish_make(&world->random, 0, &wish);
    struct filter *filter = filter_wish_parse(&wish);
    if (filter == NULL) return;
    struct buffer choice = {0};
    struct asked asked = asked_of(oracle, node, true);
    filter_wish_query(&wish, &choice);
    (void)snprintf(asked.choice, sizeof asked.choice, "%.*s", (int)choice.len - 1, (const char *)choice.at + 1);
    enum oracle_cover cover = oracle_filters_cover(filters, filter, &asked.covers_from);
    asked.covers_part = cover == ORACLE_COVERS_PART;
    if (cover == ORACLE_COVERS_NOTHING) {
        world_ask(world, node, "/v1/ads/ad0/aggregated_cnt", asked.choice);
        if (world->answer_status != 400)
            world_problem(world, "%s: %u, though nothing counts it", asked.choice, world->answer_status);
        world->coverage->asked_once_in_vain++;
    } else {
        struct oracle_cell *cells = oracle_filter_cells(oracle, filter, &asked.counts.count);
        asked.counts.cells = cells;
        compare_answers(world, &asked);
        world->coverage->asked_once += !filter_is_region_only(filter);
        free(cells);
    }
    buffer_fini(&choice);
    filter_destroy(filter);
}

static void settle(struct world *world, struct node *node) {
    unsigned steps = 0, idle = 0;
    while (idle < 200 && steps++ < 1000000 && node_phase(node) != NODE_FAILED) {
        idle = world_step_node(world, node) ? 0 : idle + 1;
    }
    if (idle < 200) world_problem(world, "the recalculations do not end: %s", node_failure(node)->text);
}

static void compare_list(struct world *world, struct node *node, const struct oracle_filter *filters, size_t count) {
    json_t *answer = ask(world, node, "/v1/filters", "");
    size_t standing = 0;
    for (size_t i = 0; i < count; i++) standing += !filters[i].deleted;
    if (fine(world) && json_array_size(json_object_get(answer, "filters")) != standing)
        world_problem(world, "%zu filters stand, not %zu: %.*s", standing,
                      json_array_size(json_object_get(answer, "filters")), (int)world->answer.len,
                      (const char *)world->answer.at);
    json_decref(answer);
}

static bool was_recalculated(const struct oracle *oracle, const struct oracle_filters *filters, uint32_t id) {
    size_t count, filter_count;
    const struct oracle_record *records = oracle_records(oracle, &count);
    const struct oracle_filter *all = oracle_filters_all(filters, &filter_count);
    bool wanted = false, stands = false;
    for (size_t i = 0; i < count; i++)
        wanted = wanted || (records[i].kind == ORACLE_FILTER && records[i].filter_record.id == id &&
                            records[i].filter_record.action == FILTER_RECALCULATE);
    for (size_t i = 0; i < filter_count; i++) stands = stands || (all[i].filter->id == id && !all[i].deleted);
    return wanted && stands;
}

void compare_filters(struct world *world, struct node *node, const struct oracle *oracle) {
    char flaw[256];
    size_t count;
    struct oracle_filters *filters = oracle_filters_create(oracle, flaw);
    const struct oracle_filter *all = oracle_filters_all(filters, &count);
    if (flaw[0] != '\0') world_problem(world, "%s", flaw);
    for (uint32_t id = 1; id <= FILTER_IDS; id++) {
        bool found = false;
        for (size_t i = 0; i < count; i++) found = found || all[i].filter->id == id;
        if (!found && world->filters.known[id].stage != FILTER_ABSENT) world_problem(world, "filter %u is lost", id);
    }
    if (fine(world)) compare_list(world, node, all, count);
    for (size_t i = 0; i < count && fine(world); i++) compare_filter(world, node, filters, &all[i], oracle, false);
    if (fine(world)) settle(world, node);
    for (size_t i = 0; i < count && fine(world); i++) compare_filter(world, node, filters, &all[i], oracle, true);
    for (int i = 0; i < 12 && fine(world); i++) compare_once(world, node, filters, oracle);
    for (uint32_t id = 1; id <= FILTER_IDS; id++)
        world->coverage->recalculations_finished += was_recalculated(oracle, filters, id);
    oracle_filters_destroy(filters);
}
