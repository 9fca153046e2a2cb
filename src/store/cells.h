/* cells.h: a run of cells as bytes: columns, delta and varint coded, the compressor's best food. There are two kinds of run:
 * plain ones (atom 0) sorted by (ad, country), and those of other atoms, which have one column more, sorted by (atom, ad,
 * country). Bytes: docs/format/store.md. Only store/ (and its tests) include this. */
#pragma once

#include "base/bytes.h"
#include "base/check.h"
#include "base/codec.h"
#include "store/store.h"

enum {
    /* A run ends at an ad's last cell (of one atom), so an ad lies within one run; only an ad with more countries than this
     * makes a longer one. */
    CELLS_RUN = 4096,
    CELLS_RUN_MAX = COUNTRY_CODES,
};
_Static_assert((int)CELLS_RUN_MAX >= (int)CELLS_RUN, "one ad with every country fits into a run");

/* Where an ad of an atom stands: atom and ad as one number, in their order. */
static inline uint64_t cell_place(uint32_t atom, uint32_t ad) {
    return (uint64_t)atom << 32 | ad;
}

/* Cells of either kind, borrowed, to be written: one of the two pointers is NULL. */
struct cell_list {
    const struct cell *plain;
    const struct atom_cell *of_atoms;
    size_t count;
};
static inline struct cell_list cell_list_plain(const struct cell *cells, size_t count) {
    CHECK(count == 0 || cells != NULL);
    return (struct cell_list){cells, NULL, count};
}
static inline struct cell_list cell_list_of_atoms(const struct atom_cell *cells, size_t count) {
    CHECK(count == 0 || cells != NULL);
    return (struct cell_list){NULL, cells, count};
}
/* Without the first `skipped` cells. */
static inline struct cell_list cell_list_rest(struct cell_list list, size_t skipped) {
    if (list.plain != NULL) list.plain += skipped;
    if (list.of_atoms != NULL) list.of_atoms += skipped;
    list.count -= skipped;
    return list;
}
static inline uint64_t cell_list_place(const struct cell_list *list, size_t i) {
    return list->of_atoms != NULL ? cell_place(list->of_atoms[i].atom, list->of_atoms[i].ad) : list->plain[i].ad;
}
static inline uint16_t cell_list_country(const struct cell_list *list, size_t i) {
    return list->of_atoms != NULL ? list->of_atoms[i].country.code : list->plain[i].country.code;
}
static inline uint64_t cell_list_clicks(const struct cell_list *list, size_t i) {
    return list->of_atoms != NULL ? list->of_atoms[i].count : list->plain[i].count;
}
/* CHECKs that cell i is one of its kind, and above the one before it. */
void cell_list_check(const struct cell_list *list, size_t i);

/* How many cells the first run takes: 1 to CELLS_RUN_MAX for count > 0. CHECKs their order. */
size_t cells_run_length(struct cell_list list);
/* The first `count` cells as a run. */
void cells_encode(struct cell_list list, size_t count, struct buffer *out);

/* The decoders take bytes that may be damaged: `reader->bad` then. */
struct cells {
    struct cell *at; /* owned, reused from run to run */
    uint32_t *atoms; /* likewise: the atom of each; of a run of atoms only */
    size_t count, capacity;
};
void cells_fini(struct cells *cells);
/* Hands each out as one of the two kinds: one visit is NULL. */
void cells_visit(const struct cells *cells, struct minute minute, store_cell_visit *visit, store_atom_visit *visit_atom,
                 void *context);
/* Replaces the content of `out`; empty when bad. */
void cells_decode(struct reader *reader, struct cells *out);
void cells_decode_atoms(struct reader *reader, struct cells *out);
/* Only the cells of one ad, or from one place to another (included): skips the rest without building it. */
void cells_decode_ad(struct reader *reader, uint32_t ad, struct cells *out);
void cells_decode_places(struct reader *reader, uint64_t first, uint64_t last, struct cells *out);
