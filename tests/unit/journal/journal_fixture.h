/* journal_fixture.h: a journal on fake files, a list of what it acknowledged, and clicks to feed it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "fake/fake_clock.h"
#include "fake/fake_files.h"
#include "fake/fake_random.h"
#include "journal/journal.h"

#define UNUSED_OK __attribute__((unused))

enum { FIXTURE_PARTITIONS = 2, FIXTURE_RECORDS_MAX = 4096 };

/* Records in order, each with one reference. */
struct record_list {
    struct journal_record *at[FIXTURE_RECORDS_MAX];
    size_t count;
};

struct fixture {
    struct fake_files *fake;
    struct files files;
    struct fake_clock clock;
    struct random_sequence random_state;
    struct random random;
    struct journal_options options;
    struct journal *journal;
    struct record_list replayed;
    struct record_list acknowledged;
    struct failure failure;
    uint64_t clicks_made;
    uint32_t filters_made;
};

#define FIXTURE_WALL_MS INT64_C(1700000000000)

static UNUSED_OK void record_list_fini(struct record_list *list) {
    for (size_t i = 0; i < list->count; i++) journal_record_release(list->at[i]);
    list->count = 0;
}

static UNUSED_OK void record_list_add(struct record_list *list, struct journal_record *record) {
    CHECK(list->count < FIXTURE_RECORDS_MAX);
    list->at[list->count++] = record;
}

/* Takes the fake files over. */
static UNUSED_OK struct fixture *fixture_on(struct fake_files *fake) {
    struct fixture *fixture = memory_allocate_zeroed(1, sizeof *fixture);
    fixture->fake = fake;
    fixture->files = fake_files_table(fake);
    fixture->clock = (struct fake_clock){.wall_ms = FIXTURE_WALL_MS, .mono_ns = 5000000000};
    fixture->random_state.state = 7;
    fixture->random = fake_random_table(&fixture->random_state);
    fixture->options = (struct journal_options){
        .files = &fixture->files,
        .random = &fixture->random,
        .proposal = {.has_partitions = true, .partition_count = FIXTURE_PARTITIONS},
        .segment_bytes = 16384,
    };
    return fixture;
}

static UNUSED_OK struct fixture *fixture_new(void) {
    return fixture_on(fake_files_create(1));
}

static UNUSED_OK void fixture_free(struct fixture *fixture) {
    journal_destroy(fixture->journal);
    record_list_fini(&fixture->replayed);
    record_list_fini(&fixture->acknowledged);
    fake_files_destroy(fixture->fake);
    free(fixture);
}

static UNUSED_OK enum status fixture_open(struct fixture *fixture) {
    CHECK(fixture->journal == NULL);
    fixture->failure = (struct failure){0};
    return journal_open(&fixture->options, &fixture->journal, &fixture->failure);
}

/* STATUS_OK once the replay has ended. */
static UNUSED_OK enum status fixture_replay(struct fixture *fixture) {
    record_list_fini(&fixture->replayed);
    for (;;) {
        struct journal_record *record;
        enum status status = journal_replay_next(fixture->journal, &record, &fixture->failure);
        if (status == STATUS_END) return STATUS_OK;
        if (status != STATUS_OK) return status;
        record_list_add(&fixture->replayed, record);
    }
}

static UNUSED_OK struct wall_time fixture_wall(const struct fixture *fixture) {
    return (struct wall_time){fixture->clock.wall_ms};
}

static UNUSED_OK struct mono_time fixture_mono(const struct fixture *fixture) {
    return (struct mono_time){fixture->clock.mono_ns};
}

static UNUSED_OK enum status fixture_start(struct fixture *fixture) {
    struct journal_record *record;
    enum status status =
        journal_start(fixture->journal, fixture_wall(fixture), fixture_mono(fixture), &record, &fixture->failure);
    if (status == STATUS_OK && record != NULL) record_list_add(&fixture->acknowledged, record);
    return status;
}

/* Open, replay and start; the first that is not OK. */
static UNUSED_OK enum status fixture_up(struct fixture *fixture) {
    enum status status = fixture_open(fixture);
    if (status == STATUS_OK) status = fixture_replay(fixture);
    if (status == STATUS_OK) status = fixture_start(fixture);
    return status;
}

/* What a SIGKILL does: the process is gone, the machine is not. */
static UNUSED_OK void fixture_kill(struct fixture *fixture) {
    journal_destroy(fixture->journal);
    fixture->journal = NULL;
    fake_files_restart(fixture->fake);
}

static UNUSED_OK enum status fixture_close(struct fixture *fixture) {
    enum status status = journal_close(fixture->journal, &fixture->failure);
    fixture->journal = NULL;
    return status;
}

/* The n-th click of the test: always the same one. Views into static storage, valid until the next call. */
static UNUSED_OK struct click fixture_click(uint64_t n, int64_t time_ms, uint32_t partition) {
    static char event_id[32], user_id[32], ad_id[32];
    (void)snprintf(event_id, sizeof event_id, "event-%llu", (unsigned long long)n);
    (void)snprintf(user_id, sizeof user_id, "user %llu", (unsigned long long)(n % 5));
    (void)snprintf(ad_id, sizeof ad_id, "ad%03llu", (unsigned long long)(n % 7));
    struct random_sequence mix = {n};
    struct click click = {
        .source = BYTES_LITERAL("default"),
        .event_id = n % 3 == 0 ? (struct bytes){NULL, 0} : bytes_of_text(event_id),
        .ad_id = bytes_of_text(ad_id),
        .user_id = bytes_of_text(user_id),
        .time = {time_ms},
        .ip = {.kind = IP_V4, .bytes = {10, 0, 0, (uint8_t)n}},
        .country = {(uint16_t)(n % COUNTRY_CODES)},
        .time_form = TIME_MS_NUMBER,
        .country_form = COUNTRY_ALPHA3,
        .ip_form = IP_CANONICAL,
        .content_tag = (uint32_t)random_sequence_next(&mix),
    };
    click.identity.high = random_sequence_next(&mix);
    click.identity.low = random_sequence_next(&mix) / PARTITIONS_MAX * PARTITIONS_MAX + partition;
    return click;
}

/* One batch in one commit. Each fixture_add puts one more click into it. */
struct fixture_batch {
    struct columns columns[PARTITIONS_MAX];
    struct journal_batch batch;
};

static UNUSED_OK void fixture_batch_init(struct fixture_batch *batch) {
    *batch = (struct fixture_batch){0};
    batch->batch.columns = batch->columns;
}

static UNUSED_OK void fixture_batch_fini(struct fixture_batch *batch) {
    for (size_t i = 0; i < PARTITIONS_MAX; i++) columns_fini(&batch->columns[i]);
}

static UNUSED_OK void fixture_add(struct fixture *fixture, struct fixture_batch *batch, int64_t time_ms,
                                  uint32_t partition) {
    struct click click = fixture_click(++fixture->clicks_made, time_ms, partition);
    columns_append(&batch->columns[partition], &click);
    batch->batch.counts.received++;
}

static UNUSED_OK void fixture_reject(struct fixture_batch *batch, enum reject reject, uint64_t count) {
    batch->batch.counts.rejected_by[reject] += count;
    batch->batch.counts.received += count;
}

/* Commits (no batch when NULL); `*out` (may be NULL) borrows the record, which stays in `acknowledged`. */
static UNUSED_OK enum status fixture_commit(struct fixture *fixture, const struct fixture_batch *batch,
                                            struct journal_record **out) {
    const struct journal_batch *const batches[1] = {batch == NULL ? NULL : &batch->batch};
    struct journal_record *record;
    fixture->failure = (struct failure){0};
    enum status status = journal_commit(fixture->journal, batches, batch != NULL, fixture_wall(fixture),
                                        fixture_mono(fixture), &record, &fixture->failure);
    if (record != NULL) record_list_add(&fixture->acknowledged, record);
    if (out != NULL) *out = record;
    return status;
}

/* `count` clicks at the clock's time, round robin over the partitions, in one commit; 20 ms pass. */
static UNUSED_OK enum status fixture_clicks(struct fixture *fixture, uint32_t count) {
    struct fixture_batch batch;
    fixture_batch_init(&batch);
    for (uint32_t i = 0; i < count; i++)
        fixture_add(fixture, &batch, fixture->clock.wall_ms, i % fixture->options.proposal.partition_count);
    enum status status = fixture_commit(fixture, &batch, NULL);
    fixture_batch_fini(&batch);
    fake_clock_pass(&fixture->clock, 20);
    return status;
}

/* Filter `id` of the test: always the same one. The caller's. */
static UNUSED_OK struct filter *fixture_filter(uint32_t id) {
    char user[32];
    (void)snprintf(user, sizeof user, "user %u|somebody else", id);
    struct filter *filter;
    struct filter_flaw flaw;
    bool good = filter_parse(id, BYTES_LITERAL("!USA"), BYTES_LITERAL("10.0.0.0/8"), bytes_of_text(user), id % 2 == 0,
                             &filter, &flaw);
    CHECKF(good, "%s: %s", flaw.field, flaw.text);
    return filter;
}

/* As fixture_commit. */
static UNUSED_OK enum status fixture_commit_filters(struct fixture *fixture, const struct filter_change *changes,
                                                    size_t count, struct journal_record **out) {
    struct journal_record *record;
    fixture->failure = (struct failure){0};
    enum status status = journal_commit_filters(fixture->journal, changes, count, fixture_wall(fixture),
                                                fixture_mono(fixture), &record, &fixture->failure);
    if (record != NULL) record_list_add(&fixture->acknowledged, record);
    if (out != NULL) *out = record;
    return status;
}

/* Creates the next `count` filters in one commit; 20 ms pass. */
static UNUSED_OK enum status fixture_filters(struct fixture *fixture, uint32_t count) {
    struct filter_change *changes = memory_allocate_zeroed(count, sizeof *changes);
    struct filter **filters = memory_allocate_zeroed(count, sizeof *filters);
    for (uint32_t i = 0; i < count; i++) {
        filters[i] = fixture_filter(++fixture->filters_made);
        changes[i] = (struct filter_change){FILTER_CREATE, fixture->filters_made, filters[i]};
    }
    enum status status = fixture_commit_filters(fixture, changes, count, NULL);
    for (uint32_t i = 0; i < count; i++) filter_destroy(filters[i]);
    free(filters);
    free(changes);
    fake_clock_pass(&fixture->clock, 20);
    return status;
}

static UNUSED_OK void assert_same_records(const struct record_list *list, const struct record_list *expected, size_t count) {
    assert_int_equal(list->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list->at[i]->number, expected->at[i]->number);
        assert_true(bytes_equal(list->at[i]->bytes, expected->at[i]->bytes));
    }
}

#define SEGMENT_1 "journal/00000000000000000001.seg"
#define SEGMENT_2 "journal/00000000000000000002.seg"
#define SEGMENT_3 "journal/00000000000000000003.seg"
