/* Bytes as a question: the first chooses the method, then a path and a query, each a line. Asked of a small view with clicks
 * and filters. Every answer has a known status and is whole JSON (or text), a problem says what it is, and the same question
 * gets the same answer. */
#include <jansson.h>
#include <stdlib.h>

#include "aggregate/aggregator.h"
#include "base/check.h"
#include "fake/fake_kv.h"
#include "fake/fake_log.h"
#include "node/node.h"
#include "query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PARTITIONS = 2 };

static struct fake_kv *disk;
static struct kv kv;
static struct store *store;
static struct ads *ads;
static struct view *view;

static void count(struct fake_log *log, struct aggregator **aggregators, struct journal_record *record) {
    static struct partial partials[PARTITIONS];
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        CHECK(aggregator_step(aggregators[p], record, NULL) == STATUS_OK);
        if (aggregator_take(aggregators[p], &partials[p])) view_apply(view, &partials[p]);
        view_pass_filters(view, p, aggregator_filters_number(aggregators[p]));
        partial_fini(&partials[p]);
    }
    if (record->sub_blocks[0].kind == SUB_BLOCK_FILTERS)
        view_apply_filters(view, record->sub_blocks[0].filter_records, record->sub_blocks[0].count);
    view_publish(view);
    while (view_close_prepare(view)) view_close_commit(view);
    journal_record_release(record);
    log->clock.wall_ms += 1000;
}

static void make_filters(struct fake_log *log, struct aggregator **aggregators) {
    static const char *const users[] = {"u", "!u", "*"};
    for (uint32_t id = 1; id <= 3; id++) {
        struct filter *filter;
        struct filter_flaw flaw;
        struct journal_record *record;
        CHECK(filter_parse(id, BYTES_LITERAL("!DEU"), BYTES_LITERAL("1.2.3.0/24"), bytes_of_text(users[id - 1]), id == 1,
                           &filter, &flaw));
        const struct filter_change change = {FILTER_CREATE, id, filter};
        CHECK(journal_commit_filters(log->journal, &change, 1, (struct wall_time){log->clock.wall_ms},
                                     (struct mono_time){log->clock.mono_ns}, &record, NULL) == STATUS_OK);
        count(log, aggregators, record);
        filter_destroy(filter);
    }
}

static void make_view(void) {
    static const uint8_t uuid[16] = "questions";
    const struct rules_proposal proposal = {.has_partitions = true, .partition_count = PARTITIONS};
    const struct view_bounds bounds = {64 << 20, 64 << 20, 100000};
    const struct aggregator_checkpoint nothing = {0};
    struct fake_log log;
    struct aggregator *aggregators[PARTITIONS];
    disk = fake_kv_create();
    kv = fake_kv_table(disk);
    fake_log_open(&log, &proposal);
    CHECK(store_open(&kv, uuid, PARTITIONS, &store, NULL) == STATUS_OK);
    ads = ads_create(1);
    view = view_create(store, &kv, ads, PARTITIONS, &bounds);
    CHECK(view_load(view, NULL) == STATUS_OK);
    for (uint32_t p = 0; p < PARTITIONS; p++) aggregators[p] = aggregator_create(p, 1 << 20, ads, &nothing, NULL);
    count(&log, aggregators, journal_record_hold(log.rules));
    for (int minute = 0; minute < 5; minute++) {
        if (minute == 2) make_filters(&log, aggregators);
        for (int i = 0; i < 20; i++) {
            char ad[2] = {(char)('a' + i % 3), 0}, event_id[16];
            (void)snprintf(event_id, sizeof event_id, "%d-%d", minute, i);
            (void)fake_log_click(&log, event_id, ad, log.clock.wall_ms + 60000 * (int64_t)minute,
                                 i % 4 == 0 ? "USA" : "DEU");
        }
        count(&log, aggregators, fake_log_commit(&log));
    }
    for (uint32_t p = 0; p < PARTITIONS; p++) aggregator_destroy(aggregators[p]);
    fake_log_close(&log);
}

static void check_problem(const json_t *json, unsigned http_status) {
    CHECK(json_is_string(json_object_get(json, "type")) && json_is_string(json_object_get(json, "title")));
    CHECK(json_is_string(json_object_get(json, "detail")));
    CHECK(json_integer_value(json_object_get(json, "status")) == (json_int_t)http_status);
}

static void check_answer(const struct reply *reply) {
    static const unsigned known[] = {200, 400, 404, 405, 409, 501, 503, 507};
    bool is_known = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) is_known = is_known || reply->http_status == known[i];
    CHECKF(is_known, "status %u", reply->http_status);
    CHECK(reply->content_type != NULL && reply->body_file == -1);
    if (strncmp(reply->content_type, "text/", 5) == 0) return;
    json_t *json = json_loadb((const char *)reply->body.at, reply->body.len, JSON_REJECT_DUPLICATES, NULL);
    CHECK(json_is_object(json) || (reply->http_status == 200 && json_is_array(json)));
    if (reply->http_status != 200) check_problem(json, reply->http_status);
    json_decref(json);
}

static struct bytes take_line(struct bytes *left) {
    const uint8_t *end = left->len == 0 ? NULL : memchr(left->at, '\n', left->len);
    const struct bytes line = {left->at, end == NULL ? left->len : (size_t)(end - left->at)};
    const size_t taken = line.len + (end != NULL);
    *left = (struct bytes){left->len == 0 ? left->at : left->at + taken, left->len - taken};
    return line;
}

static void check_export_wanted(struct bytes table, struct bytes filters) {
    struct view_export_wanted wanted;
    struct failure failure = {0};
    const enum status status = node_export_parse(table, &filters, &wanted, &failure);
    CHECK(status == STATUS_OK || (status == STATUS_BAD_INPUT && failure.text[0] != 0));
    for (size_t i = 1; status == STATUS_OK && i < wanted.filter_count; i++)
        CHECK(wanted.filter_ids[i - 1] < wanted.filter_ids[i]);
    node_export_wanted_fini(&wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const methods[] = {"GET", "HEAD", "POST", "DELETE"};
    if (view == NULL) make_view();
    if (size < 1) return 0;
    uint8_t *exact = memory_allocate(size);
    memcpy(exact, data, size);
    struct bytes left = {exact + 1, size - 1};
    struct request_head head = {.method = bytes_of_text(methods[exact[0] % 64 == 0 ? exact[0] / 64 : 0])};
    head.path = take_line(&left);
    head.query = take_line(&left);
    const struct query_status status = {.phase = "serving"};
    struct reply first = {.body_file = -1}, second = {.body_file = -1};
    query_answer(view, &status, &head, &first);
    query_answer(view, &status, &head, &second);
    check_answer(&first);
    CHECK(first.http_status == second.http_status && bytes_equal(buffer_view(&first.body), buffer_view(&second.body)));
    check_export_wanted(head.path, head.query);
    check_export_wanted(BYTES_LITERAL("counts"), head.query);
    buffer_fini(&first.body);
    buffer_fini(&second.body);
    free(exact);
    return 0;
}
