/* decode_internal.h: what the files of the decoder share, and what the fuzz target compares. Nobody else's business. */
#pragma once

#include "click/decode.h"
#include "simdjson/json_scan.h"

struct json_t;
struct decoder {
    struct json_scanner *scanner;
    struct json_t *document; /* what the slow path's last click points into; NULL when there is none */
};

/* True: the line is a good click, now in `click`. False: not certain, `click` is meaningless, and the slow path decides.
 * Whatever it says is what the slow path would have said. Allocates nothing. */
bool decode_json_hot(struct decoder *decoder, struct bytes line, const struct decode_rules *rules, struct click *click);
/* Reads any line and gives every code and detail. Its click is valid until the next call of it with this decoder. */
enum reject decode_json_slow(struct decoder *decoder, struct bytes line, const struct decode_rules *rules,
                             struct click *click, char *detail);

/* One field from its text into the click. `detail` may be NULL: then the code alone is wanted. */
enum reject decode_ad_id(struct bytes text, struct click *click, char *detail);
enum reject decode_user_id(struct bytes text, struct click *click, char *detail);
enum reject decode_event_id(struct bytes text, struct click *click, char *detail);
enum reject decode_time(struct bytes text, const struct decode_rules *rules, struct click *click, char *detail);
enum reject decode_time_integer(int64_t number, const struct decode_rules *rules, struct click *click, char *detail);
enum reject decode_ip(struct bytes text, struct click *click, char *detail);
enum reject decode_country(struct bytes text, struct click *click, char *detail);
void decode_no_country(struct click *click);

/* What must hold of a line in either form before it is read. */
enum reject decode_line_bytes(struct bytes line, char *detail);
/* REJECT_MISSING_FIELD for a click without event_id where the rules ask for one. */
enum reject decode_no_event_id(const struct decode_rules *rules, struct click *click, char *detail);
/* CHECKs that a click to be handed out is what click.h promises: the journal has one byte for a length. */
void decode_check_good(const struct click *click);
/* Does nothing when `detail` is NULL; cut to DECODE_DETAIL_BYTES. */
void decode_detail(char *detail, const char *format, ...) __attribute__((format(printf, 2, 3)));
