#include "query/ranges.h"

#include <inttypes.h>

#include "base/check.h"

enum { LAST_MINUTES_MAX = 31 * 24 * 60 };

struct range range_up_to(struct minute last, uint32_t minutes) {
    CHECK(last.index < UINT32_MAX && minutes > 0);
    uint32_t to = last.index + 1;
    return (struct range){.from = {to > minutes ? to - minutes : 0}, .to = {to}, .any = true};
}

static bool read_from_and_to(struct parameters *parameters, struct range *range) {
    if (!parameters_minute(parameters, "from", &range->from)) return false;
    if (!parameters_minute(parameters, "to", &range->to)) return false;
    range->any = true;
    if (range->from.index < range->to.index) return true;
    struct buffer text = {0};
    buffer_append_text(&text, "from ");
    append_time(&text, minute_start(range->from));
    buffer_append_text(&text, ", to ");
    append_time(&text, minute_start(range->to));
    reply_problem(parameters->reply, 400, "bad-range", "Bad range",
                  "from must be before to, both rounded down to whole minutes: %.*s", (int)text.len, (const char *)text.at);
    buffer_fini(&text);
    return false;
}

bool read_range(struct parameters *parameters, const struct view *view, uint32_t standard, struct range *range) {
    bool from_given, to_given, last_given;
    uint32_t last = standard;
    struct minute newest;
    if (!parameters_given(parameters, "from", &from_given)) return false;
    if (!parameters_given(parameters, "to", &to_given)) return false;
    if (!parameters_given(parameters, "last", &last_given)) return false;
    if (from_given != to_given) {
        reply_problem(parameters->reply, 400, "bad-range", "Bad range", "%s is given without %s", from_given ? "from" : "to",
                      from_given ? "to" : "from");
        return false;
    }
    if (last_given && from_given) {
        reply_problem(parameters->reply, 400, "bad-range", "Bad range", "last excludes from and to: give one or the other");
        return false;
    }
    if (from_given) return read_from_and_to(parameters, range);
    if (!parameters_number(parameters, "last", 1, LAST_MINUTES_MAX, &last)) return false;
    *range = (struct range){.any = false};
    if (view_last_minute(view, &newest)) *range = range_up_to(newest, last);
    return true;
}

void append_minute(struct buffer *out, const struct range *range, struct minute minute) {
    append_time(out, range->any ? minute_start(minute) : EVENT_TIME_NONE);
}

void range_cover(struct range *range, const struct choice *choice, uint32_t step_minutes) {
    range->complete = true;
    range->counted_from = range->from;
    if (!range->any || !choice->covers_part || choice->covers_from.index <= range->from.index) return;
    range->complete = false;
    const struct minute covered = choice->covers_from.index < range->to.index ? choice->covers_from : range->to;
    range->counted_from = covered;
    range->from = (struct minute){covered.index - covered.index % step_minutes};
    CHECK(range->from.index <= range->counted_from.index && range->counted_from.index <= range->to.index);
}

void append_end(struct buffer *out, const struct view *view, const struct range *range, const struct choice *choice) {
    buffer_printf(out, ",\"state\":\"%s\",\"version\":%" PRIu64 ",\"watermark\":",
                  range->any ? view_state(view, range->to) : "open", view_version(view));
    append_time(out, view_watermark(view));
    buffer_printf(out, ",\"filter_id\":%u,\"complete\":%s", choice->filter_id, range->complete ? "true" : "false");
    if (choice->by_filter) {
        buffer_append_text(out, ",\"covers_from\":");
        append_time(out, choice->covers_part ? minute_start(choice->covers_from) : EVENT_TIME_NONE);
    }
    buffer_append_text(out, "}\n");
}

void answer_store_failed(struct reply *reply, const struct failure *failure) {
    reply_problem(reply, 500, "store-failed", "The store cannot be read", "%s", failure->text);
}

bool read_ad_id(struct bytes segment, struct buffer *ad_id, struct reply *reply) {
    if (path_decode(segment, ad_id) == STATUS_OK && ad_id->len >= 1 && ad_id->len <= ID_BYTES_MAX) return true;
    reply_problem(reply, 400, "bad-parameter", "Bad parameter",
                  "ad_id (in the path, percent-encoded) must be 1 to %d bytes of UTF-8", ID_BYTES_MAX);
    return false;
}
