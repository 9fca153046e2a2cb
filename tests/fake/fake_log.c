#include "fake/fake_log.h"

#include "base/check.h"
#include "click/country.h"

void fake_log_open(struct fake_log *log, const struct rules_proposal *proposal) {
    *log = (struct fake_log){.files = fake_files_create(1), .random = {1}};
    log->clock = (struct fake_clock){.wall_ms = INT64_C(1800000000000), .mono_ns = 1};
    struct files files = fake_files_table(log->files);
    struct random random = fake_random_table(&log->random);
    struct journal_options options = {.files = &files, .random = &random, .proposal = *proposal, .segment_bytes = 1 << 20};
    struct clock clock = fake_clock_table(&log->clock);
    struct journal_record *none;
    CHECK(journal_open(&options, &log->journal, NULL) == STATUS_OK);
    CHECK(journal_replay_next(log->journal, &none, NULL) == STATUS_END);
    CHECK(journal_start(log->journal, clock_wall(&clock), clock_mono(&clock), &log->rules, NULL) == STATUS_OK);
}

void fake_log_close(struct fake_log *log) {
    journal_record_release(log->rules);
    for (size_t p = 0; p < PARTITIONS_MAX; p++) columns_fini(&log->columns[p]);
    journal_destroy(log->journal);
    fake_files_destroy(log->files);
}

uint32_t fake_log_click(struct fake_log *log, const char *event_id, const char *ad_id, int64_t time_ms,
                        const char *country) {
    struct click click = {.source = BYTES_LITERAL("default"),
                          .event_id = bytes_of_text(event_id),
                          .ad_id = bytes_of_text(ad_id),
                          .user_id = BYTES_LITERAL("u"),
                          .time = {time_ms},
                          .time_form = TIME_MS_NUMBER,
                          .ip = {.kind = IP_V4, .bytes = {1, 2, 3, 4}},
                          .ip_form = IP_CANONICAL};
    CHECK(country_parse(bytes_of_text(country), &click.country, &click.country_form));
    click_identify(&click, journal_identity_key(log->journal));
    uint32_t partition = identity_partition(click.identity, journal_rules(log->journal)->partition_count);
    columns_append(&log->columns[partition], &click);
    return partition;
}

struct journal_record *fake_log_commit(struct fake_log *log) {
    struct journal_batch batch = {.columns = log->columns, .arrival_floor = {INT64_MIN}};
    const struct journal_batch *batches[] = {&batch};
    for (size_t p = 0; p < PARTITIONS_MAX; p++) batch.counts.received += log->columns[p].count;
    struct clock clock = fake_clock_table(&log->clock);
    struct journal_record *record;
    CHECK(journal_commit(log->journal, batches, 1, clock_wall(&clock), clock_mono(&clock), &record, NULL) == STATUS_OK);
    for (size_t p = 0; p < PARTITIONS_MAX; p++) columns_clear(&log->columns[p]);
    return record;
}
