/* filter_questions.c: questions by filter during a run. */
#include <jansson.h>
#include <stdio.h>

#include "click/timestamp.h"
#include "sim/world.h"

/* The count; of a ranking of all ads, their sum. */
static uint64_t answered_count(const json_t *answer) {
    const json_t *ads = json_object_get(answer, "ads");
    if (ads == NULL) return (uint64_t)json_integer_value(json_object_get(answer, "count"));
    uint64_t sum = 0;
    for (size_t i = 0; i < json_array_size(ads); i++)
        sum += (uint64_t)json_integer_value(json_object_get(json_array_get(ads, i), "count"));
    return sum;
}

/* `ad` "": a ranking of all ads. */
static void keep_if_sealed(struct world *world, uint32_t id, const char *ad) {
    json_t *answer = json_loadb((const char *)world->answer.at, world->answer.len, 0, NULL);
    const char *state = json_string_value(json_object_get(answer, "state"));
    if (state != NULL && strcmp(state, "sealed") == 0 && world->sealed_count < SEALED_ANSWERS_MAX) {
        struct event_time from = {0}, to = {0};
        bool read = timestamp_parse_question(bytes_of_text(json_string_value(json_object_get(answer, "from"))), &from) &&
                    timestamp_parse_question(bytes_of_text(json_string_value(json_object_get(answer, "to"))), &to);
        if (!read) world_problem(world, "an answer without a range");
        world->coverage->filtered_sealed_answers += ad[0] != '\0';
        world->coverage->sealed_rankings += ad[0] == '\0';
        struct sealed_answer *kept = &world->sealed[world->sealed_count++];
        *kept = (struct sealed_answer){
            .filter_id = id, .from = minute_of(from), .to = minute_of(to), .count = answered_count(answer)};
        (void)snprintf(kept->ad, sizeof kept->ad, "%s", ad);
    }
    json_decref(answer);
}

void world_ask_filtered(struct world *world) {
    if (!may(world, EVENT_filter_question)) return;
    uint32_t id = world_choose_filter(world);
    const struct known_filter *known = &world->filters.known[id];
    bool unsure = known->unsure;
    struct minute from, to;
    char path[96], query[128], ad[40];
    world_choose_range(world, &from, &to);
    (void)snprintf(ad, sizeof ad, "ad%u", (unsigned)below(world, 4));
    uint64_t kind = below(world, 4);
    (void)snprintf(path, sizeof path, "/v1/ads/%s/%s", ad, kind == 0 ? "series" : "aggregated_cnt");
    (void)snprintf(query, sizeof query, "from=%lld&to=%lld&filter=%s%u", (long long)minute_start(from).ms,
                   (long long)minute_start(to).ms, kind == 1 ? "00" : "", id);
    if (kind == 2) {
        (void)snprintf(path, sizeof path, "/v1/ads/popular_ads");
        (void)snprintf(query, sizeof query, "at=%lld&window=%u&count=1000&filter=%u", (long long)minute_start(from).ms,
                       to.index - from.index, id);
    }
    world_ask(world, world->node, path, query);
    if (world_answer_is_damage(world)) return;
    unsigned expected = known->stage == FILTER_STANDING ? 200 : 404;
    if (world->answer_status != expected && !(unsure && (world->answer_status == 200 || world->answer_status == 404)))
        world_problem(world, "%s?%s: status %u, expected %u: %.*s", path, query, world->answer_status, expected,
                      (int)world->answer.len, (const char *)world->answer.at);
    if (world->answer_status == 200 && kind != 0) keep_if_sealed(world, id, kind == 2 ? "" : ad);
}
