#include "asking.h"

/* --- counts --- */

static void a_count_covers_the_last_closed_minute_unless_asked_otherwise(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    const char *expected = "{\"ad_id\":\"ad001\",\"from\":\"2021-01-01T12:09:00Z\",\"to\":\"2021-01-01T12:10:00Z\","
                           "\"count\":42,\"state\":\"closed\",\"version\":11,"
                           "\"watermark\":\"2021-01-01T12:10:30.500Z\",\"filter_id\":0,\"complete\":true}\n";
    assert_answer(asking, COUNT, "", expected);
    assert_answer(asking, "/v1/ads/ad001/aggregated_count", "filter=0", expected);
    assert_answer(asking, COUNT, "filter=000&last=1", expected);
    assert_memory_equal(asking->view.asked_ad, "ad001", 5);
    asking_destroy(asking);
}

static void a_range_is_rounded_down_to_minutes_and_shown_as_used(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_answer(asking, COUNT, "from=2021-01-01T12:00:59.999Z&to=202101011204",
                  "{\"ad_id\":\"ad001\",\"from\":\"2021-01-01T12:00:00Z\",\"to\":\"2021-01-01T12:04:00Z\",\"count\":42,"
                  "\"state\":\"sealed\",\"version\":11,\"watermark\":\"2021-01-01T12:10:30.500Z\",\"filter_id\":0,"
                  "\"complete\":true}\n");
    assert_int_equal(asking->view.asked_from.index, minute_at("2021-01-01T12:00:00Z").index);
    assert_int_equal(asking->view.asked_to.index, minute_at("2021-01-01T12:04:00Z").index);
    assert_contains(ask(asking, COUNT, "from=1609502400&to=1609503061000"), "\"to\":\"2021-01-01T12:11:00Z\"");
    assert_contains(asking->body, "\"state\":\"open\"");
    asking_destroy(asking);
}

static void last_goes_back_from_the_last_closed_minute(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_contains(ask(asking, COUNT, "last=10"), "\"from\":\"2021-01-01T12:00:00Z\",\"to\":\"2021-01-01T12:10:00Z\"");
    assert_contains(ask(asking, COUNT, "last=44640"), "\"from\":\"2020-12-01T12:10:00Z\"");
    asking->view.last.index = 4; /* a click of 1970: the range ends where time begins */
    assert_contains(ask(asking, COUNT, "last=10"), "\"from\":\"1970-01-01T00:00:00Z\",\"to\":\"1970-01-01T00:05:00Z\"");
    asking_destroy(asking);
}

static void before_the_first_click_counts_are_zero_and_times_null(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->view.has_clicks = false;
    asking->view.count = 0;
    for (int i = 0; i < 2; ++i) {
        asking->view.partitions[i] = (struct view_partition){.watermark = {.w = EVENT_TIME_NONE, .s = EVENT_TIME_NONE}};
    }
    const char *expected = "{\"ad_id\":\"ad001\",\"from\":null,\"to\":null,\"count\":0,\"state\":\"open\",\"version\":0,"
                           "\"watermark\":null,\"filter_id\":0,\"complete\":true}\n";
    assert_answer(asking, COUNT, "", expected);
    assert_answer(asking, COUNT, "last=5", expected);
    assert_answer(
        asking, POPULAR, "",
        "{\"ad_ids\":[],\"ads\":[],\"window\":1,\"update_minute\":null,\"from\":null,\"to\":null,\"exact\":true,"
        "\"published\":false,\"state\":\"open\",\"version\":0,\"watermark\":null,\"filter_id\":0,\"complete\":true}\n");
    assert_contains(ask(asking, COUNT, "from=202101010000&to=202101010100"), "\"from\":\"2021-01-01T00:00:00Z\"");
    assert_contains(ask(asking, "/v1/status", ""), "\"watermark\":null");
    asking_destroy(asking);
}

static void an_ad_id_may_hold_a_slash_or_the_name_of_another_question(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_contains(ask(asking, "/v1/ads/popular_ads/aggregated_cnt", ""), "\"ad_id\":\"popular_ads\"");
    assert_contains(ask(asking, "/v1/ads/a%2Fb%22+c/aggregated_cnt", ""), "\"ad_id\":\"a/b\\\"+c\"");
    assert_int_equal(asking->view.asked_ad_len, 6);
    assert_memory_equal(asking->view.asked_ad, "a/b\"+c", 6);
    PROBLEM("/v1/ads/a/b/aggregated_cnt", "", 404, "urn:tally:problem:not-found");
    PROBLEM("/v1/ads//aggregated_cnt", "", 400, "ad_id");
    PROBLEM("/v1/ads/%FF/aggregated_cnt", "", 400, "ad_id");
    PROBLEM("/v1/ads/%2/aggregated_cnt", "", 400, "ad_id");
    char path[256];
    (void)snprintf(path, sizeof path, "/v1/ads/%0129d/aggregated_cnt", 7);
    PROBLEM(path, "", 400, "ad_id", "128");
    asking_destroy(asking);
}

static void a_bad_range_is_refused_naming_the_parameter(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    PROBLEM(COUNT, "from=202101011200", 400, "from is given without to");
    PROBLEM(COUNT, "to=202101011200", 400, "to is given without from");
    PROBLEM(COUNT, "last=5&from=202101011200&to=202101011300", 400, "last excludes from and to");
    PROBLEM(COUNT, "from=202101011200&to=2021-01-01T12:00:59Z", 400, "from must be before to", "2021-01-01T12:00:00Z");
    PROBLEM(COUNT, "from=202101011201&to=202101011200", 400, "from must be before to");
    PROBLEM(COUNT, "from=yesterday&to=202101011200", 400, "from must be a time", "\\\"yesterday\\\"");
    PROBLEM(COUNT, "from=202101011200&to=", 400, "to must be a time");
    PROBLEM(COUNT, "last=0", 400, "last must be an integer from 1 to 44640");
    PROBLEM(COUNT, "last=44641", 400, "last must be");
    PROBLEM(COUNT, "last=99999999999999999999999999", 400, "last must be");
    PROBLEM(COUNT, "last=-1", 400, "last must be");
    PROBLEM(COUNT, "last=5&last=6", 400, "last must occur once");
    PROBLEM(COUNT, "last=%FF", 400, "last must occur once and be valid");
    PROBLEM(COUNT, "lasst=5", 400, "lasst", "from, to, last, filter, region, ip, user_id",
            "urn:tally:problem:unknown-parameter");
    asking_destroy(asking);
}

/* --- rankings --- */

static void a_ranking_lists_ids_and_counts_of_the_window_up_to_at(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->view.ranked[0] = (struct ranked_ad){BYTES_LITERAL("ad2"), UINT64_MAX};
    asking->view.ranked[1] = (struct ranked_ad){BYTES_LITERAL("ad\"1"), 5};
    asking->view.ranked[2] = (struct ranked_ad){BYTES_LITERAL("ad3"), 5};
    asking->view.ranked_count = 3;
    assert_answer(asking, POPULAR, "window=5&count=2",
                  "{\"ad_ids\":[\"ad2\",\"ad\\\"1\"],\"ads\":[{\"ad_id\":\"ad2\",\"count\":18446744073709551615},"
                  "{\"ad_id\":\"ad\\\"1\",\"count\":5}],\"window\":5,\"update_minute\":\"2021-01-01T12:09:00Z\","
                  "\"from\":\"2021-01-01T12:05:00Z\",\"to\":\"2021-01-01T12:10:00Z\",\"exact\":true,"
                  "\"published\":true,\"state\":\"closed\",\"version\":11,\"watermark\":\"2021-01-01T12:10:30.500Z\","
                  "\"filter_id\":0,\"complete\":true}\n");
    assert_int_equal(asking->view.asked_count_max, 2);
    assert_contains(ask(asking, POPULAR, "at=2021-01-01T12:11:59Z"), "\"update_minute\":\"2021-01-01T12:11:00Z\"");
    assert_contains(asking->body, "\"window\":1,");
    assert_contains(asking->body, "\"state\":\"open\"");
    assert_int_equal(asking->view.asked_count_max, 100);
    assert_int_equal(asking->view.asked_from.index + 1, asking->view.asked_to.index);
    assert_contains(asking->body, "\"published\":false"); /* by the minute and the window; here by the number of ads: */
    assert_contains(ask(asking, POPULAR, "window=5&count=101"), "\"published\":false");
    assert_contains(ask(asking, POPULAR, "window=5&count=100"), "\"published\":true");
    asking_destroy(asking);
}

static void a_ranking_out_of_range_is_refused_naming_the_parameter(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    (void)ask(asking, POPULAR, "count=1000&window=1440");
    assert_int_equal(asking->reply.http_status, 200);
    PROBLEM(POPULAR, "count=0", 400, "count must be an integer from 1 to 1000");
    PROBLEM(POPULAR, "count=1001", 400, "count must be an integer from 1 to 1000");
    PROBLEM(POPULAR, "window=1441", 400, "window must be an integer from 1 to 1440");
    PROBLEM(POPULAR, "window=x", 400, "window must be", "\\\"x\\\"");
    PROBLEM(POPULAR, "at=now", 400, "at must be a time");
    PROBLEM(POPULAR, "from=202101010000", 400, "from", "count, window, at, filter, region, ip, user_id");
    asking_destroy(asking);
}

static void a_store_that_cannot_be_read_is_a_500_with_the_reason(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->view.store_fails = true;
    PROBLEM(COUNT, "", 500, "block 7 is damaged");
    PROBLEM(POPULAR, "", 500, "block 7 is damaged");
    asking_destroy(asking);
}

/* --- series --- */

static void a_series_is_dense_and_adds_up_the_parts_of_a_minute(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_contains(ask_as(asking, "GET", SERIES, "from=2021-01-01T12:00:00Z&to=2021-01-01T12:04:30Z"),
                    "\"step\":\"minute\",\"counts\":[2,0,0,1]");
    assert_contains(asking->body, "\"sealed_to\":\"2021-01-01T12:05:00Z\"");
    assert_contains(asking->body, "\"state\":\"sealed\"");
    asking_destroy(asking);
}

static void hours_and_days_are_widened_to_whole_steps(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_contains(ask_as(asking, "GET", SERIES, "from=2021-01-01T10:30:00Z&to=2021-01-01T12:01:00Z&step=hour"),
                    "\"counts\":[2,0,1]");
    assert_contains(asking->body, "\"from\":\"2021-01-01T10:00:00Z\",\"to\":\"2021-01-01T13:00:00Z\"");
    assert_contains(ask_as(asking, "GET", SERIES, "from=2021-01-01T10:30:00Z&to=2021-01-01T12:01:00Z&step=day"),
                    "\"counts\":[3]");
    asking_destroy(asking);
}

static void a_series_of_too_many_points_or_of_an_unknown_step_is_refused(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_contains(ask_as(asking, "GET", SERIES, "from=2021-01-01T00:00:00Z&to=2021-01-08T00:01:00Z"),
                    "10081 points, but at most 10080");
    assert_int_equal(asking->reply.http_status, 400);
    (void)ask_as(asking, "GET", SERIES, "from=2021-01-01T00:00:00Z&to=2021-01-08T00:00:00Z");
    assert_int_equal(asking->reply.http_status, 200);
    assert_contains(ask_as(asking, "GET", SERIES, "step=week"), "step must be minute, hour or day");
    assert_int_equal(asking->reply.http_status, 400);
    asking_destroy(asking);
}

static void a_series_without_a_range_is_the_last_sixty_steps(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    (void)ask_as(asking, "GET", SERIES, "");
    assert_int_equal(asking->view.asked_to.index - asking->view.asked_from.index, 60);
    assert_int_equal(asking->view.asked_to.index, asking->view.last.index + 1);
    asking->view.has_clicks = false;
    assert_contains(ask_as(asking, "GET", SERIES, ""), "\"from\":null,\"to\":null,\"step\":\"minute\",\"counts\":[]");
    asking_destroy(asking);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_count_covers_the_last_closed_minute_unless_asked_otherwise),
        cmocka_unit_test(a_range_is_rounded_down_to_minutes_and_shown_as_used),
        cmocka_unit_test(last_goes_back_from_the_last_closed_minute),
        cmocka_unit_test(before_the_first_click_counts_are_zero_and_times_null),
        cmocka_unit_test(an_ad_id_may_hold_a_slash_or_the_name_of_another_question),
        cmocka_unit_test(a_bad_range_is_refused_naming_the_parameter),
        cmocka_unit_test(a_ranking_lists_ids_and_counts_of_the_window_up_to_at),
        cmocka_unit_test(a_ranking_out_of_range_is_refused_naming_the_parameter),
        cmocka_unit_test(a_store_that_cannot_be_read_is_a_500_with_the_reason),
        cmocka_unit_test(a_series_is_dense_and_adds_up_the_parts_of_a_minute),
        cmocka_unit_test(hours_and_days_are_widened_to_whole_steps),
        cmocka_unit_test(a_series_of_too_many_points_or_of_an_unknown_step_is_refused),
        cmocka_unit_test(a_series_without_a_range_is_the_last_sixty_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
