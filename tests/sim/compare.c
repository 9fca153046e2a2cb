/* compare.c: after a run: journal, oracle, store, replays and answers against each other. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit/audit.h"
#include "click/country.h"
#include "click/ip.h"
#include "click/timestamp.h"
#include "sim/compare.h"

static uint64_t below(struct world *world, uint64_t bound) {
    return random_sequence_below(&world->random, bound);
}

static bool fine(const struct world *world) {
    return world->problem[0] == '\0';
}

static struct oracle *count_by_oracle(struct world *world) {
    struct failure failure = {0};
    struct oracle *oracle = NULL;
    struct journal *journal;
    struct files files = fake_files_table(world->files);
    struct journal_options options = {.files = &files, .random = &world->seam.random, .segment_bytes = 1 << 20};
    if (journal_open(&options, &journal, &failure) != STATUS_OK) {
        world_problem(world, "the journal does not open for the oracle: %s", failure.text);
        return NULL;
    }
    if (audit_count_journal(journal, &oracle, &failure) != STATUS_OK) world_problem(world, "oracle: %s", failure.text);
    world->coverage->segments += journal_totals(journal).segments > 1;
    journal_destroy(journal);
    return oracle;
}

/* --- verdict for verdict --- */

static void compare_verdicts(struct world *world, const struct oracle *oracle) {
    size_t count;
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count && fine(world); i++) {
        const struct oracle_record *record = &records[i];
        world->coverage->ticks += record->kind == ORACLE_TICK;
        if (record->kind != ORACLE_CLICK) continue;
        const struct world_verdicts *verdicts = &world->verdicts[record->partition];
        int judged = record->offset.at < verdicts->count ? verdicts->at[record->offset.at] : NO_VERDICT;
        if (judged != (int)record->verdict)
            world_problem(world, "partition %u offset %" PRIu64 ": the node judged %d, the oracle %d", record->partition,
                          record->offset.at, judged, (int)record->verdict);
        world->coverage->counted += record->verdict == VERDICT_COUNTED;
        world->coverage->duplicate += record->verdict == VERDICT_DUPLICATE;
        world->coverage->conflict += record->verdict == VERDICT_CONFLICT;
        world->coverage->too_late += record->verdict == VERDICT_TOO_LATE;
    }
}

/* How often the jump guard held a click back, and believed one: told by the product's own watermark. */
static void note_jumps(struct world *world, const struct oracle *oracle) {
    size_t count;
    struct watermark watermark;
    struct rules in_force = {0};
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count; i++) {
        const struct oracle_record *record = &records[i];
        if (i == 0 || record->partition != records[i - 1].partition) watermark_init(&watermark);
        if (record->kind == ORACLE_RULES) in_force = record->rules;
        if (record->kind == ORACLE_TICK) watermark_tick(&watermark, &in_force, record->floor);
        if (record->kind != ORACLE_CLICK) continue;
        uint32_t held = watermark.guard_count;
        watermark_click(&watermark, &in_force, record->click.time, record->arrival, &record->click.identity);
        world->coverage->guarded_jumps += watermark.guard_count > held;
        world->coverage->believed_jumps +=
            held == WATERMARK_JUMP_CLICKS - 1 && watermark.guard_count == 0 && record->click.time.ms >= watermark.seen.ms;
    }
}

/* --- all that was acknowledged is in the journal --- */

static int compare_texts(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static char *text_of_click(const struct click *click) {
    char ip[IP_TEXT_BYTES], country[4], *text = memory_allocate(1024);
    ip_text(&click->ip, ip);
    country_text(click->country, country);
    (void)snprintf(text, 1024, "%.*s|%.*s|%.*s|%lld|%.*s|%s|%s", (int)click->source.len, (const char *)click->source.at,
                   (int)click->event_id.len, (const char *)click->event_id.at, (int)click->ad_id.len,
                   (const char *)click->ad_id.at, (long long)click->time.ms, (int)click->user_id.len,
                   (const char *)click->user_id.at, ip, country);
    return text;
}

static void compare_acknowledged(struct world *world, const struct oracle *oracle) {
    size_t count, click_count = 0;
    const struct oracle_record *records = oracle_records(oracle, &count);
    char **texts = memory_allocate(count * sizeof(char *));
    for (size_t i = 0; i < count; i++)
        if (records[i].kind == ORACLE_CLICK) texts[click_count++] = text_of_click(&records[i].click);
    if (click_count > 0) qsort(texts, click_count, sizeof(char *), compare_texts);
    if (world->acknowledged_count > 0) qsort(world->acknowledged, world->acknowledged_count, sizeof(char *), compare_texts);
    size_t at = 0;
    for (size_t i = 0; i < world->acknowledged_count && fine(world); i++, at++) {
        while (at < click_count && strcmp(texts[at], world->acknowledged[i]) < 0) at++;
        if (at == click_count || strcmp(texts[at], world->acknowledged[i]) != 0)
            world_problem(world, "acknowledged, but not in the journal: %s", world->acknowledged[i]);
    }
    for (size_t i = 0; i < click_count; i++) free(texts[i]);
    free(texts);
}

/* --- cell for cell, in three ways --- */

static enum status append_part(void *context, struct bytes part) {
    buffer_append_bytes(context, part);
    return STATUS_OK;
}

/* An export of all cells, without the rows of other atoms than 0: those come through the answers by filter. */
static void keep_all_clicks(struct buffer *csv) {
    size_t kept = 0;
    for (size_t at = 0, end; at < csv->len; at = end) {
        const uint8_t *newline = memchr(csv->at + at, '\n', csv->len - at);
        end = newline == NULL ? csv->len : (size_t)(newline - csv->at) + 1;
        size_t field = end, commas = 0;
        while (field > at && commas < 3) commas += csv->at[--field] == ',';
        if (commas == 3 && csv->at[field + 1] != '0' && csv->at[field + 1] != 'a') continue; /* "atom": the names */
        memmove(csv->at + kept, csv->at + at, end - at);
        kept += end - at;
    }
    csv->len = kept;
}

static void oracle_csv(const struct oracle *oracle, struct buffer *csv) {
    size_t count;
    const struct oracle_cell *cells = oracle_cells(oracle, &count);
    buffer_append_text(csv, "ad_id,minute,atom,country,count\n");
    for (size_t i = 0; i < count; i++) {
        char minute[TIMESTAMP_TEXT_BYTES], country[4];
        const char *quote = memchr(cells[i].ad_id.at, ',', cells[i].ad_id.len) != NULL ? "\"" : "";
        timestamp_text(minute_start(cells[i].minute), minute);
        country_text(cells[i].country, country);
        buffer_printf(csv, "%s%.*s%s,%s,0,%s,%" PRIu64 "\n", quote, (int)cells[i].ad_id.len, (const char *)cells[i].ad_id.at,
                      quote, minute, country, cells[i].count);
    }
}

static void compare_csv(struct world *world, const char *what, const struct buffer *csv, const struct buffer *expected) {
    if (bytes_equal(buffer_view(csv), buffer_view(expected))) return;
    size_t at = 0, line = 0;
    while (at < csv->len && at < expected->len && csv->at[at] == expected->at[at]) {
        at++;
        if (csv->at[at - 1] == '\n') line = at;
    }
    world_problem(world, "%s: the export differs from the oracle's: %.*s / %.*s", what,
                  (int)(csv->len - line > 120 ? 120 : csv->len - line), (const char *)csv->at + line,
                  (int)(expected->len - line > 120 ? 120 : expected->len - line), (const char *)expected->at + line);
}

/* --- questions --- */

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

static void compare_sealed(struct world *world, const struct oracle *oracle) {
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

static void compare_ranking(struct world *world, struct node *node, const struct oracle *oracle) {
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

static void compare_counts(struct world *world, struct node *node, const struct oracle *oracle) {
    struct oracle_counts counts = counts_of(oracle);
    if (counts.count == 0) return;
    const struct oracle_cell *cell = &counts.cells[below(world, counts.count)];
    if (memchr(cell->ad_id.at, ',', cell->ad_id.len) != NULL) return;
    struct minute from = {cell->minute.index - (uint32_t)below(world, 30)},
                  to = {cell->minute.index + 1 + (uint32_t)below(world, 300)};
    char path[96], query[96];
    (void)snprintf(path, sizeof path, "/v1/ads/%.*s/aggregated_cnt", (int)cell->ad_id.len, (const char *)cell->ad_id.at);
    (void)snprintf(query, sizeof query, "from=%lld&to=%lld", (long long)minute_start(from).ms,
                   (long long)minute_start(to).ms);
    world_ask(world, node, path, query);
    uint64_t sum = oracle_counts_sum(&counts, cell->ad_id, from, to);
    if (answer_number(&world->answer, "count") != sum)
        world_problem(world, "%s?%s: %" PRIu64 " expected, answer %.*s", path, query, sum, (int)world->answer.len,
                      (const char *)world->answer.at);
}

/* Opens a node on the world's files and the kv given, lets it catch up in a random order, and compares what it says. */
static void compare_node(struct world *world, const char *what, const struct oracle *oracle, const struct buffer *expected) {
    struct failure failure = {0};
    struct buffer csv = {0};
    struct node *node;
    if (world_open(world, &node)) {
        world_step_until_serving(world, node);
        if (fine(world) && node_export(node, &(struct view_export_wanted){.table = VIEW_TABLE_CELLS}, append_part, &csv,
                                       &failure) != STATUS_OK)
            world_problem(world, "%s: export: %s", what, failure.text);
        keep_all_clicks(&csv);
        if (fine(world)) compare_csv(world, what, &csv, expected);
        for (int i = 0; i < 8 && fine(world); i++) {
            compare_ranking(world, node, oracle);
            compare_counts(world, node, oracle);
        }
        if (fine(world)) compare_filters(world, node, oracle);
        if (node_phase(node) != NODE_FAILED) node_abandon(node, "compared");
        node_close(node);
    }
    buffer_fini(&csv);
}

bool world_compare(struct world *world) {
    struct buffer expected = {0};
    /* What the run proposed was written, or not: the comparison proposes nothing. */
    world->options.proposal = (struct rules_proposal){0};
    struct oracle *oracle = count_by_oracle(world);
    if (oracle == NULL) return false;
    oracle_csv(oracle, &expected);
    compare_acknowledged(world, oracle);
    compare_sealed(world, oracle);
    if (fine(world)) compare_node(world, "with its store", oracle, &expected);
    compare_verdicts(world, oracle);
    note_jumps(world, oracle);
    note_filtered_clicks(world, oracle);
    struct kv kept = world->seam.kv;
    struct fake_kv *empty = fake_kv_create();
    world->seam.kv = fake_kv_table(empty);
    if (fine(world)) compare_node(world, "with its store removed", oracle, &expected);
    fake_kv_destroy(empty);
    world->seam.kv = kept;
    buffer_fini(&expected);
    oracle_destroy(oracle);
    return fine(world);
}
