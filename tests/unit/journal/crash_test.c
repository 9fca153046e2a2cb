/* The power goes at every file operation of a journal's life, and every kind of failure strikes at every turn: what was
 * acknowledged is there afterwards, in its place, and at most one record more. */
#include "journal_fixture.h"

enum { CRASH_COMMITS = 14, CRASH_ROUNDS_MAX = 4000 };

/* Runs a life: open, commits over several segments, a clean end, another life. Stops at the first trouble. */
static enum status live(struct fixture *fixture) {
    for (int life = 0; life < 2; life++) {
        enum status status = fixture_up(fixture);
        for (int i = 0; status == STATUS_OK && i < CRASH_COMMITS; i++)
            status =
                i % 5 == 3 ? fixture_filters(fixture, 1 + (uint32_t)i % 4) : fixture_clicks(fixture, 1 + (uint32_t)i % 13);
        if (status == STATUS_OK) status = fixture_close(fixture);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static struct fixture *crash_fixture(uint64_t seed) {
    struct fixture *fixture = fixture_on(fake_files_create(seed));
    fixture->options.segment_bytes = 4096;
    return fixture;
}

/* Comes up again; `acknowledged` by those before, since the start may add a record that the replay did not see. */
static enum status up_again(struct fixture *fixture) {
    size_t acknowledged = fixture->acknowledged.count;
    enum status status = fixture_up(fixture);
    if (status != STATUS_OK) return status;
    assert_true(fixture->replayed.count >= acknowledged && fixture->replayed.count <= acknowledged + 1);
    for (size_t i = 0; i < acknowledged; i++)
        assert_true(bytes_equal(fixture->replayed.at[i]->bytes, fixture->acknowledged.at[i]->bytes));
    return STATUS_OK;
}

static void let_go(struct fixture *fixture) {
    journal_destroy(fixture->journal);
    fixture->journal = NULL;
}

static void a_crash_at_any_file_operation_loses_nothing_acknowledged(void **state) {
    (void)state;
    struct fake_files_counts seen = {0};
    bool finished = false;
    uint64_t rounds = 0;
    for (uint64_t stop = 1; !finished; stop++) {
        CHECK(stop < CRASH_ROUNDS_MAX);
        for (uint64_t seed = 1; seed <= 3; seed++, rounds++) {
            struct fixture *fixture = crash_fixture(stop * 31 + seed);
            struct random_sequence random = {stop * 1000 + seed};
            fake_files_stop_at(fixture->fake, stop);
            finished = live(fixture) == STATUS_OK;
            let_go(fixture);
            fake_files_crash(fixture->fake, &random);
            /* Power goes again during the recovery, a few operations in. */
            fake_files_stop_at(fixture->fake, 1 + random_sequence_below(&random, 12));
            (void)up_again(fixture);
            let_go(fixture);
            fake_files_crash(fixture->fake, &random);

            assert_int_equal(up_again(fixture), STATUS_OK);
            size_t kept = fixture->replayed.count;
            assert_int_equal(fixture_clicks(fixture, 3), STATUS_OK);
            assert_int_equal(fixture_close(fixture), STATUS_OK);
            assert_int_equal(fixture_up(fixture), STATUS_OK);
            /* The rules record too, when the crash was before it. */
            assert_true(fixture->replayed.count >= kept + 1);
            struct fake_files_counts counts = fake_files_counts(fixture->fake);
            seen.writes_kept += counts.writes_kept;
            seen.writes_lost += counts.writes_lost;
            seen.writes_torn_prefix += counts.writes_torn_prefix;
            seen.writes_torn_sectors += counts.writes_torn_sectors;
            seen.names_kept += counts.names_kept;
            seen.names_lost += counts.names_lost;
            fixture_free(fixture);
        }
    }
    /* The test met what it is about. */
    assert_true(rounds > 150);
    assert_true(seen.writes_kept > 10 && seen.writes_lost > 10 && seen.writes_torn_prefix > 10);
    assert_true(seen.writes_torn_sectors > 10 && seen.names_kept > 5 && seen.names_lost > 5);
}

static void any_call_that_fails_once_loses_nothing_acknowledged(void **state) {
    (void)state;
    for (int call = 0; call < FAKE_CALLS; call++) {
        bool finished = false;
        for (uint64_t nth = 1; !finished; nth++) {
            CHECK(nth < CRASH_ROUNDS_MAX);
            struct fixture *fixture = crash_fixture(nth);
            struct random_sequence random = {nth};
            fake_files_fail(fixture->fake, (enum fake_call)call, nth, nth % 2 == 0, STATUS_NO_SPACE);
            enum status status = live(fixture);
            finished = fake_files_counts(fixture->fake).injected == 0;
            assert_int_equal(status, finished ? STATUS_OK : STATUS_NO_SPACE);
            fixture_kill(fixture);
            assert_int_equal(up_again(fixture), STATUS_OK); /* the process restarts */
            size_t kept = fixture->replayed.count;
            let_go(fixture);
            fake_files_crash(fixture->fake, &random); /* then the machine */
            assert_int_equal(fixture_up(fixture), STATUS_OK);
            assert_true(fixture->replayed.count >= kept);
            fixture_free(fixture);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_at_any_file_operation_loses_nothing_acknowledged),
        cmocka_unit_test(any_call_that_fails_once_loses_nothing_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
