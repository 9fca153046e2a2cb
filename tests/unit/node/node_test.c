/* What the simulator's random runs hardly ever meet: bounds, and the corners of a node's life. */
#include "unit/node/node_bench.h"

static void the_bound_on_ads_holds_inside_a_long_request_too(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.options.ads_max = 9000;
    open_node(&bench);
    post_ads(&bench, 0, 20000); /* five batches: some fit, then no more are taken */
    assert_int_equal(bench.http_status, 503);
    assert_non_null(strstr(bench.body, "ads"));
    ask(&bench, "/v1/status", "");
    assert_null(strstr(bench.body, "\"accepted\":0,"));
    assert_null(strstr(bench.body, "\"accepted\":20000,"));
    assert_non_null(strstr(bench.body, "\"pending\":0,"));
    stop_node(&bench);
    open_node(&bench); /* and what was taken can be read again */
    stop_node(&bench);
    end(&bench);
}

static void known_ads_are_taken_up_to_the_bound(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.options.ads_max = 100;
    open_node(&bench);
    post_ads(&bench, 0, 90);
    assert_int_equal(bench.http_status, 200);
    post_ads(&bench, 100, 11);
    assert_int_equal(bench.http_status, 503);
    post_ads(&bench, 90, 10);
    assert_int_equal(bench.http_status, 200);
    ask(&bench, "/v1/ads/popular_ads", "at=1799999999&count=1000");
    assert_non_null(strstr(bench.body, "\"ad99\""));
    stop_node(&bench);
    end(&bench);
}

/* I10. */
static void while_too_many_clicks_wait_to_be_judged_no_more_are_taken(void **state) {
    (void)state;
    struct bench bench;
    struct request_head head = {.method = BYTES_LITERAL("POST"),
                                .path = BYTES_LITERAL("/v1/clicks"),
                                .content_type = BYTES_LITERAL("application/x-ndjson")};
    struct buffer body = {0};
    void *session;
    bool body_wanted;
    begin(&bench);
    bench.options.pending_clicks_max = 20;
    open_node(&bench);
    for (unsigned i = 0; i < 21; i++)
        buffer_printf(&body, "{\"ad_id\":\"ad%u\",\"click_timestamp\":1799999999,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}\n",
                      i);
    node_request(bench.node, &head, &bench, &session, &body_wanted);
    assert_true(body_wanted);
    assert_int_equal(node_request_feed(bench.node, session, buffer_view(&body)), STATUS_OK);
    node_request_end(bench.node, session);
    node_request(bench.node, &head, &bench, &session, &body_wanted); /* nobody has stepped */
    assert_false(body_wanted);
    assert_int_equal(bench.http_status, 503);
    assert_non_null(strstr(bench.body, "wait to be counted"));
    for (int i = 0; i < 100; i++) (void)step_all(&bench);
    assert_int_equal(bench.http_status, 200); /* of the first */
    post_ads(&bench, 100, 1);
    assert_int_equal(bench.http_status, 200);
    buffer_fini(&body);
    stop_node(&bench);
    end(&bench);
}

static void a_question_at_the_end_of_time_is_refused_and_harms_nobody(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    open_node(&bench);
    post_ads(&bench, 0, 1);
    ask(&bench, "/v1/ads/popular_ads", "at=9999-12-31T23:59:59Z");
    assert_int_equal(bench.http_status, 400);
    assert_non_null(strstr(bench.body, "at must be before 9999-12-31"));
    ask(&bench, "/v1/ads/ad0/series", "from=9999-12-31T22:00:00Z&to=9999-12-31T23:59:00Z&step=hour");
    assert_int_equal(bench.http_status, 400);
    ask(&bench, "/v1/ads/ad0/series", "from=9999-12-30T22:00:00Z&to=9999-12-30T23:59:00Z&step=day");
    assert_int_equal(bench.http_status, 200);
    stop_node(&bench);
    end(&bench);
}

static void a_stop_during_the_replay_ends_at_once_and_loses_nothing(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    open_node(&bench);
    post_ads(&bench, 0, 100);
    node_abandon(bench.node, "a test");
    node_close(bench.node);
    assert_int_equal(node_open(&bench.seam, &bench.options, &bench.node, NULL), STATUS_OK);
    node_stop(bench.node, 0);
    assert_int_equal(node_phase(bench.node), NODE_STOPPED);
    node_close(bench.node);
    open_node(&bench);
    ask(&bench, "/v1/status", "");
    assert_non_null(strstr(bench.body, "\"counted\":100,"));
    stop_node(&bench);
    end(&bench);
}

static void after_a_failed_sync_nothing_is_acknowledged_and_the_reason_is_kept(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    open_node(&bench);
    fake_files_fail(bench.files, FAKE_SYNC, 1, true, STATUS_IO_ERROR);
    post_ads(&bench, 0, 10);
    assert_int_equal(bench.http_status, 503);
    assert_int_equal(node_phase(bench.node), NODE_FAILED);
    assert_int_equal(node_failure(bench.node)->status, STATUS_IO_ERROR);
    post_ads(&bench, 10, 1);
    assert_int_equal(bench.http_status, 503);
    ask(&bench, "/livez", "");
    assert_int_equal(bench.http_status, 503);
    node_stop(bench.node, 0);
    assert_int_equal(node_phase(bench.node), NODE_FAILED);
    node_close(bench.node);
    end(&bench);
}

/* I8: no click is rejected for a clock that was behind for a moment. */
static void a_click_that_a_clock_gone_back_takes_for_a_future_one_is_asked_for_again(void **state) {
    (void)state;
    struct bench bench;
    void *session;
    bool body_wanted;
    struct request_head head = {.method = BYTES_LITERAL("POST"),
                                .path = BYTES_LITERAL("/v1/clicks"),
                                .content_type = BYTES_LITERAL("application/json")};
    struct bytes click =
        BYTES_LITERAL("{\"ad_id\":\"a\",\"click_timestamp\":1800007200000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}");
    begin(&bench);
    open_node(&bench);
    node_request(bench.node, &head, &bench, &session, &body_wanted);
    assert_true(body_wanted);
    fake_clock_pass(&bench.clock, 2 * HOUR_MS); /* nothing comes, so nothing is journalled that tells the time */
    fake_clock_step(&bench.clock, -HOUR_MS);
    assert_int_equal(node_request_feed(bench.node, session, click), STATUS_OK);
    node_request_end(bench.node, session);
    fake_clock_step(&bench.clock, HOUR_MS);
    bench.http_status = 0;
    for (int i = 0; i < 100; i++) (void)step_all(&bench);
    assert_int_equal(bench.http_status, 503);
    ask(&bench, "/v1/status", "");
    assert_non_null(strstr(bench.body, "\"received\":0,"));
    request(&bench, "POST", "/v1/clicks", "application/json", click);
    assert_int_equal(bench.http_status, 200);
    stop_node(&bench);
    end(&bench);
}

/* And one that is of the future by a clock that is right is told so. */
static void a_click_of_the_future_is_rejected_after_a_long_silence_too(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    open_node(&bench);
    fake_clock_pass(&bench.clock, HOUR_MS);
    request(&bench, "POST", "/v1/clicks", "application/json",
            BYTES_LITERAL("{\"ad_id\":\"a\",\"click_timestamp\":1900000000000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}"));
    assert_int_equal(bench.http_status, 400);
    assert_non_null(strstr(bench.body, "future_timestamp"));
    stop_node(&bench);
    end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_on_ads_holds_inside_a_long_request_too),
        cmocka_unit_test(known_ads_are_taken_up_to_the_bound),
        cmocka_unit_test(while_too_many_clicks_wait_to_be_judged_no_more_are_taken),
        cmocka_unit_test(a_question_at_the_end_of_time_is_refused_and_harms_nobody),
        cmocka_unit_test(a_stop_during_the_replay_ends_at_once_and_loses_nothing),
        cmocka_unit_test(after_a_failed_sync_nothing_is_acknowledged_and_the_reason_is_kept),
        cmocka_unit_test(a_click_that_a_clock_gone_back_takes_for_a_future_one_is_asked_for_again),
        cmocka_unit_test(a_click_of_the_future_is_rejected_after_a_long_silence_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
