/* recalculate.h: counts a filter's clicks from before its record, beside live traffic (recalculate.c). Internal to node/.
 *
 *   IDLE -> (a filter whose recalculation is wanted, and that does not cover everything) -> COUNTING, a partition after the
 *   other, each a pass over the beginning of the journal -> MARKED in the store -> the reducer makes it visible -> IDLE
 *
 * A partition that is done is remembered in the store: after a restart only the one under way begins again. */
#pragma once

#include "aggregate/backfill.h"
#include "node/history_cells.h"
#include "node/node_internal.h"

struct recalculation {
    pthread_mutex_t lock; /* between the recalculation's step, and the reducer, the end and whoever asks */
    uint32_t run;         /* the number of the filter's record; 0: idle */
    uint32_t filter_id;
    bool ads_stored; /* by the reducer: the ads of all clicks that are counted have lasting numbers */
    uint32_t ads;    /* so many */
    bool marked;
    uint32_t *atoms; /* to be made visible together */
    size_t atom_count;
    struct filter *filter;
    const struct wanted_atom {
        size_t term_index;
        uint32_t atom, born;
    } * wanted;
    uint32_t partition; /* being counted */
    struct journal_scan *scan;
    struct backfill *backfill;
    struct partial partial; /* of the last record; the first `added` of its increments are among the cells */
    size_t added;
    struct history_cells cells;
    bool spilling;                /* the cells have reached their bound, and are being written */
    uint64_t end_record, records; /* of this pass: where it ends at the latest, and how far it is */
};

/* I10: a sixteenth of the memory for filters is the recalculation's; its identities are as many as one partition's. */
uint64_t node_recalculation_cells_bytes_max(const struct node *node);
uint64_t node_recalculation_bytes_max(const struct node *node);
void node_recalculation_init(struct node *node);
void node_recalculation_fini(struct node *node);
/* The reducer's: stores the ads when a run begins, makes what is marked visible when it ends. True when there was
 * something. */
bool node_serve_recalculation(struct node *node);
/* Before the journal goes: nothing of it is read any more. */
void node_end_recalculation(struct node *node);
