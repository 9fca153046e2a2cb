/* Bytes as each of the values of a click and of a question, against the C library's readers where it has one (inet_pton,
 * strptime), and as the text of a log line, which must be one line and good JSON. */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "click/country.h"
#include "click/ip.h"
#include "click/timestamp.h"
#include "log/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* `YYYY-MM-DD HH:MM:SS` by the C library; only digits where digits belong, since it is not so strict. */
static bool plain_time(const char *text, size_t len, int64_t *ms) {
    static const char shape[] = "dddd-dd-dd dd:dd:dd";
    struct tm parts = {0};
    if (len != sizeof shape - 1) return false;
    for (size_t i = 0; i < len; i++)
        if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i]) return false;
    const char *end = strptime(text, "%Y-%m-%d %H:%M:%S", &parts);
    if (end == NULL || *end != 0 || parts.tm_sec > 59) return false;
    const struct tm given = parts;
    const time_t seconds = timegm(&parts);
    if (given.tm_mday != parts.tm_mday || given.tm_mon != parts.tm_mon || seconds < 0) return false; /* 31 April */
    *ms = (int64_t)seconds * SECOND_MS;
    return true;
}

static void check_time(struct bytes text, const char *terminated) {
    struct event_time time = {-1}, again, question;
    uint8_t form;
    int64_t plain_ms = -1;
    char out[TIMESTAMP_TEXT_BYTES];
    const bool taken = timestamp_parse(text, &time, &form);
    if (plain_time(terminated, text.len, &plain_ms)) CHECK(taken && time.ms == plain_ms && form == TIME_SPACE);
    if (timestamp_parse_question(text, &question) && taken) CHECK(question.ms == time.ms);
    if (!taken) return;
    CHECK(time.ms >= 0 && time.ms < INT64_C(253402300800000)); /* the year 10000 */
    CHECK(timestamp_parse_question(text, &question));
    const size_t len = timestamp_text(time, out);
    CHECK(timestamp_parse((struct bytes){(const uint8_t *)out, len}, &again, &form) && again.ms == time.ms);
}

static void check_ip(struct bytes text, const char *terminated) {
    struct ip ip, again;
    uint8_t form, v4[4], v6[16];
    char out[IP_TEXT_BYTES];
    const bool taken = ip_parse(text, &ip, &form), whole = strlen(terminated) == text.len;
    if (whole && inet_pton(AF_INET, terminated, v4) == 1)
        CHECK(taken && ip.kind == IP_V4 && memcmp(ip.bytes, v4, sizeof v4) == 0);
    if (whole && inet_pton(AF_INET6, terminated, v6) == 1) {
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        CHECK(taken);
        if (memcmp(v6, mapped, sizeof mapped) == 0)
            CHECK(ip.kind == IP_V4 && memcmp(ip.bytes, v6 + 12, 4) == 0);
        else
            CHECK(ip.kind == IP_V6 && memcmp(ip.bytes, v6, sizeof v6) == 0);
    }
    if (!taken) return;
    if (ip.kind == IP_V6) CHECK(inet_pton(AF_INET6, terminated, v6) == 1);
    const size_t len = ip_text(&ip, out);
    CHECK(len > 0 && len < sizeof out);
    CHECK(ip_parse((struct bytes){(const uint8_t *)out, len}, &again, &form) && form == IP_CANONICAL);
    CHECK(memcmp(&ip, &again, sizeof ip) == 0);
}

static void check_country(struct bytes text) {
    struct country country, again;
    uint8_t form;
    char out[4], short_out[3];
    if (!country_parse(text, &country, &form)) return;
    CHECK((text.len == 2 || text.len == 3) && country.code < COUNTRY_CODES);
    country_text(country, out);
    CHECK(country_parse((struct bytes){(const uint8_t *)out, 3}, &again, &form) && again.code == country.code);
    country_text_alpha2(country, short_out);
    CHECK(country_parse((struct bytes){(const uint8_t *)short_out, 2}, &again, &form) && again.code == country.code);
}

static void check_log(const char *text) {
    struct buffer line = {0};
    const struct wall_time now = {INT64_C(1700000000000)};
    log_render(LOG_FORMAT_JSON, now, LOG_EVENT_STARTING, LOG_FIELDS(log_text("data", text), log_number("pid", 7)), text,
               &line);
    json_t *json = json_loadb((const char *)line.at, line.len, JSON_REJECT_DUPLICATES, NULL);
    CHECK(json_is_object(json) && line.at[line.len - 1] == '\n' && memchr(line.at, '\n', line.len - 1) == NULL);
    json_decref(json);
    buffer_clear(&line);
    log_render(LOG_FORMAT_LOGFMT, now, LOG_EVENT_STARTING, LOG_FIELDS(log_text("data", text)), text, &line);
    CHECK(line.at[line.len - 1] == '\n' && memchr(line.at, '\n', line.len - 1) == NULL);
    buffer_fini(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *exact = memory_allocate(size);
    char *terminated = memory_allocate(size + 1);
    memcpy(exact, data, size);
    memcpy(terminated, data, size);
    terminated[size] = 0;
    const struct bytes text = {exact, size};
    check_time(text, terminated);
    check_ip(text, terminated);
    check_country(text);
    check_log(terminated);
    free(exact);
    free(terminated);
    return 0;
}
