/* Everything in the files of identities is in the journal too, and every byte of them is under a checksum. So whatever is
 * wrong with them, a start makes them anew; only a block of entries is not read before it is asked: then the node stops with
 * file and byte, and the next start makes the partition's runs anew. The numbers are the same in each case, and copies of
 * all clicks are known as such. */
#include "sweep/runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "dedup/run_format.h"
#include "sweep/script.h"
#include "view/view.h"

enum { LIST_FIRST_NUMBER_AT = 56, CLICKS = 110, ZEROS_SHARE = 16 };
static const char list_path[] = "dedup/p00.manifest";

struct runs {
    struct rig rig; /* not running; a list of runs for each of its two partitions */
    char run_path[64];
    uint64_t entries_end; /* of its blocks of entries */
    struct buffer cells;  /* of what is counted */
};

enum damage_kind { DAMAGE_CUT, DAMAGE_FLIP };
struct damage {
    enum damage_kind kind;
    bool of_list;
    uint64_t at;
    uint8_t mask; /* DAMAGE_FLIP */
};

static enum status append_part(void *context, struct bytes part) {
    buffer_append_bytes(context, part);
    return STATUS_OK;
}

static void export_cells(struct rig *rig, struct buffer *out) {
    static const struct view_export_wanted wanted = {.table = VIEW_TABLE_CELLS};
    struct failure failure = {0};
    buffer_clear(out);
    if (node_export(rig->node, &wanted, append_part, out, &failure) != STATUS_OK)
        rig_problem(rig, "the export failed: %s", failure.text);
}

/* All that was ever sent, once more. False: the node stopped. */
static bool send_copies(struct rig *rig) {
    static const struct rig_post copies = {.first = 0, .count = CLICKS};
    return rig_post(rig, &copies) && rig_pass(rig, SECOND_MS);
}

static void runs_init(struct runs *runs) {
    *runs = (struct runs){0};
    struct rig *rig = &runs->rig, *undamaged = memory_allocate(sizeof *undamaged);
    rig_init(rig, 1);
    CHECK(script_run(script_runs, rig, 0) == script_actions(script_runs) && rig_fine(rig));
    CHECK(script_met_all(script_runs, rig));
    uint64_t number = get_u64(fake_files_content(rig->files, list_path).at + LIST_FIRST_NUMBER_AT);
    (void)snprintf(runs->run_path, sizeof runs->run_path, "dedup/p00-%012" PRIu64 ".run", number);
    struct bytes run = fake_files_content(rig->files, runs->run_path);
    uint64_t blocks = get_u64(run.at + run.len - RUN_BLOCK_BYTES + RUN_END_BLOCKS_AT);
    runs->entries_end = (1 + blocks) * RUN_BLOCK_BYTES;
    rig_init_copy(undamaged, rig, true);
    CHECKF(rig_start(undamaged), "%s", undamaged->failure.text);
    CHECK(node_progress(undamaged->node).partitions_restored == 2);
    export_cells(undamaged, &runs->cells);
    CHECK(send_copies(undamaged));
    rig_compare_counts(undamaged, false);
    CHECKF(rig_fine(undamaged) && runs->cells.len > 0, "%s", undamaged->problem);
    rig_fini(undamaged);
    free(undamaged);
}

static void check_stopped(struct rig *rig, const char *path) {
    if (rig->failure.status != STATUS_CORRUPT || strstr(rig->failure.text, path) == NULL ||
        strstr(rig->failure.text, "byte ") == NULL)
        rig_problem(rig, "it stopped with %s: %s", status_text(rig->failure.status), rig->failure.text);
}

static enum outcome start_damaged(const struct runs *runs, struct rig *rig) {
    bool runs_on = rig_start(rig);
    enum outcome outcome = runs_on && node_progress(rig->node).partitions_rebuilt > 0 ? OUTCOME_REBUILT : OUTCOME_EXACT;
    if (runs_on && send_copies(rig)) return outcome;
    check_stopped(rig, runs->run_path);
    if (!rig_start(rig))
        rig_problem(rig, "the next start was refused: %s", rig->failure.text);
    else if (!send_copies(rig))
        rig_problem(rig, "behind the next start it stopped: %s", rig->failure.text);
    return OUTCOME_STOPPED;
}

static void try_damage(const struct runs *runs, const struct damage *damage, struct row *row) {
    const char *path = damage->of_list ? list_path : runs->run_path;
    struct rig *rig = memory_allocate(sizeof *rig);
    struct buffer cells = {0};
    rig_init_copy(rig, &runs->rig, true);
    if (damage->kind == DAMAGE_CUT)
        fake_files_cut(rig->files, path, damage->at);
    else
        fake_files_flip(rig->files, path, damage->at, damage->mask);
    bool of_entries =
        !damage->of_list && damage->kind == DAMAGE_FLIP && damage->at >= RUN_BLOCK_BYTES && damage->at < runs->entries_end;
    enum outcome outcome = start_damaged(runs, rig);
    if (rig_fine(rig) && outcome != (of_entries ? OUTCOME_STOPPED : OUTCOME_REBUILT))
        rig_problem(rig, "the damage was not seen");
    if (rig_fine(rig)) export_cells(rig, &cells);
    if (rig_fine(rig) && !bytes_equal(buffer_view(&cells), buffer_view(&runs->cells)))
        rig_problem(rig, "other cells than without the damage");
    row_end(row, outcome, rig->problem);
    buffer_fini(&cells);
    rig_fini(rig);
    free(rig);
}

static void sweep_file(const struct runs *runs, bool of_list, enum damage_kind kind, bool all, struct table *table) {
    struct bytes content = fake_files_content(runs->rig.files, of_list ? list_path : runs->run_path);
    struct row *row =
        table_row(table, "%s %s", of_list ? "list of runs" : "run of identities", kind == DAMAGE_CUT ? "cut" : "flipped");
    for (uint64_t at = 0; at < content.len; at++) {
        /* Of the zeros that fill the blocks one is like the other. */
        bool is_fill = !of_list && content.at[at] == 0 && at % ZEROS_SHARE != 0;
        if ((is_fill && !all) || !row_begin(table, row, at + 1)) continue;
        for (int bit = 0; bit < 8; bit++) {
            struct damage damage = {kind, of_list, at, (uint8_t)(1 << bit)};
            bool chosen = kind == DAMAGE_CUT ? bit == 0 : all || bit == (at % 2 == 0 ? 0 : 7);
            if (chosen) try_damage(runs, &damage, row);
        }
    }
}

void sweep_runs(struct table *table, bool all) {
    struct runs *runs = memory_allocate(sizeof *runs);
    table->script = "runs";
    runs_init(runs);
    for (int of_list = 0; of_list < 2; of_list++) {
        sweep_file(runs, of_list == 1, DAMAGE_CUT, all, table);
        sweep_file(runs, of_list == 1, DAMAGE_FLIP, all, table);
    }
    buffer_fini(&runs->cells);
    rig_fini(&runs->rig);
    free(runs);
}
