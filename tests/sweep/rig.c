#include "sweep/rig.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "node/node_internal.h"
#include "sweep/seam.h"

enum { ROUNDS_MAX = 20000, ROUND_MS = 20, REST_ROUNDS = 14 };

void rig_problem(struct rig *rig, const char *format, ...) {
    if (!rig_fine(rig)) return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(rig->problem, sizeof rig->problem, format, arguments);
    va_end(arguments);
}

static void take_reply(void *self, void *request, struct reply *reply) {
    struct rig *rig = self;
    (void)request;
    rig->asleep++;
    if (rig->http_status != 0) rig_problem(rig, "a request was answered twice");
    rig->http_status = reply->http_status;
    buffer_clear(&rig->answer);
    buffer_append_bytes(&rig->answer, buffer_view(&reply->body));
    buffer_append(&rig->answer, "", 1);
    rig->asleep--;
    buffer_fini(&reply->body);
}

static void no_resume(void *self, void *request) {
    (void)self;
    (void)request;
}

void rig_init(struct rig *rig, uint64_t seed) {
    *rig = (struct rig){.files = fake_files_create(seed), .kv = fake_kv_create(), .random = {seed}};
    rig->clock = (struct fake_clock){.wall_ms = RIG_BEGIN_MS, .mono_ns = 1};
    rig->seam = (struct node_seam){
        .clock = fake_clock_table(&rig->clock),
        .random = fake_random_table(&rig->random),
        .files = seam_files(rig),
        .kv = seam_kv(rig),
        .requests = {.self = rig, .reply = take_reply, .resume = no_resume},
    };
    rig->options = (struct node_options){
        .proposal = {.has_partitions = true, .partition_count = 2},
        .segment_bytes = 4096,
        .dedup_memory_bytes = 1 << 17,
        .window_memory_bytes = 1 << 18,
        .slices_memory_bytes = 1 << 18,
        .ranking_cells_max = 1 << 30,
        .filters_max = 100,
        .atoms_max = 1000,
        .pending_clicks_max = 100000,
        .checkpoint_interval_ms = 3000,
        .checkpoint_clicks = 1000000,
        .flush_interval_ms = 7000,
    };
}

void rig_init_copy(struct rig *rig, const struct rig *from, bool with_store) {
    rig_init(rig, 2);
    fake_files_destroy(rig->files);
    rig->files = fake_files_clone(from->files, 2);
    if (with_store) {
        fake_kv_destroy(rig->kv);
        rig->kv = fake_kv_clone(from->kv);
    }
    rig->clock = from->clock;
    rig->options = from->options;
    rig->options.proposal = (struct rules_proposal){0};
}

void rig_fini(struct rig *rig) {
    rig_drop(rig);
    buffer_fini(&rig->answer);
    fake_kv_destroy(rig->kv);
    fake_files_destroy(rig->files);
}

static void close_node(struct rig *rig) {
    for (uint32_t p = 0; p < node_partition_count(rig->node); p++) {
        struct dedup_usage usage = aggregator_dedup_usage(rig->node->partitions[p].aggregator);
        rig->identities.written += usage.written;
        rig->identities.merged += usage.merged;
    }
    rig->identities.restored += node_progress(rig->node).partitions_restored;
    node_close(rig->node);
    rig->node = NULL;
}

void rig_drop(struct rig *rig) {
    if (rig->node == NULL) return;
    if (node_phase(rig->node) != NODE_FAILED) node_abandon(rig->node, "the process died");
    close_node(rig);
}

void rig_heal_process(struct rig *rig) {
    CHECK(rig->node == NULL);
    fake_files_restart(rig->files);
    fake_kv_crash(rig->kv, SIZE_MAX);
}

void rig_heal_machine(struct rig *rig) {
    CHECK(rig->node == NULL);
    fake_files_crash(rig->files, &rig->random);
    fake_kv_crash(rig->kv, random_sequence_below(&rig->random, fake_kv_unflushed(rig->kv) + 1));
}

/* Keeps the reason of a node that failed, and lets go of it. */
static bool runs_on(struct rig *rig) {
    if (node_phase(rig->node) != NODE_FAILED) return true;
    rig->failure = *node_failure(rig->node);
    if (rig->failure.status == STATUS_OK || rig->failure.text[0] == '\0') rig_problem(rig, "it failed without a reason");
    rig_drop(rig);
    return false;
}

static bool round_of_steps(struct rig *rig) {
    (void)node_step_journal(rig->node);
    for (uint32_t p = 0; p < node_partition_count(rig->node); p++) (void)node_step_aggregate(rig->node, p);
    (void)node_step_recalculate(rig->node);
    (void)node_step_reduce(rig->node);
    (void)node_step_keep(rig->node);
    fake_clock_pass(&rig->clock, ROUND_MS);
    return runs_on(rig);
}

bool rig_pass(struct rig *rig, int64_t ms) {
    for (int i = 0; i < REST_ROUNDS; i++)
        if (!round_of_steps(rig)) return false;
    /* In large steps: what is due after a time comes in the rounds behind it. */
    for (int64_t step = ms / 8 > 5000 ? ms / 8 : 5000; ms > 0; ms -= step) {
        fake_clock_pass(&rig->clock, ms < step ? ms : step);
        for (int i = 0; i < 3; i++)
            if (!round_of_steps(rig)) return false;
    }
    return true;
}

bool rig_start(struct rig *rig) {
    CHECK(rig->node == NULL);
    rig->failure = (struct failure){0};
    enum status status = node_open(&rig->seam, &rig->options, &rig->node, &rig->failure);
    if (status != STATUS_OK) {
        rig->node = NULL;
        if (rig->failure.status != status || rig->failure.text[0] == '\0')
            rig_problem(rig, "it did not start (%s), without a reason", status_text(status));
        return false;
    }
    for (int i = 0; node_phase(rig->node) == NODE_REPLAYING; i++) {
        if (!round_of_steps(rig)) return false;
        if (i < ROUNDS_MAX) continue;
        rig_problem(rig, "it hangs at the start");
        rig_drop(rig);
        return false;
    }
    return rig_pass(rig, 0);
}

bool rig_stop(struct rig *rig) {
    node_stop(rig->node, 1000);
    for (int i = 0; node_phase(rig->node) != NODE_STOPPED; i++) {
        if (!round_of_steps(rig)) return false;
        if (i < ROUNDS_MAX) continue;
        rig_problem(rig, "it hangs at the stop");
        return false;
    }
    close_node(rig);
    return true;
}

bool rig_request(struct rig *rig, const char *method, const char *path, const char *query, const char *type,
                 struct bytes body) {
    struct request_head head = {.method = bytes_of_text(method),
                                .path = bytes_of_text(path),
                                .query = bytes_of_text(query),
                                .content_type = bytes_of_text(type)};
    void *session = NULL;
    bool body_wanted = false;
    rig->http_status = 0;
    node_request(rig->node, &head, rig, &session, &body_wanted);
    if (body_wanted && node_request_feed(rig->node, session, body) != STATUS_OK)
        rig_problem(rig, "%s %s: the body was not taken", method, path);
    if (body_wanted) node_request_end(rig->node, session);
    for (int i = 0; rig->http_status == 0 && i < ROUNDS_MAX; i++)
        if (!round_of_steps(rig)) break;
    if (rig->http_status == 0) {
        rig_problem(rig, "%s %s: no answer", method, path);
        return rig->node != NULL;
    }
    return rig->node != NULL && rig_pass(rig, 0);
}

/* --- clicks --- */

/* Every kind: with and without event_id, late, too late, read by either decoder. */
void rig_click_line(unsigned n, bool conflict, struct buffer *out, char key[RIG_KEY_BYTES]) {
    static const char *const countries[] = {",\"country\":\"USA\"", ",\"country\":\"de\"", ""};
    int64_t late_ms = n % 11 == 5 ? 3 * MINUTE_MS : n % 13 == 7 ? 3 * HOUR_MS : 0;
    long long time_ms = RIG_BEGIN_MS - 2000 + (int64_t)n * 1000 - late_ms;
    char event[48] = "";
    const char *ad = conflict ? "other" : "ad";
    if (n % 4 != 3) (void)snprintf(event, sizeof event, ",\"event_id\":\"event %u\"", n);
    buffer_printf(out, "{\"ad_id\":\"%s%u\",\"click_timestamp\":%lld,\"user_id\":\"u%u\",\"ip\":\"10.0.%u.1\"%s%s%s}\n", ad,
                  n % 3, time_ms, n % 2, n % 3, countries[n % 3], event, n % 5 == 0 ? ",\"more\":[1]" : "");
    (void)snprintf(key, RIG_KEY_BYTES, "%.40s|%s%u|%lld|u%u", event, ad, n % 3, time_ms, n % 2);
}

static struct rig_key *key_of(struct rig *rig, const char *text) {
    for (size_t i = 0; i < rig->key_count; i++)
        if (strcmp(rig->keys[i].text, text) == 0) return &rig->keys[i];
    CHECK(rig->key_count < RIG_KEYS_MAX);
    struct rig_key *key = &rig->keys[rig->key_count++];
    *key = (struct rig_key){0};
    (void)snprintf(key->text, sizeof key->text, "%s", text);
    return key;
}

static void check_post_answer(struct rig *rig, const struct rig_post *post) {
    char expected[128];
    unsigned received = post->count + post->malformed;
    if (rig->http_status == 503) return; /* whether they will be counted is not known; sending again is safe */
    unsigned accepted = post->atomic && post->malformed > 0 ? 0 : post->count;
    (void)snprintf(expected, sizeof expected, "\"received\":%u,\"accepted\":%u,\"rejected\":%u", received, accepted,
                   received - accepted);
    if (rig->http_status != (accepted == received ? 200u : 400u) || strstr((const char *)rig->answer.at, expected) == NULL)
        rig_problem(rig, "clicks %u to %u: %s expected, status %u, answer %.300s", post->first,
                    post->first + post->count - 1, expected, rig->http_status, (const char *)rig->answer.at);
    for (unsigned i = 0; i < accepted; i++) {
        struct buffer line = {0};
        char key[RIG_KEY_BYTES];
        rig_click_line(post->first + i, post->conflict, &line, key);
        key_of(rig, key)->acknowledged++;
        buffer_fini(&line);
    }
}

bool rig_post(struct rig *rig, const struct rig_post *post) {
    struct buffer body = {0};
    rig->asleep++;
    for (unsigned i = 0; i < post->count; i++) {
        char key[RIG_KEY_BYTES];
        rig_click_line(post->first + i, post->conflict, &body, key);
        key_of(rig, key)->sent++;
    }
    for (unsigned i = 0; i < post->malformed; i++) buffer_append_text(&body, "{\"ad_id\":7}\n");
    rig->asleep--;
    bool runs =
        rig_request(rig, "POST", "/v1/clicks", post->atomic ? "atomic=1" : "", "application/x-ndjson", buffer_view(&body));
    rig->asleep++;
    check_post_answer(rig, post);
    buffer_fini(&body);
    rig->asleep--;
    return runs;
}

void rig_check_restart(struct rig *rig) {
    static const struct rig_post more = {.first = 33, .count = 3};
    const char *what[] = {"the restart", "the second restart"};
    for (int i = 0; i < 2 && rig_fine(rig); i++) {
        if (!rig_start(rig)) {
            rig_problem(rig, "%s was refused: %s", what[i], rig->failure.text);
            return;
        }
        rig_compare(rig);
        bool runs = rig->node != NULL;
        if (i == 0 && rig_fine(rig) && !(runs && rig_post(rig, &more) && rig_stop(rig))) runs = false;
        if (!runs) rig_problem(rig, "behind the restart: %s", rig->failure.text);
    }
}
