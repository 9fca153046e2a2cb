/* slices.h: the recent closed minutes in memory by (country, ad) and by (atom, ad, country), for filtered counts and
 * rankings without the store (docs/adr/0014). The sibling of view/window.h, which has all clicks by ad only.
 *
 * [from, closed_before) is covered: every cell of these minutes, summed over the partitions, is here. It grows at both ends:
 * the newest minute is appended when it has closed, the past is filled in backwards beside that. Only a cache, bounded in
 * memory and to WINDOW_MINUTES_MAX; inactive until it is begun, and then it costs nothing.
 *
 * A question gives the selection (filter/selection.h) and, where it is wanted, what all clicks of any country are ("plain",
 * from the window): a selection of most countries is plain minus the others. The range must begin where the filter covers,
 * else atoms that were interned at different times may sum to less than nothing (CHECKed).
 *
 * One writer (the reducer, under the view's write lock where said); readers under the read lock. */
#pragma once

#include "filter/selection.h"
#include "view/slice_vector.h"
#include "view/window.h"

/* Keys. Those of atoms are above all of those of countries: ads and atoms are below 2^24, countries below 2^15. */
static inline uint64_t slice_key_country(struct country country, uint32_t ad) {
    return (uint64_t)country.code << 24 | ad;
}
/* `atom` >= 1. */
static inline uint64_t slice_key_atom(uint32_t atom, uint32_t ad, struct country country) {
    return (uint64_t)atom << 40 | (uint64_t)ad << 16 | country.code;
}
static inline uint32_t slice_key_atom_of(uint64_t key) {
    return (uint32_t)(key >> 40);
}
static inline uint32_t slice_key_atom_ad(uint64_t key) {
    return (uint32_t)(key >> 16) & 0xFFFFFF;
}
static inline struct country slice_key_atom_country(uint64_t key) {
    return (struct country){(uint16_t)key};
}
#define SLICE_KEY_FIRST_ATOM (UINT64_C(1) << 40)

/* All of an atom's, and of an ad's of it. */
struct slice_keys {
    uint64_t first, last;
};
static inline struct slice_keys slice_keys_atom(uint32_t atom) {
    uint64_t first = slice_key_atom(atom, 0, (struct country){0});
    return (struct slice_keys){first, first | (SLICE_KEY_FIRST_ATOM - 1)};
}
static inline struct slice_keys slice_keys_atom_ad(uint32_t atom, uint32_t ad) {
    uint64_t first = slice_key_atom(atom, ad, (struct country){0});
    return (struct slice_keys){first, first | UINT16_MAX};
}

struct slices;

struct slices *slices_create(uint64_t memory_bytes_max);
void slices_destroy(struct slices *slices);

/* --- the writer's side --- */

bool slices_active(const struct slices *slices);
/* Under the write lock: active from now on, covering [closed_before, closed_before): nothing yet. */
void slices_begin(struct slices *slices, struct minute closed_before);
/* Under the write lock: lets go of everything; inactive until begun again. Not between prepare and commit. */
void slices_reset(struct slices *slices);
/* Beside readers: frees what commits and resets let go of, which may take milliseconds. Each prepare does it too. */
void slices_clean(struct slices *slices);

/* Whether a click into this minute must be added: the minute is covered. */
bool slices_hold(const struct slices *slices, struct minute minute);
/* Under the write lock: adds to a key of a covered minute. Between the reading of a minute's items and the commit that
 * brings them, nothing may be counted into it: it would be missed. Not between prepare and commit. */
void slices_add_late(struct slices *slices, struct minute minute, uint64_t key, uint64_t count);
/* Under the write lock, after a round of slices_add_late and before readers come back: sorts in what was added. Without it
 * everything below fails its CHECK. Cheap when nothing was added. */
void slices_settle(struct slices *slices);

/* Costly steps beside readers (prepare), then the swap under the write lock (commit). One at a time. `items` are all of the
 * minute's, over all partitions, in any order, equal keys allowed; they are used as working memory and stay the caller's. */

/* The minute, not before closed_before, is appended; minutes skipped have no clicks. */
void slices_close_prepare(struct slices *slices, struct minute minute, struct slice *items, size_t count);
void slices_close_commit(struct slices *slices);
/* The minute before `from` is wanted; false: inactive, 25 h are covered, or memory is full. */
bool slices_fill_minute(const struct slices *slices, struct minute *minute);
/* It is prepended, unless it turns out not to fit; then memory is full until the next slices_begin. */
void slices_fill_prepare(struct slices *slices, struct slice *items, size_t count);
void slices_fill_commit(struct slices *slices);
/* Folds the late clicks of one minute that has many into its vector; false: no minute has. To be asked after each round. */
bool slices_fold_prepare(struct slices *slices);
void slices_fold_commit(struct slices *slices);

/* --- the readers' side --- */

/* [from, closed_before) is covered; both UINT32_MAX while inactive. */
struct minute slices_from(const struct slices *slices);
struct minute slices_closed_before(const struct slices *slices);

/* One ad over [from, to), which must be covered. `plain`: all its clicks in [from, to), from the window; wanted if
 * slices_count_needs_plain, else ignored. For a series: minute by minute. */
uint64_t slices_count(const struct slices *slices, const struct selection *selection, uint32_t ad, struct minute from,
                      struct minute to, uint64_t plain);
bool slices_count_needs_plain(const struct slices *slices, const struct selection *selection);

/* How slices_sum will go about it: for the same slices, selection and range, under the same read lock. */
struct slices_plan {
    bool needs_plain;   /* dense[] must hold the plain counts of [from, to) before; else zeros */
    bool subtract_rest; /* of all clicks, the countries that are not selected are visited, and subtracted */
    uint64_t entries;   /* that will be visited, 2 to 6 ns each; rounded up to groups */
};
struct slices_plan slices_plan(const struct slices *slices, const struct selection *selection, struct minute from,
                               struct minute to);
/* Makes dense[] the selection's count of every ad over [from, to), which must be covered. Modulo 2^32: exact while all
 * clicks of the range are fewer, as they are wherever the window covers it. All ads that have clicks are below ad_count. */
void slices_sum(const struct slices *slices, const struct selection *selection, const struct slices_plan *plan,
                struct minute from, struct minute to, uint32_t *dense, uint32_t ad_count);

struct slices_usage {
    uint64_t bytes, bytes_max, minutes, entries; /* minutes with clicks; their entries */
    struct minute from;                          /* the first minute that is covered */
};
struct slices_usage slices_usage(const struct slices *slices);
