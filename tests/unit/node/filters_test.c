/* Filters from the request to the answer: what was answered stands, after any end of the node. */
#include "audit/audit.h"
#include "query/filter_request.h"
#include "unit/node/node_bench.h"

#define ALL_OF_IT "from=1799990000&to=1800000600"

static void post_filters(struct bench *bench, const char *json) {
    request(bench, "POST", "/v1/filters", "application/json", bytes_of_text(json));
}

static void change(struct bench *bench, const char *method, const char *path) {
    request(bench, method, path, "", (struct bytes){NULL, 0});
}

static void post_click(struct bench *bench, const char *user, const char *ip, const char *country) {
    static unsigned event;
    char line[256];
    (void)snprintf(line, sizeof line,
                   "{\"ad_id\":\"ad0\",\"click_timestamp\":1799999999,\"user_id\":\"%s\",\"ip\":\"%s\",\"country\":\"%s\","
                   "\"event_id\":\"%u\"}\n",
                   user, ip, country, event++);
    request(bench, "POST", "/v1/clicks", "application/x-ndjson", bytes_of_text(line));
    assert_int_equal(bench->http_status, 200);
}

static void assert_count(struct bench *bench, unsigned filter, unsigned count) {
    char query[96], expected[32];
    (void)snprintf(query, sizeof query, ALL_OF_IT "&filter=%u", filter);
    (void)snprintf(expected, sizeof expected, "\"count\":%u,", count);
    ask(bench, "/v1/ads/ad0/aggregated_cnt", query);
    if (strstr(bench->body, expected) == NULL) fail_msg("filter %u: %s expected: %s", filter, expected, bench->body);
}

static void assert_filter(struct bench *bench, unsigned filter, unsigned http_status) {
    char path[48];
    (void)snprintf(path, sizeof path, "/v1/filters/%u", filter);
    ask(bench, path, "");
    assert_int_equal(bench->http_status, http_status);
}

/* As if the power went. */
static void end_without_order(struct bench *bench) {
    node_abandon(bench->node, "a test");
    node_close(bench->node);
    fake_kv_crash(bench->kv, 0);
    fake_files_crash(bench->files, &bench->random);
}

static void a_filter_that_was_answered_counts_and_stands_after_a_crash(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    open_node(&bench);
    post_filters(&bench, "{\"filter_id\":\"0012\",\"region\":\"usa\",\"user_id\":\"111\"}");
    assert_int_equal(bench.http_status, 201);
    post_click(&bench, "111", "1.2.3.4", "USA");
    post_click(&bench, "111", "1.2.3.4", "DEU");
    post_click(&bench, "112", "1.2.3.4", "USA");
    assert_count(&bench, 12, 1);
    end_without_order(&bench);
    open_node(&bench);
    assert_count(&bench, 12, 1);
    post_filters(&bench, "{\"filter_id\":12,\"region\":\"USA\",\"user_id\":\"111\"}");
    assert_int_equal(bench.http_status, 200);
    post_filters(&bench, "{\"filter_id\":12,\"region\":\"DEU\",\"user_id\":\"111\"}");
    assert_int_equal(bench.http_status, 409);
    stop_node(&bench);
    end(&bench);
}

static void an_array_with_one_bad_row_creates_nothing(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    open_node(&bench);
    post_filters(&bench, "[{\"filter_id\":1,\"region\":\"USA\"},{\"filter_id\":2,\"region\":\"Atlantis\"}]");
    assert_int_equal(bench.http_status, 400);
    post_filters(&bench, "{\"filter_id\":3,\"region\":\"USA\"}");
    post_filters(&bench, "[{\"filter_id\":1,\"region\":\"USA\"},{\"filter_id\":3,\"region\":\"DEU\"}]");
    assert_int_equal(bench.http_status, 409);
    assert_filter(&bench, 1, 404);
    assert_filter(&bench, 3, 200);
    stop_node(&bench);
    end(&bench);
}

static void assert_refused(struct bench *bench, const char *body, unsigned http_status, const char *detail,
                           const char *members) {
    post_filters(bench, body);
    assert_int_equal(bench->http_status, http_status);
    if (strstr(bench->body, detail) == NULL || strstr(bench->body, members) == NULL)
        fail_msg("\"%s\" has not both \"%s\" and \"%s\"", bench->body, detail, members);
}

static void what_cannot_stand_beside_the_others_is_named_by_row_and_field(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.options.filters_max = 40;
    bench.options.atoms_max = 3;
    open_node(&bench);
    post_filters(&bench, "[{\"filter_id\":3,\"region\":\"USA\"},{\"filter_id\":4,\"region\":\"USA\"}]");
    change(&bench, "DELETE", "/v1/filters/4");
    assert_refused(&bench, "[{\"filter_id\":1},{\"filter_id\":3,\"region\":\"USA\"},{\"filter_id\":3,\"region\":\"DEU\"}]",
                   400, "row 3: filter_id: 3 is given a second time", ",\"field\":\"filter_id\",\"row\":3}");
    assert_refused(&bench, "[{\"filter_id\":1},{\"filter_id\":3,\"region\":\"DEU\"}]", 409,
                   "row 2: there is a filter 3 with another content", ",\"field\":\"filter_id\",\"row\":2}");
    assert_refused(&bench, "[{\"filter_id\":4,\"region\":\"USA\"},{\"filter_id\":3,\"region\":\"DEU\"}]", 409,
                   "row 1: filter 4 was deleted", ",\"field\":\"filter_id\",\"row\":1}");
    assert_refused(&bench,
                   "[{\"filter_id\":1,\"user_id\":\"a|b\"},{\"filter_id\":3,\"region\":\"USA\"},{\"filter_id\":2,"
                   "\"user_id\":\"c|d\"},{\"filter_id\":5,\"user_id\":\"e\"}]",
                   507, "row 3: their addresses and users would make 5 atoms", ",\"field\":\"filter_id\",\"row\":3}");
    /* One object is in no row. */
    assert_refused(&bench, "{\"filter_id\":3,\"region\":\"DEU\"}", 409, "\"detail\":\"there is a filter 3",
                   ",\"field\":\"filter_id\"}");
    struct buffer body = {0};
    buffer_append_text(&body, "[");
    for (unsigned id = 10; id < 43; id++)
        buffer_printf(&body, "%s{\"filter_id\":%u,\"ranked\":true}", id > 10 ? "," : "", id);
    buffer_append(&body, "]", 2);
    assert_refused(&bench, (const char *)body.at, 507, "row 33: at most 32 filters can be ranked",
                   ",\"field\":\"ranked\",\"row\":33}");
    buffer_fini(&body);
    stop_node(&bench);
    bench.options.filters_max = 0; /* lower than what stands: nothing new, but what is there can be said again and deleted */
    open_node(&bench);
    post_filters(&bench, "{\"filter_id\":3,\"region\":\"USA\"}");
    assert_int_equal(bench.http_status, 200);
    assert_refused(&bench, "[{\"filter_id\":3,\"region\":\"USA\"},{\"filter_id\":1}]", 507,
                   "row 2: there would be 2 filters, and the bound is 0", ",\"field\":\"filter_id\",\"row\":2}");
    change(&bench, "DELETE", "/v1/filters/3");
    assert_int_equal(bench.http_status, 200);
    stop_node(&bench);
    end(&bench);
}

static void bounds_on_filters_and_atoms_refuse_all_of_a_request(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.options.filters_max = 2;
    bench.options.atoms_max = 3;
    open_node(&bench);
    post_filters(&bench, "[{\"filter_id\":1},{\"filter_id\":2},{\"filter_id\":3}]");
    assert_int_equal(bench.http_status, 507);
    assert_filter(&bench, 1, 404);
    post_filters(&bench, "{\"filter_id\":1,\"user_id\":\"a|b|c|d\"}");
    assert_int_equal(bench.http_status, 507);
    post_filters(&bench, "{\"filter_id\":1,\"user_id\":\"a|b|c\"}");
    assert_int_equal(bench.http_status, 201);
    change(&bench, "DELETE", "/v1/filters/1");
    post_filters(&bench, "{\"filter_id\":2,\"user_id\":\"d|e|f\"}");
    assert_int_equal(bench.http_status, 201);
    stop_node(&bench);
    end(&bench);
}

/* Filter records below every checkpoint: the replay hands out nothing else, and that is no reason to serve without them. */
static void filters_stand_from_the_first_moment_after_a_stop_in_order(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    open_node(&bench);
    post_filters(&bench, "[{\"filter_id\":1,\"user_id\":\"111\"},{\"filter_id\":2,\"region\":\"USA\"}]");
    post_click(&bench, "111", "1.2.3.4", "USA");
    change(&bench, "DELETE", "/v1/filters/2");
    assert_int_equal(bench.http_status, 200);
    stop_node(&bench);
    struct failure failure = {0};
    assert_int_equal(node_open(&bench.seam, &bench.options, &bench.node, &failure), STATUS_OK);
    while (node_phase(bench.node) == NODE_REPLAYING) {
        bool did = node_step_journal(bench.node);
        for (uint32_t p = 0; p < node_partition_count(bench.node); p++) did = node_step_aggregate(bench.node, p) || did;
        fake_clock_pass(&bench.clock, 20);
        if (!did) (void)node_step_reduce(bench.node); /* it comes last */
    }
    assert_count(&bench, 1, 1);
    assert_filter(&bench, 2, 404);
    stop_node(&bench);
    end(&bench);
}

static void configured_filters_stand_when_the_node_serves_and_are_written_once(void **state) {
    (void)state;
    struct bench bench;
    struct filter_list list;
    struct filter_request_flaw flaw;
    begin(&bench);
    assert_true(
        filter_request_parse(BYTES_LITERAL("[{\"filter_id\":7,\"region\":\"USA\"},{\"filter_id\":8,\"ip\":\"::1\"}]"),
                             FILTER_REQUEST_JSON, &list, &flaw));
    bench.options.filters = &list;
    open_node(&bench);
    assert_filter(&bench, 8, 200);
    stop_node(&bench);
    open_node(&bench);
    assert_filter(&bench, 8, 200);
    post_filters(&bench, "{\"filter_id\":9}");
    assert_non_null(strstr(bench.body, "\"number\":3"));
    stop_node(&bench);
    /* One of them cannot stand: the start says so, and takes none. */
    filter_list_fini(&list);
    assert_true(filter_request_parse(BYTES_LITERAL("[{\"filter_id\":10},{\"filter_id\":7,\"region\":\"DEU\"}]"),
                                     FILTER_REQUEST_JSON, &list, &flaw));
    struct failure failure = {0};
    assert_int_equal(node_open(&bench.seam, &bench.options, &bench.node, &failure), STATUS_OK);
    step_until(&bench, NODE_FAILED);
    assert_int_equal(node_failure(bench.node)->status, STATUS_BAD_CONFIG);
    node_close(bench.node);
    bench.options.filters = NULL;
    open_node(&bench);
    assert_filter(&bench, 10, 404);
    stop_node(&bench);
    filter_list_fini(&list);
    end(&bench);
}

/* What two filters share is recounted because one of them asked; that it is deleted then takes nothing back, and whether the
 * recount or the deletion came first makes no difference. */
static void a_recalculated_atom_stays_so_without_its_filter_and_without_the_store(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    open_node(&bench);
    post_click(&bench, "111", "1.2.3.4", "USA");
    post_filters(&bench, "[{\"filter_id\":1,\"user_id\":\"111|112\"},{\"filter_id\":2,\"user_id\":\"111\"}]");
    assert_count(&bench, 2, 0);
    change(&bench, "POST", "/v1/filters/1/recalculation");
    assert_int_equal(bench.http_status, 202);
    for (int i = 0; i < 200; i++) (void)step_all(&bench);
    assert_count(&bench, 2, 1);
    change(&bench, "DELETE", "/v1/filters/1");
    stop_node(&bench);
    for (int removed = 0; removed < 2; removed++) {
        open_node(&bench);
        for (int i = 0; i < 200; i++) (void)step_all(&bench);
        assert_count(&bench, 2, 1);
        assert_filter(&bench, 2, 200);
        assert_non_null(strstr(bench.body, "\"covers_from\":null"));
        stop_node(&bench);
        fake_kv_destroy(bench.kv);
        bench.kv = fake_kv_create();
        bench.seam.kv = fake_kv_table(bench.kv);
    }
    end(&bench);
}

/* Nothing of the dictionary is in the store but what the recalculation put there, and the replay meets the ads in another
 * order. */
static void what_was_recalculated_is_the_same_ads_after_a_crash(void **state) {
    (void)state;
    enum { ADS = 40 };
    struct bench bench;
    struct buffer lines = {0};
    begin(&bench);
    bench.options.checkpoint_interval_ms = HOUR_MS;
    open_node(&bench);
    for (unsigned i = 0; i < ADS; i++)
        buffer_printf(&lines, "{\"ad_id\":\"ad%u\",\"click_timestamp\":1799999999,\"user_id\":\"%s\",\"ip\":\"1.2.3.4\"}\n",
                      i, i % 2 == 0 ? "even" : "odd");
    request(&bench, "POST", "/v1/clicks", "application/x-ndjson", buffer_view(&lines));
    buffer_fini(&lines);
    post_filters(&bench, "{\"filter_id\":1,\"user_id\":\"even\"}");
    change(&bench, "POST", "/v1/filters/1/recalculation");
    for (int i = 0; i < 100; i++) (void)step_all(&bench);
    assert_filter(&bench, 1, 200);
    assert_non_null(strstr(bench.body, "\"covers_from\":null"));
    node_abandon(bench.node, "a test");
    node_close(bench.node);
    fake_kv_crash(bench.kv, SIZE_MAX);
    fake_files_crash(bench.files, &bench.random);
    struct failure failure = {0};
    assert_int_equal(node_open(&bench.seam, &bench.options, &bench.node, &failure), STATUS_OK);
    while (node_phase(bench.node) == NODE_REPLAYING) {
        (void)node_step_journal(bench.node);
        for (uint32_t p = node_partition_count(bench.node); p-- > 0;) (void)node_step_aggregate(bench.node, p);
        fake_clock_pass(&bench.clock, 20);
        (void)node_step_reduce(bench.node);
    }
    assert_true(node_partition_count(bench.node) > 1);
    for (unsigned i = 0; i < ADS; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/v1/ads/ad%u/aggregated_cnt", i);
        ask(&bench, path, ALL_OF_IT "&filter=1");
        assert_non_null(strstr(bench.body, i % 2 == 0 ? "\"count\":1," : "\"count\":0,"));
    }
    stop_node(&bench);
    end(&bench);
}

/* The store of a stopped node, compared with its journal. */
static struct audit_result audit_stopped(struct bench *bench) {
    struct failure failure = {0};
    struct journal *journal;
    struct oracle *oracle;
    struct store *store;
    struct audit_result result;
    struct journal_options options = {.files = &bench->seam.files, .random = &bench->seam.random, .segment_bytes = 1 << 20};
    assert_int_equal(journal_open(&options, &journal, &failure), STATUS_OK);
    assert_int_equal(audit_count_journal(journal, &oracle, &failure), STATUS_OK);
    uint32_t partition_count = journal_rules(journal)->partition_count;
    assert_int_equal(store_open(&bench->seam.kv, journal_uuid(journal).at, partition_count, &store, &failure), STATUS_OK);
    struct ads *ads = ads_create(0);
    struct view_bounds bounds = {
        .window_memory_bytes = 1 << 20, .slices_memory_bytes = 1 << 20, .ranking_cells_max = UINT64_MAX};
    struct view *view = view_create(store, &bench->seam.kv, ads, partition_count, &bounds);
    assert_int_equal(view_load(view, &failure), STATUS_OK);
    assert_int_equal(audit_compare(view, ads, oracle, &result, &failure), STATUS_OK);
    view_destroy(view);
    ads_destroy(ads);
    store_destroy(store);
    oracle_destroy(oracle);
    journal_destroy(journal);
    return result;
}

/* 7 ads in 30 minutes, each minute again after the others: with hardly any memory for cells all of them go to the store in
 * parts. */
static void a_recalculation_without_memory_counts_the_same(void **state) {
    (void)state;
    enum { ADS = 7, MINUTES = 30, ROUNDS = 4 };
    struct bench bench;
    begin(&bench);
    bench.options.recalculation_cells_bytes = 1;
    open_node(&bench);
    for (unsigned i = 0; i < ROUNDS * MINUTES; i++) {
        struct buffer lines = {0};
        for (unsigned ad = 0; ad < ADS; ad++)
            buffer_printf(&lines, "{\"ad_id\":\"ad%u\",\"click_timestamp\":%u,\"user_id\":\"u%u\",\"ip\":\"1.2.3.4\"}\n", ad,
                          1799990000 + i % MINUTES * 60, i % 2 + i / MINUTES * 2);
        request(&bench, "POST", "/v1/clicks", "application/x-ndjson", buffer_view(&lines));
        assert_int_equal(bench.http_status, 200);
        buffer_fini(&lines);
    }
    post_filters(&bench, "{\"filter_id\":1,\"ip\":\"1.2.3.4\"}");
    change(&bench, "POST", "/v1/filters/1/recalculation");
    bool seen = false;
    for (int i = 0; i < 2000; i++) {
        (void)step_all(&bench);
        ask(&bench, "/v1/status", "");
        seen = seen || strstr(bench.body, "\"recalculation_bytes\":0,") == NULL;
    }
    assert_true(seen);
    assert_non_null(strstr(bench.body, "\"recalculation_bytes\":0,"));
    assert_filter(&bench, 1, 200);
    assert_non_null(strstr(bench.body, "\"covers_from\":null"));
    assert_count(&bench, 1, ROUNDS * MINUTES);
    for (unsigned minute = 0; minute < MINUTES; minute++) {
        char query[96];
        unsigned from = 1799989980 + minute * 60;
        (void)snprintf(query, sizeof query, "from=%u&to=%u&filter=1", from, from + 60);
        ask(&bench, "/v1/ads/ad3/aggregated_cnt", query);
        assert_non_null(strstr(bench.body, "\"count\":4,"));
    }
    stop_node(&bench);
    assert_int_equal(audit_stopped(&bench).differences, 0);
    end(&bench);
}

static void the_audit_compares_what_each_filter_counts(void **state) {
    (void)state;
    struct bench bench, other;
    begin(&bench);
    open_node(&bench);
    post_filters(&bench, "[{\"filter_id\":1,\"user_id\":\"!111\"},{\"filter_id\":2,\"region\":\"USA\"},"
                         "{\"filter_id\":3,\"ip\":\"1.0.0.0/8\",\"user_id\":\"111\"},{\"filter_id\":4}]");
    post_click(&bench, "111", "1.2.3.4", "USA");
    post_click(&bench, "112", "1.2.3.4", "DEU");
    post_click(&bench, "112", "2.2.3.4", "USA");
    change(&bench, "DELETE", "/v1/filters/4");
    stop_node(&bench);
    struct audit_result result = audit_stopped(&bench);
    assert_int_equal(result.differences, 0);
    assert_int_equal(result.filters, 3);
    /* A store that took the same clicks for those of another user: by country all agrees. */
    begin(&other);
    open_node(&other);
    post_filters(&other, "[{\"filter_id\":1,\"user_id\":\"!111\"},{\"filter_id\":2,\"region\":\"USA\"},"
                         "{\"filter_id\":3,\"ip\":\"1.0.0.0/8\",\"user_id\":\"111\"},{\"filter_id\":4}]");
    post_click(&other, "111", "2.2.3.4", "USA");
    post_click(&other, "112", "1.2.3.4", "DEU");
    post_click(&other, "112", "1.2.3.4", "USA");
    change(&other, "DELETE", "/v1/filters/4");
    stop_node(&other);
    other.seam.kv = bench.seam.kv;
    result = audit_stopped(&other);
    assert_int_equal(result.differences, 1);
    assert_string_equal(result.first_difference, "ad ad0, filter 3: store 1, journal 0");
    end(&other);
    end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_that_was_answered_counts_and_stands_after_a_crash),
        cmocka_unit_test(an_array_with_one_bad_row_creates_nothing),
        cmocka_unit_test(what_cannot_stand_beside_the_others_is_named_by_row_and_field),
        cmocka_unit_test(bounds_on_filters_and_atoms_refuse_all_of_a_request),
        cmocka_unit_test(filters_stand_from_the_first_moment_after_a_stop_in_order),
        cmocka_unit_test(configured_filters_stand_when_the_node_serves_and_are_written_once),
        cmocka_unit_test(a_recalculated_atom_stays_so_without_its_filter_and_without_the_store),
        cmocka_unit_test(what_was_recalculated_is_the_same_ads_after_a_crash),
        cmocka_unit_test(a_recalculation_without_memory_counts_the_same),
        cmocka_unit_test(the_audit_compares_what_each_filter_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
