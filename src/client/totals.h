/* totals.h: the figures of /v1/status and /metrics that the demo and the bench look at. */
#pragma once

#include "client/api.h"
#include "client/interrupts.h"

struct server_totals {
    uint64_t received, accepted, rejected;
    uint64_t counted, duplicate, conflict, too_late, invalid, pending;
    uint64_t late_amended; /* 0 when the server does not say */
    char watermark[40];    /* RFC 3339; "" before the first click */
};

enum status totals_ask(struct http_client *client, struct server_totals *out, struct failure *failure) MUST_USE;
/* Asks until nothing is pending. STATUS_AGAIN: something still is after `wait_ms_max`, or `interrupts` (may be NULL) hold
 * more than `patience`. */
enum status totals_await(struct http_client *client, int64_t wait_ms_max, struct interrupts *interrupts, unsigned patience,
                         struct server_totals *out, struct failure *failure) MUST_USE;
/* I4, the partition law as the contract writes it: accepted = counted + duplicate + conflict + too_late + invalid + pending.
 */
bool totals_conserved(const struct server_totals *totals);

enum { STAGES_MAX = 24, STAGE_NAME_BYTES = 32 };
struct stage_costs {
    size_t count;
    struct stage_cost {
        char name[STAGE_NAME_BYTES];
        double cpu_seconds;
    } stages[STAGES_MAX];
};
/* tally_stage_cpu_seconds_total{stage="..."} of /metrics, in its order. */
enum status stage_costs_ask(struct http_client *client, struct stage_costs *out, struct failure *failure) MUST_USE;
/* From the text of /metrics. */
void stage_costs_parse(struct bytes metrics, struct stage_costs *out);
