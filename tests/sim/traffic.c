#include "sim/traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LINES_REMEMBERED_MAX = 4096 };

static uint64_t below(struct traffic *traffic, uint64_t bound) {
    return random_sequence_below(traffic->random, bound);
}

void traffic_init(struct traffic *traffic, struct random_sequence *random, struct wall_time now) {
    *traffic = (struct traffic){.random = random};
    traffic->historical = below(traffic, 3) == 0;
    traffic->event_ms = traffic->historical ? now.ms - (int64_t)below(traffic, 400) * HOUR_MS - 10 * HOUR_MS : now.ms;
}

void traffic_fini(struct traffic *traffic) {
    free(traffic->lines);
}

/* The fields of one click, each with the text that goes into a line and the one that goes into the key. */
struct made {
    char ad[TRAFFIC_ID_BYTES], ad_key[TRAFFIC_ID_BYTES], user[TRAFFIC_ID_BYTES], event_id[TRAFFIC_ID_BYTES];
    bool plain_ad; /* can stand in a log line */
    const char *ip, *ip_key;
    const char *country, *country_key;
    int64_t time_ms;
};

static const struct {
    const char *text, *key;
} ips[] = {
    {"207.148.22.22", "207.148.22.22"},
    {"10.0.0.1", "10.0.0.1"},
    {"207.xxx.xx.22", "207.xxx.xxx.22"},
    {"207.XXX.x.22", "207.xxx.xxx.22"},
    {"2001:db8::1", "2001:db8::1"},
    {"2001:0DB8:0:0:0:0:0:1", "2001:db8::1"},
    {"::ffff:10.0.0.1", "10.0.0.1"},
    {"10.0.0.2", "10.0.0.2"},
    {"10.0.0.0", "10.0.0.0"},
    {"10.0.0.200", "10.0.0.200"},
    {"10.0.7.1", "10.0.7.1"},
    {"10.200.0.1", "10.200.0.1"},
    {"10.0.0.xxx", "10.0.0.xxx"},
    {"10.0.XX.1", "10.0.xxx.1"},
    {"207.0.0.22", "207.0.0.22"},
    {"2001:db8::2", "2001:db8::2"},
    {"2001:db8:8000::5", "2001:db8:8000::5"},
    {"8.8.8.8", "8.8.8.8"},
};
static const struct {
    const char *text, *key;
} countries[] = {
    {"USA", "USA"}, {"us", "USA"},  {"Usa", "USA"}, {"DEU", "DEU"}, {"DE", "DEU"},
    {"chn", "CHN"}, {"FRA", "FRA"}, {NULL, "ZZZ"},  {"ZZZ", "ZZZ"},
};

static int64_t choose_time(struct traffic *traffic, struct wall_time now) {
    int64_t newest = traffic->historical ? traffic->event_ms : now.ms;
    switch (below(traffic, 24)) {
    case 0: /* late by up to the lateness */
        return newest - (int64_t)below(traffic, (uint64_t)traffic->lateness_ms + 1);
    case 1: /* about the lateness: too late, or just not */
        return newest - traffic->lateness_ms + (int64_t)below(traffic, 4 * MINUTE_MS) - 3 * MINUTE_MS;
    case 2: /* long too late */
        return newest - traffic->lateness_ms * 2 - (int64_t)below(traffic, 3 * HOUR_MS);
    case 3: /* far ahead of a historical stream; of a live one it is the future, just allowed */
        return traffic->historical ? newest + HOUR_MS + (int64_t)below(traffic, 5 * HOUR_MS)
                                   : now.ms + (int64_t)below(traffic, 50 * SECOND_MS);
    case 4:
    case 5: /* late by a minute or two: amends what was just closed */
        return newest - (int64_t)below(traffic, 3 * MINUTE_MS);
    default:
        return newest - (int64_t)below(traffic, 5 * SECOND_MS);
    }
}

/* "YYYY-MM-DD?HH:MM:SS" and what is to follow. */
static void print_utc(char *text, size_t size, char between, const char *after, int64_t time_ms) {
    time_t seconds = (time_t)(time_ms / SECOND_MS);
    struct tm broken;
    char base[40];
    (void)gmtime_r(&seconds, &broken);
    (void)strftime(base, sizeof base, "%Y-%m-%d %H:%M:%S", &broken);
    base[10] = between;
    (void)snprintf(text, size, "%s%s", base, after);
}

/* Rounds the time to what the form can say, and writes it as a JSON value. */
static void print_time(struct traffic *traffic, int64_t *time_ms, char *json, size_t size) {
    char text[80];
    switch (below(traffic, 6)) {
    case 0:
        *time_ms -= *time_ms % SECOND_MS;
        (void)snprintf(json, size, "%lld", (long long)(*time_ms / SECOND_MS));
        return;
    case 1:
        *time_ms -= *time_ms % SECOND_MS;
        print_utc(text, sizeof text, ' ', "", *time_ms);
        break;
    case 2:
        *time_ms -= *time_ms % SECOND_MS;
        print_utc(text, sizeof text, 'T', "Z", *time_ms);
        break;
    case 3: {
        char base[80];
        print_utc(base, sizeof base, 'T', "", *time_ms + 2 * HOUR_MS);
        (void)snprintf(text, sizeof text, "%.40s.%03d+02:00", base, (int)(*time_ms % SECOND_MS));
        break;
    }
    default:
        (void)snprintf(json, size, "%lld", (long long)*time_ms);
        return;
    }
    (void)snprintf(json, size, "\"%s\"", text);
}

static void print_line(struct traffic *traffic, struct made *made, struct traffic_line *line) {
    char time[100], event[TRAFFIC_ID_BYTES + 20] = "", country[80] = "", spaced[80];
    print_time(traffic, &made->time_ms, time, sizeof time);
    if (made->event_id[0] != '\0') (void)snprintf(event, sizeof event, ",\"event_id\":\"%s\"", made->event_id);
    if (made->country != NULL) (void)snprintf(country, sizeof country, ",\"country\":\"%s\"", made->country);
    (void)snprintf(line->json, sizeof line->json,
                   "{\"ad_id\":\"%s\",\"click_timestamp\":%s,\"user_id\":\"%s\",\"ip\":\"%s\"%s%s%s}", made->ad, time,
                   made->user, made->ip, country, event, below(traffic, 8) == 0 ? ",\"extra\":[1,{\"a\":null}]" : "");
    line->log[0] = '\0';
    if (made->event_id[0] == '\0' && made->plain_ad && made->time_ms % SECOND_MS == 0) {
        print_utc(spaced, sizeof spaced, ' ', "", made->time_ms);
        (void)snprintf(line->log, sizeof line->log, "[AdClickEvent] %s, %s, %s, %s, %s", made->ad, spaced, made->user,
                       made->ip, made->country == NULL ? "" : made->country);
    }
    (void)snprintf(line->key, sizeof line->key, "%s|%s|%lld|%s|%s|%s", made->event_id, made->ad_key,
                   (long long)made->time_ms, made->user, made->ip_key, made->country_key);
    line->time_ms = made->time_ms;
    line->may_be_future = false;
    line->has_event_id = made->event_id[0] != '\0';
}

static struct traffic_line *remember(struct traffic *traffic) {
    if (traffic->line_count >= LINES_REMEMBERED_MAX) return &traffic->lines[below(traffic, traffic->line_count)];
    if (traffic->line_count == traffic->line_capacity) {
        traffic->line_capacity = traffic->line_capacity * 2 + 64;
        traffic->lines = memory_resize(traffic->lines, traffic->line_capacity * sizeof *traffic->lines);
    }
    return &traffic->lines[traffic->line_count++];
}

static const struct traffic_line *make_malformed(struct traffic *traffic, struct wall_time now) {
    static const char *const lines[] = {
        "{\"ad_id\":\"a\"}",
        "not json at all",
        "[]",
        "{\"ad_id\":\"a\",\"ad_id\":\"b\",\"click_timestamp\":1700000000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
        "{\"ad_id\":7,\"click_timestamp\":1700000000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
        "{\"ad_id\":\"a\",\"click_timestamp\":1700000000,\"user_id\":\"u\",\"ip\":\"1.2.3\"}",
        "{\"ad_id\":\"a\",\"click_timestamp\":1700000000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\",\"country\":\"XXX\"}",
        "{\"ad_id\":\"\xff\",\"click_timestamp\":1700000000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
        "{\"ad_id\":\"a\",\"click_timestamp\":\"tomorrow\",\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
        "{\"ad_id\":\"a\",\"click_timestamp\":0,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
        "{\"ad_id\":\"a\",\"click_timestamp\":-1700000000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
        "{\"ad_id\":\"a\",\"click_timestamp\":9223372036854775807,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
        "{\"ad_id\":\"a\",\"click_timestamp\":99999999999999999999999,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
        "{\"ad_id\":\"a\",\"click_timestamp\":1.7e9,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
        "{\"ad_id\":\"a\",\"click_timestamp\":\"2026-02-30 00:00:00\",\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
        "{\"ad_id\":\"\",\"click_timestamp\":1700000000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
        "{\"ad_id\":\"a\\u0000b\",\"click_timestamp\":1700000000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
        "{\"ad_id\":\"a\",\"click_timestamp\":1700000000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\",\"event_id\":null}",
        "{\"ad_id\":\"a\",\"click_timestamp\":1700000000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"",
        "{\"ad_id\":\"a\",\"click_timestamp\":1700000000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"} {}",
    };
    struct traffic_line *line = remember(traffic);
    *line = (struct traffic_line){.time_ms = now.ms};
    traffic->counts.malformed++;
    if (below(traffic, 4) == 0) {
        line->time_ms = now.ms + 3 * HOUR_MS + (int64_t)below(traffic, HOUR_MS);
        line->may_be_future = true;
        (void)snprintf(line->json, sizeof line->json,
                       "{\"ad_id\":\"a\",\"click_timestamp\":%lld,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}",
                       (long long)line->time_ms);
    } else {
        (void)snprintf(line->json, sizeof line->json, "%s", lines[below(traffic, sizeof lines / sizeof *lines)]);
    }
    return line;
}

/* Still right, but at the edge of what is: the longest ids, the oldest times. */
static void go_to_extremes(struct traffic *traffic, struct made *made) {
    traffic->counts.extreme++;
    uint64_t what = below(traffic, 4);
    char *id = what == 0 ? made->user : made->event_id;
    if (what <= 1) {
        (void)memset(id, 'x', ID_BYTES_MAX);
        id[ID_BYTES_MAX - 1] = (char)('a' + below(traffic, 4));
        id[ID_BYTES_MAX] = '\0';
    } else if (what == 2) { /* 64 letters of two bytes each */
        made->plain_ad = true;
        for (size_t i = 0; i < ID_BYTES_MAX; i += 2) (void)memcpy(made->ad + i, "\xc3\xbf", 2);
        made->ad[ID_BYTES_MAX] = '\0';
        (void)snprintf(made->ad_key, sizeof made->ad_key, "%s", made->ad);
    } else {
        static const int64_t times[] = {INT64_C(1000360000000), INT64_C(1000360000001), INT64_C(1399999999999)};
        made->time_ms = times[below(traffic, sizeof times / sizeof *times)];
    }
}

static void note_time(struct traffic *traffic, int64_t time_ms) {
    traffic->counts.reordered += time_ms < traffic->newest_ms;
    traffic->counts.late += time_ms < traffic->newest_ms - MINUTE_MS;
    traffic->counts.far_ahead += traffic->newest_ms > 0 && time_ms > traffic->newest_ms + HOUR_MS;
    if (time_ms > traffic->newest_ms) traffic->newest_ms = time_ms;
}

const struct traffic_line *traffic_next(struct traffic *traffic, struct wall_time now) {
    if (traffic->historical) traffic->event_ms += (int64_t)below(traffic, 3 * SECOND_MS);
    if (below(traffic, 500) == 0 && traffic->historical) traffic->event_ms += (int64_t)below(traffic, 6 * HOUR_MS);
    if (traffic->historical && traffic->event_ms > now.ms - HOUR_MS) traffic->event_ms = now.ms - HOUR_MS;
    if (below(traffic, 40) == 0) return make_malformed(traffic, now);
    if (traffic->line_count > 0 && below(traffic, 6) == 0) {
        traffic->counts.repeated++;
        return &traffic->lines[below(traffic, traffic->line_count)];
    }

    struct made made = {.time_ms = choose_time(traffic, now)};
    size_t ip = below(traffic, sizeof ips / sizeof *ips), country = below(traffic, sizeof countries / sizeof *countries);
    made.ip = ips[ip].text;
    made.ip_key = ips[ip].key;
    made.country = countries[country].text;
    made.country_key = countries[country].key;
    uint64_t skewed = below(traffic, 30);
    made.plain_ad = below(traffic, 20) > 0;
    (void)snprintf(made.ad, sizeof made.ad, "%s%llu", made.plain_ad ? "ad" : "ad, \\u00e9",
                   (unsigned long long)(skewed * skewed / 30));
    (void)snprintf(made.ad_key, sizeof made.ad_key, "%s%llu", made.plain_ad ? "ad" : "ad, \xc3\xa9",
                   (unsigned long long)(skewed * skewed / 30));
    (void)snprintf(made.user, sizeof made.user, "user %llu",
                   (unsigned long long)below(traffic, below(traffic, 3) == 0 ? 50 : 5));
    /* Few ids: the same one with another content is a conflict. */
    if (below(traffic, 2) == 0) {
        if (below(traffic, 10) > 0) traffic->next_event_id++;
        (void)snprintf(made.event_id, sizeof made.event_id, "event-%llu", (unsigned long long)traffic->next_event_id);
    }
    if (made.time_ms > now.ms + 50 * SECOND_MS) made.time_ms = now.ms;
    if (below(traffic, 60) == 0) go_to_extremes(traffic, &made);
    note_time(traffic, made.time_ms);
    struct traffic_line *line = remember(traffic);
    print_line(traffic, &made, line);
    return line;
}
