#include "client/totals.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "client/timing.h"

enum { AWAIT_POLL_MS = 10 };

enum status totals_ask(struct http_client *client, struct server_totals *out, struct failure *failure) {
    struct json *json;
    enum status status = api_get(client, BYTES_LITERAL("/v1/status"), &json, NULL, failure);
    if (status != STATUS_OK) return status;
    *out = (struct server_totals){0};
    const struct {
        const char *path;
        uint64_t *at;
    } members[] = {
        {"totals/received", &out->received}, {"totals/accepted", &out->accepted},   {"totals/rejected", &out->rejected},
        {"totals/counted", &out->counted},   {"totals/duplicate", &out->duplicate}, {"totals/conflict", &out->conflict},
        {"totals/too_late", &out->too_late}, {"totals/invalid", &out->invalid},     {"totals/pending", &out->pending}};
    for (size_t i = 0; i < sizeof members / sizeof members[0] && status == STATUS_OK; i++) {
        if (!json_u64(json, members[i].path, members[i].at)) {
            status = failure_set(failure, STATUS_IO_ERROR, "%s/v1/status has no number %s", http_client_url(client),
                                 members[i].path);
        }
    }
    if (!json_u64(json, "totals/late_amended", &out->late_amended)) out->late_amended = 0;
    const char *watermark = json_text(json, "watermark");
    snprintf(out->watermark, sizeof out->watermark, "%.39s", watermark != NULL ? watermark : "");
    json_destroy(json);
    return status;
}

enum status totals_await(struct http_client *client, int64_t wait_ms_max, struct interrupts *interrupts, unsigned patience,
                         struct server_totals *out, struct failure *failure) {
    int64_t until_ms = timing_now_ms() + wait_ms_max;
    for (;;) {
        enum status status = totals_ask(client, out, failure);
        if (status != STATUS_OK || out->pending == 0) return status;
        bool gave_up = interrupts != NULL && interrupts_count(interrupts) > patience;
        if (gave_up || timing_now_ms() >= until_ms) {
            return failure_set(failure, STATUS_AGAIN, "%" PRIu64 " clicks are still pending", out->pending);
        }
        timing_sleep_ms(AWAIT_POLL_MS);
    }
}

bool totals_conserved(const struct server_totals *totals) {
    return totals->received == totals->accepted + totals->rejected &&
           totals->accepted ==
               totals->counted + totals->duplicate + totals->conflict + totals->too_late + totals->invalid + totals->pending;
}

void stage_costs_parse(struct bytes metrics, struct stage_costs *out) {
    static const char prefix[] = "tally_stage_cpu_seconds_total{stage=\"";
    out->count = 0;
    char *text = memory_allocate(metrics.len + 1);
    if (metrics.len > 0) memcpy(text, metrics.at, metrics.len);
    text[metrics.len] = '\0';
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, prefix, sizeof prefix - 1) != 0) continue;
        const char *name = line + sizeof prefix - 1, *end = strstr(name, "\"} ");
        if (end == NULL || end - name >= STAGE_NAME_BYTES || out->count == STAGES_MAX) continue;
        struct stage_cost *stage = &out->stages[out->count++];
        snprintf(stage->name, sizeof stage->name, "%.*s", (int)(end - name), name);
        stage->cpu_seconds = strtod(end + 3, NULL);
    }
    free(text);
    CHECK(out->count <= STAGES_MAX);
}

enum status stage_costs_ask(struct http_client *client, struct stage_costs *out, struct failure *failure) {
    struct http_answer answer = {0};
    enum status status = http_client_get(client, "/metrics", &answer, failure);
    if (status == STATUS_OK && answer.http_status != 200) status = api_problem(http_client_url(client), &answer, failure);
    if (status == STATUS_OK) stage_costs_parse(buffer_view(&answer.body), out);
    http_answer_fini(&answer);
    return status;
}
