/* What becomes of personal frames, and of bytes that clients chose, in a log's files. */
#include "small_log.h"

#include "journal/record_format.h"

/* The personal frame of the record's first click sub-block, as a place in the segment. */
static uint64_t personal_at(const struct small_log *log, size_t index, size_t *len) {
    const struct journal_record *record = log->fixture->acknowledged.at[index];
    *len = record->sub_blocks[0].clicks.personal.len;
    return log->ends[index] - record->bytes.len + (uint64_t)(record->sub_blocks[0].clicks.personal.at - record->bytes.at);
}

static void an_erased_personal_frame_still_verifies(void **state) {
    (void)state;
    struct small_log log = small_log(2, 4);
    assert_int_equal(fixture_close(log.fixture), STATUS_OK);
    size_t len;
    uint64_t at = personal_at(&log, 1, &len);
    struct buffer segment = {0};
    buffer_append_bytes(&segment, fake_files_content(log.fixture->fake, SEGMENT_1));
    personal_frame_erase(segment.at + at, len);
    fake_files_put(log.fixture->fake, SEGMENT_1, buffer_view(&segment));
    buffer_fini(&segment);

    assert_int_equal(fixture_up(log.fixture), STATUS_OK);
    assert_int_equal(log.fixture->replayed.count, 3);
    const struct click_block *erased = &log.fixture->replayed.at[1]->sub_blocks[0].clicks;
    assert_int_equal(erased->personal.len, 0);
    struct click_cursor cursor = click_cursor_of(erased);
    struct click click;
    uint32_t count = 0;
    while (click_cursor_next(&cursor, &click)) {
        assert_int_equal(click.user_id.len, 0);
        assert_int_equal(click.ip.kind, 0);
        assert_true(click.ad_id.len > 0);
        count++;
    }
    assert_int_equal(count, 2);
    assert_true(log.fixture->replayed.at[1]->sub_blocks[1].clicks.personal.len > 0);

    /* An erased frame is not a place to hide in. */
    fixture_kill(log.fixture);
    fake_files_flip(log.fixture->fake, SEGMENT_1, at + len - 1, 1);
    assert_int_equal(fixture_up(log.fixture), STATUS_CORRUPT);
    fixture_free(log.fixture);
}

static void a_personal_frame_that_never_reached_the_disk_makes_a_torn_tail(void **state) {
    (void)state;
    struct small_log log = small_log(2, 4);
    fixture_kill(log.fixture);
    size_t len;
    uint64_t at = personal_at(&log, 2, &len);
    struct bytes segment = fake_files_content(log.fixture->fake, SEGMENT_1);
    struct buffer torn = {0};
    buffer_append_bytes(&torn, segment);
    memset(torn.at + at, 0, len);
    fake_files_put(log.fixture->fake, SEGMENT_1, buffer_view(&torn));
    buffer_fini(&torn);
    assert_int_equal(fixture_up(log.fixture), STATUS_OK);
    assert_same_records(&log.fixture->replayed, &log.fixture->acknowledged, 2);
    assert_non_null(journal_torn_path(log.fixture->journal));
    fixture_free(log.fixture);
}

static void a_record_that_a_client_planted_is_not_taken_for_one(void **state) {
    (void)state;
    struct small_log log = small_log(1, 2);
    fixture_kill(log.fixture);
    /* A whole record, right but for the log's seed, behind a torn one. */
    struct record_draft draft = {.number = 1000, .arrival = {1}};
    struct journal_record *planted = record_build(&draft, 0, &log.fixture->random);
    struct buffer segment = {0};
    buffer_append_bytes(&segment, fake_files_content(log.fixture->fake, SEGMENT_1));
    segment.at[log.ends[1]] = 1;
    memcpy(segment.at + log.ends[1] + 8, planted->bytes.at, planted->bytes.len);
    fake_files_put(log.fixture->fake, SEGMENT_1, buffer_view(&segment));
    assert_int_equal(fixture_up(log.fixture), STATUS_OK);
    /* All of it went aside, but for the zeros that the planted header ends with. */
    assert_int_equal(journal_totals(log.fixture->journal).torn_bytes, 8 + planted->bytes.len - 3);
    journal_record_release(planted);
    buffer_fini(&segment);
    fixture_free(log.fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_erased_personal_frame_still_verifies),
        cmocka_unit_test(a_personal_frame_that_never_reached_the_disk_makes_a_torn_tail),
        cmocka_unit_test(a_record_that_a_client_planted_is_not_taken_for_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
