#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "intake/intake_fake.h"

#define NDJSON "application/x-ndjson"

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

static void append_click(struct buffer *body, int ad, const char *end) {
    buffer_printf(body,
                  "{\"ad_id\":\"ad%02d\",\"click_timestamp\":1699999999123,\"user_id\":\"u%d\",\"ip\":\"1.2.3.4\","
                  "\"country\":\"USA\",\"event_id\":\"e%d\"}%s",
                  ad, ad, ad, end);
}

static void send_whole(struct fake *fake, const char *type, const char *query, struct bytes body) {
    struct intake_session *session = fake_begin(fake, type, query);
    assert_non_null(session);
    assert_int_equal(fake_feed(session, body.at, body.len), STATUS_OK);
    intake_end(session, FAKE_NOW);
}

static void assert_answer(struct fake *fake, unsigned status, int received, int accepted) {
    assert_int_equal(fake->reply.http_status, status);
    assert_int_equal(answer_number(fake, "received"), received);
    assert_int_equal(answer_number(fake, "accepted"), accepted);
    assert_int_equal(answer_number(fake, "rejected"), received - accepted);
}

static void one_json_click_is_accepted(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    append_click(&body, 1, "");
    send_whole(fake, "application/json", "", buffer_view(&body));
    assert_string_equal(fake->reply.content_type, "application/json");
    buffer_append(&fake->reply.body, "", 1);
    assert_string_equal((char *)fake->reply.body.at, "{\"received\":1,\"accepted\":1,\"rejected\":0}");
    assert_int_equal(fake->clicks, 1);
    assert_int_equal(fake->batches_seen, 1);
    assert_int_equal(fake->floor.ms, FAKE_NOW.ms);
    buffer_fini(&body);
}

static void a_json_object_may_span_lines(void **state) {
    struct fake *fake = *state;
    send_whole(
        fake, "application/json", "",
        BYTES_LITERAL(
            "\r\n{\n\"ad_id\":\"a\",\r\n\"click_timestamp\":1699999999123,\n\"user_id\":\"u\",\n\"ip\":\"::1\"\n}\n"));
    assert_answer(fake, 200, 1, 1);
    send_whole(fake, "application/json", "", BYTES_LITERAL("{\"ad_id\":\"a\"}\n{\"ad_id\":\"b\"}"));
    assert_answer(fake, 400, 1, 0); /* two objects are not one */
}

/* What came of a body, as text. */
static void outcome(struct fake *fake, struct buffer *out) {
    buffer_clear(out);
    buffer_printf(out, "%u %zu clicks %llu received %llu rejected: ", fake->reply.http_status, fake->clicks,
                  (unsigned long long)fake->received, (unsigned long long)fake->rejected);
    buffer_append_bytes(out, buffer_view(&fake->ads));
    buffer_append_bytes(out, buffer_view(&fake->reply.body));
    buffer_clear(&fake->ads);
    fake->clicks = fake->received = fake->rejected = 0;
}

static void every_cut_is_the_same(struct fake *fake, const char *type, struct bytes body) {
    struct buffer whole = {0}, cut = {0};
    send_whole(fake, type, "", body);
    outcome(fake, &whole);
    for (size_t first = 0; first <= body.len; first++) {
        size_t step = body.len < 200 ? 1 : 37;
        for (size_t second = first; second <= body.len; second += step) {
            struct intake_session *session = fake_begin(fake, type, "");
            assert_int_equal(fake_feed(session, body.at, first), STATUS_OK);
            assert_int_equal(fake_feed(session, body.at + first, second - first), STATUS_OK);
            assert_int_equal(fake_feed(session, body.at + second, body.len - second), STATUS_OK);
            intake_end(session, FAKE_NOW);
            outcome(fake, &cut);
            assert_true(bytes_equal(buffer_view(&whole), buffer_view(&cut)));
        }
    }
    struct intake_session *session = fake_begin(fake, type, "");
    for (size_t i = 0; i < body.len; i++) assert_int_equal(fake_feed(session, body.at + i, 1), STATUS_OK);
    intake_end(session, FAKE_NOW);
    outcome(fake, &cut);
    assert_true(bytes_equal(buffer_view(&whole), buffer_view(&cut)));
    buffer_fini(&whole);
    buffer_fini(&cut);
}

static void every_cut_of_ndjson_gives_the_same(void **state) {
    struct buffer body = {0};
    append_click(&body, 1, "\r\n");
    buffer_append_text(&body, "\n\r\n \t \nnot json\n[]\r\n");
    append_click(&body, 2, "\n");
    append_click(&body, 3, "");
    every_cut_is_the_same(*state, NDJSON, buffer_view(&body));
    buffer_fini(&body);
}

static void every_cut_of_log_lines_gives_the_same(void **state) {
    every_cut_is_the_same(*state, "text/plain",
                          BYTES_LITERAL("[AdClickEvent] ad01, 2021-01-01 00:00:01, user 1, 207.148.22.22, USA\r\n"
                                        "\r\nnonsense\n"
                                        "[AdClickEvent] ad02, 2021-01-01 00:00:02, user 2, 207.148.22.22, USA"));
}

static void every_cut_of_json_gives_the_same(void **state) {
    struct buffer body = {0};
    buffer_append_text(&body, "\n");
    append_click(&body, 1, "\r\n");
    every_cut_is_the_same(*state, "application/json", buffer_view(&body));
    buffer_fini(&body);
}

static void errors_name_the_physical_line(void **state) {
    struct fake *fake = *state;
    send_whole(fake, NDJSON, "", BYTES_LITERAL("\n\r\n{}\n\n[1]"));
    assert_answer(fake, 400, 2, 0);
    assert_string_equal(fake->reply.content_type, "application/problem+json");
    json_t *json = fake_answer(fake);
    json_t *errors = json_object_get(json, "errors");
    assert_int_equal(json_array_size(errors), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(errors, 0), "line")), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(errors, 0), "code")), "missing_field");
    assert_true(strlen(json_string_value(json_object_get(json_array_get(errors, 0), "detail"))) > 0);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(errors, 1), "line")), 5);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "errors_by_code"), "not_object")), 1);
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 400);
    assert_non_null(json_object_get(json, "title"));
    assert_memory_equal(json_string_value(json_object_get(json, "type")), "urn:tally:problem:", 18);
    json_decref(json);
    /* I4: the counts ride in a record, though there is no click in it. */
    assert_int_equal(fake->batches_seen, 1);
    assert_int_equal(fake->clicks, 0);
    assert_int_equal(fake->received, 2);
    assert_int_equal(fake->rejected, 2);
}

/* A good click, filled with spaces to `len` bytes. */
static void append_long_click(struct buffer *body, size_t len, const char *end) {
    size_t before = body->len;
    append_click(body, 1, "");
    body->len--; /* the brace */
    while (body->len - before < len - 1) buffer_append_text(body, " ");
    buffer_append_text(body, "}");
    buffer_append_text(body, end);
}

static void a_line_of_64_KiB_is_good_and_one_byte_more_is_not(void **state) {
    struct fake *fake = *state;
    static const char *const ends[] = {"\n", "\r\n", ""};
    for (size_t e = 0; e < 3; e++) {
        for (size_t more = 0; more <= 2; more++) {
            struct buffer body = {0};
            append_click(&body, 7, "\n");
            append_long_click(&body, LINE_BYTES_MAX + more, ends[e]);
            if (e < 2) append_click(&body, 8, "\n");
            int good = e < 2 ? 2 : 1;
            for (size_t cut = 0; cut < 5; cut++) {
                size_t at = cut == 0 ? 0 : body.len - cut * 50;
                struct intake_session *session = fake_begin(fake, NDJSON, "");
                assert_int_equal(fake_feed(session, body.at, at), STATUS_OK);
                assert_int_equal(fake_feed(session, body.at + at, body.len - at), STATUS_OK);
                intake_end(session, FAKE_NOW);
                assert_answer(fake, more == 0 ? 200 : 413, good + 1, more == 0 ? good + 1 : good);
            }
            buffer_fini(&body);
        }
    }
}

static void an_endless_line_needs_bounded_memory(void **state) {
    struct fake *fake = *state;
    struct intake_session *session = fake_begin(fake, NDJSON, "");
    static uint8_t filler[100000];
    memset(filler, 'x', sizeof filler);
    for (int i = 0; i < 100; i++) assert_int_equal(fake_feed(session, filler, sizeof filler), STATUS_OK);
    assert_true(session->lines.carry.capacity <= 2 * (LINE_BYTES_MAX + DECODE_PADDING_BYTES + 1));
    assert_int_equal(fake_feed(session, "\n{}", 3), STATUS_OK);
    intake_end(session, FAKE_NOW);
    assert_answer(fake, 413, 2, 0);
}

static void a_json_body_over_64_KiB_is_one_rejected_line(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    append_long_click(&body, 200000, "\n");
    send_whole(fake, "application/json", "", buffer_view(&body));
    assert_answer(fake, 413, 1, 0);
    buffer_fini(&body);
}

static void content_types_are_told_apart(void **state) {
    struct fake *fake = *state;
    static const char *const good[] = {"application/json", "Application/JSON", "application/x-ndjson; charset=utf-8",
                                       " text/plain ;charset=\"UTF-8\"", "text/plain;"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct intake_session *session = fake_begin(fake, good[i], "");
        assert_non_null(session);
        intake_end(session, FAKE_NOW);
        assert_answer(fake, 200, 0, 0);
    }
    static const char *const bad[] = {"",
                                      " ",
                                      ";",
                                      "application/xml",
                                      "application/jsonx",
                                      "application/jso",
                                      "text/plai n",
                                      "application/json, text/plain",
                                      "application/x-www-form-urlencoded"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_null(fake_begin(fake, bad[i], ""));
        assert_int_equal(fake->reply.http_status, 415);
        json_t *json = fake_answer(fake);
        assert_non_null(strstr(json_string_value(json_object_get(json, "detail")), "application/x-ndjson"));
        json_decref(json);
    }
}

static void unknown_encodings_are_refused(void **state) {
    struct fake *fake = *state;
    static const struct {
        const char *encoding;
        bool good;
    } cases[] = {{"", true},       {"identity", true},        {"Identity ", true},  {"gzip", true},
                 {"X-GZIP", true}, {" zstd", true},           {"br", false},        {"deflate", false},
                 {"gzi", false},   {"identity, gzip", false}, {"gzip, gzip", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fake_forget_reply(fake);
        struct request_head head = {.content_type = BYTES_LITERAL(NDJSON),
                                    .content_encoding = bytes_of_text(cases[i].encoding)};
        struct intake_session *session = intake_begin(&fake->context, &head, fake, &fake->reply);
        assert_int_equal(session != NULL, cases[i].good);
        if (session != NULL) {
            intake_end(session, FAKE_NOW);
        } else {
            assert_int_equal(fake->reply.http_status, 415);
            json_t *json = fake_answer(fake);
            assert_non_null(strstr(json_string_value(json_object_get(json, "detail")), "identity, gzip or zstd"));
            json_decref(json);
        }
    }
}

static void parameters_are_checked(void **state) {
    struct fake *fake = *state;
    static const struct {
        const char *query;
        unsigned status;
    } cases[] = {
        {"", 200},           {"source=a", 200},    {"source=%C3%A4+b", 200},   {"atomic=1&source=x", 200},
        {"atomic=0", 200},   {"&&", 200},          {"%61tomic=1", 200},        {"source=", 400},
        {"source", 400},     {"source=%00", 400},  {"source=%0a", 400},        {"source=%7F", 400},
        {"source=%ff", 400}, {"source=%2", 400},   {"source=a&source=a", 400}, {"atomic=2", 400},
        {"atomic", 400},     {"atomic=true", 400}, {"atomic=1&atomic=1", 400}, {"shape=x", 400},
        {"source=a&x", 400}, {"Source=a", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct intake_session *session = fake_begin(fake, NDJSON, cases[i].query);
        if (session != NULL) intake_end(session, FAKE_NOW);
        assert_int_equal(fake->reply.http_status, cases[i].status);
    }
    char query[200] = "source=";
    memset(query + 7, 's', ID_BYTES_MAX + 1);
    assert_null(fake_begin(fake, NDJSON, query));
    query[7 + ID_BYTES_MAX] = '\0';
    struct intake_session *session = fake_begin(fake, NDJSON, query);
    assert_non_null(session);
    intake_end(session, FAKE_NOW);
    assert_null(fake_begin(fake, NDJSON, "shape=x"));
    json_t *json = fake_answer(fake);
    assert_non_null(strstr(json_string_value(json_object_get(json, "detail")), "\"shape\""));
    json_decref(json);
}

static void clicks_of_two_sources_are_two_clicks(void **state) {
    struct fake *fake = *state;
    fake->hold = true;
    struct buffer body = {0};
    append_click(&body, 1, "\n");
    static const char *const queries[] = {"", "source=default", "source=other"};
    struct identity identities[3];
    for (size_t i = 0; i < 3; i++) {
        send_whole(fake, NDJSON, queries[i], buffer_view(&body));
        for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
            const struct columns *columns = &fake->batches[0]->journal.columns[p];
            if (columns->count == 0) continue;
            memcpy(&identities[i], columns->identities.at, sizeof identities[i]);
            assert_int_equal(p, identity_partition(identities[i], FAKE_PARTITIONS));
        }
        fake_commit(fake, 0);
    }
    assert_true(identity_equal(identities[0], identities[1]));
    assert_false(identity_equal(identities[0], identities[2]));
    buffer_fini(&body);
}

static void a_future_click_is_measured_from_now(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    buffer_printf(&body, "{\"ad_id\":\"a\",\"click_timestamp\":%lld,\"user_id\":\"u\",\"ip\":\"::1\"}",
                  (long long)FAKE_NOW.ms + 60001);
    send_whole(fake, NDJSON, "", buffer_view(&body));
    assert_answer(fake, 400, 1, 0);
    struct intake_session *session = fake_begin(fake, NDJSON, "");
    assert_int_equal(fake_feed(session, body.at, body.len), STATUS_OK);
    intake_end(session, (struct wall_time){FAKE_NOW.ms + 1}); /* the line is decoded with its end */
    assert_answer(fake, 200, 1, 1);
    assert_int_equal(fake->floor.ms, FAKE_NOW.ms + 1);
    buffer_fini(&body);
}

static void an_empty_body_is_nothing(void **state) {
    struct fake *fake = *state;
    static const char *const types[] = {"application/json", NDJSON, "text/plain"};
    for (size_t i = 0; i < 3; i++) {
        send_whole(fake, types[i], "", BYTES_LITERAL(""));
        assert_answer(fake, 200, 0, 0);
        send_whole(fake, types[i], "atomic=1", BYTES_LITERAL("\r\n\n"));
        assert_answer(fake, 200, 0, 0);
    }
    assert_int_equal(fake->batches_seen, 0);
}

static void a_blank_log_line_is_bad_but_an_empty_one_is_not(void **state) {
    struct fake *fake = *state;
    send_whole(fake, "text/plain", "", BYTES_LITERAL("\n \n\r\n"));
    assert_answer(fake, 400, 1, 0);
}

static void an_atomic_body_is_one_batch(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    for (int i = 0; i < 3 * INTAKE_BATCH_CLICKS; i++) append_click(&body, i, "\n");
    send_whole(fake, NDJSON, "atomic=1", buffer_view(&body));
    assert_answer(fake, 200, 3 * INTAKE_BATCH_CLICKS, 3 * INTAKE_BATCH_CLICKS);
    assert_int_equal(fake->batches_seen, 1);
    send_whole(fake, NDJSON, "", buffer_view(&body)); /* and another is not */
    assert_int_equal(fake->batches_seen, 4);
    buffer_fini(&body);
}

static void one_bad_line_refuses_an_atomic_batch(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    append_click(&body, 1, "\n");
    append_click(&body, 2, "\n{}\n");
    append_click(&body, 3, "\n[]\n");
    append_click(&body, 4, "");
    send_whole(fake, NDJSON, "atomic=1", buffer_view(&body));
    assert_answer(fake, 400, 6, 0);
    assert_int_equal(fake->clicks, 0);
    assert_int_equal(fake->received, 6);
    assert_int_equal(fake->rejected, 6);
    json_t *json = fake_answer(fake);
    json_t *errors = json_object_get(json, "errors");
    assert_int_equal(json_array_size(errors), 6);
    static const char *const codes[] = {"refused_batch", "refused_batch", "missing_field",
                                        "refused_batch", "not_object",    "refused_batch"};
    for (size_t i = 0; i < 6; i++) {
        json_t *error = json_array_get(errors, i);
        assert_int_equal(json_integer_value(json_object_get(error, "line")), i + 1);
        assert_string_equal(json_string_value(json_object_get(error, "code")), codes[i]);
    }
    json_t *by_code = json_object_get(json, "errors_by_code");
    assert_int_equal(json_integer_value(json_object_get(by_code, "refused_batch")), 4);
    json_decref(json);
    buffer_fini(&body);
}

static void the_line_at_fault_is_listed_though_thousands_are_refused(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    for (int i = 0; i < 5000; i++) append_click(&body, i, "\n");
    buffer_append_text(&body, "{}\n");
    send_whole(fake, NDJSON, "atomic=1", buffer_view(&body));
    assert_answer(fake, 400, 5001, 0);
    json_t *json = fake_answer(fake);
    json_t *errors = json_object_get(json, "errors");
    assert_int_equal(json_array_size(errors), INTAKE_ERRORS_MAX);
    json_t *last = json_array_get(errors, INTAKE_ERRORS_MAX - 1);
    assert_int_equal(json_integer_value(json_object_get(last, "line")), 5001);
    json_decref(json);
    buffer_fini(&body);
}

static void an_atomic_body_over_16_MiB_is_not_journalled(void **state) {
    struct fake *fake = *state;
    struct buffer line = {0};
    append_click(&line, 1, "\n");
    struct intake_session *session = fake_begin(fake, NDJSON, "atomic=1");
    for (size_t fed = 0; fed <= INTAKE_ATOMIC_BYTES_MAX; fed += line.len)
        assert_int_equal(intake_feed(session, buffer_view(&line), FAKE_NOW), STATUS_OK);
    assert_int_equal(fake_feed(session, line.at, line.len), STATUS_OK);
    intake_end(session, FAKE_NOW);
    assert_answer(fake, 413, 0, 0);
    assert_int_equal(fake->batches_seen, 0);
    buffer_fini(&line);
}

static void only_the_first_thousand_errors_are_listed(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    for (int i = 0; i < 2500; i++) buffer_append_text(&body, i % 2 == 0 ? "{}\n" : "x\n");
    append_click(&body, 1, "\n");
    send_whole(fake, NDJSON, "", buffer_view(&body));
    assert_answer(fake, 400, 2501, 1);
    json_t *json = fake_answer(fake);
    assert_int_equal(json_array_size(json_object_get(json, "errors")), INTAKE_ERRORS_MAX);
    json_t *by_code = json_object_get(json, "errors_by_code");
    assert_int_equal(json_integer_value(json_object_get(by_code, "missing_field")), 1250);
    assert_int_equal(json_integer_value(json_object_get(by_code, "bad_json")), 1250);
    json_decref(json);
    buffer_fini(&body);
}

static void the_answer_waits_for_the_last_commit_in_any_order(void **state) {
    struct fake *fake = *state;
    fake->hold = true;
    struct buffer body = {0};
    for (int i = 0; i < 2 * INTAKE_BATCH_CLICKS + 1; i++) append_click(&body, i, "\n");
    send_whole(fake, NDJSON, "", buffer_view(&body));
    assert_int_equal(fake->batch_count, 3);
    fake_commit(fake, 1);
    fake_commit(fake, 1);
    assert_int_equal(fake->answers, 0);
    fake_commit(fake, 0);
    assert_int_equal(fake->answers, 1);
    assert_answer(fake, 200, 2 * INTAKE_BATCH_CLICKS + 1, 2 * INTAKE_BATCH_CLICKS + 1);
    buffer_fini(&body);
}

static void a_failed_commit_is_a_503(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    append_click(&body, 1, "\n{}\n");
    fake->commit_status = STATUS_IO_ERROR;
    send_whole(fake, NDJSON, "", buffer_view(&body));
    assert_int_equal(fake->reply.http_status, 503);
    assert_int_equal(fake->reply.retry_after_seconds, 1);
    json_t *json = fake_answer(fake);
    assert_non_null(strstr(json_string_value(json_object_get(json, "detail")), "again is safe"));
    json_decref(json);
    fake->commit_status = STATUS_OK; /* a session that failed is blank when it comes back */
    send_whole(fake, NDJSON, "", buffer_view(&body));
    assert_answer(fake, 400, 2, 1);
    buffer_fini(&body);
}

static void a_full_session_waits_until_a_commit(void **state) {
    struct fake *fake = *state;
    fake->hold = true;
    struct buffer body = {0};
    for (int i = 0; i < INTAKE_BATCH_CLICKS; i++) append_click(&body, i, "\n");
    struct intake_session *session = fake_begin(fake, NDJSON, "");
    for (int i = 0; i < INTAKE_BATCHES_IN_FLIGHT_MAX; i++)
        assert_int_equal(fake_feed(session, body.at, body.len), STATUS_OK);
    assert_int_equal(fake_feed(session, body.at, body.len), STATUS_AGAIN);
    assert_int_equal(fake->resumes, 0);
    fake_commit(fake, 2);
    assert_int_equal(fake->resumes, 1);
    fake_commit(fake, 0);
    assert_int_equal(fake->resumes, 1);
    assert_int_equal(fake_feed(session, body.at, body.len), STATUS_OK);
    intake_end(session, FAKE_NOW);
    while (fake->batch_count > 0) fake_commit(fake, 0);
    assert_answer(fake, 200, 5 * INTAKE_BATCH_CLICKS, 5 * INTAKE_BATCH_CLICKS);
    assert_int_equal(fake->clicks, 5 * INTAKE_BATCH_CLICKS);
    buffer_fini(&body);
}

static void a_slow_stream_is_not_held_back(void **state) {
    struct fake *fake = *state;
    struct buffer line = {0};
    append_click(&line, 1, "\n");
    struct intake_session *session = fake_begin(fake, NDJSON, "");
    for (int i = 0; i < 3; i++) {
        struct wall_time now = {FAKE_NOW.ms + i * 600};
        assert_int_equal(intake_feed(session, buffer_view(&line), now), STATUS_OK);
    }
    assert_int_equal(fake->clicks, 3);
    assert_int_equal(fake->floor.ms, FAKE_NOW.ms + 1200);
    intake_end(session, FAKE_NOW);
    assert_answer(fake, 200, 3, 3);
    buffer_fini(&line);
}

static void an_aborted_body_keeps_its_whole_lines(void **state) {
    struct fake *fake = *state;
    struct buffer body = {0};
    append_click(&body, 1, "\n{}\n");
    append_click(&body, 2, "");
    struct intake_session *session = fake_begin(fake, NDJSON, "");
    assert_int_equal(fake_feed(session, body.at, body.len), STATUS_OK);
    intake_abort(session, FAKE_NOW);
    assert_int_equal(fake->clicks, 1);
    assert_int_equal(fake->received, 2);
    assert_int_equal(fake->rejected, 1);

    session = fake_begin(fake, NDJSON, "atomic=1"); /* nor does an atomic one leave anything */
    assert_int_equal(fake_feed(session, body.at, body.len), STATUS_OK);
    intake_abort(session, FAKE_NOW);
    assert_int_equal(fake->received, 2);

    session = fake_begin(fake, "application/json", "");
    assert_int_equal(fake_feed(session, body.at, 10), STATUS_OK);
    intake_abort(session, FAKE_NOW);
    assert_int_equal(fake->received, 2);
    assert_int_equal(fake->answers, 0);
    buffer_fini(&body);
}

static void an_aborted_session_goes_with_its_last_batch(void **state) {
    struct fake *fake = *state;
    fake->hold = true;
    struct buffer body = {0};
    for (int i = 0; i < INTAKE_BATCH_CLICKS; i++) append_click(&body, i, "\n");
    struct intake_session *session = fake_begin(fake, NDJSON, "");
    for (int i = 0; i < INTAKE_BATCHES_IN_FLIGHT_MAX; i++)
        assert_int_equal(fake_feed(session, body.at, body.len), STATUS_OK);
    assert_int_equal(fake_feed(session, body.at, body.len), STATUS_AGAIN);
    intake_abort(session, FAKE_NOW);
    while (fake->batch_count > 0) fake_commit(fake, 0);
    assert_int_equal(fake->resumes, 0);
    assert_int_equal(fake->answers, 0);
    assert_int_equal(fake->clicks, INTAKE_BATCHES_IN_FLIGHT_MAX * INTAKE_BATCH_CLICKS);
    buffer_fini(&body);
}

static void sessions_are_used_again(void **state) {
    struct fake *fake = *state;
    struct intake_session *first = fake_begin(fake, NDJSON, "source=x&atomic=1");
    assert_int_equal(fake_feed(first, "{}\nxx", 5), STATUS_OK);
    intake_end(first, FAKE_NOW);
    assert_answer(fake, 400, 2, 0);
    struct intake_session *second = fake_begin(fake, NDJSON, "");
    assert_ptr_equal(first, second);
    assert_int_equal(second->source_len, strlen("default"));
    intake_end(second, FAKE_NOW);
    assert_answer(fake, 200, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(one_json_click_is_accepted),
        TEST(a_json_object_may_span_lines),
        TEST(every_cut_of_ndjson_gives_the_same),
        TEST(every_cut_of_log_lines_gives_the_same),
        TEST(every_cut_of_json_gives_the_same),
        TEST(errors_name_the_physical_line),
        TEST(a_line_of_64_KiB_is_good_and_one_byte_more_is_not),
        TEST(an_endless_line_needs_bounded_memory),
        TEST(a_json_body_over_64_KiB_is_one_rejected_line),
        TEST(content_types_are_told_apart),
        TEST(unknown_encodings_are_refused),
        TEST(parameters_are_checked),
        TEST(clicks_of_two_sources_are_two_clicks),
        TEST(a_future_click_is_measured_from_now),
        TEST(an_empty_body_is_nothing),
        TEST(a_blank_log_line_is_bad_but_an_empty_one_is_not),
        TEST(an_atomic_body_is_one_batch),
        TEST(one_bad_line_refuses_an_atomic_batch),
        TEST(the_line_at_fault_is_listed_though_thousands_are_refused),
        TEST(an_atomic_body_over_16_MiB_is_not_journalled),
        TEST(only_the_first_thousand_errors_are_listed),
        TEST(the_answer_waits_for_the_last_commit_in_any_order),
        TEST(a_failed_commit_is_a_503),
        TEST(a_full_session_waits_until_a_commit),
        TEST(a_slow_stream_is_not_held_back),
        TEST(an_aborted_body_keeps_its_whole_lines),
        TEST(an_aborted_session_goes_with_its_last_batch),
        TEST(sessions_are_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
