/* cells.h: a run of cells, sorted by (ad, country), as bytes: three columns, delta and varint coded, the compressor's best
 * food. Bytes: docs/format/store.md. Only store/ (and its tests) include this. */
#pragma once

#include "base/bytes.h"
#include "base/codec.h"
#include "store/store.h"

enum {
    /* A run ends at an ad's last cell, so an ad lies within one run; only an ad with more countries than this makes a
     * longer one. */
    CELLS_RUN = 4096,
    CELLS_RUN_MAX = COUNTRY_CODES,
};
_Static_assert((int)CELLS_RUN_MAX >= (int)CELLS_RUN, "one ad with every country fits into a run");

/* How many of `cells` the first run takes: 1 to CELLS_RUN_MAX for count > 0. CHECKs their order. */
size_t cells_run_length(const struct cell *cells, size_t count);
void cells_encode(const struct cell *cells, size_t count, struct buffer *out);

/* The decoders take bytes that may be damaged: `reader->bad` then. */
struct cells {
    struct cell *at; /* owned, reused from run to run */
    size_t count, capacity;
};
void cells_fini(struct cells *cells);
/* Replaces the content of `out`; empty when bad. */
void cells_decode(struct reader *reader, struct cells *out);
/* Only the cells of one ad: skips the rest without building it. */
void cells_decode_ad(struct reader *reader, uint32_t ad, struct cells *out);
