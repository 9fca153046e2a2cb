#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "click/decode.h"

static const struct decode_rules rules = {IDENTITY_MODE_CONTENT, {INT64_C(1700000000000)}, 60000};
static const struct decode_rules rules_reject = {IDENTITY_MODE_REJECT, {INT64_C(1700000000000)}, 60000};

struct fixture {
    struct decoder *decoder;
    uint8_t *line;
    struct click click;
    char detail[DECODE_DETAIL_BYTES];
};

static int setup(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){.decoder = decoder_create()};
    *state = &fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    decoder_destroy(fixture->decoder);
    free(fixture->line);
    return 0;
}

/* In memory of exactly its size: a log line needs no padding. */
static enum reject decode(struct fixture *fixture, const char *text, size_t len, const struct decode_rules *by) {
    free(fixture->line);
    fixture->line = malloc(len > 0 ? len : 1);
    memcpy(fixture->line, text, len);
    const struct bytes line = {fixture->line, len};
    return decode_log_line(fixture->decoder, line, by, &fixture->click, fixture->detail);
}

static void take(struct fixture *fixture, const char *text) {
    const enum reject reject = decode(fixture, text, strlen(text), &rules);
    if (reject != REJECT_NONE) fail_msg("%s: %s", text, fixture->detail);
}

static void refuse(struct fixture *fixture, const char *text, enum reject code, const char *detail) {
    const enum reject got = decode(fixture, text, strlen(text), &rules);
    if (got != code) fail_msg("%s: %s", text, got == REJECT_NONE ? "taken" : reject_code(got));
    if (detail != NULL) assert_string_equal(fixture->detail, detail);
}

static void expect_text(struct bytes bytes, const char *text) {
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.at, text, bytes.len);
}

static void expect_example(const struct click *click) {
    expect_text(click->ad_id, "ad001");
    expect_text(click->user_id, "user 1");
    assert_int_equal(click->event_id.len, 0);
    assert_int_equal(click->time.ms, INT64_C(1609459201000));
    assert_int_equal(click->ip.kind, IP_V4);
    assert_memory_equal(click->ip.bytes, "\xcf\x94\x16\x16", 4);
    assert_int_equal(click->country.code, 13988);
}

static void the_example_is_taken(void **state) {
    struct fixture *fixture = *state;
    take(fixture, "[AdClickEvent] ad001, 2021-01-01 00:00:01, user 1, 207.148.22.22, USA");
    expect_example(&fixture->click);
    assert_int_equal(fixture->click.time_form, TIME_SPACE);
    assert_int_equal(fixture->click.country_form, COUNTRY_ALPHA3);
    assert_int_equal(fixture->click.ip_form, IP_CANONICAL);
}

static void spaces_around_fields_are_trimmed(void **state) {
    struct fixture *fixture = *state;
    take(fixture, "[AdClickEvent]    ad001 ,2021-01-01 00:00:01  ,   user 1,207.148.22.22   ,  USA   ");
    expect_example(&fixture->click);
    take(fixture, "[AdClickEvent]ad001,2021-01-01 00:00:01,user 1,207.148.22.22,USA");
    expect_example(&fixture->click);
}

static void an_empty_country_is_unknown(void **state) {
    struct fixture *fixture = *state;
    const char *const lines[] = {"[AdClickEvent] ad001, 2021-01-01 00:00:01, user 1, 207.148.22.22,",
                                 "[AdClickEvent] ad001, 2021-01-01 00:00:01, user 1, 207.148.22.22,   "};
    for (size_t i = 0; i < 2; i++) {
        take(fixture, lines[i]);
        assert_int_equal(fixture->click.country.code, COUNTRY_UNKNOWN);
        assert_int_equal(fixture->click.country_form, COUNTRY_MISSING);
    }
}

static void every_form_of_a_field_is_taken(void **state) {
    struct fixture *fixture = *state;
    take(fixture, "[AdClickEvent] ad, 1609459201000, u, 207.xxx.xx.22, us");
    assert_int_equal(fixture->click.time_form, TIME_MS_NUMBER);
    assert_int_equal(fixture->click.ip.kind, IP_V4_MASKED);
    expect_text(fixture->click.ip_text, "207.xxx.xx.22");
    expect_text(fixture->click.country_text, "us");
    take(fixture, "[AdClickEvent] \xc3\xa4, 2021-01-01T00:00:01+00:00, \xf0\x9f\x98\x80, 2001:db8::1, ZZ");
    expect_text(fixture->click.time_text, "2021-01-01T00:00:01+00:00");
    expect_text(fixture->click.ad_id, "\xc3\xa4");
    assert_int_equal(fixture->click.country_form, COUNTRY_ALPHA2);
}

static void another_shape_is_bad_log_line(void **state) {
    struct fixture *fixture = *state;
    const char *const lines[] = {"",
                                 " ",
                                 "[AdClickEvent",
                                 "[adclickevent] a, 1609459201, u, ::1, US",
                                 " [AdClickEvent] a, 1609459201, u, ::1, US",
                                 "[AdViewEvent] a, 1609459201, u, ::1, US",
                                 "a, 1609459201, u, ::1, US",
                                 "{\"ad_id\":\"a\"}"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        refuse(fixture, lines[i], REJECT_BAD_LOG_LINE, "the line does not begin with [AdClickEvent]");
    }
    refuse(fixture, "[AdClickEvent]", REJECT_BAD_LOG_LINE,
           "the line has 1 fields; expected 5: ad_id, click_timestamp, user_id, ip, country");
    refuse(fixture, "[AdClickEvent] a, 1609459201, u, ::1", REJECT_BAD_LOG_LINE,
           "the line has 4 fields; expected 5: ad_id, click_timestamp, user_id, ip, country");
    refuse(fixture, "[AdClickEvent] a, 1609459201, u, ::1, US,", REJECT_BAD_LOG_LINE,
           "the line has more than 5 fields; expected 5: ad_id, click_timestamp, user_id, ip, country");
    refuse(fixture, "[AdClickEvent] a,b, 1609459201, u, ::1, US", REJECT_BAD_LOG_LINE, NULL);
}

static void bad_fields_are_named(void **state) {
    struct fixture *fixture = *state;
    refuse(fixture, "[AdClickEvent] , 1609459201, u, ::1, US", REJECT_BAD_AD_ID, "ad_id: is empty; expected 1 to 128 bytes");
    refuse(fixture, "[AdClickEvent] a\tb, 1609459201, u, ::1, US", REJECT_BAD_AD_ID, NULL);
    refuse(fixture, "[AdClickEvent] \ta, 1609459201, u, ::1, US", REJECT_BAD_AD_ID, NULL);
    refuse(fixture, "[AdClickEvent] a, 1609459201, , ::1, US", REJECT_BAD_USER_ID,
           "user_id: is empty; expected 1 to 128 bytes");
    refuse(fixture, "[AdClickEvent] a, 1609459201, u\xc2\x85, ::1, US", REJECT_BAD_USER_ID, NULL);
    refuse(fixture, "[AdClickEvent] a, , u, ::1, US", REJECT_BAD_TIMESTAMP, NULL);
    refuse(fixture, "[AdClickEvent] a, 2021-13-01 00:00:01, u, ::1, US", REJECT_BAD_TIMESTAMP, NULL);
    refuse(fixture, "[AdClickEvent] a, 2031-01-01 00:00:01, u, ::1, US", REJECT_FUTURE_TIMESTAMP, NULL);
    refuse(fixture, "[AdClickEvent] a, 1609459201, u, , US", REJECT_BAD_IP, NULL);
    refuse(fixture, "[AdClickEvent] a, 1609459201, u, 1.2.3, US", REJECT_BAD_IP, NULL);
    refuse(fixture, "[AdClickEvent] a, 1609459201, u, ::1, XYZ", REJECT_BAD_COUNTRY,
           "country: \"XYZ\" is not an ISO 3166-1 alpha-2 or alpha-3 code");
    refuse(fixture, "[AdClickEvent] a, 1609459201, u, ::1, US\r", REJECT_BAD_COUNTRY, NULL);
    char line[256];
    snprintf(line, sizeof line, "[AdClickEvent] %0129d, 1609459201, u, ::1, US", 0);
    refuse(fixture, line, REJECT_BAD_AD_ID, "ad_id: has 129 bytes; expected 1 to 128");
    snprintf(line, sizeof line, "[AdClickEvent] %0128d, 1609459201, u, ::1, US", 0);
    take(fixture, line);
}

static void invalid_utf8_comes_first(void **state) {
    struct fixture *fixture = *state;
    refuse(fixture, "\xff", REJECT_BAD_UTF8, "the line is not valid UTF-8 at byte 0 (the first is 0)");
    refuse(fixture, "[AdClickEvent] a, 1609459201, \xc3, ::1, US", REJECT_BAD_UTF8,
           "the line is not valid UTF-8 at byte 30 (the first is 0)");
    refuse(fixture, "[AdClickEvent] a, 1609459201, u, ::1, US, \xe2\x82", REJECT_BAD_UTF8, NULL);
}

static void a_nul_is_a_control_character(void **state) {
    struct fixture *fixture = *state;
    static const char line[] = "[AdClickEvent] a\0b, 1609459201, u, ::1, US";
    assert_int_equal(decode(fixture, line, sizeof line - 1, &rules), REJECT_BAD_AD_ID);
}

static void log_lines_have_no_event_id_so_the_rules_can_refuse_them(void **state) {
    struct fixture *fixture = *state;
    static const char line[] = "[AdClickEvent] a, 1609459201, u, ::1, US";
    assert_int_equal(decode(fixture, line, sizeof line - 1, &rules_reject), REJECT_MISSING_FIELD);
    assert_memory_equal(fixture->detail, "event_id: is missing", 20);
}

static void a_line_over_64_kib_is_too_long(void **state) {
    struct fixture *fixture = *state;
    static char line[LINE_BYTES_MAX + 2];
    memset(line, ' ', LINE_BYTES_MAX + 1);
    memcpy(line, "[AdClickEvent] a, 1609459201, u, ::1, US", 40);
    assert_int_equal(decode(fixture, line, LINE_BYTES_MAX + 1, &rules), REJECT_LINE_TOO_LONG);
    assert_int_equal(decode(fixture, line, LINE_BYTES_MAX, &rules), REJECT_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_taken),
        cmocka_unit_test(spaces_around_fields_are_trimmed),
        cmocka_unit_test(an_empty_country_is_unknown),
        cmocka_unit_test(every_form_of_a_field_is_taken),
        cmocka_unit_test(another_shape_is_bad_log_line),
        cmocka_unit_test(bad_fields_are_named),
        cmocka_unit_test(invalid_utf8_comes_first),
        cmocka_unit_test(a_nul_is_a_control_character),
        cmocka_unit_test(log_lines_have_no_event_id_so_the_rules_can_refuse_them),
        cmocka_unit_test(a_line_over_64_kib_is_too_long),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
