#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake/fake_kv.h"
#include "view/view_internal.h"

enum { PARTITIONS = 2, NOON = 12 * 60 };

struct bench {
    struct fake_kv *fake;
    struct kv kv;
    struct store *store;
    struct ads *ads;
    struct view *view;
    uint64_t ranking_cells_max;
    uint64_t offsets[PARTITIONS];
    struct verdict_totals totals[PARTITIONS];
};

static void open_view(struct bench *bench) {
    static const uint8_t uuid[16] = {1};
    bench->kv = fake_kv_table(bench->fake);
    bench->ads = ads_create(1);
    assert_int_equal(store_open(&bench->kv, uuid, PARTITIONS, &bench->store, NULL), STATUS_OK);
    struct view_bounds bounds = {1 << 24, 1 << 24, bench->ranking_cells_max};
    bench->view = view_create(bench->store, &bench->kv, bench->ads, PARTITIONS, &bounds);
    assert_int_equal(view_load(bench->view, NULL), STATUS_OK);
}

static void close_view(struct bench *bench) {
    view_destroy(bench->view);
    store_destroy(bench->store);
    ads_destroy(bench->ads);
}

static void begin(struct bench *bench) {
    *bench = (struct bench){.fake = fake_kv_create(), .ranking_cells_max = 1 << 30};
    open_view(bench);
}

static void end(struct bench *bench) {
    close_view(bench);
    fake_kv_destroy(bench->fake);
}

/* `count` clicks of an ad in a minute, after which the partition's watermark is at `w_minute`. */
static void apply(struct bench *bench, uint32_t partition, const char *ad, uint32_t minute, size_t count,
                  uint32_t w_minute) {
    struct bytes id = bytes_of_text(ad);
    struct partial partial = {.partition = partition,
                              .from = {bench->offsets[partition]},
                              .to = {bench->offsets[partition] + count},
                              .increment_count = count};
    watermark_init(&partial.watermark);
    partial.watermark.w = minute_start((struct minute){w_minute});
    partial.watermark.s = event_time_minus(partial.watermark.w, HOUR_MS);
    partial.increments = calloc(count, sizeof *partial.increments);
    for (size_t i = 0; i < count; i++)
        partial.increments[i] =
            (struct increment){{minute}, ads_index(bench->ads, id, ads_hash(bench->ads, id)), {(uint16_t)(i % 3)}};
    bench->totals[partition].counted += count;
    partial.totals = bench->totals[partition];
    view_apply(bench->view, &partial);
    view_publish(bench->view);
    bench->offsets[partition] += count;
    free(partial.increments);
}

static void checkpoint(struct bench *bench, uint32_t partition) {
    assert_int_equal(view_checkpoint_write(bench->view, partition, NULL), STATUS_OK);
    view_checkpoint_done(bench->view, partition);
}

static uint64_t count(struct bench *bench, const char *ad, uint32_t from, uint32_t to) {
    uint64_t value;
    assert_int_equal(
        view_count(bench->view, NULL, bytes_of_text(ad), (struct minute){from}, (struct minute){to}, &value, NULL),
        STATUS_OK);
    return value;
}

static void counts_are_the_same_before_and_after_a_checkpoint_and_a_restart(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    apply(&bench, 0, "a", NOON, 5, NOON);
    apply(&bench, 1, "a", NOON, 2, NOON + 3);
    apply(&bench, 0, "a", NOON + 2, 7, NOON + 2);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(count(&bench, "a", NOON, NOON + 1), 7);
        assert_int_equal(count(&bench, "a", NOON, NOON + 3), 14);
        assert_int_equal(count(&bench, "a", NOON + 1, NOON + 2), 0);
        assert_int_equal(count(&bench, "nobody", 0, NOON + 9), 0);
        if (round == 0) {
            checkpoint(&bench, 0);
            checkpoint(&bench, 1);
        } else {
            close_view(&bench);
            open_view(&bench);
        }
    }
    end(&bench);
}

static bool cells_add_up(struct bench *bench) {
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        const struct view_partition *public = view_partition(bench->view, p);
        if (public->checkpoint_cells != public->checkpoint_totals.counted) return false;
    }
    return true;
}

/* Blocks, amendments and open minutes, over three checkpoints and a restart after each; then with so old a minute that a
 * start does not read everything. */
static void the_cells_of_the_store_add_up_to_what_was_counted(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    for (uint32_t round = 1; round <= 4; round++) {
        if (round == 4) apply(&bench, 0, "old", NOON - 400, 2, NOON + 3);
        if (round == 4) apply(&bench, 1, "far", NOON + 1400, 2, NOON + 1400);
        apply(&bench, 0, "a", NOON, 5, NOON + round);
        apply(&bench, 0, "b", NOON + round, 4, NOON + round);
        apply(&bench, 1, "a", NOON + round, 3, NOON + (round == 4 ? 1400 : 0));
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            checkpoint(&bench, p);
            assert_true(view_partition(bench.view, p)->checkpoint_cells == bench.totals[p].counted);
        }
        close_view(&bench);
        open_view(&bench);
        assert_true(cells_add_up(&bench));
        assert_true(view_partition(bench.view, 0)->checkpoint_cells == bench.totals[0].counted);
    }
    end(&bench);
}

/* What only a wrong program does: a cell that no click was counted into. */
static void a_cell_too_many_breaks_the_law_of_cells_at_the_next_checkpoint(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    apply(&bench, 0, "a", NOON, 5, NOON + 1);
    struct partition_cells *partition = &bench.view->partitions[0];
    cell_table_add(&partition_get_minute(partition, (struct minute){NOON})->cells, cell_key(0, (struct country){1}), 1);
    assert_true(cells_add_up(&bench)); /* it is as of the checkpoint */
    checkpoint(&bench, 0);
    assert_false(cells_add_up(&bench));
    close_view(&bench);
    open_view(&bench);
    assert_false(cells_add_up(&bench)); /* a start finds it again */
    apply(&bench, 0, "a", NOON, 5, NOON + 2);
    checkpoint(&bench, 0);
    assert_false(cells_add_up(&bench)); /* nor does it pass */
    end(&bench);
}

/* A block that the store lost whole has no checksum that could tell. */
static void a_lost_block_breaks_the_law_of_cells_at_the_next_start(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    apply(&bench, 0, "a", NOON, 5, NOON + 1);
    apply(&bench, 1, "a", NOON, 5, NOON + 1);
    checkpoint(&bench, 0);
    checkpoint(&bench, 1);
    close_view(&bench);
    struct kv_batch batch = {0};
    for (size_t i = 0; i < fake_kv_key_count(bench.fake) && batch.entry_count == 0; i++) {
        struct bytes key = fake_kv_key(bench.fake, i);
        if (key.at[0] == 'b') kv_batch_delete(&batch, key);
    }
    assert_int_equal(bench.kv.write(bench.kv.self, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    open_view(&bench);
    assert_false(cells_add_up(&bench));
    end(&bench);
}

static void a_late_click_amends_its_closed_minute(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    apply(&bench, 0, "a", NOON, 5, NOON + 5);
    checkpoint(&bench, 0);
    for (size_t round = 1; round <= 3; round++) {
        apply(&bench, 0, "a", NOON, 1, NOON + 5);
        assert_int_equal(count(&bench, "a", NOON, NOON + 1), 5 + round);
        checkpoint(&bench, 0);
        assert_int_equal(count(&bench, "a", NOON, NOON + 1), 5 + round);
    }
    end(&bench);
}

static void readers_between_write_and_done_see_each_click_once(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    apply(&bench, 0, "a", NOON, 5, NOON + 5);
    checkpoint(&bench, 0);
    apply(&bench, 0, "a", NOON, 1, NOON + 5);
    assert_int_equal(view_checkpoint_write(bench.view, 0, NULL), STATUS_OK);
    assert_int_equal(count(&bench, "a", NOON, NOON + 1), 6);
    view_checkpoint_done(bench.view, 0);
    assert_int_equal(count(&bench, "a", NOON, NOON + 1), 6);
    end(&bench);
}

static void ranking_is_by_count_then_by_id(void **state) {
    (void)state;
    struct bench bench;
    struct ranked_ad ranked[3];
    size_t found;
    begin(&bench);
    apply(&bench, 0, "c", NOON, 2, NOON);
    apply(&bench, 1, "b", NOON + 1, 2, NOON);
    apply(&bench, 0, "a", NOON, 1, NOON);
    apply(&bench, 1, "d", NOON, 9, NOON);
    assert_int_equal(view_rank(bench.view, NULL, (struct minute){NOON}, (struct minute){NOON + 2}, ranked, 3, &found, NULL),
                     STATUS_OK);
    assert_int_equal(found, 3);
    assert_true(bytes_equal(ranked[0].ad_id, BYTES_LITERAL("d")) && ranked[0].count == 9);
    assert_true(bytes_equal(ranked[1].ad_id, BYTES_LITERAL("b")) && ranked[1].count == 2);
    assert_true(bytes_equal(ranked[2].ad_id, BYTES_LITERAL("c")) && ranked[2].count == 2);
    assert_int_equal(
        view_rank(bench.view, NULL, (struct minute){NOON + 5}, (struct minute){NOON + 6}, ranked, 3, &found, NULL),
        STATUS_OK);
    assert_int_equal(found, 0);
    end(&bench);
}

static void a_ranking_that_was_asked_for_before_follows_a_late_click(void **state) {
    (void)state;
    struct bench bench;
    struct ranked_ad ranked[3];
    size_t found;
    struct minute from = {NOON}, to = {NOON + 1};
    begin(&bench);
    apply(&bench, 0, "a", NOON, 2, NOON + 5);
    apply(&bench, 1, "b", NOON, 1, NOON + 5);
    while (view_close_prepare(bench.view)) view_close_commit(bench.view);
    for (int asked = 0; asked < 2; asked++) { /* the second time from memory */
        assert_int_equal(view_rank(bench.view, NULL, from, to, ranked, 3, &found, NULL), STATUS_OK);
        assert_true(found == 2 && ranked[0].count == 2 && bytes_equal(ranked[0].ad_id, BYTES_LITERAL("a")));
    }
    apply(&bench, 1, "b", NOON, 2, NOON + 5);
    assert_int_equal(view_rank(bench.view, NULL, from, to, ranked, 3, &found, NULL), STATUS_OK);
    assert_true(found == 2 && ranked[0].count == 3 && bytes_equal(ranked[0].ad_id, BYTES_LITERAL("b")));
    assert_int_equal(view_rank(bench.view, NULL, from, to, ranked, 1, &found, NULL), STATUS_OK);
    assert_int_equal(found, 1);
    end(&bench);
}

static void the_state_is_the_least_final_of_all_partitions(void **state) {
    (void)state;
    struct bench bench;
    struct minute last;
    begin(&bench);
    assert_false(view_last_minute(bench.view, &last));
    apply(&bench, 0, "a", NOON, 1, NOON + 100);
    assert_true(event_time_is_none(view_watermark(bench.view)));
    assert_string_equal(view_state(bench.view, (struct minute){NOON}), "open");
    assert_true(view_last_minute(bench.view, &last) && last.index == NOON); /* nothing is closed: the newest stands in */
    apply(&bench, 1, "a", NOON + 70, 1, NOON + 70);
    assert_string_equal(view_state(bench.view, (struct minute){NOON + 70}), "closed");
    assert_string_equal(view_state(bench.view, (struct minute){NOON + 71}), "open");
    assert_string_equal(view_state(bench.view, (struct minute){NOON + 10}), "sealed");
    while (view_close_prepare(bench.view)) view_close_commit(bench.view);
    assert_true(view_last_minute(bench.view, &last) && last.index == NOON + 69);
    apply(&bench, 0, "a", NOON + 71, 1, NOON + 100);
    apply(&bench, 1, "a", NOON + 71, 1, NOON + 72);
    assert_true(view_last_minute(bench.view, &last) && last.index == NOON + 69); /* the window has not closed more yet */
    while (view_close_prepare(bench.view)) view_close_commit(bench.view);
    assert_true(view_last_minute(bench.view, &last) && last.index == NOON + 71);
    end(&bench);
}

static void clicks_far_ahead_of_the_watermark_do_not_move_the_last_minute(void **state) {
    (void)state;
    struct bench bench;
    struct minute last;
    begin(&bench);
    apply(&bench, 0, "a", NOON, 1, NOON + 2);
    apply(&bench, 1, "a", NOON, 1, NOON + 2);
    while (view_close_prepare(bench.view)) view_close_commit(bench.view);
    apply(&bench, 0, "a", NOON + 4 * 24 * 60, 1, NOON + 3); /* the window has moved on; the watermark's guard has not */
    assert_true(view_last_minute(bench.view, &last) && last.index == NOON + 1);
    end(&bench);
}

static enum status append(void *context, struct bytes part) {
    buffer_append_bytes(context, part);
    return STATUS_OK;
}

static void the_export_is_sorted_and_of_one_cut(void **state) {
    (void)state;
    struct bench bench;
    struct buffer csv = {0};
    begin(&bench);
    apply(&bench, 0, "b", NOON, 2, NOON + 5);
    checkpoint(&bench, 0);
    apply(&bench, 1, "a,\"x\"", NOON, 1, NOON);
    apply(&bench, 0, "b", NOON, 1, NOON + 5);
    struct view_export *export;
    struct view_export_wanted wanted = {.table = VIEW_TABLE_CELLS};
    assert_int_equal(view_export_begin(bench.view, &wanted, &export, NULL), STATUS_OK);
    apply(&bench, 0, "b", NOON, 9, NOON + 5); /* after the cut */
    checkpoint(&bench, 0);
    assert_int_equal(view_export_run(export, append, &csv, NULL), STATUS_OK);
    view_export_destroy(export);
    buffer_append(&csv, "", 1);
    assert_string_equal((const char *)csv.at, "ad_id,minute,atom,country,count\n"
                                              "\"a,\"\"x\"\"\",1970-01-01T12:00:00Z,0,AAA,1\n"
                                              "b,1970-01-01T12:00:00Z,0,AAA,2\n"
                                              "b,1970-01-01T12:00:00Z,0,AAB,1\n");
    buffer_fini(&csv);
    end(&bench);
}

static void the_version_only_grows_over_restarts_too(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    apply(&bench, 0, "a", NOON, 5, NOON);
    checkpoint(&bench, 0);
    uint64_t version = view_version(bench.view);
    close_view(&bench);
    open_view(&bench);
    assert_int_equal(view_version(bench.view), version);
    apply(&bench, 1, "a", NOON, 5, NOON);
    assert_true(view_version(bench.view) > version);
    end(&bench);
}

static void assert_ranking_refused(struct bench *bench, const struct selection *selection, const char *text) {
    struct ranked_ad ranked[3];
    struct failure failure = {0};
    size_t found;
    enum status status =
        view_rank(bench->view, selection, (struct minute){NOON}, (struct minute){NOON + 60}, ranked, 3, &found, &failure);
    assert_int_equal(status, text == NULL ? STATUS_OK : STATUS_FULL);
    if (text != NULL) assert_non_null(strstr(failure.text, text));
}

/* 9,000 clicks on two ads from three countries in one minute: 6 cells, and 3 in another. */
static void a_ranking_is_refused_for_the_cells_that_it_would_read_not_for_the_clicks(void **state) {
    (void)state;
    struct bench bench;
    struct filter *filter = NULL;
    struct filter_flaw flaw;
    assert_true(filter_parse(0, BYTES_LITERAL("!AFG"), BYTES_LITERAL("*"), BYTES_LITERAL("*"), false, &filter, &flaw));
    const struct filter_term term = {.sign = 1, .atom = ATOM_ALL};
    const struct selection selection = selection_of(filter, &term, 1);
    begin(&bench);
    close_view(&bench);
    bench.ranking_cells_max = 8;
    open_view(&bench);
    apply(&bench, 0, "a", NOON, 5000, NOON);
    apply(&bench, 0, "b", NOON, 4000, NOON);
    assert_ranking_refused(&bench, &selection, NULL);
    apply(&bench, 1, "a", NOON + 7, 3, NOON + 9);
    assert_ranking_refused(&bench, &selection, "would read about 9 cells, and the bound is 8 (--ranking-cells-max)");
    checkpoint(&bench, 1);
    /* 9,003 clicks in 8 minutes, but of 2 ads with 250 countries at most. */
    assert_ranking_refused(&bench, &selection,
                           "about 6 cells of memory and up to 4000 of the store, which cost as much as 16");
    filter_destroy(filter);
    end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_the_same_before_and_after_a_checkpoint_and_a_restart),
        cmocka_unit_test(the_cells_of_the_store_add_up_to_what_was_counted),
        cmocka_unit_test(a_cell_too_many_breaks_the_law_of_cells_at_the_next_checkpoint),
        cmocka_unit_test(a_lost_block_breaks_the_law_of_cells_at_the_next_start),
        cmocka_unit_test(a_late_click_amends_its_closed_minute),
        cmocka_unit_test(readers_between_write_and_done_see_each_click_once),
        cmocka_unit_test(ranking_is_by_count_then_by_id),
        cmocka_unit_test(a_ranking_that_was_asked_for_before_follows_a_late_click),
        cmocka_unit_test(the_state_is_the_least_final_of_all_partitions),
        cmocka_unit_test(clicks_far_ahead_of_the_watermark_do_not_move_the_last_minute),
        cmocka_unit_test(the_export_is_sorted_and_of_one_cut),
        cmocka_unit_test(the_version_only_grows_over_restarts_too),
        cmocka_unit_test(a_ranking_is_refused_for_the_cells_that_it_would_read_not_for_the_clicks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
