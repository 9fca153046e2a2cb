#include "workload/workload.h"

#include <stdlib.h>

#include "base/check.h"
#include "workload/zipf.h"

/* 40 bytes: all that a line is written from, so a duplicate is the same line again. */
struct made_click {
    uint64_t id_high, id_low;
    int64_t time_ms;
    uint32_t ad;
    uint32_t user;
    uint8_t octets[4];
    uint8_t country;
};

struct workload {
    struct workload_options options;
    struct random_sequence sequence;
    struct zipf ad_ranks;
    struct workload_totals totals;
    struct workload_click last;
    uint64_t recent_made; /* different clicks so far; the last WORKLOAD_RECENT of them are in `recent` */
    struct made_click recent[WORKLOAD_RECENT];
    uint8_t country_of[1024]; /* a hash of the user -> a country, the first of the list more often than the last */
};

static const char country_codes[WORKLOAD_COUNTRIES][4] = {
    "USA", "IND", "CHN", "BRA", "IDN", "JPN", "DEU", "GBR", "FRA", "MEX", "KOR", "TUR", "ITA", "ESP", "CAN",
    "VNM", "PHL", "THA", "POL", "EGY", "NGA", "PAK", "BGD", "ARG", "COL", "ZAF", "NLD", "AUS", "MYS", "SAU",
    "UKR", "ROU", "CHL", "PER", "MAR", "DZA", "KEN", "SWE", "BEL", "CZE", "GRC", "PRT", "HUN", "AUT", "CHE",
    "ISR", "ARE", "SGP", "NZL", "DNK", "FIN", "NOR", "IRL", "TWN", "HKG", "KAZ", "ECU", "LKA", "GHA", "TZA"};

struct workload_options workload_defaults(void) {
    return (struct workload_options){.seed = 1,
                                     .ads = 2 * 1000 * 1000,
                                     .users = 4 * 1000 * 1000,
                                     .duplicates_per_mille = 20,
                                     .late_per_mille = 10,
                                     .delay_ms_max = 250,
                                     .late_ms_max = HOUR_MS};
}

/* Shares like 1 / (rank + 4): the first country has about 7%, every one has some slots. */
static void fill_countries(struct workload *workload) {
    double sum = 0;
    for (int i = 0; i < WORKLOAD_COUNTRIES; i++) sum += 1.0 / (i + 5);
    double reached = 0;
    int country = 0;
    for (int slot = 0; slot < 1024; slot++) {
        while (country < WORKLOAD_COUNTRIES - 1 && slot >= (reached + 1.0 / (country + 5)) / sum * 1024) {
            reached += 1.0 / (country + 5);
            country++;
        }
        workload->country_of[slot] = (uint8_t)country;
    }
    CHECK(country == WORKLOAD_COUNTRIES - 1);
}

struct workload *workload_create(const struct workload_options *options) {
    CHECK(options->ads >= 1 && options->ads <= 99999999);
    CHECK(options->users >= 1 && options->users <= 99999999);
    CHECK(options->duplicates_per_mille + options->late_per_mille <= 1000);
    CHECK(options->delay_ms_max >= 0 && options->late_ms_max >= 0);
    const struct workload_pool *pool = options->pool;
    CHECK(pool == NULL || pool->user_per_mille == 0 || pool->user_count > 0);
    CHECK(pool == NULL || pool->address_per_mille == 0 || pool->address_count > 0);
    struct workload *workload = memory_allocate_zeroed(1, sizeof *workload);
    workload->options = *options;
    workload->sequence.state = options->seed;
    zipf_init(&workload->ad_ranks, options->ads);
    fill_countries(workload);
    return workload;
}

void workload_destroy(struct workload *workload) {
    free(workload);
}

struct workload_totals workload_totals(const struct workload *workload) {
    return workload->totals;
}

struct workload_click workload_last(const struct workload *workload) {
    CHECK(workload->totals.lines > 0);
    return workload->last;
}

const char *workload_country_code(uint8_t country) {
    CHECK(country < WORKLOAD_COUNTRIES);
    return country_codes[country];
}

/* --- what a click is --- */

/* Home address and country follow from the user, but for the last octet: a user has four addresses there. */
static void place_user(const struct workload *workload, struct made_click *click, uint32_t visit) {
    uint64_t mixed = (click->user + 1) * UINT64_C(0x9E3779B97F4A7C15);
    mixed ^= mixed >> 29;
    mixed *= UINT64_C(0xBF58476D1CE4E5B9);
    click->octets[0] = (uint8_t)(11 + (mixed >> 56) % 112); /* 11..122: public unicast, never 10/8 or 127/8 */
    click->octets[1] = (uint8_t)(mixed >> 48);
    click->octets[2] = (uint8_t)(mixed >> 40);
    click->octets[3] = (uint8_t)((mixed >> 32 & 0xFC) | (visit & 3));
    click->country = workload->country_of[mixed >> 16 & 1023];
}

/* Nothing is drawn without a pool: the default stream stays what it is. A pool's user clicks from home, a pool's address has
 * whichever user. */
static void draw_from_pool(struct workload *workload, struct made_click *click, uint32_t visit) {
    const struct workload_pool *pool = workload->options.pool;
    struct random_sequence *sequence = &workload->sequence;
    if (random_sequence_below(sequence, 1000) < pool->user_per_mille) {
        click->user = pool->users[random_sequence_below(sequence, pool->user_count)];
        place_user(workload, click, visit);
    }
    if (random_sequence_below(sequence, 1000) < pool->address_per_mille) {
        memcpy(click->octets, pool->addresses[random_sequence_below(sequence, pool->address_count)], sizeof click->octets);
    }
}

static struct made_click choose_click(struct workload *workload, struct wall_time now) {
    const struct workload_options *options = &workload->options;
    struct random_sequence *sequence = &workload->sequence;
    CHECK(now.ms >= options->late_ms_max && now.ms >= options->delay_ms_max);
    workload->totals.lines++;
    uint64_t lot = random_sequence_below(sequence, 1000);
    if (lot < options->duplicates_per_mille && workload->recent_made > 0) {
        uint64_t kept = workload->recent_made < WORKLOAD_RECENT ? workload->recent_made : WORKLOAD_RECENT;
        workload->totals.duplicates++;
        return workload->recent[random_sequence_below(sequence, kept)];
    }
    bool late = lot >= options->duplicates_per_mille && lot < options->duplicates_per_mille + options->late_per_mille;
    workload->totals.late += late;

    struct made_click click = {.ad = zipf_next(&workload->ad_ranks, sequence)};
    uint64_t who = random_sequence_next(sequence);
    click.user = (uint32_t)(((who >> 32) * options->users) >> 32);
    place_user(workload, &click, (uint32_t)who);
    if (options->pool != NULL) draw_from_pool(workload, &click, (uint32_t)who);
    int64_t before_ms_max = late ? options->late_ms_max : options->delay_ms_max;
    click.time_ms = now.ms - (int64_t)random_sequence_below(sequence, (uint64_t)before_ms_max + 1);
    click.id_high = random_sequence_next(sequence);
    click.id_low = random_sequence_next(sequence);
    CHECK(click.ad >= 1 && click.ad <= options->ads);
    CHECK(click.time_ms <= now.ms && click.time_ms >= 0);
    workload->recent[workload->recent_made++ % WORKLOAD_RECENT] = click;
    return click;
}

static struct made_click next_click(struct workload *workload, struct wall_time now) {
    uint64_t duplicates = workload->totals.duplicates;
    struct made_click click = choose_click(workload, now);
    workload->last = (struct workload_click){.ad = click.ad,
                                             .user = click.user,
                                             .time_ms = click.time_ms,
                                             .country = click.country,
                                             .duplicate = workload->totals.duplicates > duplicates};
    memcpy(workload->last.octets, click.octets, sizeof click.octets);
    return click;
}

/* --- how it is written; each returns where the next byte goes --- */

static const char two_digits[201] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546"
    "4748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293"
    "949596979899";

static char *write_text(char *at, const char *text, size_t len) {
    memcpy(at, text, len);
    return at + len;
}
#define WRITE_LITERAL(at, text) write_text(at, text, sizeof(text) - 1)

static char *write_two(char *at, uint32_t value) {
    memcpy(at, two_digits + (size_t)2 * value, 2);
    return at + 2;
}

static char *write_eight(char *at, uint32_t value) {
    at = write_two(at, value / 1000000);
    at = write_two(at, value / 10000 % 100);
    at = write_two(at, value / 100 % 100);
    return write_two(at, value % 100);
}

/* Exactly 7 digits up to 9,999,999, 8 above. */
static char *write_number(char *at, uint32_t value) {
    if (value > 9999999) return write_eight(at, value);
    *at++ = (char)('0' + value / 1000000);
    at = write_two(at, value / 10000 % 100);
    at = write_two(at, value / 100 % 100);
    return write_two(at, value % 100);
}

static char *write_octet(char *at, uint8_t value) {
    if (value >= 100) {
        *at++ = (char)('0' + value / 100);
        return write_two(at, value % 100);
    }
    if (value >= 10) return write_two(at, value);
    *at++ = (char)('0' + value);
    return at;
}

static char *write_country(char *at, uint8_t country) {
    CHECK(country < WORKLOAD_COUNTRIES);
    for (int i = 0; i < 3; i++) *at++ = country_codes[country][i];
    return at;
}

static char *write_ip(char *at, const uint8_t octets[4]) {
    for (int i = 0; i < 4; i++) {
        if (i > 0) *at++ = '.';
        at = write_octet(at, octets[i]);
    }
    return at;
}

static char *write_hex(char *at, uint64_t value) {
    for (int shift = 60; shift >= 0; shift -= 4) *at++ = "0123456789abcdef"[value >> shift & 15];
    return at;
}

/* 13 digits: true from 2001 to 2286; before, leading zeros. */
static char *write_milliseconds(char *at, int64_t ms) {
    uint64_t value = (uint64_t)ms;
    CHECK(value < UINT64_C(10000000000000));
    uint32_t high = (uint32_t)(value / 100000000);
    *at++ = (char)('0' + high / 10000);
    at = write_two(at, high / 100 % 100);
    at = write_two(at, high % 100);
    return write_eight(at, (uint32_t)(value % 100000000));
}

/* `YYYY-MM-DD HH:MM:SS`. The date by counting days in years that begin in March, so that the leap day is the last. */
static char *write_date_time(char *at, int64_t ms) {
    uint32_t seconds = (uint32_t)(ms / 1000 % 86400);
    uint32_t days = (uint32_t)(ms / 1000 / 86400) + 719468; /* since 1 March of the year 0 */
    uint32_t era = days / 146097, day_of_era = days % 146097;
    uint32_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day = day_of_era - (365 * year + year / 4 - year / 100);
    uint32_t month_from_march = (5 * day + 2) / 153;
    day -= (153 * month_from_march + 2) / 5;
    uint32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    year += era * 400 + (month <= 2);
    at = write_two(at, year / 100);
    at = write_two(at, year % 100);
    *at++ = '-';
    at = write_two(at, month);
    *at++ = '-';
    at = write_two(at, day + 1);
    *at++ = ' ';
    at = write_two(at, seconds / 3600);
    *at++ = ':';
    at = write_two(at, seconds / 60 % 60);
    *at++ = ':';
    return write_two(at, seconds % 60);
}

void workload_next_json(struct workload *workload, struct wall_time now, struct buffer *out) {
    struct made_click click = next_click(workload, now);
    char *begin = (char *)buffer_reserve(out, WORKLOAD_LINE_BYTES), *at = begin;
    at = WRITE_LITERAL(at, "{\"event_id\":\"");
    at = write_hex(at, click.id_high);
    at = write_hex(at, click.id_low);
    at = WRITE_LITERAL(at, "\",\"ad_id\":\"ad");
    at = write_number(at, click.ad);
    at = WRITE_LITERAL(at, "\",\"click_timestamp\":");
    at = write_milliseconds(at, click.time_ms);
    at = WRITE_LITERAL(at, ",\"user_id\":\"user");
    at = write_number(at, click.user);
    at = WRITE_LITERAL(at, "\",\"ip\":\"");
    at = write_ip(at, click.octets);
    at = WRITE_LITERAL(at, "\",\"country\":\"");
    at = write_country(at, click.country);
    at = WRITE_LITERAL(at, "\"}\n");
    CHECK(at - begin <= WORKLOAD_LINE_BYTES);
    out->len += (size_t)(at - begin);
}

void workload_next_log_line(struct workload *workload, struct wall_time now, struct buffer *out) {
    struct made_click click = next_click(workload, now);
    char *begin = (char *)buffer_reserve(out, WORKLOAD_LINE_BYTES), *at = begin;
    at = WRITE_LITERAL(at, "[AdClickEvent] ad");
    at = write_number(at, click.ad);
    at = WRITE_LITERAL(at, ", ");
    at = write_date_time(at, click.time_ms);
    at = WRITE_LITERAL(at, ", user");
    at = write_number(at, click.user);
    at = WRITE_LITERAL(at, ", ");
    at = write_ip(at, click.octets);
    at = WRITE_LITERAL(at, ", ");
    at = write_country(at, click.country);
    *at++ = '\n';
    CHECK(at - begin <= WORKLOAD_LINE_BYTES);
    out->len += (size_t)(at - begin);
}
