/* What the survey says of a journal, whatever state it is in, and what a cut leaves. */
#include "small_log.h"

#include "journal/survey.h"

/* Three segments, the last one unsealed; clicks and filters. */
static struct fixture *three_segments(void) {
    struct fixture *fixture = fixture_new();
    fixture->options.segment_bytes = 4096;
    for (int life = 0; life < 3; life++) {
        assert_int_equal(fixture_up(fixture), STATUS_OK);
        assert_int_equal(fixture_clicks(fixture, 3), STATUS_OK);
        if (life == 1) assert_int_equal(fixture_filters(fixture, 1), STATUS_OK);
        assert_int_equal(fixture_clicks(fixture, 2), STATUS_OK);
        if (life < 2) assert_int_equal(fixture_close(fixture), STATUS_OK);
    }
    fixture_kill(fixture);
    assert_true(fake_files_exists(fixture->fake, SEGMENT_3));
    return fixture;
}

static struct journal_survey *survey_of(struct fake_files *fake) {
    struct journal_survey *survey = memory_allocate(sizeof *survey);
    struct files files = fake_files_table(fake);
    struct fake_files *found = fake_files_clone(fake, 1);
    struct failure failure = {0};
    if (journal_survey(&files, NULL, NULL, survey, &failure) != STATUS_OK) fail_msg("%s", failure.text);
    assert_true(fake_files_same(fake, found)); /* it only looks */
    fake_files_destroy(found);
    return survey;
}

static void a_good_journal_has_no_finding_and_all_its_clicks(void **state) {
    (void)state;
    struct fixture *fixture = three_segments();
    struct journal_survey *survey = survey_of(fixture->fake);
    assert_int_equal(survey->finding_count, 0);
    assert_int_equal(survey->cut_segment, 0);
    assert_int_equal(survey->segments, 3);
    assert_int_equal(survey->records, fixture->acknowledged.count);
    assert_int_equal(survey->clicks, 15);
    assert_int_equal(survey->clicks_told, 15);
    assert_int_equal(survey->clicks_kept, 15);
    free(survey);
    fixture_free(fixture);
}

/* The journal in front of the damage is a journal: it holds the first records, unchanged, and takes new ones. */
static void assert_good_after_cut(struct fixture *fixture, const struct fixture *before,
                                  const struct journal_survey *survey) {
    struct failure failure = {0};
    if (journal_survey_cut(&fixture->files, survey->cut_segment, survey->cut_at, &failure) != STATUS_OK)
        fail_msg("%s", failure.text);
    if (fixture_up(fixture) != STATUS_OK) fail_msg("%s", fixture->failure.text);
    assert_true(fixture->replayed.count < before->acknowledged.count);
    assert_same_records(&fixture->replayed, &before->acknowledged, fixture->replayed.count);
    uint64_t clicks = journal_totals(fixture->journal).accepted;
    assert_int_equal(clicks, survey->clicks_kept);
    assert_int_equal(fixture_clicks(fixture, 2), STATUS_OK);
}

/* The survey refuses what a start refuses, at the same file, and finds good what a start takes. */
static void whatever_byte_is_flipped_the_survey_agrees_with_a_start_and_a_cut_mends_it(void **state) {
    (void)state;
    static const char *const paths[] = {SEGMENT_1, SEGMENT_2, SEGMENT_3};
    struct fixture *before = three_segments();
    size_t damaged = 0, torn = 0;
    for (size_t p = 0; p < 3; p++) {
        size_t len = fake_files_content(before->fake, paths[p]).len;
        for (uint64_t at = 0; at < len && at < 2400; at++) {
            struct fixture *fixture = fixture_on(fake_files_clone(before->fake, 1));
            fake_files_flip(fixture->fake, paths[p], at, (uint8_t)(1 + at % 255));
            struct journal_survey *survey = survey_of(fixture->fake);
            enum status status = fixture_up(fixture);
            assert_true((status == STATUS_OK) == (survey->cut_segment == 0));
            assert_true(survey->finding_count >= 1);
            torn += status == STATUS_OK;
            if (status != STATUS_OK) {
                damaged++;
                assert_non_null(strstr(fixture->failure.text, paths[survey->cut_segment - 1]));
                assert_string_equal(survey->findings[0].path, paths[survey->cut_segment - 1]);
                /* The next header tells how many there were; behind the last segment there is none. */
                if (p < 2 && survey->clicks_told != 15)
                    fail_msg("%s, byte %llu: %llu clicks told", paths[p], (unsigned long long)at,
                             (unsigned long long)survey->clicks_told);
                assert_true(survey->clicks_told <= 15 && survey->clicks <= survey->clicks_told);
                journal_destroy(fixture->journal);
                fixture->journal = NULL;
                /* At the journal's beginning nothing would be left to make a journal of. */
                if (survey->cut_segment > 1 || survey->cut_at > 0) assert_good_after_cut(fixture, before, survey);
            }
            free(survey);
            fixture_free(fixture);
        }
    }
    assert_true(damaged > 2000 && torn > 200);
    fixture_free(before);
}

static bool holds(const struct fake_files *fake, struct bytes content);

struct search {
    const struct fake_files *fake;
    struct bytes content;
    bool found;
};

static void look(void *context, const char *path) {
    struct search *search = context;
    if (strchr(path, '.') == NULL) return; /* a directory */
    if (bytes_equal(fake_files_content(search->fake, path), search->content)) search->found = true;
}

static bool holds(const struct fake_files *fake, struct bytes content) {
    struct search search = {fake, content, false};
    fake_files_each(fake, look, &search);
    return search.found;
}

/* Whatever operation of the cut is the last, the damaged files are still there as they were, and a second try goes on. */
static void a_cut_that_a_crash_breaks_off_loses_nothing_and_goes_on(void **state) {
    (void)state;
    struct fixture *before = three_segments();
    fake_files_flip(before->fake, SEGMENT_2, header_length(before->fake, SEGMENT_2) + 60, 1);
    bool finished = false;
    for (uint64_t stop = 1; !finished; stop++) {
        assert_true(stop < 100);
        struct fixture *fixture = fixture_on(fake_files_clone(before->fake, stop));
        struct random_sequence random = {stop};
        struct journal_survey *survey = survey_of(fixture->fake);
        assert_int_equal(survey->cut_segment, 2);
        fake_files_stop_at(fixture->fake, stop);
        finished = journal_survey_cut(&fixture->files, survey->cut_segment, survey->cut_at, NULL) == STATUS_OK;
        fake_files_crash(fixture->fake, &random);
        assert_true(holds(fixture->fake, fake_files_content(before->fake, SEGMENT_1)));
        assert_true(holds(fixture->fake, fake_files_content(before->fake, SEGMENT_2)));
        assert_true(holds(fixture->fake, fake_files_content(before->fake, SEGMENT_3)));
        free(survey);
        survey = survey_of(fixture->fake);
        if (survey->cut_segment != 0) {
            assert_int_equal(survey->cut_segment, 2);
            assert_good_after_cut(fixture, before, survey);
        } else {
            assert_int_equal(fixture_up(fixture), STATUS_OK);
        }
        assert_true(holds(fixture->fake, fake_files_content(before->fake, SEGMENT_2)));
        free(survey);
        fixture_free(fixture);
    }
    fixture_free(before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_journal_has_no_finding_and_all_its_clicks),
        cmocka_unit_test(whatever_byte_is_flipped_the_survey_agrees_with_a_start_and_a_cut_mends_it),
        cmocka_unit_test(a_cut_that_a_crash_breaks_off_loses_nothing_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
