/* Any bytes as a JSON line. The hot path and the slow path must agree, and what is taken must keep what click.h promises. */
#include <stdlib.h>

#include "base/check.h"
#include "click/country.h"
#include "click/decode_internal.h"
#include "click/ip.h"
#include "click/timestamp.h"

static void check_same(const struct click *a, const struct click *b) {
    CHECK(bytes_equal(a->event_id, b->event_id));
    CHECK(bytes_equal(a->ad_id, b->ad_id));
    CHECK(bytes_equal(a->user_id, b->user_id));
    CHECK(a->time.ms == b->time.ms && a->time_form == b->time_form && bytes_equal(a->time_text, b->time_text));
    CHECK(memcmp(&a->ip, &b->ip, sizeof a->ip) == 0 && a->ip_form == b->ip_form && bytes_equal(a->ip_text, b->ip_text));
    CHECK(a->country.code == b->country.code && a->country_form == b->country_form);
    CHECK(bytes_equal(a->country_text, b->country_text));
}

/* The text as supplied, kept or made from the value, gives the value again. */
static void check_texts(const struct click *click) {
    struct click again = *click;
    char text[TIMESTAMP_TEXT_BYTES + IP_TEXT_BYTES];
    struct bytes view = click->time_text;
    if (click->time_form != TIME_VERBATIM) {
        view = (struct bytes){(uint8_t *)text, timestamp_text_in_form(click->time, click->time_form, text)};
    }
    CHECK(timestamp_parse(view, &again.time, &again.time_form));
    view = click->ip_form == IP_VERBATIM ? click->ip_text : (struct bytes){(uint8_t *)text, ip_text(&click->ip, text)};
    CHECK(ip_parse(view, &again.ip, &again.ip_form));
    country_text(click->country, text);
    struct country country;
    uint8_t form;
    CHECK(country_parse((struct bytes){(uint8_t *)text, 3}, &country, &form) && country.code == click->country.code);
    check_same(click, &again);
}

static void check_good(struct click *click, const struct decode_rules *rules) {
    const struct identity_key key = {{1}};
    CHECK(click->ad_id.len >= 1 && click->ad_id.len <= ID_BYTES_MAX);
    CHECK(click->user_id.len >= 1 && click->user_id.len <= ID_BYTES_MAX);
    CHECK(click->event_id.len <= ID_BYTES_MAX);
    CHECK(click->event_id.len > 0 || rules->mode == IDENTITY_MODE_CONTENT);
    CHECK(click->time.ms >= 0 && click->time.ms <= rules->now.ms + rules->max_skew_ms);
    check_texts(click);
    click->source = BYTES_LITERAL("fuzz");
    click_identify(click, &key);
}

static void check_detail(const char *detail) {
    const char *end = memchr(detail, '\0', DECODE_DETAIL_BYTES);
    CHECK(end != NULL && end > detail);
    CHECK(json_scan_utf8_valid((const uint8_t *)detail, (size_t)(end - detail)));
}

static void decode_both_ways(struct decoder *decoder, struct bytes line, const struct decode_rules *rules) {
    struct click hot = {0};
    struct click slow = {0};
    struct click click = {0};
    char detail[DECODE_DETAIL_BYTES];
    memset(detail, 'x', sizeof detail);
    const bool certain = decode_json_hot(decoder, line, rules, &hot);
    const enum reject reject = decode_json_slow(decoder, line, rules, &slow, detail);
    if (certain) {
        CHECKF(reject == REJECT_NONE, "hot path took what is %s: %s", reject_code(reject), detail);
        check_same(&hot, &slow);
    }
    if (reject != REJECT_NONE) check_detail(detail);
    CHECK(decode_json(decoder, line, rules, &click, detail) == reject);
    if (reject == REJECT_NONE) check_good(&click, rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct decoder *decoder;
    if (decoder == NULL) decoder = decoder_create();
    const struct decode_rules rules[] = {{IDENTITY_MODE_CONTENT, {INT64_C(4102444800000)}, 60000},
                                         {IDENTITY_MODE_REJECT, {INT64_C(1609459200000)}, 0}};
    uint8_t *line = memory_allocate(size + DECODE_PADDING_BYTES);
    memcpy(line, data, size);
    memset(line + size, size % 2 == 0 ? '"' : 0, DECODE_PADDING_BYTES);
    for (size_t i = 0; i < 2; i++) decode_both_ways(decoder, (struct bytes){line, size}, &rules[i]);
    free(line);
    return 0;
}
