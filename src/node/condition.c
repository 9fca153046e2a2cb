/* condition.c: whether clicks are taken, and why not: for the 503s, the probes and the log. */
#include <stdio.h>

#include "base/check.h"
#include "node/node_internal.h"

static const struct {
    const char *code, *text;
} refusals[NODE_REFUSALS] = {
    [NODE_REFUSES_REPLAYING] = {"replaying", "the journal is being replayed"},
    [NODE_REFUSES_STOPPING] = {"stopping", "the server is stopping"},
    [NODE_REFUSES_FAILED] = {"failed", "the server has failed and must be restarted"},
    [NODE_REFUSES_CLOCK] = {"clock", "the machine's clock is behind the journal or was stepped; see the log"},
    [NODE_REFUSES_PENDING] = {"pending_clicks", "too many clicks wait to be counted"},
    [NODE_REFUSES_DEDUP] = {"dedup_memory", "the memory for identities is full: raise --dedup-memory"},
    [NODE_REFUSES_ADS] = {"ads", "the bound on distinct ads is reached"},
};

const char *node_refusal_code(enum node_refusal refusal) {
    CHECK(refusal > NODE_REFUSES_NOT && refusal < NODE_REFUSALS);
    return refusals[refusal].code;
}

const char *node_refusal_text(enum node_refusal refusal) {
    CHECK(refusal > NODE_REFUSES_NOT && refusal < NODE_REFUSALS);
    return refusals[refusal].text;
}

/* If every click that is pending, and `more`, named a new ad. */
bool node_ads_full(const struct node *node, uint64_t more) {
    uint64_t bound = node->options.ads_max > 0 ? node->options.ads_max : ADS_INTAKE_MAX;
    return ads_count(node->ads) + atomic_load(&node->pending_clicks) + more > bound;
}

/* If all that is pending and `more` went to the fullest partition. */
bool node_dedup_full(const struct node *node, uint64_t more) {
    uint64_t pending = atomic_load(&node->pending_clicks);
    for (uint32_t p = 0; p < node->partition_count; p++)
        if (atomic_load(&node->partitions[p].dedup_room) < pending + more) return true;
    return false;
}

enum node_refusal node_refusal(const struct node *node) {
    switch (node_phase(node)) {
    case NODE_REPLAYING:
        return NODE_REFUSES_REPLAYING;
    case NODE_STOPPING:
    case NODE_STOPPED:
        return NODE_REFUSES_STOPPING;
    case NODE_FAILED:
        return NODE_REFUSES_FAILED;
    case NODE_SERVING:
        break;
    }
    if (!atomic_load(&node->clock_trusted)) return NODE_REFUSES_CLOCK;
    if (atomic_load(&node->pending_clicks) > node->options.pending_clicks_max) return NODE_REFUSES_PENDING;
    /* Room for a batch, or for a share where the memory is smaller than that. */
    CHECK(node->partition_count >= 1); /* it serves */
    uint64_t share = node->progress.dedup_entries_max / node->partition_count / 8;
    if (node_dedup_full(node, share < INTAKE_BATCH_CLICKS ? share + 1 : INTAKE_BATCH_CLICKS)) return NODE_REFUSES_DEDUP;
    if (node_ads_full(node, 1)) return NODE_REFUSES_ADS;
    return NODE_REFUSES_NOT;
}

const char *node_refuses(const struct node *node) {
    enum node_refusal refusal = node_refusal(node);
    return refusal == NODE_REFUSES_NOT ? NULL : node_refusal_text(refusal);
}

void node_count_refused(struct node *node, enum node_refusal refusal) {
    CHECK(refusal > NODE_REFUSES_NOT && refusal < NODE_REFUSALS);
    atomic_fetch_add(&node->refused[refusal], 1);
}

void node_count_commit(struct node *node, int64_t took_ns) {
    static const uint64_t bounds_us[] = QUERY_COMMIT_BOUNDS_US;
    _Static_assert(sizeof bounds_us / sizeof *bounds_us == QUERY_COMMIT_BUCKETS - 1, "the last bucket has no bound");
    uint64_t ns = took_ns < 0 ? 0 : (uint64_t)took_ns;
    size_t bucket = 0;
    while (bucket < QUERY_COMMIT_BUCKETS - 1 && ns > bounds_us[bucket] * 1000) bucket++;
    CHECK(bucket < QUERY_COMMIT_BUCKETS && (bucket == 0 || ns > bounds_us[bucket - 1] * 1000));
    atomic_fetch_add(&node->commits[bucket], 1);
    atomic_fetch_add(&node->commits_ns, ns);
    if (ns < NODE_SLOW_COMMIT_NS) return;
    unsigned long long slowest = atomic_load(&node->slowest_commit_ns);
    while (ns > slowest && !atomic_compare_exchange_weak(&node->slowest_commit_ns, &slowest, ns)) {
    }
    atomic_fetch_add(&node->slow_commits, 1);
}

struct node_condition node_condition(struct node *node) {
    struct node_condition condition = {
        .refusal = node_refusal(node),
        .clock_trusted = atomic_load(&node->clock_trusted),
        .dedup_entries_max = node->progress.dedup_entries_max,
        .checkpoints = atomic_load(&node->checkpoints),
        .slow_commits = atomic_load(&node->slow_commits),
        .slowest_commit_ms = (int64_t)(atomic_exchange(&node->slowest_commit_ns, 0) / 1000000),
    };
    for (uint32_t p = 0; p < node->partition_count; p++)
        condition.dedup_entries += atomic_load(&node->partitions[p].dedup_entries);
    for (unsigned i = 0; i < NODE_REFUSALS; i++) condition.refused[i] = atomic_load(&node->refused[i]);
    return condition;
}

struct rules node_rules(const struct node *node) {
    struct node *locked = (struct node *)(uintptr_t)node;
    pthread_mutex_lock(&locked->mail_lock);
    struct rules rules = node->rules;
    pthread_mutex_unlock(&locked->mail_lock);
    return rules;
}

/* --- probes --- */

static void append_check(struct buffer *out, const char *name, const char *waits) {
    if (waits == NULL)
        buffer_printf(out, "%s ok\n", name);
    else
        buffer_printf(out, "%s waits: %s\n", name, waits);
}

/* One line for each check. The reason of a failure is in the log only: it holds paths. */
static void append_checks(const struct node *node, struct buffer *out) {
    enum node_phase phase = node_phase(node);
    struct node_progress progress = node_progress(node);
    if (phase == NODE_REPLAYING)
        buffer_printf(out, "replay waits: %llu clicks in %llu records read back so far\n",
                      (unsigned long long)progress.clicks, (unsigned long long)progress.records);
    else
        append_check(out, "replay", NULL);
    append_check(out, "journal", phase == NODE_FAILED ? "the server has failed and must be restarted; see the log" : NULL);
    append_check(out, "clock", atomic_load(&node->clock_trusted) ? NULL : node_refusal_text(NODE_REFUSES_CLOCK));
    append_check(out, "intake", node_refuses(node));
}

static bool wants_checks(struct bytes query) {
    struct buffer value = {0};
    bool wanted = query_parameter(query, "verbose", &value) != STATUS_NOT_FOUND;
    buffer_fini(&value);
    return wanted;
}

void node_answer_probe(const struct node *node, bool ready_wanted, struct bytes query, struct reply *reply) {
    enum node_phase phase = node_phase(node);
    bool good = ready_wanted ? phase == NODE_SERVING : phase != NODE_FAILED;
    const char *refusal = node_refuses(node);
    reply->http_status = good ? 200 : 503;
    reply->content_type = "text/plain; charset=utf-8";
    if (wants_checks(query)) append_checks(node, &reply->body);
    if (good)
        buffer_append_text(&reply->body, "ok\n");
    else
        buffer_printf(&reply->body, "%s: %s\n", node_phase_text(phase), refusal == NULL ? "just now" : refusal);
}
