#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "config/value.h"

static void durations_are_digits_with_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"250ms", 250},
        {"15s", 15 * SECOND_MS},
        {"1m", MINUTE_MS},
        {"96h1m", 96 * (int64_t)HOUR_MS + MINUTE_MS},
        {"2d", 48 * (int64_t)HOUR_MS},
        {"1d2h3m4s5ms", 26 * (int64_t)HOUR_MS + 3 * MINUTE_MS + 4 * SECOND_MS + 5},
        {"1m5ms", MINUTE_MS + 5},
        {"0", 0},
        {"00", 0},
        {"0s", 0},
        {"0h0ms", 0},
        {"90m", 90 * MINUTE_MS},
        {"007s", 7 * SECOND_MS},
        {"9223372036854775807ms", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;
        assert_true(value_read_duration(bytes_of_text(cases[i].text), &ms));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void what_is_almost_a_duration_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "15",
        "1",
        "s",
        "24x",
        "1h 2m",
        " 1h",
        "1h ",
        "-1s",
        "+1s",
        "1.5h",
        "1m1h",
        "1h1h",
        "1ms1s",
        "1H",
        "1M",
        "1hour",
        "1h2",
        "1h2m3",
        "1us",
        "1e3s",
        "h1",
        "1,5h",
        "1mss",
        "0x10s",
        "1_0s",
        "١s",
        "10d1",
        "15 s",
        "1\n",
        "9223372036854775808ms",
        "18446744073709551616ms",
        "106751991168d",
        "99999999999999999999999s",
        "9223372036854775807ms1",
        "2562047788015h99999999m",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;
        if (value_read_duration(bytes_of_text(cases[i]), &ms))
            fail_msg("\"%s\" was read as %lld ms", cases[i], (long long)ms);
    }
    int64_t ms = 0;
    assert_false(value_read_duration((struct bytes){NULL, 0}, &ms));
    assert_false(value_read_duration((struct bytes){(const uint8_t *)"1s\0", 3}, &ms));
}

static void sizes_are_bytes_or_have_binary_or_decimal_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"2GiB", 2 * GIBIBYTE},
        {"512MiB", 512 * MEBIBYTE},
        {"64KiB", 65536},
        {"1TiB", TEBIBYTE},
        {"1000000", 1000000},
        {"5B", 5},
        {"5kB", 5000},
        {"5MB", 5000000},
        {"5GB", 5000000000},
        {"5TB", 5000000000000},
        {"0", 0},
        {"18446744073709551615", UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t bytes = 1;
        assert_true(value_read_size(bytes_of_text(cases[i].text), &bytes));
        assert_int_equal(bytes, cases[i].bytes);
    }
}

static void what_is_almost_a_size_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "GiB",
        "2 GiB",
        "2gib",
        "2G",
        "2KB",
        "2Kib",
        "-1",
        "1.5GiB",
        "2GiB3MiB",
        "2GiB3",
        "1e9",
        "2GiBs",
        " 2",
        "18446744073709551616",
        "16777216TiB",
        "99999999999999999999GiB",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t bytes = 0;
        if (value_read_size(bytes_of_text(cases[i]), &bytes)) fail_msg("\"%s\" was read", cases[i]);
    }
}

static void counts_are_digits_only(void **state) {
    (void)state;
    uint64_t count = 1;
    assert_true(value_read_count(bytes_of_text("0"), &count));
    assert_int_equal(count, 0);
    assert_true(value_read_count(bytes_of_text("18446744073709551615"), &count));
    assert_int_equal(count, UINT64_MAX);
    static const char *const cases[] = {"", "-1", "+1", "1 ", "1k", "0x1", "1.0", "18446744073709551616", "1,000"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(value_read_count(bytes_of_text(cases[i]), &count));
    }
}

static void assert_prints_duration(int64_t ms, const char *expected) {
    struct buffer out = {0};
    value_print_duration(ms, &out);
    buffer_append(&out, "", 1);
    assert_string_equal((const char *)out.at, expected);
    buffer_fini(&out);
}

static void durations_print_in_hours_and_below(void **state) {
    (void)state;
    assert_prints_duration(0, "0s");
    assert_prints_duration(250, "250ms");
    assert_prints_duration(15 * SECOND_MS, "15s");
    assert_prints_duration(24 * (int64_t)HOUR_MS, "24h");
    assert_prints_duration(96 * (int64_t)HOUR_MS + MINUTE_MS, "96h1m");
    assert_prints_duration(HOUR_MS + 1, "1h1ms");
}

static void printed_durations_and_sizes_read_back(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        /* Numbers of every length, every second one a multiple of a unit. */
        uint64_t number = (i * UINT64_C(0x9E3779B97F4A7C15)) >> (1 + i % 63);
        if (i % 2 == 0) number = (number >> 20) * 1024;
        struct buffer out = {0};
        int64_t ms = -1;
        value_print_duration((int64_t)number, &out);
        assert_true(value_read_duration(buffer_view(&out), &ms));
        assert_int_equal(ms, number);
        buffer_clear(&out);
        uint64_t bytes = 0;
        value_print_size(number, &out);
        assert_true(value_read_size(buffer_view(&out), &bytes));
        assert_int_equal(bytes, number);
        buffer_fini(&out);
    }
}

static void a_quoted_value_is_short_and_without_control_bytes(void **state) {
    (void)state;
    struct buffer out = {0};
    value_print_quoted((struct bytes){(const uint8_t *)"a\0b\n", 4}, &out);
    assert_true(bytes_equal(buffer_view(&out), bytes_of_text("\"a\\x00b\\x0a\"")));
    buffer_clear(&out);
    char long_text[1000];
    memset(long_text, 'x', sizeof long_text);
    value_print_quoted((struct bytes){(const uint8_t *)long_text, sizeof long_text}, &out);
    assert_int_equal(out.len, 60 + 5);
    buffer_fini(&out);
}

static const char *suggest(const char *typed) {
    static const char *const names[] = {"lateness", "delay", "horizon", "listen", "url", "top", "at"};
    struct suggestion suggestion = {.typed = bytes_of_text(typed)};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) suggestion_offer(&suggestion, names[i]);
    return suggestion.best;
}

static void a_slip_of_one_or_two_letters_is_recognised(void **state) {
    (void)state;
    assert_string_equal(suggest("latenes"), "lateness");
    assert_string_equal(suggest("latness"), "lateness");
    assert_string_equal(suggest("laetness"), "lateness");
    assert_string_equal(suggest("leteness"), "lateness");
    assert_string_equal(suggest("lateneses"), "lateness");
    assert_string_equal(suggest("tpo"), "top");
    assert_string_equal(suggest("horizen"), "horizon");
    assert_string_equal(suggest("lsiten"), "listen");
}

static void what_is_far_from_every_name_gets_no_suggestion(void **state) {
    (void)state;
    assert_null(suggest(""));
    assert_null(suggest("x"));
    assert_null(suggest("zz"));
    assert_null(suggest("nope"));
    assert_null(suggest("partitions"));
    char long_text[200];
    memset(long_text, 'l', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_null(suggest(long_text));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_digits_with_units),
        cmocka_unit_test(what_is_almost_a_duration_is_refused),
        cmocka_unit_test(sizes_are_bytes_or_have_binary_or_decimal_units),
        cmocka_unit_test(what_is_almost_a_size_is_refused),
        cmocka_unit_test(counts_are_digits_only),
        cmocka_unit_test(durations_print_in_hours_and_below),
        cmocka_unit_test(printed_durations_and_sizes_read_back),
        cmocka_unit_test(a_quoted_value_is_short_and_without_control_bytes),
        cmocka_unit_test(a_slip_of_one_or_two_letters_is_recognised),
        cmocka_unit_test(what_is_far_from_every_name_gets_no_suggestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
