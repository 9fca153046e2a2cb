/* A start on a damaged journal is exact over the whole records that are left, the rest kept and reported, and only where the
 * rest is the end of the unsealed segment and the store has not counted it; or it is refused with file and byte, and changes
 * nothing. Which of them it has to be is known here from where the records begin and end. */
#include "sweep/damage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "view/view.h"

enum damage_kind { DAMAGE_CUT, DAMAGE_FLIP };

struct damage {
    enum damage_kind kind;
    size_t segment;
    uint64_t at;
    uint8_t mask; /* DAMAGE_FLIP */
};

/* What the start has to be. */
struct expected {
    bool refused;
    size_t records; /* of the last segment that are left */
    uint64_t torn_from, torn_to;
};

/* What a start says with so many records left in the last segment; made once by comparison with the oracle. */
struct known {
    bool is_known;
    struct buffer cells;
};

struct sweep_state {
    struct small small;
    struct known known[SMALL_RECORDS_MAX + 1];
};

static uint64_t left_end(const struct small_segment *segment, size_t records) {
    return records == 0 ? segment->header : segment->records[records - 1].end;
}

/* The whole records in front of a place. */
static size_t whole_before(const struct small_segment *segment, uint64_t at) {
    size_t count = 0;
    while (count < segment->record_count && segment->records[count].end <= at) count++;
    return count;
}

/* I3: what the store counted was acknowledged, so a journal without it is refused. */
static bool lacks_counted(const struct small *small, size_t records) {
    const struct small_segment *before = &small->segments[small->segment_count - 2];
    const struct small_segment *last = &small->segments[small->segment_count - 1];
    const struct small_record *end = records == 0 ? &before->records[before->record_count - 1] : &last->records[records - 1];
    return end->offsets[0] < small->counted[0] || end->offsets[1] < small->counted[1];
}

static struct expected expect(const struct small *small, const struct damage *damage, bool with_store,
                              struct bytes content) {
    const struct small_segment *segment = &small->segments[damage->segment];
    struct expected expected = {.refused = true};
    if (segment->sealed || damage->at < segment->header) return expected;
    if (damage->kind == DAMAGE_FLIP) {
        /* Anywhere but in the last record, a valid one follows. */
        size_t whole = whole_before(segment, damage->at);
        if (whole + 1 < segment->record_count) return expected;
        expected.records = whole;
    } else {
        expected.records = whole_before(segment, damage->at);
    }
    expected.torn_from = left_end(segment, expected.records);
    expected.torn_to = content.len;
    while (expected.torn_to > expected.torn_from && content.at[expected.torn_to - 1] == 0) expected.torn_to--;
    expected.refused = with_store && lacks_counted(small, expected.records);
    return expected;
}

static enum status append_part(void *context, struct bytes part) {
    buffer_append_bytes(context, part);
    return STATUS_OK;
}

static void export_cells(struct rig *rig, struct buffer *out) {
    struct failure failure = {0};
    struct view_export_wanted wanted = {.table = VIEW_TABLE_CELLS};
    if (node_export(rig->node, &wanted, append_part, out, &failure) != STATUS_OK)
        rig_problem(rig, "the export failed: %s", failure.text);
}

/* All that it counts, by the oracle's word: the first time by asking it, then by what was found right then. */
static void compare_cells(struct sweep_state *state, struct rig *rig, size_t records) {
    struct known *known = &state->known[records];
    struct buffer cells = {0};
    export_cells(rig, &cells);
    if (!known->is_known) {
        rig_compare_counts(rig, false);
        known->is_known = true;
        known->cells = cells;
        return;
    }
    if (rig_fine(rig) && !bytes_equal(buffer_view(&cells), buffer_view(&known->cells)))
        rig_problem(rig, "other cells than those of the same %zu records before", records);
    buffer_fini(&cells);
}

static void check_torn(struct rig *rig, const struct expected *expected, struct bytes damaged, const char *path) {
    struct node_progress progress = node_progress(rig->node);
    uint64_t torn = expected->torn_to - expected->torn_from;
    char torn_path[128];
    (void)snprintf(torn_path, sizeof torn_path, "%s.torn", path);
    if (progress.torn_bytes != torn || fake_files_exists(rig->files, torn_path) != (torn > 0) ||
        strcmp(progress.torn_path, torn > 0 ? torn_path : "") != 0) {
        rig_problem(rig, "%" PRIu64 " torn bytes expected, %" PRIu64 " reported, in \"%s\"", torn, progress.torn_bytes,
                    progress.torn_path);
        return;
    }
    if (torn == 0) return;
    struct bytes rest = {damaged.at + expected->torn_from, torn};
    if (!bytes_equal(fake_files_content(rig->files, torn_path), rest))
        rig_problem(rig, "%s is not what stood behind the last whole record", torn_path);
}

static uint64_t clicks_left(const struct small *small, size_t records) {
    const struct small_segment *before = &small->segments[small->segment_count - 2];
    const struct small_segment *last = &small->segments[small->segment_count - 1];
    return records == 0 ? before->records[before->record_count - 1].clicks : last->records[records - 1].clicks;
}

static void check_started(struct sweep_state *state, struct rig *rig, const struct expected *expected,
                          struct bytes damaged) {
    const struct small_segment *last = &state->small.segments[state->small.segment_count - 1];
    char accepted[48];
    (void)snprintf(accepted, sizeof accepted, "\"accepted\":%" PRIu64 ",", clicks_left(&state->small, expected->records));
    check_torn(rig, expected, damaged, last->path);
    if (rig_fine(rig)) compare_cells(state, rig, expected->records);
    if (!rig_fine(rig)) return;
    if (!rig_request(rig, "GET", "/v1/status", "", "", (struct bytes){NULL, 0}) ||
        strstr((const char *)rig->answer.at, accepted) == NULL)
        rig_problem(rig, "%s expected: %.300s", accepted, (const char *)rig->answer.at);
}

static void check_refused(struct rig *rig, const struct fake_files *found, const char *path) {
    const struct failure *failure = &rig->failure;
    if (failure->status != STATUS_CORRUPT && failure->status != STATUS_UNSUPPORTED)
        rig_problem(rig, "refused with %s: %s", status_text(failure->status), failure->text);
    if (strstr(failure->text, path) == NULL || strstr(failure->text, "byte ") == NULL)
        rig_problem(rig, "refused without file and byte: %s", failure->text);
    if (!fake_files_same(rig->files, found)) rig_problem(rig, "it was refused, but files were changed");
}

static void try_damage(struct sweep_state *state, const struct damage *damage, bool with_store, struct row *row) {
    const char *path = state->small.segments[damage->segment].path;
    struct rig *rig = memory_allocate(sizeof *rig);
    rig_init_copy(rig, &state->small.rig, with_store);
    if (damage->kind == DAMAGE_CUT)
        fake_files_cut(rig->files, path, damage->at);
    else
        fake_files_flip(rig->files, path, damage->at, damage->mask);
    struct fake_files *found = fake_files_clone(rig->files, 1);
    struct bytes damaged = fake_files_content(found, path);
    struct expected expected = expect(&state->small, damage, with_store, damaged);
    enum outcome outcome = OUTCOME_REFUSED;
    if (rig_start(rig)) {
        outcome = expected.torn_to > expected.torn_from ? OUTCOME_TORN : OUTCOME_EXACT;
        if (expected.refused)
            rig_problem(rig, "it started, and should have been refused");
        else
            check_started(state, rig, &expected, damaged);
    } else if (!expected.refused) {
        rig_problem(rig, "refused: %s", rig->failure.text);
    } else {
        check_refused(rig, found, path);
    }
    row_end(row, outcome, rig->problem);
    fake_files_destroy(found);
    rig_fini(rig);
    free(rig);
}

static void sweep_segment(struct sweep_state *state, enum damage_kind kind, size_t index, bool with_store, bool all,
                          struct table *table) {
    const struct small_segment *segment = &state->small.segments[index];
    struct row *row = table_row(table, "segment %zu%s %s, %s", index + 1, segment->sealed ? "" : " (unsealed)",
                                kind == DAMAGE_CUT ? "cut" : "flipped", with_store ? "with store" : "without store");
    for (uint64_t at = 0; at < segment->size; at++) {
        /* Of the zeros behind the last record one is like the other. */
        bool is_tail = !segment->sealed && at >= segment->end + 64;
        if (is_tail && !all && at % 16 != 0) continue;
        if (!row_begin(table, row, at + 1)) continue;
        bool is_frame = at < segment->header || (segment->sealed && at >= segment->end);
        for (int bit = 0; bit < 8; bit++) {
            bool chosen = kind == DAMAGE_CUT ? bit == 0 : all || (is_frame && !with_store) || bit == (at % 2 == 0 ? 0 : 7);
            struct damage damage = {kind, index, at, (uint8_t)(1 << bit)};
            if (chosen) try_damage(state, &damage, with_store, row);
        }
    }
}

void sweep_damage(struct table *table, bool all) {
    struct sweep_state *state = memory_allocate_zeroed(1, sizeof *state);
    table->script = "small";
    small_init(&state->small);
    for (size_t i = 0; i < state->small.segment_count; i++)
        for (int with_store = 0; with_store < 2; with_store++) {
            sweep_segment(state, DAMAGE_CUT, i, with_store == 1, all, table);
            sweep_segment(state, DAMAGE_FLIP, i, with_store == 1, all, table);
        }
    for (size_t i = 0; i <= SMALL_RECORDS_MAX; i++) buffer_fini(&state->known[i].cells);
    small_fini(&state->small);
    free(state);
}
