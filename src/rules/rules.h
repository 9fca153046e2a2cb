/* rules.h: the counting rules in force. What can change a number is a record of the journal (I2): these come from the
 * `rules` record, never from configuration, which only proposes one. */
#pragma once

#include "base/bytes.h"
#include "base/codec.h"
#include "base/status.h"
#include "base/units.h"

struct rules {
    uint32_t number; /* 1, 2, 3, ...: one number a change, the same in every partition */
    uint32_t partition_count;
    int64_t delay_ms;
    int64_t lateness_ms;
    int64_t horizon_ms;
    int64_t max_skew_ms;
    uint8_t identity_mode;     /* enum identity_mode of click/decode.h */
    uint8_t canonical_version; /* of the canonical form that identities are made from; 1 */
};

enum { RULES_BYTES = 4 + 4 + 8 * 4 + 1 + 1 };

/* STATUS_BAD_CONFIG, naming both values, when they contradict each other (I6: horizon >= lateness + 60 s) or are out of
 * range (all spans 0 to 400 days, partitions 1 to PARTITIONS_MAX). */
enum status rules_validate(const struct rules *rules, struct failure *failure) MUST_USE;
void rules_encode(const struct rules *rules, struct buffer *out);
/* `reader->bad` when the bytes are cut short or the rules are not valid. */
struct rules rules_decode(struct reader *reader);
/* Apart from the number. */
bool rules_equal(const struct rules *a, const struct rules *b);
