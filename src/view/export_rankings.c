/* export_rankings.c: the rankings that are kept (view/published.h), an ad a row. */
#include "base/check.h"
#include "click/timestamp.h"
#include "view/export_internal.h"

static enum status write_row(void *context, const struct published_row *row, struct failure *failure) {
    struct view_export *export = context;
    char minute[TIMESTAMP_TEXT_BYTES];
    (void)failure;
    CHECK(row->rank >= 1 && row->count > 0 && row->from.index <= row->minute.index);
    timestamp_text(minute_start(row->minute), minute);
    buffer_printf(&export->part, "%u,%u,%s,%llu,%u,", row->filter_id, row->window, minute, (unsigned long long)row->version,
                  row->rank);
    export_append_text(export, row->ad_id);
    buffer_printf(&export->part, ",%llu\n", (unsigned long long)row->count);
    return export_row_done(export);
}

enum status export_rankings_run(struct view_export *export, struct failure *failure) {
    buffer_append_text(&export->part, "filter_id,window,update_minute,version,rank,ad_id,count\n");
    return view_visit_rankings(export->view, write_row, export, failure);
}
