/* hostile.c: requests that nobody means well: any head, any bytes. Each is answered once, in order, and what it brings in,
 * if anything, is counted like everything else. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/world.h"

struct hostile_request {
    bool begun, ended, answered;
    bool clicks; /* its answer tells how many lines came in */
    void *session;
    struct buffer body;
    size_t fed;
    char path[64], query[96];
};

enum { HOSTILE_BODY_BYTES_MAX = 1 << 17 };

static const char *pick(struct world *world, const char *const *texts, size_t count) {
    return texts[below(world, count)];
}
#define PICK(world, ...)                                                                                                    \
    pick(world, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* A good line with something wrong in it, or right in another way. */
static void append_bent_line(struct world *world, struct buffer *body) {
    const struct traffic_line *line = traffic_next(&world->traffic, world_line_now(world));
    size_t at = body->len, len = strlen(line->json);
    buffer_append_text(body, line->json);
    buffer_append_text(body, "\n");
    uint64_t changes = 1 + below(world, 3);
    for (uint64_t i = 0; i < changes && len > 0; i++) {
        uint8_t *byte = body->at + at + below(world, len);
        *byte = below(world, 3) == 0 ? (uint8_t)below(world, 256) : (uint8_t) "{}[]\",:\\0-e\n\x00\xff"[below(world, 14)];
    }
}

static void make_body(struct world *world, struct buffer *body) {
    switch (below(world, 7)) {
    case 0: /* noise */
        for (uint64_t i = below(world, 3000); i > 0; i--) buffer_put_u8(body, (uint8_t)random_sequence_next(&world->random));
        return;
    case 1: /* the beginning of something compressed, and noise */
        buffer_append(body,
                      below(world, 2) == 0 ? "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
                                           : "\x28\xb5\x2f\xfd\x04\x00\x00\x00\x00\x00",
                      10);
        for (uint64_t i = below(world, 300); i > 0; i--) buffer_put_u8(body, (uint8_t)random_sequence_next(&world->random));
        return;
    case 2: /* deeper than anybody nests */
        for (uint64_t i = below(world, 5000); i > 0; i--) buffer_append_text(body, below(world, 2) == 0 ? "[" : "{\"a\":");
        return;
    case 3: /* one line that does not end */
        for (uint64_t i = below(world, HOSTILE_BODY_BYTES_MAX); i > 0; i--) buffer_put_u8(body, 'a');
        return;
    case 4: /* nothing but line ends, or nothing */
        for (uint64_t i = below(world, 50); i > 0; i--) buffer_append_text(body, below(world, 2) == 0 ? "\n" : "\r\n");
        return;
    default:
        for (uint64_t i = below(world, 20); i > 0; i--) append_bent_line(world, body);
        return;
    }
}

static void begin(struct world *world, struct hostile_request *hostile) {
    *hostile = (struct hostile_request){.begun = true};
    const char *method = PICK(world, "POST", "POST", "POST", "POST", "GET", "DELETE", "PUT", "HEAD", "", "post");
    const char *type =
        PICK(world, "application/json", "application/x-ndjson", "text/plain", "text/csv", "", "a/b;;", "\xff");
    const char *encoding = PICK(world, "", "", "", "gzip", "zstd", "br", "identity, gzip");
    const char *path =
        PICK(world, "/v1/clicks", "/v1/clicks", "/v1/clicks", "/v1/clicks/", "/", "", "/v1/status", "/metrics",
             "/v1/ads/%zz/series", "/v1/ads/ad0/aggregated_cnt", "/v1/ads/popular_ads", "/v1/filters/999999999999",
             "/v1/filters/00", "/v1/filters/777/recalculation", "/readyz", "/livez");
    const char *query =
        PICK(world, "", "", "", "source=b", "atomic=1", "atomic=2", "source=", "source=%00", "from=1&from=2",
             "from=-1&to=99999999999999999999", "window=0", "count=99999999999", "at=", "filter=0x1", "&&&=", "%");
    (void)snprintf(hostile->path, sizeof hostile->path, "%s", path);
    (void)snprintf(hostile->query, sizeof hostile->query, "%s", query);
    hostile->clicks = strcmp(path, "/v1/clicks") == 0 && strcmp(method, "POST") == 0;
    make_body(world, &hostile->body);
    struct request_head head = {
        .method = bytes_of_text(method),
        .path = bytes_of_text(hostile->path),
        .query = bytes_of_text(hostile->query),
        .content_type = bytes_of_text(type),
        .content_encoding = bytes_of_text(encoding),
    };
    bool body_wanted = false;
    world->coverage->hostile_requests++;
    node_request(world->node, &head, hostile, &hostile->session, &body_wanted);
    hostile->ended = !body_wanted; /* and is answered, at once or when what it wants has been tried */
}

void world_step_hostile(struct world *world) {
    if (!may(world, EVENT_hostile)) return;
    if (world->hostile == NULL) world->hostile = memory_allocate_zeroed(1, sizeof *world->hostile);
    struct hostile_request *hostile = world->hostile;
    if (hostile->answered)
        world_drop_hostile(world);
    else if (!hostile->begun)
        begin(world, hostile);
    else if (hostile->ended)
        return;
    else if (below(world, 12) == 0) { /* the peer is gone */
        node_request_abort(world->node, hostile->session);
        hostile->session = NULL;
        world_drop_hostile(world);
    } else if (hostile->fed < hostile->body.len) {
        size_t left = hostile->body.len - hostile->fed, part = below(world, 2) == 0 ? left : 1 + below(world, left);
        if (node_request_feed(world->node, hostile->session, (struct bytes){hostile->body.at + hostile->fed, part}) ==
            STATUS_OK)
            hostile->fed += part;
    } else {
        hostile->ended = true;
        node_request_end(world->node, hostile->session);
    }
}

bool world_take_hostile_reply(struct world *world, void *to, const struct reply *reply) {
    struct hostile_request *hostile = world->hostile;
    if (hostile == NULL || to != hostile) return false;
    if (hostile->answered) world_problem(world, "a hostile request was answered twice");
    hostile->answered = true;
    hostile->session = NULL;
    unsigned status = reply->http_status;
    bool known = status == 200 || status == 304 || (status >= 400 && status < 432) || status == 503 || status == 507;
    if (!known && !(status == 500 && world->store_rotten))
        world_problem(world, "%s?%s was answered %u: %.*s", hostile->path, hostile->query, status, (int)reply->body.len,
                      (const char *)reply->body.at);
    world->coverage->hostile_refused += status >= 400;
    uint64_t received = answer_number(&reply->body, "received"), accepted = answer_number(&reply->body, "accepted");
    uint64_t rejected = answer_number(&reply->body, "rejected");
    if (hostile->clicks && status == 200 && (received != accepted + rejected || received == UINT64_MAX))
        world_problem(world, "%" PRIu64 " lines, %" PRIu64 " accepted, %" PRIu64 " rejected", received, accepted, rejected);
    return true;
}

void world_drop_hostile(struct world *world) {
    struct hostile_request *hostile = world->hostile;
    if (hostile == NULL) return;
    if (hostile->begun && !hostile->ended && hostile->session != NULL) node_request_abort(world->node, hostile->session);
    buffer_fini(&hostile->body);
    free(hostile);
    world->hostile = NULL;
}
