#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>

#include "reply/reply.h"

static void assert_bytes(const struct buffer *buffer, const char *expected) {
    assert_int_equal(buffer->len, strlen(expected));
    if (buffer->len > 0) assert_memory_equal(buffer->at, expected, buffer->len);
}

static void a_problem_has_its_four_members(void **state) {
    (void)state;
    struct reply reply;
    reply_problem(&reply, 404, "unknown-filter", "Unknown \"filter\"", "filter %d: %s", 7, "a\nb\x01");
    assert_int_equal(reply.http_status, 404);
    assert_string_equal(reply.content_type, "application/problem+json");
    assert_int_equal(reply.retry_after_seconds, 0);
    assert_int_equal(reply.body_file, -1);
    assert_bytes(&reply.body,
                 "{\"type\":\"urn:tally:problem:unknown-filter\",\"title\":\"Unknown \\\"filter\\\"\",\"status\":404,"
                 "\"detail\":\"filter 7: a\\u000ab\\u0001\"}");
    buffer_fini(&reply.body);
}

static void a_busy_answer_says_when_to_come_back(void **state) {
    (void)state;
    static const unsigned statuses[] = {429, 503};
    for (size_t i = 0; i < 2; i++) {
        struct reply reply;
        reply_problem(&reply, statuses[i], "busy", "Busy", "later");
        assert_int_equal(reply.retry_after_seconds, 1);
        buffer_fini(&reply.body);
    }
}

static void a_long_detail_is_not_cut(void **state) {
    (void)state;
    char text[5001];
    memset(text, 'x', 5000);
    text[5000] = '\0';
    struct reply reply;
    reply_problem(&reply, 400, "t", "T", "%s!", text);
    json_t *json = json_loadb((const char *)reply.body.at, reply.body.len, 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_string_length(json_object_get(json, "detail")), 5001);
    json_decref(json);
    buffer_fini(&reply.body);
}

/* jansson is the judge: what was written is JSON, and reads back as it was. */
static void any_text_is_valid_json(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "plain",
                                        "\"\\/",
                                        "\x01\x1f\x7f\t\r\n\b\f",
                                        "\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80",
                                        "\xEF\xBF\xBF\xF4\x8F\xBF\xBF\xED\x9F\xBF\xEE\x80\x80"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buffer out = {0};
        json_append_string(&out, bytes_of_text(texts[i]));
        json_t *json = json_loadb((const char *)out.at, out.len, JSON_DECODE_ANY, NULL);
        assert_non_null(json);
        assert_string_equal(json_string_value(json), texts[i]);
        json_decref(json);
        buffer_fini(&out);
    }
}

static void bytes_that_are_not_utf8_are_replaced(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"a\xFFz", "\"a\xEF\xBF\xBDz\""},
        {"\xC3", "\"\xEF\xBF\xBD\""},
        {"\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                                 /* overlong */
        {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},                 /* a surrogate */
        {"\xF4\x90\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* above U+10FFFF */
        {"\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out = {0};
        json_append_string(&out, bytes_of_text(cases[i].text));
        assert_bytes(&out, cases[i].expected);
        buffer_fini(&out);
    }
}

static void a_parameter_is_found_and_decoded(void **state) {
    (void)state;
    static const struct {
        const char *query, *value; /* NULL: not found */
    } cases[] = {
        {"", NULL},
        {"&&", NULL},
        {"xa=1", NULL},
        {"a=1", "1"},
        {"a", ""},
        {"a=", ""},
        {"b=2&a=1&c", "1"},
        {"a=1=2", "1=2"},
        {"a=x+y%2B%26%3D%25", "x y+&=%"},
        {"%61=1", "1"},
        {"b=%&a=1", "1"}, /* another's broken escape is not this one's */
        {"%zz=3&a=1", "1"},
        {"a=%c3%A4", "\xC3\xA4"},
    };
    struct buffer value = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum status status = query_parameter(bytes_of_text(cases[i].query), "a", &value);
        assert_int_equal(status, cases[i].value == NULL ? STATUS_NOT_FOUND : STATUS_OK);
        if (cases[i].value != NULL) assert_bytes(&value, cases[i].value);
    }
    buffer_fini(&value);
}

static void a_hostile_parameter_is_refused(void **state) {
    (void)state;
    static const char *const queries[] = {"a=%",   "a=%4",     "a=%4g",       "a=%00",  "a=1&a=1", "a&a",   "a=1&%61=2",
                                          "a=%ff", "a=%C0%AF", "a=%ed%a0%80", "a=\xff", "a=x%",    "a=%%%", "a=%2"};
    struct buffer value = {0};
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        assert_int_equal(query_parameter(bytes_of_text(queries[i]), "a", &value), STATUS_BAD_INPUT);
    static const uint8_t with_nul[] = {'a', '=', 0};
    assert_int_equal(query_parameter((struct bytes){with_nul, 3}, "a", &value), STATUS_BAD_INPUT);
    buffer_fini(&value);
}

static void a_path_keeps_its_plus(void **state) {
    (void)state;
    struct buffer out = {0};
    assert_int_equal(path_decode(BYTES_LITERAL("a+b%2Fc%20d"), &out), STATUS_OK);
    assert_bytes(&out, "a+b/c d");
    assert_int_equal(path_decode(BYTES_LITERAL("a%2"), &out), STATUS_BAD_INPUT);
    assert_int_equal(path_decode(BYTES_LITERAL("%00"), &out), STATUS_BAD_INPUT);
    assert_int_equal(path_decode(BYTES_LITERAL(""), &out), STATUS_OK);
    assert_int_equal(out.len, 0);
    buffer_fini(&out);
}

static void an_unknown_parameter_is_named(void **state) {
    (void)state;
    static const char *const allowed[] = {"from", "to", NULL};
    struct failure failure = {.status = STATUS_OK};
    assert_int_equal(query_only(BYTES_LITERAL("from=1&to=2&&%66rom"), allowed, &failure), STATUS_OK);
    assert_int_equal(query_only(BYTES_LITERAL(""), allowed, &failure), STATUS_OK);
    assert_int_equal(query_only(BYTES_LITERAL("from=1&fr\xFFom\x01=3&zzz"), allowed, &failure), STATUS_BAD_INPUT);
    assert_non_null(strstr(failure.text, "\"fr?om?\""));
    char long_name[1000];
    memset(long_name, 'n', sizeof long_name);
    failure = (struct failure){.status = STATUS_OK};
    struct bytes query = {(const uint8_t *)long_name, sizeof long_name};
    assert_int_equal(query_only(query, allowed, &failure), STATUS_BAD_INPUT);
    assert_true(strlen(failure.text) < 100);
    assert_int_equal(query_only(BYTES_LITERAL("=x"), allowed, NULL), STATUS_BAD_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_has_its_four_members),
        cmocka_unit_test(a_busy_answer_says_when_to_come_back),
        cmocka_unit_test(a_long_detail_is_not_cut),
        cmocka_unit_test(any_text_is_valid_json),
        cmocka_unit_test(bytes_that_are_not_utf8_are_replaced),
        cmocka_unit_test(a_parameter_is_found_and_decoded),
        cmocka_unit_test(a_hostile_parameter_is_refused),
        cmocka_unit_test(a_path_keeps_its_plus),
        cmocka_unit_test(an_unknown_parameter_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
