/* requests.c: requests come in: clicks go to intake sessions, questions are answered at once from the view. */
#include "base/check.h"
#include "node/control.h"
#include "node/recalculate.h"
#include "query/query.h"
#include "reply/reply.h"

static struct wall_time arrival_now(const struct node *node) {
    struct wall_time now = clock_wall(&node->seam.clock);
    int64_t last_ms = atomic_load(&node->last_arrival_ms);
    const struct wall_time arrival = now.ms < last_ms ? (struct wall_time){last_ms} : now;
    CHECK(arrival.ms >= last_ms); /* I8: arrivals never go back */
    return arrival;
}

static void send_reply(struct node *node, void *request, struct reply *reply) {
    CHECKF(reply->http_status >= 200 && reply->http_status <= 599, "status %u", reply->http_status);
    node->seam.requests.reply(node->seam.requests.self, request, reply);
}

/* --- intake's side --- */

void node_submit(void *self, struct intake_batch *batch) {
    struct node *node = self;
    enum node_phase phase = node_phase(node);
    enum status status = STATUS_OK;
    pthread_mutex_lock(&node->mail_lock);
    bool stopping = phase == NODE_STOPPING && atomic_load(&node->stop_stage) == STOP_COMMITTING;
    if (phase != NODE_SERVING && !stopping)
        status = STATUS_AGAIN;
    else if (node_dedup_full(node, batch->click_count) || node_ads_full(node, batch->click_count))
        status = STATUS_FULL;
    if (status == STATUS_OK) {
        CHECK((node->queue_first == NULL) == (node->queue_last == NULL));
        batch->next = NULL;
        if (node->queue_last == NULL)
            node->queue_first = batch;
        else
            node->queue_last->next = batch;
        node->queue_last = batch;
        atomic_fetch_add(&node->pending_clicks, batch->click_count);
    }
    pthread_mutex_unlock(&node->mail_lock);
    if (status != STATUS_OK) {
        if (status == STATUS_FULL) node_count_refused(node, NODE_REFUSES_DEDUP);
        intake_batch_committed(batch, status);
        return;
    }
    /* node_fail empties the queue after it has set the phase: whoever comes later must do the same. */
    if (node_phase(node) == NODE_FAILED) node_fail_queue(node, STATUS_IO_ERROR);
    node_wake(node, NODE_STAGE_JOURNAL, 0);
}

void node_session_finished(void *self, struct intake_session *session) {
    struct node *node = self;
    void *request = intake_request(session);
    struct reply reply = {.body_file = -1};
    intake_take_reply(session, &reply);
    intake_destroy(session);
    node_session_closed(node);
    send_reply(node, request, &reply);
}

void node_session_resume(void *self, struct intake_session *session) {
    struct node *node = self;
    node->seam.requests.resume(node->seam.requests.self, intake_request(session));
}

enum status node_request_feed(struct node *node, void *session, struct bytes bytes) {
    struct control *control = node_control_of_session(session);
    if (control != NULL) {
        node_control_feed(control, bytes);
        return STATUS_OK;
    }
    if (atomic_load(&node->pending_clicks) > node->options.pending_clicks_max && node_phase(node) == NODE_SERVING) {
        pthread_mutex_lock(&node->mail_lock);
        if (node->waiting_count == node->waiting_capacity) {
            node->waiting_capacity = node->waiting_capacity * 2 + 16;
            node->waiting = memory_resize(node->waiting, node->waiting_capacity * sizeof(void *));
        }
        CHECK(node->waiting_count < node->waiting_capacity);
        node->waiting[node->waiting_count++] = intake_request(session);
        pthread_mutex_unlock(&node->mail_lock);
        node_resume_waiting(node); /* the last aggregator may have been done just before */
        return STATUS_AGAIN;
    }
    return intake_feed(session, bytes, arrival_now(node));
}

void node_request_end(struct node *node, void *session) {
    struct control *control = node_control_of_session(session);
    if (control != NULL)
        node_control_end(node, control);
    else
        intake_end(session, arrival_now(node));
}

void node_request_abort(struct node *node, void *session) {
    struct control *control = node_control_of_session(session);
    if (control != NULL) {
        node_control_abort(node, control);
        return;
    }
    intake_abort(session, arrival_now(node));
    node_session_closed(node);
}

static void begin_clicks(struct node *node, const struct request_head *head, void *request, void **session,
                         bool *body_wanted) {
    struct reply reply = {.body_file = -1};
    enum node_refusal refusal = node_refusal(node);
    if (!bytes_equal(head->method, BYTES_LITERAL("POST"))) {
        reply_problem(&reply, 405, "method-not-allowed", "Method not allowed", "/v1/clicks takes POST only");
        reply.headers = "Cache-Control: no-store\r\nAllow: POST\r\n";
    } else if (refusal != NODE_REFUSES_NOT) {
        node_count_refused(node, refusal);
        reply_problem(&reply, 503, "not-now", "Not now", "%s; try again", node_refusal_text(refusal));
    } else {
        atomic_fetch_add(&node->sessions_open, 1);
        *session = intake_begin(&node->intake, head, request, &reply);
        if (*session != NULL) {
            *body_wanted = true;
            return;
        }
        node_session_closed(node);
    }
    send_reply(node, request, &reply);
}

/* --- questions --- */

static void fill_stage_cpu(const struct node *node, struct query_status *status) {
    static const char *const names[] = {"journal", "aggregate", "reduce", "recalculate", "keep"};
    size_t count = 0;
    if (node->options.intake_cpu != NULL)
        status->stage_cpu[count++] = (struct query_stage_cpu){"intake", node->options.intake_cpu(node->options.wake_self)};
    for (int stage = NODE_STAGE_JOURNAL; node->options.stage_cpu != NULL && stage <= NODE_STAGE_KEEP; stage++)
        status->stage_cpu[count++] =
            (struct query_stage_cpu){names[stage], node->options.stage_cpu(node->options.wake_self, (enum node_stage)stage)};
}

static void fill_intake(const struct node *node, struct query_status *status) {
    _Static_assert((int)NODE_REFUSALS <= (int)QUERY_REASONS_MAX, "one ends the list");
    for (unsigned i = NODE_REFUSES_NOT + 1; i < NODE_REFUSALS; i++)
        status->refused[i - 1] =
            (struct query_reason){node_refusal_code((enum node_refusal)i), atomic_load(&node->refused[i])};
    for (size_t i = 0; i < QUERY_COMMIT_BUCKETS; i++) status->commits[i] = atomic_load(&node->commits[i]);
    status->commits_ns = atomic_load(&node->commits_ns);
    if (node->options.connections != NULL) node->options.connections(node->options.connections_self, &status->connections);
}

static void gather_partitions(struct node *node, struct query_status *status) {
    for (uint32_t p = 0; p < node->partition_count; p++) {
        struct node_partition *partition = &node->partitions[p];
        pthread_mutex_lock(&partition->lock);
        struct dedup_usage usage = aggregator_dedup_usage(partition->aggregator);
        status->filters_aggregators_bytes += aggregator_atoms_memory_bytes(partition->aggregator);
        pthread_mutex_unlock(&partition->lock);
        CHECK(usage.entries <= usage.entries_max);
        CHECK(usage.bytes <= usage.bytes_max); /* I10 */
        status->dedup.entries += usage.entries;
        status->dedup.entries_max += usage.entries_max;
        status->dedup.bytes += usage.bytes;
        status->dedup.bytes_max += usage.bytes_max;
        status->dedup.runs += usage.runs;
        status->dedup.file_bytes += usage.file_bytes;
        status->dedup.reads += usage.reads;
        status->dedup.written += usage.written;
        status->dedup.merged += usage.merged;
    }
}

/* Under the view's read lock: what the journal has accepted is read after the view was fixed, so it is never less than what
 * the view counts. */
static void gather_totals(struct node *node, struct query_status *status) {
    pthread_mutex_lock(&node->mail_lock);
    status->totals = node->totals;
    status->rules = node->rules;
    memcpy(status->journal_end, node->journal_end, sizeof status->journal_end);
    pthread_mutex_unlock(&node->mail_lock);
    uint64_t rejected = 0; /* I4, the intake law */
    for (size_t i = 0; i < REJECT_CODES; i++) rejected += status->totals.rejected_by[i];
    CHECK(status->totals.received == status->totals.accepted + rejected);
}

static void gather_rest(struct node *node, struct query_status *status) {
    status->phase = node_phase_text(node_phase(node));
    status->dedup.restored = node->progress.partitions_restored; /* fixed since node_open */
    status->dedup.rebuilt = node->progress.partitions_rebuilt;
    status->waits_for = node_refuses(node);
    status->ads = ads_count(node->ads);
    status->filters_max = node->options.filters_max;
    status->filters_journal_bytes = atomic_load(&node->journal_filters_bytes);
    status->atoms_max = node->options.atoms_max;
    status->ads_bytes = ads_memory_bytes(node->ads);
    status->recalculation_bytes = atomic_load(&node->recalculation_bytes);
    status->recalculation_bytes_max = node_recalculation_bytes_max(node);
    status->checkpoints = atomic_load(&node->checkpoints);
    status->requests = atomic_load(&node->requests);
    status->queries = atomic_load(&node->queries);
    status->uptime_seconds = (double)(clock_mono(&node->seam.clock).ns - node->opened_at.ns) / 1e9;
    status->resident_bytes = node->options.resident_bytes != NULL ? node->options.resident_bytes() : 0;
    fill_stage_cpu(node, status);
    fill_intake(node, status);
}

struct filter_progress node_recalculation(const struct node *node) {
    const unsigned permille = atomic_load(&node->recalculated_permille);
    CHECK(permille <= 1000);
    return (struct filter_progress){atomic_load(&node->recalculating_id), permille};
}

static void answer_question(struct node *node, const struct request_head *head, struct reply *reply) {
    struct query_status status = {0};
    bool wants_status =
        bytes_equal(head->path, BYTES_LITERAL("/v1/status")) || bytes_equal(head->path, BYTES_LITERAL("/metrics"));
    atomic_fetch_add(&node->queries, 1);
    if (node_phase(node) == NODE_REPLAYING && !wants_status) {
        reply_problem(reply, 503, "not-now", "Not now", "the journal is being replayed; try again");
        return;
    }
    CHECK(node->partition_count >= 1 || node_phase(node) != NODE_SERVING);
    if (wants_status) gather_partitions(node, &status); /* partition locks come before the view's */
    pthread_rwlock_rdlock(&node->view_lock);
    if (wants_status) {
        gather_totals(node, &status);
        gather_rest(node, &status);
    }
    status.recalculation = node_recalculation(node);
    query_answer(node->view, &status, head, reply);
    pthread_rwlock_unlock(&node->view_lock);
}

void node_append_live_event(struct node *node, uint64_t clicks_per_second, struct buffer *out) {
    struct query_status status = {0};
    gather_partitions(node, &status); /* partition locks come before the view's */
    pthread_rwlock_rdlock(&node->view_lock);
    gather_totals(node, &status);
    gather_rest(node, &status);
    query_live_event(node->view, &status, clock_wall(&node->seam.clock), clicks_per_second, out);
    pthread_rwlock_unlock(&node->view_lock);
}

/* --- the table of contents --- */

/* Those that query_answer does not know. */
static bool is_for_reading(struct bytes path) {
    return bytes_equal(path, BYTES_LITERAL("/livez")) || bytes_equal(path, BYTES_LITERAL("/readyz")) ||
           bytes_equal(path, BYTES_LITERAL("/v1/live")) || bytes_equal(path, BYTES_LITERAL("/v1/export"));
}

void node_request(struct node *node, const struct request_head *head, void *request, void **session, bool *body_wanted) {
    struct bytes path = head->path;
    *session = NULL;
    *body_wanted = false;
    atomic_fetch_add(&node->requests, 1);
    if (bytes_equal(path, BYTES_LITERAL("/v1/clicks"))) {
        begin_clicks(node, head, request, session, body_wanted);
        return;
    }
    if (node_control_begin(node, head, request, session, body_wanted)) return;
    struct reply reply = {.body_file = -1};
    bool reads = bytes_equal(head->method, BYTES_LITERAL("GET")) || bytes_equal(head->method, BYTES_LITERAL("HEAD"));
    if (!reads && is_for_reading(path))
        reply_read_only(&reply, path);
    else if (bytes_equal(path, BYTES_LITERAL("/livez")))
        node_answer_probe(node, false, head->query, &reply);
    else if (bytes_equal(path, BYTES_LITERAL("/readyz")))
        node_answer_probe(node, true, head->query, &reply);
    else if (bytes_equal(path, BYTES_LITERAL("/v1/live"))) {
        if (node_live_begin(node, request, &reply)) return;
    } else if (bytes_equal(path, BYTES_LITERAL("/v1/export")) && node_phase(node) != NODE_REPLAYING)
        node_answer_export(node, head->query, &reply);
    else
        answer_question(node, head, &reply);
    send_reply(node, request, &reply);
}
