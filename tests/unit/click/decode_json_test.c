#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/random_sequence.h"
#include "click/decode_internal.h"

static const struct decode_rules rules = {IDENTITY_MODE_CONTENT, {INT64_C(1700000000000)}, 60000};
static const struct decode_rules rules_reject = {IDENTITY_MODE_REJECT, {INT64_C(1700000000000)}, 60000};

/* One line at a time, in memory of its own size and the padding, so that a read past it is seen. */
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

static struct bytes keep(struct fixture *fixture, struct bytes line) {
    free(fixture->line);
    fixture->line = malloc(line.len + DECODE_PADDING_BYTES);
    memcpy(fixture->line, line.at, line.len);
    memset(fixture->line + line.len, '"', DECODE_PADDING_BYTES); /* whatever stands there */
    return (struct bytes){fixture->line, line.len};
}

static bool click_equal(const struct click *a, const struct click *b) {
    return bytes_equal(a->event_id, b->event_id) && bytes_equal(a->ad_id, b->ad_id) && bytes_equal(a->user_id, b->user_id) &&
           a->time.ms == b->time.ms && memcmp(&a->ip, &b->ip, sizeof a->ip) == 0 && a->country.code == b->country.code &&
           a->time_form == b->time_form && a->country_form == b->country_form && a->ip_form == b->ip_form &&
           bytes_equal(a->time_text, b->time_text) && bytes_equal(a->country_text, b->country_text) &&
           bytes_equal(a->ip_text, b->ip_text);
}

/* Decodes on all three ways, which must agree. `hot`: whether the hot path is to be certain. */
static void take_bytes(struct fixture *fixture, struct bytes text, bool hot) {
    const struct bytes line = keep(fixture, text);
    struct click slow = {0};
    const enum reject reject = decode_json_slow(fixture->decoder, line, &rules, &slow, fixture->detail);
    if (reject != REJECT_NONE) fail_msg("%.*s: %s", (int)line.len, (const char *)line.at, fixture->detail);
    struct click click = {0};
    const bool certain = decode_json_hot(fixture->decoder, line, &rules, &click);
    if (certain != hot)
        fail_msg("%.*s: hot path %s", (int)line.len, (const char *)line.at, certain ? "took it" : "refused it");
    if (certain) assert_true(click_equal(&click, &slow));
    assert_int_equal(decode_json(fixture->decoder, line, &rules, &fixture->click, fixture->detail), REJECT_NONE);
}

static void take(struct fixture *fixture, const char *text, bool hot) {
    take_bytes(fixture, bytes_of_text(text), hot);
}

static void refuse_bytes(struct fixture *fixture, struct bytes text, const struct decode_rules *by, enum reject code,
                         const char *detail) {
    const struct bytes line = keep(fixture, text);
    memset(fixture->detail, 'x', sizeof fixture->detail);
    assert_false(decode_json_hot(fixture->decoder, line, by, &fixture->click));
    const enum reject got = decode_json(fixture->decoder, line, by, &fixture->click, fixture->detail);
    if (got != code) {
        fail_msg("%.*s: %s, not %s", (int)line.len, (const char *)line.at, got == REJECT_NONE ? "taken" : reject_code(got),
                 reject_code(code));
    }
    if (detail != NULL) assert_string_equal(fixture->detail, detail);
    assert_true(memchr(fixture->detail, 0, sizeof fixture->detail) != NULL);
    assert_true(json_scan_utf8_valid((const uint8_t *)fixture->detail, strlen(fixture->detail)));
}

static void refuse(struct fixture *fixture, const char *text, enum reject code, const char *detail) {
    refuse_bytes(fixture, bytes_of_text(text), &rules, code, detail);
}

static void expect_text(struct bytes bytes, const char *text) {
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.at, text, bytes.len);
}

#define REST "\"click_timestamp\":1609459201000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\""
#define GOOD "\"ad_id\":\"a\"," REST

static void a_plain_click_is_taken_on_the_hot_path(void **state) {
    struct fixture *fixture = *state;
    take(fixture,
         "{\"event_id\":\"e-1\",\"ad_id\":\"ad001\",\"click_timestamp\":1609459201000,\"user_id\":\"user 1\","
         "\"ip\":\"207.148.22.22\",\"country\":\"USA\"}",
         true);
    const struct click *click = &fixture->click;
    expect_text(click->event_id, "e-1");
    expect_text(click->ad_id, "ad001");
    expect_text(click->user_id, "user 1");
    assert_int_equal(click->time.ms, INT64_C(1609459201000));
    assert_int_equal(click->time_form, TIME_MS_NUMBER);
    assert_int_equal(click->ip.kind, IP_V4);
    assert_memory_equal(click->ip.bytes, "\xcf\x94\x16\x16", 4);
    assert_int_equal(click->ip_form, IP_CANONICAL);
    assert_int_equal(click->country.code, 13988);
    assert_int_equal(click->country_form, COUNTRY_ALPHA3);
    assert_int_equal(click->time_text.len + click->country_text.len + click->ip_text.len, 0);
}

static void country_and_event_id_can_be_missing(void **state) {
    struct fixture *fixture = *state;
    take(fixture, "{" GOOD "}", true);
    assert_int_equal(fixture->click.event_id.len, 0);
    assert_int_equal(fixture->click.country.code, COUNTRY_UNKNOWN);
    assert_int_equal(fixture->click.country_form, COUNTRY_MISSING);
}

static void texts_that_do_not_follow_from_the_value_are_kept(void **state) {
    struct fixture *fixture = *state;
    take(fixture,
         "{\"ad_id\":\"a\",\"click_timestamp\":\"2021-01-01T01:00:01.5+01:00\",\"user_id\":\"u\",\"ip\":\"::FFFF:1.2.3.4\","
         "\"country\":\"us\"}",
         true);
    assert_int_equal(fixture->click.time.ms, INT64_C(1609459201500));
    assert_int_equal(fixture->click.country.code, 13988);
    assert_int_equal(fixture->click.ip.kind, IP_V4);
    expect_text(fixture->click.time_text, "2021-01-01T01:00:01.5+01:00");
    expect_text(fixture->click.country_text, "us");
    expect_text(fixture->click.ip_text, "::FFFF:1.2.3.4");
    take(fixture, "{" GOOD "}", true);
    assert_int_equal(fixture->click.time_text.len + fixture->click.country_text.len + fixture->click.ip_text.len, 0);
}

static void every_form_of_time_is_taken(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        const char *json;
        uint8_t form;
    } times[] = {{"1609459201000", TIME_MS_NUMBER},
                 {"\"1609459201000\"", TIME_MS_NUMBER},
                 {"1609459201", TIME_SECONDS_NUMBER},
                 {"\"1609459201\"", TIME_SECONDS_NUMBER},
                 {"\"2021-01-01 00:00:01\"", TIME_SPACE},
                 {"\"2021-01-01T00:00:01Z\"", TIME_RFC3339_Z},
                 {"\"2021-01-01T00:00:01.000Z\"", TIME_RFC3339_MS_Z},
                 {"\"2021-01-01T02:00:01+02:00\"", TIME_VERBATIM}};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "{\"ad_id\":\"a\",\"click_timestamp\":%s,\"user_id\":\"u\",\"ip\":\"::1\"}",
                 times[i].json);
        take(fixture, line, true);
        assert_int_equal(fixture->click.time.ms, INT64_C(1609459201000));
        assert_int_equal(fixture->click.time_form, times[i].form);
    }
}

static void escapes_are_resolved(void **state) {
    struct fixture *fixture = *state;
    take(fixture,
         "{\"ad_id\":\"a\\/"
         "\\\"\\\\b\",\"click_timestamp\":\"2021-01-01\\u002000:00:01\",\"\\u0075ser_id\":\"\\u00e4\\ud83d\\ude00\","
         "\"ip\":\"\\u0031.2.3.4\",\"country\":\"\\u0055SA\",\"event_id\":\"\\u0020\"}",
         true);
    expect_text(fixture->click.ad_id, "a/\"\\b");
    expect_text(fixture->click.user_id, "\xc3\xa4\xf0\x9f\x98\x80");
    expect_text(fixture->click.event_id, " ");
    assert_int_equal(fixture->click.country.code, 13988);
    assert_int_equal(fixture->click.time_form, TIME_SPACE);
}

static void bad_escapes_are_bad_json(void **state) {
    struct fixture *fixture = *state;
    const char *const escapes[] = {"\\x",      "\\u12",          "\\u12g4", "\\ud800", "\\udc00", "\\ud800\\u0041",
                                   "\\ud800x", "\\udc00\\ud800", "\\",      "\t"};
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "{\"ad_id\":\"%s\"," REST "}", escapes[i]);
        refuse(fixture, line, REJECT_BAD_JSON, NULL);
        snprintf(line, sizeof line, "{" GOOD ",\"other\":\"%s\"}", escapes[i]);
        refuse(fixture, line, REJECT_BAD_JSON, NULL);
    }
}

static void white_space_and_order_do_not_matter(void **state) {
    struct fixture *fixture = *state;
    take(fixture,
         " \t{ \"ip\" : \"1.2.3.4\" ,\r\n\t\"user_id\":\"u\",\"click_timestamp\": 1609459201 , \"ad_id\":\"a\" } \n", true);
}

static void unknown_members_are_ignored(void **state) {
    struct fixture *fixture = *state;
    take(fixture, "{" GOOD ",\"a\":null,\"b\":true,\"c\":1,\"d\":-1.5e3,\"e\":\"x\\u0000\",\"\":0,\"AD_ID\":1,\"adid\":2}",
         true);
    take(fixture, "{" GOOD ",\"a\":{}}", false);
    take(fixture, "{" GOOD ",\"a\":[1,[2,{\"ad_id\":3}]],\"b\":{\"ad_id\":\"x\"}}", false);
    take(fixture,
         "{" GOOD ",\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":0,\"10\":0,\"11\":0,\"12\":0}",
         false);
}

static void integers_beyond_64_bits_are_ignored_in_unknown_members(void **state) {
    struct fixture *fixture = *state;
    const char *const numbers[] = {"9223372036854775808", "18446744073709551615", "18446744073709551616",
                                   "-9223372036854775809", "123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "{" GOOD ",\"trace\":%s}", numbers[i]);
        take(fixture, line, false);
        assert_int_equal(fixture->click.time.ms, INT64_C(1609459201000));
        assert_int_equal(fixture->click.time_form, TIME_MS_NUMBER);
        snprintf(line, sizeof line, "{\"ad_id\":\"a\",\"click_timestamp\":%s,\"user_id\":\"u\",\"ip\":\"::1\"}", numbers[i]);
        refuse(fixture, line, REJECT_BAD_TIMESTAMP, NULL);
    }
    refuse(fixture, "{" GOOD ",\"trace\":1e999}", REJECT_BAD_JSON, NULL);
}

static void what_is_not_json_is_bad_json_with_its_place(void **state) {
    struct fixture *fixture = *state;
    const char *const lines[] = {"",
                                 " ",
                                 "{",
                                 "{\"ad_id\"",
                                 "{" GOOD,
                                 "{" GOOD ",}",
                                 "{" GOOD "}}",
                                 "{" GOOD "} x",
                                 "{" GOOD "}{" GOOD "}",
                                 "{'ad_id':1}",
                                 "{ad_id:1}",
                                 "nul",
                                 "01",
                                 "{" GOOD ",\"x\":01}",
                                 "{" GOOD ",\"x\":+1}",
                                 "{" GOOD ",\"x\":1.}",
                                 "{" GOOD ",\"x\":NaN}",
                                 "{" GOOD ",\"x\"}",
                                 "\xef\xbb\xbf{" GOOD "}",
                                 "[AdClickEvent] a",
                                 "{" GOOD ",\"x\":\"\n\"}",
                                 "{" GOOD ",\"\\u0000\":1}",
                                 "// x"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) refuse(fixture, lines[i], REJECT_BAD_JSON, NULL);
    refuse_bytes(fixture, BYTES_LITERAL("{" GOOD "}\0"), &rules, REJECT_BAD_JSON, NULL);
    refuse(fixture, "{\"ad_id\":\"a\",,}", REJECT_BAD_JSON, "invalid JSON before byte 14: string or '}' expected");
    refuse(fixture, "{\"user_id\":\"s3cret\" \"s3cret\":1}", REJECT_BAD_JSON, "invalid JSON before byte 28: '}' expected");
}

static void other_values_than_objects_are_not_object(void **state) {
    struct fixture *fixture = *state;
    refuse(fixture, "[{" GOOD "}]", REJECT_NOT_OBJECT, "the line is an array; expected an object");
    refuse(fixture, "\"a\"", REJECT_NOT_OBJECT, "the line is a string; expected an object");
    refuse(fixture, "1609459201000", REJECT_NOT_OBJECT, "the line is an integer; expected an object");
    refuse(fixture, "null", REJECT_NOT_OBJECT, "the line is null; expected an object");
    refuse(fixture, "true", REJECT_NOT_OBJECT, "the line is a boolean; expected an object");
}

static void missing_members_are_named(void **state) {
    struct fixture *fixture = *state;
    refuse(fixture, "{}", REJECT_MISSING_FIELD, "ad_id: the member is missing");
    refuse(fixture, "{" REST "}", REJECT_MISSING_FIELD, "ad_id: the member is missing");
    refuse(fixture, "{\"ad_id\":\"a\",\"user_id\":\"u\",\"ip\":\"::1\"}", REJECT_MISSING_FIELD,
           "click_timestamp: the member is missing");
    refuse(fixture, "{\"ad_id\":\"a\",\"click_timestamp\":1609459201,\"ip\":\"::1\"}", REJECT_MISSING_FIELD,
           "user_id: the member is missing");
    refuse(fixture, "{\"ad_id\":\"a\",\"click_timestamp\":1609459201,\"user_id\":\"u\"}", REJECT_MISSING_FIELD,
           "ip: the member is missing");
}

static void a_missing_event_id_is_refused_where_the_rules_say_so(void **state) {
    struct fixture *fixture = *state;
    refuse_bytes(fixture, BYTES_LITERAL("{" GOOD "}"), &rules_reject, REJECT_MISSING_FIELD,
                 "event_id: is missing; this server takes no click without one (identity.without_event_id: reject)");
    const struct bytes line = keep(fixture, BYTES_LITERAL("{" GOOD ",\"event_id\":\"e\"}"));
    assert_int_equal(decode_json(fixture->decoder, line, &rules_reject, &fixture->click, fixture->detail), REJECT_NONE);
}

static void a_member_that_occurs_twice_is_refused(void **state) {
    struct fixture *fixture = *state;
    const char *const names[] = {"ad_id", "click_timestamp", "user_id", "ip", "country", "event_id"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char line[256];
        char begin[64];
        snprintf(line, sizeof line, "{" GOOD ",\"country\":\"US\",\"event_id\":\"e\",\"%s\":\"a\"}", names[i]);
        refuse(fixture, line, REJECT_DUPLICATE_FIELD, NULL);
        snprintf(begin, sizeof begin, "%s: the member occurs twice", names[i]);
        assert_memory_equal(fixture->detail, begin, strlen(begin));
    }
    refuse(fixture, "{" GOOD ",\"x\":1,\"x\":1}", REJECT_DUPLICATE_FIELD, NULL);
    refuse(fixture, "{" GOOD ",\"x\":1,\"\\u0078\":1}", REJECT_DUPLICATE_FIELD, NULL);
    refuse(fixture, "{" GOOD ",\"\\u0061d_id\":\"a\"}", REJECT_DUPLICATE_FIELD, NULL);
    refuse(fixture, "{" GOOD ",\"x\":{\"y\":1,\"y\":2}}", REJECT_DUPLICATE_FIELD, NULL);
}

static void other_types_are_wrong_type(void **state) {
    struct fixture *fixture = *state;
    const char *const names[] = {"ad_id", "click_timestamp", "user_id", "ip", "country", "event_id"};
    const char *const values[] = {"null",  "true", "false", "1.5",     "1609459201000.0",
                                  "16e11", "[]",   "{}",    "[\"a\"]", "1609459201000"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
            char line[256];
            size_t len = 1;
            line[0] = '{';
            for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
                const char *good = k == 1 ? "1609459201000" : k == 3 ? "\"::1\"" : k == 4 ? "\"US\"" : "\"a\"";
                len += (size_t)snprintf(line + len, sizeof line - len, "%s\"%s\":%s", k == 0 ? "" : ",", names[k],
                                        k == i ? values[j] : good);
            }
            snprintf(line + len, sizeof line - len, "}");
            if (i == 1 && j == 9) {
                take(fixture, line, true);
            } else {
                refuse(fixture, line, REJECT_WRONG_TYPE, NULL);
                assert_memory_equal(fixture->detail, names[i], strlen(names[i]));
            }
        }
    }
    refuse(fixture, "{\"ad_id\":7," REST "}", REJECT_WRONG_TYPE, "ad_id: expected a string, got an integer");
    refuse(fixture, "{" GOOD ",\"country\":null}", REJECT_WRONG_TYPE, "country: expected a string, got null");
}

static void ids_of_0_or_129_bytes_are_refused(void **state) {
    struct fixture *fixture = *state;
    const char *const names[] = {"ad_id", "user_id", "event_id"};
    const enum reject codes[] = {REJECT_BAD_AD_ID, REJECT_BAD_USER_ID, REJECT_BAD_EVENT_ID};
    for (size_t i = 0; i < 3; i++) {
        for (int len = 0; len <= 130; len++) {
            char line[512];
            char ids[3][132] = {"a", "u", "e"};
            memset(ids[i], 'x', sizeof ids[i]);
            ids[i][len] = 0;
            snprintf(
                line, sizeof line,
                "{\"ad_id\":\"%s\",\"click_timestamp\":1609459201,\"user_id\":\"%s\",\"event_id\":\"%s\",\"ip\":\"::1\"}",
                ids[0], ids[1], ids[2]);
            if (len >= 1 && len <= 128) {
                take(fixture, line, true);
            } else {
                refuse(fixture, line, codes[i], NULL);
                assert_memory_equal(fixture->detail, names[i], strlen(names[i]));
            }
        }
    }
}

/* Every place in ids of 1 to 24 bytes, so that whole words and what is left of them are covered. */
static void control_characters_in_ids_are_refused(void **state) {
    struct fixture *fixture = *state;
    const char *const controls[] = {"\\u0000",  "\\u0001",  "\\u001f",  "\\n",     "\\t",    "\x7f",
                                    "\xc2\x80", "\xc2\x85", "\xc2\x9f", "\\u0080", "\\u009F"};
    const char *const others[] = {
        " ", "~", "!", "\xc2\xa0", "\xc3\x80", "\xc3\x9f", "\xe2\x80\x80", "\xf0\x9f\x98\x80", "\\u00a0", "\xed\x9f\xbf"};
    for (int before = 0; before < 12; before++) {
        for (int after = 0; after < 12; after++) {
            for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++) {
                char line[256];
                snprintf(line, sizeof line, "{\"ad_id\":\"%.*s%s%.*s\"," REST "}", before, "abcdefghijkl", controls[i],
                         after, "abcdefghijkl");
                refuse(fixture, line, REJECT_BAD_AD_ID, "ad_id: has a control character; expected text without any");
            }
            for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
                char line[256];
                snprintf(line, sizeof line, "{\"ad_id\":\"%.*s%s%.*s\"," REST "}", before, "abcdefghijkl", others[i], after,
                         "abcdefghijkl");
                take(fixture, line, true);
            }
        }
    }
    refuse(fixture, "{\"ad_id\":\"a\",\"click_timestamp\":1609459201,\"user_id\":\"\\u0007\",\"ip\":\"::1\"}",
           REJECT_BAD_USER_ID, NULL);
    refuse(fixture, "{" GOOD ",\"event_id\":\"\\u0007\"}", REJECT_BAD_EVENT_ID, NULL);
}

static void unreadable_times_are_bad_timestamp(void **state) {
    struct fixture *fixture = *state;
    const char *const times[] = {"0",
                                 "-1",
                                 "-1609459201000",
                                 "160945920",
                                 "16094592010",
                                 "160945920100",
                                 "16094592010000",
                                 "9223372036854775807",
                                 "\"\"",
                                 "\"yesterday\"",
                                 "\"2021-02-29 00:00:00\"",
                                 "\"1969-12-31T23:59:59Z\"",
                                 "\"202101010000\""};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "{\"ad_id\":\"a\",\"click_timestamp\":%s,\"user_id\":\"u\",\"ip\":\"::1\"}", times[i]);
        refuse(fixture, line, REJECT_BAD_TIMESTAMP, NULL);
    }
    refuse(fixture, "{\"ad_id\":\"a\",\"click_timestamp\":\"now\\u0007\",\"user_id\":\"u\",\"ip\":\"::1\"}",
           REJECT_BAD_TIMESTAMP,
           "click_timestamp: \"now?\" is not epoch milliseconds (13 digits), epoch seconds (10 digits), RFC 3339 or "
           "YYYY-MM-DD HH:MM:SS from 1970 to 9999");
}

static void the_future_begins_after_the_skew(void **state) {
    struct fixture *fixture = *state;
    take(fixture, "{\"ad_id\":\"a\",\"click_timestamp\":1700000060000,\"user_id\":\"u\",\"ip\":\"::1\"}", true);
    refuse(fixture, "{\"ad_id\":\"a\",\"click_timestamp\":1700000060001,\"user_id\":\"u\",\"ip\":\"::1\"}",
           REJECT_FUTURE_TIMESTAMP,
           "click_timestamp: 2023-11-14T22:14:20.001Z is more than 60000 ms later than the server's clock");
    take(fixture, "{\"ad_id\":\"a\",\"click_timestamp\":\"2023-11-14T22:14:20Z\",\"user_id\":\"u\",\"ip\":\"::1\"}", true);
    refuse(fixture, "{\"ad_id\":\"a\",\"click_timestamp\":\"2023-11-14 22:14:21\",\"user_id\":\"u\",\"ip\":\"::1\"}",
           REJECT_FUTURE_TIMESTAMP, NULL);
    refuse(fixture, "{\"ad_id\":\"a\",\"click_timestamp\":1700000061,\"user_id\":\"u\",\"ip\":\"::1\"}",
           REJECT_FUTURE_TIMESTAMP, NULL);
}

static void bad_ips_are_refused_without_being_quoted(void **state) {
    struct fixture *fixture = *state;
    refuse(fixture, "{\"ad_id\":\"a\",\"click_timestamp\":1609459201,\"user_id\":\"u\",\"ip\":\"1.2.3.400\"}", REJECT_BAD_IP,
           "ip: expected an IPv4 or IPv6 address, or IPv4 with masked octets such as 207.xxx.xx.22");
    refuse(fixture, "{\"ad_id\":\"a\",\"click_timestamp\":1609459201,\"user_id\":\"u\",\"ip\":\"\"}", REJECT_BAD_IP, NULL);
    refuse(fixture, "{\"ad_id\":\"a\",\"click_timestamp\":1609459201,\"user_id\":\"u\",\"ip\":\"1.2.3.4\\u0000\"}",
           REJECT_BAD_IP, NULL);
}

static void bad_countries_are_quoted_up_to_a_length(void **state) {
    struct fixture *fixture = *state;
    refuse(fixture, "{" GOOD ",\"country\":\"XYZ\"}", REJECT_BAD_COUNTRY,
           "country: \"XYZ\" is not an ISO 3166-1 alpha-2 or alpha-3 code");
    refuse(fixture, "{" GOOD ",\"country\":\"\"}", REJECT_BAD_COUNTRY,
           "country: \"\" is not an ISO 3166-1 alpha-2 or alpha-3 code");
    refuse(fixture, "{" GOOD ",\"country\":\"\xc2\x85\\u0000\x7f\"}", REJECT_BAD_COUNTRY,
           "country: \"???\" is not an ISO 3166-1 alpha-2 or alpha-3 code");
    /* A cut inside a character takes the whole character away. */
    for (int before = 40; before < 60; before++) {
        char line[256];
        snprintf(line, sizeof line, "{" GOOD ",\"country\":\"%.*s\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"}",
                 before, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        refuse(fixture, line, REJECT_BAD_COUNTRY, NULL);
        assert_true(strlen(fixture->detail) < 120);
    }
}

static void invalid_utf8_comes_before_everything_else(void **state) {
    struct fixture *fixture = *state;
    const char *const sequences[] = {
        "\x80", "\xff", "\xc3", "\xc0\x80", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "{" GOOD ",\"x\":\"%s\"}", sequences[i]);
        refuse(fixture, line, REJECT_BAD_UTF8, NULL);
        snprintf(line, sizeof line, "{{{\"%s", sequences[i]);
        refuse(fixture, line, REJECT_BAD_UTF8, "the line is not valid UTF-8 at byte 4 (the first is 0)");
        snprintf(line, sizeof line, "{\"\xc3\xa4\":1}%s", sequences[i]);
        refuse(fixture, line, REJECT_BAD_UTF8, "the line is not valid UTF-8 at byte 8 (the first is 0)");
    }
}

static void a_line_over_64_kib_is_too_long(void **state) {
    struct fixture *fixture = *state;
    const size_t len = LINE_BYTES_MAX + 1;
    uint8_t *text = malloc(len);
    memset(text, ' ', len);
    memcpy(text, "{" GOOD "}", sizeof "{" GOOD "}" - 1);
    take_bytes(fixture, (struct bytes){text, len - 1}, true);
    refuse_bytes(fixture, (struct bytes){text, len}, &rules, REJECT_LINE_TOO_LONG,
                 "the line has 65537 bytes; at most 65536 are read");
    free(text);
}

static void the_deepest_nesting_of_a_line_is_survived(void **state) {
    struct fixture *fixture = *state;
    uint8_t *text = malloc(LINE_BYTES_MAX);
    memset(text, '[', LINE_BYTES_MAX);
    refuse_bytes(fixture, (struct bytes){text, LINE_BYTES_MAX}, &rules, REJECT_BAD_JSON, NULL);
    for (size_t i = 0; i + 5 <= LINE_BYTES_MAX; i += 5) memcpy(text + i, "{\"\":[", 5);
    refuse_bytes(fixture, (struct bytes){text, LINE_BYTES_MAX}, &rules, REJECT_BAD_JSON, NULL);
    memset(text, '{', LINE_BYTES_MAX);
    refuse_bytes(fixture, (struct bytes){text, LINE_BYTES_MAX}, &rules, REJECT_BAD_JSON, NULL);
    free(text);
}

/* Random damage to good lines: whatever the hot path is certain of, the slow path says too. */
static void the_two_paths_agree_on_damaged_lines(void **state) {
    struct fixture *fixture = *state;
    static const char *const seeds[] = {"{\"event_id\":\"e-1\",\"ad_id\":\"ad001\",\"click_timestamp\":1609459201000,\"user_"
                                        "id\":\"user 1\",\"ip\":\"207.148.22.22\",\"country\":\"USA\"}",
                                        "{\"ad_id\":\"\\u00e4\\ud83d\\ude00\",\"click_timestamp\":\"2021-01-01T00:00:01Z\","
                                        "\"user_id\":\"u\",\"ip\":\"2001:db8::1\",\"x\":12345678901234567890}",
                                        "{\"ad_id\":\"a\",\"click_timestamp\":1609459201,\"user_id\":\"u\",\"ip\":\"1.x.2."
                                        "3\",\"x\":{\"y\":[1,2.5e3,null]},\"z\":true,\"country\":\"de\"}"};
    static const char alphabet[] = "{}[]\":,\\u0019.-eEdD8/tfn \t\xc2\x85\xf0\x9f\x98\x80";
    struct random_sequence sequence = {3};
    unsigned agreed = 0;
    for (int round = 0; round < 200000; round++) {
        char line[256];
        size_t len = strlen(seeds[round % 3]);
        memcpy(line, seeds[round % 3], len);
        for (uint64_t edits = random_sequence_next(&sequence) % 3; edits > 0; edits--) {
            const size_t at = random_sequence_next(&sequence) % len;
            const char byte = alphabet[random_sequence_next(&sequence) % (sizeof alphabet - 1)];
            if (random_sequence_next(&sequence) % 2 == 0) {
                line[at] = byte;
            } else {
                memmove(line + at + 1, line + at, len - at);
                line[at] = byte;
                len++;
            }
        }
        const struct bytes kept = keep(fixture, (struct bytes){(const uint8_t *)line, len});
        struct click hot = {0};
        struct click slow = {0};
        if (!decode_json_hot(fixture->decoder, kept, &rules, &hot)) continue;
        const enum reject reject = decode_json_slow(fixture->decoder, kept, &rules, &slow, fixture->detail);
        if (reject != REJECT_NONE || !click_equal(&hot, &slow)) fail_msg("they differ on %.*s", (int)len, line);
        agreed++;
    }
    assert_true(agreed > 20000);
}

/* Else a good click would be refused as bad_json, or as one that lacks a member, when memory is short: the answer would be
 * wrong, and the sender would not send it again. */
static void jansson_ends_the_process_when_memory_is_out(void **state) {
    (void)state;
    json_malloc_t allocate;
    json_free_t release;
    json_get_alloc_funcs(&allocate, &release);
    assert_true(allocate == memory_allocate);
    assert_true(release == free);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_click_is_taken_on_the_hot_path),
        cmocka_unit_test(country_and_event_id_can_be_missing),
        cmocka_unit_test(texts_that_do_not_follow_from_the_value_are_kept),
        cmocka_unit_test(every_form_of_time_is_taken),
        cmocka_unit_test(escapes_are_resolved),
        cmocka_unit_test(bad_escapes_are_bad_json),
        cmocka_unit_test(white_space_and_order_do_not_matter),
        cmocka_unit_test(unknown_members_are_ignored),
        cmocka_unit_test(integers_beyond_64_bits_are_ignored_in_unknown_members),
        cmocka_unit_test(what_is_not_json_is_bad_json_with_its_place),
        cmocka_unit_test(other_values_than_objects_are_not_object),
        cmocka_unit_test(missing_members_are_named),
        cmocka_unit_test(a_missing_event_id_is_refused_where_the_rules_say_so),
        cmocka_unit_test(a_member_that_occurs_twice_is_refused),
        cmocka_unit_test(other_types_are_wrong_type),
        cmocka_unit_test(ids_of_0_or_129_bytes_are_refused),
        cmocka_unit_test(control_characters_in_ids_are_refused),
        cmocka_unit_test(unreadable_times_are_bad_timestamp),
        cmocka_unit_test(the_future_begins_after_the_skew),
        cmocka_unit_test(bad_ips_are_refused_without_being_quoted),
        cmocka_unit_test(bad_countries_are_quoted_up_to_a_length),
        cmocka_unit_test(invalid_utf8_comes_before_everything_else),
        cmocka_unit_test(a_line_over_64_kib_is_too_long),
        cmocka_unit_test(the_deepest_nesting_of_a_line_is_survived),
        cmocka_unit_test(jansson_ends_the_process_when_memory_is_out),
        cmocka_unit_test(the_two_paths_agree_on_damaged_lines),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
