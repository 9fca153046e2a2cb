/* click_steps.c: requests with clicks, and what their answers promise. */
#include "click/decode.h"
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void acknowledge(struct world *world, const char *source, const char *key) {
    if (world->acknowledged_count == world->acknowledged_capacity) {
        world->acknowledged_capacity = world->acknowledged_capacity * 2 + 64;
        world->acknowledged = memory_resize(world->acknowledged, world->acknowledged_capacity * sizeof(char *));
    }
    size_t size = strlen(source) + strlen(key) + 2;
    char *both = memory_allocate(size);
    (void)snprintf(both, size, "%s|%s", source, key);
    world->acknowledged[world->acknowledged_count++] = both;
}

void world_check_reply(struct world *world, struct world_request *request, const struct buffer *body) {
    uint64_t received = answer_number(body, "received"), accepted = answer_number(body, "accepted");
    uint64_t rejected = answer_number(body, "rejected");
    uint64_t good = request->line_count - request->malformed_count - request->maybe_count;
    bool all_good = rejected == 0;
    if (request->http_status == 503) {
        world->coverage->answers_503++;
        return;
    }
    if (received != request->line_count || received != accepted + rejected)
        world_problem(world, "%zu lines, answer: %.*s", request->line_count, (int)body->len, (const char *)body->at);
    if (request->http_status != (all_good ? 200 : 400))
        world_problem(world, "status %u, rejected %" PRIu64, request->http_status, rejected);
    world->coverage->answers_200 += all_good;
    world->coverage->answers_400 += !all_good;
    if (request->atomic && !all_good) {
        world->coverage->atomic_refused++;
        if (accepted != 0) world_problem(world, "an atomic batch was accepted in part");
        return;
    }
    if (accepted < good || accepted > good + request->maybe_count)
        world_problem(world, "%" PRIu64 " good lines, %" PRIu64 " accepted", good, accepted);
    for (size_t i = 0; i < request->line_count; i++)
        if (request->keys[i][0] != '\0') acknowledge(world, request->source, request->keys[i]);
}

void world_reset_request(struct world_request *request) {
    for (size_t i = 0; i < request->line_count; i++) free(request->keys[i]);
    struct buffer body = request->body;
    buffer_clear(&body);
    *request = (struct world_request){.body = body};
}

static void add_line(struct world *world, struct world_request *request, bool log_lines) {
    const struct traffic_line *line = traffic_next(&world->traffic, world_line_now(world));
    bool malformed = line->key[0] == '\0' && !line->may_be_future;
    if (world->options.proposal.identity_mode == IDENTITY_MODE_REJECT && !line->has_event_id && !line->may_be_future) {
        world->coverage->lines_without_id_refused += !malformed;
        malformed = true;
    }
    if (log_lines && line->log[0] == '\0') return;
    if (below(world, 20) == 0 && request->type[0] != 'a') buffer_append_text(&request->body, "\r\n");
    buffer_append_text(&request->body, log_lines ? line->log : line->json);
    buffer_append_text(&request->body, below(world, 4) == 0 ? "\r\n" : "\n");
    bool maybe =
        line->may_be_future || (!malformed && world->clock_was_stepped && line->time_ms > world->wall.ms - MINUTE_MS);
    const char *key = maybe || malformed ? "" : line->key;
    size_t size = strlen(key) + 1;
    request->keys[request->line_count] = memory_allocate(size);
    memcpy(request->keys[request->line_count++], key, size);
    request->malformed_count += malformed;
    request->maybe_count += maybe;
}

static void begin_request(struct world *world, struct world_request *request) {
    static const char *const sources[] = {"default", "b"};
    world_reset_request(request);
    request->world = world;
    uint64_t form = below(world, 4);
    request->type = form == 0 ? "text/plain" : form == 1 ? "application/json" : "application/x-ndjson; charset=utf-8";
    request->source = sources[below(world, 2)];
    request->atomic = below(world, 5) == 0;
    size_t lines = form == 1 ? 1 : 1 + below(world, WORLD_REQUEST_LINES_MAX - 1);
    for (size_t i = 0; i < lines; i++) add_line(world, request, form == 0);
    if (request->line_count == 0) return;
    /* A last line without a line end is a line too. */
    if (below(world, 3) == 0) request->body.len -= request->body.at[request->body.len - 2] == '\r' ? 2 : 1;
    (void)snprintf(request->query, sizeof request->query, "source=%s%s", request->source,
                   request->atomic ? "&atomic=1" : "");
    struct request_head head = {
        .method = BYTES_LITERAL("POST"),
        .path = BYTES_LITERAL("/v1/clicks"),
        .query = bytes_of_text(request->query),
        .content_type = bytes_of_text(request->type),
    };
    bool body_wanted = false;
    world->coverage->requests++;
    node_request(world->node, &head, request, &request->session, &body_wanted);
    if (body_wanted)
        request->state = REQUEST_FEEDING;
    else if (!request->answered)
        world_problem(world, "a refused request got no answer");
}

static void feed_request(struct world *world, struct world_request *request) {
    if (request->blocked) return;
    if (request->fed < request->body.len) {
        size_t left = request->body.len - request->fed, part = 1 + below(world, left);
        request->blocked = true;
        enum status status =
            node_request_feed(world->node, request->session, (struct bytes){request->body.at + request->fed, part});
        if (status == STATUS_AGAIN) return;
        request->blocked = false;
        request->fed += part;
        return;
    }
    request->state = REQUEST_WAITING;
    void *session = request->session;
    node_request_end(world->node, session);
}

void world_step_request(struct world *world) {
    if (!may(world, EVENT_clicks)) return;
    struct world_request *request = &world->requests[below(world, WORLD_REQUESTS)];
    switch (request->state) {
    case REQUEST_FREE:
        begin_request(world, request);
        return;
    case REQUEST_FEEDING:
        if (below(world, 60) > 0) {
            feed_request(world, request);
            return;
        }
        world->coverage->bodies_cut++;
        node_request_abort(world->node, request->session);
        world_reset_request(request);
        return;
    case REQUEST_WAITING:
        if (request->answered) world_reset_request(request);
        return;
    }
}
