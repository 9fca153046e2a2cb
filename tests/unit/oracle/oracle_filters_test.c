/* Worked examples: what filters count and from when they cover, told by hand. */
#include "oracle/oracle_filters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "click/country.h"
#include "click/ip.h"

enum { NOON_MS = 12 * HOUR_MS, NOON = 12 * 60 };

/* Two partitions; each record is a commit of its own. */
struct example {
    struct oracle *oracle;
    struct oracle_filters *filters;
    uint64_t offsets[2], commit;
    uint32_t number;
    bool wrong_in_one; /* the next filter record differs in partition 1 */
    char flaw[256];
};

static void add(struct example *example, struct oracle_record *record, uint32_t partition) {
    record->partition = partition;
    record->offset.at = example->offsets[partition]++;
    record->commit = example->commit;
    oracle_add(example->oracle, record);
}

static struct example begin(void) {
    struct example example = {.oracle = oracle_create()};
    struct oracle_record rules = {.kind = ORACLE_RULES,
                                  .rules = {.number = 1,
                                            .partition_count = 2,
                                            .lateness_ms = HOUR_MS,
                                            .horizon_ms = HOUR_MS + MINUTE_MS,
                                            .canonical_version = 1}};
    example.commit++;
    for (uint32_t p = 0; p < 2; p++) add(&example, &rules, p);
    return example;
}

static void click(struct example *example, uint32_t partition, const char *user, const char *ip, const char *country,
                  int64_t time_ms) {
    static uint64_t event;
    char event_id[24];
    uint8_t form;
    struct oracle_record record = {.kind = ORACLE_CLICK, .arrival = {INT64_C(1) << 50}};
    (void)snprintf(event_id, sizeof event_id, "%llu", (unsigned long long)event++);
    record.click.source = BYTES_LITERAL("default");
    record.click.event_id = bytes_of_text(event_id);
    record.click.ad_id = BYTES_LITERAL("ad");
    record.click.user_id = bytes_of_text(user);
    record.click.time.ms = time_ms;
    assert_true(ip_parse(bytes_of_text(ip), &record.click.ip, &form));
    assert_true(country_parse(bytes_of_text(country), &record.click.country, &form));
    example->commit++;
    add(example, &record, partition);
}

static struct filter *filter_of(uint32_t id, const char *region, const char *ip, const char *user) {
    struct filter *filter;
    struct filter_flaw flaw;
    assert_true(filter_parse(id, bytes_of_text(region), bytes_of_text(ip), bytes_of_text(user), false, &filter, &flaw));
    return filter;
}

static void change(struct example *example, enum filter_action action, uint32_t id, const struct filter *filter,
                   uint32_t covers_from) {
    struct oracle_record record = {.kind = ORACLE_FILTER,
                                   .filter_record = {.number = ++example->number,
                                                     .action = action,
                                                     .id = id,
                                                     .filter = filter,
                                                     .has_clicks = covers_from > 0,
                                                     .covers_from = {covers_from}}};
    example->commit++;
    add(example, &record, 0);
    if (example->wrong_in_one) record.filter_record.id++;
    add(example, &record, 1);
}

static void create(struct example *example, uint32_t id, const char *ip, const char *user, uint32_t covers_from) {
    struct filter *filter = filter_of(id, "*", ip, user);
    change(example, FILTER_CREATE, id, filter, covers_from);
    filter_destroy(filter);
}

static void count(struct example *example) {
    oracle_count(example->oracle);
    example->filters = oracle_filters_create(example->oracle, example->flaw);
}

static void end(struct example *example) {
    oracle_filters_destroy(example->filters);
    oracle_destroy(example->oracle);
}

static void assert_cover(const struct example *example, const char *ip, const char *user, enum oracle_cover expected,
                         uint32_t expected_from) {
    struct minute covers_from;
    struct filter *filter = filter_of(0, "*", ip, user);
    assert_int_equal(oracle_filters_cover(example->filters, filter, &covers_from), expected);
    if (expected == ORACLE_COVERS_PART) assert_int_equal(covers_from.index, expected_from);
    filter_destroy(filter);
}

static void assert_counts(const struct example *example, const char *region, const char *ip, const char *user,
                          uint64_t expected) {
    size_t cell_count;
    uint64_t sum = 0;
    struct filter *filter = filter_of(0, region, ip, user);
    struct oracle_cell *cells = oracle_filter_cells(example->oracle, filter, &cell_count);
    for (size_t i = 0; i < cell_count; i++) sum += cells[i].count;
    assert_int_equal(sum, expected);
    free(cells);
    filter_destroy(filter);
}

static void a_filter_counts_the_counted_clicks_that_it_matches(void **state) {
    (void)state;
    struct example example = begin();
    click(&example, 0, "a", "10.0.0.1", "USA", NOON_MS);
    click(&example, 0, "b", "10.0.0.200", "ZZZ", NOON_MS);
    click(&example, 1, "a", "10.0.0.xxx", "DEU", NOON_MS);
    click(&example, 1, "a", "2001:db8::1", "USA", NOON_MS);
    click(&example, 1, "a", "10.0.0.1", "USA", NOON_MS - 2 * HOUR_MS); /* too late */
    count(&example);
    assert_counts(&example, "*", "*", "*", 4);
    assert_counts(&example, "!USA", "*", "*", 2);
    assert_counts(&example, "USA|ZZZ", "10.0.0.0/24", "*", 2);
    assert_counts(&example, "*", "10.0.0.0/25", "*", 1);
    assert_counts(&example, "*", "10.0.0.0/24", "!b", 2);
    assert_counts(&example, "*", "!10.0.0.0/8", "a", 1);
    end(&example);
}

static void a_filter_covers_from_the_latest_of_what_it_needs(void **state) {
    (void)state;
    struct example example = begin();
    create(&example, 1, "*", "a", 0);
    click(&example, 1, "a", "10.0.0.1", "USA", NOON_MS);
    click(&example, 0, "a", "10.0.0.1", "USA", NOON_MS - 10 * HOUR_MS); /* too late, and a click all the same */
    create(&example, 2, "10.0.0.0/8", "*", NOON + 1);
    click(&example, 0, "a", "10.0.0.1", "USA", NOON_MS + 5 * MINUTE_MS);
    create(&example, 3, "!10.0.0.0/8", "b", NOON + 6);
    create(&example, 4, "*", "c", NOON + 6);
    change(&example, FILTER_RECALCULATE, 3, NULL, 0);
    change(&example, FILTER_DELETE, 4, NULL, 0);
    count(&example);
    assert_string_equal(example.flaw, "");
    assert_cover(&example, "*", "*", ORACLE_COVERS_ALL, 0);
    assert_cover(&example, "*", "!a", ORACLE_COVERS_ALL, 0);
    assert_cover(&example, "!10.0.0.0/8", "*", ORACLE_COVERS_PART, NOON + 1);
    assert_cover(&example, "10.0.0.0/8", "b", ORACLE_COVERS_ALL, 0);          /* recalculated */
    assert_cover(&example, "10.0.0.0/8", "!b", ORACLE_COVERS_PART, NOON + 1); /* "10.0.0.0/8 of anybody" was not */
    assert_cover(&example, "*", "c", ORACLE_COVERS_NOTHING, 0);
    size_t filter_count;
    const struct oracle_filter *all = oracle_filters_all(example.filters, &filter_count);
    assert_int_equal(filter_count, 4);
    assert_true(all[3].deleted && !all[2].deleted);
    end(&example);
}

static void a_record_that_covers_a_minute_too_early_is_found(void **state) {
    (void)state;
    struct example example = begin();
    click(&example, 1, "a", "10.0.0.1", "USA", NOON_MS);
    create(&example, 1, "*", "a", NOON);
    count(&example);
    assert_non_null(strstr(example.flaw, "does not cover from"));
    end(&example);
}

static void partitions_that_disagree_are_found(void **state) {
    (void)state;
    struct example example = begin();
    create(&example, 1, "*", "a", 0);
    create(&example, 2, "*", "b", 0);
    example.wrong_in_one = true;
    change(&example, FILTER_DELETE, 1, NULL, 0);
    count(&example);
    assert_non_null(strstr(example.flaw, "not the same in all partitions"));
    end(&example);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_counts_the_counted_clicks_that_it_matches),
        cmocka_unit_test(a_filter_covers_from_the_latest_of_what_it_needs),
        cmocka_unit_test(a_record_that_covers_a_minute_too_early_is_found),
        cmocka_unit_test(partitions_that_disagree_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
