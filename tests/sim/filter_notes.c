/* filter_notes.c: which clicks met which filters in a run, for the table of what happened. */
#include "click/ip.h"
#include "oracle/oracle_filters.h"
#include "rules/watermark.h"
#include "sim/compare.h"

static const struct oracle_record *record_of(const struct oracle *oracle, uint32_t partition, uint32_t number) {
    size_t count;
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count; i++)
        if (records[i].kind == ORACLE_FILTER && records[i].partition == partition &&
            records[i].filter_record.number == number)
            return &records[i];
    return NULL;
}

static size_t matching_nets(const struct filter *filter, const struct click *click) {
    size_t matching = 0;
    for (size_t i = 0; i < filter->ip_count; i++) matching += filter_net_holds(&filter->nets[i], &click->ip);
    return matching;
}

static void note_click(struct world *world, const struct oracle *oracle, const struct oracle_filters *filters,
                       const struct oracle_record *record, const struct watermark *watermark) {
    size_t count, in_nets = 0;
    const struct oracle_filter *all = oracle_filters_all(filters, &count);
    const struct click *click = &record->click;
    for (size_t i = 0; i < count; i++) {
        const struct filter *filter = all[i].filter;
        const struct oracle_record *born = record_of(oracle, record->partition, all[i].number);
        if (all[i].deleted || born->offset.at > record->offset.at) continue;
        size_t in = matching_nets(filter, click);
        in_nets += in;
        if (!filter_matches(filter, click->country, &click->ip, click->user_id)) continue;
        world->coverage->masked_ip_matched += in > 0 && click->ip.kind == IP_V4_MASKED && filter->ip_mode == FILTER_ONE_OF;
        world->coverage->ipv6_matched += in > 0 && click->ip.kind == IP_V6 && filter->ip_mode == FILTER_ONE_OF;
        world->coverage->unknown_country_matched +=
            click->country.code == COUNTRY_UNKNOWN && filter->region_mode == FILTER_NONE_OF;
        world->coverage->late_into_a_filtered_closed_minute +=
            !filter_is_region_only(filter) && minute_end(minute_of(click->time)).ms <= watermark->w.ms;
    }
    world->coverage->nested_blocks_matched += in_nets > 1;
}

void note_filtered_clicks(struct world *world, const struct oracle *oracle) {
    char flaw[256];
    size_t count, filter_count;
    struct watermark watermark;
    struct rules in_force = {0};
    struct oracle_filters *filters = oracle_filters_create(oracle, flaw);
    const struct oracle_record *records = oracle_records(oracle, &count);
    (void)oracle_filters_all(filters, &filter_count);
    for (size_t i = 0; i < count && filter_count > 0; i++) {
        const struct oracle_record *record = &records[i];
        if (i == 0 || record->partition != records[i - 1].partition) watermark_init(&watermark);
        if (record->kind == ORACLE_RULES) in_force = record->rules;
        if (record->kind == ORACLE_TICK) watermark_tick(&watermark, &in_force, record->floor);
        if (record->kind != ORACLE_CLICK) continue;
        if (record->verdict == VERDICT_COUNTED && i % 3 == 0) note_click(world, oracle, filters, record, &watermark);
        watermark_click(&watermark, &in_force, record->click.time, record->arrival, &record->click.identity);
    }
    oracle_filters_destroy(filters);
}
