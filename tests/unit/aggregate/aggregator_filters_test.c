/* What filters make of the clicks of a partition, against the definition of a filter and a plain loop. */
#include "aggregate/aggregator.h"
#include "unit/aggregate/filter_stream.h"

enum { OFFSETS_MAX = STREAM_STEPS * STREAM_CLICKS_MAX };

struct bench {
    struct stream *stream;
    struct ads *ads;
    struct aggregator *aggregator;
    struct partial partial;
    uint8_t verdicts[OFFSETS_MAX];
};

static void note_verdict(void *self, uint32_t partition, struct journal_offset offset, enum verdict verdict) {
    struct bench *bench = self;
    assert_true(partition == 0 && offset.at < OFFSETS_MAX);
    bench->verdicts[offset.at] = (uint8_t)verdict;
}

static void begin_at(struct bench *bench, const struct aggregator_checkpoint *checkpoint) {
    struct verdict_listener listener = {bench, note_verdict};
    aggregator_destroy(bench->aggregator);
    bench->aggregator =
        aggregator_create(0, &(struct dedup_options){.memory_bytes = STREAM_MEMORY}, bench->ads, checkpoint, &listener);
}

static struct bench *begin(uint64_t seed) {
    struct bench *bench = memory_allocate_zeroed(1, sizeof *bench);
    struct aggregator_checkpoint nothing = {0};
    bench->stream = stream_make(seed);
    bench->ads = ads_create(1);
    bench->aggregator =
        aggregator_create(0, &(struct dedup_options){.memory_bytes = STREAM_MEMORY}, bench->ads, &nothing, NULL);
    begin_at(bench, &nothing);
    return bench;
}

static void end(struct bench *bench) {
    partial_fini(&bench->partial);
    aggregator_destroy(bench->aggregator);
    ads_destroy(bench->ads);
    stream_free(bench->stream);
    free(bench);
}

static void step(struct bench *bench, size_t index) {
    struct failure failure = {0};
    if (aggregator_step(bench->aggregator, &bench->stream->steps[index].record, &failure) != STATUS_OK)
        fail_msg("step %zu: %s", index, failure.text);
}

/* Whether the filter stood in all of the step: no step has clicks and filter records. */
static bool stood(const struct stream_filter *filter, uint32_t number) {
    return filter->created <= number && (filter->deleted == 0 || filter->deleted > number);
}

static void assert_each_filter_is_its_sum(struct bench *bench, const struct stream_step *of, uint32_t number) {
    static struct stream_counts plain, summed;
    for (size_t f = 0; f < bench->stream->filter_count; f++) {
        const struct stream_filter *filter = &bench->stream->filters[f];
        if (!stood(filter, number)) continue;
        plain = summed = (struct stream_counts){0};
        stream_count_plainly(of, filter->filter, bench->verdicts, &plain);
        stream_count_terms(filter, &bench->partial, bench->ads, &summed);
        assert_memory_equal(&plain, &summed, sizeof plain);
    }
}

static void the_counted_clicks_of_every_filter_are_the_signed_sum_of_its_atoms(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct bench *bench = begin(seed);
        uint32_t number = 0;
        size_t atom_increments = 0;
        for (size_t i = 0; i < STREAM_STEPS; i++) {
            const struct stream_step *one = &bench->stream->steps[i];
            step(bench, i);
            if (one->block.kind == SUB_BLOCK_FILTERS) number += one->block.count;
            size_t waiting = aggregator_increments_waiting(bench->aggregator);
            assert_true(aggregator_take(bench->aggregator, &bench->partial));
            assert_int_equal(bench->partial.filters_number, number);
            assert_int_equal(bench->partial.increment_count + bench->partial.atom_increment_count, waiting);
            assert_int_equal(aggregator_increments_waiting(bench->aggregator), 0);
            assert_each_filter_is_its_sum(bench, one, number);
            atom_increments += bench->partial.atom_increment_count;
        }
        const struct verdict_totals *totals = &bench->partial.totals;
        assert_true(totals->duplicate > 0 && totals->conflict > 0 && totals->too_late > 0);
        assert_true(atom_increments > totals->counted / 2);
        end(bench);
    }
}

/* All atom increments from the take behind step `from` on, in one list. */
struct list {
    struct partial all; /* only its atom increments */
    size_t begins[STREAM_STEPS + 1];
};

static void run_to_the_end(struct bench *bench, size_t from, struct list *list) {
    for (size_t i = from; i < STREAM_STEPS; i++) {
        list->begins[i] = list->all.atom_increment_count;
        step(bench, i);
        assert_true(aggregator_take(bench->aggregator, &bench->partial));
        for (size_t k = 0; k < bench->partial.atom_increment_count; k++)
            partial_push_atom(&list->all, bench->partial.atom_increments[k]);
    }
}

static void a_replay_hands_on_no_match_below_the_checkpoint_and_all_behind_it(void **state) {
    (void)state;
    for (uint64_t seed = 100; seed < 104; seed++) {
        struct bench *bench = begin(seed);
        struct list first = {0}, again = {0};
        size_t middle = STREAM_STEPS / 2;
        for (size_t i = 0; i < middle; i++) step(bench, i);
        assert_true(aggregator_take(bench->aggregator, &bench->partial));
        assert_true(bench->partial.atom_increment_count > 0);
        struct aggregator_checkpoint checkpoint = {bench->partial.to, bench->partial.watermark, bench->partial.totals};
        uint32_t number = bench->partial.filters_number;
        run_to_the_end(bench, middle, &first);

        begin_at(bench, &checkpoint);
        for (size_t i = 0; i < middle; i++) step(bench, i);
        assert_int_equal(aggregator_increments_waiting(bench->aggregator), 0);
        assert_false(aggregator_take(bench->aggregator, &bench->partial));
        assert_int_equal(aggregator_filters_number(bench->aggregator), number);
        run_to_the_end(bench, middle, &again);
        assert_int_equal(bench->partial.filters_number, bench->stream->number);
        assert_int_equal(first.all.atom_increment_count, again.all.atom_increment_count);
        assert_true(first.all.atom_increment_count > 0);
        for (size_t i = 0; i < first.all.atom_increment_count; i++) {
            const struct atom_increment *a = &first.all.atom_increments[i], *b = &again.all.atom_increments[i];
            assert_true(a->minute.index == b->minute.index && a->ad == b->ad && a->atom == b->atom &&
                        a->country.code == b->country.code);
        }
        partial_fini(&first.all);
        partial_fini(&again.all);
        end(bench);
    }
}

static enum status step_filter_record(struct bench *bench, const struct filter_record *record, struct failure *failure) {
    struct sub_block block = {.kind = SUB_BLOCK_FILTERS, .count = 1, .filter_records = record};
    block.first_offset.at = record->number; /* the rules took offset 0 */
    struct journal_record journal_record = {.sub_block_count = 1, .sub_blocks = &block};
    *failure = (struct failure){0};
    return aggregator_step(bench->aggregator, &journal_record, failure);
}

static void filter_records_that_contradict_those_before_are_refused(void **state) {
    (void)state;
    struct bench *bench = begin(1);
    struct failure failure;
    struct filter_flaw flaw;
    struct filter *filter;
    assert_true(filter_parse(7, BYTES_LITERAL("*"), BYTES_LITERAL("*"), BYTES_LITERAL("u"), false, &filter, &flaw));
    struct filter_record make = {.number = 1, .action = FILTER_CREATE, .id = 7, .filter = filter};
    struct filter_record drop = {.number = 1, .action = FILTER_DELETE, .id = 7};
    const struct aggregator_checkpoint nothing = {0};

    step(bench, 0);
    assert_int_equal(step_filter_record(bench, &drop, &failure), STATUS_CORRUPT);
    assert_non_null(strstr(failure.text, "does not stand"));

    begin_at(bench, &nothing);
    step(bench, 0);
    assert_int_equal(step_filter_record(bench, &make, &failure), STATUS_OK);
    drop.number = 2;
    assert_int_equal(step_filter_record(bench, &drop, &failure), STATUS_OK);
    make.number = 3;
    assert_int_equal(step_filter_record(bench, &make, &failure), STATUS_CORRUPT);
    assert_non_null(strstr(failure.text, "created before"));

    begin_at(bench, &nothing);
    step(bench, 0);
    make.number = 1;
    assert_int_equal(step_filter_record(bench, &make, &failure), STATUS_OK);
    struct sub_block skip = {.kind = SUB_BLOCK_FILTERS, .count = 1, .first_offset = {2}, .filter_records = &drop};
    struct journal_record skipping = {.sub_block_count = 1, .sub_blocks = &skip};
    drop.number = 3;
    assert_int_equal(aggregator_step(bench->aggregator, &skipping, &failure), STATUS_CORRUPT);
    assert_non_null(strstr(failure.text, "filter record 3 follows on 1"));
    filter_destroy(filter);
    end(bench);
}

/* Most filters are by region: they must not cost memory for each. */
static void a_filter_by_region_only_keeps_nothing_but_its_id(void **state) {
    (void)state;
    struct bench *bench = begin(1);
    struct failure failure;
    struct filter_flaw flaw;
    step(bench, 0);
    uint64_t before = aggregator_atoms_memory_bytes(bench->aggregator);
    for (uint32_t id = 1; id <= 1000; id++) {
        struct filter *filter;
        assert_true(
            filter_parse(id, BYTES_LITERAL("!USA|DEU"), BYTES_LITERAL("*"), BYTES_LITERAL(""), false, &filter, &flaw));
        struct filter_record record = {.number = id, .action = FILTER_CREATE, .id = id, .filter = filter};
        assert_int_equal(step_filter_record(bench, &record, &failure), STATUS_OK);
        filter_destroy(filter);
    }
    assert_true(aggregator_atoms_memory_bytes(bench->aggregator) - before <= 1000 * 4 * 16);
    struct filter *filter;
    assert_true(
        filter_parse(1001, BYTES_LITERAL(""), BYTES_LITERAL("10.0.0.0/8"), BYTES_LITERAL(""), false, &filter, &flaw));
    struct filter_record record = {.number = 1001, .action = FILTER_CREATE, .id = 1001, .filter = filter};
    before = aggregator_atoms_memory_bytes(bench->aggregator);
    assert_int_equal(step_filter_record(bench, &record, &failure), STATUS_OK);
    assert_true(aggregator_atoms_memory_bytes(bench->aggregator) > before);
    filter_destroy(filter);
    end(bench);
}

static struct journal_record *commit_filter(struct fake_log *log, const struct filter *filter) {
    struct filter_change change = {.action = FILTER_CREATE, .id = filter->id, .filter = filter};
    struct clock clock = fake_clock_table(&log->clock);
    struct journal_record *record;
    assert_int_equal(journal_commit_filters(log->journal, &change, 1, clock_wall(&clock), clock_mono(&clock), &record, NULL),
                     STATUS_OK);
    return record;
}

enum { TWO = 2, CLICKS_EACH_TIME = 20 };

/* How many clicks and matches the two partitions hand on of a record. */
static void step_both(struct aggregator **aggregators, struct journal_record *record, size_t *clicks, size_t *matches) {
    struct partial partial = {0};
    *clicks = *matches = 0;
    for (size_t p = 0; p < TWO; p++) {
        assert_int_equal(aggregator_step(aggregators[p], record, NULL), STATUS_OK);
        if (!aggregator_take(aggregators[p], &partial)) continue;
        *clicks += partial.increment_count;
        *matches += partial.atom_increment_count;
        for (size_t i = 0; i < partial.atom_increment_count; i++) assert_int_equal(partial.atom_increments[i].atom, 1);
    }
    partial_fini(&partial);
    journal_record_release(record);
}

static struct journal_record *commit_clicks(struct fake_log *log, const char *name) {
    for (unsigned i = 0; i < CLICKS_EACH_TIME; i++) {
        char event_id[32];
        (void)snprintf(event_id, sizeof event_id, "%s %u", name, i);
        fake_log_click(log, event_id, "a", STREAM_NOON_MS, "USA");
    }
    return fake_log_commit(log);
}

static void a_filter_stands_in_every_partition_from_its_record_on(void **state) {
    (void)state;
    struct rules_proposal rules = {.has_partitions = true, .partition_count = TWO};
    struct aggregator_checkpoint nothing = {0};
    struct fake_log log;
    struct filter *filter;
    struct filter_flaw flaw;
    size_t clicks, matches;
    fake_log_open(&log, &rules);
    struct ads *ads = ads_create(1);
    struct aggregator *aggregators[TWO];
    for (uint32_t p = 0; p < TWO; p++)
        aggregators[p] = aggregator_create(p, &(struct dedup_options){.memory_bytes = STREAM_MEMORY}, ads, &nothing, NULL);
    assert_true(
        filter_parse(12, BYTES_LITERAL("DEU"), BYTES_LITERAL("1.2.0.0/16"), BYTES_LITERAL("u"), true, &filter, &flaw));
    step_both(aggregators, journal_record_hold(log.rules), &clicks, &matches);
    step_both(aggregators, commit_clicks(&log, "before"), &clicks, &matches);
    assert_true(clicks == CLICKS_EACH_TIME && matches == 0);
    step_both(aggregators, commit_filter(&log, filter), &clicks, &matches);
    assert_true(clicks == 0 && matches == 0);
    step_both(aggregators, commit_clicks(&log, "after"), &clicks, &matches);
    assert_true(clicks == CLICKS_EACH_TIME && matches == CLICKS_EACH_TIME); /* atoms have no country */
    for (uint32_t p = 0; p < TWO; p++) aggregator_destroy(aggregators[p]);
    filter_destroy(filter);
    ads_destroy(ads);
    fake_log_close(&log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counted_clicks_of_every_filter_are_the_signed_sum_of_its_atoms),
        cmocka_unit_test(a_replay_hands_on_no_match_below_the_checkpoint_and_all_behind_it),
        cmocka_unit_test(filter_records_that_contradict_those_before_are_refused),
        cmocka_unit_test(a_filter_by_region_only_keeps_nothing_but_its_id),
        cmocka_unit_test(a_filter_stands_in_every_partition_from_its_record_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
