#include "query/filter_request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "journal/journal.h"
#include "query/filter_rows.h"

void filter_list_fini(struct filter_list *list) {
    for (size_t i = 0; i < list->count; ++i) filter_destroy(list->filters[i]);
    free(list->filters);
    free(list->rows);
    *list = (struct filter_list){0};
}

uint32_t filter_list_row(const struct filter_list *list, uint32_t id) {
    for (size_t i = 0; i < list->count; ++i)
        if (list->filters[i]->id == id) return list->rows[i];
    return 0;
}

bool filter_rows_refuse(struct filter_rows *rows, uint32_t row, const char *field, const char *format, ...) {
    va_list arguments;
    *rows->flaw = (struct filter_request_flaw){.row = row};
    if (field != NULL) (void)snprintf(rows->flaw->field, sizeof rows->flaw->field, "%.64s", field);
    va_start(arguments, format);
    (void)vsnprintf(rows->flaw->text, sizeof rows->flaw->text, format, arguments);
    va_end(arguments);
    return false;
}

static bool refuse_flaw(struct filter_rows *rows, uint32_t row, const struct filter_flaw *flaw) {
    return filter_rows_refuse(rows, row, flaw->field, "%s", flaw->text);
}

static void keep(struct filter_rows *rows, struct filter *filter, uint32_t row) {
    struct filter_list *list = rows->list;
    if (list->count == rows->capacity) {
        rows->capacity = rows->capacity == 0 ? 16 : rows->capacity * 2;
        list->filters = memory_resize(list->filters, rows->capacity * sizeof(struct filter *));
        list->rows = memory_resize(list->rows, rows->capacity * sizeof *list->rows);
    }
    list->filters[list->count] = filter;
    list->rows[list->count++] = row;
}

bool filter_rows_add(struct filter_rows *rows, const struct filter_row *row) {
    struct filter_flaw flaw = {0};
    struct filter *filter = NULL;
    uint32_t id = 0;
    if (rows->list->count == FILTER_CHANGES_MAX)
        return filter_rows_refuse(rows, row->number, NULL, "these are more than %d filters: make several requests of them",
                                  FILTER_CHANGES_MAX);
    if (!filter_id_parse(row->filter_id, &id, &flaw) ||
        !filter_parse(id, row->region, row->ip, row->user_id, row->ranked, &filter, &flaw))
        return refuse_flaw(rows, row->number, &flaw);
    keep(rows, filter, row->number);
    return true;
}

struct id_at {
    uint32_t id, row;
};

static int compare_ids(const void *left, const void *right) {
    const struct id_at *a = left, *b = right;
    if (a->id != b->id) return a->id < b->id ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* No id twice: which of two is meant cannot be told. */
static bool check_ids(struct filter_rows *rows) {
    size_t count = rows->list->count;
    struct id_at *ids = memory_allocate(count * sizeof *ids);
    for (size_t i = 0; i < count; ++i) ids[i] = (struct id_at){rows->list->filters[i]->id, rows->list->rows[i]};
    qsort(ids, count, sizeof *ids, compare_ids);
    bool fine = true;
    for (size_t i = 1; i < count && fine; ++i) {
        if (ids[i].id == ids[i - 1].id)
            fine = filter_rows_refuse(rows, ids[i].row, "filter_id", "filter_id: %u is given a second time, first in row %u",
                                      ids[i].id, ids[i - 1].row);
    }
    free(ids);
    return fine;
}

bool filter_request_parse(struct bytes body, enum filter_request_form form, struct filter_list *out,
                          struct filter_request_flaw *flaw) {
    *out = (struct filter_list){0};
    *flaw = (struct filter_request_flaw){0};
    struct filter_rows rows = {.list = out, .flaw = flaw};
    bool read = form == FILTER_REQUEST_CSV ? filter_rows_read_csv(&rows, body) : filter_rows_read_json(&rows, body);
    if (read && out->count == 0) read = filter_rows_refuse(&rows, 0, NULL, "there is no filter in it");
    if (read) read = check_ids(&rows);
    if (!read) filter_list_fini(out);
    return read;
}

void filter_request_flaw_text(const struct filter_request_flaw *flaw, struct buffer *out) {
    if (flaw->row > 0) buffer_printf(out, "row %u: ", flaw->row);
    buffer_append_text(out, flaw->text);
}

void filter_request_refuse(const struct filter_request_flaw *flaw, struct reply *reply) {
    struct buffer text = {0};
    filter_request_flaw_text(flaw, &text);
    reply_problem_open(reply, 400, "bad-filter", "Bad filter", "%.*s", (int)text.len, (const char *)text.at);
    if (flaw->field[0] != '\0') {
        buffer_append_text(&reply->body, ",\"field\":");
        json_append_string(&reply->body, bytes_of_text(flaw->field));
    }
    if (flaw->row > 0) buffer_printf(&reply->body, ",\"row\":%u", flaw->row);
    buffer_append_text(&reply->body, "}");
    buffer_fini(&text);
}

void filter_request_refuse_flaw(const struct filter_flaw *flaw, struct reply *reply) {
    struct filter_request_flaw whole = {0};
    if (flaw->field != NULL) (void)snprintf(whole.field, sizeof whole.field, "%s", flaw->field);
    (void)snprintf(whole.text, sizeof whole.text, "%s", flaw->text);
    filter_request_refuse(&whole, reply);
}

bool filter_request_path_id(struct bytes segment, uint32_t *id, struct reply *reply) {
    struct filter_flaw flaw = {0};
    struct buffer text = {0};
    bool decoded = path_decode(segment, &text) == STATUS_OK;
    bool read = decoded && filter_id_parse(buffer_view(&text), id, &flaw);
    buffer_fini(&text);
    if (!read)
        reply_problem(reply, 400, "bad-parameter", "Bad parameter", "%s, in the path",
                      decoded ? flaw.text : "filter_id must be valid percent-encoded UTF-8");
    return read;
}
