/* filter_answers_test.c: the filters that stand, as answers show them. */
#include "asking.h"

#define FIRST                                                                                                               \
    "{\"filter_id\":1,\"region\":\"!USA\",\"ip\":\"*\",\"user_id\":\"*\",\"ranked\":false,\"covers_from\":null,\"number\":" \
    "2,"                                                                                                                    \
    "\"words\":\"clicks from any country but USA (and from an unknown one), from any address, of any "                      \
    "user\",\"recalculation\":null}"
#define TWELFTH                                                                                                             \
    "{\"filter_id\":12,\"region\":\"*\",\"ip\":\"10.0.0.0/8\",\"user_id\":\"a\\\\|\\\"b\",\"ranked\":false,"                \
    "\"covers_from\":\"2021-01-01T12:02:00Z\",\"number\":1,"                                                                \
    "\"words\":\"clicks from any country, from 10.0.0.0/8, of user a|\\\"b\",\"recalculation\":null}"

static struct asking *asking_with_filters(void) {
    struct asking *asking = asking_create();
    create_filter(asking, 12, "*", "10.0.0.0/8", "a\\|\"b", "2021-01-01T12:02:00Z");
    create_filter(asking, 1, "!USA", "*", "*", "2021-01-01T12:02:00Z");
    create_filter(asking, 7, "*", "*", "*", NULL);
    delete_filter(asking, 7);
    return asking;
}

static void one_filter_is_shown_with_what_it_means_and_from_when_it_covers(void **state) {
    (void)state;
    struct asking *asking = asking_with_filters();
    assert_answer(asking, "/v1/filters/12", "", TWELFTH "\n");
    assert_answer(asking, "/v1/filters/0012", "", TWELFTH "\n");
    assert_answer(asking, "/v1/filters/%31", "", FIRST "\n");
    asking_destroy(asking);
}

static void a_filter_that_is_not_there_or_no_number_is_refused(void **state) {
    (void)state;
    struct asking *asking = asking_with_filters();
    PROBLEM("/v1/filters/7", "", 404, "unknown-filter", "filter 7 was deleted");
    PROBLEM("/v1/filters/8", "", 404, "unknown-filter", "there is no filter 8");
    PROBLEM("/v1/filters/0", "", 400, "bad-parameter", "filter_id is a number from 1");
    PROBLEM("/v1/filters/x", "", 400, "bad-parameter", "filter_id");
    PROBLEM("/v1/filters/%FF", "", 400, "bad-parameter", "filter_id");
    PROBLEM("/v1/filters/12345678901234567890123", "", 400, "bad-parameter", "filter_id");
    PROBLEM("/v1/filters/12", "words=1", 400, "unknown-parameter", "words");
    asking_destroy(asking);
}

static void all_filters_are_listed_by_id_without_deleted_ones(void **state) {
    (void)state;
    struct asking *asking = asking_with_filters();
    assert_answer(asking, "/v1/filters", "", "{\"filters\":[" FIRST "," TWELFTH "],\"next_cursor\":null}\n");
    assert_answer(asking, "/v1/filters", "limit=2", "{\"filters\":[" FIRST "," TWELFTH "],\"next_cursor\":null}\n");
    assert_answer(asking, "/v1/filters", "limit=1", "{\"filters\":[" FIRST "],\"next_cursor\":1}\n");
    assert_answer(asking, "/v1/filters", "limit=1&cursor=1", "{\"filters\":[" TWELFTH "],\"next_cursor\":null}\n");
    assert_answer(asking, "/v1/filters", "cursor=999999999", "{\"filters\":[],\"next_cursor\":null}\n");
    PROBLEM("/v1/filters", "limit=0", 400, "limit must be an integer from 1 to 10000");
    PROBLEM("/v1/filters", "limit=10001", 400, "limit must be an integer from 1 to 10000");
    PROBLEM("/v1/filters", "cursor=x", 400, "cursor must be");
    PROBLEM("/v1/filters", "cursor=1000000000", 400, "cursor must be");
    PROBLEM("/v1/filters", "from=1", 400, "unknown-parameter", "limit, cursor");
    asking_destroy(asking);
}

/* A filter of 64 users of 128 bytes is shown in 17 KiB: 300 of them are more than a page. */
static void a_page_of_long_filters_ends_early_and_the_next_goes_on(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    struct buffer users = {0};
    for (int i = 0; i < 64; ++i) buffer_printf(&users, "%s%0128d", i == 0 ? "" : "|", i);
    buffer_append(&users, "", 1);
    enum { FILTERS = 300 };
    for (uint32_t id = 1; id <= FILTERS; ++id) create_filter(asking, id, "*", "*", (const char *)users.at, NULL);
    uint32_t cursor = 0, seen = 0, pages = 0;
    do {
        char query[64];
        struct request_head head = {.method = BYTES_LITERAL("GET"), .path = BYTES_LITERAL("/v1/filters")};
        (void)snprintf(query, sizeof query, "limit=10000&cursor=%u", cursor);
        head.query = bytes_of_text(query);
        struct reply reply = {0};
        query_answer(&asking->view, &asking->status, &head, &reply);
        assert_int_equal(reply.http_status, 200);
        assert_true(reply.body.len < 5 * 1024 * 1024);
        buffer_append(&reply.body, "", 1);
        const char *text = (const char *)reply.body.at;
        for (const char *at = text; (at = strstr(at, "{\"filter_id\":")) != NULL; ++at) ++seen;
        const char *next = strstr(text, "\"next_cursor\":");
        assert_non_null(next);
        cursor = (uint32_t)strtoul(next + strlen("\"next_cursor\":"), NULL, 10); /* null: 0 */
        assert_true(cursor == 0 || cursor == seen);
        buffer_fini(&reply.body);
        ++pages;
    } while (cursor != 0);
    assert_int_equal(seen, FILTERS);
    assert_int_equal(pages, 2);
    buffer_fini(&users);
    asking_destroy(asking);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_filter_is_shown_with_what_it_means_and_from_when_it_covers),
        cmocka_unit_test(a_filter_that_is_not_there_or_no_number_is_refused),
        cmocka_unit_test(all_filters_are_listed_by_id_without_deleted_ones),
        cmocka_unit_test(a_page_of_long_filters_ends_early_and_the_next_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
