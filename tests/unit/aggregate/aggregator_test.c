#include "aggregate/aggregator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake/fake_log.h"

enum { NOON_MS = 12 * HOUR_MS, MEMORY = 64 * 1024 };

struct bench {
    struct fake_log log;
    struct ads *ads;
    struct aggregator *aggregator;
    struct partial partial;
};

static const struct rules_proposal one_partition = {.has_partitions = true,
                                                    .partition_count = 1,
                                                    .has_lateness = true,
                                                    .lateness_ms = 10 * MINUTE_MS,
                                                    .has_delay = true,
                                                    .delay_ms = 15 * SECOND_MS};

static void step(struct bench *bench, struct journal_record *record) {
    struct failure failure = {0};
    assert_int_equal(aggregator_step(bench->aggregator, record, &failure), STATUS_OK);
    journal_record_release(record);
}

static void begin(struct bench *bench) {
    *bench = (struct bench){0};
    struct aggregator_checkpoint nothing = {0};
    fake_log_open(&bench->log, &one_partition);
    bench->ads = ads_create(1);
    bench->aggregator = aggregator_create(0, &(struct dedup_options){.memory_bytes = MEMORY}, bench->ads, &nothing, NULL);
    step(bench, journal_record_hold(bench->log.rules));
}

static void end(struct bench *bench) {
    partial_fini(&bench->partial);
    aggregator_destroy(bench->aggregator);
    ads_destroy(bench->ads);
    fake_log_close(&bench->log);
}

static void take(struct bench *bench) {
    assert_true(aggregator_take(bench->aggregator, &bench->partial));
}

static void each_click_gets_its_verdict_and_the_totals_add_up(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    fake_log_click(&bench.log, "e1", "a", NOON_MS, "USA");
    fake_log_click(&bench.log, "e1", "a", NOON_MS, "USA");                  /* duplicate */
    fake_log_click(&bench.log, "e1", "b", NOON_MS, "USA");                  /* conflict */
    fake_log_click(&bench.log, "", "a", NOON_MS, "USA");                    /* counted */
    fake_log_click(&bench.log, "", "a", NOON_MS, "USA");                    /* duplicate by content */
    fake_log_click(&bench.log, "e2", "a", NOON_MS - 20 * MINUTE_MS, "USA"); /* too late */
    fake_log_click(&bench.log, "e2", "a", NOON_MS - 20 * MINUTE_MS, "USA"); /* and remembered */
    fake_log_click(&bench.log, "e3", "a", NOON_MS - 5 * MINUTE_MS, "DEU");  /* amends a closed minute */
    step(&bench, fake_log_commit(&bench.log));
    take(&bench);
    const struct verdict_totals *totals = &bench.partial.totals;
    assert_int_equal(totals->counted, 3);
    assert_int_equal(totals->duplicate, 3);
    assert_int_equal(totals->duplicate_content, 1);
    assert_int_equal(totals->conflict, 1);
    assert_int_equal(totals->too_late, 1);
    assert_int_equal(totals->late_amended, 1);
    assert_int_equal(verdict_totals_clicks(totals), 8);
    end(&bench);
}

static void partials_join_and_carry_each_counted_click_once(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    fake_log_click(&bench.log, "e1", "a", NOON_MS, "USA");
    step(&bench, fake_log_commit(&bench.log));
    take(&bench);
    assert_int_equal(bench.partial.from.at, 0);
    assert_int_equal(bench.partial.to.at, 2); /* rules and one click */
    assert_int_equal(bench.partial.increment_count, 1);
    assert_int_equal(bench.partial.increments[0].minute.index, NOON_MS / MINUTE_MS);
    assert_false(aggregator_take(bench.aggregator, &bench.partial));
    fake_log_click(&bench.log, "e2", "b", NOON_MS, "USA");
    fake_log_click(&bench.log, "e2", "b", NOON_MS, "USA");
    step(&bench, fake_log_commit(&bench.log));
    take(&bench);
    assert_int_equal(bench.partial.from.at, 2);
    assert_int_equal(bench.partial.to.at, 4);
    assert_int_equal(bench.partial.increment_count, 1);
    assert_true(bytes_equal(ads_id(bench.ads, bench.partial.increments[0].ad), BYTES_LITERAL("b")));
    end(&bench);
}

/* What a restart does: all is judged again, what the store has is not counted again. */
static void clicks_below_the_checkpoint_are_remembered_but_not_handed_on(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    fake_log_click(&bench.log, "e1", "a", NOON_MS, "USA");
    struct journal_record *first = fake_log_commit(&bench.log);
    fake_log_click(&bench.log, "e1", "a", NOON_MS, "USA");
    fake_log_click(&bench.log, "e2", "a", NOON_MS, "USA");
    struct journal_record *second = fake_log_commit(&bench.log);
    step(&bench, journal_record_hold(first));
    take(&bench);
    struct aggregator_checkpoint checkpoint = {bench.partial.to, bench.partial.watermark, bench.partial.totals};
    aggregator_destroy(bench.aggregator);
    bench.aggregator = aggregator_create(0, &(struct dedup_options){.memory_bytes = MEMORY}, bench.ads, &checkpoint, NULL);
    step(&bench, journal_record_hold(bench.log.rules));
    step(&bench, journal_record_hold(first));
    assert_false(aggregator_take(bench.aggregator, &bench.partial));
    step(&bench, second);
    take(&bench);
    assert_int_equal(bench.partial.from.at, checkpoint.offset.at);
    assert_int_equal(bench.partial.increment_count, 1);
    assert_int_equal(bench.partial.totals.duplicate, 1);
    journal_record_release(first);
    end(&bench);
}

static void a_checkpoint_that_the_journal_does_not_give_is_refused(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    fake_log_click(&bench.log, "e1", "a", NOON_MS, "USA");
    struct journal_record *record = fake_log_commit(&bench.log);
    step(&bench, journal_record_hold(record));
    take(&bench);
    struct aggregator_checkpoint checkpoint = {bench.partial.to, bench.partial.watermark, bench.partial.totals};
    checkpoint.totals.counted++;
    aggregator_destroy(bench.aggregator);
    bench.aggregator = aggregator_create(0, &(struct dedup_options){.memory_bytes = MEMORY}, bench.ads, &checkpoint, NULL);
    step(&bench, journal_record_hold(bench.log.rules));
    struct failure failure = {0};
    assert_int_equal(aggregator_step(bench.aggregator, record, &failure), STATUS_CORRUPT);
    assert_non_null(strstr(failure.text, "remove store/"));
    journal_record_release(record);
    end(&bench);
}

static void a_gap_in_the_offsets_is_refused(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    fake_log_click(&bench.log, "e1", "a", NOON_MS, "USA");
    struct journal_record *skipped = fake_log_commit(&bench.log);
    fake_log_click(&bench.log, "e2", "a", NOON_MS, "USA");
    struct journal_record *next = fake_log_commit(&bench.log);
    struct failure failure = {0};
    assert_int_equal(aggregator_step(bench.aggregator, next, &failure), STATUS_CORRUPT);
    journal_record_release(skipped);
    journal_record_release(next);
    end(&bench);
}

static void a_full_identity_memory_is_said_and_names_the_setting(void **state) {
    (void)state;
    struct bench bench;
    enum status status = STATUS_OK;
    struct failure failure = {0};
    begin(&bench);
    for (unsigned commit = 0; commit < 100 && status == STATUS_OK; commit++) {
        for (unsigned i = 0; i < 100; i++) {
            char event_id[32];
            (void)snprintf(event_id, sizeof event_id, "%u-%u", commit, i);
            fake_log_click(&bench.log, event_id, "a", NOON_MS, "USA");
        }
        struct journal_record *record = fake_log_commit(&bench.log);
        status = aggregator_step(bench.aggregator, record, &failure);
        journal_record_release(record);
    }
    assert_int_equal(status, STATUS_FULL);
    assert_non_null(strstr(failure.text, "--dedup-memory"));
    end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_click_gets_its_verdict_and_the_totals_add_up),
        cmocka_unit_test(partials_join_and_carry_each_counted_click_once),
        cmocka_unit_test(clicks_below_the_checkpoint_are_remembered_but_not_handed_on),
        cmocka_unit_test(a_checkpoint_that_the_journal_does_not_give_is_refused),
        cmocka_unit_test(a_gap_in_the_offsets_is_refused),
        cmocka_unit_test(a_full_identity_memory_is_said_and_names_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
