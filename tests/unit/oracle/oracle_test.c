/* Worked examples of the definitions, counted by hand. */
#include "oracle/oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { NOON_MS = 12 * HOUR_MS };

struct example {
    struct oracle *oracle;
    uint64_t offset;
};

static struct example begin(int64_t lateness_ms) {
    struct example example = {oracle_create(), 0};
    struct oracle_record rules = {.kind = ORACLE_RULES,
                                  .offset = {example.offset++},
                                  .rules = {.number = 1,
                                            .partition_count = 1,
                                            .lateness_ms = lateness_ms,
                                            .horizon_ms = lateness_ms + MINUTE_MS,
                                            .canonical_version = 1}};
    oracle_add(example.oracle, &rules);
    return example;
}

static void click(struct example *example, const char *event_id, const char *ad, int64_t time_ms) {
    struct oracle_record record = {.kind = ORACLE_CLICK, .offset = {example->offset++}, .arrival = {INT64_C(1) << 50}};
    record.click.source = BYTES_LITERAL("default");
    record.click.event_id = bytes_of_text(event_id);
    record.click.ad_id = bytes_of_text(ad);
    record.click.user_id = BYTES_LITERAL("u");
    record.click.time.ms = time_ms;
    oracle_add(example->oracle, &record);
}

static enum verdict verdict_at(const struct example *example, size_t index) {
    size_t count;
    const struct oracle_record *records = oracle_records(example->oracle, &count);
    assert_true(index < count);
    return records[index].verdict;
}

static void copies_are_duplicates_and_other_content_is_a_conflict(void **state) {
    (void)state;
    struct example example = begin(HOUR_MS);
    click(&example, "e1", "a", NOON_MS);
    click(&example, "e1", "a", NOON_MS);
    click(&example, "e1", "b", NOON_MS);
    click(&example, "", "a", NOON_MS);
    click(&example, "", "a", NOON_MS);
    click(&example, "", "b", NOON_MS);
    oracle_count(example.oracle);
    const enum verdict expected[] = {VERDICT_COUNTED, VERDICT_DUPLICATE, VERDICT_CONFLICT,
                                     VERDICT_COUNTED, VERDICT_DUPLICATE, VERDICT_COUNTED};
    for (size_t i = 0; i < 6; i++) assert_int_equal(verdict_at(&example, 1 + i), expected[i]);
    size_t cells;
    const struct oracle_cell *cell = oracle_cells(example.oracle, &cells);
    assert_int_equal(cells, 2);
    assert_int_equal(cell[0].count, 2);
    assert_int_equal(cell[1].count, 1);
    oracle_destroy(example.oracle);
}

static void a_minute_that_ends_at_the_seal_is_too_late_and_its_copy_a_duplicate(void **state) {
    (void)state;
    struct example example = begin(10 * MINUTE_MS);
    click(&example, "", "a", NOON_MS);                      /* S = 11:50 */
    click(&example, "", "b", NOON_MS - 10 * MINUTE_MS - 1); /* its minute ends at 11:50 */
    click(&example, "", "b", NOON_MS - 10 * MINUTE_MS - 1);
    click(&example, "", "c", NOON_MS - 10 * MINUTE_MS); /* its minute ends at 11:51 */
    oracle_count(example.oracle);
    assert_int_equal(verdict_at(&example, 2), VERDICT_TOO_LATE);
    assert_int_equal(verdict_at(&example, 3), VERDICT_DUPLICATE);
    assert_int_equal(verdict_at(&example, 4), VERDICT_COUNTED);
    oracle_destroy(example.oracle);
}

static void an_identity_is_forgotten_when_the_horizon_has_passed_its_entry(void **state) {
    (void)state;
    struct example example = begin(10 * MINUTE_MS);
    click(&example, "e", "a", NOON_MS);                      /* bound: noon */
    click(&example, "x", "a", NOON_MS + 11 * MINUTE_MS - 1); /* D = noon - 1 ms */
    click(&example, "e", "b", NOON_MS + 11 * MINUTE_MS - 1);
    click(&example, "y", "a", NOON_MS + 11 * MINUTE_MS); /* D = noon: forgotten */
    click(&example, "e", "b", NOON_MS + 11 * MINUTE_MS);
    click(&example, "e", "a", NOON_MS);
    oracle_count(example.oracle);
    assert_int_equal(verdict_at(&example, 3), VERDICT_CONFLICT);
    assert_int_equal(verdict_at(&example, 5), VERDICT_COUNTED);
    assert_int_equal(verdict_at(&example, 6), VERDICT_CONFLICT); /* with the entry that replaced it */
    oracle_destroy(example.oracle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_duplicates_and_other_content_is_a_conflict),
        cmocka_unit_test(a_minute_that_ends_at_the_seal_is_too_late_and_its_copy_a_duplicate),
        cmocka_unit_test(an_identity_is_forgotten_when_the_horizon_has_passed_its_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
