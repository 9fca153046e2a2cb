/* filter_steps.h: the part of a run that changes filters and asks by them: what was answered is what must stand, whatever
 * crashes. */
#pragma once

#include "seam/requests.h"
#include "sim/filter_traffic.h"

struct world;

enum { FILTER_IDS = 48, FILTER_CHANGES = 3, FILTER_WISHES_MAX = 4 };

/* How far a filter is in its life: it only ever moves forward. */
enum filter_stage { FILTER_ABSENT, FILTER_STANDING, FILTER_GONE };

struct known_filter {
    enum filter_stage stage; /* at least */
    bool unsure;             /* a change was asked for and has no answer, or none that tells */
    char *content;           /* as answers gave it, which never changes: its fields with tabs between; NULL: unknown */
    uint32_t number;         /* of its record, the same */
};

enum filter_change_kind { CHANGE_CREATE, CHANGE_DELETE, CHANGE_RECALCULATE };

/* A request that changes filters. */
struct filter_change_request {
    bool taken, begun, ended, answered;
    bool alone; /* no other was under way beside it, and nothing about its filters was unsure: the answer is known */
    enum filter_change_kind kind;
    void *session;
    struct buffer body;
    size_t fed;
    char path[64];
    const char *type;
    struct filter_wish wishes[FILTER_WISHES_MAX];
    size_t wish_count; /* 0: a body without a filter; deletions and recalculations have one, of which the id counts */
    unsigned expected; /* status, when alone */
};

struct world_filters {
    struct known_filter known[FILTER_IDS + 1];
    struct filter_change_request changes[FILTER_CHANGES];
};

void world_filters_fini(struct world *world);
/* One change moves on, or begins. */
void world_step_filter_change(struct world *world);
/* One that stands, if there is one; others come up too. */
uint32_t world_choose_filter(struct world *world);
/* A question by filter; a sealed answer is kept. */
void world_ask_filtered(struct world *world);
/* True when the reply was to one of the changes. */
bool world_take_filter_reply(struct world *world, void *to, const struct reply *reply);
/* The process dies, or has stopped in order. */
void world_drop_filter_changes(struct world *world, bool all_answered);
/* After a start: what was answered stands, and what was unsure becomes known. */
void world_relearn_filters(struct world *world);
bool world_any_filter_stands(const struct world *world);
