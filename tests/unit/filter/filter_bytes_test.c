#include "filter/filters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "filter_fixture.h"

static void bytes_are_a_round_trip_and_texts_are_too(void **state) {
    (void)state;
    struct random_sequence sequence = {.state = 5};
    for (int i = 0; i < 2000; i++) {
        struct filter *filter = random_filter(&sequence, 1 + (uint32_t)random_sequence_below(&sequence, FILTER_ID_MAX));
        struct buffer bytes = {0}, again = {0}, region = {0}, ip = {0}, user = {0};
        filter_encode(filter, &bytes);
        assert_true(bytes.len <= FILTER_BYTES_MAX);
        struct filter *decoded = filter_decode(buffer_view(&bytes));
        assert_non_null(decoded);
        assert_true(filter_equal(filter, decoded));
        filter_encode(decoded, &again);
        assert_true(bytes_equal(buffer_view(&bytes), buffer_view(&again)));
        filter_destroy(decoded);
        filter_region_text(filter, &region);
        filter_ip_text(filter, &ip);
        filter_user_text(filter, &user);
        struct filter_flaw flaw = {0};
        assert_true(filter_parse(filter->id, buffer_view(&region), buffer_view(&ip), buffer_view(&user), filter->ranked,
                                 &decoded, &flaw));
        assert_true(filter_equal(filter, decoded));
        filter_destroy(decoded);
        filter_destroy(filter);
        buffer_fini(&bytes);
        buffer_fini(&again);
        buffer_fini(&region);
        buffer_fini(&ip);
        buffer_fini(&user);
    }
}

/* What is decoded after a change of the bytes encodes to these very bytes, or it is refused. In memory of its own size, so
 * that a read past the end is seen. */
static void expect_refused_or_canonical(const uint8_t *at, size_t len, bool is_record) {
    uint8_t *copy = malloc(len + 1);
    assert_non_null(copy);
    uint8_t *exact = len == 0 ? copy : realloc(copy, len);
    assert_non_null(exact);
    if (len > 0) memcpy(exact, at, len);
    struct buffer back = {0};
    struct filter *filter = NULL;
    struct filter_record record;
    bool is_good;
    if (is_record) {
        is_good = filter_record_decode((struct bytes){exact, len}, &record, &filter);
        if (is_good) filter_record_encode(&record, &back);
    } else {
        filter = filter_decode((struct bytes){exact, len});
        is_good = filter != NULL;
        if (is_good) filter_encode(filter, &back);
    }
    if (is_good) assert_true(bytes_equal(buffer_view(&back), (struct bytes){exact, len}));
    filter_destroy(filter);
    buffer_fini(&back);
    free(exact);
}

static void expect_no_change_unseen(struct buffer *bytes, bool is_record) {
    static const uint8_t masks[] = {0x01, 0x02, 0x04, 0x10, 0x80, 0xFF};
    for (size_t len = 0; len < bytes->len; len++) expect_refused_or_canonical(bytes->at, len, is_record);
    for (size_t at = 0; at < bytes->len; at++) {
        for (size_t i = 0; i < sizeof masks; i++) {
            bytes->at[at] ^= masks[i];
            expect_refused_or_canonical(bytes->at, bytes->len, is_record);
            bytes->at[at] ^= masks[i];
        }
    }
    buffer_append(bytes, "", 1);
    expect_refused_or_canonical(bytes->at, bytes->len, is_record);
}

static void altered_and_cut_bytes_are_refused_or_another_filter(void **state) {
    (void)state;
    struct random_sequence sequence = {.state = 6};
    for (int i = 0; i < 60; i++) {
        struct filter *filter = random_filter(&sequence, 12);
        struct buffer bytes = {0}, record_bytes = {0};
        filter_encode(filter, &bytes);
        expect_no_change_unseen(&bytes, false);
        const struct filter_record record = {.number = 3,
                                             .action = FILTER_CREATE,
                                             .id = 12,
                                             .filter = filter,
                                             .has_clicks = i % 2 == 0,
                                             .covers_from = {i % 2 == 0 ? 28000000u : 0}};
        filter_record_encode(&record, &record_bytes);
        expect_no_change_unseen(&record_bytes, true);
        filter_destroy(filter);
        buffer_fini(&bytes);
        buffer_fini(&record_bytes);
    }
}

/* Every prefix is refused: nothing of a filter can be left out. */
static void a_cut_filter_is_refused(void **state) {
    (void)state;
    struct filter *filter = parsed("!USA|ZZZ", "!1.2.3.4|10.0.0.0/8|::1|1.xxx.2.3", "a|bc");
    struct buffer bytes = {0};
    filter_encode(filter, &bytes);
    for (size_t len = 0; len < bytes.len; len++) assert_null(filter_decode((struct bytes){bytes.at, len}));
    buffer_append(&bytes, "", 1);
    assert_null(filter_decode(buffer_view(&bytes)));
    filter_destroy(filter);
    buffer_fini(&bytes);
}

static void refuse_bytes(const uint8_t *at, size_t len) {
    assert_null(filter_decode((struct bytes){at, len}));
}

static void what_parse_would_not_make_is_refused(void **state) {
    (void)state;
    /* id 1, not ranked, any region, one net, any user: the net's kind is at 11, mask 12, length 13, bytes from 14. */
    const uint8_t good[] = {1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 4, 0, 24, 1, 2, 3, 0, 0, 0, 0};
    uint8_t bytes[sizeof good];
    struct filter *filter = filter_decode((struct bytes){good, sizeof good});
    assert_non_null(filter);
    filter_destroy(filter);
    static const struct {
        uint8_t at, value;
    } changes[] = {{3, 0x80}, {4, 2}, {5, 1}, {5, 3}, {8, 0}, {8, 3}, {9, 0}, {11, 5}, {11, 14}, {12, 1}, {13, 33}, {17, 1}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        memcpy(bytes, good, sizeof good);
        bytes[changes[i].at] = changes[i].value;
        refuse_bytes(bytes, sizeof bytes);
    }
    const uint8_t odd_block[] = {1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 4, 0, 23, 1, 2, 3, 0, 0, 0, 0};
    refuse_bytes(odd_block, sizeof odd_block);
    const uint8_t overlapping[] = {1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 4, 0, 8, 10, 0, 0, 0, 4, 0, 32, 10, 1, 2, 3, 0, 0, 0};
    refuse_bytes(overlapping, sizeof overlapping);
    const uint8_t no_country[] = {1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}; /* AAA */
    refuse_bytes(no_country, sizeof no_country);
    const uint8_t twice[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 'a', 1, 'a'};
    refuse_bytes(twice, sizeof twice);
    const uint8_t descending[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 'b', 1, 'a'};
    refuse_bytes(descending, sizeof descending);
    const uint8_t mapped[] = {1, 0, 0, 0, 0, 0, 0, 0,    1,    1, 0, 6, 0, 128, 0, 0, 0,
                              0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 1, 2, 3, 4, 0,   0, 0};
    refuse_bytes(mapped, sizeof mapped);
}

static void a_record_says_as_much_as_its_action_needs(void **state) {
    (void)state;
    struct filter *filter = parsed("USA", "*", "*"), *read = NULL;
    const struct filter_record records[] = {
        {.number = 1, .action = FILTER_CREATE, .id = 7, .filter = filter},
        {.number = 2, .action = FILTER_CREATE, .id = 7, .filter = filter, .has_clicks = true, .covers_from = {28000000}},
        {.number = 3, .action = FILTER_DELETE, .id = 7},
        {.number = UINT32_MAX, .action = FILTER_RECALCULATE, .id = FILTER_ID_MAX}};
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        struct buffer bytes = {0};
        struct filter_record record;
        filter_record_encode(&records[i], &bytes);
        assert_true(filter_record_decode(buffer_view(&bytes), &record, &read));
        assert_int_equal(record.number, records[i].number);
        assert_int_equal(record.action, records[i].action);
        assert_int_equal(record.id, records[i].id);
        assert_int_equal(record.has_clicks, records[i].has_clicks);
        assert_int_equal(record.covers_from.index, records[i].covers_from.index);
        assert_ptr_equal(record.filter, read);
        assert_int_equal(read != NULL, records[i].filter != NULL);
        if (read != NULL) assert_true(filter_equal(read, filter));
        filter_destroy(read);
        for (size_t len = 0; len < bytes.len; len++)
            assert_false(filter_record_decode((struct bytes){bytes.at, len}, &record, &read));
        expect_no_change_unseen(&bytes, true);
        buffer_fini(&bytes);
    }
    filter_destroy(filter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_a_round_trip_and_texts_are_too),
        cmocka_unit_test(altered_and_cut_bytes_are_refused_or_another_filter),
        cmocka_unit_test(a_cut_filter_is_refused),
        cmocka_unit_test(what_parse_would_not_make_is_refused),
        cmocka_unit_test(a_record_says_as_much_as_its_action_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
