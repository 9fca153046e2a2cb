/* filter_steps.c: changes of the filters, and what their answers promise. */
#include "sim/filter_steps.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "sim/world.h"

static void free_change(struct filter_change_request *change) {
    buffer_fini(&change->body);
    *change = (struct filter_change_request){.taken = false};
}

void world_filters_fini(struct world *world) {
    for (size_t i = 0; i < FILTER_CHANGES; i++) free_change(&world->filters.changes[i]);
    for (size_t i = 0; i <= FILTER_IDS; i++) free(world->filters.known[i].content);
}

bool world_any_filter_stands(const struct world *world) {
    for (uint32_t id = 1; id <= FILTER_IDS; id++)
        if (world->filters.known[id].stage == FILTER_STANDING) return true;
    return false;
}

/* --- what is known --- */

static void learn_content(struct world *world, uint32_t id, const json_t *filter) {
    struct known_filter *known = &world->filters.known[id];
    uint32_t number = (uint32_t)json_integer_value(json_object_get(filter, "number"));
    char text[512];
    (void)snprintf(text, sizeof text, "%s\t%s\t%s\t%s", json_string_value(json_object_get(filter, "region")),
                   json_string_value(json_object_get(filter, "ip")), json_string_value(json_object_get(filter, "user_id")),
                   json_is_true(json_object_get(filter, "ranked")) ? "ranked" : "");
    if (known->content != NULL) {
        if (strcmp(known->content, text) != 0 || known->number != number)
            world_problem(world, "filter %u changed: it was %s (%u), is %s (%u)", id, known->content, known->number, text,
                          number);
        return;
    }
    known->number = number;
    known->content = memory_allocate(strlen(text) + 1);
    memcpy(known->content, text, strlen(text) + 1);
}

static void reach(struct world *world, uint32_t id, enum filter_stage stage) {
    struct known_filter *known = &world->filters.known[id];
    if (stage > known->stage) known->stage = stage;
}

void world_relearn_filters(struct world *world) {
    char path[64];
    for (uint32_t id = 1; id <= FILTER_IDS && world->problem[0] == '\0'; id++) {
        struct known_filter *known = &world->filters.known[id];
        (void)snprintf(path, sizeof path, "/v1/filters/%u", id);
        world_ask(world, world->node, path, "");
        bool deleted = memmem(world->answer.at, world->answer.len, "deleted", 7) != NULL;
        enum filter_stage stage = world->answer_status == 200              ? FILTER_STANDING
                                  : world->answer_status == 404 && deleted ? FILTER_GONE
                                                                           : FILTER_ABSENT;
        if (world->answer_status != 200 && world->answer_status != 404)
            world_problem(world, "%s: status %u", path, world->answer_status);
        if (stage < known->stage || (stage > known->stage && !known->unsure))
            world_problem(world, "filter %u is at stage %d, but %d was answered", id, (int)stage, (int)known->stage);
        known->stage = stage;
        known->unsure = false;
        if (stage != FILTER_STANDING) continue;
        json_t *filter = json_loadb((const char *)world->answer.at, world->answer.len, 0, NULL);
        learn_content(world, id, filter);
        json_decref(filter);
    }
}

/* --- changes begin --- */

/* The wish is what the filter is already. */
static bool is_known_content(const struct known_filter *known, const struct filter *filter) {
    struct buffer text = {0};
    filter_region_text(filter, &text);
    buffer_append_text(&text, "\t");
    filter_ip_text(filter, &text);
    buffer_append_text(&text, "\t");
    filter_user_text(filter, &text);
    buffer_append_text(&text, filter->ranked ? "\tranked" : "\t");
    bool same = known->content != NULL && bytes_equal(buffer_view(&text), bytes_of_text(known->content));
    buffer_fini(&text);
    return same;
}

static unsigned expect_create(const struct world *world, const struct filter_change_request *change) {
    unsigned status = 200;
    if (change->wish_count == 0) return 400;
    for (size_t i = 0; i < change->wish_count; i++) {
        struct filter *filter = filter_wish_parse(&change->wishes[i]);
        const struct known_filter *known = &world->filters.known[change->wishes[i].id];
        bool same = filter != NULL && is_known_content(known, filter);
        filter_destroy(filter);
        if (filter == NULL) return 400; /* before anything is looked up */
        if (status == 409) continue;
        if (known->stage == FILTER_ABSENT)
            status = 201;
        else if (known->stage == FILTER_GONE || !same)
            status = 409;
    }
    return status;
}

static unsigned expect(const struct world *world, const struct filter_change_request *change) {
    if (change->kind == CHANGE_CREATE) return expect_create(world, change);
    const struct known_filter *known = &world->filters.known[change->wishes[0].id];
    return known->stage == FILTER_ABSENT ? 404 : known->stage == FILTER_GONE ? 409 : 200;
}

/* Now and then exactly what stands already. */
static void make_wish(struct world *world, uint32_t id, struct filter_wish *wish) {
    const struct known_filter *known = &world->filters.known[id];
    filter_wish_make(&world->random, id, wish);
    if (known->content == NULL || below(world, 3) == 0) return;
    char text[512], *rest = text;
    (void)snprintf(text, sizeof text, "%s", known->content);
    (void)snprintf(wish->region, sizeof wish->region, "%s", strsep(&rest, "\t"));
    (void)snprintf(wish->ip, sizeof wish->ip, "%s", strsep(&rest, "\t"));
    (void)snprintf(wish->user, sizeof wish->user, "%s", strsep(&rest, "\t"));
    wish->ranked = rest[0] != '\0';
}

static void make_body(struct world *world, struct filter_change_request *change) {
    uint64_t form = below(world, 12);
    bool csv = form < 2, list = form < 5;
    change->type = csv ? "text/csv; charset=utf-8" : "application/json";
    if (form == 11) {
        buffer_append_text(&change->body, filter_wish_bad_body(&world->random));
        return;
    }
    change->wish_count = list ? 1 + below(world, FILTER_WISHES_MAX) : 1;
    if (csv) buffer_append_text(&change->body, "filter_id,region,ip,user_id,ranked\n");
    if (list && !csv) buffer_append_text(&change->body, "[");
    uint32_t first = 1 + (uint32_t)below(world, FILTER_IDS - FILTER_WISHES_MAX);
    for (size_t i = 0; i < change->wish_count; i++) {
        make_wish(world, first + (uint32_t)i, &change->wishes[i]);
        if (i > 0 && !csv) buffer_append_text(&change->body, ",");
        if (csv)
            filter_wish_csv(&change->wishes[i], &change->body);
        else
            filter_wish_json(&world->random, &change->wishes[i], &change->body);
    }
    if (list && !csv) buffer_append_text(&change->body, "]");
    world->coverage->filter_lists += list;
}

uint32_t world_choose_filter(struct world *world) {
    uint32_t id = 1 + (uint32_t)below(world, FILTER_IDS);
    for (int tries = 0; tries < 8 && world->filters.known[id].stage != FILTER_STANDING; tries++)
        id = 1 + (uint32_t)below(world, FILTER_IDS);
    return id;
}

static void note_company(struct world *world, struct filter_change_request *change) {
    change->alone = true;
    for (size_t i = 0; i < FILTER_CHANGES; i++) {
        struct filter_change_request *other = &world->filters.changes[i];
        if (other == change || !other->begun || other->answered) continue;
        change->alone = other->alone = false;
    }
    for (size_t i = 0; i < change->wish_count; i++)
        if (world->filters.known[change->wishes[i].id].unsure) change->alone = false;
    change->expected = expect(world, change);
    for (size_t i = 0; i < change->wish_count; i++) world->filters.known[change->wishes[i].id].unsure = true;
}

static void hand_over(struct world *world, struct filter_change_request *change) {
    bool create = change->kind == CHANGE_CREATE, body_wanted = false;
    struct request_head head = {
        .method = change->kind == CHANGE_DELETE ? BYTES_LITERAL("DELETE") : BYTES_LITERAL("POST"),
        .path = bytes_of_text(change->path),
        .content_type = bytes_of_text(create ? change->type : ""),
    };
    change->taken = true;
    if (!create) {
        change->begun = change->ended = true;
        note_company(world, change);
    }
    node_request(world->node, &head, change, &change->session, &body_wanted);
    if (body_wanted != create && !change->answered)
        world_problem(world, "%s: a body is %swanted", change->path, create ? "not " : "");
}

static void begin_change(struct world *world, struct filter_change_request *change) {
    uint64_t kind = below(world, 10);
    change->kind = kind < 6 ? CHANGE_CREATE : kind < 8 ? CHANGE_RECALCULATE : CHANGE_DELETE;
    (void)snprintf(change->path, sizeof change->path, "/v1/filters");
    if (change->kind == CHANGE_CREATE) {
        make_body(world, change);
    } else {
        change->wish_count = 1;
        change->wishes[0].id = world_choose_filter(world);
        (void)snprintf(change->path, sizeof change->path, "/v1/filters/%s%u%s", below(world, 4) == 0 ? "00" : "",
                       change->wishes[0].id, change->kind == CHANGE_DELETE ? "" : "/recalculation");
    }
    hand_over(world, change);
    /* The power goes somewhere about its commit. */
    if (may(world, EVENT_cut_in_write) && below(world, 80) == 0) fake_files_stop_at(world->files, 1 + below(world, 4));
}

static void feed_change(struct world *world, struct filter_change_request *change) {
    if (below(world, 60) == 0) { /* the peer is gone */
        node_request_abort(world->node, change->session);
        free_change(change);
        return;
    }
    if (change->fed < change->body.len) {
        size_t left = change->body.len - change->fed, part = below(world, 2) == 0 ? left : 1 + below(world, left);
        if (node_request_feed(world->node, change->session, (struct bytes){change->body.at + change->fed, part}) !=
            STATUS_OK)
            world_problem(world, "a body with filters is not taken");
        change->fed += part;
        return;
    }
    change->begun = change->ended = true;
    note_company(world, change);
    node_request_end(world->node, change->session);
}

void world_step_filter_change(struct world *world) {
    if (!may(world, EVENT_filter_change)) return;
    struct filter_change_request *change = &world->filters.changes[below(world, FILTER_CHANGES)];
    if (change->answered)
        free_change(change);
    else if (!change->taken)
        begin_change(world, change);
    else if (!change->ended)
        feed_change(world, change);
}

/* --- answers --- */

static void learn_answer(struct world *world, const struct filter_change_request *change, const json_t *answer) {
    if (change->kind != CHANGE_CREATE) {
        reach(world, change->wishes[0].id, change->kind == CHANGE_DELETE ? FILTER_GONE : FILTER_STANDING);
        return;
    }
    const json_t *filters = json_object_get(answer, "filters");
    if (filters != NULL && json_array_size(filters) != change->wish_count) world_problem(world, "an answer lacks a filter");
    for (size_t i = 0; i < change->wish_count; i++) {
        const json_t *filter = filters != NULL ? json_array_get(filters, i) : answer;
        if (json_integer_value(json_object_get(filter, "filter_id")) != change->wishes[i].id)
            world_problem(world, "an answer is about another filter");
        learn_content(world, change->wishes[i].id, filter);
        reach(world, change->wishes[i].id, FILTER_STANDING);
    }
}

static void count_answer(struct world *world, const struct filter_change_request *change, unsigned status) {
    world->coverage->filters_created += status == 201;
    world->coverage->filters_repeated += change->kind == CHANGE_CREATE && status == 200;
    world->coverage->filters_refused += status == 400 || status == 409;
    world->coverage->filters_full += status == 507;
    world->coverage->filters_deleted += change->kind == CHANGE_DELETE && status == 200;
    world->coverage->recalculations_wanted += status == 202;
}

static bool as_expected(const struct world *world, const struct filter_change_request *change, unsigned status) {
    if (status == 503) return true; /* the node stops, has failed, or does not trust its clock */
    if (status == 507) return world->options.filters_max <= FILTER_IDS && change->kind == CHANGE_CREATE;
    if (!change->alone)
        return status == 200 || status == 201 || status == 202 || status == 400 || status == 404 || status == 409;
    return status == change->expected || (change->kind == CHANGE_RECALCULATE && change->expected == 200 && status == 202);
}

bool world_take_filter_reply(struct world *world, void *to, const struct reply *reply) {
    struct filter_change_request *change = to;
    if (change < world->filters.changes || change >= world->filters.changes + FILTER_CHANGES) return false;
    if (change->answered) world_problem(world, "a change of filters was answered twice");
    world->coverage->crashes_in_filter_change += change->ended && node_phase(world->node) == NODE_FAILED;
    change->answered = change->ended = true;
    change->session = NULL;
    count_answer(world, change, reply->http_status);
    if (!as_expected(world, change, reply->http_status))
        world_problem(world, "%s of %.*s: status %u, expected %u: %.*s", change->path, (int)change->body.len,
                      (const char *)change->body.at, reply->http_status, change->expected, (int)reply->body.len,
                      (const char *)reply->body.at);
    bool made = reply->http_status >= 200 && reply->http_status < 300;
    json_t *answer = made ? json_loadb((const char *)reply->body.at, reply->body.len, 0, NULL) : NULL;
    if (answer != NULL) learn_answer(world, change, answer);
    json_decref(answer);
    for (size_t i = 0; change->alone && reply->http_status != 503 && i < change->wish_count; i++)
        world->filters.known[change->wishes[i].id].unsure = false;
    return true;
}

void world_drop_filter_changes(struct world *world, bool all_answered) {
    for (size_t i = 0; i < FILTER_CHANGES; i++) {
        struct filter_change_request *change = &world->filters.changes[i];
        if (change->taken && !change->ended && change->session != NULL) node_request_abort(world->node, change->session);
        if (all_answered && change->ended && !change->answered)
            world_problem(world, "a change of filters was left without an answer");
        free_change(change);
    }
}
