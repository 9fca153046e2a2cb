#include "intake/session.h"

#include <sched.h>

#include "base/check.h"
#include "reply/reply.h"

/* The batch being filled; a new one begins with the line that needs it. */
static struct intake_batch *session_batch(struct intake_session *session, struct wall_time now) {
    if (session->batch != NULL) return session->batch;
    if (session->spare_batches == NULL)
        session->spare_batches = atomic_exchange_explicit(&session->returned, NULL, memory_order_acquire);
    struct intake_batch *batch = session->spare_batches;
    if (batch == NULL) {
        batch = intake_batch_create(session);
    } else {
        session->spare_batches = batch->next;
    }
    CHECK(batch->session == session && batch->click_count == 0 && batch->journal.counts.received == 0);
    batch->next = NULL;
    batch->journal.arrival_floor = now;
    batch->journal.refused_at = (struct wall_time){INT64_MAX};
    session->batch = batch;
    session->batch_began = now;
    return batch;
}

static void session_drop_batch(struct intake_session *session) {
    struct intake_batch *batch = session->batch;
    if (batch == NULL) return;
    session->batch = NULL;
    intake_batch_clear(batch);
    batch->next = session->spare_batches;
    session->spare_batches = batch;
}

static void session_submit(struct intake_session *session) {
    struct intake_batch *batch = session->batch;
    if (batch == NULL) return;
    session->batch = NULL;
    CHECK(batch->journal.counts.received > 0); /* a batch begins with a line */
    batch->bytes = 0;
    for (uint32_t i = 0; i < batch->column_count; i++) batch->bytes += columns_bytes(&batch->journal.columns[i]);
    uint64_t rejected = 0;
    for (size_t i = 0; i < REJECT_CODES; i++) {
        rejected += batch->journal.counts.rejected_by[i];
        session->rejected_by[i] += batch->journal.counts.rejected_by[i];
    }
    session->rejected += rejected;
    session->received += batch->journal.counts.received;
    /* I4, the intake law. */
    CHECKF(batch->journal.counts.received == batch->click_count + rejected, "%llu received, %u clicks, %llu rejected",
           (unsigned long long)batch->journal.counts.received, batch->click_count, (unsigned long long)rejected);
    atomic_fetch_add(&session->in_flight, 1);
    atomic_fetch_add(&session->outstanding, 1);
    session->context->submit(session->context->self, batch);
}

/* The last one out knows the answer. The session may be gone after this call. */
static void session_let_go(struct intake_session *session) {
    unsigned before = atomic_fetch_sub(&session->outstanding, 1);
    CHECK(before > 0);
    if (before > 1) return;
    CHECK(session->ended || session->aborted);
    if (session->aborted) {
        intake_destroy(session);
    } else {
        session->context->finished(session->context->self, session);
    }
}

struct intake_session *intake_begin(const struct intake_context *context, const struct request_head *head, void *request,
                                    struct reply *refusal) {
    struct intake_session *session = intake_pool_take(context->pool, context);
    if (!intake_head_accept(session, head, refusal)) {
        intake_pool_give(context->pool, session);
        return NULL;
    }
    if (session->encoding != ENCODING_IDENTITY) {
        session->expander = intake_pool_take_expander(context->pool, session->encoding);
        if (session->expander == NULL) {
            reply_problem(refusal, 503, "not-now", "Not now",
                          "too many compressed bodies are being read at the same time; try again, or send it uncompressed");
            intake_pool_give(context->pool, session);
            return NULL;
        }
    }
    session->request = request;
    lines_reset(&session->lines, session->form == BODY_JSON);
    atomic_store_explicit(&session->outstanding, 1, memory_order_relaxed);
    return session;
}

void *intake_request(const struct intake_session *session) {
    CHECK(session->magic == INTAKE_SESSION_MAGIC);
    return session->request;
}

/* What `columns_bytes` will say of it, a little too high: only a bound for when the batch is full. */
static size_t click_bytes(const struct click *click) {
    return 56 + click->ad_id.len + click->event_id.len + click->source.len + click->user_id.len + click->time_text.len +
           click->country_text.len + click->ip_text.len;
}

static void take_click(struct intake_session *session, struct intake_batch *batch, struct click *click) {
    CHECK(!session->refused);
    click->source = (struct bytes){session->source_at, session->source_len};
    click_identify(click, &session->context->key);
    uint32_t partition = identity_partition(click->identity, batch->column_count);
    columns_append(&batch->journal.columns[partition], click);
    batch->click_count++;
    batch->bytes += click_bytes(click);
}

static void take_good_line(struct intake_session *session, struct intake_batch *batch, struct click *click) {
    if (session->atomic) {
        session->good_count++;
        if (session->good_lines.len < INTAKE_ERRORS_MAX * sizeof(uint64_t))
            buffer_append(&session->good_lines, &session->lines.number, sizeof(uint64_t));
        if (!session->refused) take_click(session, batch, click);
        return;
    }
    take_click(session, batch, click);
    if (batch->click_count >= INTAKE_BATCH_CLICKS || batch->bytes >= INTAKE_BATCH_BYTES) session_submit(session);
}

static void take_rejected_line(struct intake_session *session, struct intake_batch *batch, enum reject reject,
                               const char *detail, struct wall_time now) {
    CHECK(reject < REJECT_CODES);
    batch->journal.counts.rejected_by[reject]++;
    if (reject == REJECT_FUTURE_TIMESTAMP && now.ms < batch->journal.refused_at.ms) batch->journal.refused_at = now;
    intake_list_error(session, session->lines.number, reject, detail);
    if (!session->atomic || session->refused) return;
    session->refused = true;
    struct intake_counts counts = batch->journal.counts;
    struct wall_time floor = batch->journal.arrival_floor, refused_at = batch->journal.refused_at;
    intake_batch_clear(batch);
    batch->journal.counts = counts;
    batch->journal.arrival_floor = floor;
    batch->journal.refused_at = refused_at;
}

static bool line_is_blank(struct bytes line, enum body_form form) {
    if (form == BODY_LOG) return line.len == 0;
    for (size_t i = 0; i < line.len; i++)
        if (line.at[i] != ' ' && line.at[i] != '\t' && line.at[i] != '\r' && line.at[i] != '\n') return false;
    return true;
}

static void take_line(struct intake_session *session, struct decoder *decoder, enum line_event event, struct bytes line,
                      const struct decode_rules *rules) {
    if (event == LINE_WHOLE && line_is_blank(line, session->form)) return;
    struct intake_batch *batch = session_batch(session, rules->now);
    batch->journal.counts.received++;
    if (rules->now.ms > batch->journal.arrival_floor.ms) batch->journal.arrival_floor = rules->now;
    if (event == LINE_TOO_LONG) {
        take_rejected_line(session, batch, REJECT_LINE_TOO_LONG, "", rules->now);
        return;
    }
    struct click click;
    char detail[DECODE_DETAIL_BYTES];
    detail[0] = '\0';
    enum reject reject = session->form == BODY_LOG ? decode_log_line(decoder, line, rules, &click, detail)
                                                   : decode_json(decoder, line, rules, &click, detail);
    if (reject == REJECT_NONE) {
        take_good_line(session, batch, &click);
    } else {
        take_rejected_line(session, batch, reject, detail, rules->now);
    }
}

static struct decode_rules session_rules(const struct intake_session *session, struct wall_time now) {
    const struct intake_context *context = session->context;
    return (struct decode_rules){.mode = context->identity_mode, .now = now, .max_skew_ms = context->max_skew_ms};
}

/* True: all batches that may be in flight are, and `resume` will be called. Ordered against the writer's decrement of
 * `in_flight` and its look at `waiting` (both sequentially consistent): one of the two sees the other. */
static bool session_must_wait(struct intake_session *session) {
    if (atomic_load(&session->in_flight) < INTAKE_BATCHES_IN_FLIGHT_MAX) return false;
    atomic_store(&session->waiting, true);
    if (atomic_load(&session->in_flight) >= INTAKE_BATCHES_IN_FLIGHT_MAX) return true;
    /* Room came meanwhile. If the writer has seen `waiting`, its resume is on the way and must be waited for. */
    return !atomic_exchange(&session->waiting, false);
}

/* What comes now need not be read: nothing more of it is journalled, and the answer says so. */
static bool session_is_lost(const struct intake_session *session) {
    return session->too_large || session->broken.status != STATUS_OK ||
           atomic_load_explicit(&session->failed, memory_order_relaxed) != STATUS_OK;
}

static void take_bytes(struct intake_session *session, struct bytes bytes, struct wall_time now) {
    session->body_bytes += bytes.len;
    if (session_is_lost(session)) return;
    if (session->atomic && session->body_bytes > INTAKE_ATOMIC_BYTES_MAX) {
        session->too_large = true;
        session_drop_batch(session);
        return;
    }
    struct decode_rules rules = session_rules(session, now);
    struct decoder *decoder = NULL;
    struct bytes line;
    enum line_event event;
    while ((event = lines_next(&session->lines, &bytes, &line)) != LINE_NONE) {
        if (decoder == NULL) decoder = intake_pool_take_decoder(session->context->pool);
        take_line(session, decoder, event, line, &rules);
    }
    CHECK(bytes.len == 0);
    if (decoder != NULL) intake_pool_give_decoder(session->context->pool, decoder);
    bool old = session->batch != NULL && now.ms - session->batch_began.ms >= INTAKE_BATCH_AGE_MS_MAX;
    if (old && !session->atomic) session_submit(session);
}

/* Whole lines before the damage are kept; of an atomic body, nothing. */
static void note_broken(struct intake_session *session) {
    CHECK(session->broken.status == STATUS_BAD_INPUT || session->broken.status == STATUS_FULL);
    if (session->atomic) session_drop_batch(session);
}

/* Undoes the compression part by part; between two parts the batches in flight are looked at, since a small part of a
 * compressed body may make very many of them. */
static enum status take_compressed(struct intake_session *session, struct bytes bytes, struct wall_time now) {
    struct expander *expander = session->expander;
    size_t skipped = session->expanded < bytes.len ? session->expanded : bytes.len;
    struct bytes input = {bytes.at + skipped, bytes.len - skipped};
    size_t made = 0;
    do {
        if (session_is_lost(session)) break;
        struct failure broken = {.status = STATUS_OK};
        enum status status =
            decompressor_step(expander->decompressor, &input, expander->out, sizeof expander->out, &made, &broken);
        if (made > 0) take_bytes(session, (struct bytes){expander->out, made}, now);
        if (status != STATUS_OK) {
            session->broken = broken;
            note_broken(session);
            break;
        }
        if (made == sizeof expander->out && session_must_wait(session)) {
            session->expanded = bytes.len - input.len;
            return STATUS_AGAIN;
        }
    } while (made == sizeof expander->out);
    session->expanded = 0;
    return STATUS_OK;
}

enum status intake_feed(struct intake_session *session, struct bytes bytes, struct wall_time now) {
    CHECK(session->magic == INTAKE_SESSION_MAGIC && !session->ended && !session->aborted);
    if (session_must_wait(session)) return STATUS_AGAIN;
    if (session->expander != NULL) return take_compressed(session, bytes, now);
    take_bytes(session, bytes, now);
    return STATUS_OK;
}

void intake_end(struct intake_session *session, struct wall_time now) {
    CHECK(session->magic == INTAKE_SESSION_MAGIC && !session->ended && !session->aborted);
    if (session->expander != NULL && !session_is_lost(session) &&
        decompressor_end(session->expander->decompressor, &session->broken) != STATUS_OK)
        note_broken(session);
    bool lost = session_is_lost(session);
    struct bytes line;
    enum line_event event;
    if (!lost && (event = lines_last(&session->lines, &line)) != LINE_NONE) {
        struct decode_rules rules = session_rules(session, now);
        struct decoder *decoder = intake_pool_take_decoder(session->context->pool);
        take_line(session, decoder, event, line, &rules);
        intake_pool_give_decoder(session->context->pool, decoder);
    }
    if (session->refused && session->batch != NULL) /* all or nothing: the good lines go with the bad one */
        session->batch->journal.counts.rejected_by[REJECT_REFUSED_BATCH] = session->good_count;
    if (lost && session->broken.status == STATUS_OK) session_drop_batch(session);
    session_submit(session);
    session->ended = true;
    session_let_go(session);
}

void intake_abort(struct intake_session *session, struct wall_time now) {
    (void)now;
    CHECK(session->magic == INTAKE_SESSION_MAGIC && !session->ended && !session->aborted);
    /* From here on nobody begins a resume of a request that is gone; one that has begun takes a lock and a wake-up. */
    atomic_store(&session->waiting, false);
    while (atomic_load(&session->wakers) > 0) sched_yield();
    if (session->atomic) session_drop_batch(session);
    session_submit(session);
    session->aborted = true;
    session_let_go(session);
}

static void session_wake(struct intake_session *session) {
    atomic_fetch_add(&session->wakers, 1);
    if (atomic_exchange(&session->waiting, false)) session->context->resume(session->context->self, session);
    atomic_fetch_sub(&session->wakers, 1);
}

void intake_batch_committed(struct intake_batch *batch, enum status status) {
    struct intake_session *session = batch->session;
    CHECK(session->magic == INTAKE_SESSION_MAGIC); /* the feeder's fields are not ours to look at */
    int none = STATUS_OK;
    if (status != STATUS_OK) (void)atomic_compare_exchange_strong(&session->failed, &none, (int)status);
    intake_batch_clear(batch);
    batch->next = atomic_load_explicit(&session->returned, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&session->returned, &batch->next, batch, memory_order_release,
                                                  memory_order_relaxed))
        continue;
    unsigned before = atomic_fetch_sub(&session->in_flight, 1);
    CHECK(before > 0);
    if (atomic_load(&session->waiting)) session_wake(session);
    session_let_go(session);
}

void intake_destroy(struct intake_session *session) {
    CHECK(session->magic == INTAKE_SESSION_MAGIC);
    CHECK(atomic_load(&session->outstanding) == 0 && atomic_load(&session->in_flight) == 0 && session->batch == NULL);
    struct intake_batch *returned = atomic_exchange_explicit(&session->returned, NULL, memory_order_acquire);
    while (returned != NULL) {
        struct intake_batch *batch = returned;
        returned = batch->next;
        batch->next = session->spare_batches;
        session->spare_batches = batch;
    }
    intake_pool_give(session->context->pool, session);
}
