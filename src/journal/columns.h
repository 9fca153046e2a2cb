/* columns.h: clicks as columns, on their way into the journal. Plain memory, no thread of its own.
 *
 * Billing columns (identity, tag, time, country, ad, event id, source) and personal columns (user, ip, texts as supplied)
 * are kept apart from the first moment, since the second can be erased later. docs/format/journal.md has the bytes. */
#pragma once

#include "click/click.h"

/* One partition's clicks. {0} is empty. */
struct columns {
    uint32_t count;
    /* billing, one entry a click */
    struct buffer identities;   /* 16 bytes each */
    struct buffer content_tags; /* 4 */
    struct buffer times;        /* 8, ms */
    struct buffer countries;    /* 2 */
    struct buffer ad_lengths;   /* 1 */
    struct buffer ad_bytes;
    struct buffer event_id_lengths; /* 1, 0 = none */
    struct buffer event_id_bytes;
    struct buffer source_lengths; /* 1 */
    struct buffer source_bytes;
    /* personal */
    struct buffer user_lengths; /* 1 */
    struct buffer user_bytes;
    struct buffer ips;   /* 1 kind, 1 mask, then 4 or 16 bytes */
    struct buffer forms; /* 1: time_form | country_form << 3 | ip_form << 5 */
    struct buffer texts; /* for each VERBATIM form, in the order time, country, ip: varint length, bytes */
};

/* The click's identity must have been made. Copies everything. */
void columns_append(struct columns *columns, const struct click *click);
void columns_append_all(struct columns *to, const struct columns *from);
void columns_clear(struct columns *columns); /* keeps the memory */
void columns_fini(struct columns *columns);
size_t columns_bytes(const struct columns *columns);
