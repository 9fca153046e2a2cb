/* The golden values stand in docs/format/identity.md too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "click/click.h"
#include "click/country.h"
#include "click/ip.h"

static const struct identity_key key = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

static struct click click_of(const char *event_id, const char *ip, const char *country) {
    struct click click = {
        .source = BYTES_LITERAL("default"),
        .event_id = bytes_of_text(event_id),
        .ad_id = BYTES_LITERAL("ad001"),
        .user_id = BYTES_LITERAL("user 1"),
        .time = {INT64_C(1609459201000)},
    };
    assert_true(ip_parse(bytes_of_text(ip), &click.ip, &click.ip_form));
    assert_true(country_parse(bytes_of_text(country), &click.country, &click.country_form));
    return click;
}

static void expect(struct click click, uint64_t low, uint64_t high, uint32_t tag) {
    click_identify(&click, &key);
    assert_int_equal(click.identity.low, low);
    assert_int_equal(click.identity.high, high);
    assert_int_equal(click.content_tag, tag);
}

static void the_golden_identities_never_change(void **state) {
    (void)state;
    expect(click_of("", "207.148.22.22", "USA"), 0xc22958aea805db34, 0x56e4c6eeade96dbc, 0x254f3e91);
    expect(click_of("evt-1", "207.148.22.22", "USA"), 0xe86725de93ebec11, 0xf6fa9136d38ca343, 0x254f3e91);
    expect(click_of("", "207.xxx.xx.22", "ZZZ"), 0xf6176d7803363138, 0x1853200acbac42b0, 0xa4734abd);
    expect(click_of("", "2001:db8::1", "DEU"), 0xbfb976007fe95618, 0x8d01cd3574aefcf0, 0x6b3f651c);
}

static void the_form_in_which_a_field_was_written_does_not_matter(void **state) {
    (void)state;
    expect(click_of("", "::ffff:207.148.22.22", "us"), 0xc22958aea805db34, 0x56e4c6eeade96dbc, 0x254f3e91);
    expect(click_of("", "207.X.xx.22", "zz"), 0xf6176d7803363138, 0x1853200acbac42b0, 0xa4734abd);
}

static struct click identified(struct click click) {
    click_identify(&click, &key);
    return click;
}

static void each_field_changes_identity_and_tag_of_a_click_by_content(void **state) {
    (void)state;
    const struct click base = identified(click_of("", "1.2.3.4", "USA"));
    struct click others[6] = {base, base, base, base, base, base};
    others[0].ad_id = BYTES_LITERAL("ad002");
    others[1].time.ms++;
    others[2].user_id = BYTES_LITERAL("user 2");
    others[3].ip.bytes[3]++;
    others[4].country.code++;
    others[5].ip.kind = IP_V4_MASKED;
    others[5].ip.mask = 1;
    for (size_t i = 0; i < 6; i++) {
        const struct click other = identified(others[i]);
        assert_false(identity_equal(base.identity, other.identity));
        assert_int_not_equal(base.content_tag, other.content_tag);
    }
}

static void with_an_event_id_the_fields_change_the_tag_only(void **state) {
    (void)state;
    const struct click base = identified(click_of("e", "1.2.3.4", "USA"));
    const struct click other = identified(click_of("e", "1.2.3.5", "USA"));
    assert_true(identity_equal(base.identity, other.identity));
    assert_int_not_equal(base.content_tag, other.content_tag);
    struct click next = base;
    next.event_id = BYTES_LITERAL("f");
    next = identified(next);
    assert_false(identity_equal(base.identity, next.identity));
    assert_int_equal(base.content_tag, next.content_tag);
}

static void the_source_is_part_of_the_identity_and_not_of_the_tag(void **state) {
    (void)state;
    const char *const event_ids[] = {"", "e"};
    for (size_t i = 0; i < 2; i++) {
        const struct click base = identified(click_of(event_ids[i], "1.2.3.4", "USA"));
        struct click other = base;
        other.source = BYTES_LITERAL("partner");
        other = identified(other);
        assert_false(identity_equal(base.identity, other.identity));
        assert_int_equal(base.content_tag, other.content_tag);
    }
}

static void a_byte_that_moves_to_the_next_field_is_another_click(void **state) {
    (void)state;
    struct click a = click_of("", "1.2.3.4", "USA");
    struct click b = a;
    a.source = BYTES_LITERAL("ab"), a.ad_id = BYTES_LITERAL("c");
    b.source = BYTES_LITERAL("a"), b.ad_id = BYTES_LITERAL("bc");
    assert_false(identity_equal(identified(a).identity, identified(b).identity));
    a = b = click_of("x", "1.2.3.4", "USA");
    a.source = BYTES_LITERAL("ab"), a.event_id = BYTES_LITERAL("c");
    b.source = BYTES_LITERAL("a"), b.event_id = BYTES_LITERAL("bc");
    assert_false(identity_equal(identified(a).identity, identified(b).identity));
}

static void ids_of_the_longest_length_fit(void **state) {
    (void)state;
    static const uint8_t longest[ID_BYTES_MAX] = {'a'};
    struct click click = click_of("", "2001:db8::1", "USA");
    click.source = click.event_id = click.ad_id = click.user_id = (struct bytes){longest, sizeof longest};
    const struct click by_event = identified(click);
    click.event_id.len = 0;
    assert_false(identity_equal(by_event.identity, identified(click).identity));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_identities_never_change),
        cmocka_unit_test(the_form_in_which_a_field_was_written_does_not_matter),
        cmocka_unit_test(each_field_changes_identity_and_tag_of_a_click_by_content),
        cmocka_unit_test(with_an_event_id_the_fields_change_the_tag_only),
        cmocka_unit_test(the_source_is_part_of_the_identity_and_not_of_the_tag),
        cmocka_unit_test(a_byte_that_moves_to_the_next_field_is_another_click),
        cmocka_unit_test(ids_of_the_longest_length_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
