/* filter_json.h: a filter as answers show it. */
#pragma once

#include "filter/filters.h"

/* The recalculation that runs. */
struct filter_progress {
    uint32_t filter_id; /* 0: none */
    uint32_t permille;  /* of its passes over the journal */
};

/* {"filter_id","region","ip","user_id","ranked","covers_from","number","words","recalculation"}, appended. The last is null
 * unless it was asked for, else {"status":"waiting"|"running"|"done","done":0 to 1}. */
void filter_json_append(struct buffer *out, const struct filters *filters, const struct stored_filter *stored,
                        const struct filter_progress *progress);
/* {"filter_id","region","ip","user_id","ranked"}: what a POST creates it from, under this id. */
void filter_json_append_definition(struct buffer *out, const struct filter *filter, uint32_t id);
