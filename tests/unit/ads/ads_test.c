#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "ads/ads.h"
#include "base/random_sequence.h"
#include "base/units.h"

static struct bytes numbered_id(uint64_t number, char text[64]) {
    int len = snprintf(text, 64, "ad%09llu", (unsigned long long)number);
    return (struct bytes){(const uint8_t *)text, (size_t)len};
}

static uint32_t add(struct ads *ads, struct bytes id) {
    uint64_t hash = ads_hash(ads, id);
    ads_prefetch(ads, hash);
    ads_prefetch_id(ads, hash);
    return ads_index(ads, id, hash);
}

static void indexes_are_dense_and_in_the_order_of_first_use(void **state) {
    (void)state;
    struct ads *ads = ads_create(1);
    assert_int_equal(add(ads, BYTES_LITERAL("b")), 0);
    assert_int_equal(add(ads, BYTES_LITERAL("a")), 1);
    assert_int_equal(add(ads, BYTES_LITERAL("b")), 0);
    assert_int_equal(add(ads, BYTES_LITERAL("popular_ads")), 2);
    assert_int_equal(ads_count(ads), 3);
    assert_true(bytes_equal(ads_id(ads, 1), BYTES_LITERAL("a")));
    ads_destroy(ads);
}

static void an_unused_id_is_not_found(void **state) {
    (void)state;
    struct ads *ads = ads_create(1);
    uint32_t index = 77;
    assert_false(ads_find(ads, BYTES_LITERAL("ad001"), &index));
    (void)add(ads, BYTES_LITERAL("ad001"));
    assert_false(ads_find(ads, BYTES_LITERAL("ad00"), &index));
    assert_false(ads_find(ads, BYTES_LITERAL("ad0010"), &index));
    assert_false(ads_find(ads, (struct bytes){NULL, 0}, &index));
    assert_int_equal(index, 77);
    assert_true(ads_find(ads, BYTES_LITERAL("ad001"), &index));
    assert_int_equal(index, 0);
    ads_destroy(ads);
}

static void ids_of_any_length_and_bytes_come_back(void **state) {
    (void)state;
    struct ads *ads = ads_create(1);
    struct random_sequence random = {5};
    uint8_t ids[ID_BYTES_MAX][ID_BYTES_MAX];
    for (size_t len = 1; len <= ID_BYTES_MAX; ++len) {
        for (size_t i = 0; i < len; ++i) ids[len - 1][i] = (uint8_t)random_sequence_next(&random);
        assert_int_equal(add(ads, (struct bytes){ids[len - 1], len}), len - 1);
    }
    for (size_t len = 1; len <= ID_BYTES_MAX; ++len) {
        assert_true(bytes_equal(ads_id(ads, (uint32_t)len - 1), (struct bytes){ids[len - 1], len}));
    }
    ads_destroy(ads);
}

static void views_stay_where_they_are_while_the_dictionary_grows(void **state) {
    (void)state;
    enum { ADS = 300 * 1000 };
    struct ads *ads = ads_create(1);
    char text[64];
    uint64_t memory_before = ads_memory_bytes(ads);
    assert_true(memory_before < 200000);
    (void)add(ads, numbered_id(0, text));
    struct bytes first = ads_id(ads, 0);
    for (uint32_t i = 1; i < ADS; ++i) assert_int_equal(add(ads, numbered_id(i, text)), i);
    assert_int_equal(ads_count(ads), ADS);
    assert_ptr_equal(ads_id(ads, 0).at, first.at);
    for (uint32_t i = 0; i < ADS; ++i) {
        uint32_t index;
        assert_true(ads_find(ads, numbered_id(i, text), &index));
        assert_int_equal(index, i);
        assert_true(bytes_equal(ads_id(ads, i), numbered_id(i, text)));
    }
    assert_true(ads_memory_bytes(ads) > (uint64_t)ADS * 16 && ads_memory_bytes(ads) < (uint64_t)ADS * 80);
    ads_destroy(ads);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indexes_are_dense_and_in_the_order_of_first_use),
        cmocka_unit_test(an_unused_id_is_not_found),
        cmocka_unit_test(ids_of_any_length_and_bytes_come_back),
        cmocka_unit_test(views_stay_where_they_are_while_the_dictionary_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
