/* answer.c: the answer to a `POST /v1/clicks`, once all its batches are durable. */
#include <inttypes.h>

#include "base/check.h"
#include "intake/session.h"
#include "reply/reply.h"

void intake_list_error(struct intake_session *session, uint64_t line, enum reject reject, const char *detail) {
    if (session->errors.len >= INTAKE_ERRORS_MAX * sizeof(struct intake_error)) return;
    if (detail[0] == '\0') detail = reject_text(reject);
    size_t len = strlen(detail);
    CHECK(len <= UINT16_MAX && session->details.len <= UINT32_MAX - len);
    struct intake_error error = {
        .line = line, .detail_at = (uint32_t)session->details.len, .detail_len = (uint16_t)len, .reject = (uint8_t)reject};
    buffer_append(&session->details, detail, len);
    buffer_append(&session->errors, &error, sizeof error);
}

static void append_error(struct buffer *out, uint64_t line, enum reject reject, struct bytes detail, bool first) {
    buffer_printf(out, "%s{\"line\":%" PRIu64 ",\"code\":\"%s\",\"detail\":", first ? "" : ",", line, reject_code(reject));
    json_append_string(out, detail);
    buffer_append_text(out, "}");
}

/* In the order of the lines. The lines that are at fault come before the good ones of a refused batch when there is no room
 * for both: they are what the sender must see. */
static void append_errors(struct buffer *out, const struct intake_session *session) {
    const struct intake_error *errors = (const struct intake_error *)(const void *)session->errors.at;
    const uint64_t *good = (const uint64_t *)(const void *)session->good_lines.at;
    size_t error_count = session->errors.len / sizeof *errors;
    size_t good_count = session->refused ? session->good_lines.len / sizeof *good : 0;
    CHECK(error_count <= INTAKE_ERRORS_MAX && good_count <= INTAKE_ERRORS_MAX);
    if (good_count > INTAKE_ERRORS_MAX - error_count) good_count = INTAKE_ERRORS_MAX - error_count;
    buffer_append_text(out, ",\"errors\":[");
    for (size_t e = 0, g = 0; e < error_count || g < good_count;) {
        bool first = e == 0 && g == 0;
        if (e < error_count && (g == good_count || errors[e].line < good[g])) {
            struct bytes detail = {session->details.at + errors[e].detail_at, errors[e].detail_len};
            append_error(out, errors[e].line, (enum reject)errors[e].reject, detail, first);
            e++;
        } else {
            append_error(out, good[g], REJECT_REFUSED_BATCH, bytes_of_text(reject_text(REJECT_REFUSED_BATCH)), first);
            g++;
        }
    }
    buffer_append_text(out, "],\"errors_by_code\":{");
    bool first = true;
    for (size_t i = 0; i < REJECT_CODES; i++) {
        if (session->rejected_by[i] == 0) continue;
        buffer_printf(out, "%s\"%s\":%" PRIu64, first ? "" : ",", reject_code((enum reject)i), session->rejected_by[i]);
        first = false;
    }
    buffer_append_text(out, "}}");
}

static void append_counts(struct buffer *out, uint64_t received, uint64_t rejected) {
    CHECK(rejected <= received);
    buffer_printf(out, "\"received\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"rejected\":%" PRIu64, received,
                  received - rejected, rejected);
}

static void answer_rejected(const struct intake_session *session, struct reply *reply) {
    uint64_t received = session->received, rejected = session->rejected;
    unsigned http_status = session->rejected_by[REJECT_LINE_TOO_LONG] > 0 ? 413 : 400;
    reply_problem_open(reply, http_status, session->refused ? "batch-refused" : "lines-rejected",
                       session->refused ? "Atomic batch refused" : "Some lines were rejected",
                       "%" PRIu64 " of %" PRIu64 " lines were rejected; %s", rejected, received,
                       session->refused       ? "the batch is atomic, so none of it was journalled"
                       : rejected == received ? "no line was good"
                                              : "the good ones are kept");
    buffer_append_text(&reply->body, ",");
    append_counts(&reply->body, received, rejected);
    append_errors(&reply->body, session);
}

static void append_nothing_taken(struct buffer *out) {
    buffer_append_text(out, ",");
    append_counts(out, 0, 0);
    buffer_append_text(out, ",\"errors\":[],\"errors_by_code\":{}}");
}

static void answer_broken(const struct intake_session *session, struct reply *reply) {
    bool damaged = session->broken.status == STATUS_BAD_INPUT;
    CHECK(damaged || session->broken.status == STATUS_FULL);
    reply_problem_open(reply, damaged ? 400 : 413, damaged ? "damaged-body" : "decompression-limit",
                       damaged ? "Damaged compressed body" : "Compressed body over a limit",
                       "%s: after %" PRIu64 " decompressed bytes, in line %" PRIu64 "; %s", session->broken.text,
                       session->body_bytes, session->lines.number + 1,
                       session->atomic ? "the batch is atomic, so nothing of it was journalled"
                                       : "the whole lines before are counted in what follows, and the good ones are kept");
    if (session->atomic) {
        append_nothing_taken(&reply->body);
        return;
    }
    buffer_append_text(&reply->body, ",");
    append_counts(&reply->body, session->received, session->rejected);
    append_errors(&reply->body, session);
}

static void answer_not_committed(enum status failed, struct reply *reply) {
    const char *again = "Sending them again is safe: every click is counted once";
    if (failed == STATUS_FULL)
        reply_problem(
            reply, 503, "not-now", "Not now",
            "There is no room for so many new identities or ads now, so these clicks, or the last of them, were not taken: "
            "raise --dedup-memory, or wait until the horizon frees some. %s",
            again);
    else
        reply_problem(reply, 503, "not-committed", "Not committed",
                      "The clicks could not be made durable (%s), so the outcome is unknown. %s", status_text(failed),
                      again);
}

void intake_take_reply(struct intake_session *session, struct reply *reply) {
    CHECK(session->magic == INTAKE_SESSION_MAGIC && session->ended && atomic_load(&session->outstanding) == 0);
    enum status failed = (enum status)atomic_load(&session->failed);
    if (failed != STATUS_OK) {
        answer_not_committed(failed, reply);
    } else if (session->too_large) {
        reply_problem_open(reply, 413, "body-too-large", "Body too large",
                           "The body of an atomic request may have %d bytes (decompressed); nothing of it was journalled",
                           INTAKE_ATOMIC_BYTES_MAX);
        append_nothing_taken(&reply->body);
    } else if (session->broken.status != STATUS_OK) {
        answer_broken(session, reply);
    } else if (session->rejected > 0) {
        answer_rejected(session, reply);
    } else {
        *reply = (struct reply){.http_status = 200, .content_type = "application/json", .body_file = -1};
        buffer_append_text(&reply->body, "{");
        append_counts(&reply->body, session->received, 0);
        buffer_append_text(&reply->body, "}");
    }
}
