#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "click/ip.h"

static struct ip parsed(const char *text, uint8_t expected_form) {
    struct ip ip;
    uint8_t form = 99;
    if (!ip_parse(bytes_of_text(text), &ip, &form)) fail_msg("%s is refused", text);
    if (form != expected_form) fail_msg("%s has form %u", text, form);
    return ip;
}

/* `text` is read, and written as `canonical`, which is read as the same ip and written as itself. */
static void expect(const char *text, const char *canonical, enum ip_kind kind) {
    char back[IP_TEXT_BYTES];
    const struct ip ip = parsed(text, strcmp(text, canonical) == 0 ? IP_CANONICAL : IP_VERBATIM);
    assert_int_equal(ip.kind, kind);
    assert_int_equal(ip_text(&ip, back), strlen(canonical));
    assert_string_equal(back, canonical);
    const struct ip again = parsed(canonical, IP_CANONICAL);
    assert_memory_equal(&ip, &again, sizeof ip);
}

static void refuse(const char *text) {
    struct ip ip;
    uint8_t form;
    if (ip_parse(bytes_of_text(text), &ip, &form)) fail_msg("%s is taken", text);
}

static void every_octet_is_read_at_every_place(void **state) {
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        char text[4][32];
        snprintf(text[0], sizeof text[0], "%u.0.10.255", value);
        snprintf(text[1], sizeof text[1], "0.%u.10.255", value);
        snprintf(text[2], sizeof text[2], "0.10.%u.255", value);
        snprintf(text[3], sizeof text[3], "0.10.255.%u", value);
        for (unsigned octet = 0; octet < 4; octet++) {
            expect(text[octet], text[octet], IP_V4);
            assert_int_equal(parsed(text[octet], IP_CANONICAL).bytes[octet], value);
        }
    }
}

static void bad_ipv4_is_refused(void **state) {
    (void)state;
    const char *const texts[] = {"",          "1",         "1.2.3",     "1.2.3.",    ".1.2.3",     "1.2.3.4.",
                                 "1.2.3.4.5", "256.1.1.1", "1.1.1.256", "1.1.999.1", "1.1.1.1000", "1..2.3",
                                 " 1.2.3.4",  "1.2.3.4 ",  "1.2.3.4/8", "1.2.3.-4",  "1.2.3.+4",   "0x1.2.3.4",
                                 "a.b.c.d",   "16909060",  "1.2.3.4\n", "1,2,3,4",   "*"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) refuse(texts[i]);
}

static void leading_zeros_are_refused(void **state) {
    (void)state;
    const char *const texts[] = {"01.2.3.4",  "1.02.3.4",  "1.2.003.4",      "1.2.3.00",
                                 "1.2.3.000", "010.1.1.1", "::ffff:1.2.3.04"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) refuse(texts[i]);
}

static void masked_octets_are_one_to_three_x_of_either_case(void **state) {
    (void)state;
    expect("207.xxx.xx.22", "207.xxx.xxx.22", IP_V4_MASKED);
    expect("207.xxx.xxx.22", "207.xxx.xxx.22", IP_V4_MASKED);
    const char *const marks[] = {"x", "X", "xx", "xX", "Xx", "XX", "xxx", "XXX", "xXx"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        for (unsigned mask = 1; mask < 16; mask++) {
            char text[32];
            char canonical[32];
            const char *octets[4];
            for (unsigned octet = 0; octet < 4; octet++) octets[octet] = (mask >> octet & 1) != 0 ? marks[i] : "17";
            snprintf(text, sizeof text, "%s.%s.%s.%s", octets[0], octets[1], octets[2], octets[3]);
            for (unsigned octet = 0; octet < 4; octet++) octets[octet] = (mask >> octet & 1) != 0 ? "xxx" : "17";
            snprintf(canonical, sizeof canonical, "%s.%s.%s.%s", octets[0], octets[1], octets[2], octets[3]);
            expect(text, canonical, IP_V4_MASKED);
            const struct ip ip = parsed(canonical, IP_CANONICAL);
            assert_int_equal(ip.mask, mask);
            for (unsigned octet = 0; octet < 4; octet++)
                assert_int_equal(ip.bytes[octet], (mask >> octet & 1) != 0 ? 0 : 17);
        }
    }
}

static void bad_masks_are_refused(void **state) {
    (void)state;
    const char *const texts[] = {"1.xxxx.2.3", "1.x1.2.3",  "1.1x.2.3",  "x",   "x.x.x",
                                 "1.*.2.3",    "1.yyy.2.3", "x.x.x.x.x", "::x", "1.x.2.03"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) refuse(texts[i]);
}

static void ipv6_is_written_as_rfc_5952_says(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"0:0:0:0:0:0:0:0", "::"},
        {"2001:db8::1", "2001:db8::1"},
        {"2001:0db8::0001", "2001:db8::1"},        /* 4.1: no leading zeros */
        {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"}, /* 4.2.1: as short as it gets */
        {"2001:db8::0:1", "2001:db8::1"},
        {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* 4.2.2: not for one group */
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},         /* 4.2.3: the longest run */
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},   /* 4.2.3: of two, the first */
        {"2001:DB8::ABCD", "2001:db8::abcd"},            /* 4.3: lower case */
        {"fe80:0000:0000:0000:0202:b3ff:fe1e:8329", "fe80::202:b3ff:fe1e:8329"},
        {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) expect(pairs[i][0], pairs[i][1], IP_V6);
}

static void a_mapped_address_is_the_ipv4_address(void **state) {
    (void)state;
    expect("::ffff:207.148.22.22", "207.148.22.22", IP_V4);
    expect("::FFFF:cf94:1616", "207.148.22.22", IP_V4);
    expect("0:0:0:0:0:ffff:cf94:1616", "207.148.22.22", IP_V4);
    expect("::ffff:0:0", "0.0.0.0", IP_V4);
}

static void bad_ipv6_is_refused(void **state) {
    (void)state;
    const char *const texts[] = {":",
                                 ":::",
                                 "1:2:3:4:5:6:7",
                                 "1:2:3:4:5:6:7:8:9",
                                 "1::2::3",
                                 "12345::",
                                 "g::1",
                                 "fe80::1%eth0",
                                 "[::1]",
                                 "::1/64",
                                 "::1 ",
                                 " ::1",
                                 "::1.2.3",
                                 "::256.1.1.1",
                                 "1:2:3:4:5:6:7:1.2.3.4",
                                 "::ffff:x.1.1.1",
                                 "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555",
                                 "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) refuse(texts[i]);
}

static void a_nul_does_not_end_the_text(void **state) {
    (void)state;
    struct ip ip;
    uint8_t form;
    assert_false(ip_parse(BYTES_LITERAL("::1\0"), &ip, &form));
    assert_false(ip_parse(BYTES_LITERAL("::1\0x"), &ip, &form));
    assert_false(ip_parse(BYTES_LITERAL("1.2.3.4\0"), &ip, &form));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_octet_is_read_at_every_place),
        cmocka_unit_test(bad_ipv4_is_refused),
        cmocka_unit_test(leading_zeros_are_refused),
        cmocka_unit_test(masked_octets_are_one_to_three_x_of_either_case),
        cmocka_unit_test(bad_masks_are_refused),
        cmocka_unit_test(ipv6_is_written_as_rfc_5952_says),
        cmocka_unit_test(a_mapped_address_is_the_ipv4_address),
        cmocka_unit_test(bad_ipv6_is_refused),
        cmocka_unit_test(a_nul_does_not_end_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
