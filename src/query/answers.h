/* answers.h: the answer to each question, for query.c to choose from, and what they share. Internal to query/. */
#pragma once

#include "query/query.h"

/* The view at one moment with the sums that answers and laws need. */
struct figures {
    const struct view *view;
    struct query_status status;     /* `totals.received` and `accepted` raised as figures_of says */
    struct verdict_totals verdicts; /* over the partitions */
    uint64_t rejected;
    uint64_t pending; /* accepted, but not yet in the view */
    uint64_t version;
    uint64_t rules_number;
    uint64_t filters, filters_ranked, atoms; /* that stand */
    uint64_t intake_violated;                /* I4: 1 when received != accepted + rejected */
    uint64_t partitions_violated;
    uint64_t cells_violated; /* as of the checkpoints */
    struct view_usage usage;
};
struct figures figures_of(const struct view *view, const struct query_status *status);

/* `replaying`: the journal may hold filters that the view does not know yet. */
void answer_count(struct view *view, bool replaying, struct bytes ad_segment, const struct request_head *head,
                  struct reply *reply);
void answer_series(struct view *view, bool replaying, struct bytes ad_segment, const struct request_head *head,
                   struct reply *reply);
void answer_popular(struct view *view, bool replaying, const struct request_head *head, struct reply *reply);
void answer_filters(const struct view *view, bool replaying, const struct filter_progress *progress,
                    const struct request_head *head, struct reply *reply);
void answer_filter(const struct view *view, bool replaying, const struct filter_progress *progress, struct bytes id_segment,
                   const struct request_head *head, struct reply *reply);
void answer_status(const struct view *view, const struct query_status *status, const struct request_head *head,
                   struct reply *reply);
void answer_metrics(const struct view *view, const struct query_status *status, const struct request_head *head,
                    struct reply *reply);

/* The metrics as a page of documentation (docs/metrics.md is this; a test compares them). */
void metrics_document(struct buffer *out);

/* A JSON value: RFC 3339 in quotes, or null when there is none (or it lies before 1970, where no click can be). */
void append_time(struct buffer *out, struct event_time time);
/* 200 with this body, which is moved. */
void answer_json(struct reply *reply, struct buffer *body);
const char *compiler_text(void);
