/* timestamp.h: moments as text, UTC. Used for clicks and for the parameters of questions. */
#pragma once

#include "click/click.h"

/* Epoch milliseconds (13 digits), seconds (10 digits), RFC 3339 (any offset; fractions are cut to ms), or
 * `YYYY-MM-DD HH:MM:SS` (UTC). 1970 to 9999; leap second :60 is refused. Sets `*form`. */
bool timestamp_parse(struct bytes text, struct event_time *time, uint8_t *form);
/* The above and `YYYYMMDDHHMM` (12 digits, UTC): what questions accept. */
bool timestamp_parse_question(struct bytes text, struct event_time *time);
enum { TIMESTAMP_TEXT_BYTES = 32 };
/* RFC 3339 with Z; milliseconds are written only when not zero. Returns the length. */
size_t timestamp_text(struct event_time time, char text[TIMESTAMP_TEXT_BYTES]);
/* The text as it was supplied, from its form (not VERBATIM, whose text was kept). Returns the length. */
size_t timestamp_text_in_form(struct event_time time, uint8_t form, char text[TIMESTAMP_TEXT_BYTES]);
