#include "aggregate/backfill.h"

#include "aggregate/aggregator.h"
#include "unit/aggregate/filter_stream.h"

enum { OFFSETS_MAX = STREAM_STEPS * STREAM_CLICKS_MAX };

struct bench {
    struct stream *stream;
    struct ads *ads;
    struct partial live; /* all increments of the aggregator */
    struct partial past; /* of the backfill */
    uint8_t verdicts[OFFSETS_MAX];
};

static void note_verdict(void *self, uint32_t partition, struct journal_offset offset, enum verdict verdict) {
    struct bench *bench = self;
    assert_true(partition == 0 && offset.at < OFFSETS_MAX);
    bench->verdicts[offset.at] = (uint8_t)verdict;
}

/* A stream that has been counted live. */
static struct bench *begin(uint64_t seed) {
    struct bench *bench = memory_allocate_zeroed(1, sizeof *bench);
    struct aggregator_checkpoint nothing = {0};
    struct verdict_listener listener = {bench, note_verdict};
    bench->stream = stream_make(seed);
    bench->ads = ads_create(1);
    struct aggregator *aggregator =
        aggregator_create(0, &(struct dedup_options){.memory_bytes = STREAM_MEMORY}, bench->ads, &nothing, &listener);
    for (size_t i = 0; i < STREAM_STEPS; i++)
        assert_int_equal(aggregator_step(aggregator, &bench->stream->steps[i].record, NULL), STATUS_OK);
    assert_true(aggregator_take(aggregator, &bench->live));
    aggregator_destroy(aggregator);
    return bench;
}

static void end(struct bench *bench) {
    partial_fini(&bench->live);
    partial_fini(&bench->past);
    ads_destroy(bench->ads);
    stream_free(bench->stream);
    free(bench);
}

static void want_all_atoms(struct bench *bench, struct backfill *backfill, const struct stream_filter *filter) {
    for (size_t t = 0; t < filter_term_count(filter->filter); t++) {
        uint32_t atom = filter->terms[t].atom;
        if (atom != 0) backfill_want(backfill, filter->filter, t, atom, bench->stream->born[atom]);
    }
}

/* Returns the step behind which it was done, or STREAM_STEPS. It goes on to the end, and must count nothing more. */
static size_t run(struct bench *bench, struct backfill *backfill) {
    size_t done = STREAM_STEPS;
    struct partial partial = {0};
    for (size_t i = 0; i < STREAM_STEPS; i++) {
        assert_int_equal(backfill_step(backfill, &bench->stream->steps[i].record, NULL), STATUS_OK);
        assert_true(backfill_take(backfill, &partial));
        assert_int_equal(partial.increment_count, 0);
        if (done < i) assert_int_equal(partial.atom_increment_count, 0);
        for (size_t k = 0; k < partial.atom_increment_count; k++)
            partial_push_atom(&bench->past, partial.atom_increments[k]);
        if (done == STREAM_STEPS && backfill_done(backfill)) done = i;
    }
    partial_fini(&partial);
    return done;
}

static void what_was_counted_live_and_by_the_backfill_is_all_that_matches(void **state) {
    (void)state;
    static struct stream_counts plain, summed, live;
    size_t filled = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct bench *bench = begin(seed);
        struct backfill *backfill = backfill_create(0, &(struct dedup_options){.memory_bytes = STREAM_MEMORY}, bench->ads);
        for (size_t f = bench->stream->filter_count; f-- > 0;)
            if (bench->stream->filters[f].standing) want_all_atoms(bench, backfill, &bench->stream->filters[f]);
        assert_false(backfill_done(backfill));
        assert_true(run(bench, backfill) < STREAM_STEPS);
        for (size_t f = 0; f < bench->stream->filter_count; f++) {
            const struct stream_filter *filter = &bench->stream->filters[f];
            if (!filter->standing) continue;
            plain = live = (struct stream_counts){0};
            for (size_t i = 0; i < STREAM_STEPS; i++)
                stream_count_plainly(&bench->stream->steps[i], filter->filter, bench->verdicts, &plain);
            stream_count_terms(filter, &bench->live, bench->ads, &live);
            summed = live;
            stream_count_terms(filter, &bench->past, bench->ads, &summed);
            assert_memory_equal(&plain, &summed, sizeof plain);
            filled += memcmp(&live, &summed, sizeof live) != 0;
        }
        backfill_destroy(backfill);
        end(bench);
    }
    assert_true(filled > 50);
}

static void it_is_done_when_the_last_of_its_records_has_passed(void **state) {
    (void)state;
    struct bench *bench = begin(3);
    const struct stream_filter *filter = NULL;
    for (size_t f = 0; f < bench->stream->filter_count && filter == NULL; f++)
        if (!filter_is_region_only(bench->stream->filters[f].filter)) filter = &bench->stream->filters[f];
    struct backfill *backfill = backfill_create(0, &(struct dedup_options){.memory_bytes = STREAM_MEMORY}, bench->ads);
    want_all_atoms(bench, backfill, filter);
    size_t done = run(bench, backfill), passed = 0;
    uint32_t number = 0;
    for (; number < filter->created; passed++)
        if (bench->stream->steps[passed].block.kind == SUB_BLOCK_FILTERS) number += bench->stream->steps[passed].block.count;
    assert_int_equal(done + 1, passed);
    backfill_destroy(backfill);
    end(bench);
}

static void of_nothing_wanted_it_is_done_at_once_and_counts_nothing(void **state) {
    (void)state;
    struct bench *bench = begin(4);
    struct backfill *backfill = backfill_create(0, &(struct dedup_options){.memory_bytes = STREAM_MEMORY}, bench->ads);
    assert_true(backfill_done(backfill));
    (void)run(bench, backfill);
    assert_int_equal(bench->past.atom_increment_count, 0);
    backfill_destroy(backfill);
    end(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_counted_live_and_by_the_backfill_is_all_that_matches),
        cmocka_unit_test(it_is_done_when_the_last_of_its_records_has_passed),
        cmocka_unit_test(of_nothing_wanted_it_is_done_at_once_and_counts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
