/* questions.c: what is asked during a run. */
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>

void world_ask(struct world *world, struct node *node, const char *path, const char *query) {
    struct request_head head = {.method = BYTES_LITERAL("GET"), .path = bytes_of_text(path), .query = bytes_of_text(query)};
    void *session;
    bool body_wanted;
    world->answer_status = 0;
    node_request(node, &head, &world->answer, &session, &body_wanted);
    if (body_wanted || world->answer_status == 0) world_problem(world, "%s was not answered", path);
    world->coverage->questions++;
}

uint64_t answer_number(const struct buffer *answer, const char *name) {
    char quoted[64];
    int len = snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const uint8_t *at = memmem(answer->at, answer->len, quoted, (size_t)len);
    if (at == NULL || at[len] < '0' || at[len] > '9') return UINT64_MAX;
    uint64_t value = 0;
    for (at += len; *at >= '0' && *at <= '9' && at < answer->at + answer->len; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    return value;
}

void world_check_status(struct world *world) {
    if (!may(world, EVENT_status)) return;
    world_ask(world, world->node, "/v1/status", "");
    uint64_t sum = 0;
    static const char *const parts[] = {"counted", "duplicate", "conflict", "too_late", "invalid", "pending"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) sum += answer_number(&world->answer, parts[i]);
    if (sum != answer_number(&world->answer, "accepted"))
        world_problem(world, "the partition law does not hold: %.*s", (int)world->answer.len,
                      (const char *)world->answer.at);
    uint64_t stored_to = answer_number(&world->answer, "checkpoint_offset"); /* of the first partition */
    world->coverage->checkpoints += stored_to > 0 && stored_to != UINT64_MAX;
    world->coverage->runs_written += answer_number(&world->answer, "runs_written") > 0;
    world->coverage->runs_merged += answer_number(&world->answer, "runs_merged") > 0;
    world->coverage->identities_read_from_runs += answer_number(&world->answer, "reads") > 0;
    if (answer_number(&world->answer, "late_amended") != UINT64_MAX)
        world->coverage->late_amended += answer_number(&world->answer, "late_amended");
    uint64_t received = answer_number(&world->answer, "accepted") + answer_number(&world->answer, "rejected");
    if (received != answer_number(&world->answer, "received")) world_problem(world, "the intake law does not hold");
    uint64_t version = answer_number(&world->answer, "version");
    if (version < world->last_version) world_problem(world, "the version went back");
    world->last_version = version;
}

void world_choose_range(struct world *world, struct minute *from, struct minute *to) {
    int64_t now_minute = world->traffic.historical ? world->traffic.event_ms / MINUTE_MS : world->wall.ms / MINUTE_MS;
    from->index = (uint32_t)(now_minute - (int64_t)below(world, 100));
    to->index = from->index + 1 + (uint32_t)below(world, 100);
}

bool world_answer_is_damage(const struct world *world) {
    return world->answer_status == 500 && world->store_rotten &&
           memmem(world->answer.at, world->answer.len, "the store is damaged", 20) != NULL;
}

void world_ask_count(struct world *world) {
    if (!may(world, EVENT_count)) return;
    struct minute from, to;
    world_choose_range(world, &from, &to);
    char path[96], query[96], ad[40];
    (void)snprintf(ad, sizeof ad, "ad%u", (unsigned)below(world, 6));
    (void)snprintf(path, sizeof path, "/v1/ads/%s/aggregated_cnt", ad);
    (void)snprintf(query, sizeof query, "from=%lld&to=%lld", (long long)minute_start(from).ms,
                   (long long)minute_start(to).ms);
    world_ask(world, world->node, path, query);
    if (world_answer_is_damage(world)) return;
    if (world->answer_status != 200) {
        world_problem(world, "%s?%s: %u %.*s", path, query, world->answer_status, (int)world->answer.len,
                      (const char *)world->answer.at);
        return;
    }
    bool sealed = memmem(world->answer.at, world->answer.len, "\"sealed\"", 8) != NULL;
    if (!sealed) return;
    world->coverage->sealed_answers++;
    if (world->sealed_count < SEALED_ANSWERS_MAX / 2) { /* the other half is for answers by filter */
        struct sealed_answer *kept = &world->sealed[world->sealed_count++];
        *kept = (struct sealed_answer){.from = from, .to = to, .count = answer_number(&world->answer, "count")};
        memcpy(kept->ad, ad, sizeof ad);
    }
}
