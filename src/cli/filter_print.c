#include "cli/filter_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/api.h"

const char *const filter_formats[] = {"text", "json", NULL};

void filter_path(struct buffer *out, const char *id) {
    buffer_append_text(out, "/v1/filters/");
    api_escape(out, bytes_of_text(id));
}

struct filter_recalculation filter_recalculation_of(const struct json *filter) {
    struct buffer done = {0};
    const char *status = json_text(filter, "recalculation/status");
    struct filter_recalculation recalculation = {.waiting = status != NULL && strcmp(status, "waiting") == 0};
    recalculation.wanted = recalculation.waiting || (status != NULL && strcmp(status, "running") == 0);
    (void)json_u64(filter, "recalculation/waits_for", &recalculation.waits_for);
    json_append(filter, "recalculation/done", &done);
    buffer_append(&done, "", 1);
    double fraction = strtod((const char *)done.at, NULL);
    if (fraction > 0) recalculation.permille = fraction < 1 ? (unsigned)(fraction * 1000) : 1000;
    buffer_fini(&done);
    return recalculation;
}

void filter_recalculation_text(const struct filter_recalculation *recalculation, struct buffer *out) {
    if (recalculation->waiting && recalculation->waits_for != 0)
        buffer_printf(out, "waits for the recalculation of filter %" PRIu64, recalculation->waits_for);
    else if (recalculation->waiting)
        buffer_append_text(out, "waits to begin");
    else
        buffer_printf(out, "%u.%u%% is counted", recalculation->permille / 10, recalculation->permille % 10);
}

static void add_row(struct table *table, const char *name, const char *value) {
    table_cell(table, name);
    table_cell(table, value);
    table_end_row(table);
}

static void add_coverage(struct table *table, const struct json *filter) {
    const char *from = json_text(filter, "covers_from");
    struct filter_recalculation recalculation = filter_recalculation_of(filter);
    struct buffer id = {0}, text = {0};
    json_append(filter, "filter_id", &id);
    if (from == NULL) {
        buffer_append_text(&text, "everything");
    } else if (recalculation.wanted) {
        buffer_printf(&text,
                      recalculation.waiting ? "%s on; for the clicks before it " : "%s on; of the clicks before: ", from);
        filter_recalculation_text(&recalculation, &text);
    } else {
        buffer_printf(&text, "%s on; `tally recalculate --filter %.*s` counts the clicks before, too", from, (int)id.len,
                      (const char *)id.at);
    }
    buffer_append(&text, "", 1);
    add_row(table, "covers", (const char *)text.at);
    buffer_fini(&text);
    buffer_fini(&id);
}

void filter_print(const struct json *filter) {
    struct table table = {0};
    struct buffer id = {0};
    json_append(filter, "filter_id", &id); /* without the commas that people's numbers have: it is a name */
    buffer_append(&id, "", 1);
    add_row(&table, "filter", (const char *)id.at);
    answer_table_row(&table, "matches", filter, "words");
    answer_table_row(&table, "region", filter, "region");
    answer_table_row(&table, "ip", filter, "ip");
    answer_table_row(&table, "user_id", filter, "user_id");
    answer_table_row(&table, "ranked", filter, "ranked");
    add_coverage(&table, filter);
    table_print(&table, stdout, "", false);
    table_fini(&table);
    buffer_fini(&id);
}

static const struct answer_column columns[] = {
    {"filter_id", "filter_id"}, {"region", "region"}, {"ip", "ip"},
    {"user_id", "user_id"},     {"ranked", "ranked"}, {"covers_from", "covers_from"}};
const struct answer_shape filter_shape = {
    .columns = columns, .column_count = sizeof columns / sizeof columns[0], .print_text = filter_print};
