/* choice_test.c: questions about some of the clicks. */
#include "asking.h"

static void assert_asked(struct asking *asking, uint32_t filter_id, size_t term_count, const char *from, const char *to) {
    assert_false(asking->view.asked_all);
    assert_int_equal(asking->view.asked_filter_id, filter_id);
    assert_int_equal(asking->view.asked_term_count, term_count);
    assert_int_equal(asking->view.asked_from.index, minute_at(from).index);
    assert_int_equal(asking->view.asked_to.index, minute_at(to).index);
}

static void a_stored_filter_is_named_with_or_without_leading_zeros(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    create_filter(asking, 12, "USA", "*", "!111|112", NULL);
    const char *expected = "{\"ad_id\":\"ad001\",\"from\":\"2021-01-01T12:09:00Z\",\"to\":\"2021-01-01T12:10:00Z\","
                           "\"count\":42,\"state\":\"closed\",\"version\":11,\"watermark\":\"2021-01-01T12:10:30.500Z\","
                           "\"filter_id\":12,\"complete\":true,\"covers_from\":null}\n";
    assert_answer(asking, COUNT, "filter=12", expected);
    assert_answer(asking, COUNT, "filter=0012", expected);
    assert_asked(asking, 12, 3, "2021-01-01T12:09:00Z", "2021-01-01T12:10:00Z");
    assert_contains(ask(asking, POPULAR, "filter=12"), "\"filter_id\":12,\"complete\":true,\"covers_from\":null}");
    assert_asked(asking, 12, 3, "2021-01-01T12:09:00Z", "2021-01-01T12:10:00Z");
    assert_contains(ask(asking, SERIES, "filter=12&last=5"), "\"filter_id\":12,\"complete\":true,\"covers_from\":null}");
    assert_asked(asking, 12, 3, "2021-01-01T12:05:00Z", "2021-01-01T12:10:00Z");
    (void)ask(asking, COUNT, "filter=0");
    assert_true(asking->view.asked_all);
    asking_destroy(asking);
}

static void a_filter_that_is_not_there_is_named(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    create_filter(asking, 12, "USA", "*", "*", NULL);
    delete_filter(asking, 12);
    PROBLEM(COUNT, "filter=1", 404, "urn:tally:problem:unknown-filter", "there is no filter 1;");
    PROBLEM(POPULAR, "filter=007", 404, "urn:tally:problem:unknown-filter", "there is no filter 7;");
    PROBLEM(SERIES, "filter=100000000000000000000000000", 404, "unknown-filter", "no filter 100000000000000000000000000");
    PROBLEM(COUNT, "filter=0012", 404, "urn:tally:problem:unknown-filter", "filter 12 was deleted");
    PROBLEM(COUNT, "filter=USA", 400, "filter must be the number");
    PROBLEM(COUNT, "filter=", 400, "filter must be the number");
    PROBLEM(COUNT, "filter=-0", 400, "filter must be the number");
    PROBLEM(COUNT, "filter=0&filter=0", 400, "filter must occur once");
    assert_int_equal(asking->view.asked_times, 0);
    asking_destroy(asking);
}

static void while_the_journal_is_replayed_an_unknown_filter_may_still_come(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->status.phase = "replaying";
    create_filter(asking, 12, "USA", "*", "*", NULL);
    const char *const paths[] = {COUNT, POPULAR, SERIES, "/v1/filters/1", "/v1/filters"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i) {
        PROBLEM(paths[i], i < 3 ? "filter=1" : "", 503, "urn:tally:problem:not-now", "replayed");
        assert_true(asking->reply.retry_after_seconds > 0);
    }
    PROBLEM(COUNT, "user_id=7", 503, "urn:tally:problem:not-now");
    (void)ask(asking, COUNT, "filter=12");
    assert_int_equal(asking->reply.http_status, 200);
    asking->status.phase = NULL; /* the node fills in the status for questions about it only */
    PROBLEM(COUNT, "filter=1", 404, "unknown-filter");
    asking_destroy(asking);
}

static void a_count_begins_where_its_filter_covers_and_says_so(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    create_filter(asking, 3, "*", "10.0.0.0/8", "*", "2021-01-01T12:03:00Z");
    assert_contains(ask(asking, COUNT, "filter=3&from=202101011200&to=202101011205"),
                    "\"from\":\"2021-01-01T12:03:00Z\",\"to\":\"2021-01-01T12:05:00Z\",\"count\":42,");
    assert_contains(asking->body, ",\"filter_id\":3,\"complete\":false,\"covers_from\":\"2021-01-01T12:03:00Z\"}");
    assert_asked(asking, 3, 1, "2021-01-01T12:03:00Z", "2021-01-01T12:05:00Z");
    assert_contains(ask(asking, COUNT, "filter=3&from=202101011203&to=202101011205"),
                    "\"complete\":true,\"covers_from\":\"");
    asking_destroy(asking);
}

static void before_its_filter_covers_nothing_is_asked_and_the_range_is_empty(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    create_filter(asking, 3, "*", "*", "u", "2021-01-01T12:05:00Z");
    const char *const tos[] = {"202101011205", "202101011204"};
    for (size_t i = 0; i < 2; ++i) {
        char query[64];
        (void)snprintf(query, sizeof query, "filter=3&from=202101011200&to=%s", tos[i]);
        assert_contains(ask(asking, COUNT, query), "\"count\":0,");
        assert_contains(asking->body, i == 0 ? "\"from\":\"2021-01-01T12:05:00Z\",\"to\":\"2021-01-01T12:05:00Z\""
                                             : "\"from\":\"2021-01-01T12:04:00Z\",\"to\":\"2021-01-01T12:04:00Z\"");
        assert_contains(asking->body, "\"complete\":false,\"covers_from\":\"2021-01-01T12:05:00Z\"}");
    }
    assert_contains(ask(asking, SERIES, "filter=3&from=202101011000&to=202101011200&step=hour"), "\"counts\":[],");
    assert_contains(asking->body, "\"from\":\"2021-01-01T12:00:00Z\",\"to\":\"2021-01-01T12:00:00Z\"");
    assert_contains(ask(asking, POPULAR, "filter=3&at=202101011204&window=5"), "{\"ad_ids\":[],\"ads\":[],\"window\":5,"
                                                                               "\"update_minute\":\"2021-01-01T12:04:00Z\","
                                                                               "\"from\":\"2021-01-01T12:05:00Z\",");
    assert_int_equal(asking->view.asked_times, 0);
    asking_destroy(asking);
}

static void a_ranking_is_of_what_its_filter_covers_of_the_window(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    create_filter(asking, 3, "*", "*", "u", "2021-01-01T12:07:00Z");
    assert_contains(ask(asking, POPULAR, "filter=3&window=5"), "\"window\":5,\"update_minute\":\"2021-01-01T12:09:00Z\","
                                                               "\"from\":\"2021-01-01T12:07:00Z\","
                                                               "\"to\":\"2021-01-01T12:10:00Z\",\"exact\":true,");
    assert_contains(asking->body, "\"complete\":false,\"covers_from\":\"2021-01-01T12:07:00Z\"}");
    assert_asked(asking, 3, 1, "2021-01-01T12:07:00Z", "2021-01-01T12:10:00Z");
    assert_contains(ask(asking, POPULAR, "filter=3&window=3"), "\"complete\":true,");
    asking_destroy(asking);
}

static void a_step_that_is_covered_in_part_counts_that_part(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    create_filter(asking, 3, "*", "*", "u", "2021-01-01T10:37:00Z");
    assert_contains(ask(asking, SERIES, "filter=3&from=202101010800&to=202101011200&step=hour"),
                    "\"from\":\"2021-01-01T10:00:00Z\",\"to\":\"2021-01-01T12:00:00Z\",\"step\":\"hour\",\"counts\":[2,1],");
    assert_contains(asking->body, "\"complete\":false,\"covers_from\":\"2021-01-01T10:37:00Z\"}");
    assert_asked(asking, 3, 1, "2021-01-01T10:37:00Z", "2021-01-01T12:00:00Z");
    /* The range begins in the very hour: nothing of it is dropped, and still it is not complete. */
    assert_contains(ask(asking, SERIES, "filter=3&from=202101011000&to=202101011200&step=hour"),
                    "\"from\":\"2021-01-01T10:00:00Z\"");
    assert_contains(asking->body, "\"complete\":false,");
    assert_contains(
        ask(asking, SERIES, "filter=3&from=202101011000&to=202101011040"),
        "\"from\":\"2021-01-01T10:37:00Z\",\"to\":\"2021-01-01T10:40:00Z\",\"step\":\"minute\",\"counts\":[2,0,1],");
    asking_destroy(asking);
}

static void a_region_alone_can_be_asked_at_any_time(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_contains(ask(asking, COUNT, "region=!USA&from=202101011200&to=202101011205"),
                    "\"filter_id\":0,\"complete\":true,\"covers_from\":null}");
    assert_asked(asking, 0, 1, "2021-01-01T12:00:00Z", "2021-01-01T12:05:00Z");
    assert_contains(ask(asking, POPULAR, "region=deu|fr"), "\"filter_id\":0,\"complete\":true,\"covers_from\":null}");
    assert_contains(ask(asking, SERIES, "region=ZZZ"), "\"filter_id\":0,\"complete\":true,\"covers_from\":null}");
    assert_contains(ask(asking, COUNT, "region=*&ip=*"), "\"filter_id\":0,\"complete\":true,\"covers_from\":null}");
    asking_destroy(asking);
}

static void what_a_filter_counts_can_be_asked_without_it(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    create_filter(asking, 1, "USA", "10.0.0.0/8", "u", "2021-01-01T12:02:00Z");
    create_filter(asking, 2, "*", "10.0.0.0/8", "*", "2021-01-01T12:03:00Z");
    assert_contains(ask(asking, COUNT, "ip=10.0.0.0/8&user_id=u&region=DEU&from=202101011200&to=202101011205"),
                    "\"filter_id\":0,\"complete\":false,\"covers_from\":\"2021-01-01T12:02:00Z\"}");
    assert_asked(asking, 0, 1, "2021-01-01T12:02:00Z", "2021-01-01T12:05:00Z");
    /* From where the later of the two atoms covers. */
    assert_contains(ask(asking, COUNT, "ip=10.0.0.0/8&user_id=!u&from=202101011200&to=202101011205"),
                    "\"complete\":false,\"covers_from\":\"2021-01-01T12:03:00Z\"}");
    assert_asked(asking, 0, 2, "2021-01-01T12:03:00Z", "2021-01-01T12:05:00Z");
    asking_destroy(asking);
}

static void what_no_filter_counts_is_refused_with_the_filter_to_create(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    create_filter(asking, 2, "*", "10.0.0.0/8", "*", NULL);
    PROBLEM(COUNT, "region=!USA&ip=10.0.0.1&user_id=o'b", 400, "urn:tally:problem:needs-filter",
            "tally filter add 3 --region '!USA' --ip '10.0.0.1' --user-id 'o'\\\\''b'",
            ",\"filter\":{\"filter_id\":3,\"region\":\"!USA\",\"ip\":\"10.0.0.1\",\"user_id\":\"o'b\",\"ranked\":false}}");
    PROBLEM(POPULAR, "user_id=7", 400, "needs-filter", "tally filter add 3 --user-id '7'");
    PROBLEM(SERIES, "ip=!10.0.0.0/9", 400, "needs-filter", "tally filter add 3 --ip '!10.0.0.0/9'");
    create_filter(asking, 4, "*", "*", "*", NULL); /* the third, so the number to propose is 4 but for this one */
    delete_filter(asking, 4);
    create_filter(asking, 5, "*", "*", "*", NULL);
    PROBLEM(POPULAR, "user_id=7", 400, "tally filter add 6 ");
    assert_int_equal(asking->view.asked_times, 0);
    asking_destroy(asking);
}

static void a_bad_filter_in_a_question_is_refused_naming_the_field(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    PROBLEM(COUNT, "region=Atlantis", 400, "urn:tally:problem:bad-filter", "Atlantis", ",\"field\":\"region\"}");
    PROBLEM(POPULAR, "ip=10.0.0.0/33", 400, "urn:tally:problem:bad-filter", ",\"field\":\"ip\"}");
    PROBLEM(SERIES, "user_id=!*", 400, "urn:tally:problem:bad-filter", ",\"field\":\"user_id\"}");
    PROBLEM(COUNT, "filter=1&region=USA", 400, "bad-parameter", "filter excludes region, ip and user_id", "region is given");
    PROBLEM(COUNT, "filter=0&user_id=7", 400, "filter excludes", "user_id is given");
    PROBLEM(COUNT, "region=USA&region=DEU", 400, "region must occur once");
    asking_destroy(asking);
}

/* "?user_id=$ID" without the variable. In a file an empty cell is any; here the answer would be about all clicks. */
static void an_empty_parameter_is_refused_and_not_taken_for_any(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    PROBLEM(COUNT, "region=", 400, "urn:tally:problem:bad-filter", "region is empty; write * for any",
            ",\"field\":\"region\"}");
    PROBLEM(POPULAR, "region=USA&ip=", 400, "ip is empty; write * for any", ",\"field\":\"ip\"}");
    PROBLEM(SERIES, "user_id=", 400, "user_id is empty; write * for any", ",\"field\":\"user_id\"}");
    PROBLEM(COUNT, "user_id=+%20", 400, "user_id is empty");
    PROBLEM(COUNT, "filter=&user_id=*", 400, "filter must be the number of a filter");
    assert_int_equal(asking->view.asked_times, 0);
    asking_destroy(asking);
}

static void a_ranking_that_is_too_costly_is_refused_with_the_filter_to_create(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->view.too_costly = true;
    PROBLEM(POPULAR, "region=USA", 422, "urn:tally:problem:ranking-too-costly",
            "about 12 cells, and the bound is 10. Ask for a shorter window, or create a filter whose rankings",
            "tally filter add 1 --region 'USA' --ranked (or POST",
            ",\"filter\":{\"filter_id\":1,\"region\":\"USA\",\"ip\":\"*\",\"user_id\":\"*\",\"ranked\":true}}");
    create_filter(asking, 7, "*", "10.0.0.0/8", "*", NULL);
    PROBLEM(POPULAR, "filter=7&window=60", 422, "urn:tally:problem:ranking-too-costly", "about 12 cells",
            "create another filter, since none ever changes,", "tally filter add 2 --ip '10.0.0.0/8' --ranked (or POST",
            "\"ranked\":true}}");
    asking_destroy(asking);
}

static void a_ranking_that_its_filter_does_not_keep_is_refused_saying_which_it_keeps(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->view.too_costly = true;
    create_ranked_filter(asking, 7);
    PROBLEM(POPULAR, "filter=7&at=202101011215", 422, "urn:tally:problem:ranking-too-costly", "about 12 cells",
            "the last one of these is still open: ask with an earlier `at`, or without\"}");
    PROBLEM(POPULAR, "filter=7&window=6", 422, "urn:tally:problem:ranking-too-costly", "about 12 cells",
            "with windows of 1, 5, 15, 60 and 1440 minutes and up to 100 ads");
    PROBLEM(POPULAR, "filter=7&window=5&count=101", 422, "ranking-too-costly", "up to 100 ads");
    PROBLEM(POPULAR, "filter=7&window=60", 422, "ranking-too-costly", "Nothing is kept of these minutes yet");
    asking_destroy(asking);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stored_filter_is_named_with_or_without_leading_zeros),
        cmocka_unit_test(a_filter_that_is_not_there_is_named),
        cmocka_unit_test(while_the_journal_is_replayed_an_unknown_filter_may_still_come),
        cmocka_unit_test(a_count_begins_where_its_filter_covers_and_says_so),
        cmocka_unit_test(before_its_filter_covers_nothing_is_asked_and_the_range_is_empty),
        cmocka_unit_test(a_ranking_is_of_what_its_filter_covers_of_the_window),
        cmocka_unit_test(a_step_that_is_covered_in_part_counts_that_part),
        cmocka_unit_test(a_region_alone_can_be_asked_at_any_time),
        cmocka_unit_test(what_a_filter_counts_can_be_asked_without_it),
        cmocka_unit_test(what_no_filter_counts_is_refused_with_the_filter_to_create),
        cmocka_unit_test(a_bad_filter_in_a_question_is_refused_naming_the_field),
        cmocka_unit_test(an_empty_parameter_is_refused_and_not_taken_for_any),
        cmocka_unit_test(a_ranking_that_is_too_costly_is_refused_with_the_filter_to_create),
        cmocka_unit_test(a_ranking_that_its_filter_does_not_keep_is_refused_saying_which_it_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
