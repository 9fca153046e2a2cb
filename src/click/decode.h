/* decode.h: one line of input to one click, or the reason why not. Thread-safe; one `struct decoder` per thread at a time.
 *
 * A decoder holds scratch memory only: the click's views point into the line or into the decoder's scratch, and are valid
 * until the next call with the same decoder.
 */
#pragma once

#include "click/click.h"
#include "click/reject.h"

enum { DECODE_PADDING_BYTES = 64 }; /* readable (any content) after the end of a line handed to decode_json */

struct decoder;
struct decoder *decoder_create(void);
void decoder_destroy(struct decoder *decoder);

/* Whether clicks without event_id are taken (`identity.without_event_id`). */
enum identity_mode { IDENTITY_MODE_CONTENT = 0, IDENTITY_MODE_REJECT = 1 };

struct decode_rules {
    enum identity_mode mode;
    struct wall_time now; /* the arrival that the future is measured from */
    int64_t max_skew_ms;  /* I8: later than now + max_skew_ms is REJECT_FUTURE_TIMESTAMP */
};

/* Fills in everything of `click` but source, identity and content_tag. On a reject, `detail` (at least DECODE_DETAIL_BYTES)
 * gets one sentence naming the member and what was expected; it never quotes user_id or ip. */
enum { DECODE_DETAIL_BYTES = 256 };
enum reject decode_json(struct decoder *decoder, struct bytes line, const struct decode_rules *rules, struct click *click,
                        char *detail);
enum reject decode_log_line(struct decoder *decoder, struct bytes line, const struct decode_rules *rules,
                            struct click *click, char *detail);
