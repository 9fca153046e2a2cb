/* rank_memo.h: rankings that were asked for already, and the memory that computing one needs. Thread-safe, with a lock that
 * is held for a few instructions: readers of the view share it. */
#pragma once

#include "view/view.h"

enum { RANK_MEMO_ENTRIES = 256, RANK_MEMO_ADS_MAX = 1000 };

struct rank_memo;
struct rank_memo *rank_memo_create(void);
void rank_memo_destroy(struct rank_memo *memo);

/* A ranking by a stored filter (0: of all clicks) of at least `count_max` ads (or of all there are) of [from, to), made when
 * the range's counts last changed at `changes`. */
bool rank_memo_find(struct rank_memo *memo, uint32_t filter_id, struct minute from, struct minute to, uint64_t changes,
                    struct ranked_ad *out, size_t count_max, size_t *count);
/* `complete`: there are no more ads than these with a click. */
void rank_memo_keep(struct rank_memo *memo, uint32_t filter_id, struct minute from, struct minute to, uint64_t changes,
                    const struct ranked_ad *ads, size_t count, bool complete);
void rank_memo_clear(struct rank_memo *memo);
uint64_t rank_memo_bytes(struct rank_memo *memo); /* without arrays that are out */

/* An array of `count` 32-bit counts with any content; give it back. */
uint32_t *rank_memo_take_counts(struct rank_memo *memo, uint32_t count);
void rank_memo_give_counts(struct rank_memo *memo, uint32_t *counts, uint32_t count);
