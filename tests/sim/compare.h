/* compare.h: what the parts of the comparison share. */
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

/* The journal on the world's files, judged and counted by the oracle; NULL with the reason. */
struct oracle *count_by_oracle(struct world *world, struct failure *failure);

/* --- compare_journal.c --- */
/* The clicks as texts with their sources, sorted. */
char **oracle_click_texts(const struct oracle *oracle, size_t *count);
void sort_texts(char **texts, size_t count);
void free_texts(char **texts, size_t count);
/* Verdict for verdict. */
void compare_verdicts(struct world *world, const struct oracle *oracle);
void compare_arrivals(struct world *world, const struct oracle *oracle);
/* All that was acknowledged is in the journal. */
void compare_acknowledged(struct world *world, const struct oracle *oracle);
/* How often the jump guard held a click back, and believed one: told by the product's own watermark. */
void note_jumps(struct world *world, const struct oracle *oracle);
/* How often the log's rules changed. */
void note_rules(struct world *world, const struct oracle *oracle);

/* --- compare_laws.c --- */
/* Sum of minutes = of hours = of days = counted, of every ad. */
void compare_all_widths(struct world *world, struct node *node, const struct oracle *oracle);
/* I4: what came in, what was judged, and the cells at every width add up to each other and to the oracle's count. */
void compare_laws(struct world *world, struct node *node, const struct oracle *oracle);

/* --- compare_answers.c --- */
void compare_sealed(struct world *world, const struct oracle *oracle);
/* Synced bytes were destroyed. Drops the sealed answers that what is left cannot give any more: those with other numbers,
 * which is right only when clicks are gone (`shrunk`), and those of minutes that are not sealed any more, since what sealed
 * them is gone. */
void forget_sealed(struct world *world, const struct oracle *oracle, bool shrunk);
/* A random question to the node. */
void compare_ranking(struct world *world, struct node *node, const struct oracle *oracle);
void compare_counts(struct world *world, struct node *node, const struct oracle *oracle);

/* --- filter_compare.c, filter_notes.c --- */
/* The node's filters and everything that is answered by them, against the plain scan. */
void compare_filters(struct world *world, struct node *node, const struct oracle *oracle);
/* What the run met, as the oracle sees it. */
void note_filtered_clicks(struct world *world, const struct oracle *oracle);
