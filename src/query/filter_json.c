#include "query/filter_json.h"

#include "query/answers.h"
#include "reply/reply.h"

static void append_text(struct buffer *out, const char *name, const struct filter *filter,
                        void (*write)(const struct filter *filter, struct buffer *out)) {
    struct buffer text = {0};
    write(filter, &text);
    buffer_printf(out, ",\"%s\":", name);
    json_append_string(out, buffer_view(&text));
    buffer_fini(&text);
}

static void append_members(struct buffer *out, const struct filter *filter, uint32_t id) {
    buffer_printf(out, "{\"filter_id\":%u", id);
    append_text(out, "region", filter, filter_region_text);
    append_text(out, "ip", filter, filter_ip_text);
    append_text(out, "user_id", filter, filter_user_text);
    buffer_printf(out, ",\"ranked\":%s", filter->ranked ? "true" : "false");
}

void filter_json_append_definition(struct buffer *out, const struct filter *filter, uint32_t id) {
    append_members(out, filter, id);
    buffer_append_text(out, "}");
}

static void append_recalculation(struct buffer *out, const struct stored_filter *stored, bool covers_part,
                                 const struct filter_progress *progress) {
    bool running = covers_part && progress->filter_id == stored->filter->id;
    buffer_append_text(out, ",\"recalculation\":");
    if (!stored->recalculate_wanted)
        buffer_append_text(out, "null");
    else if (!covers_part)
        buffer_append_text(out, "{\"status\":\"done\",\"done\":1}");
    else if (running)
        buffer_printf(out, "{\"status\":\"running\",\"done\":%.3f}", progress->permille / 1000.0);
    else if (progress->filter_id != 0)
        buffer_printf(out, "{\"status\":\"waiting\",\"done\":0.000,\"waits_for\":%u}", progress->filter_id);
    else
        buffer_append_text(out, "{\"status\":\"waiting\",\"done\":0.000,\"waits_for\":null}");
}

void filter_json_append(struct buffer *out, const struct filters *filters, const struct stored_filter *stored,
                        const struct filter_progress *progress) {
    struct minute covers_from = {0};
    bool covers_part = filters_covers_from(filters, stored, &covers_from);
    append_members(out, stored->filter, stored->filter->id);
    buffer_append_text(out, ",\"covers_from\":");
    append_time(out, covers_part ? minute_start(covers_from) : EVENT_TIME_NONE);
    buffer_printf(out, ",\"number\":%u", stored->number);
    append_text(out, "words", stored->filter, filter_describe);
    append_recalculation(out, stored, covers_part, progress);
    buffer_append_text(out, "}");
}
