/* export_filters.c: the filters of the cut, and the filter table. */
#include <stdlib.h>

#include "base/check.h"
#include "click/timestamp.h"
#include "view/export_internal.h"

static void add(struct view_export *export, const struct filters *filters, const struct stored_filter *stored) {
    CHECK(export->filter_count == 0 ||
          export->filters[export->filter_count - 1].filter->id < stored->filter->id); /* by id, each once */
    struct export_filter *added = &export->filters[export->filter_count++];
    *added = (struct export_filter){.filter = filter_copy(stored->filter),
                                    .terms = memory_allocate(stored->term_count * sizeof *added->terms),
                                    .term_count = stored->term_count,
                                    .number = stored->number,
                                    .deleted = stored->deleted};
    memcpy(added->terms, stored->terms, stored->term_count * sizeof *added->terms);
    added->covers_part = filters_covers_from(filters, stored, &added->covers_from);
}

/* Filter 0, all clicks, as the sum that it is. */
static void add_all_clicks(struct view_export *export, const struct filters *filters) {
    const struct filter all = {0};
    const struct filter_term term = {ATOM_ALL, 1};
    add(export, filters, &(struct stored_filter){.filter = &all, .terms = &term, .term_count = 1});
}

static enum status add_named(struct view_export *export, const struct filters *filters, uint32_t id,
                             struct failure *failure) {
    if (id == 0) {
        add_all_clicks(export, filters);
        return STATUS_OK;
    }
    const struct stored_filter *stored = filters_find(filters, id);
    if (stored == NULL) return failure_set(failure, STATUS_NOT_FOUND, "there is no filter %u; 0 is all clicks", id);
    if (stored->deleted) return failure_set(failure, STATUS_NOT_FOUND, "filter %u was deleted; its number stays taken", id);
    add(export, filters, stored);
    return STATUS_OK;
}

typedef const struct stored_filter *next_filter(const struct filters *filters, uint32_t from);

static void add_each(struct view_export *export, const struct filters *filters, next_filter *next) {
    const struct stored_filter *stored;
    for (uint32_t id = 1; (stored = next(filters, id)) != NULL; id = stored->filter->id + 1) add(export, filters, stored);
}

enum status export_take_filters(struct view_export *export, const struct view *view, const struct view_export_wanted *wanted,
                                struct failure *failure) {
    const struct filters *filters = view_filters(view);
    if (wanted->table != VIEW_TABLE_COUNTS && wanted->table != VIEW_TABLE_FILTERS) return STATUS_OK;
    size_t most = filters_created(filters) + (size_t)1;
    export->filters = memory_allocate((wanted->filter_count > most ? wanted->filter_count : most) * sizeof *export->filters);
    if (wanted->table == VIEW_TABLE_FILTERS) {
        add_each(export, filters, filters_next_created);
        return STATUS_OK;
    }
    if (wanted->filter_count == 0) {
        add_all_clicks(export, filters);
        add_each(export, filters, filters_next);
    }
    for (size_t i = 0; i < wanted->filter_count; i++) {
        CHECK(i == 0 || wanted->filter_ids[i - 1] < wanted->filter_ids[i]);
        enum status status = add_named(export, filters, wanted->filter_ids[i], failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

void export_filters_fini(struct view_export *export) {
    for (size_t i = 0; i < export->filter_count; i++) {
        filter_destroy(export->filters[i].filter);
        free(export->filters[i].terms);
    }
    free(export->filters);
}

static void append_part(struct view_export *export, const struct filter *filter,
                        void (*write)(const struct filter *filter, struct buffer *out)) {
    struct buffer text = {0};
    write(filter, &text);
    export_append_text(export, buffer_view(&text));
    buffer_append_text(&export->part, ",");
    buffer_fini(&text);
}

/* What a deleted filter would cover is of no use, and not the same in a store that is built again: it is left out. */
enum status export_filters_run(struct view_export *export) {
    buffer_append_text(&export->part, "filter_id,region,ip,user_id,ranked,covers_from,number,deleted\n");
    for (size_t i = 0; i < export->filter_count; i++) {
        CHECK(export->filters[i].filter->id > 0 && export->filters[i].number > 0);
        const struct export_filter *filter = &export->filters[i];
        char covers_from[TIMESTAMP_TEXT_BYTES] = "";
        if (filter->covers_part && !filter->deleted) timestamp_text(minute_start(filter->covers_from), covers_from);
        buffer_printf(&export->part, "%u,", filter->filter->id);
        append_part(export, filter->filter, filter_region_text);
        append_part(export, filter->filter, filter_ip_text);
        append_part(export, filter->filter, filter_user_text);
        buffer_printf(&export->part, "%s,%s,%u,%s\n", filter->filter->ranked ? "true" : "false", covers_from, filter->number,
                      filter->deleted ? "true" : "false");
        enum status status = export_row_done(export);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}
