/* compare.h: what the two halves of the comparison share: compare.c, and filter_compare.c for the answers by filter. */
#pragma once

#include "oracle/oracle.h"
#include "sim/world.h"

/* Of all clicks, or of those that a filter matches; sorted by ad, minute, country. */
struct oracle_counts {
    const struct oracle_cell *cells;
    size_t count;
};

/* Of one ad, or of all (an empty id). */
uint64_t oracle_counts_sum(const struct oracle_counts *counts, struct bytes ad_id, struct minute from, struct minute to);
/* The answer to `popular_ads?query` that is in world->answer: the ranking of [from, to), cut at `count_max`. */
void compare_ranking_answer(struct world *world, const char *query, const struct oracle_counts *counts, struct minute from,
                            struct minute to, size_t count_max);

/* The node's filters and everything that is answered by them, against the plain scan. */
void compare_filters(struct world *world, struct node *node, const struct oracle *oracle);
/* What the run met, as the oracle sees it. */
void note_filtered_clicks(struct world *world, const struct oracle *oracle);
