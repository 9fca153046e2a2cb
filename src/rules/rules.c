#include "rules/rules.h"

#include "base/check.h"

enum { SPAN_DAYS_MAX = 400 };

static enum status validate_span(const char *name, int64_t span_ms, struct failure *failure) {
    int64_t span_ms_max = (int64_t)SPAN_DAYS_MAX * 24 * HOUR_MS;
    if (span_ms >= 0 && span_ms <= span_ms_max) return STATUS_OK;
    return failure_set(failure, STATUS_BAD_CONFIG, "%s is %lld ms, but must lie between 0 and %d days", name,
                       (long long)span_ms, SPAN_DAYS_MAX);
}

enum status rules_validate(const struct rules *rules, struct failure *failure) {
    enum status status = validate_span("delay", rules->delay_ms, failure);
    if (status == STATUS_OK) status = validate_span("lateness", rules->lateness_ms, failure);
    if (status == STATUS_OK) status = validate_span("horizon", rules->horizon_ms, failure);
    if (status == STATUS_OK) status = validate_span("max skew", rules->max_skew_ms, failure);
    if (status != STATUS_OK) return status;
    if (rules->max_skew_ms < SECOND_MS)
        return failure_set(
            failure, STATUS_BAD_CONFIG,
            "max skew is %lld ms, but must be at least 1 s: two clocks of one machine never agree to the millisecond",
            (long long)rules->max_skew_ms);
    if (rules->partition_count < 1 || rules->partition_count > PARTITIONS_MAX)
        return failure_set(failure, STATUS_BAD_CONFIG, "partitions is %u, but must lie between 1 and %d",
                           rules->partition_count, PARTITIONS_MAX);
    if (rules->identity_mode > 1 || rules->canonical_version != 1)
        return failure_set(failure, STATUS_BAD_CONFIG, "identity mode %u with canonical form version %u is not known",
                           rules->identity_mode, rules->canonical_version);
    /* I6: an identical copy is then always remembered or too late, so it is never counted twice. */
    if (rules->horizon_ms < rules->lateness_ms + MINUTE_MS)
        return failure_set(failure, STATUS_BAD_CONFIG,
                           "horizon is %lld s and lateness is %lld s: the horizon must be at least the lateness and 60 s",
                           (long long)(rules->horizon_ms / SECOND_MS), (long long)(rules->lateness_ms / SECOND_MS));
    return STATUS_OK;
}

void rules_encode(const struct rules *rules, struct buffer *out) {
    const size_t before = out->len;
    CHECK(rules_validate(rules, NULL) == STATUS_OK);
    buffer_put_u32(out, rules->number);
    buffer_put_u32(out, rules->partition_count);
    buffer_put_u64(out, (uint64_t)rules->delay_ms);
    buffer_put_u64(out, (uint64_t)rules->lateness_ms);
    buffer_put_u64(out, (uint64_t)rules->horizon_ms);
    buffer_put_u64(out, (uint64_t)rules->max_skew_ms);
    buffer_put_u8(out, rules->identity_mode);
    buffer_put_u8(out, rules->canonical_version);
    CHECK(out->len - before == RULES_BYTES);
}

struct rules rules_decode(struct reader *reader) {
    struct rules rules = {
        .number = reader_u32(reader),
        .partition_count = reader_u32(reader),
    };
    rules.delay_ms = (int64_t)reader_u64(reader);
    rules.lateness_ms = (int64_t)reader_u64(reader);
    rules.horizon_ms = (int64_t)reader_u64(reader);
    rules.max_skew_ms = (int64_t)reader_u64(reader);
    rules.identity_mode = reader_u8(reader);
    rules.canonical_version = reader_u8(reader);
    if (!reader->bad && rules_validate(&rules, NULL) != STATUS_OK) reader->bad = true;
    return rules;
}

bool rules_equal(const struct rules *a, const struct rules *b) {
    return a->partition_count == b->partition_count && a->delay_ms == b->delay_ms && a->lateness_ms == b->lateness_ms &&
           a->horizon_ms == b->horizon_ms && a->max_skew_ms == b->max_skew_ms && a->identity_mode == b->identity_mode &&
           a->canonical_version == b->canonical_version;
}
