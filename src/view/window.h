/* window.h: the recent minutes in memory, by ad, for counts and rankings of any window at speed (docs/adr/0013).
 *
 * Every minute has a sparse vector (ad -> count); between them stand cumulative dense vectors: for each ad, its clicks
 * before a minute. A window is the difference of two of these and of the few minutes between them and its ends. All sums are
 * modulo 2^32, which is exact as long as all minutes together hold fewer than 2^32 clicks: beyond, the window covers less.
 *
 * Only a cache of what view and store hold: whatever is not covered is answered from there. One writer (the reducer, under
 * the view's write lock where said); readers under the read lock. Minutes that are not closed in every partition are open
 * here.
 */
#pragma once

#include "view/minute_vector.h"

struct window;

enum {
    WINDOW_MINUTES_MAX = 25 * 60 + 1, /* design: any window within 25 h of event time */
    WINDOW_QUARTER_MINUTES = 15,      /* a cumulative vector stands at least at each quarter of an hour with clicks */
};

struct window *window_create(uint64_t memory_bytes_max);
void window_destroy(struct window *window);

/* --- the writer's side --- */
/* Nothing before `from` is, or will be, held. Before the first add. */
void window_begin(struct window *window, struct minute from);
/* Under the write lock. */
void window_prefetch(const struct window *window, struct minute minute, uint32_t ad);
void window_add(struct window *window, struct minute minute, uint32_t ad, uint64_t count);
/* Applies the late clicks among what was added. Under the write lock, before readers see the cut. */
void window_settle(struct window *window);
/* Closes the next minute that ends at or before `closed_before`, in two steps: the costly one beside readers, then the swap
 * under the write lock. False: there is none. `ad_count`: of the dictionary, now. */
bool window_close_prepare(struct window *window, struct minute closed_before, uint32_t ad_count);
void window_close_commit(struct window *window);

/* --- the readers' side --- */
/* Whether [from, ..) is all here. */
bool window_covers(const struct window *window, struct minute from);
/* Minutes before this one are closed here: an instant later than the watermark closed them. */
struct minute window_closed_before(const struct window *window);
/* The first minute that is here. */
struct minute window_from(const struct window *window);
uint64_t window_count(const struct window *window, uint32_t ad, struct minute from, struct minute to);
/* One minute of one ad. */
uint64_t window_minute_count(const struct window *window, uint32_t ad, struct minute minute);
/* Writes the count of every ad below ad_count into dense[]. */
void window_sum(const struct window *window, struct minute from, struct minute to, uint32_t *dense, uint32_t ad_count);
/* Grows whenever a count of [from, to) changes. */
uint64_t window_changes(const struct window *window, struct minute from, struct minute to);

struct window_usage {
    uint64_t bytes, bytes_max, minutes, vectors;
    struct minute from; /* the first minute that is covered */
};
struct window_usage window_usage(const struct window *window);
