#include "sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

void world_problem(struct world *world, const char *format, ...) {
    if (world->problem[0] != '\0') return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(world->problem, sizeof world->problem, format, arguments);
    va_end(arguments);
}

/* --- the fake seam: clock, random, requests --- */

struct wall_time world_wall(const struct world *world) {
    return (struct wall_time){world->wall.ms + world->clock_step_ms};
}

static struct wall_time read_wall(void *self) {
    return world_wall(self);
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
        world_check_reply(world, request, &reply->body);
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
    world->options = (struct node_options){
        .segment_bytes = 4096 + below(world, 60000),
        .dedup_memory_bytes = 4 << 20,
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
    world->options.proposal.partition_count = 1 + (uint32_t)below(world, 6);
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
    uint64_t choice = below(world, 3 + node_partition_count(node));
    if (choice == 0) return node_step_journal(node);
    if (choice == 1) return node_step_reduce(node);
    if (choice == 2) return world->recalculating = node_step_recalculate(node);
    return node_step_aggregate(node, (uint32_t)choice - 3);
}

void world_advance(struct world *world, int64_t milliseconds) {
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
        world_advance(world, 1);
        if (steps > 3000000) {
            world_problem(world, "the node does not become ready");
            return;
        }
    }
    if (node_phase(node) == NODE_FAILED)
        world_problem(world, "the node failed while it started: %s", node_failure(node)->text);
}

static void drop_node(struct world *world) {
    world->seam.requests.self = world;
    world->coverage->crashes_in_recalculation += world->recalculating;
    world->recalculating = false;
    if (node_phase(world->node) != NODE_FAILED) node_abandon(world->node, "the simulated process died");
    for (size_t i = 0; i < WORLD_REQUESTS; i++) {
        struct world_request *request = &world->requests[i];
        if (request->state == REQUEST_FEEDING && request->session != NULL) node_request_abort(world->node, request->session);
        world_reset_request(request);
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

void world_reopen(struct world *world) {
    world->clock_step_ms = 0;
    if (below(world, 16) == 0) wipe_store(world);
    if (below(world, 5) == 0) {
        choose_rules(world);
        world->coverage->rules_changed++;
    }
    if (!world_open(world, &world->node)) return;
    world_step_until_serving(world, world->node);
    world->coverage->torn_tails += node_progress(world->node).torn_path[0] != '\0';
    world->coverage->restarts_with_filters += world_any_filter_stands(world);
    if (world->problem[0] == '\0') world_relearn_filters(world);
}

/* The machine dies: what was not synced is lost, kept or torn. */
void world_crash(struct world *world) {
    drop_node(world);
    world->coverage->crashes++;
    size_t unflushed = fake_kv_unflushed(world->kv), keep = below(world, unflushed + 1);
    world->coverage->lost_store_batches += keep < unflushed;
    fake_kv_crash(world->kv, keep);
    fake_files_crash(world->files, &world->random);
    world_advance(world, (int64_t)below(world, 10 * SECOND_MS));
    world_reopen(world);
}

void world_stop_cleanly(struct world *world) {
    world->clock_step_ms = 0;
    /* A stop is clean on a machine that works. */
    fake_files_heal(world->files);
    fake_kv_fail_write(world->kv, 0, STATUS_OK);
    node_stop(world->node, 0);
    for (unsigned steps = 0; node_phase(world->node) == NODE_STOPPING && steps < 3000000; steps++) {
        (void)world_step_node(world, world->node);
        world_advance(world, 1);
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
        world_reset_request(request);
    }
    world_drop_filter_changes(world, true);
    if (node_phase(world->node) == NODE_STOPPING) node_abandon(world->node, "it did not stop");
    node_close(world->node);
    world->node = NULL;
    world->coverage->clean_stops++;
}

/* --- the run --- */

static void step(struct world *world) {
    uint64_t choice = below(world, 1000);
    if (choice < 6)
        world_cause_trouble(world);
    else if (choice < 20)
        world_check_status(world);
    else if (choice < 40)
        world_ask_count(world);
    else if (choice < 60)
        world_ask_filtered(world);
    else if (choice < 140)
        world_step_filter_change(world);
    else if (choice < 360)
        world_step_request(world);
    else
        (void)world_step_node(world, world->node);
    if (world->problem[0] != '\0') return;
    if (below(world, 4) == 0) world_advance(world, (int64_t)below(world, 400));
    if (node_phase(world->node) == NODE_FAILED) world_crash(world);
}

bool world_run(struct world *world, unsigned steps) {
    world_reopen(world);
    for (unsigned i = 0; i < steps && world->problem[0] == '\0'; i++) step(world);
    if (world->problem[0] == '\0') {
        world_stop_cleanly(world);
    }
    if (world->node != NULL) drop_node(world);
    return world->problem[0] == '\0';
}
