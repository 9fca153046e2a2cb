/* Bytes as a small log of two partitions: clicks with few identities, times and contents, ticks, changes of the rules and of
 * filters, and between them publications, checkpoints and crashes that lose some of what was not flushed. The fast path
 * (aggregators and view) must give every click the verdict, and every cell, total and filter the count, that the oracle
 * gives. */
#include <stdlib.h>

#include "aggregate/aggregator.h"
#include "audit/audit.h"
#include "base/check.h"
#include "fake/fake_kv.h"
#include "fake/fake_random.h"
#include "journal/filter_log.h"
#include "journal/record_format.h"
#include "view/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    PARTITIONS = 2,
    RECORDS_MAX = 120,
    CLICKS_MAX = 400,
    FILTERS_MAX = 24,
    DEDUP_BYTES = 128 * 1024,
    UNJUDGED = 255,
};

struct world {
    const uint8_t *at, *end;
    /* the log */
    struct journal_record *records[RECORDS_MAX];
    size_t record_count;
    struct columns columns[PARTITIONS];
    uint64_t next[PARTITIONS];
    struct rules rules;
    int64_t arrival_ms, highest_ms;
    uint32_t filters_number, filters_made;
    size_t clicks;
    uint8_t verdicts[PARTITIONS][RECORDS_MAX + CLICKS_MAX + FILTERS_MAX + RECORDS_MAX]; /* by offset */
    /* the node */
    struct fake_kv *disk;
    struct kv kv;
    struct store *store;
    struct ads *ads;
    struct view *view;
    struct aggregator *aggregators[PARTITIONS];
    struct partial partials[PARTITIONS];
    size_t stepped; /* records that the aggregators have judged */
    size_t filters_applied;
};

static uint8_t take(struct world *world) {
    return world->at < world->end ? *world->at++ : 0;
}

/* --- the log --- */

static struct record_draft *draft_begin(struct world *world) {
    static struct record_draft draft;
    draft = (struct record_draft){.number = world->record_count + 1, .arrival = {world->arrival_ms}};
    return &draft;
}

static void draft_add(struct world *world, struct record_draft *draft, uint16_t partition, enum sub_block_kind kind,
                      uint32_t count, int64_t floor_ms) {
    draft->sub_blocks[draft->sub_block_count++] =
        (struct draft_sub_block){partition, kind, count, {world->next[partition]}, {floor_ms}};
    world->next[partition] += count;
}

static void append(struct world *world, const struct record_draft *draft) {
    static struct random_sequence sequence = {1};
    const struct random random = fake_random_table(&sequence);
    world->records[world->record_count++] = record_build(draft, 1, &random);
}

static bool has_room(const struct world *world) {
    return world->record_count + 2 < RECORDS_MAX; /* a commit, and the one that is asked for */
}

static void commit_clicks(struct world *world) {
    const struct columns *of[PARTITIONS] = {&world->columns[0], &world->columns[1]};
    struct record_draft *draft = draft_begin(world);
    for (uint16_t p = 0; p < PARTITIONS; p++) {
        if (of[p]->count == 0) continue;
        draft->columns[p].at = &of[p];
        draft->columns[p].count = 1;
        draft->counts.received += of[p]->count;
        draft_add(world, draft, p, SUB_BLOCK_CLICKS, of[p]->count, 0);
    }
    if (draft->sub_block_count == 0) return;
    append(world, draft);
    for (uint32_t p = 0; p < PARTITIONS; p++) columns_clear(&world->columns[p]);
}

static void commit_rules(struct world *world, uint8_t choice) {
    static const int64_t delays_ms[] = {15 * SECOND_MS, 0, 5 * MINUTE_MS, SECOND_MS};
    static const int64_t lateness_ms[] = {10 * MINUTE_MS, 0, MINUTE_MS, 3 * HOUR_MS};
    struct record_draft *draft = draft_begin(world);
    world->rules = (struct rules){.number = world->rules.number + 1,
                                  .partition_count = PARTITIONS,
                                  .delay_ms = delays_ms[choice & 3],
                                  .lateness_ms = lateness_ms[choice >> 2 & 3],
                                  .max_skew_ms = 60 * SECOND_MS,
                                  .canonical_version = 1};
    world->rules.horizon_ms = world->rules.lateness_ms + MINUTE_MS * (1 + (choice >> 4 & 3));
    draft->rules = &world->rules;
    for (uint16_t p = 0; p < PARTITIONS; p++) draft_add(world, draft, p, SUB_BLOCK_RULES, 1, 0);
    append(world, draft);
}

static void commit_tick(struct world *world, uint8_t choice) {
    struct record_draft *draft = draft_begin(world);
    const int64_t back_ms = (choice >> 2 & 7) * 20 * SECOND_MS;
    for (uint16_t p = 0; p < PARTITIONS; p++)
        if (((choice & 3) + 1 & (p + 1)) != 0) draft_add(world, draft, p, SUB_BLOCK_TICK, 1, world->arrival_ms - back_ms);
    append(world, draft);
}

static struct filter *make_filter(uint32_t id, uint8_t choice) {
    static const char *const regions[] = {"*", "USA", "!USA", "USA|ZZZ"};
    static const char *const ips[] = {"*", "10.0.0.1", "!10.0.0.0/30", "10.0.xxx.2", "2001:db8::/32", "0.0.0.0/0|::1"};
    static const char *const users[] = {"*", "u1", "!u1|u2"};
    struct filter *filter = NULL;
    struct filter_flaw flaw;
    CHECK(filter_parse(id, bytes_of_text(regions[choice % 4]), bytes_of_text(ips[choice / 4 % 6]),
                       bytes_of_text(users[choice / 24 % 3]), choice % 5 == 0, &filter, &flaw));
    return filter;
}

static void commit_filter(struct world *world, uint8_t choice) {
    if (world->filters_number + 1 >= FILTERS_MAX) return;
    const bool deletes = choice >= 200 && choice - 200u < world->filters_made;
    const uint32_t id = deletes ? choice - 199u : world->filters_made + 1;
    static bool deleted[FILTERS_MAX + 1];
    if (world->filters_made == 0) memset(deleted, 0, sizeof deleted);
    if (deletes && deleted[id]) return;
    struct filter *filter = deletes ? NULL : make_filter(id, choice);
    struct filter_record record = {.number = ++world->filters_number,
                                   .action = deletes ? FILTER_DELETE : FILTER_CREATE,
                                   .id = id,
                                   .filter = filter,
                                   .has_clicks = !deletes && world->highest_ms >= 0};
    if (record.has_clicks) record.covers_from.index = minute_of((struct event_time){world->highest_ms}).index + 1;
    world->filters_made += !deletes;
    deleted[id] = deletes;
    struct buffer frame = {0};
    filter_frame_append(&frame, &record);
    struct record_draft *draft = draft_begin(world);
    draft->filter_frame = buffer_view(&frame);
    for (uint16_t p = 0; p < PARTITIONS; p++) draft_add(world, draft, p, SUB_BLOCK_FILTERS, 1, 0);
    append(world, draft);
    buffer_fini(&frame);
    filter_destroy(filter);
}

static void add_click(struct world *world, uint8_t who, uint8_t when) {
    static const int64_t backs_ms[] = {0,
                                       1,
                                       SECOND_MS,
                                       15 * SECOND_MS,
                                       MINUTE_MS - 1,
                                       MINUTE_MS,
                                       2 * MINUTE_MS,
                                       10 * MINUTE_MS,
                                       11 * MINUTE_MS,
                                       12 * MINUTE_MS,
                                       3 * HOUR_MS,
                                       26 * HOUR_MS,
                                       -SECOND_MS,
                                       -59 * SECOND_MS,
                                       -60 * SECOND_MS,
                                       30 * MINUTE_MS};
    static const struct ip ips[] = {{.kind = IP_V4, .bytes = {10, 0, 0, 1}},
                                    {.kind = IP_V4, .bytes = {10, 0, 0, 2}},
                                    {.kind = IP_V4_MASKED, .mask = 4, .bytes = {10, 0, 0, 2}},
                                    {.kind = IP_V6, .bytes = {0x20, 1, 0xD, 0xB8, [15] = 1}}};
    static const uint16_t countries[] = {13988, 2152, COUNTRY_UNKNOWN, 13988};
    const struct identity_key key = {{7}};
    const uint8_t content = take(world);
    char event_id[3] = {'e', (char)('a' + who % 16), 0}, user[3] = {'u', (char)('0' + (content >> 2 & 3)), 0};
    char ad[2] = {(char)('a' + (content & 3)), 0};
    struct click click = {
        .source = BYTES_LITERAL("default"),
        .event_id = who % 16 == 0 ? (struct bytes){0} : bytes_of_text(event_id),
        .ad_id = bytes_of_text(ad),
        .user_id = bytes_of_text(user),
        .time = {world->arrival_ms - backs_ms[when % 16]},
        .ip = ips[content >> 4 & 3],
        .country = {countries[content >> 6]},
        .time_form = TIME_MS_NUMBER,
        .country_form = COUNTRY_ALPHA3,
        .ip_form = IP_CANONICAL,
    };
    if (world->clicks == CLICKS_MAX) return;
    world->clicks++;
    click_identify(&click, &key);
    columns_append(&world->columns[identity_partition(click.identity, PARTITIONS)], &click);
    if (click.time.ms > world->highest_ms) world->highest_ms = click.time.ms;
}

/* --- the node --- */

static void judged(void *self, uint32_t partition, struct journal_offset offset, enum verdict verdict) {
    struct world *world = self;
    uint8_t *kept = &world->verdicts[partition][offset.at];
    CHECK(*kept == UNJUDGED || *kept == verdict); /* I2: a replay says the same */
    *kept = (uint8_t)verdict;
}

static void node_open(struct world *world) {
    static const uint8_t uuid[16] = "verdicts";
    const struct view_bounds bounds = {64 << 20, 64 << 20, UINT64_MAX};
    const struct verdict_listener listener = {world, judged};
    world->kv = fake_kv_table(world->disk);
    CHECK(store_open(&world->kv, uuid, PARTITIONS, &world->store, NULL) == STATUS_OK);
    world->ads = ads_create(1);
    world->view = view_create(world->store, &world->kv, world->ads, PARTITIONS, &bounds);
    CHECK(view_load(world->view, NULL) == STATUS_OK);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        const struct view_partition *stored = view_partition(world->view, p);
        const struct aggregator_checkpoint checkpoint = {stored->offset, stored->watermark, stored->totals};
        world->aggregators[p] = aggregator_create(p, DEDUP_BYTES, world->ads, &checkpoint, &listener);
    }
    world->stepped = world->filters_applied = 0;
}

static void node_close(struct world *world) {
    for (uint32_t p = 0; p < PARTITIONS; p++) aggregator_destroy(world->aggregators[p]);
    view_destroy(world->view);
    store_destroy(world->store);
    ads_destroy(world->ads);
}

static void step(struct world *world) {
    struct failure failure = {0};
    for (; world->stepped < world->record_count; world->stepped++)
        for (uint32_t p = 0; p < PARTITIONS; p++)
            CHECKF(aggregator_step(world->aggregators[p], world->records[world->stepped], &failure) == STATUS_OK, "%s",
                   failure.text);
}

static void apply_filters(struct world *world) {
    for (; world->filters_applied < world->stepped; world->filters_applied++) {
        const struct sub_block *block = &world->records[world->filters_applied]->sub_blocks[0];
        if (block->kind != SUB_BLOCK_FILTERS) continue;
        if (block->filter_records[0].number > view_filters_passed(world->view)) return;
        view_apply_filters(world->view, block->filter_records, block->count);
    }
}

/* As the node's reducer does. */
static void publish(struct world *world) {
    step(world);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        if (aggregator_take(world->aggregators[p], &world->partials[p])) view_apply(world->view, &world->partials[p]);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        view_pass_filters(world->view, p, aggregator_filters_number(world->aggregators[p]));
    apply_filters(world);
    view_publish(world->view);
    while (view_close_prepare(world->view)) view_close_commit(world->view);
}

static void fill(struct world *world) {
    enum status status;
    for (int i = 0; i < 4 && (status = view_fill_prepare(world->view, NULL)) == STATUS_OK; i++)
        view_fill_commit(world->view);
    CHECK(status == STATUS_OK || status == STATUS_END);
    status = view_publish_ranking(world->view, true, NULL);
    CHECK(status == STATUS_OK || status == STATUS_END);
}

static void checkpoint(struct world *world, uint32_t p) {
    CHECK(view_checkpoint_write(world->view, p, NULL) == STATUS_OK);
    view_checkpoint_done(world->view, p);
    view_checkpoint_clean(world->view);
}

static void crash(struct world *world, uint8_t keep) {
    fake_kv_crash(world->disk, keep);
    node_close(world);
    node_open(world);
    publish(world);
}

/* A question about the last minutes, whose two ways the costly checks compare. */
static void ask(struct world *world, uint8_t choice) {
    struct minute last, from;
    struct ranked_ad ranked[4];
    size_t count;
    uint64_t clicks, sum = 0;
    if (!view_last_minute(world->view, &last)) return;
    const uint32_t windows[] = {1, 5, 15, 60, 1440, 7, 100, 1};
    from.index = last.index + 1 > windows[choice % 8] ? last.index + 1 - windows[choice % 8] : 0;
    const struct minute to = {last.index + 1};
    CHECK(view_rank(world->view, NULL, from, to, ranked, 4, &count, NULL) == STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        CHECK(view_count(world->view, NULL, ranked[i].ad_id, from, to, &clicks, NULL) == STATUS_OK);
        CHECK(clicks == ranked[i].count);
        sum += clicks;
    }
    CHECK(sum <= world->clicks);
}

static void act(struct world *world) {
    const uint8_t what = take(world), choice = what < 128 ? 0 : take(world);
    if (what < 128) { /* half of what happens: a click */
        add_click(world, what & 15, take(world));
        return;
    }
    if (!has_room(world)) return;
    switch (what % 10) {
    case 0:
        world->arrival_ms += (int64_t)(choice & 63) << (choice >> 6) * 4; /* up to 258 s, in steps of 1 ms to 4 s */
        break;
    case 1:
        world->arrival_ms += choice * MINUTE_MS;
        break;
    case 2:
        commit_clicks(world);
        commit_rules(world, choice);
        break;
    case 3:
        commit_clicks(world);
        commit_tick(world, choice);
        break;
    case 4:
        commit_clicks(world);
        commit_filter(world, choice);
        break;
    case 5:
        checkpoint(world, choice % PARTITIONS);
        if (choice >= 128) CHECK(store_flush(world->store, NULL) == STATUS_OK);
        break;
    case 6:
        crash(world, choice);
        break;
    case 7:
        fill(world);
        break;
    case 8:
        ask(world, choice);
        break;
    default:
        commit_clicks(world);
        publish(world);
    }
}

/* --- the comparison --- */

static void compare(struct world *world) {
    struct oracle *oracle = oracle_create();
    struct audit_result result;
    size_t count;
    for (size_t i = 0; i < world->record_count; i++) audit_add_record(oracle, world->records[i]);
    oracle_count(oracle);
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count; i++) {
        if (records[i].kind != ORACLE_CLICK) continue;
        const uint8_t verdict = world->verdicts[records[i].partition][records[i].offset.at];
        CHECKF(verdict == records[i].verdict, "partition %u, offset %llu: %u, the oracle says %u", records[i].partition,
               (unsigned long long)records[i].offset.at, verdict, records[i].verdict);
    }
    CHECK(audit_compare(world->view, world->ads, oracle, &result, NULL) == STATUS_OK);
    CHECKF(result.differences == 0, "%s", result.first_difference);
    CHECK(result.clicks == world->clicks);
    oracle_destroy(oracle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct world world;
    world = (struct world){.at = data, .end = data + size, .arrival_ms = INT64_C(1800000000000), .highest_ms = -1};
    memset(world.verdicts, UNJUDGED, sizeof world.verdicts);
    world.disk = fake_kv_create();
    node_open(&world);
    commit_rules(&world, take(&world));
    while (world.at < world.end) act(&world);
    commit_clicks(&world);
    publish(&world);
    compare(&world);
    node_close(&world);
    fake_kv_destroy(world.disk);
    for (size_t i = 0; i < world.record_count; i++) journal_record_release(world.records[i]);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        partial_fini(&world.partials[p]);
        columns_fini(&world.columns[p]);
    }
    return 0;
}
