/* filter_request.h: filters as people and programs hand them in, for POST /v1/filters and for files: read here, journalled
 * by the node.
 *
 * JSON: one object or an array of them, with `filter_id` (a number or a string of digits), `region`, `ip`, `user_id` (text
 * of the filter grammar, or an array of values: one of them, each taken as it stands; absent: any) and `ranked` (a boolean;
 * absent: false). CSV (RFC 4180): a line of names, in any order: filter_id, region, ip, user_id and, if wanted, ranked (true
 * or false); empty lines are passed over. So that an exported table can be read again, it may have the columns covers_from
 * and number, which are not read, and deleted: rows with true are passed over. */
#pragma once

#include "filter/filter.h"
#include "reply/reply.h"

enum filter_request_form { FILTER_REQUEST_JSON, FILTER_REQUEST_CSV };

/* 1..FILTER_CHANGES_MAX filters, in the order of the request, each with an id of its own. */
struct filter_list {
    struct filter **filters;
    uint32_t *rows; /* where each was in the request, as `row` of a flaw */
    size_t count;
};
void filter_list_fini(struct filter_list *list);

struct filter_request_flaw {
    char field[68]; /* "filter_id", "region", "ip", "user_id", "ranked", or a name that there is not; "": none is at fault */
    uint32_t row;   /* JSON: in the array, from 1; CSV: number of the line, from 1; 0: the request as a whole */
    char text[320]; /* what is wrong, in a sentence that names the field */
};

/* False: nothing of it is taken (`*out` is empty), and the first flaw is in `flaw`. */
bool filter_request_parse(struct bytes body, enum filter_request_form form, struct filter_list *out,
                          struct filter_request_flaw *flaw) MUST_USE;
/* The row of the list's filter of this id; 0: it was no list, or there is none. */
uint32_t filter_list_row(const struct filter_list *list, uint32_t id);
/* "row 7: region: \"Atlantis\" is no ...", appended. */
void filter_request_flaw_text(const struct filter_request_flaw *flaw, struct buffer *out);
/* 400 `bad-filter` with members `field` and `row` where there are such. */
void filter_request_refuse(const struct filter_request_flaw *flaw, struct reply *reply);
void filter_request_refuse_flaw(const struct filter_flaw *flaw, struct reply *reply);
/* The id of a path segment, /v1/filters/{filter_id}. False after a problem. */
bool filter_request_path_id(struct bytes segment, uint32_t *id, struct reply *reply) MUST_USE;
