#include "sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

static uint64_t below(struct world *world, uint64_t bound) {
    return random_sequence_below(&world->random, bound);
}

void world_problem(struct world *world, const char *format, ...) {
    if (world->problem[0] != '\0') return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(world->problem, sizeof world->problem, format, arguments);
    va_end(arguments);
}

/* --- the fake seam: clock, random, requests --- */

static struct wall_time read_wall(void *self) {
    const struct world *world = self;
    return (struct wall_time){world->wall.ms + world->clock_step_ms};
}

static struct mono_time read_mono(void *self) {
    const struct world *world = self;
    return world->mono;
}

static void fill_random(void *self, void *at, size_t len) {
    struct world *world = self;
    for (size_t i = 0; i < len; i++) ((uint8_t *)at)[i] = (uint8_t)random_sequence_next(&world->random);
}

static bool is_own_question(const struct world *world, const void *request) {
    return request == &world->answer;
}

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

static void check_reply(struct world *world, struct world_request *request, const struct buffer *body) {
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

static void take_reply(void *self, void *to, struct reply *reply) {
    struct world *world = self;
    if (is_own_question(world, to)) {
        buffer_clear(&world->answer);
        buffer_append_bytes(&world->answer, buffer_view(&reply->body));
        world->answer_status = reply->http_status;
    } else if (!world_take_filter_reply(world, to, reply)) {
        struct world_request *request = to;
        if (request->answered) world_problem(world, "a request was answered twice");
        request->answered = true;
        request->session = NULL;
        request->http_status = reply->http_status;
        check_reply(world, request, &reply->body);
    }
    buffer_fini(&reply->body);
}

static void take_resume(void *self, void *to) {
    (void)self;
    struct world_request *request = to;
    request->blocked = false;
}

static void note_verdict(void *self, uint32_t partition, struct journal_offset offset, enum verdict verdict) {
    struct world *world = self;
    struct world_verdicts *verdicts = &world->verdicts[partition];
    if (offset.at >= verdicts->count) {
        size_t count = offset.at * 2 + 64;
        verdicts->at = memory_resize(verdicts->at, count);
        memset(verdicts->at + verdicts->count, NO_VERDICT, count - verdicts->count);
        verdicts->count = count;
    }
    /* I2: judged again after a crash, a click gets the same verdict. */
    if (verdicts->at[offset.at] != NO_VERDICT && verdicts->at[offset.at] != verdict)
        world_problem(world, "partition %u offset %" PRIu64 ": verdict %d, before %d", partition, offset.at, (int)verdict,
                      verdicts->at[offset.at]);
    verdicts->at[offset.at] = (uint8_t)verdict;
}

/* --- life --- */

static void choose_rules(struct world *world) {
    struct rules_proposal *proposal = &world->options.proposal;
    uint32_t partitions = proposal->partition_count;
    *proposal = (struct rules_proposal){.has_partitions = true, .partition_count = partitions};
    proposal->has_lateness = proposal->has_horizon = proposal->has_delay = true;
    proposal->lateness_ms = (int64_t)below(world, 40) * MINUTE_MS;
    proposal->horizon_ms = proposal->lateness_ms + MINUTE_MS + (int64_t)below(world, 3) * 5 * MINUTE_MS;
    proposal->delay_ms = (int64_t)below(world, 30) * SECOND_MS;
    world->traffic.lateness_ms = proposal->lateness_ms;
}

void world_init(struct world *world, uint64_t seed, struct coverage *coverage) {
    *world = (struct world){.seed = seed, .random = {seed * UINT64_C(0x9E3779B97F4A7C15) + 1}, .coverage = coverage};
    world->wall.ms = INT64_C(1800000000000) + (int64_t)below(world, HOUR_MS);
    world->mono.ns = (int64_t)below(world, 1000000000);
    world->files = fake_files_create(seed);
    world->kv = fake_kv_create();
    world->seam = (struct node_seam){
        .clock = {world, read_wall, read_mono},
        .random = {world, fill_random},
        .files = fake_files_table(world->files),
        .kv = fake_kv_table(world->kv),
        .requests = {.self = world, .reply = take_reply, .resume = take_resume},
    };
    uint32_t partitions = 1 + (uint32_t)below(world, 6);
    world->options = (struct node_options){
        .segment_bytes = 4096 + below(world, 60000),
        /* So little that identities are in runs soon, with more or fewer of them. */
        .dedup_memory_bytes = (uint64_t)partitions * ((100 << 10) + below(world, 64 << 10)),
        .dedup_table_bytes = 2048 + below(world, 4096),
        .dedup_runs_max = 3 + below(world, 7),
        .window_memory_bytes = (256 << 10) + below(world, 4 << 20),
        .slices_memory_bytes = (256 << 10) + below(world, 4 << 20),
        .ranking_cells_max = UINT64_C(1) << 40,
        .filters_max = below(world, 6) == 0 ? 6 : 1000, /* some runs meet the bound */
        .atoms_max = 10000,
        .pending_clicks_max = 20000,
        .checkpoint_interval_ms = (int64_t)(1 + below(world, 40)) * SECOND_MS,
        .checkpoint_clicks = 20 + below(world, 2000),
        .flush_interval_ms = (int64_t)(1 + below(world, 90)) * SECOND_MS,
        .listener = {world, note_verdict},
    };
    traffic_init(&world->traffic, &world->random, world->wall);
    world->options.proposal.partition_count = partitions;
    choose_rules(world);
}

void world_fini(struct world *world) {
    CHECK(world->node == NULL);
    for (size_t i = 0; i < WORLD_REQUESTS; i++) {
        buffer_fini(&world->requests[i].body);
        for (size_t k = 0; k < world->requests[i].line_count; k++) free(world->requests[i].keys[k]);
    }
    for (size_t i = 0; i < world->acknowledged_count; i++) free(world->acknowledged[i]);
    free(world->acknowledged);
    for (size_t p = 0; p < PARTITIONS_MAX; p++) free(world->verdicts[p].at);
    world_filters_fini(world);
    buffer_fini(&world->answer);
    traffic_fini(&world->traffic);
    fake_kv_destroy(world->kv);
    fake_files_destroy(world->files);
}

bool world_step_node(struct world *world, struct node *node) {
    uint64_t choice = below(world, 4 + node_partition_count(node));
    if (choice == 0) return node_step_journal(node);
    if (choice == 1) return node_step_reduce(node);
    if (choice == 2) return world->recalculating = node_step_recalculate(node);
    if (choice == 3) return node_step_keep(node);
    return node_step_aggregate(node, (uint32_t)choice - 4);
}

static void advance(struct world *world, int64_t milliseconds) {
    world->wall.ms += milliseconds;
    world->mono.ns += milliseconds * 1000000;
}

bool world_open(struct world *world, struct node **out) {
    struct failure failure = {0};
    *out = NULL;
    if (node_open(&world->seam, &world->options, out, &failure) == STATUS_OK) return true;
    world_problem(world, "open: %s", failure.text);
    return false;
}

void world_step_until_serving(struct world *world, struct node *node) {
    for (unsigned steps = 0; node_phase(node) == NODE_REPLAYING; steps++) {
        (void)world_step_node(world, node);
        advance(world, 1);
        if (steps > 3000000) {
            world_problem(world, "the node does not become ready");
            return;
        }
    }
    if (node_phase(node) == NODE_FAILED)
        world_problem(world, "the node failed while it started: %s", node_failure(node)->text);
}

static void reset_request(struct world_request *request) {
    for (size_t i = 0; i < request->line_count; i++) free(request->keys[i]);
    struct buffer body = request->body;
    buffer_clear(&body);
    *request = (struct world_request){.body = body};
}

/* The process dies: nobody hears an answer any more. */
static void drop_node(struct world *world) {
    world->seam.requests.self = world;
    world->coverage->crashes_in_recalculation += world->recalculating;
    world->recalculating = false;
    if (node_phase(world->node) != NODE_FAILED) node_abandon(world->node, "the simulated process died");
    for (size_t i = 0; i < WORLD_REQUESTS; i++) {
        struct world_request *request = &world->requests[i];
        if (request->state == REQUEST_FEEDING && request->session != NULL) node_request_abort(world->node, request->session);
        reset_request(request);
    }
    world_drop_filter_changes(world, false);
    node_close(world->node);
    world->node = NULL;
}

/* Somebody removes the store: all of it comes back from the journal, the pasts that filters asked for, too. */
static void wipe_store(struct world *world) {
    fake_kv_destroy(world->kv);
    world->kv = fake_kv_create();
    world->seam.kv = fake_kv_table(world->kv);
    world->coverage->stores_wiped++;
}

static void reopen(struct world *world) {
    world->clock_step_ms = 0;
    if (below(world, 16) == 0) wipe_store(world);
    if (below(world, 5) == 0) {
        choose_rules(world);
        world->coverage->rules_changed++;
    }
    if (!world_open(world, &world->node)) return;
    world_step_until_serving(world, world->node);
    world->coverage->torn_tails += node_progress(world->node).torn_path[0] != '\0';
    world->coverage->starts_from_runs += node_progress(world->node).partitions_restored > 0;
    world->coverage->starts_in_a_later_segment += node_progress(world->node).segments_skipped > 0;
    world->coverage->runs_of_no_use += node_progress(world->node).partitions_rebuilt > 0;
    world->coverage->restarts_with_filters += world_any_filter_stands(world);
    if (world->problem[0] == '\0') world_relearn_filters(world);
}

/* The machine dies: what was not synced is lost, kept or torn. */
static void crash(struct world *world) {
    drop_node(world);
    world->coverage->crashes++;
    size_t unflushed = fake_kv_unflushed(world->kv), keep = below(world, unflushed + 1);
    world->coverage->lost_store_batches += keep < unflushed;
    fake_kv_crash(world->kv, keep);
    fake_files_crash(world->files, &world->random);
    advance(world, (int64_t)below(world, 10 * SECOND_MS));
    reopen(world);
}

void world_stop_cleanly(struct world *world) {
    world->clock_step_ms = 0;
    /* A stop is clean on a machine that works. */
    fake_files_heal(world->files);
    fake_kv_fail_write(world->kv, 0, STATUS_OK);
    node_stop(world->node, 0);
    for (unsigned steps = 0; node_phase(world->node) == NODE_STOPPING && steps < 3000000; steps++) {
        (void)world_step_node(world, world->node);
        advance(world, 1);
    }
    if (node_phase(world->node) != NODE_STOPPED) {
        world_problem(world, "the node does not stop: %s %s", node_phase_text(node_phase(world->node)),
                      node_failure(world->node)->text);
    }
    for (size_t i = 0; i < WORLD_REQUESTS; i++) {
        struct world_request *request = &world->requests[i];
        if (request->state == REQUEST_FEEDING && request->session != NULL)
            node_request_abort(world->node, request->session);
        else if (request->state == REQUEST_WAITING && !request->answered)
            world_problem(world, "a request was left without an answer");
        reset_request(request);
    }
    world_drop_filter_changes(world, true);
    if (node_phase(world->node) == NODE_STOPPING) node_abandon(world->node, "it did not stop");
    node_close(world->node);
    world->node = NULL;
    world->coverage->clean_stops++;
}

/* --- requests --- */

static void add_line(struct world *world, struct world_request *request, bool log_lines) {
    const struct traffic_line *line = traffic_next(&world->traffic, read_wall(world));
    bool malformed = line->key[0] == '\0' && !line->may_be_future;
    if (log_lines && line->log[0] == '\0') return;
    if (below(world, 20) == 0 && request->type[0] != 'a') buffer_append_text(&request->body, "\r\n");
    buffer_append_text(&request->body, log_lines ? line->log : line->json);
    buffer_append_text(&request->body, below(world, 4) == 0 ? "\r\n" : "\n");
    bool maybe =
        line->may_be_future || (!malformed && world->clock_was_stepped && line->time_ms > world->wall.ms - MINUTE_MS);
    const char *key = maybe ? "" : line->key;
    size_t size = strlen(key) + 1;
    request->keys[request->line_count] = memory_allocate(size);
    memcpy(request->keys[request->line_count++], key, size);
    request->malformed_count += malformed;
    request->maybe_count += maybe;
}

static void begin_request(struct world *world, struct world_request *request) {
    static const char *const sources[] = {"default", "b"};
    reset_request(request);
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

static void step_request(struct world *world) {
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
        reset_request(request);
        return;
    case REQUEST_WAITING:
        if (request->answered) reset_request(request);
        return;
    }
}

/* --- questions --- */

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

static void check_status(struct world *world) {
    world_ask(world, world->node, "/v1/status", "");
    uint64_t sum = 0;
    static const char *const parts[] = {"counted", "duplicate", "conflict", "too_late", "invalid", "pending"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) sum += answer_number(&world->answer, parts[i]);
    if (sum != answer_number(&world->answer, "accepted"))
        world_problem(world, "the partition law does not hold: %.*s", (int)world->answer.len,
                      (const char *)world->answer.at);
    world->coverage->runs_written += answer_number(&world->answer, "runs_written") > 0;
    world->coverage->runs_merged += answer_number(&world->answer, "runs_merged") > 0;
    world->coverage->identities_read_from_runs += answer_number(&world->answer, "reads") > 0;
    uint64_t stored_to = answer_number(&world->answer, "checkpoint_offset"); /* of the first partition */
    world->coverage->checkpoints += stored_to > 0 && stored_to != UINT64_MAX;
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

static void ask_count(struct world *world) {
    struct minute from, to;
    world_choose_range(world, &from, &to);
    char path[96], query[96], ad[40];
    (void)snprintf(ad, sizeof ad, "ad%u", (unsigned)below(world, 6));
    (void)snprintf(path, sizeof path, "/v1/ads/%s/aggregated_cnt", ad);
    (void)snprintf(query, sizeof query, "from=%lld&to=%lld", (long long)minute_start(from).ms,
                   (long long)minute_start(to).ms);
    world_ask(world, world->node, path, query);
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

/* --- the run --- */

static void cause_trouble(struct world *world) {
    switch (below(world, 16)) {
    case 12:
    case 13:
    case 14: /* the power goes in the middle of what the journal does next */
        fake_files_stop_at(world->files, 1 + below(world, 6));
        world->coverage->crashes_inside_a_write++;
        return;
    case 0:
    case 1:
        crash(world);
        return;
    case 2:
        world_stop_cleanly(world);
        if (world->problem[0] == '\0') reopen(world);
        return;
    case 3:
        fake_files_fail(world->files, FAKE_SYNC, 1 + below(world, 3), true, STATUS_IO_ERROR);
        world->coverage->sync_failures++;
        return;
    case 4:
        fake_files_fail(world->files, FAKE_WRITE, 1 + below(world, 3), true, STATUS_NO_SPACE);
        world->coverage->full_disks++;
        return;
    case 5:
        fake_kv_fail_write(world->kv, 1 + (unsigned)below(world, 3), STATUS_IO_ERROR);
        world->coverage->store_failures++;
        return;
    case 6:
        world->coverage->clock_steps++;
        world->clock_was_stepped = true;
        /* A little off, mostly; the clock is then waited for, so a large step is a long pause. */
        world->clock_step_ms = (int64_t)below(world, 4 * SECOND_MS) - 2 * SECOND_MS;
        if (below(world, 4) == 0) world->clock_step_ms = (int64_t)below(world, 200 * SECOND_MS) - 100 * SECOND_MS;
        return;
    case 7:
    case 8:
        world->clock_step_ms = 0;
        return;
    case 9:
        world->coverage->idle_spells++;
        for (int i = 0; i < 30; i++) {
            advance(world, (int64_t)below(world, 2 * MINUTE_MS));
            for (int k = 0; k < 12; k++) (void)world_step_node(world, world->node);
        }
        return;
    default:
        advance(world, (int64_t)below(world, MINUTE_MS));
        return;
    }
}

static void step(struct world *world) {
    uint64_t choice = below(world, 1000);
    if (choice < 6)
        cause_trouble(world);
    else if (choice < 20)
        check_status(world);
    else if (choice < 40)
        ask_count(world);
    else if (choice < 60)
        world_ask_filtered(world);
    else if (choice < 140)
        world_step_filter_change(world);
    else if (choice < 360)
        step_request(world);
    else
        (void)world_step_node(world, world->node);
    if (world->problem[0] != '\0') return;
    if (below(world, 4) == 0) advance(world, (int64_t)below(world, 400));
    if (node_phase(world->node) == NODE_FAILED) crash(world);
}

bool world_run(struct world *world, unsigned steps) {
    reopen(world);
    for (unsigned i = 0; i < steps && world->problem[0] == '\0'; i++) step(world);
    if (world->problem[0] == '\0') {
        world_stop_cleanly(world);
    }
    if (world->node != NULL) drop_node(world);
    return world->problem[0] == '\0';
}
