/* compare.c: after a run: journal, oracle, store, replays and answers against each other. */
#include <inttypes.h>
#include <stdio.h>

#include "audit/audit.h"
#include "click/country.h"
#include "click/timestamp.h"
#include "sim/compare.h"

struct oracle *count_by_oracle(struct world *world, struct failure *failure) {
    struct oracle *oracle = NULL;
    struct journal *journal;
    struct files files = fake_files_table(world->files);
    struct journal_options options = {.files = &files, .random = &world->seam.random, .segment_bytes = 1 << 20};
    if (journal_open(&options, &journal, failure) != STATUS_OK) return NULL;
    if (audit_count_journal(journal, &oracle, failure) != STATUS_OK) oracle = NULL;
    world->coverage->segments += journal_totals(journal).segments > 1;
    journal_destroy(journal);
    return oracle;
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

static enum status export_cells(struct world *world, struct node *node, struct buffer *csv) {
    struct failure failure = {0};
    enum status status =
        node_export(node, &(struct view_export_wanted){.table = VIEW_TABLE_CELLS}, append_part, csv, &failure);
    if (status != STATUS_OK) world_problem(world, "export: %s", failure.text);
    return status;
}

/* Opens a node on the world's files and the kv given, lets it catch up, and compares what it says. `whole`: once every wish
 * to count a filter's past is fulfilled, all its cells, to be compared with those of another replay. `sums`: those of every
 * ad too, which takes longer. */
static void compare_node(struct world *world, const char *what, const struct oracle *oracle, const struct buffer *expected,
                         struct buffer *whole, bool sums) {
    struct failure failure;
    struct buffer csv = {0};
    struct node *node;
    if (!world_start(world, &node, &failure)) {
        world_problem(world, "%s: the start: %s", what, failure.text);
        return;
    }
    if (export_cells(world, node, &csv) == STATUS_OK) {
        keep_all_clicks(&csv);
        compare_csv(world, what, &csv, expected);
    }
    if (fine(world)) compare_laws(world, node, oracle);
    for (int i = 0; i < 8 && fine(world); i++) {
        compare_ranking(world, node, oracle);
        compare_counts(world, node, oracle);
    }
    if (fine(world) && sums) compare_all_widths(world, node, oracle);
    if (fine(world)) compare_filters(world, node, oracle);
    if (fine(world)) (void)export_cells(world, node, whole);
    if (node_phase(node) != NODE_FAILED) node_abandon(node, "compared");
    node_close(node);
    buffer_fini(&csv);
}

/* Whoever reads a damaged value notices it: the start or the export says so, or what is exported is right. */
static void compare_rotten(struct world *world, const struct buffer *expected) {
    struct failure failure;
    struct buffer csv = {0};
    struct node *node;
    if (!world_rot_store(world, 1 + below(world, 12))) return;
    bool started = world_start(world, &node, &failure);
    if (!started && fine(world)) {
        if (!world_names_the_store(&failure)) world_problem(world, "with a damaged store: the start: %s", failure.text);
        world->coverage->rotten_stores_noticed++;
    }
    if (!started) return;
    struct view_export_wanted wanted = {.table = VIEW_TABLE_CELLS};
    if (node_export(node, &wanted, append_part, &csv, &failure) == STATUS_OK) {
        keep_all_clicks(&csv);
        compare_csv(world, "with a damaged store", &csv, expected);
    } else {
        if (!world_names_the_store(&failure)) world_problem(world, "with a damaged store: export: %s", failure.text);
        world->coverage->rotten_stores_noticed++;
    }
    if (node_phase(node) != NODE_FAILED) node_abandon(node, "compared");
    node_close(node);
    buffer_fini(&csv);
}

/* I2: with nothing but the journal, in another order and in other portions. */
static void choose_another_order(struct world *world) {
    world->order = below(world, 2) == 0 ? ORDER_TURNS : ORDER_RANDOM;
    world->options.checkpoint_clicks = 1 + below(world, 3000);
    world->options.checkpoint_interval_ms = (int64_t)(1 + below(world, 100)) * SECOND_MS;
    world->options.pending_clicks_max = 1 + below(world, 20000);
    world->options.window_memory_bytes = (256 << 10) + below(world, 4 << 20);
    world->options.slices_memory_bytes = (256 << 10) + below(world, 4 << 20);
    world->coverage->replays_in_another_order++;
}

bool world_compare(struct world *world) {
    struct failure failure = {0};
    struct buffer expected = {0}, whole = {0}, again = {0};
    world_place(world, UINT32_MAX - 2);
    /* What the run proposed was written, or not: the comparison proposes nothing. */
    world->options.proposal = (struct rules_proposal){0};
    struct oracle *oracle = count_by_oracle(world, &failure);
    if (oracle == NULL) {
        world_problem(world, "the oracle cannot read the journal: %s", failure.text);
        return false;
    }
    oracle_csv(oracle, &expected);
    compare_acknowledged(world, oracle);
    compare_sealed(world, oracle);
    compare_arrivals(world, oracle);
    bool rots = world->treacherous && world->rots_store && may(world, EVENT_store_rot);
    if (fine(world) && (rots || world->store_rotten)) compare_rotten(world, &expected);
    if (world->store_rotten) world_wipe_store(world);
    if (fine(world)) compare_node(world, "with its store", oracle, &expected, &whole, true);
    compare_verdicts(world, oracle);
    note_jumps(world, oracle);
    note_rules(world, oracle);
    note_filtered_clicks(world, oracle);
    world_wipe_store(world);
    choose_another_order(world);
    if (fine(world)) compare_node(world, "with its store removed", oracle, &expected, &again, false);
    if (fine(world) && !bytes_equal(buffer_view(&whole), buffer_view(&again)))
        world_problem(world, "the two replays export other cells of filters");
    buffer_fini(&whole);
    buffer_fini(&again);
    buffer_fini(&expected);
    oracle_destroy(oracle);
    return fine(world);
}
