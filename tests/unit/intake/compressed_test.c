/* Bodies in gzip and zstd: what comes of them is what comes of the same body uncompressed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "intake/intake_fake.h"
#include "unit/compress/packed.h"

#define NDJSON "application/x-ndjson"

static const enum compression kinds[] = {COMPRESSION_GZIP, COMPRESSION_ZSTD};
enum { KINDS = 2 };

static int setup(void **state) {
    struct fake *fake = memory_allocate(sizeof *fake);
    fake_init(fake);
    *state = fake;
    return 0;
}

static int teardown(void **state) {
    fake_fini(*state);
    free(*state);
    return 0;
}

/* Numbers that look random keep the text from compressing better than clicks do. */
static void append_clicks(struct buffer *body, unsigned first, unsigned count) {
    for (unsigned i = first; i < first + count; i++)
        buffer_printf(body,
                      "{\"ad_id\":\"ad%02u\",\"click_timestamp\":1699999999123,\"user_id\":\"u%08x\",\"ip\":\"1.2.3.4\","
                      "\"country\":\"USA\",\"event_id\":\"e%08x\"}\n",
                      i % 90, i * 2654435761U, (i + 7) * 2246822519U);
}

static struct intake_session *begin(struct fake *fake, enum compression kind, const char *query) {
    return fake_begin_encoded(fake, NDJSON, kind == COMPRESSION_GZIP ? "gzip" : "ZSTD", query);
}

static void send_packed(struct fake *fake, enum compression kind, const char *query, struct bytes packed, size_t cut) {
    struct intake_session *session = begin(fake, kind, query);
    assert_non_null(session);
    while (packed.len > 0) {
        size_t len = packed.len < cut ? packed.len : cut;
        assert_int_equal(fake_feed(session, packed.at, len), STATUS_OK);
        packed.at += len;
        packed.len -= len;
    }
    intake_end(session, FAKE_NOW);
}

static void assert_answer(struct fake *fake, unsigned status, int received, int accepted) {
    assert_int_equal(fake->reply.http_status, status);
    assert_int_equal(answer_number(fake, "received"), received);
    assert_int_equal(answer_number(fake, "accepted"), accepted);
    assert_int_equal(answer_number(fake, "rejected"), received - accepted);
}

static void assert_problem(struct fake *fake, const char *type, const char *detail) {
    json_t *json = fake_answer(fake);
    assert_non_null(strstr(json_string_value(json_object_get(json, "type")), type));
    assert_non_null(strstr(json_string_value(json_object_get(json, "detail")), detail));
    assert_true(json_is_array(json_object_get(json, "errors")));
    json_decref(json);
}

static void a_compressed_body_is_what_it_was_before(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    append_clicks(&body, 0, 10000);
    buffer_append_text(&body, "not json\n");
    append_clicks(&body, 10000, 3);
    body.len--; /* the last line needs no end */
    for (size_t k = 0; k < KINDS; k++) {
        static const size_t cuts[] = {1, 977, 1000000};
        struct buffer packed = {0};
        pack(kinds[k], buffer_view(&body), &packed);
        for (size_t c = 0; c < 3; c++) {
            send_packed(fake, kinds[k], "", buffer_view(&packed), cuts[c]);
            assert_answer(fake, 400, 10004, 10003);
            json_t *json = fake_answer(fake);
            json_t *error = json_array_get(json_object_get(json, "errors"), 0);
            assert_int_equal(json_integer_value(json_object_get(error, "line")), 10001);
            json_decref(json);
        }
        buffer_fini(&packed);
    }
    assert_int_equal(fake->clicks, 6 * 10003);
    buffer_fini(&body);
}

static void lines_before_the_damage_are_kept(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    append_clicks(&body, 0, 1);
    size_t line_len = body.len;
    buffer_clear(&body);
    append_clicks(&body, 0, 3000);
    for (size_t k = 0; k < KINDS; k++) {
        struct buffer packed = {0};
        pack(kinds[k], buffer_view(&body), &packed);
        fake->clicks = 0;
        send_packed(fake, kinds[k], "", (struct bytes){packed.at, packed.len - 1}, 1000); /* its checksum is not whole */
        assert_int_equal(fake->reply.http_status, 400);
        size_t kept = fake->clicks;
        /* zstd gives out a block once it is whole; of 128 KiB at most. */
        assert_true(kept <= 3000 && kept >= 3000 - 1 - 128 * 1024 / line_len);
        assert_answer(fake, 400, (int)kept, (int)kept);
        assert_problem(fake, "damaged-body", "cut short");
        packed.at[packed.len / 2] ^= 0x55;
        fake->clicks = 0;
        send_packed(fake, kinds[k], "", buffer_view(&packed), 1000);
        /* gzip is found out late, at its checksum, so that some lines may have been garbled into bad ones. */
        assert_answer(fake, 400, (int)answer_number(fake, "received"), (int)fake->clicks);
        assert_problem(fake, "damaged-body", "in line ");
        buffer_fini(&packed);
    }
    buffer_fini(&body);
}

static void nothing_of_a_damaged_atomic_body_is_kept(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    append_clicks(&body, 0, 3000);
    for (size_t k = 0; k < KINDS; k++) {
        struct buffer packed = {0};
        pack(kinds[k], buffer_view(&body), &packed);
        send_packed(fake, kinds[k], "atomic=1", buffer_view(&packed), 1000);
        assert_answer(fake, 200, 3000, 3000);
        fake->clicks = fake->received = 0;
        send_packed(fake, kinds[k], "atomic=1", (struct bytes){packed.at, packed.len - 1}, 1000);
        assert_answer(fake, 400, 0, 0);
        assert_problem(fake, "damaged-body", "atomic");
        assert_int_equal(fake->clicks + fake->received, 0);
        buffer_fini(&packed);
    }
    buffer_fini(&body);
}

static void an_atomic_body_over_16_MiB_decompressed_is_a_413(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    while (body.len <= INTAKE_ATOMIC_BYTES_MAX) append_clicks(&body, (unsigned)body.len, 1000);
    for (size_t k = 0; k < KINDS; k++) {
        struct buffer packed = {0};
        pack(kinds[k], buffer_view(&body), &packed);
        assert_true(packed.len < body.len / 3);
        send_packed(fake, kinds[k], "atomic=1", buffer_view(&packed), 100000);
        assert_answer(fake, 413, 0, 0);
        assert_problem(fake, "body-too-large", "16777216");
        buffer_fini(&packed);
    }
    assert_int_equal(fake->clicks, 0);
    buffer_fini(&body);
}

static void a_bomb_is_a_413_and_what_came_before_is_counted(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    append_clicks(&body, 0, 10);
    size_t len = 50 * 1024 * 1024;
    memset(buffer_reserve(&body, len), '\n', len);
    body.len += len;
    append_clicks(&body, 10, 10);
    for (size_t k = 0; k < KINDS; k++) {
        struct buffer packed = {0};
        pack(kinds[k], buffer_view(&body), &packed);
        fake->clicks = 0;
        send_packed(fake, kinds[k], "", buffer_view(&packed), 16384);
        assert_answer(fake, 413, 10, 10);
        assert_problem(fake, "decompression-limit", "200 times");
        assert_int_equal(fake->clicks, 10);
        buffer_fini(&packed);
    }
    buffer_fini(&body);
}

static void a_full_session_takes_a_part_of_what_it_was_fed_and_then_the_rest(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    append_clicks(&body, 0, 20 * INTAKE_BATCH_CLICKS);
    for (size_t k = 0; k < KINDS; k++) {
        struct buffer packed = {0};
        pack(kinds[k], buffer_view(&body), &packed);
        fake->clicks = fake->resumes = 0;
        fake->hold = true;
        struct intake_session *session = begin(fake, kinds[k], "");
        unsigned waits = 0;
        while (fake_feed(session, packed.at, packed.len) == STATUS_AGAIN) {
            waits++;
            assert_true(fake->batch_count <= INTAKE_BATCHES_IN_FLIGHT_MAX + 1);
            size_t resumes = fake->resumes;
            while (fake->resumes == resumes) fake_commit(fake, 0);
        }
        assert_true(waits >= 10);
        intake_end(session, FAKE_NOW);
        while (fake->batch_count > 0) fake_commit(fake, 0);
        assert_answer(fake, 200, 20 * INTAKE_BATCH_CLICKS, 20 * INTAKE_BATCH_CLICKS);
        assert_int_equal(fake->clicks, 20 * INTAKE_BATCH_CLICKS);
        fake->hold = false;
        buffer_fini(&packed);
    }
    buffer_fini(&body);
}

static void an_aborted_compressed_body_keeps_its_whole_lines(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0}, packed = {0};
    append_clicks(&body, 0, 100);
    pack(COMPRESSION_GZIP, buffer_view(&body), &packed);
    struct intake_session *session = begin(fake, COMPRESSION_GZIP, "");
    assert_int_equal(fake_feed(session, packed.at, packed.len / 2), STATUS_OK);
    intake_abort(session, FAKE_NOW);
    assert_true(fake->clicks > 0 && fake->clicks < 100);
    buffer_fini(&body);
    buffer_fini(&packed);
}

static void too_many_compressed_bodies_at_once_are_told_to_wait(void **state) {
    struct fake *fake = *state;
    struct intake_session *sessions[200];
    size_t count = 0;
    while (count < 200 && (sessions[count] = begin(fake, COMPRESSION_ZSTD, "")) != NULL) count++;
    assert_true(count > 100 && count < 200);
    assert_int_equal(fake->reply.http_status, 503);
    assert_int_equal(fake->reply.retry_after_seconds, 1);
    for (size_t i = 0; i < count; i++) intake_abort(sessions[i], FAKE_NOW);
    sessions[0] = begin(fake, COMPRESSION_ZSTD, "");
    assert_non_null(sessions[0]);
    intake_end(sessions[0], FAKE_NOW);
    assert_answer(fake, 200, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_compressed_body_is_what_it_was_before),
        TEST(lines_before_the_damage_are_kept),
        TEST(nothing_of_a_damaged_atomic_body_is_kept),
        TEST(an_atomic_body_over_16_MiB_decompressed_is_a_413),
        TEST(a_bomb_is_a_413_and_what_came_before_is_counted),
        TEST(a_full_session_takes_a_part_of_what_it_was_fed_and_then_the_rest),
        TEST(an_aborted_compressed_body_keeps_its_whole_lines),
        TEST(too_many_compressed_bodies_at_once_are_told_to_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
