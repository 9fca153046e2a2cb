/* value.h: how numbers are written by people: durations, sizes, counts; and the name that a mistyped one was meant to be.
 * The readers return false for anything that is not exactly such a value, also when it does not fit. */
#pragma once

#include "base/bytes.h"

#define KIBIBYTE UINT64_C(1024)
#define MEBIBYTE (1024 * KIBIBYTE)
#define GIBIBYTE (1024 * MEBIBYTE)
#define TEBIBYTE (1024 * GIBIBYTE)

/* "250ms", "15s", "96h1m", "2d": digits and unit (d h m s ms), larger units first, each at most once. Without a unit only
 * "0". */
bool value_read_duration(struct bytes text, int64_t *ms);
/* "2GiB", "64KiB" (also MiB, TiB), decimal "5GB", "5MB", "5kB", "5TB", "5B", or a bare number of bytes. */
bool value_read_size(struct bytes text, uint64_t *bytes);
/* Decimal digits. */
bool value_read_count(struct bytes text, uint64_t *count);

/* The shortest form that reads back to the same: "24h1m", "256MiB". `ms` >= 0. */
void value_print_duration(int64_t ms, struct buffer *out);
void value_print_size(uint64_t bytes, struct buffer *out);
/* In double quotes for a message: control bytes as \xNN, what is longer than 60 bytes cut. */
void value_print_quoted(struct bytes text, struct buffer *out);

/* Finds the name that a mistyped one was meant to be: offer all names, then take `best`, NULL if none is near enough: two
 * letters inserted, left out, replaced or swapped with their neighbour; of less than 6 typed, one. */
struct suggestion {
    struct bytes typed;
    const char *best; /* borrowed from the offers */
    unsigned best_distance;
};
void suggestion_offer(struct suggestion *suggestion, const char *name);
