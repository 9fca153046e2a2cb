#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "base/random_sequence.h"
#include "click/timestamp.h"

static const int64_t last_ms = INT64_C(253402300799999); /* 9999-12-31T23:59:59.999Z */

static void expect(const char *text, int64_t ms, uint8_t expected_form) {
    struct event_time time = {-1};
    uint8_t form = 99;
    if (!timestamp_parse(bytes_of_text(text), &time, &form)) fail_msg("%s is refused", text);
    if (time.ms != ms) fail_msg("%s is %lld, not %lld", text, (long long)time.ms, (long long)ms);
    if (form != expected_form) fail_msg("%s has form %u", text, form);
    if (form != TIME_VERBATIM) {
        char back[TIMESTAMP_TEXT_BYTES];
        assert_int_equal(timestamp_text_in_form(time, form, back), strlen(text));
        assert_string_equal(back, text);
    }
}

static void refuse(const char *text) {
    struct event_time time;
    uint8_t form;
    if (timestamp_parse(bytes_of_text(text), &time, &form)) fail_msg("%s is taken as %lld", text, (long long)time.ms);
}

static void each_form_is_read_and_written_back(void **state) {
    (void)state;
    expect("1609459201000", INT64_C(1609459201000), TIME_MS_NUMBER);
    expect("1609459201", INT64_C(1609459201000), TIME_SECONDS_NUMBER);
    expect("2021-01-01 00:00:01", INT64_C(1609459201000), TIME_SPACE);
    expect("2021-01-01T00:00:01Z", INT64_C(1609459201000), TIME_RFC3339_Z);
    expect("2021-01-01T00:00:01.000Z", INT64_C(1609459201000), TIME_RFC3339_MS_Z);
    expect("2021-01-01T00:00:01.999Z", INT64_C(1609459201999), TIME_RFC3339_MS_Z);
    expect("0000000000000", 0, TIME_MS_NUMBER);
    expect("9999999999999", INT64_C(9999999999999), TIME_MS_NUMBER);
    expect("0000000000", 0, TIME_SECONDS_NUMBER);
    expect("9999999999", INT64_C(9999999999000), TIME_SECONDS_NUMBER);
}

static void other_spellings_of_rfc_3339_are_kept_verbatim(void **state) {
    (void)state;
    expect("2021-01-01t00:00:01z", INT64_C(1609459201000), TIME_VERBATIM);
    expect("2021-01-01T00:00:01z", INT64_C(1609459201000), TIME_VERBATIM);
    expect("2021-01-01 00:00:01Z", INT64_C(1609459201000), TIME_VERBATIM);
    expect("2021-01-01 00:00:01.5+00:00", INT64_C(1609459201500), TIME_VERBATIM);
    expect("2021-01-01T00:00:01+00:00", INT64_C(1609459201000), TIME_VERBATIM);
    expect("2021-01-01T00:00:01-00:00", INT64_C(1609459201000), TIME_VERBATIM);
}

static void offsets_are_taken_off(void **state) {
    (void)state;
    expect("2021-01-01T05:30:01+05:30", INT64_C(1609459201000), TIME_VERBATIM);
    expect("2020-12-31T16:00:01-08:00", INT64_C(1609459201000), TIME_VERBATIM);
    expect("2021-01-01T23:59:01+23:59", INT64_C(1609459201000), TIME_VERBATIM);
    expect("2020-12-31T00:01:01-23:59", INT64_C(1609459201000), TIME_VERBATIM);
    expect("2021-01-01T00:00:01.123+00:01", INT64_C(1609459141123), TIME_VERBATIM);
    for (int minutes = -1439; minutes <= 1439; minutes++) {
        char text[40];
        const int size = minutes < 0 ? -minutes : minutes;
        snprintf(text, sizeof text, "2024-02-29T12:00:00%c%02d:%02d", minutes < 0 ? '-' : '+', size / 60, size % 60);
        expect(text, INT64_C(1709208000000) - minutes * (int64_t)MINUTE_MS, TIME_VERBATIM);
    }
}

static void fractions_are_cut_to_milliseconds(void **state) {
    (void)state;
    expect("2021-01-01T00:00:01.1Z", INT64_C(1609459201100), TIME_VERBATIM);
    expect("2021-01-01T00:00:01.12Z", INT64_C(1609459201120), TIME_VERBATIM);
    expect("2021-01-01T00:00:01.1239Z", INT64_C(1609459201123), TIME_VERBATIM);
    expect("2021-01-01T00:00:01.999999999Z", INT64_C(1609459201999), TIME_VERBATIM);
    expect("2021-01-01T00:00:01.0009Z", INT64_C(1609459201000), TIME_VERBATIM);
    expect("2021-01-01T00:00:01.123456789012345678901234567890Z", INT64_C(1609459201123), TIME_VERBATIM);
}

static void the_bounds_are_1970_and_9999(void **state) {
    (void)state;
    expect("1970-01-01 00:00:00", 0, TIME_SPACE);
    expect("9999-12-31 23:59:59", INT64_C(253402300799000), TIME_SPACE);
    expect("9999-12-31T23:59:59.999Z", last_ms, TIME_RFC3339_MS_Z);
    expect("9999-12-31T23:59:59.9999999Z", last_ms, TIME_VERBATIM);
    expect("1969-12-31T23:00:00-01:00", 0, TIME_VERBATIM);
    expect("9999-12-31T23:59:59+00:01", last_ms - 999 - MINUTE_MS, TIME_VERBATIM);
    refuse("1969-12-31 23:59:59");
    refuse("1969-12-31T23:59:59.999Z");
    refuse("1970-01-01T00:00:00+00:01");
    refuse("9999-12-31T23:59:59-00:01");
    refuse("0000-01-01 00:00:00");
    refuse("0001-01-01T00:00:00Z");
    refuse("10000-01-01T00:00:00Z");
    refuse("-001-01-01T00:00:00Z");
}

static void days_that_do_not_exist_are_refused(void **state) {
    (void)state;
    static const int days_in_month[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (int year = 1970; year < 10000; year++) {
        const int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        const int february = 28 + leap;
        char text[40];
        struct event_time time;
        uint8_t form;
        snprintf(text, sizeof text, "%04d-02-%02d 00:00:00", year, february);
        assert_true(timestamp_parse(bytes_of_text(text), &time, &form));
        snprintf(text, sizeof text, "%04d-02-%02d 00:00:00", year, february + 1);
        assert_false(timestamp_parse(bytes_of_text(text), &time, &form));
    }
    for (int month = 0; month <= 13; month++) {
        char text[40];
        snprintf(text, sizeof text, "2023-%02d-00 00:00:00", month);
        refuse(text);
        snprintf(text, sizeof text, "2023-%02d-%02d 00:00:00", month,
                 month >= 1 && month <= 12 ? days_in_month[month - 1] + 1 : 1);
        refuse(text);
    }
}

static void hours_that_do_not_exist_are_refused(void **state) {
    (void)state;
    refuse("2021-01-01 24:00:00");
    refuse("2021-01-01 23:60:00");
    refuse("2016-12-31 23:59:60");
    refuse("2016-12-31T23:59:60Z");
    refuse("2021-01-01T00:00:00+24:00");
    refuse("2021-01-01T00:00:00+23:60");
}

static void other_texts_are_refused(void **state) {
    (void)state;
    const char *const texts[] = {"",
                                 "0",
                                 "now",
                                 "160945920",
                                 "16094592010",
                                 "160945920100",
                                 "16094592010000",
                                 "-609459201000",
                                 "+609459201000",
                                 "1609459201.00",
                                 "160945920x",
                                 "16094592010 0",
                                 " 1609459201",
                                 "1.609459e+12",
                                 "2021-01-01",
                                 "2021-01-01T00:00:01",
                                 "2021-01-01T00:00:01.5",
                                 "2021-01-01 00:00:01.5",
                                 "2021-01-01 00:00:0",
                                 "2021-01-01_00:00:01",
                                 "2021/01/01 00:00:01",
                                 "2021-01-01 00-00-01",
                                 "2021-1-01 00:00:001",
                                 "2021-01-01T00:00:01.Z",
                                 "2021-01-01T00:00:01,5Z",
                                 "2021-01-01T00:00:01 Z",
                                 "2021-01-01T00:00:01ZZ",
                                 "2021-01-01T00:00:01+0000",
                                 "2021-01-01T00:00:01+00",
                                 "2021-01-01T00:00:01+00:0",
                                 "2021-01-01T00:00:01+00:000",
                                 "2021-01-01T00:00:01*00:00",
                                 "2021-01-01T00:00Z",
                                 "20210101T000001Z",
                                 "2021-01-01 00:00:01 ",
                                 "2021-01-01 00:00:01\n",
                                 "2021-01-01T00:00:01.00000000000000000000000000000000000000000000000000Z",
                                 "202101010000",
                                 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                 "2021-01-01  00:00:01"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) refuse(texts[i]);
}

/* Each byte of a good text that becomes another is either another good time or refused, and nothing is read past the end. */
static void a_wrong_character_at_any_place_is_refused(void **state) {
    (void)state;
    const char good[] = "2021-01-01T00:00:01.123+01:00";
    for (size_t at = 0; at < sizeof good - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            if (byte >= '0' && byte <= '9') continue;
            if (byte == good[at] || (at == 10 && (byte == 't' || byte == ' ')) || (at == 23 && byte == '-')) continue;
            char text[sizeof good];
            struct event_time time;
            uint8_t form;
            memcpy(text, good, sizeof good);
            text[at] = (char)byte;
            assert_false(timestamp_parse((struct bytes){(const uint8_t *)text, sizeof good - 1}, &time, &form));
        }
    }
}

static void expect_as_the_c_library_says(int64_t ms) {
    const time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char text[40];
    assert_non_null(gmtime_r(&seconds, &tm));
    assert_int_equal(strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm), 19);
    expect(text, ms - ms % 1000, TIME_SPACE);
    text[10] = 'T';
    snprintf(text + 19, 8, ".%03dZ", (int)(ms % 1000));
    expect(text, ms, TIME_RFC3339_MS_Z);
    char back[TIMESTAMP_TEXT_BYTES];
    timestamp_text((struct event_time){ms}, back);
    if (ms % 1000 == 0) strcpy(text + 19, "Z");
    assert_string_equal(back, text);
}

static void every_day_from_1970_to_9999_is_read_and_written(void **state) {
    (void)state;
    for (int64_t day = 0; day * 86400000 <= last_ms; day++) {
        expect_as_the_c_library_says(day * 86400000);
        expect_as_the_c_library_says(day * 86400000 + 86399999);
    }
}

static void random_moments_are_read_and_written(void **state) {
    (void)state;
    struct random_sequence sequence = {1};
    for (int i = 0; i < 100000; i++) {
        expect_as_the_c_library_says((int64_t)(random_sequence_next(&sequence) % (uint64_t)(last_ms + 1)));
    }
}

static void text_is_written_before_1970_too(void **state) {
    (void)state;
    char text[TIMESTAMP_TEXT_BYTES];
    timestamp_text((struct event_time){-1}, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    assert_int_equal(timestamp_text((struct event_time){-1000}, text), 20);
    assert_string_equal(text, "1969-12-31T23:59:59Z");
    timestamp_text((struct event_time){-86400000}, text);
    assert_string_equal(text, "1969-12-31T00:00:00Z");
    timestamp_text((struct event_time){-86400001}, text);
    assert_string_equal(text, "1969-12-30T23:59:59.999Z");
    timestamp_text((struct event_time){INT64_C(-62167219200000)}, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
}

static void questions_take_twelve_digits_too(void **state) {
    (void)state;
    struct event_time time;
    assert_true(timestamp_parse_question(bytes_of_text("202101010001"), &time));
    assert_int_equal(time.ms, INT64_C(1609459260000));
    assert_true(timestamp_parse_question(bytes_of_text("197001010000"), &time));
    assert_int_equal(time.ms, 0);
    assert_true(timestamp_parse_question(bytes_of_text("999912312359"), &time));
    assert_int_equal(time.ms, last_ms - 59999);
    assert_true(timestamp_parse_question(bytes_of_text("1609459201"), &time));
    assert_int_equal(time.ms, INT64_C(1609459201000));
    assert_true(timestamp_parse_question(bytes_of_text("2021-01-01T00:00:01Z"), &time));
    const char *const refused[] = {"196912312359", "202113010000", "202102290000", "202101012400",
                                   "202101010060", "20210101000x", "-02101010000", ""};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_false(timestamp_parse_question(bytes_of_text(refused[i]), &time));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_read_and_written_back),
        cmocka_unit_test(other_spellings_of_rfc_3339_are_kept_verbatim),
        cmocka_unit_test(offsets_are_taken_off),
        cmocka_unit_test(fractions_are_cut_to_milliseconds),
        cmocka_unit_test(the_bounds_are_1970_and_9999),
        cmocka_unit_test(days_that_do_not_exist_are_refused),
        cmocka_unit_test(hours_that_do_not_exist_are_refused),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(a_wrong_character_at_any_place_is_refused),
        cmocka_unit_test(every_day_from_1970_to_9999_is_read_and_written),
        cmocka_unit_test(random_moments_are_read_and_written),
        cmocka_unit_test(text_is_written_before_1970_too),
        cmocka_unit_test(questions_take_twelve_digits_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
