/* Any bytes as a request with filters, as JSON and as CSV, in memory of exactly their size. What is taken has ids of its own
 * and can be handed in again as CSV, which gives the same filters; what is not says why in words. */
#include <stdlib.h>

#include "base/check.h"
#include "query/filter_request.h"

static void append_quoted(struct buffer *out, const struct filter *filter,
                          void (*write)(const struct filter *filter, struct buffer *out)) {
    struct buffer text = {0};
    write(filter, &text);
    buffer_append_text(out, ",\"");
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '"') buffer_append_text(out, "\"");
        buffer_append(out, &text.at[i], 1);
    }
    buffer_append_text(out, "\"");
    buffer_fini(&text);
}

static void check_again(const struct filter_list *list) {
    struct buffer csv = {0};
    struct filter_list again;
    struct filter_request_flaw flaw;
    buffer_append_text(&csv, "ranked,filter_id,region,ip,user_id\r\n");
    for (size_t i = 0; i < list->count; i++) {
        buffer_printf(&csv, "%s,%u", list->filters[i]->ranked ? "true" : "false", list->filters[i]->id);
        append_quoted(&csv, list->filters[i], filter_region_text);
        append_quoted(&csv, list->filters[i], filter_ip_text);
        append_quoted(&csv, list->filters[i], filter_user_text);
        buffer_append_text(&csv, "\r\n");
    }
    CHECKF(filter_request_parse(buffer_view(&csv), FILTER_REQUEST_CSV, &again, &flaw), "%s", flaw.text);
    CHECK(again.count == list->count);
    for (size_t i = 0; i < list->count; i++) CHECK(filter_equal(again.filters[i], list->filters[i]));
    filter_list_fini(&again);
    buffer_fini(&csv);
}

static void check_request(struct bytes body, enum filter_request_form form) {
    struct filter_list list;
    struct filter_request_flaw flaw;
    if (filter_request_parse(body, form, &list, &flaw)) {
        CHECK(list.count > 0);
        check_again(&list);
    } else {
        struct reply reply = {.body_file = -1};
        CHECK(list.count == 0 && flaw.text[0] != '\0');
        filter_request_refuse(&flaw, &reply);
        CHECK(reply.http_status == 400);
        buffer_fini(&reply.body);
    }
    filter_list_fini(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    if (exact == NULL) return 0;
    if (size > 0) memcpy(exact, data, size);
    check_request((struct bytes){exact, size}, FILTER_REQUEST_JSON);
    check_request((struct bytes){exact, size}, FILTER_REQUEST_CSV);
    free(exact);
    return 0;
}
