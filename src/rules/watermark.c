#include "rules/watermark.h"

#include "base/check.h"

void watermark_init(struct watermark *watermark) {
    *watermark =
        (struct watermark){.seen = EVENT_TIME_NONE, .w = EVENT_TIME_NONE, .s = EVENT_TIME_NONE, .d = EVENT_TIME_NONE};
}

/* What holds in every partition after every record. I6; subtraction from "none" stays none, so it holds before the first
 * click too. */
static bool watermark_in_order(const struct watermark *watermark) {
    if (watermark->guard_count >= WATERMARK_JUMP_CLICKS) return false;
    if (event_time_is_none(watermark->w)) return event_time_is_none(watermark->s) && event_time_is_none(watermark->d);
    return watermark->w.ms <= watermark->seen.ms && watermark->s.ms <= watermark->w.ms &&
           watermark->d.ms <= event_time_minus(watermark->s, MINUTE_MS).ms;
}

/* Raises W, S and D to what seen and the rules allow; none of them ever falls (design: new rules take nothing back). */
static void watermark_raise(struct watermark *watermark, const struct rules *rules) {
    const struct watermark before = {.w = watermark->w, .s = watermark->s, .d = watermark->d};
    CHECK(rules->delay_ms >= 0 && rules->lateness_ms >= 0);
    CHECK(rules->horizon_ms >= rules->lateness_ms + MINUTE_MS); /* I6 */
    watermark->w = event_time_max(watermark->w, event_time_minus(watermark->seen, rules->delay_ms));
    watermark->s = event_time_max(watermark->s, event_time_minus(watermark->w, rules->lateness_ms));
    watermark->d = event_time_max(watermark->d, event_time_minus(watermark->w, rules->horizon_ms));
    CHECK(watermark_in_order(watermark));
    CHECK(watermark->w.ms >= before.w.ms && watermark->s.ms >= before.s.ms && watermark->d.ms >= before.d.ms);
}

/* I8. True when the guard lets `seen` move; then `*moved` is dragged down to what it may move to. */
static bool guard_passes(struct watermark *watermark, const struct identity *identity, struct event_time *moved) {
    for (uint32_t i = 0; i < watermark->guard_count; i++)
        if (identity_equal(watermark->guard[i].identity, *identity)) return false; /* a repeat proves nothing */
    watermark->guard[watermark->guard_count].identity = *identity;
    watermark->guard[watermark->guard_count].time = *moved;
    watermark->guard_count++;
    if (watermark->guard_count < WATERMARK_JUMP_CLICKS) return false;
    for (uint32_t i = 0; i < watermark->guard_count; i++)
        if (watermark->guard[i].time.ms < moved->ms) *moved = watermark->guard[i].time;
    for (uint32_t i = 0; i < watermark->guard_count; i++) COSTLY_CHECK(watermark->guard[i].time.ms >= moved->ms);
    watermark->guard_count = 0;
    return true;
}

void watermark_click(struct watermark *watermark, const struct rules *rules, struct event_time time,
                     struct wall_time arrival, const struct identity *identity) {
    CHECK(watermark->guard_count < WATERMARK_JUMP_CLICKS);
    COSTLY_CHECK(watermark_in_order(watermark));
    CHECKF(time.ms >= 0, "a click of %lld ms", (long long)time.ms); /* decoding refuses them */
    struct event_time reached = {time.ms < arrival.ms ? time.ms : arrival.ms};
    bool first = watermark->clicks++ == 0;
    if (!first && !event_time_is_none(watermark->seen) && reached.ms > watermark->seen.ms + WATERMARK_JUMP_MS) {
        if (!guard_passes(watermark, identity, &reached)) return;
    } else {
        watermark->guard_count = 0;
    }
    CHECK(!first || watermark->guard_count == 0); /* I8: the first click moves it at once */
    if (reached.ms <= watermark->seen.ms) return;
    CHECK(reached.ms <= arrival.ms);
    watermark->seen = reached;
    watermark_raise(watermark, rules);
}

void watermark_tick(struct watermark *watermark, const struct rules *rules, struct event_time floor) {
    if (floor.ms <= watermark->seen.ms) return;
    watermark->seen = floor;
    watermark_raise(watermark, rules);
}

void watermark_rules(struct watermark *watermark, const struct rules *rules) {
    watermark_raise(watermark, rules);
}

bool watermark_equal(const struct watermark *a, const struct watermark *b) {
    if (a->seen.ms != b->seen.ms || a->w.ms != b->w.ms || a->s.ms != b->s.ms || a->d.ms != b->d.ms) return false;
    if (a->clicks != b->clicks || a->guard_count != b->guard_count) return false;
    for (uint32_t i = 0; i < a->guard_count; i++)
        if (!identity_equal(a->guard[i].identity, b->guard[i].identity) || a->guard[i].time.ms != b->guard[i].time.ms)
            return false;
    return true;
}

void watermark_encode(const struct watermark *watermark, struct buffer *out) {
    CHECK(watermark->guard_count < WATERMARK_JUMP_CLICKS);
    buffer_put_u64(out, (uint64_t)watermark->seen.ms);
    buffer_put_u64(out, (uint64_t)watermark->w.ms);
    buffer_put_u64(out, (uint64_t)watermark->s.ms);
    buffer_put_u64(out, (uint64_t)watermark->d.ms);
    buffer_put_u64(out, watermark->clicks);
    buffer_put_u32(out, watermark->guard_count);
    for (uint32_t i = 0; i < watermark->guard_count; i++) {
        buffer_put_u64(out, watermark->guard[i].identity.low);
        buffer_put_u64(out, watermark->guard[i].identity.high);
        buffer_put_u64(out, (uint64_t)watermark->guard[i].time.ms);
    }
}

struct watermark watermark_decode(struct reader *reader) {
    struct watermark watermark;
    watermark_init(&watermark);
    watermark.seen.ms = (int64_t)reader_u64(reader);
    watermark.w.ms = (int64_t)reader_u64(reader);
    watermark.s.ms = (int64_t)reader_u64(reader);
    watermark.d.ms = (int64_t)reader_u64(reader);
    watermark.clicks = reader_u64(reader);
    uint32_t guard_count = reader_u32(reader);
    if (guard_count >= WATERMARK_JUMP_CLICKS) reader->bad = true;
    for (uint32_t i = 0; !reader->bad && i < guard_count; i++) {
        watermark.guard[i].identity.low = reader_u64(reader);
        watermark.guard[i].identity.high = reader_u64(reader);
        watermark.guard[i].time.ms = (int64_t)reader_u64(reader);
    }
    watermark.guard_count = reader->bad ? 0 : guard_count;
    CHECK(watermark.guard_count < WATERMARK_JUMP_CLICKS);
    return watermark;
}
