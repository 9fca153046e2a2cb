#include "cli/choice_flags.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/api.h"

void choice_append(const struct choice_flags *flags, struct buffer *path) {
    api_parameter(path, "filter", flags->filter);
    api_parameter(path, "region", flags->region);
    api_parameter(path, "ip", flags->ip);
    api_parameter(path, "user_id", flags->user_id);
}

/* Only answers to filtered questions have the member. */
static bool is_filtered(const struct json *answer) {
    struct buffer value = {0};
    json_append(answer, "covers_from", &value);
    bool there = value.len > 0;
    buffer_fini(&value);
    return there;
}

static uint64_t id_of(const struct json *answer) {
    uint64_t id = 0;
    return json_u64(answer, "filter_id", &id) ? id : 0;
}

/* "12", or what 0 means. */
static const char *name_of(const struct json *answer, char text[32]) {
    uint64_t id = id_of(answer);
    if (id == 0) return is_filtered(answer) ? "asked once" : "none: all clicks";
    (void)snprintf(text, 32, "%" PRIu64, id);
    return text;
}

static const char *coverage_of(const struct json *answer, char text[64]) {
    const char *from = json_text(answer, "covers_from");
    if (from == NULL) return "everything";
    (void)snprintf(text, 64, "%.40s on", from);
    return text;
}

void choice_table_rows(struct table *table, const struct json *answer) {
    char text[64];
    table_cell(table, "filter");
    table_cell(table, name_of(answer, text));
    table_end_row(table);
    if (!is_filtered(answer)) return;
    table_cell(table, "covers");
    table_cell(table, coverage_of(answer, text));
    table_end_row(table);
}

void choice_print(const struct json *answer) {
    char name[64], coverage[64];
    if (is_filtered(answer)) printf("filter: %s; covers %s\n", name_of(answer, name), coverage_of(answer, coverage));
}

void choice_print_left_out(const struct json *answer) {
    struct buffer complete = {0};
    json_append(answer, "complete", &complete);
    bool left_out = bytes_equal(buffer_view(&complete), BYTES_LITERAL("false"));
    buffer_fini(&complete);
    if (!left_out) return;
    const char *from = json_text(answer, "covers_from");
    printf("\nNot complete: clicks before %s are left out, because the filter did not stand yet.\n",
           from != NULL ? from : "?");
    uint64_t id = id_of(answer);
    if (id > 0) printf("`tally recalculate --filter %" PRIu64 "` counts them, too.\n", id);
}
