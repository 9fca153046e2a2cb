#include "cli/bench_filters_made.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "click/country.h"
#include "client/api.h"
#include "filter/atoms.h"

enum {
    MATCHED_EVERY = 16,
    USER_BYTES = 32,
};

struct filters_made {
    struct filters_workload_options options;
    struct filters_workload *workload;
    struct filter *sampled[FILTERS_MADE_SAMPLED];
    struct atoms *atoms; /* of all filters */
    struct country countries[WORKLOAD_COUNTRIES];
    uint64_t noted, matched_clicks, matched_atoms;
    int64_t begin_minute, minutes;
    uint32_t *counts; /* sampled filters x FILTERS_MADE_ADS x minutes; duplicates are not in it */
};

static struct filter *parse(const struct filters_made *filters, uint32_t index) {
    struct filter_texts texts = filters_workload_at(filters->workload, index);
    struct filter *filter = NULL;
    struct filter_flaw flaw;
    CHECKF(filter_parse(texts.id, bytes_of_text(texts.region), bytes_of_text(texts.ip), bytes_of_text(texts.user_id),
                        texts.ranked, &filter, &flaw),
           "filter %u: %s", texts.id, flaw.text);
    return filter;
}

/* An odd distance, so that the samples run through all kinds. */
static uint32_t sample_index(uint32_t sample, uint32_t filters) {
    return (uint32_t)((uint64_t)sample * (filters / FILTERS_MADE_SAMPLED | 1) % filters);
}

static void use_all(struct filters_made *filters) {
    struct filter_term *terms = memory_allocate_zeroed(FILTER_TERMS_MAX, sizeof *terms);
    for (uint32_t i = 0; i < filters->options.filters; i++) {
        struct filter *filter = parse(filters, i);
        atoms_use(filters->atoms, filter, terms);
        filter_destroy(filter);
    }
    free(terms);
}

struct filters_made *filters_made_create(uint64_t seed, int64_t begin_minute, int64_t minutes) {
    struct filters_made *filters = memory_allocate_zeroed(1, sizeof *filters);
    filters->options = filters_workload_defaults();
    filters->options.seed = seed;
    filters->workload = filters_workload_create(&filters->options);
    filters->begin_minute = begin_minute;
    filters->minutes = minutes;
    filters->atoms = atoms_create();
    use_all(filters);
    for (uint32_t i = 0; i < FILTERS_MADE_SAMPLED; i++) {
        filters->sampled[i] = parse(filters, sample_index(i, filters->options.filters));
    }
    for (int i = 0; i < WORKLOAD_COUNTRIES; i++) {
        uint8_t form;
        CHECK(country_parse(bytes_of_text(workload_country_code((uint8_t)i)), &filters->countries[i], &form));
    }
    filters->counts =
        memory_allocate_zeroed((size_t)FILTERS_MADE_SAMPLED * FILTERS_MADE_ADS * (size_t)minutes, sizeof *filters->counts);
    return filters;
}

void filters_made_destroy(struct filters_made *filters) {
    if (filters == NULL) return;
    for (uint32_t i = 0; i < FILTERS_MADE_SAMPLED; i++) filter_destroy(filters->sampled[i]);
    atoms_destroy(filters->atoms);
    filters_workload_destroy(filters->workload);
    free(filters->counts);
    free(filters);
}

uint32_t filters_made_count(const struct filters_made *filters) {
    return filters->options.filters;
}

struct workload_pool filters_made_pool(const struct filters_made *filters, double matches_per_click) {
    return filters_workload_pool(filters->workload, matches_per_click);
}

enum status filters_made_post(const struct filters_made *filters, uint32_t ranked, struct http_client *client,
                              struct failure *failure) {
    struct filters_workload_options making = filters->options;
    making.ranked = ranked;
    struct filters_workload *workload = filters_workload_create(&making);
    struct buffer body = {0};
    filters_workload_json(workload, &body);
    filters_workload_destroy(workload);
    struct json *json = NULL;
    unsigned http_status = 0;
    enum status status = api_post(client, BYTES_LITERAL("/v1/filters"), "application/json", buffer_view(&body), &json, NULL,
                                  &http_status, failure);
    buffer_fini(&body);
    if (status != STATUS_OK) return status;
    json_destroy(json);
    if (http_status == 201) return STATUS_OK;
    return failure_set(failure, STATUS_IO_ERROR, "the filters were answered with %u", http_status);
}

/* --- what was made --- */

static uint32_t *row(const struct filters_made *filters, uint32_t sample, uint32_t ad) {
    CHECK(sample < FILTERS_MADE_SAMPLED && ad >= 1 && ad <= FILTERS_MADE_ADS);
    return filters->counts + ((size_t)sample * FILTERS_MADE_ADS + (ad - 1)) * (size_t)filters->minutes;
}

void filters_made_note(void *self, struct workload_click click) {
    struct filters_made *filters = self;
    if (click.duplicate) return;
    bool look_up = filters->noted++ % MATCHED_EVERY == 0;
    if (!look_up && click.ad > FILTERS_MADE_ADS) return;
    char text[USER_BYTES];
    struct bytes user = {(const uint8_t *)text, (size_t)snprintf(text, sizeof text, "user%07u", click.user)};
    struct ip ip = {.kind = IP_V4};
    memcpy(ip.bytes, click.octets, sizeof click.octets);
    if (look_up) {
        uint32_t atoms[ATOMS_MATCH_MAX];
        filters->matched_atoms += atoms_match(filters->atoms, &ip, user, atoms);
        filters->matched_clicks++;
    }
    if (click.ad > FILTERS_MADE_ADS) return;
    int64_t minute = click.time_ms / MINUTE_MS - filters->begin_minute;
    CHECK(minute >= 0 && minute < filters->minutes && click.country < WORKLOAD_COUNTRIES);
    for (uint32_t i = 0; i < FILTERS_MADE_SAMPLED; i++) {
        bool matches = filter_matches(filters->sampled[i], filters->countries[click.country], &ip, user);
        row(filters, i, click.ad)[minute] += matches;
    }
}

double filters_made_matched(const struct filters_made *filters) {
    CHECK(filters->matched_clicks > 0);
    return (double)filters->matched_atoms / (double)filters->matched_clicks;
}

static uint64_t sample_count(const void *made, uint32_t ad, int64_t from_minute, int64_t to_minute) {
    const struct filters_made_sample *at = made;
    const uint32_t *minutes = row(at->filters, at->sample, ad);
    uint64_t sum = 0;
    for (int64_t minute = from_minute; minute < to_minute; minute++) {
        int64_t index = minute - at->filters->begin_minute;
        if (index >= 0 && index < at->filters->minutes) sum += minutes[index];
    }
    return sum;
}

struct answers_expected filters_made_expected(const struct filters_made_sample *at, uint32_t ads) {
    CHECK(at->sample < FILTERS_MADE_SAMPLED && ads >= 1 && ads <= FILTERS_MADE_ADS);
    return (struct answers_expected){
        .made = at, .count = sample_count, .ads = ads, .filter_id = at->filters->sampled[at->sample]->id};
}
