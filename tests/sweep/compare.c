/* compare.c: what a node says against the oracle over what its journal holds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit/audit.h"
#include "base/check.h"
#include "node/node_internal.h"
#include "sweep/rig.h"

/* Of a copy: the node's own files stay as they are. */
static struct oracle *count_by_oracle(struct rig *rig) {
    struct fake_files *copy = fake_files_clone(rig->files, 1);
    struct files files = fake_files_table(copy);
    struct random_sequence sequence = {1};
    struct random random = fake_random_table(&sequence);
    struct journal_options options = {.files = &files, .random = &random, .segment_bytes = 4096};
    struct failure failure = {0};
    struct journal *journal = NULL;
    struct oracle *oracle = NULL;
    if (journal_open(&options, &journal, &failure) != STATUS_OK ||
        audit_count_journal(journal, &oracle, &failure) != STATUS_OK)
        rig_problem(rig, "the journal cannot be read by the oracle: %s", failure.text);
    journal_destroy(journal);
    fake_files_destroy(copy);
    return oracle;
}

static void text_of(const struct click *click, char key[RIG_KEY_BYTES]) {
    char event[48] = "";
    if (click->event_id.len > 0)
        (void)snprintf(event, sizeof event, ",\"event_id\":\"%.*s\"", (int)click->event_id.len,
                       (const char *)click->event_id.at);
    (void)snprintf(key, RIG_KEY_BYTES, "%.40s|%.*s|%lld|%.*s", event, (int)click->ad_id.len, (const char *)click->ad_id.at,
                   (long long)click->time.ms, (int)click->user_id.len, (const char *)click->user_id.at);
}

/* A line is in the journal as often as it was acknowledged, at least, and as often as it was sent, at most. */
static void compare_lines(struct rig *rig, const struct oracle_record *records, size_t count) {
    unsigned found[RIG_KEYS_MAX] = {0};
    for (size_t i = 0; i < count && rig_fine(rig); i++) {
        char key[RIG_KEY_BYTES];
        size_t k = 0;
        if (records[i].kind != ORACLE_CLICK) continue;
        text_of(&records[i].click, key);
        while (k < rig->key_count && strcmp(rig->keys[k].text, key) != 0) k++;
        if (k == rig->key_count)
            rig_problem(rig, "in the journal, but never sent: %s", key);
        else
            found[k]++;
    }
    for (size_t k = 0; k < rig->key_count && rig_fine(rig); k++)
        if (found[k] < rig->keys[k].acknowledged || found[k] > rig->keys[k].sent)
            rig_problem(rig, "%s: sent %u times, acknowledged %u times, %u times in the journal", rig->keys[k].text,
                        rig->keys[k].sent, rig->keys[k].acknowledged, found[k]);
}

/* Not by the oracle's word: of one identity one click counts. */
static void compare_identities(struct rig *rig, const struct oracle_record *records, size_t count) {
    for (size_t i = 0; i < count && rig_fine(rig); i++) {
        if (records[i].kind != ORACLE_CLICK || records[i].verdict != VERDICT_COUNTED) continue;
        for (size_t k = 0; k < i; k++)
            if (records[k].kind == ORACLE_CLICK && records[k].verdict == VERDICT_COUNTED &&
                identity_equal(records[k].click.identity, records[i].click.identity))
                rig_problem(rig, "partition %u: offsets %" PRIu64 " and %" PRIu64 " are one click, and both count",
                            records[i].partition, records[k].offset.at, records[i].offset.at);
    }
}

/* False: there is no answer to be looked at. */
static bool ask(struct rig *rig, const char *path, const char *query) {
    if (!rig_fine(rig) || rig->node == NULL) return false;
    rig->asleep--;
    (void)rig_request(rig, "GET", path, query, "", (struct bytes){NULL, 0}); /* it may fail behind the answer */
    rig->asleep++;
    if (rig->http_status == 200) return true;
    if (!(rig->reads_may_fail && rig->http_status == 500))
        rig_problem(rig, "%s?%s: %u %.200s", path, query, rig->http_status, (const char *)rig->answer.at);
    return false;
}

static uint64_t answered(const struct rig *rig, const char *name) {
    char quoted[48];
    (void)snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *at = strstr((const char *)rig->answer.at, quoted);
    return at == NULL ? UINT64_MAX : strtoull(at + strlen(quoted), NULL, 10);
}

static void compare_totals(struct rig *rig, const struct audit_result *counted) {
    const struct {
        const char *name;
        uint64_t expected;
    } totals[] = {{"accepted", counted->clicks},   {"counted", counted->counted},   {"duplicate", counted->duplicate},
                  {"conflict", counted->conflict}, {"too_late", counted->too_late}, {"pending", 0}};
    if (!ask(rig, "/v1/status", "")) return;
    for (size_t i = 0; i < sizeof totals / sizeof totals[0] && rig_fine(rig); i++)
        if (answered(rig, totals[i].name) != totals[i].expected)
            rig_problem(rig, "%s is %" PRIu64 ", by the oracle %" PRIu64, totals[i].name, answered(rig, totals[i].name),
                        totals[i].expected);
}

/* The question for one ad over all of time. */
static void compare_ad(struct rig *rig, const struct oracle *oracle, const char *ad) {
    size_t count;
    uint64_t sum = 0;
    const struct oracle_cell *cells = oracle_cells(oracle, &count);
    for (size_t i = 0; i < count; i++)
        if (bytes_equal(cells[i].ad_id, bytes_of_text(ad))) sum += cells[i].count;
    char path[64], query[96];
    (void)snprintf(path, sizeof path, "/v1/ads/%s/aggregated_cnt", ad);
    (void)snprintf(query, sizeof query, "from=%lld&to=%lld", (long long)(RIG_BEGIN_MS - 24 * HOUR_MS),
                   (long long)(RIG_BEGIN_MS + 24 * HOUR_MS));
    if (!ask(rig, path, query)) return;
    if (answered(rig, "count") != sum)
        rig_problem(rig, "%s: %" PRIu64 " by the oracle, answer %.200s", ad, sum, (const char *)rig->answer.at);
}

/* Of all that the node's view holds. False: it could not be read. */
static bool compare_view(struct rig *rig, const struct oracle *oracle, struct audit_result *result) {
    struct failure failure = {0};
    rig->auditing = true;
    enum status status = audit_compare(rig->node->view, rig->node->ads, oracle, result, &failure);
    rig->auditing = false;
    if (status != STATUS_OK) rig_problem(rig, "the view cannot be compared: %s", failure.text);
    if (result->differences > 0)
        rig_problem(rig, "%" PRIu64 " differences to the oracle, the first: %s", result->differences,
                    result->first_difference);
    return rig_fine(rig);
}

void rig_compare_counts(struct rig *rig, bool all_acknowledged) {
    struct audit_result result = {0};
    rig->asleep++; /* no allocation of the comparison itself fails */
    struct oracle *oracle = count_by_oracle(rig);
    size_t count = 0;
    if (oracle == NULL) {
        rig->asleep--;
        return;
    }
    const struct oracle_record *records = oracle_records(oracle, &count);
    if (all_acknowledged) compare_lines(rig, records, count);
    compare_identities(rig, records, count);
    if (rig_fine(rig) && compare_view(rig, oracle, &result)) compare_totals(rig, &result);
    compare_ad(rig, oracle, "ad1");
    compare_ad(rig, oracle, "other0");
    oracle_destroy(oracle);
    rig->asleep--;
}

void rig_compare(struct rig *rig) {
    rig_compare_counts(rig, true);
}
