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
    world->problem_kind = format;
}

void world_place(struct world *world, unsigned step) {
    struct random_sequence mixed = {world->seed};
    mixed.state = random_sequence_next(&mixed) ^ step;
    world->random.state = random_sequence_next(&mixed);
    world->step = step;
    if (world->progress != NULL) *world->progress = step;
}

/* --- the fake seam: clock, random, requests --- */

struct wall_time world_wall(const struct world *world) {
    return (struct wall_time){world->wall.ms + world->clock_step_ms};
}

struct wall_time world_line_now(const struct world *world) {
    bool far = world->clock_step_ms < -5 * MINUTE_MS || world->clock_step_ms > 5 * MINUTE_MS;
    return far ? world->wall : world_wall(world);
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
    } else if (!world_take_filter_reply(world, to, reply) && !world_take_hostile_reply(world, to, reply)) {
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
    struct world *world = self;
    for (size_t i = 0; i < WORLD_REQUESTS; i++)
        if (to == &world->requests[i]) world->requests[i].blocked = false;
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

static void choose_options(struct world *world) {
    uint32_t partitions = 1 + (uint32_t)below(world, 6);
    world->options = (struct node_options){
        .segment_bytes = 4096 + below(world, 60000),
        /* So little that identities are in runs soon, with more or fewer of them. */
        .dedup_memory_bytes = (uint64_t)partitions * ((100 << 10) + below(world, 64 << 10)),
        .dedup_table_bytes = 2048 + below(world, 4096),
        .dedup_runs_max = 3 + below(world, 7),
        .window_memory_bytes = (256 << 10) + below(world, 4 << 20),
        .slices_memory_bytes = (256 << 10) + below(world, 4 << 20),
        .recalculation_cells_bytes = world->seed % 4 == 0 ? 0 : 1 + world->seed % 4 * 2000, /* mostly none to speak of */
        .ranking_cells_max = UINT64_C(1) << 40,
        .filters_max = below(world, 6) == 0 ? 6 : 1000, /* some runs meet the bound */
        .atoms_max = 10000,
        .pending_clicks_max = 20000,
        .checkpoint_interval_ms = (int64_t)(1 + below(world, 40)) * SECOND_MS,
        .checkpoint_clicks = 20 + below(world, 2000),
        .flush_interval_ms = (int64_t)(1 + below(world, 90)) * SECOND_MS,
        .listener = {world, note_verdict},
    };
    world->options.proposal.partition_count = partitions;
    world_choose_rules(world);
}

static const enum event treacheries[] = {EVENT_lying_sync, EVENT_lost_write, EVENT_misdirected_write,
                                         EVENT_rot,        EVENT_run_rot,    EVENT_store_rot};
enum { TREACHERIES = sizeof treacheries / sizeof treacheries[0] };

void world_init(struct world *world, uint64_t seed, const struct plan *plan, struct coverage *coverage) {
    *world = (struct world){.seed = seed, .plan = plan, .coverage = coverage, .stage = -1};
    world_place(world, UINT32_MAX);
    world->treacherous = below(world, 3) == 0;
    world->treachery = below(world, 4) == 0 ? ~UINT64_C(0) : UINT64_C(1) << treacheries[below(world, TREACHERIES)];
    world->rots_store = (world->treachery >> EVENT_store_rot & 1) == 1;
    world->wall.ms = INT64_C(1800000000000) + (int64_t)below(world, HOUR_MS);
    world->mono.ns = (int64_t)below(world, 1000000000);
    world->files = fake_files_create(seed);
    world->kv = fake_kv_create();
    fake_files_on_wait(world->files, world_wait, world);
    fake_kv_on_wait(world->kv, world_wait, world);
    world->seam = (struct node_seam){
        .clock = {world, read_wall, read_mono},
        .random = {world, fill_random},
        .files = fake_files_table(world->files),
        .kv = fake_kv_table(world->kv),
        .requests = {.self = world, .reply = take_reply, .resume = take_resume},
    };
    traffic_init(&world->traffic, &world->random, world->wall);
    choose_options(world);
}

void world_fini(struct world *world) {
    CHECK(world->node == NULL);
    struct fake_files_counts counts = fake_files_counts(world->files);
    const struct traffic_counts *made = &world->traffic.counts;
    world->coverage->lines_repeated += made->repeated;
    world->coverage->lines_reordered += made->reordered;
    world->coverage->lines_late += made->late;
    world->coverage->lines_far_ahead += made->far_ahead;
    world->coverage->lines_malformed += made->malformed;
    world->coverage->lines_extreme += made->extreme;
    world->coverage->power_cuts_in_a_write += counts.stops;
    world->coverage->failed_syncs += counts.failed[FAKE_SYNC];
    world->coverage->failed_reads += counts.failed[FAKE_READ];
    for (int call = 0; call < FAKE_CALLS; call++)
        if (call != FAKE_SYNC && call != FAKE_READ) world->coverage->failed_calls += counts.failed[call];
    world->coverage->full_disks += counts.fills;
    world_note_store_failures(world);
    world->coverage->lying_syncs += counts.syncs_lied;
    world->coverage->lost_writes += counts.writes_lost_silently;
    world->coverage->misdirected_writes += counts.writes_misdirected;
    world->coverage->rotten_places += counts.rots;
    world->coverage->synced_bytes_destroyed += counts.destroyed;
    for (size_t i = 0; i < WORLD_REQUESTS; i++) {
        buffer_fini(&world->requests[i].body);
        for (size_t k = 0; k < world->requests[i].line_count; k++) free(world->requests[i].keys[k]);
    }
    for (size_t i = 0; i < world->acknowledged_count; i++) free(world->acknowledged[i]);
    free(world->acknowledged);
    for (size_t p = 0; p < PARTITIONS_MAX; p++) free(world->verdicts[p].at);
    world_filters_fini(world);
    world_drop_hostile(world);
    buffer_fini(&world->answer);
    traffic_fini(&world->traffic);
    fake_kv_destroy(world->kv);
    fake_files_destroy(world->files);
}

enum { FIXED_STAGES = 4 }; /* beside one for each partition */

static bool step_keep(struct world *world, struct node *node) {
    uint64_t stops = fake_files_counts(world->files).stops;
    bool did = node_step_keep(node);
    world->coverage->power_cuts_in_a_keep += fake_files_counts(world->files).stops > stops;
    return did;
}

static bool step_stage(struct world *world, struct node *node, uint32_t choice) {
    static const int stages[] = {NODE_STAGE_JOURNAL, NODE_STAGE_REDUCE, NODE_STAGE_RECALCULATE, NODE_STAGE_KEEP};
    int before = world->stage;
    bool did;
    world->stage = choice < FIXED_STAGES ? stages[choice] : NODE_STAGE_AGGREGATE;
    if (choice == 0)
        did = node_step_journal(node);
    else if (choice == 1)
        did = node_step_reduce(node);
    else if (choice == 2)
        did = world->recalculating = node_step_recalculate(node);
    else if (choice == 3)
        did = step_keep(world, node);
    else
        did = node_step_aggregate(node, choice - FIXED_STAGES);
    world->stage = before;
    return did;
}

bool world_step_node(struct world *world, struct node *node) {
    uint32_t stages = FIXED_STAGES + node_partition_count(node);
    if (world->order == ORDER_RANDOM) return step_stage(world, node, (uint32_t)below(world, stages));
    /* The last partition first, and the journal after all others. */
    bool did = step_stage(world, node, stages - 1 - world->turn % stages);
    if (!did) world->turn++;
    return did;
}

void world_advance(struct world *world, int64_t milliseconds) {
    world->wall.ms += milliseconds;
    world->mono.ns += milliseconds * 1000000;
}

/* --- the run --- */

/* A node stops for a reason only: something was made to fail, or was damaged. */
static void check_reason(struct world *world) {
    bool damaged = fake_files_counts(world->files).destroyed > 0 || world->store_rotten;
    if (!damaged && world_failures(world) == world->failures_seen)
        world_problem(world, "the node failed, and nothing else had: %s", node_failure(world->node)->text);
}

static void step(struct world *world) {
    uint64_t choice = below(world, 1000);
    if (choice < 7)
        world_cause_trouble(world);
    else if (choice < 20)
        world_check_status(world);
    else if (choice < 40)
        world_ask_count(world);
    else if (choice < 60)
        world_ask_filtered(world);
    else if (choice < 140)
        world_step_filter_change(world);
    else if (choice < 350)
        world_step_request(world);
    else if (choice < 360)
        world_step_hostile(world);
    else
        (void)world_step_node(world, world->node);
    if (!fine(world) || world->journal_lost) return;
    if (below(world, 4) == 0) world_advance(world, (int64_t)below(world, 400));
    if (below(world, 300) == 0) world->clock_step_ms = 0; /* somebody sets it right */
    if (node_phase(world->node) != NODE_FAILED) return;
    check_reason(world);
    if (!fine(world)) return;
    world->coverage->runs_damaged += world_names_a_damaged_run(node_failure(world->node));
    /* It stopped because something failed: the machine died with it, or only the process. */
    if (below(world, 3) == 0)
        world_kill(world);
    else
        world_cut_power(world);
    world_reopen(world);
}

/* What was destroyed and not noticed yet has to come out before the numbers are compared. */
static void end_of_treachery(struct world *world) {
    if (!world->treacherous || fake_files_counts(world->files).destroyed == 0) return;
    world->treachery = 0; /* nothing more is destroyed */
    world_cut_power(world);
    world_reopen(world);
    /* A ranking that was kept of clicks that are lost since is met when it is made anew. */
    unsigned steps = 0, idle = 0;
    while (fine(world) && !world->journal_lost && idle < 200 && steps++ < 100000 && world->node != NULL &&
           node_phase(world->node) != NODE_FAILED)
        idle = world_step_node(world, world->node) ? 0 : idle + 1;
    if (!fine(world) || world->node == NULL || node_phase(world->node) != NODE_FAILED) return;
    check_reason(world);
    world->coverage->stores_refused += strstr(node_failure(world->node)->text, "remove store/") != NULL;
    world_kill(world);
    world_wipe_store(world);
    world_reopen(world);
}

bool world_run(struct world *world) {
    world_reopen(world);
    for (unsigned i = 0; i < world->plan->steps && fine(world) && !world->journal_lost; i++) {
        if (plan_skips(world->plan, i)) continue;
        world_place(world, i);
        step(world);
    }
    if (fine(world)) world_place(world, UINT32_MAX - 1);
    if (fine(world) && !world->journal_lost) end_of_treachery(world);
    if (fine(world) && !world->journal_lost) world_stop_cleanly(world);
    if (world->node != NULL) world_kill(world);
    return fine(world);
}
