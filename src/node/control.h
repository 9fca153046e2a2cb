/* control.h: requests that change the filters (control.c). Internal to node/. */
#pragma once

#include "node/node_internal.h"

enum { FILTERS_RANKED_MAX = 32 };

struct control;

/* A body's session is an intake session or one of these; the address says which, by a bit that no object's address has. */
static inline void *node_session_of_control(struct control *control) {
    return (void *)((uintptr_t)control | 1);
}
static inline struct control *node_control_of_session(void *session) {
    return ((uintptr_t)session & 1) != 0 ? (struct control *)((uintptr_t)session - 1) : NULL;
}

/* True: the request was one of these; it has its answer, or will have. Any thread. */
bool node_control_begin(struct node *node, const struct request_head *head, void *request, void **session,
                        bool *body_wanted);
void node_control_feed(struct control *control, struct bytes bytes);
void node_control_end(struct node *node, struct control *control);
void node_control_abort(struct node *node, struct control *control);

/* The journal step's: takes one change off the queue. True when there was one. */
bool node_commit_control(struct node *node);
/* At start, after the replay. STATUS_BAD_CONFIG: one of them cannot stand, and none was taken. */
enum status node_commit_configured_filters(struct node *node, struct failure *failure) MUST_USE;
/* A record with filters goes to the journal step's registry and to the reducer. */
void node_note_filters(struct node *node, struct journal_record *record);

/* The reducer's: takes over the records that every partition has passed. Under the view's write lock. */
void node_apply_filter_mail(struct node *node);
/* Answers those whose change is in the view. */
bool node_answer_controls(struct node *node);

void node_control_fini(struct node *node);
