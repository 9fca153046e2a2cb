/* filter_answers.c: the filters that stand, all or one. */
#include "base/check.h"
#include "query/answers.h"
#include "query/choice.h"
#include "query/filter_json.h"
#include "query/filter_request.h"

enum {
    LIMIT_DEFAULT = 1000,
    LIMIT_MAX = 10000,
    PAGE_BYTES_MAX = 4 * 1024 * 1024, /* a filter's text may be long: a page ends early rather than grow beyond (I10) */
};

static void list_filters(const struct filters *filters, const struct filter_progress *progress, uint32_t cursor,
                         uint32_t limit, struct reply *reply) {
    struct buffer body = {0};
    uint32_t count = 0, last = cursor;
    buffer_append_text(&body, "{\"filters\":[");
    const struct stored_filter *stored = filters_next(filters, cursor + 1);
    while (stored != NULL && count < limit && body.len < PAGE_BYTES_MAX) {
        CHECK(!stored->deleted && stored->filter->id > last);
        if (count++ > 0) buffer_append_text(&body, ",");
        filter_json_append(&body, filters, stored, progress);
        last = stored->filter->id;
        stored = filters_next(filters, last + 1);
    }
    if (stored == NULL)
        buffer_append_text(&body, "],\"next_cursor\":null}\n");
    else
        buffer_printf(&body, "],\"next_cursor\":%u}\n", last);
    answer_json(reply, &body);
}

void answer_filters(const struct view *view, bool replaying, const struct filter_progress *progress,
                    const struct request_head *head, struct reply *reply) {
    static const char *const accepted[] = {"limit", "cursor", NULL};
    struct parameters parameters = {.query = head->query, .reply = reply};
    uint32_t limit = LIMIT_DEFAULT, cursor = 0;
    if (replaying)
        refuse_while_replaying(reply);
    else if (parameters_only(&parameters, accepted) && parameters_number(&parameters, "limit", 1, LIMIT_MAX, &limit) &&
             parameters_number(&parameters, "cursor", 0, FILTER_ID_MAX, &cursor))
        list_filters(view_filters(view), progress, cursor, limit, reply);
    parameters_fini(&parameters);
}

void answer_filter(const struct view *view, bool replaying, const struct filter_progress *progress, struct bytes id_segment,
                   const struct request_head *head, struct reply *reply) {
    static const char *const accepted[] = {NULL};
    struct parameters parameters = {.query = head->query, .reply = reply};
    uint32_t id;
    if (!parameters_only(&parameters, accepted) || !filter_request_path_id(id_segment, &id, reply)) return;
    const struct stored_filter *stored = find_standing_filter(view_filters(view), id, replaying, reply);
    if (stored == NULL) return;
    struct buffer body = {0};
    filter_json_append(&body, view_filters(view), stored, progress);
    buffer_append_text(&body, "\n");
    answer_json(reply, &body);
}
