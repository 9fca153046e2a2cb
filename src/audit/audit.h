/* audit.h: the independent count: a journal counted again by the oracle's method (sort and count, from the definitions), and
 * what a view says compared with it, cell by cell and total by total. */
#pragma once

#include "journal/journal.h"
#include "oracle/oracle.h"
#include "view/view.h"

/* Replays the journal from where it stands to its end into a new oracle, which the caller destroys, and counts. Memory:
 * about 500 bytes a click. */
enum status audit_count_journal(struct journal *journal, struct oracle **out, struct failure *failure) MUST_USE;

struct audit_result {
    uint64_t clicks;                                 /* in the journal */
    uint64_t counted, duplicate, conflict, too_late; /* by the oracle */
    uint64_t cells;                                  /* by the oracle */
    uint64_t differences;                            /* cells and totals that differ */
    char first_difference[512];                      /* in words, or empty */
};

/* Compares. The view must hold all that the oracle has counted. */
enum status audit_compare(struct view *view, const struct ads *ads, const struct oracle *oracle, struct audit_result *result,
                          struct failure *failure) MUST_USE;
