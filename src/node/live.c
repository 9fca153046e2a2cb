/* live.c: `GET /v1/live`: whoever watches is told once a second what /v1/status would say.
 *
 * A request is held either by the list or by whoever took it off under live_lock, never by both: the reducer takes all of
 * them, pushes one event to each without a lock, and puts back those that are still there. An end that comes meanwhile
 * finds nothing in the list, and the reducer ends what it holds when it sees `ended`. */
#include "base/check.h"
#include "node/node_internal.h"
#include "reply/reply.h"

enum { LIVE_INTERVAL_MS = 1000 };

static bool live_supported(const struct requests *requests) {
    return requests->stream != NULL && requests->push != NULL && requests->finish != NULL;
}

/* Why no further request can watch, in `reply`; else room for it was counted. */
static bool live_enter(struct node *node, struct reply *reply) {
    struct node_live *live = &node->live;
    if (!live_supported(&node->seam.requests)) {
        reply_problem(reply, 501, "not-supported", "Not supported", "this server cannot send events; ask /v1/status");
        return false;
    }
    pthread_mutex_lock(&live->lock);
    bool ended = live->ended, full = live->watchers == LIVE_REQUESTS_MAX;
    if (!ended && !full) live->watchers++;
    CHECK(live->watchers <= LIVE_REQUESTS_MAX);
    pthread_mutex_unlock(&live->lock);
    if (ended)
        reply_problem(reply, 503, "not-now", "Not now", "%s", node_refuses(node));
    else if (full)
        reply_problem(reply, 503, "too-many-watchers", "Too many watchers",
                      "at most %d requests may watch /v1/live at the same time; ask /v1/status", LIVE_REQUESTS_MAX);
    return !ended && !full;
}

static void live_leave(struct node *node, unsigned count) {
    pthread_mutex_lock(&node->live.lock);
    CHECK(node->live.watchers >= count);
    node->live.watchers -= count;
    pthread_mutex_unlock(&node->live.lock);
}

/* Into the list, or to their end when it came meanwhile. */
static void live_put(struct node *node, void *const *watching, unsigned count) {
    struct node_live *live = &node->live;
    pthread_mutex_lock(&live->lock);
    bool ended = live->ended;
    for (unsigned i = 0; i < count && !ended; i++) {
        CHECK(live->listed < LIVE_REQUESTS_MAX);
        live->requests[live->listed++] = watching[i];
    }
    CHECK(live->listed <= live->watchers);
    pthread_mutex_unlock(&live->lock);
    if (!ended) return;
    for (unsigned i = 0; i < count; i++) node->seam.requests.finish(node->seam.requests.self, watching[i]);
    live_leave(node, count);
}

static unsigned live_take(struct node *node, void **watching) {
    struct node_live *live = &node->live;
    pthread_mutex_lock(&live->lock);
    unsigned count = live->listed;
    memcpy(watching, live->requests, count * sizeof *watching);
    CHECK(count <= live->watchers && live->watchers <= LIVE_REQUESTS_MAX);
    live->listed = 0;
    pthread_mutex_unlock(&live->lock);
    CHECK(count <= LIVE_REQUESTS_MAX);
    return count;
}

/* Puts the event to each, and says how many are still there, moved to the front. */
static unsigned live_push(struct node *node, void **watching, unsigned count) {
    const struct requests *requests = &node->seam.requests;
    struct buffer event = {0};
    node_append_live_event(node, atomic_load(&node->live.clicks_per_second), &event);
    unsigned kept = 0;
    for (unsigned i = 0; i < count; i++) {
        enum status status = requests->push(requests->self, watching[i], buffer_view(&event));
        CHECKF(status == STATUS_OK || status == STATUS_END, "%s", status_text(status));
        if (status == STATUS_OK) watching[kept++] = watching[i];
    }
    buffer_fini(&event);
    CHECK(kept <= count);
    if (kept < count) live_leave(node, count - kept);
    return kept;
}

bool node_live_begin(struct node *node, void *request, struct reply *refusal) {
    if (!live_enter(node, refusal)) return false;
    node->seam.requests.stream(node->seam.requests.self, request, "text/event-stream; charset=utf-8");
    /* The first event at once, before the reducer can see the request: pushes of one request never overlap. */
    if (live_push(node, &request, 1) == 1) live_put(node, &request, 1);
    return true;
}

/* What was accepted since the sample before, a second ago. What the replay reads back was not accepted now. */
static void live_sample(struct node *node, struct mono_time now, int64_t since_ms) {
    struct node_live *live = &node->live;
    CHECK(since_ms > 0);
    bool serving = node_phase(node) == NODE_SERVING;
    pthread_mutex_lock(&node->mail_lock);
    uint64_t accepted = node->totals.accepted;
    pthread_mutex_unlock(&node->mail_lock);
    uint64_t rate = 0;
    if (serving && live->sampled_serving && accepted >= live->accepted)
        rate = (accepted - live->accepted) * 1000 / (uint64_t)since_ms; /* clicks of a second or so: far from overflow */
    live->accepted = accepted;
    live->sampled_serving = serving;
    live->sampled_at = now;
    atomic_store(&live->clicks_per_second, rate);
}

bool node_live_step(struct node *node, struct mono_time now) {
    int64_t since_ms = (now.ns - node->live.sampled_at.ns) / 1000000;
    if (since_ms < LIVE_INTERVAL_MS) return false;
    live_sample(node, now, since_ms);
    void *watching[LIVE_REQUESTS_MAX];
    unsigned count = live_take(node, watching);
    if (count == 0) return false;
    count = live_push(node, watching, count);
    live_put(node, watching, count);
    return true;
}

void node_live_end(struct node *node) {
    void *watching[LIVE_REQUESTS_MAX];
    pthread_mutex_lock(&node->live.lock);
    node->live.ended = true;
    pthread_mutex_unlock(&node->live.lock);
    live_put(node, watching, live_take(node, watching));
}

void node_live_init(struct node *node) {
    CHECK(pthread_mutex_init(&node->live.lock, NULL) == 0);
    node->live.sampled_at = node->opened_at;
}

void node_live_fini(struct node *node) {
    CHECKF(node->live.listed == 0 && node->live.watchers == 0, "%u watchers at the end", node->live.watchers);
    pthread_mutex_destroy(&node->live.lock);
}
