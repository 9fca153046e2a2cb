/* Any bytes as a log line, in memory of exactly their size; and the same fields as JSON must be the same click. */
#include <stdlib.h>

#include "base/check.h"
#include "click/decode_internal.h"

static void put_member(struct buffer *to, const char *name, struct bytes value) {
    buffer_printf(to, "%c\"%s\":\"", to->len == 0 ? '{' : ',', name);
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] == '"' || value.at[i] == '\\') buffer_append_text(to, "\\");
        buffer_append(to, value.at + i, 1);
    }
    buffer_append_text(to, "\"");
}

/* The text of the field that begins at *at, trimmed; moves behind its comma. */
static struct bytes next_field(const uint8_t **at, const uint8_t *end) {
    const uint8_t *comma = memchr(*at, ',', (size_t)(end - *at));
    struct bytes field = {*at, (size_t)((comma != NULL ? comma : end) - *at)};
    *at = comma != NULL ? comma + 1 : end;
    while (field.len > 0 && field.at[0] == ' ') field = (struct bytes){field.at + 1, field.len - 1};
    while (field.len > 0 && field.at[field.len - 1] == ' ') field.len--;
    return field;
}

/* The line was taken, so it has five fields, and none of them has a control character. */
static void check_as_json(struct decoder *decoder, struct bytes line, const struct decode_rules *rules,
                          const struct click *click) {
    static const char *const names[] = {"ad_id", "click_timestamp", "user_id", "ip", "country"};
    struct buffer json = {0};
    const uint8_t *at = line.at + sizeof "[AdClickEvent]" - 1;
    for (size_t i = 0; i < 5; i++) {
        const struct bytes field = next_field(&at, line.at + line.len);
        if (i < 4 || field.len > 0) put_member(&json, names[i], field);
    }
    buffer_append_text(&json, "}");
    buffer_reserve(&json, DECODE_PADDING_BYTES);
    struct click same = {0};
    char detail[DECODE_DETAIL_BYTES];
    const enum reject reject = decode_json(decoder, buffer_view(&json), rules, &same, detail);
    CHECKF(reject == REJECT_NONE || json.len > LINE_BYTES_MAX, "%s", detail);
    if (reject == REJECT_NONE) {
        CHECK(bytes_equal(click->ad_id, same.ad_id) && bytes_equal(click->user_id, same.user_id));
        CHECK(click->time.ms == same.time.ms && click->time_form == same.time_form);
        CHECK(memcmp(&click->ip, &same.ip, sizeof same.ip) == 0 && click->ip_form == same.ip_form);
        CHECK(click->country.code == same.country.code && click->country_form == same.country_form);
    }
    buffer_fini(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct decoder *decoder;
    if (decoder == NULL) decoder = decoder_create();
    const struct decode_rules rules = {IDENTITY_MODE_CONTENT, {INT64_C(4102444800000)}, 60000};
    const struct identity_key key = {{1}};
    struct click click = {.source = BYTES_LITERAL("fuzz")};
    char detail[DECODE_DETAIL_BYTES];
    memset(detail, 'x', sizeof detail);
    const enum reject reject = decode_log_line(decoder, (struct bytes){data, size}, &rules, &click, detail);
    if (reject != REJECT_NONE) {
        const char *end = memchr(detail, '\0', sizeof detail);
        CHECK(end != NULL && end > detail);
        CHECK(json_scan_utf8_valid((const uint8_t *)detail, (size_t)(end - detail)));
        return 0;
    }
    CHECK(click.event_id.len == 0);
    click_identify(&click, &key);
    check_as_json(decoder, (struct bytes){data, size}, &rules, &click);
    return 0;
}
