/* The state as bytes: in the header and the footer of every segment. docs/format/journal.md. */
#include "base/check.h"
#include "base/codec.h"
#include "journal/record_format.h"
#include "journal/state.h"

enum { AHEAD_DAYS_MAX = 400 }; /* of its arrival; rules_validate lets no max skew be longer */

/* What version 1 lacked. The filter log may hold more than this state knows of; what it knows is the beginning. */
static void encode_filters(const struct log_state *state, struct buffer *out) {
    buffer_put_u64(out, (uint64_t)state->highest.ms);
    CHECK(state->filter_bytes <= FILTER_LOG_BYTES_MAX);
    buffer_put_u32(out, (uint32_t)state->filter_bytes);
    if (state->filter_bytes == 0) return;
    CHECK(state->filter_log != NULL && state->filter_log->bytes.len >= state->filter_bytes);
    buffer_append(out, state->filter_log->bytes.at, state->filter_bytes);
}

void log_state_encode(const struct log_state *state, uint32_t version, struct buffer *out) {
    CHECK(version == 1 || version == 2);
    CHECK(version >= 2 || state->filter_count == 0);
    buffer_put_u64(out, state->next_record);
    buffer_put_u64(out, (uint64_t)state->last_arrival.ms);
    buffer_put_u32(out, state->digest);
    buffer_put_u32(out, state->filter_count);
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
    if (version >= 2) encode_filters(state, out);
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

/* The beginning of a version 1 log says exactly that there was no click; a later place only that none was stamped further
 * ahead of its arrival than any rules allow. */
static void highest_of_version_1(struct log_state *state) {
    state->highest_known = state->accepted == 0;
    if (state->highest_known || !stamp_valid(state->last_arrival.ms)) return;
    int64_t bound_ms = state->last_arrival.ms + (int64_t)AHEAD_DAYS_MAX * 24 * HOUR_MS;
    state->highest.ms = bound_ms < RECORD_TIME_MS_MAX ? bound_ms : RECORD_TIME_MS_MAX;
}

static void decode_filters(struct log_state *state, struct filter_log *filter_log, struct reader *reader) {
    state->highest.ms = (int64_t)reader_u64(reader);
    state->filter_bytes = reader_u32(reader);
    struct bytes bytes = reader_bytes(reader, state->filter_bytes);
    if (event_time_is_none(state->highest) ? state->accepted > 0 : state->accepted == 0 || !stamp_valid(state->highest.ms))
        reader->bad = true;
    if (reader->bad || state->filter_bytes > FILTER_LOG_BYTES_MAX) {
        reader->bad = true;
        return;
    }
    if (filter_log != NULL && !filter_log_extend(filter_log, state->filter_count, bytes)) reader->bad = true;
}

void log_state_decode(struct log_state *state, uint32_t partition_count, uint32_t version, struct filter_log *filter_log,
                      struct reader *reader) {
    CHECK(version == 1 || version == 2);
    log_state_init(state, partition_count, filter_log);
    state->next_record = reader_u64(reader);
    state->last_arrival.ms = (int64_t)reader_u64(reader);
    state->digest = reader_u32(reader);
    state->filter_count = reader_u32(reader);
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
    if (clicks != state->accepted || has_rules > 1 || state->next_record == 0) reader->bad = true;
    if (has_rules == 1 && (state->rules.number == 0 || state->rules.partition_count != partition_count)) reader->bad = true;
    if (has_rules == 0 && state->next_record != 1) reader->bad = true;
    if (state->last_arrival.ms != INT64_MIN && !stamp_valid(state->last_arrival.ms)) reader->bad = true;
    if (version >= 2) {
        decode_filters(state, filter_log, reader);
    } else {
        if (state->filter_count != 0) reader->bad = true;
        highest_of_version_1(state);
        if (filter_log != NULL && !filter_log_extend(filter_log, 0, (struct bytes){(const uint8_t *)"", 0}))
            reader->bad = true;
    }
    CHECK(reader->bad || filter_log == NULL || filters_number(filter_log->filters) == state->filter_count);
}

bool log_state_is(struct log_state *state, uint32_t version, const struct log_state *told, struct bytes encoded) {
    if (!state->highest_known && told->highest_known && told->highest.ms <= state->highest.ms) {
        state->highest = told->highest;
        state->highest_known = true;
    }
    if (version < 2 && state->filter_count > 0) return false;
    struct buffer own = {0};
    log_state_encode(state, version, &own);
    bool same = bytes_equal(buffer_view(&own), encoded);
    buffer_fini(&own);
    return same;
}
