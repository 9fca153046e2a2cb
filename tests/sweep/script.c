#include "sweep/script.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

enum deed {
    DEED_START,
    DEED_STOP,
    DEED_KILL,
    DEED_POST,
    DEED_PASS,
    DEED_FILTER,
    DEED_DELETE,
    DEED_RECALCULATE,
    DEED_COMPARE,
    DEED_LITTER
};

struct action {
    enum deed deed;
    int64_t ms;           /* DEED_PASS; of DEED_START: the lateness proposed, 0: none */
    unsigned filter;      /* DEED_FILTER, DEED_DELETE, DEED_RECALCULATE */
    struct rig_post post; /* DEED_POST */
};

struct script {
    const char *name;
    const struct action *actions;
    size_t count;
    bool in_files; /* so little memory in front of the identities that they are in runs soon */
};

#define POST(first_, count_)                                                                                                \
    {                                                                                                                       \
        .deed = DEED_POST, .post = {.first = first_, .count = count_ }                                                      \
    }
#define PASS(ms_)                                                                                                           \
    { .deed = DEED_PASS, .ms = ms_ }

/* Duplicates, conflicts, late clicks and bad lines over several segments, and the ends that a process can come to. */
static const struct action counting[] = {
    {.deed = DEED_START, .ms = 10 * MINUTE_MS},
    POST(0, 10),
    {.deed = DEED_POST, .post = {.first = 4, .count = 7, .malformed = 1}},
    {.deed = DEED_POST, .post = {.first = 0, .count = 2, .conflict = true}},
    PASS(70 * SECOND_MS),
    POST(12, 10),
    {.deed = DEED_COMPARE},
    {.deed = DEED_POST, .post = {.first = 22, .count = 3, .malformed = 1, .atomic = true}},
    PASS(15 * SECOND_MS),
    {.deed = DEED_KILL},
    {.deed = DEED_START},
    POST(16, 10),
    PASS(12 * MINUTE_MS),
    POST(5, 14), /* by now, what is late is too late */
    {.deed = DEED_STOP},
    {.deed = DEED_START},
    {.deed = DEED_COMPARE},
    POST(26, 6),
    {.deed = DEED_STOP},
};

/* Filters that are made, deleted and counted back, over checkpoints. */
static const struct action filters[] = {
    {.deed = DEED_START, .ms = 10 * MINUTE_MS},
    POST(0, 8),
    {.deed = DEED_FILTER, .filter = 1},
    POST(6, 8),
    PASS(80 * SECOND_MS),
    {.deed = DEED_FILTER, .filter = 2},
    {.deed = DEED_RECALCULATE, .filter = 1},
    POST(14, 6),
    PASS(30 * SECOND_MS),
    {.deed = DEED_DELETE, .filter = 2},
    {.deed = DEED_COMPARE},
    {.deed = DEED_STOP},
    {.deed = DEED_START},
    POST(16, 8),
    {.deed = DEED_STOP},
};

/* Rules that change with a start. */
static const struct action rules[] = {
    {.deed = DEED_START, .ms = 10 * MINUTE_MS},
    POST(0, 6),
    PASS(5 * MINUTE_MS),
    {.deed = DEED_STOP},
    {.deed = DEED_START, .ms = 1 * MINUTE_MS},
    POST(3, 8),
    PASS(3 * MINUTE_MS),
    {.deed = DEED_KILL},
    {.deed = DEED_LITTER},
    {.deed = DEED_START, .ms = 30 * MINUTE_MS},
    POST(8, 8),
    {.deed = DEED_COMPARE},
    {.deed = DEED_STOP},
};

/* What the damage sweeps take: two sealed segments, one that is not, and a checkpoint in the middle of it. */
static const struct action small_actions[] = {
    {.deed = DEED_START, .ms = 10 * MINUTE_MS},
    POST(0, 3),
    {.deed = DEED_STOP},
    {.deed = DEED_START},
    {.deed = DEED_FILTER, .filter = 1},
    {.deed = DEED_POST, .post = {.first = 2, .count = 3, .malformed = 1}},
    {.deed = DEED_STOP},
    {.deed = DEED_START},
    POST(4, 3),
    POST(12, 3),
    PASS(4 * SECOND_MS),
    POST(5, 2),
    POST(7, 3),
    {.deed = DEED_KILL},
};

/* Identities in files: runs are written, merged, kept, looked into and forgotten, also those of a recalculation; starts go
 * on from them, after a kill and after a stop. */
static const struct action identities[] = {
    {.deed = DEED_START, .ms = 10 * MINUTE_MS},
    POST(0, 50),
    PASS(50 * SECOND_MS),
    POST(50, 50),
    PASS(50 * SECOND_MS),
    POST(100, 50),
    {.deed = DEED_FILTER, .filter = 1},
    PASS(50 * SECOND_MS),
    POST(20, 30),
    {.deed = DEED_POST, .post = {.first = 0, .count = 9, .conflict = true}},
    {.deed = DEED_KILL},
    {.deed = DEED_START},
    {.deed = DEED_RECALCULATE, .filter = 1},
    POST(150, 40),
    POST(60, 20),
    {.deed = DEED_COMPARE},
    PASS(3 * HOUR_MS),
    POST(10970, 40),
    PASS(50 * SECOND_MS),
    POST(11010, 50),
    PASS(20 * SECOND_MS),
    {.deed = DEED_STOP},
    {.deed = DEED_START},
    POST(11000, 20),
    {.deed = DEED_COMPARE},
    {.deed = DEED_STOP},
};

/* What the damage of their files is made on. */
static const struct action runs_actions[] = {
    {.deed = DEED_START, .ms = 10 * MINUTE_MS},
    POST(0, 50),
    PASS(50 * SECOND_MS),
    POST(50, 50),
    PASS(20 * SECOND_MS),
    POST(100, 10),
    {.deed = DEED_KILL},
};

#define SCRIPT(actions_)                                                                                                    \
    { #actions_, actions_, sizeof actions_ / sizeof actions_[0], false }
#define SCRIPT_IN_FILES(actions_)                                                                                           \
    { #actions_, actions_, sizeof actions_ / sizeof actions_[0], true }
static const struct script all[] = {SCRIPT(counting), SCRIPT(filters), SCRIPT(rules), SCRIPT_IN_FILES(identities)};
const struct script *const scripts[] = {&all[0], &all[1], &all[2], &all[3], NULL};

static const struct script small = SCRIPT(small_actions);
const struct script *const script_small = &small;
const struct script *const script_with_filters = &all[1];
static const struct script kept_runs = SCRIPT_IN_FILES(runs_actions);
const struct script *const script_runs = &kept_runs;

const char *script_name(const struct script *script) {
    return script->name;
}

size_t script_actions(const struct script *script) {
    return script->count;
}

bool script_action_starts(const struct script *script, size_t at) {
    CHECK(at < script->count);
    return script->actions[at].deed == DEED_START;
}

static bool start(struct rig *rig, int64_t lateness_ms) {
    if (rig->node != NULL && !rig_stop(rig)) return false;
    struct rules_proposal *proposal = &rig->options.proposal;
    *proposal = (struct rules_proposal){.has_partitions = true, .partition_count = 2};
    if (lateness_ms > 0) {
        proposal->has_lateness = proposal->has_horizon = true;
        proposal->lateness_ms = lateness_ms;
        proposal->horizon_ms = 2 * HOUR_MS;
    }
    return rig_start(rig);
}

/* 200 for what an earlier try of the same did already. */
static bool change_filters(struct rig *rig, const struct action *action) {
    char path[64] = "/v1/filters", body[160] = "";
    bool creates = action->deed == DEED_FILTER;
    if (creates)
        (void)snprintf(body, sizeof body,
                       "{\"filter_id\":%u,\"region\":\"!USA\",\"ip\":\"10.0.%u.0/24\",\"user_id\":\"u%u\",\"ranked\":%s}",
                       action->filter, action->filter, action->filter % 2, action->filter == 1 ? "true" : "false");
    else
        (void)snprintf(path, sizeof path, "/v1/filters/%u%s", action->filter,
                       action->deed == DEED_DELETE ? "" : "/recalculation");
    const char *method = action->deed == DEED_DELETE ? "DELETE" : "POST";
    bool runs = rig_request(rig, method, path, "", creates ? "application/json" : "", bytes_of_text(body));
    unsigned status = rig->http_status;
    bool done = status == 200 || status == 201 || status == 202 || status == 204;
    if (!done && status != 503 && !(action->deed == DEED_DELETE && status == 409))
        rig_problem(rig, "%s %s: %u %.300s", method, path, status, (const char *)rig->answer.at);
    return runs;
}

static void keep_path(void *context, const char *path) {
    size_t len = strlen(path);
    if (len > 4 && strcmp(path + len - 4, ".seg") == 0) (void)snprintf(context, 128, "%s", path);
}

/* What a crash may leave: a half-made file, and half a record behind the last whole one. */
static void litter(struct rig *rig) {
    char path[128] = "";
    CHECK(rig->node == NULL);
    rig->asleep++;
    fake_files_put(rig->files, "journal/00000000000000000099.seg.new", BYTES_LITERAL("half"));
    fake_files_each(rig->files, keep_path, path);
    struct bytes content = fake_files_content(rig->files, path);
    size_t end = content.len;
    while (end > 0 && content.at[end - 1] == 0) end--;
    if (end + 40 < content.len) fake_files_flip(rig->files, path, end + 24, 0x55);
    rig->asleep--;
}

static bool act(struct rig *rig, const struct action *action) {
    switch (action->deed) {
    case DEED_START:
        return start(rig, action->ms);
    case DEED_STOP:
        return rig->node == NULL || rig_stop(rig);
    case DEED_KILL:
        rig_drop(rig);
        return true;
    case DEED_POST:
        return rig_post(rig, &action->post);
    case DEED_PASS:
        return rig_pass(rig, action->ms);
    case DEED_FILTER:
    case DEED_DELETE:
    case DEED_RECALCULATE:
        return change_filters(rig, action);
    case DEED_COMPARE:
        rig_compare(rig);
        return rig->node != NULL;
    case DEED_LITTER:
        litter(rig);
        return true;
    }
    CHECK_FAIL("deed %d", (int)action->deed);
}

bool script_is_in_files(const struct script *script) {
    return script->in_files;
}

bool script_met_all(const struct script *script, const struct rig *rig) {
    const struct rig_identities *met = &rig->identities;
    return !script->in_files || (met->written > 0 && (script == script_runs || (met->merged > 0 && met->restored > 0)));
}

size_t script_run(const struct script *script, struct rig *rig, size_t from) {
    size_t at = from;
    if (script->in_files) {
        rig->options.dedup_memory_bytes = 200 << 10;
        rig->options.dedup_table_bytes = 2048;
        rig->options.dedup_runs_max = 3;
    }
    while (at < script->count && rig_fine(rig) && act(rig, &script->actions[at])) at++;
    return at;
}
