/* decode_bench.c: what one click costs in src/click, CPU nanoseconds, one thread. Usage: decode_bench [ITERATIONS].
 *
 * The lines differ from one to the next (ids, times, ips), so that no branch learns them by heart, and stay in the cache, as
 * a line that was just received does. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/random_sequence.h"
#include "click/decode.h"

enum { LINES = 1024, LINE_ROOM = 512 };

struct lines {
    char at[LINES][LINE_ROOM];
    size_t len[LINES];
};

enum shape { JSON_EVENT_ID, JSON_CONTENT, JSON_STRING_TIME, JSON_SLOW, LOG_LINE };

static const char *const formats[] = {
    [JSON_EVENT_ID] = "{\"event_id\":\"%016" PRIx64 "%016" PRIx64 "\",\"ad_id\":\"ad%07u\",\"click_timestamp\":16%011" PRIu64
                      ",\"user_id\":\"user-%u\",\"ip\":\"%u.%u.%u.%u\",\"country\":\"USA\"}",
    [JSON_CONTENT] = "{\"ad_id\":\"ad%07u\",\"click_timestamp\":16%011" PRIu64
                     ",\"user_id\":\"user-%u\",\"ip\":\"%u.%u.%u.%u\",\"country\":\"USA\"}",
    [JSON_STRING_TIME] =
        "{\"ad_id\":\"ad%07u\",\"click_timestamp\":\"2021-01-01T00:%02u:%02u.123Z\",\"user_id\":\"user-%u\","
        "\"ip\":\"%u.%u.%u.%u\",\"country\":\"USA\"}",
    [JSON_SLOW] = "{\"ad_id\":\"ad%07u\",\"click_timestamp\":\"2021-01-01T00:%02u:%02u.123Z\",\"user_id\":\"user\\/%u\","
                  "\"ip\":\"%u.%u.%u.%u\",\"country\":\"USA\",\"other\":{}}",
    [LOG_LINE] = "[AdClickEvent] ad%07u, 2021-01-01 00:%02u:%02u, user %u, %u.%u.%u.%u, USA",
};

static void make_lines(struct lines *lines, enum shape shape) {
    struct random_sequence sequence = {7};
    for (size_t i = 0; i < LINES; i++) {
        const uint64_t a = random_sequence_next(&sequence);
        const uint64_t b = random_sequence_next(&sequence);
        const unsigned ad = (unsigned)(a % 2000000);
        const unsigned user = (unsigned)(b % 10000000);
        const unsigned ip[4] = {(unsigned)(a >> 56), (unsigned)(a >> 48 & 255), (unsigned)(a >> 40 & 255),
                                (unsigned)(a >> 32 & 255)};
        const uint64_t ms = b % UINT64_C(99999999999);
        int len;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        if (shape == JSON_EVENT_ID) {
            len = snprintf(lines->at[i], LINE_ROOM, formats[shape], a, b, ad, ms, user, ip[0], ip[1], ip[2], ip[3]);
        } else if (shape == JSON_CONTENT) {
            len = snprintf(lines->at[i], LINE_ROOM, formats[shape], ad, ms, user, ip[0], ip[1], ip[2], ip[3]);
        } else {
            len = snprintf(lines->at[i], LINE_ROOM, formats[shape], ad, (unsigned)(ms % 60), (unsigned)(ms / 60 % 60), user,
                           ip[0], ip[1], ip[2], ip[3]);
        }
#pragma GCC diagnostic pop
        CHECK(len > 0 && len + DECODE_PADDING_BYTES <= LINE_ROOM);
        lines->len[i] = (size_t)len;
    }
}

static int64_t cpu_ns(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

enum work { DECODE = 1, IDENTIFY = 2 };

/* The lowest of 5 rounds, since what disturbs only adds. */
static double measure(struct decoder *decoder, struct lines *lines, enum shape shape, int work, uint64_t iterations) {
    const struct decode_rules rules = {IDENTITY_MODE_CONTENT, {INT64_C(4102444800000)}, 60000};
    const struct identity_key key = {{1, 2, 3}};
    double lowest_ns = 1e18;
    struct click click;
    char detail[DECODE_DETAIL_BYTES];
    for (int round = 0; round < 5; round++) {
        uint64_t sum = 0;
        const int64_t start = cpu_ns();
        for (uint64_t i = 0; i < iterations; i++) {
            const struct bytes line = {(const uint8_t *)lines->at[i % LINES], lines->len[i % LINES]};
            if ((work & DECODE) != 0 || i == 0) {
                const enum reject reject = shape == LOG_LINE ? decode_log_line(decoder, line, &rules, &click, detail)
                                                             : decode_json(decoder, line, &rules, &click, detail);
                CHECKF(reject == REJECT_NONE, "%s: %s", lines->at[i % LINES], detail);
                click.source = BYTES_LITERAL("default");
            }
            if ((work & IDENTIFY) != 0) click_identify(&click, &key);
            sum += click.identity.low;
        }
        const double ns = (double)(cpu_ns() - start) / (double)iterations;
        if (ns < lowest_ns) lowest_ns = ns;
        __asm__ volatile("" : : "r"(sum));
    }
    return lowest_ns;
}

int main(int argc, char **argv) {
    const uint64_t iterations = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    static const char *const names[] = {"json, event_id, time as ms", "json, by content, time as ms",
                                        "json, by content, RFC 3339", "json, slow path (nested member)", "log line"};
    if (iterations == 0) return 2;
    struct decoder *decoder = decoder_create();
    struct lines *lines = memory_allocate_zeroed(1, sizeof *lines);
    printf("%-32s %6s %10s %10s %10s   (CPU ns per click)\n", "", "bytes", "decode", "identify", "both");
    for (int shape = JSON_EVENT_ID; shape <= LOG_LINE; shape++) {
        make_lines(lines, (enum shape)shape);
        printf("%-32s %6zu", names[shape], lines->len[0]);
        for (int work = DECODE; work <= (DECODE | IDENTIFY); work++) {
            printf(" %10.1f", measure(decoder, lines, (enum shape)shape, work, iterations));
        }
        printf("\n");
    }
    free(lines);
    decoder_destroy(decoder);
    return 0;
}
