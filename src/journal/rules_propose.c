/* A proposal becomes rules: what was given replaces what is in force, the rest stays (I2: configuration only proposes). */
#include "base/check.h"
#include "journal/journal_internal.h"

enum {
    DEFAULT_DELAY_MS = 15 * SECOND_MS,
    DEFAULT_LATENESS_MS = 24 * HOUR_MS,
    DEFAULT_MAX_SKEW_MS = 60 * SECOND_MS,
    DEFAULT_PARTITIONS = 4,
    CANONICAL_VERSION = 1,
};

enum status rules_propose(const struct rules_proposal *proposal, const struct rules *current, struct rules *out,
                          struct failure *failure) {
    struct rules rules = *current;
    bool new = current->number == 0;
    if (new) {
        rules.delay_ms = DEFAULT_DELAY_MS;
        rules.lateness_ms = DEFAULT_LATENESS_MS;
        rules.horizon_ms = 0;
        rules.max_skew_ms = DEFAULT_MAX_SKEW_MS;
        rules.identity_mode = 0; /* content */
        rules.canonical_version = CANONICAL_VERSION;
        if (rules.partition_count == 0)
            rules.partition_count = proposal->has_partitions ? proposal->partition_count : DEFAULT_PARTITIONS;
    }
    if (proposal->has_partitions && proposal->partition_count != rules.partition_count)
        return failure_set(failure, STATUS_BAD_CONFIG, "partitions is %u, but the journal has %u, which can never change",
                           proposal->partition_count, rules.partition_count);
    if (proposal->has_delay) rules.delay_ms = proposal->delay_ms;
    if (proposal->has_lateness) rules.lateness_ms = proposal->lateness_ms;
    if (proposal->has_max_skew) rules.max_skew_ms = proposal->max_skew_ms;
    if (proposal->has_identity_mode) rules.identity_mode = proposal->identity_mode;
    if (proposal->has_horizon) {
        rules.horizon_ms = proposal->horizon_ms;
    } else {
        int64_t shortest_ms; /* a lateness that overflows here is refused below for its own sake */
        if (!__builtin_add_overflow(rules.lateness_ms, MINUTE_MS, &shortest_ms) && rules.horizon_ms < shortest_ms)
            rules.horizon_ms = shortest_ms;
    }
    enum status status = rules_validate(&rules, failure);
    if (status != STATUS_OK) return status;
    CHECK(rules.horizon_ms >= rules.lateness_ms + MINUTE_MS); /* I6 */
    if (new || !rules_equal(&rules, current)) {
        CHECK(current->number < UINT32_MAX);
        rules.number = current->number + 1;
    }
    *out = rules;
    return STATUS_OK;
}
