#include "filter/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "click/country.h"
#include "filter_fixture.h"

/* Read as `region`, `ip`, `user_id`, and written as the other three, which are read as the same filter. */
static void expect(const char *const given[3], const char *const canonical[3]) {
    struct filter *filter = parsed(given[0], given[1], given[2]);
    struct filter *again = parsed(canonical[0], canonical[1], canonical[2]);
    struct buffer texts[3] = {0};
    filter_region_text(filter, &texts[0]);
    filter_ip_text(filter, &texts[1]);
    filter_user_text(filter, &texts[2]);
    for (size_t i = 0; i < 3; i++) {
        if (!bytes_equal(buffer_view(&texts[i]), bytes_of_text(canonical[i])))
            fail_msg("%s gives %.*s, not %s", given[i], (int)texts[i].len, (const char *)texts[i].at, canonical[i]);
        buffer_fini(&texts[i]);
    }
    assert_true(filter_equal(filter, again));
    filter_destroy(filter);
    filter_destroy(again);
}

static void expect_region(const char *given, const char *canonical) {
    expect((const char *[]){given, "*", "*"}, (const char *[]){canonical, "*", "*"});
}

static void expect_ip(const char *given, const char *canonical) {
    expect((const char *[]){"*", given, "*"}, (const char *[]){"*", canonical, "*"});
}

static void expect_user(const char *given, const char *canonical) {
    expect((const char *[]){"*", "*", given}, (const char *[]){"*", "*", canonical});
}

/* `part`: of the sentence. */
static void refuse(struct bytes region, struct bytes ip, struct bytes user_id, const char *field, const char *part) {
    struct filter *filter = NULL;
    struct filter_flaw flaw = {0};
    if (filter_parse(7, region, ip, user_id, false, &filter, &flaw))
        fail_msg("%.*s | %.*s | %.*s is taken", (int)region.len, (const char *)region.at, (int)ip.len, (const char *)ip.at,
                 (int)user_id.len, (const char *)user_id.at);
    assert_null(filter);
    assert_string_equal(flaw.field, field);
    if (strstr(flaw.text, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", flaw.text, part);
}

static void refuse_region(const char *text, const char *part) {
    refuse(bytes_of_text(text), BYTES_LITERAL("*"), BYTES_LITERAL("*"), "region", part);
}

static void refuse_ip(const char *text, const char *part) {
    refuse(BYTES_LITERAL("*"), bytes_of_text(text), BYTES_LITERAL("*"), "ip", part);
}

static void refuse_user(const char *text, const char *part) {
    refuse(BYTES_LITERAL("*"), BYTES_LITERAL("*"), bytes_of_text(text), "user_id", part);
}

static void an_id_is_a_number_from_1_and_leading_zeros_do_not_count(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t id;
    } good[] = {{"1", 1}, {"12", 12}, {"0012", 12}, {"999999999", 999999999}, {"00000000000000000000000000001", 1}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint32_t id = 0;
        struct filter_flaw flaw = {0};
        assert_true(filter_id_parse(bytes_of_text(good[i].text), &id, &flaw));
        assert_int_equal(id, good[i].id);
    }
    const char *const bad[] = {"",
                               "0",
                               "000",
                               "1000000000",
                               "18446744073709551617",
                               "99999999999999999999999",
                               "-1",
                               "+1",
                               "1.0",
                               "0x1",
                               "1 ",
                               " 1",
                               "*",
                               "a",
                               "1a",
                               "\xD9\xA1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t id = 0;
        struct filter_flaw flaw = {0};
        if (filter_id_parse(bytes_of_text(bad[i]), &id, &flaw)) fail_msg("%s is taken", bad[i]);
        assert_string_equal(flaw.field, "filter_id");
        assert_non_null(strstr(flaw.text, "from 1 to 999999999"));
    }
}

static void a_star_nothing_and_blanks_are_any(void **state) {
    (void)state;
    const char *const texts[] = {"*", "", " ", "  ", " * "};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        expect_region(texts[i], "*");
        expect_ip(texts[i], "*");
        expect_user(texts[i], "*");
    }
}

static void regions_are_read_in_any_case_and_written_in_order(void **state) {
    (void)state;
    expect_region("usa", "USA");
    expect_region("us", "USA");
    expect_region(" !USA ", "!USA");
    expect_region("! usa | fr", "!FRA|USA");
    expect_region("zz|de|can", "CAN|DEU|ZZZ");
    refuse_region("AAA", "\"AAA\" is no ISO 3166-1 code");
    refuse_region("USA|QQ", "\"QQ\"");
    refuse_region("\xC3\x9C\xC3\x9C", "value 1");
    refuse_region("USA|us", "\"us\" is in the list twice");
    refuse_region("USA|CAN|USA", "twice");
    refuse_region("USA|", "value 2 of the list is empty");
    refuse_region("|USA", "value 1 of the list is empty");
    refuse_region("USA| |CAN", "value 2 of the list is empty");
    refuse_region("!", "value 1 of the list is empty");
    refuse_region("! ", "value 1 of the list is empty");
    refuse_region("!*", "no click at all");
    refuse_region(" ! * ", "no click at all");
    refuse_region("USA|*", "a * stands alone");
    refuse_region("*|USA", "a * stands alone");
    refuse_region("**", "a * stands alone");
    refuse_region("!!USA", "one ! stands before the whole list");
    refuse_region("USA|!CAN", "one ! stands before the whole list");
    refuse_region("U*", "a * stands alone");
    refuse_region("US\\A", "backslash");
    refuse_region("\\", "backslash");
}

static void every_country_fits_one_list(void **state) {
    (void)state;
    struct buffer text = {0};
    size_t count = 0;
    for (uint32_t code = 0; code < COUNTRY_CODES; code++) {
        char name[4];
        struct country country;
        uint8_t form;
        country_text((struct country){(uint16_t)code}, name);
        if (!country_parse(bytes_of_text(name), &country, &form)) continue;
        buffer_printf(&text, count++ == 0 ? "%s" : "|%s", name);
    }
    buffer_append(&text, "", 1);
    expect_region((const char *)text.at, (const char *)text.at);
    struct filter *filter = parsed((const char *)text.at, "*", "*");
    assert_int_equal(filter->region_count, count);
    assert_int_equal(count, 251);
    filter_destroy(filter);
    buffer_fini(&text);
}

static void addresses_and_blocks_are_canonical(void **state) {
    (void)state;
    expect_ip("1.2.3.4", "1.2.3.4");
    expect_ip("1.2.3.4/32", "1.2.3.4");
    expect_ip("10.0.0.0/8", "10.0.0.0/8");
    expect_ip("0.0.0.0/0", "0.0.0.0/0");
    expect_ip("::/0", "::/0");
    expect_ip("2001:DB8:0::/48", "2001:db8::/48");
    expect_ip("2001:db8::1/128", "2001:db8::1");
    expect_ip("207.X.x.22", "207.xxx.xxx.22");
    expect_ip("::ffff:1.2.3.4", "1.2.3.4");
    expect_ip("::ffff:1.2.3.0/120", "1.2.3.0/24");
    expect_ip("::ffff:0:0/96", "0.0.0.0/0");
    expect_ip("! 10.0.0.0/8 | 9.9.9.9 | ::1", "!9.9.9.9|10.0.0.0/8|::1");
    expect_ip("1.2.3.xxx|1.2.xxx.4|1.2.3.4", "1.2.3.4|1.2.xxx.4|1.2.3.xxx");
}

static void bad_addresses_and_blocks_are_refused(void **state) {
    (void)state;
    const char *const no_address[] = {"1.2.3", "1.2.3.4.5", "a",   "1.2.3.256", "01.2.3.4",
                                      "/8",    "1.2.3/24",  "::g", "1,2,3,4"};
    for (size_t i = 0; i < sizeof no_address / sizeof no_address[0]; i++)
        refuse_ip(no_address[i], "is no IPv4 or IPv6 address or block");
    const char *const no_length[] = {"1.2.3.4/",   "1.2.3.4/33",  "1.2.3.4/032", "1.2.3.4/08",        "1.2.3.4/-1",
                                     "1.2.3.4/ 8", "1.2.3.4/8/8", "1.2.3.4/0x8", "1.2.3.4/4294967320"};
    for (size_t i = 0; i < sizeof no_length / sizeof no_length[0]; i++)
        refuse_ip(no_length[i], "the length of a block is 0 to 32");
    refuse_ip("::/129", "the length of a block is 0 to 128");
    refuse_ip("::ffff:1.2.3.0/129", "the length of a block is 0 to 128");
    refuse_ip("1.2.3.4/24", "\"1.2.3.4/24\" has bits set behind the first 24");
    refuse_ip("1.0.0.0/7", "bits set behind the first 7");
    refuse_ip("1.0.0.0/0", "bits set behind the first 0");
    refuse_ip("2001:db8::1/64", "bits set behind the first 64");
    refuse_ip("2001:db8::1/127", "bits set behind the first 127");
    refuse_ip("::ffff:1.2.3.4/120", "bits set behind the first 120");
    refuse_ip("::ffff:0:0/95", "bits set behind the first 95");
    refuse_ip("1.2.xxx.0/16", "a block of an address with masked octets");
    refuse_ip("1.2.3.xxx/32", "a block of an address with masked octets");
    refuse_ip("!*", "no click at all");
    refuse_ip("1.2.3.4|", "value 2 of the list is empty");
    refuse_ip("1.2.3.*", "a * stands alone");
    refuse_ip("1111111111222222222233333333334444444444555555555566666666667777777777", "value 1 is no");
}

static void values_that_a_click_could_match_both_are_refused(void **state) {
    (void)state;
    refuse_ip("1.2.3.4|1.2.3.4", "\"1.2.3.4\" overlaps value 1");
    refuse_ip("1.2.3.4|::ffff:1.2.3.4", "overlaps value 1");
    refuse_ip("10.0.0.0/8|10.1.0.0/16", "\"10.1.0.0/16\" overlaps value 1");
    refuse_ip("9.9.9.9|10.1.0.0/16|10.0.0.0/8", "\"10.0.0.0/8\" overlaps value 2");
    refuse_ip("10.0.0.0/8|10.1.2.3", "overlaps value 1");
    refuse_ip("!0.0.0.0/0|10.1.2.3", "overlaps value 1");
    refuse_ip("::/0|::1", "overlaps value 1");
    refuse_ip("2001:db8::/32|2001:db8:1::/48", "overlaps value 1");
    refuse_ip("1.2.0.0/16|1.2.xxx.4", "overlaps value 1");
    refuse_ip("1.2.xxx.4|1.0.0.0/8", "overlaps value 1");
    refuse_ip("xxx.1.1.1|0.0.0.0/0", "overlaps value 1");
    refuse_ip("1.2.xxx.4|1.2.x.4", "overlaps value 1");
    expect_ip("1.2.3.0/24|1.2.xxx.4", "1.2.3.0/24|1.2.xxx.4"); /* 1.2.xxx.4 need not be in it */
    expect_ip("0.0.0.0/0|::/0", "0.0.0.0/0|::/0");
    expect_ip("10.0.0.0/9|10.128.0.0/9", "10.0.0.0/9|10.128.0.0/9");
    refuse_user("a|b|a", "value 3 is value 1 again");
    refuse_user("a b|a\\ b", "value 2 is value 1 again");
}

static void users_are_any_ids_with_backslashes_where_needed(void **state) {
    (void)state;
    expect_user("111", "111");
    expect_user("user 1", "user 1");
    expect_user("  b |a  ", "a|b");
    expect_user("\\*", "\\*");
    expect_user("\\!a", "\\!a");
    expect_user("a!", "a\\!");
    expect_user("!a!", "!a\\!");
    expect_user("!\\!a", "!\\!a");
    expect_user("a\\|b|c", "a\\|b|c");
    expect_user("a\\\\", "a\\\\");
    expect_user("\\ a\\ ", "\\ a\\ ");
    expect_user("\\ ", "\\ ");
    expect_user(" \\  ", "\\ ");
    expect_user("a  b", "a  b");
    expect_user("J\xC3\xB6rg", "J\xC3\xB6rg");
    refuse_user("a\\b", "value 1 has another");
    refuse_user("a|b\\", "value 2 has another");
    refuse_user("a*", "a * stands alone");
    refuse_user("a||b", "value 2 of the list is empty");
    refuse_user("a\tb", "control character");
    refuse_user("a\x7F", "control character");
    refuse_user("a\xC2\x85", "control character");
    refuse(BYTES_LITERAL(""), BYTES_LITERAL(""), BYTES_LITERAL("a\0b"), "user_id", "control character");
}

static void lists_and_values_have_bounds(void **state) {
    (void)state;
    struct buffer users = {0}, ips = {0}, text = {0};
    for (int i = 0; i < FILTER_VALUES_MAX; i++) {
        buffer_printf(&users, i == 0 ? "%03d" : "|%03d", i);
        buffer_printf(&ips, i == 0 ? "1.2.3.%d" : "|1.2.3.%d", i);
    }
    struct filter *filter = NULL;
    struct filter_flaw flaw = {0};
    assert_true(filter_parse(1, (struct bytes){0}, (struct bytes){0}, buffer_view(&users), false, &filter, &flaw));
    filter_destroy(filter);
    assert_true(filter_parse(1, (struct bytes){0}, buffer_view(&ips), BYTES_LITERAL("a"), false, &filter, &flaw));
    filter_destroy(filter);
    refuse((struct bytes){0}, buffer_view(&ips), buffer_view(&users), "user_id", "make 4096 pairs; at most 1024");
    buffer_append_text(&users, "|x");
    refuse((struct bytes){0}, (struct bytes){0}, buffer_view(&users), "user_id", "a list has at most 64 values");
    buffer_append_text(&ips, "|1.2.3.64");
    refuse((struct bytes){0}, buffer_view(&ips), (struct bytes){0}, "ip", "a list has at most 64 values");
    for (int i = 0; i < ID_BYTES_MAX; i++) buffer_append_text(&text, "u");
    assert_true(filter_parse(1, (struct bytes){0}, (struct bytes){0}, buffer_view(&text), false, &filter, &flaw));
    filter_destroy(filter);
    buffer_append_text(&text, "u");
    refuse((struct bytes){0}, (struct bytes){0}, buffer_view(&text), "user_id", "value 1 has 129 bytes; at most 128");
    buffer_fini(&users);
    buffer_fini(&ips);
    buffer_fini(&text);
}

static void the_terms_are_bounded_with_the_negation_counted(void **state) {
    (void)state;
    struct buffer ips = {0}, users = {0};
    for (int i = 0; i < 32; i++) buffer_printf(&ips, i == 0 ? "1.2.3.%d" : "|1.2.3.%d", i);
    for (int i = 0; i < 32; i++) buffer_printf(&users, i == 0 ? "!%d" : "|%d", i);
    struct filter *filter = NULL;
    struct filter_flaw flaw = {0};
    const struct bytes plain = {users.at + 1, users.len - 1};
    assert_true(filter_parse(1, (struct bytes){0}, buffer_view(&ips), plain, false, &filter, &flaw));
    assert_int_equal(filter_term_count(filter), 1024);
    filter_destroy(filter);
    refuse((struct bytes){0}, buffer_view(&ips), buffer_view(&users), "user_id", "make 1056 pairs");
    buffer_fini(&ips);
    buffer_fini(&users);
}

static void expect_words(const char *region, const char *ip, const char *user_id, const char *words) {
    struct filter *filter = parsed(region, ip, user_id);
    struct buffer out = {0};
    filter_describe(filter, &out);
    buffer_append(&out, "", 1);
    assert_string_equal((const char *)out.at, words);
    buffer_fini(&out);
    filter_destroy(filter);
}

static void it_says_in_words_what_it_matches(void **state) {
    (void)state;
    expect_words("!USA", "*", "111",
                 "clicks from any country but USA (and from an unknown one), from any address, of user 111");
    expect_words("*", "*", "*", "clicks from any country, from any address, of any user");
    expect_words("us|ca|fr", "1.2.3.4|10.0.0.0/8", "a|b",
                 "clicks from CAN, FRA or USA, from 1.2.3.4 or 10.0.0.0/8, of user a or b");
    expect_words("USA|ZZZ", "!1.2.xxx.4", "!x|y|z",
                 "clicks from USA or an unknown country, from any address but 1.2.xxx.4, of any user but x, y or z");
    expect_words("!ZZZ|USA", "*", "*", "clicks from any country but USA or an unknown one, from any address, of any user");
}

static void a_mark_an_id_or_any_value_makes_another_filter(void **state) {
    (void)state;
    struct filter *filters[7];
    struct filter_flaw flaw = {0};
    const struct bytes any = BYTES_LITERAL("*"), usa = BYTES_LITERAL("USA"), ip = BYTES_LITERAL("1.2.3.4");
    assert_true(filter_parse(1, usa, ip, any, false, &filters[0], &flaw));
    assert_true(filter_parse(2, usa, ip, any, false, &filters[1], &flaw));
    assert_true(filter_parse(1, usa, ip, any, true, &filters[2], &flaw));
    assert_true(filter_parse(1, any, ip, any, false, &filters[3], &flaw));
    assert_true(filter_parse(1, usa, BYTES_LITERAL("1.2.3.5"), any, false, &filters[4], &flaw));
    assert_true(filter_parse(1, usa, ip, BYTES_LITERAL("a"), false, &filters[5], &flaw));
    assert_true(filter_parse(1, BYTES_LITERAL("!USA"), ip, any, false, &filters[6], &flaw));
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 7; j++) assert_int_equal(filter_equal(filters[i], filters[j]), i == j);
    for (size_t i = 0; i < 7; i++) filter_destroy(filters[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_a_number_from_1_and_leading_zeros_do_not_count),
        cmocka_unit_test(a_star_nothing_and_blanks_are_any),
        cmocka_unit_test(regions_are_read_in_any_case_and_written_in_order),
        cmocka_unit_test(every_country_fits_one_list),
        cmocka_unit_test(addresses_and_blocks_are_canonical),
        cmocka_unit_test(bad_addresses_and_blocks_are_refused),
        cmocka_unit_test(values_that_a_click_could_match_both_are_refused),
        cmocka_unit_test(users_are_any_ids_with_backslashes_where_needed),
        cmocka_unit_test(lists_and_values_have_bounds),
        cmocka_unit_test(the_terms_are_bounded_with_the_negation_counted),
        cmocka_unit_test(it_says_in_words_what_it_matches),
        cmocka_unit_test(a_mark_an_id_or_any_value_makes_another_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
