/* choice.h: which clicks a question is about: all, those of a stored filter (`filter=ID`), or those of a filter that is
 * asked once (`region=`, `ip=`, `user_id=`). Internal to query/. */
#pragma once

#include "query/parameters.h"
#include "view/view.h"

struct choice {
    bool by_filter;             /* one was named, if only in this question: the answer says from when it covers */
    uint32_t filter_id;         /* 0: all clicks, or asked once */
    struct selection selection; /* the rest is of no meaning without a filter */
    bool covers_part;           /* else everything */
    struct minute covers_from;
    struct filter *once; /* of its own */
    struct filter_term *once_terms;
};

/* The parameters that choice_read reads, for a list of accepted ones. */
#define CHOICE_PARAMETERS "filter", "region", "ip", "user_id"

/* Borrows from the view's filters, so it lives no longer than the read lock. `replaying`: filters may still be unknown.
 * False after a problem. choice_fini in either case. */
bool choice_read(struct parameters *parameters, const struct view *view, bool replaying, struct choice *choice);
void choice_fini(struct choice *choice);
/* NULL: all clicks. */
const struct selection *choice_selection(const struct choice *choice);

/* 422 for a ranking of some of the clicks, not kept: `cost` says why. With a filter to create, whose rankings are. */
void refuse_costly(struct reply *reply, const struct choice *choice, const struct filters *filters, const char *cost);

/* 503: it would be an answer without filters that the journal holds. */
void refuse_while_replaying(struct reply *reply);
/* The stored filter that questions may name. NULL after a problem: 404, or 503 while it may still come. */
const struct stored_filter *find_standing_filter(const struct filters *filters, uint32_t id, bool replaying,
                                                 struct reply *reply);
