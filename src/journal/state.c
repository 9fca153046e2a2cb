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

static void recent_clicks_add(struct recent_clicks *recent, struct wall_time arrival, struct event_time time) {
    CHECK(recent->next < RECENT_CLICKS && recent->count <= RECENT_CLICKS);
    recent->clicks[recent->next].arrival = arrival;
    recent->clicks[recent->next].time = time;
    recent->next = (recent->next + 1) % RECENT_CLICKS;
    if (recent->count < RECENT_CLICKS) recent->count++;
}

void log_state_init(struct log_state *state, uint32_t partition_count) {
    CHECK(partition_count >= 1 && partition_count <= PARTITIONS_MAX);
    *state = (struct log_state){.partition_count = partition_count, .next_record = 1, .last_arrival = {INT64_MIN}};
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
    for (size_t i = 0; i < count; i++) {
        struct identity identity = {get_u64(identities + 16 * i), get_u64(identities + 16 * i + 8)};
        COSTLY_CHECK(identity_partition(identity, state->partition_count) == partition);
        watermark_click(watermark, &state->rules, (struct event_time){(int64_t)get_u64(times + 8 * i)}, arrival, &identity);
    }
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

static const char *record_place_flaw(const struct log_state *state, const struct journal_record *record) {
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
    for (uint32_t i = 0; i < record->sub_block_count; i++)
        if (record->sub_blocks[i].kind == SUB_BLOCK_RULES) return "a rules record must have one copy for each partition";
    return NULL;
}

const char *log_state_apply(struct log_state *state, const struct journal_record *record) {
    CHECK(record->sub_block_count <= RECORD_SUB_BLOCKS_MAX && state->partition_count <= PARTITIONS_MAX);
    const char *flaw = record_place_flaw(state, record);
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
        }
    }
    log_state_record(state, record);
    return NULL;
}

void log_state_encode(const struct log_state *state, struct buffer *out) {
    buffer_put_u64(out, state->next_record);
    buffer_put_u64(out, (uint64_t)state->last_arrival.ms);
    buffer_put_u32(out, state->digest);
    buffer_put_u32(out, 0); /* filters in force */
    buffer_put_u8(out, state->rules.number > 0);
    if (state->rules.number > 0) rules_encode(&state->rules, out);
    CHECK(state->recent.count <= RECENT_CLICKS);
    buffer_put_u8(out, (uint8_t)state->recent.count);
    for (uint32_t i = 0; i < state->recent.count; i++) {
        uint32_t at = (state->recent.next + RECENT_CLICKS - state->recent.count + i) % RECENT_CLICKS;
        buffer_put_u64(out, (uint64_t)state->recent.clicks[at].arrival.ms);
        buffer_put_u64(out, (uint64_t)state->recent.clicks[at].time.ms);
    }
    buffer_put_u64(out, state->received);
    buffer_put_u64(out, state->accepted);
    buffer_put_u64(out, state->record_bytes);
    uint16_t codes = 0;
    for (int code = 0; code < REJECT_CODES; code++) codes = (uint16_t)(codes + (state->rejected_by[code] > 0));
    buffer_put_u16(out, codes);
    for (int code = 0; code < REJECT_CODES; code++) {
        if (state->rejected_by[code] == 0) continue;
        buffer_put_u16(out, (uint16_t)code);
        buffer_put_u64(out, state->rejected_by[code]);
    }
    for (uint32_t i = 0; i < state->partition_count; i++) {
        buffer_put_u64(out, state->partitions[i].next.at);
        watermark_encode(&state->partitions[i].watermark, out);
    }
}

static bool stamp_valid(int64_t ms) {
    return ms >= 0 && ms <= RECORD_TIME_MS_MAX;
}

static void decode_recent(struct log_state *state, struct reader *reader) {
    uint32_t count = reader_u8(reader);
    if (count > RECENT_CLICKS) reader->bad = true;
    for (uint32_t i = 0; !reader->bad && i < count; i++) {
        struct wall_time arrival = {(int64_t)reader_u64(reader)};
        struct event_time time = {(int64_t)reader_u64(reader)};
        if (!stamp_valid(arrival.ms) || !stamp_valid(time.ms)) reader->bad = true;
        recent_clicks_add(&state->recent, arrival, time);
    }
}

/* I4, the intake law: received = accepted + rejected. */
static void decode_totals(struct log_state *state, struct reader *reader) {
    state->received = reader_u64(reader);
    state->accepted = reader_u64(reader);
    state->record_bytes = reader_u64(reader);
    uint64_t sum = state->accepted;
    uint32_t codes = reader_u16(reader);
    int32_t last_code = -1;
    for (uint32_t i = 0; !reader->bad && i < codes; i++) {
        uint16_t code = reader_u16(reader);
        uint64_t count = reader_u64(reader);
        if (code >= REJECT_CODES || code <= last_code || count == 0 || __builtin_add_overflow(sum, count, &sum)) {
            reader->bad = true;
            return;
        }
        state->rejected_by[code] = count;
        last_code = code;
    }
    if (sum != state->received) reader->bad = true;
}

/* D <= S - 60 s (I6), S <= W <= seen; each none before the first click or tick. */
static bool watermark_possible(const struct watermark *watermark) {
    if (event_time_is_none(watermark->seen))
        return event_time_is_none(watermark->w) && event_time_is_none(watermark->s) && event_time_is_none(watermark->d);
    int64_t lowest = -RECORD_TIME_MS_MAX;
    return stamp_valid(watermark->seen.ms) && watermark->w.ms <= watermark->seen.ms && watermark->s.ms <= watermark->w.ms &&
           watermark->s.ms >= lowest && watermark->d.ms >= lowest && watermark->d.ms <= watermark->s.ms - MINUTE_MS;
}

void log_state_decode(struct log_state *state, uint32_t partition_count, struct reader *reader) {
    log_state_init(state, partition_count);
    state->next_record = reader_u64(reader);
    state->last_arrival.ms = (int64_t)reader_u64(reader);
    state->digest = reader_u32(reader);
    uint32_t filters = reader_u32(reader);
    uint8_t has_rules = reader_u8(reader);
    if (has_rules == 1) state->rules = rules_decode(reader);
    decode_recent(state, reader);
    decode_totals(state, reader);
    uint64_t clicks = 0;
    for (uint32_t i = 0; !reader->bad && i < partition_count; i++) {
        state->partitions[i].next.at = reader_u64(reader);
        state->partitions[i].watermark = watermark_decode(reader);
        clicks += state->partitions[i].watermark.clicks;
        if (state->partitions[i].next.at > RECORD_OFFSET_MAX || !watermark_possible(&state->partitions[i].watermark))
            reader->bad = true;
    }
    /* I4: the clicks of the log are those of its partitions. */
    if (clicks != state->accepted || filters != 0 || has_rules > 1 || state->next_record == 0) reader->bad = true;
    if (has_rules == 1 && (state->rules.number == 0 || state->rules.partition_count != partition_count)) reader->bad = true;
    if (has_rules == 0 && state->next_record != 1) reader->bad = true;
    if (state->last_arrival.ms != INT64_MIN && !stamp_valid(state->last_arrival.ms)) reader->bad = true;
}
