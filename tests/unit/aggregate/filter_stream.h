/* filter_stream.h: a random stream of one partition, of clicks and filter records, and the plain way to count its filters.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ads/ads.h"
#include "aggregate/partial.h"
#include "base/check.h"
#include "fake/fake_log.h"
#include "filter/filters.h"

#define UNUSED_OK __attribute__((unused))

enum {
    STREAM_STEPS = 240,
    STREAM_FILTERS_MAX = 120,
    STREAM_CLICKS_MAX = 80, /* of one step; half of them, and those again */
    STREAM_ADS = 3,
    STREAM_MINUTES = 128,
    STREAM_NOON_MS = 12 * HOUR_MS,
    STREAM_BEGIN = STREAM_NOON_MS / MINUTE_MS - 20, /* its first minute */
    STREAM_MEMORY = 4 * 1024 * 1024,
};

struct stream_step {
    struct journal_record record; /* what is stepped */
    struct sub_block block;
    struct filter_record filter_records[3];
    struct journal_record *clicks; /* whose memory `record` shows, or NULL */
};

struct stream_filter {
    struct filter *filter;
    struct filter_term terms[FILTER_TERMS_MAX];
    bool standing;             /* at the end; while the stream is made, so far */
    uint32_t created, deleted; /* by which record; 0: not */
};

struct stream {
    struct fake_log log;
    struct random_sequence random;
    struct stream_step steps[STREAM_STEPS];
    uint64_t next_offset;
    struct atoms *atoms;
    struct stream_filter filters[STREAM_FILTERS_MAX];
    size_t filter_count;
    uint32_t number;
    uint32_t born[STREAM_FILTERS_MAX * 64]; /* by atom */
};

/* Counts of one filter. */
struct stream_counts {
    int64_t of[STREAM_ADS][STREAM_MINUTES];
};

static UNUSED_OK uint64_t stream_below(struct stream *stream, uint64_t bound) {
    return random_sequence_below(&stream->random, bound);
}

static const struct rules_proposal stream_rules = {.has_partitions = true,
                                                   .partition_count = 1,
                                                   .has_lateness = true,
                                                   .lateness_ms = 10 * MINUTE_MS,
                                                   .has_delay = true,
                                                   .delay_ms = 15 * SECOND_MS};

static UNUSED_OK struct ip stream_ip(struct stream *stream) {
    uint8_t low = (uint8_t)stream_below(stream, 4), third = (uint8_t)stream_below(stream, 2);
    switch (stream_below(stream, 6)) {
    case 0:
        return (struct ip){.kind = IP_V6, .bytes = {0x20, 1, 0xD, 0xB8, [15] = low}};
    case 1:
        return (struct ip){.kind = IP_V4_MASKED, .mask = 4, .bytes = {10, 0, 0, low}};
    case 2:
        return (struct ip){.kind = IP_V4_MASKED, .mask = 8, .bytes = {10, 0, third, 0}};
    default:
        return (struct ip){.kind = IP_V4, .bytes = {10, 0, third, low}};
    }
}

/* Event ids come again, with the same content or another; some times are too late. */
static UNUSED_OK void stream_click(struct stream *stream, int64_t now_ms) {
    static const uint16_t countries[] = {13988, 2152, COUNTRY_UNKNOWN}; /* USA, DEU, ZZZ */
    char event_id[16] = "", user[16], ad[2] = {(char)('a' + stream_below(stream, STREAM_ADS)), 0};
    if (stream_below(stream, 2) == 0) (void)snprintf(event_id, sizeof event_id, "e%d", (int)stream_below(stream, 500));
    (void)snprintf(user, sizeof user, "u%d", (int)stream_below(stream, 6));
    struct click click = {
        .source = BYTES_LITERAL("default"),
        .event_id = bytes_of_text(event_id),
        .ad_id = bytes_of_text(ad),
        .user_id = bytes_of_text(user),
        .time = {now_ms - (int64_t)stream_below(stream, 13 * 4) * 15 * SECOND_MS},
        .ip = stream_ip(stream),
        .country = {countries[stream_below(stream, 3)]},
        .time_form = TIME_MS_NUMBER,
        .country_form = COUNTRY_ALPHA3,
        .ip_form = stream_below(stream, 3) == 0 ? IP_VERBATIM : IP_CANONICAL,
        .ip_text = BYTES_LITERAL("as it was sent"),
    };
    click_identify(&click, journal_identity_key(stream->log.journal));
    columns_append(&stream->log.columns[0], &click);
    if (stream_below(stream, 8) == 0) columns_append(&stream->log.columns[0], &click); /* sent twice */
}

static UNUSED_OK void stream_show(struct stream *stream, struct stream_step *step, const struct journal_record *record) {
    CHECK(record->sub_block_count == 1);
    step->record = *record;
    step->block = record->sub_blocks[0];
    step->record.sub_blocks = &step->block;
    step->block.first_offset.at = stream->next_offset;
    stream->next_offset += step->block.count;
}

static UNUSED_OK void stream_make_clicks(struct stream *stream, size_t index) {
    struct stream_step *step = &stream->steps[index];
    int64_t now_ms = STREAM_NOON_MS + (int64_t)index * 20 * SECOND_MS;
    for (uint64_t left = 1 + stream_below(stream, STREAM_CLICKS_MAX / 2); left > 0; left--) stream_click(stream, now_ms);
    step->clicks = fake_log_commit(&stream->log);
    stream_show(stream, step, step->clicks);
    if (stream_below(stream, 8) == 0) step->block.clicks.personal = (struct bytes){0}; /* erased */
}

static UNUSED_OK struct filter *stream_filter_make(struct stream *stream, uint32_t id) {
    static const char *const regions[] = {"*", "*", "USA", "!USA", "USA|ZZZ", "!ZZZ"};
    static const char *const ips[] = {
        "*",          "*",           "10.0.0.1",      "10.0.0.0/30",       "!10.0.0.0/24",         "10.0.1.0/24|10.0.0.1",
        "10.0.0.0/8", "10.0.xxx.2",  "2001:db8::/32", "!2001:db8::/127",   "2001:db8::1|10.0.0.2", "!10.0.1.3|10.0.0.0/31",
        "0.0.0.0/0",  "!10.0.0.xxx", "10.0.1.2/31",   "!10.0.0.0/23|::/0",
    };
    static const char *const users[] = {"*", "*", "u1", "!u1", "u1|u2", "!u2|u3|u4", "u5", "nobody"};
    struct filter *filter = NULL;
    struct filter_flaw flaw = {0};
    const char *region = regions[stream_below(stream, sizeof regions / sizeof *regions)];
    const char *ip = ips[stream_below(stream, sizeof ips / sizeof *ips)];
    const char *user = users[stream_below(stream, sizeof users / sizeof *users)];
    if (!filter_parse(id, bytes_of_text(region), bytes_of_text(ip), bytes_of_text(user), false, &filter, &flaw))
        fail_msg("%s | %s | %s: %s: %s", region, ip, user, flaw.field, flaw.text);
    return filter;
}

static UNUSED_OK void stream_create_filter(struct stream *stream, struct filter_record *record) {
    struct stream_filter *made = &stream->filters[stream->filter_count++];
    uint32_t id = (uint32_t)stream->filter_count * 7919 % 1009 + 1; /* no two alike */
    *made = (struct stream_filter){.filter = stream_filter_make(stream, id), .standing = true, .created = record->number};
    record->action = FILTER_CREATE;
    record->id = id;
    record->filter = made->filter;
    uint32_t given = atoms_given(stream->atoms);
    atoms_use(stream->atoms, made->filter, made->terms);
    for (uint32_t atom = given + 1; atom <= atoms_given(stream->atoms); atom++) stream->born[atom] = record->number;
}

static UNUSED_OK void stream_change(struct stream *stream, struct filter_record *record) {
    *record = (struct filter_record){.number = ++stream->number};
    uint64_t kind = stream_below(stream, 10);
    struct stream_filter *one = &stream->filters[stream_below(stream, stream->filter_count + 1)];
    if (one->filter == NULL || !one->standing || (kind < 6 && stream->filter_count < STREAM_FILTERS_MAX - 1)) {
        stream_create_filter(stream, record);
        return;
    }
    record->action = kind == 9 ? FILTER_RECALCULATE : FILTER_DELETE;
    record->id = one->filter->id;
    if (record->action == FILTER_RECALCULATE) return;
    one->standing = false;
    one->deleted = record->number;
    atoms_release(stream->atoms, one->filter);
}

static UNUSED_OK void stream_make_filters(struct stream *stream, size_t index) {
    struct stream_step *step = &stream->steps[index];
    struct sub_block block = {.kind = SUB_BLOCK_FILTERS, .count = 1 + (uint32_t)stream_below(stream, 3)};
    for (uint32_t i = 0; i < block.count; i++) stream_change(stream, &step->filter_records[i]);
    block.filter_records = step->filter_records;
    struct journal_record record = {.sub_block_count = 1, .sub_blocks = &block};
    stream_show(stream, step, &record);
}

static UNUSED_OK struct stream *stream_make(uint64_t seed) {
    struct stream *stream = memory_allocate_zeroed(1, sizeof *stream);
    stream->random.state = seed;
    stream->atoms = atoms_create();
    fake_log_open(&stream->log, &stream_rules);
    stream_show(stream, &stream->steps[0], stream->log.rules);
    for (size_t i = 1; i < STREAM_STEPS; i++) {
        if (stream_below(stream, 5) == 0 && stream->filter_count < STREAM_FILTERS_MAX - 3)
            stream_make_filters(stream, i);
        else
            stream_make_clicks(stream, i);
    }
    return stream;
}

static UNUSED_OK void stream_free(struct stream *stream) {
    for (size_t i = 0; i < STREAM_STEPS; i++) journal_record_release(stream->steps[i].clicks);
    for (size_t i = 0; i < stream->filter_count; i++) filter_destroy(stream->filters[i].filter);
    atoms_destroy(stream->atoms);
    fake_log_close(&stream->log);
    free(stream);
}

static UNUSED_OK int64_t *stream_count(struct stream_counts *counts, struct bytes ad_id, struct minute minute) {
    CHECK(minute.index >= STREAM_BEGIN && minute.index - STREAM_BEGIN < STREAM_MINUTES && ad_id.len == 1);
    return &counts->of[ad_id.at[0] - 'a'][minute.index - STREAM_BEGIN];
}

/* The definition: the counted clicks of the step that the filter matches. `verdicts` is by offset. */
static UNUSED_OK void stream_count_plainly(const struct stream_step *step, const struct filter *filter,
                                           const uint8_t *verdicts, struct stream_counts *counts) {
    if (step->block.kind != SUB_BLOCK_CLICKS) return;
    struct click_cursor cursor = click_cursor_of(&step->block.clicks);
    struct click click;
    for (uint64_t offset = step->block.first_offset.at; click_cursor_next(&cursor, &click); offset++)
        if (verdicts[offset] == VERDICT_COUNTED && filter_matches(filter, click.country, &click.ip, click.user_id))
            ++*stream_count(counts, click.ad_id, minute_of(click.time));
}

/* The same by increments: the filter's signed sum. */
static UNUSED_OK void stream_count_terms(const struct stream_filter *of, const struct partial *partial,
                                         const struct ads *ads, struct stream_counts *counts) {
    size_t term_count = filter_term_count(of->filter);
    for (size_t t = 0; t < term_count; t++) {
        const struct filter_term *term = &of->terms[t];
        for (size_t i = 0; term->atom == 0 && i < partial->increment_count; i++) {
            const struct increment *one = &partial->increments[i];
            if (filter_region_matches(of->filter, one->country))
                *stream_count(counts, ads_id(ads, one->ad), one->minute) += term->sign;
        }
        for (size_t i = 0; i < partial->atom_increment_count; i++) {
            const struct atom_increment *one = &partial->atom_increments[i];
            if (one->atom == term->atom && filter_region_matches(of->filter, one->country))
                *stream_count(counts, ads_id(ads, one->ad), one->minute) += term->sign;
        }
    }
}
