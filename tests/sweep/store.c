/* Every value carries a checksum over its key and itself (docs/format/store.md), so whichever byte is flipped: the start is
 * refused, or each question is answered as without the damage, or with an error. */
#include "sweep/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "view/view.h"

enum { ANSWERS = 9 };

/* What an undamaged start answers. */
struct answers {
    struct buffer at[ANSWERS];
};

static const char *const questions[ANSWERS - 1][2] = {
    {"/v1/ads/ad0/aggregated_cnt", ""},
    {"/v1/ads/ad1/aggregated_cnt", ""},
    {"/v1/ads/ad2/aggregated_cnt", "filter=1"},
    {"/v1/ads/ad1/series", "step=minute"},
    {"/v1/ads/popular_ads", "window=1"},
    {"/v1/ads/popular_ads", "window=60"},
    {"/v1/ads/popular_ads", "window=60&filter=1"},
    {"/v1/filters", ""},
};

static enum status append_part(void *context, struct bytes part) {
    buffer_append_bytes(context, part);
    return STATUS_OK;
}

/* The answer to a question, or the export as the last of them. Empty: an error, which is allowed only where a value is
 * damaged. */
static void answer(struct rig *rig, size_t index, struct buffer *out) {
    static const struct view_export_wanted wanted = {.table = VIEW_TABLE_CELLS};
    struct failure failure = {0};
    buffer_clear(out);
    if (rig->node == NULL) return;
    if (index == ANSWERS - 1) {
        if (node_export(rig->node, &wanted, append_part, out, &failure) == STATUS_OK) return;
        buffer_clear(out);
        if (failure.status != STATUS_CORRUPT) rig_problem(rig, "the export failed: %s", failure.text);
        return;
    }
    char query[128];
    bool ranged = strstr(questions[index][0], "/ads/ad") != NULL;
    (void)snprintf(query, sizeof query, "%s%s", questions[index][1], ranged ? "&from=1799999000&to=1800001200" : "");
    (void)rig_request(rig, "GET", questions[index][0], query[0] == '&' ? query + 1 : query, "", (struct bytes){NULL, 0});
    if (rig->http_status == 200)
        buffer_append_text(out, (const char *)rig->answer.at);
    else if (rig->http_status != 500 || strstr((const char *)rig->answer.at, "the store is damaged") == NULL)
        rig_problem(rig, "%s?%s: %u %.200s", questions[index][0], query, rig->http_status, (const char *)rig->answer.at);
}

static void check_refused(struct rig *rig) {
    if (rig->failure.status != STATUS_CORRUPT || strstr(rig->failure.text, "the store is damaged") == NULL)
        rig_problem(rig, "refused with %s: %s", status_text(rig->failure.status), rig->failure.text);
}

/* Refused at the start, failed behind it, or answered. */
static enum outcome try_value(const struct rig *base, const struct answers *right, size_t index, size_t offset, uint8_t mask,
                              char problem[768]) {
    struct rig *rig = memory_allocate(sizeof *rig);
    enum outcome outcome = OUTCOME_REFUSED;
    rig_init_copy(rig, base, true);
    fake_kv_flip(rig->kv, index, offset, mask);
    if (rig_start(rig)) {
        outcome = OUTCOME_EXACT;
        struct buffer said = {0};
        for (size_t i = 0; i < ANSWERS && rig_fine(rig); i++) {
            answer(rig, i, &said);
            if (said.len == 0)
                outcome = OUTCOME_STOPPED; /* an error instead of an answer */
            else if (!bytes_equal(buffer_view(&said), buffer_view(&right->at[i])))
                rig_problem(rig, "answer %zu: %.*s\nexpected: %.*s", i, (int)said.len, (const char *)said.at,
                            (int)right->at[i].len, (const char *)right->at[i].at);
        }
        buffer_fini(&said);
    }
    if (rig->node == NULL) check_refused(rig);
    (void)snprintf(problem, 768, "%s", rig->problem);
    rig_fini(rig);
    free(rig);
    return outcome;
}

/* The rows are those of docs/format/store.md: the key's first byte names the table. */
static void sweep_value(const struct rig *base, const struct answers *right, size_t index, bool all, struct table *table) {
    struct bytes key = fake_kv_key(base->kv, index);
    struct row *row = table_row(table, "store value of table %c flipped", key.at[0]);
    size_t length = fake_kv_value_length(base->kv, index);
    for (size_t offset = 0; offset < length; offset++) {
        if (!row_begin(table, row, 10000 * (index + 1) + offset)) continue;
        for (int bit = 0; bit < 8; bit++) {
            char problem[768];
            if (!all && bit != (offset % 2 == 0 ? 0 : 7)) continue;
            enum outcome outcome = try_value(base, right, index, offset, (uint8_t)(1 << bit), problem);
            row_end(row, outcome, problem);
        }
    }
}

static void sweep_left_by(const struct script *script, struct table *table, bool all) {
    struct rig *base = memory_allocate(sizeof *base), *rig = memory_allocate(sizeof *rig);
    struct answers right = {0};
    rig_init(base, 1);
    CHECK(script_run(script, base, 0) == script_actions(script) && rig_fine(base));
    rig_init_copy(rig, base, true);
    CHECK(rig_start(rig));
    for (size_t i = 0; i < ANSWERS; i++) answer(rig, i, &right.at[i]);
    for (size_t i = 0; i < ANSWERS; i++) CHECKF(right.at[i].len > 0 && rig_fine(rig), "answer %zu: %s", i, rig->problem);
    rig_compare_counts(rig, false);
    CHECKF(rig_fine(rig), "%s", rig->problem);
    rig_fini(rig);
    for (size_t i = 0; i < fake_kv_key_count(base->kv); i++) sweep_value(base, &right, i, all, table);
    for (size_t i = 0; i < ANSWERS; i++) buffer_fini(&right.at[i]);
    rig_fini(base);
    free(base);
    free(rig);
}

/* Closed minutes, filters and history; then open minutes, of a process that died. */
void sweep_store(struct table *table, bool all) {
    table->script = "store";
    sweep_left_by(script_with_filters, table, all);
    sweep_left_by(script_small, table, all);
}
