/* compare_journal.c: what the journal holds against what the node judged and what it acknowledged. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "click/country.h"
#include "click/ip.h"
#include "rules/watermark.h"
#include "sim/compare.h"

void compare_verdicts(struct world *world, const struct oracle *oracle) {
    size_t count;
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count && fine(world); i++) {
        const struct oracle_record *record = &records[i];
        world->coverage->ticks += record->kind == ORACLE_TICK;
        if (record->kind != ORACLE_CLICK) continue;
        const struct world_verdicts *verdicts = &world->verdicts[record->partition];
        int judged = record->offset.at < verdicts->count ? verdicts->at[record->offset.at] : NO_VERDICT;
        if (judged != (int)record->verdict)
            world_problem(world, "partition %u offset %" PRIu64 ": the node judged %d, the oracle %d", record->partition,
                          record->offset.at, judged, (int)record->verdict);
        world->coverage->counted += record->verdict == VERDICT_COUNTED;
        world->coverage->duplicate += record->verdict == VERDICT_DUPLICATE;
        world->coverage->conflict += record->verdict == VERDICT_CONFLICT;
        world->coverage->too_late += record->verdict == VERDICT_TOO_LATE;
    }
}

/* I8: nothing is of the future by the time of its own arrival, and arrivals do not go back. */
void compare_arrivals(struct world *world, const struct oracle *oracle) {
    size_t count;
    int64_t max_skew_ms = 0;
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count && fine(world); i++) {
        const struct oracle_record *record = &records[i];
        bool first = i == 0 || record->partition != records[i - 1].partition;
        if (!first && record->arrival.ms < records[i - 1].arrival.ms)
            world_problem(world, "partition %u offset %" PRIu64 ": the arrival goes back", record->partition,
                          record->offset.at);
        if (record->kind == ORACLE_RULES) max_skew_ms = record->rules.max_skew_ms;
        if (record->kind == ORACLE_CLICK && record->click.time.ms > record->arrival.ms + max_skew_ms)
            world_problem(world, "partition %u offset %" PRIu64 ": a click of the future", record->partition,
                          record->offset.at);
    }
}

/* How often the jump guard held a click back, and believed one: told by the product's own watermark. */
void note_jumps(struct world *world, const struct oracle *oracle) {
    size_t count;
    struct watermark watermark;
    struct rules in_force = {0};
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count; i++) {
        const struct oracle_record *record = &records[i];
        if (i == 0 || record->partition != records[i - 1].partition) watermark_init(&watermark);
        if (record->kind == ORACLE_RULES) in_force = record->rules;
        if (record->kind == ORACLE_TICK) watermark_tick(&watermark, &in_force, record->floor);
        if (record->kind != ORACLE_CLICK) continue;
        uint32_t held = watermark.guard_count;
        watermark_click(&watermark, &in_force, record->click.time, record->arrival, &record->click.identity);
        world->coverage->guarded_jumps += watermark.guard_count > held;
        world->coverage->believed_jumps +=
            held == WATERMARK_JUMP_CLICKS - 1 && watermark.guard_count == 0 && record->click.time.ms >= watermark.seen.ms;
    }
}

/* The first rules are no change. All partitions have the same. */
void note_rules(struct world *world, const struct oracle *oracle) {
    size_t count;
    uint64_t rules = 0;
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count && records[i].partition == records[0].partition; i++)
        rules += records[i].kind == ORACLE_RULES;
    if (rules > 1) world->coverage->rules_changed += rules - 1;
}

/* --- all that was acknowledged is in the journal --- */

static int compare_texts(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static char *text_of_click(const struct click *click) {
    char ip[IP_TEXT_BYTES], country[4], *text = memory_allocate(1024);
    ip_text(&click->ip, ip);
    country_text(click->country, country);
    (void)snprintf(text, 1024, "%.*s|%.*s|%.*s|%lld|%.*s|%s|%s", (int)click->source.len, (const char *)click->source.at,
                   (int)click->event_id.len, (const char *)click->event_id.at, (int)click->ad_id.len,
                   (const char *)click->ad_id.at, (long long)click->time.ms, (int)click->user_id.len,
                   (const char *)click->user_id.at, ip, country);
    return text;
}

void sort_texts(char **texts, size_t count) {
    if (count > 0) qsort(texts, count, sizeof(char *), compare_texts);
}

char **oracle_click_texts(const struct oracle *oracle, size_t *count) {
    size_t record_count;
    const struct oracle_record *records = oracle_records(oracle, &record_count);
    char **texts = memory_allocate((record_count + 1) * sizeof(char *));
    *count = 0;
    for (size_t i = 0; i < record_count; i++)
        if (records[i].kind == ORACLE_CLICK) texts[(*count)++] = text_of_click(&records[i].click);
    sort_texts(texts, *count);
    return texts;
}

void free_texts(char **texts, size_t count) {
    for (size_t i = 0; i < count; i++) free(texts[i]);
    free(texts);
}

void compare_acknowledged(struct world *world, const struct oracle *oracle) {
    size_t click_count, at = 0;
    char **texts = oracle_click_texts(oracle, &click_count);
    sort_texts(world->acknowledged, world->acknowledged_count);
    for (size_t i = 0; i < world->acknowledged_count && fine(world); i++, at++) {
        while (at < click_count && strcmp(texts[at], world->acknowledged[i]) < 0) at++;
        if (at == click_count || strcmp(texts[at], world->acknowledged[i]) != 0)
            world_problem(world, "acknowledged, but not in the journal: %s", world->acknowledged[i]);
    }
    free_texts(texts, click_count);
}
