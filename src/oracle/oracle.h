/* oracle.h: the slow, obviously right count: sort and count, from the definitions. It shares nothing with the fast path but
 * the click struct and the plain definition of what a filter matches: no watermark.c, no dedup, no cells, no atoms; every
 * value is recomputed from its definition. */
#pragma once

#include "aggregate/verdict.h"
#include "click/click.h"
#include "filter/filters.h"
#include "rules/rules.h"

enum oracle_kind { ORACLE_CLICK, ORACLE_TICK, ORACLE_RULES, ORACLE_FILTER };

/* One record of the journal. The bytes of a click and the filter of a filter record are the oracle's own copies. */
struct oracle_record {
    enum oracle_kind kind;
    uint32_t partition;
    struct journal_offset offset;
    struct wall_time arrival;
    struct click click;
    struct rules rules;
    struct event_time floor;
    uint64_t commit; /* the number of the journal's record that holds it: the order between partitions */
    struct filter_record filter_record;
    enum verdict verdict; /* out */
};

struct oracle_cell {
    struct bytes ad_id;
    struct minute minute;
    struct country country;
    uint64_t count;
};

struct oracle;
struct oracle *oracle_create(void);
void oracle_destroy(struct oracle *oracle);
/* In offset order within each partition; copies. */
void oracle_add(struct oracle *oracle, const struct oracle_record *record);
/* Judges and counts. Afterwards: */
void oracle_count(struct oracle *oracle);
const struct oracle_record *oracle_records(const struct oracle *oracle, size_t *count); /* by partition, then offset */
const struct oracle_cell *oracle_cells(const struct oracle *oracle, size_t *count);     /* by ad id, minute, country */
/* The plain scan: the counted clicks that the filter matches, as cells in the same order; the caller frees them. */
struct oracle_cell *oracle_filter_cells(const struct oracle *oracle, const struct filter *filter, size_t *count);
