/* audit.h: the independent count: a journal counted again by the oracle's method (sort and count, from the definitions), and
 * what a view says compared with it, cell by cell and total by total. */
#pragma once

#include "journal/journal.h"
#include "oracle/oracle.h"
#include "view/view.h"

/* All that the record holds, as the oracle takes it. In the log's order. */
void audit_add_record(struct oracle *oracle, const struct journal_record *record);
/* Replays the journal from where it stands to its end into a new oracle, which the caller destroys, and counts. Memory:
 * about 500 bytes a click. */
enum status audit_count_journal(struct journal *journal, struct oracle **out, struct failure *failure) MUST_USE;

/* Each costs a scan of all clicks. */
enum { AUDIT_FILTERS_MAX = 64 };

struct audit_result {
    uint64_t clicks;                                 /* in the journal */
    uint64_t counted, duplicate, conflict, too_late; /* by the oracle */
    uint64_t cells;                                  /* by the oracle */
    uint64_t filters;                                /* compared; of more than AUDIT_FILTERS_MAX an even choice */
    uint64_t differences;                            /* cells and totals that differ */
    char first_difference[512];                      /* in words, or empty */
};

/* Compares cells, totals, and of the stored filters what each counts of each ad from where it covers. The view must hold all
 * that the oracle has counted; filters that it has not been given yet it gets here. It must be allowed to rank any number of
 * cells (view_bounds.ranking_cells_max). */
enum status audit_compare(struct view *view, const struct ads *ads, const struct oracle *oracle, struct audit_result *result,
                          struct failure *failure) MUST_USE;
