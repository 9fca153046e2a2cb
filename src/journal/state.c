#include "journal/state.h"

#include "base/check.h"
#include "base/codec.h"
#include "checksum/crc32c.h"
#include "journal/record_format.h"

bool recent_clicks_live(const struct recent_clicks *recent) {
    CHECK(recent->count <= RECENT_CLICKS && recent->next < RECENT_CLICKS);
    for (uint32_t i = 0; i < recent->count; i++) {
        int64_t apart_ms = recent->clicks[i].arrival.ms - recent->clicks[i].time.ms;
        if (apart_ms > RECENT_LIVE_MS_MAX || apart_ms < -RECENT_LIVE_MS_MAX) return false;
    }
    return recent->count > 0;
}

void recent_clicks_add(struct recent_clicks *recent, struct wall_time arrival, struct event_time time) {
    CHECK(recent->next < RECENT_CLICKS && recent->count <= RECENT_CLICKS);
    recent->clicks[recent->next].arrival = arrival;
    recent->clicks[recent->next].time = time;
    recent->next = (recent->next + 1) % RECENT_CLICKS;
    if (recent->count < RECENT_CLICKS) recent->count++;
}

void log_state_init(struct log_state *state, uint32_t partition_count, struct filter_log *filter_log) {
    CHECK(partition_count >= 1 && partition_count <= PARTITIONS_MAX);
    *state = (struct log_state){
        .partition_count = partition_count,
        .next_record = 1,
        .last_arrival = {INT64_MIN},
        .highest = EVENT_TIME_NONE,
        .highest_known = true,
        .filter_log = filter_log,
    };
    for (uint32_t i = 0; i < partition_count; i++) watermark_init(&state->partitions[i].watermark);
}

void log_state_copy(struct log_state *to, const struct log_state *from) {
    CHECK(from->partition_count >= 1 && from->partition_count <= PARTITIONS_MAX);
    memcpy(to, from, offsetof(struct log_state, partitions) + from->partition_count * sizeof from->partitions[0]);
}

void log_state_clicks(struct log_state *state, uint32_t partition, struct wall_time arrival, uint32_t count,
                      const uint8_t *times, const uint8_t *identities) {
    CHECK(partition < state->partition_count && state->rules.number > 0);
    struct watermark *watermark = &state->partitions[partition].watermark;
    uint64_t clicks_before = watermark->clicks;
    struct event_time highest = state->highest;
    for (size_t i = 0; i < count; i++) {
        struct identity identity = {get_u64(identities + 16 * i), get_u64(identities + 16 * i + 8)};
        struct event_time time = {(int64_t)get_u64(times + 8 * i)};
        COSTLY_CHECK(identity_partition(identity, state->partition_count) == partition);
        watermark_click(watermark, &state->rules, time, arrival, &identity);
        highest = event_time_max(highest, time);
    }
    state->highest = highest;
    for (size_t i = count > RECENT_CLICKS ? count - RECENT_CLICKS : 0; i < count; i++)
        recent_clicks_add(&state->recent, arrival, (struct event_time){(int64_t)get_u64(times + 8 * i)});
    CHECK(watermark->clicks == clicks_before + count); /* I4: each click once */
    CHECK(state->partitions[partition].next.at <= RECORD_OFFSET_MAX);
    state->partitions[partition].next.at += count;
    state->accepted += count;
}

void log_state_tick(struct log_state *state, uint32_t partition, struct event_time floor) {
    CHECK(partition < state->partition_count && state->rules.number > 0);
    watermark_tick(&state->partitions[partition].watermark, &state->rules, floor);
    state->partitions[partition].next.at++;
}

void log_state_rules(struct log_state *state, const struct rules *rules) {
    CHECK(rules->number == state->rules.number + 1 && rules->partition_count == state->partition_count);
    state->rules = *rules;
    for (uint32_t i = 0; i < state->partition_count; i++) {
        watermark_rules(&state->partitions[i].watermark, rules);
        state->partitions[i].next.at++;
    }
}

bool log_state_covers_from(const struct log_state *state, struct minute *covers_from) {
    *covers_from = (struct minute){0};
    if (event_time_is_none(state->highest)) return false;
    CHECK(state->highest.ms >= 0 && state->highest.ms <= RECORD_TIME_MS_MAX);
    covers_from->index = minute_of(state->highest).index + 1;
    return true;
}

const char *log_state_filters(struct log_state *state, const struct filter_record *records, uint32_t count,
                              struct bytes frame) {
    struct filter_log *log = state->filter_log;
    CHECK(log != NULL && count >= 1 && state->rules.number > 0);
    /* A state that is behind what the log holds can take no more: its future has come already. */
    CHECK(filters_number(log->filters) == state->filter_count && log->bytes.len == state->filter_bytes);
    struct minute covers_from;
    bool has_clicks = log_state_covers_from(state, &covers_from);
    for (uint32_t i = 0; i < count; i++) {
        bool creates = records[i].action == FILTER_CREATE;
        if (records[i].has_clicks != (creates && has_clicks) ||
            records[i].covers_from.index != (creates ? covers_from.index : 0))
            return "a filter does not cover from the minute behind the highest click";
    }
    const char *flaw = filter_log_append(log, records, count, frame);
    if (flaw != NULL) return flaw;
    state->filter_count += count;
    state->filter_bytes += frame.len;
    for (uint32_t i = 0; i < state->partition_count; i++) state->partitions[i].next.at += count;
    return NULL;
}

void log_state_record(struct log_state *state, const struct journal_record *record) {
    CHECK(record->number == state->next_record && record->arrival.ms >= state->last_arrival.ms);
    state->next_record++;
    state->last_arrival = record->arrival;
    CHECK(record->counts.received <= UINT64_MAX - state->received); /* log_state_apply refused it */
    state->received += record->counts.received;
    for (int code = 0; code < REJECT_CODES; code++) state->rejected_by[code] += record->counts.rejected_by[code];
    state->record_bytes += record->bytes.len;
    uint8_t crc[4];
    put_u32(crc, record_crc(record));
    state->digest = crc32c(state->digest, (struct bytes){crc, sizeof crc});
}

/* A rules record holds one copy for each partition, all alike, and nothing else. */
static const char *rules_record_flaw(const struct log_state *state, const struct journal_record *record) {
    if (record->sub_block_count != state->partition_count) return "a rules record must have one copy for each partition";
    const struct rules *rules = &record->sub_blocks[0].rules;
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        const struct sub_block *block = &record->sub_blocks[i];
        if (block->kind != SUB_BLOCK_RULES || block->partition != i)
            return "a rules record must have one copy for each partition";
        if (block->rules.number == 0 || block->rules.number != state->rules.number + 1)
            return "the rules' number is not the next one";
        if (block->rules.partition_count != state->partition_count) return "the rules name another partition count";
        if (!rules_equal(&block->rules, rules)) return "the copies of the rules differ";
    }
    return NULL;
}

/* A filters record holds one copy for each partition, all alike, and nothing else. What the records say comes later. */
static const char *filters_record_flaw(const struct log_state *state, uint32_t version,
                                       const struct journal_record *record) {
    if (version < 2) return "a segment of format version 1 holds no filters";
    if (record->sub_block_count != state->partition_count || record->counts.received != 0)
        return "a filters record must have one copy for each partition and nothing else";
    const struct sub_block *first = &record->sub_blocks[0];
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        const struct sub_block *block = &record->sub_blocks[i];
        if (block->kind != SUB_BLOCK_FILTERS || block->partition != i)
            return "a filters record must have one copy for each partition and nothing else";
        if (block->filter_records == NULL || block->filter_records != first->filter_records)
            return "the copies of the filters differ";
        CHECK(block->count == first->count);
    }
    return NULL;
}

/* Copies of a click meet because its identity says where it goes (I1): one that went elsewhere was never written by us. */
static bool clicks_are_at_home(const struct log_state *state, const struct sub_block *block) {
    if (block->kind != SUB_BLOCK_CLICKS) return true;
    for (size_t i = 0; i < block->count; i++) {
        struct identity identity = {get_u64(block->clicks.identities + 16 * i),
                                    get_u64(block->clicks.identities + 16 * i + 8)};
        if (identity_partition(identity, state->partition_count) != block->partition) return false;
    }
    return true;
}

static const char *record_place_flaw(const struct log_state *state, uint32_t version, const struct journal_record *record) {
    if (record->number != state->next_record) return "the record's number is not the next one";
    if (record->counts.received > UINT64_MAX - state->received) return "the totals pass 64 bits";
    if (record->arrival.ms < state->last_arrival.ms) return "the record's arrival is before that of the record before";
    struct journal_offset next[PARTITIONS_MAX];
    for (uint32_t i = 0; i < state->partition_count; i++) next[i] = state->partitions[i].next;
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        const struct sub_block *block = &record->sub_blocks[i];
        if (block->partition >= state->partition_count) return "there is no such partition";
        if (block->first_offset.at != next[block->partition].at) return "an offset does not follow the one before";
        if (!clicks_are_at_home(state, block)) return "a click is not in the partition of its identity";
        next[block->partition].at += block->count;
    }
    bool has_rules = record->sub_block_count > 0 && record->sub_blocks[0].kind == SUB_BLOCK_RULES;
    if (has_rules) return rules_record_flaw(state, record);
    if (state->rules.number == 0) return "the log does not begin with rules";
    bool has_filters = false;
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        if (record->sub_blocks[i].kind == SUB_BLOCK_RULES) return "a rules record must have one copy for each partition";
        has_filters |= record->sub_blocks[i].kind == SUB_BLOCK_FILTERS;
    }
    return has_filters ? filters_record_flaw(state, version, record) : NULL;
}

const char *log_state_apply(struct log_state *state, uint32_t version, const struct journal_record *record) {
    CHECK(record->sub_block_count <= RECORD_SUB_BLOCKS_MAX && state->partition_count <= PARTITIONS_MAX);
    const char *flaw = record_place_flaw(state, version, record);
    if (flaw != NULL) return flaw;
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        const struct sub_block *block = &record->sub_blocks[i];
        switch ((enum sub_block_kind)block->kind) {
        case SUB_BLOCK_CLICKS:
            log_state_clicks(state, block->partition, record->arrival, block->count, block->clicks.times,
                             block->clicks.identities);
            break;
        case SUB_BLOCK_RULES:
            if (i == 0) log_state_rules(state, &block->rules);
            break;
        case SUB_BLOCK_TICK:
            log_state_tick(state, block->partition, block->floor);
            break;
        case SUB_BLOCK_FILTERS:
            if (i == 0) flaw = log_state_filters(state, block->filter_records, block->count, record_filter_frame(record));
            if (flaw != NULL) return flaw;
            break;
        }
    }
    log_state_record(state, record);
    return NULL;
}
