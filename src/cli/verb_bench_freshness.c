/* Scenario freshness: how long after its acknowledgement a click shows in a query, while the server is under load. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "cli/bench.h"
#include "client/feed.h"
#include "client/server_child.h"
#include "client/timing.h"
#include "client/totals.h"

enum {
    PROBE_EVERY_MS = 100,
    PROBE_POLL_MS = 5,
    PROBE_GIVE_UP_MS = 60 * SECOND_MS,
    SETTLE_MS_MAX = 2 * MINUTE_MS,
};

/* A click of an ad of its own, so that "count is 1" means this click and nothing else. */
struct probe {
    int64_t minute_ms; /* start of its minute, wall clock */
    int64_t acked_us;  /* monotonic */
};

/* Of the probing thread, but for `stop`. Probes are seen in the order in which they were acknowledged: a later one that
 * shows earlier is noticed late, so the times are upper bounds. */
struct prober {
    const char *url;
    atomic_bool stop; /* no new probes; the thread ends when all are seen */
    uint64_t sent, seen;
    uint64_t probes_max;
    struct probe *probes;
    uint64_t *visible_us;
    struct failure failure;
};

static enum status post_probe(struct prober *prober, struct http_client *client) {
    char body[256];
    struct http_answer answer = {0};
    struct probe *probe = &prober->probes[prober->sent];
    int64_t now_ms = timing_wall().ms;
    int len = snprintf(body, sizeof body,
                       "{\"event_id\":\"probe-%" PRIu64 "\",\"ad_id\":\"probe-%" PRIu64 "\",\"click_timestamp\":%" PRId64
                       ",\"user_id\":\"prober\",\"ip\":\"11.0.0.1\",\"country\":\"DEU\"}",
                       prober->sent, prober->sent, now_ms);
    CHECK(len > 0 && (size_t)len < sizeof body);
    enum status status = http_client_post(client, "/v1/clicks", "application/json",
                                          (struct bytes){(const uint8_t *)body, (size_t)len}, &answer, &prober->failure);
    if (status == STATUS_OK && answer.http_status != 200) status = api_problem(prober->url, &answer, &prober->failure);
    *probe = (struct probe){.minute_ms = now_ms - now_ms % MINUTE_MS, .acked_us = timing_now_ns() / 1000};
    prober->sent++;
    http_answer_fini(&answer);
    return status;
}

/* Asks for the oldest probe that has not shown yet. */
static enum status look(struct prober *prober, struct http_client *client, bool *visible) {
    const struct probe *probe = &prober->probes[prober->seen];
    char path[256];
    uint64_t count = 0;
    struct json *json = NULL;
    snprintf(path, sizeof path, "/v1/ads/probe-%" PRIu64 "/aggregated_cnt?from=%" PRId64 "&to=%" PRId64, prober->seen,
             probe->minute_ms, probe->minute_ms + MINUTE_MS);
    enum status status = api_get(client, bytes_of_text(path), &json, NULL, &prober->failure);
    if (status == STATUS_OK && !json_u64(json, "count", &count)) {
        status = failure_set(&prober->failure, STATUS_IO_ERROR, "an answer without count");
    }
    json_destroy(json);
    int64_t waited_us = timing_now_ns() / 1000 - probe->acked_us;
    *visible = count == 1;
    if (*visible) prober->visible_us[prober->seen++] = (uint64_t)waited_us;
    if (status == STATUS_OK && !*visible && waited_us > PROBE_GIVE_UP_MS * INT64_C(1000)) {
        status =
            failure_set(&prober->failure, STATUS_IO_ERROR, "a click was not visible after %d s", PROBE_GIVE_UP_MS / 1000);
    }
    return status;
}

static void *probe_all(void *self) {
    struct prober *prober = self;
    struct http_client *client = http_client_create(prober->url, HTTP_CLIENT_TIMEOUT_MS);
    int64_t next_ms = timing_now_ms();
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        bool stopping = atomic_load(&prober->stop) || prober->sent == prober->probes_max;
        if (stopping && prober->seen == prober->sent) break;
        if (!stopping && timing_now_ms() >= next_ms) {
            status = post_probe(prober, client);
            next_ms += PROBE_EVERY_MS;
        }
        bool visible = true;
        while (status == STATUS_OK && visible && prober->seen < prober->sent) status = look(prober, client, &visible);
        timing_sleep_ms(PROBE_POLL_MS);
    }
    http_client_destroy(client);
    return NULL;
}

static enum status feed_for(const struct bench_options *options, struct server_child *child, struct sender *sender,
                            struct feed *feed, struct failure *failure) {
    int64_t until_ms = timing_now_ms() + (int64_t)options->seconds * SECOND_MS;
    enum status status;
    while ((status = sender_step(sender, 100, failure)) == STATUS_OK) {
        if (timing_now_ms() >= until_ms) feed->stopped = true;
        if (!server_child_alive(child, failure)) return failure->status;
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static void add_figures(const struct bench_options *options, struct prober *prober, uint64_t accepted, double seconds,
                        double cpu_seconds, uint64_t peak_bytes, struct bench_figures *figures) {
    bench_add(figures, "fed_clicks_per_s", (double)accepted / seconds, 0);
    bench_add(figures, "wanted_clicks_per_s", (double)options->rate, 0);
    bench_add(figures, "visible_p50_ms", bench_percentile_ms(prober->visible_us, prober->seen, 0.5), 0);
    bench_add(figures, "visible_p99_ms", bench_percentile_ms(prober->visible_us, prober->seen, 0.99), 0);
    bench_add(figures, "visible_max_ms", bench_percentile_ms(prober->visible_us, prober->seen, 1.0), 0);
    bench_add(figures, "probes", (double)prober->seen, 0);
    bench_add(figures, "server_cores_busy", cpu_seconds / seconds, 2);
    bench_add(figures, "peak_rss_mib", (double)peak_bytes / (1024 * 1024), 0);
}

static enum status measure(const struct bench_options *options, struct server_child *child, struct workload *workload,
                           struct prober *prober, struct bench_figures *figures, struct failure *failure) {
    struct feed feed;
    feed_init(&feed, workload, options->rate);
    const struct sender_options sending = {.url = child->url, .connections = 4, .give_up_ms = MINUTE_MS};
    const struct sender_source source = {.self = &feed, .next = feed_next};
    const struct sender_observer observer = {0};
    struct sender *sender = sender_create(&sending, &source, &observer);
    struct http_client *client =
        http_client_create(child->url, HTTP_CLIENT_TIMEOUT_MS); /* libcurl is set up before there is a second thread */
    double cpu_before = server_child_cpu_seconds(child);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, probe_all, prober) == 0);
    int64_t begun_ns = timing_now_ns();
    enum status status = feed_for(options, child, sender, &feed, failure);
    double seconds = (double)(timing_now_ns() - begun_ns) / 1e9;
    double cpu_seconds = server_child_cpu_seconds(child) - cpu_before;
    atomic_store(&prober->stop, true);
    CHECK(pthread_join(thread, NULL) == 0);
    if (status == STATUS_OK && prober->failure.status != STATUS_OK) {
        *failure = prober->failure;
        status = failure->status;
    }
    struct server_totals totals;
    if (status == STATUS_OK) status = totals_await(client, SETTLE_MS_MAX, NULL, 0, &totals, failure);
    struct workload_totals made = workload_totals(workload);
    made.lines += prober->sent;
    if (status == STATUS_OK && sender_totals(sender)->retries == 0) status = bench_check_exact(&made, &totals, failure);
    if (status == STATUS_OK) {
        add_figures(options, prober, sender_totals(sender)->accepted, seconds, cpu_seconds, server_child_peak_bytes(child),
                    figures);
    }
    http_client_destroy(client);
    sender_destroy(sender);
    return status;
}

enum status bench_freshness(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                            struct failure *failure) {
    struct server_child child;
    enum status status = bench_start_server(options, NULL, &child, failure);
    if (status != STATUS_OK) return status;
    struct workload_options making = workload_defaults();
    making.seed = run + 1;
    struct workload *workload = workload_create(&making);
    struct prober prober = {.url = child.url, .probes_max = (options->seconds + 1) * SECOND_MS / PROBE_EVERY_MS};
    prober.probes = memory_allocate_zeroed(prober.probes_max, sizeof *prober.probes);
    prober.visible_us = memory_allocate_zeroed(prober.probes_max, sizeof *prober.visible_us);
    status = measure(options, &child, workload, &prober, figures, failure);
    free(prober.probes);
    free(prober.visible_us);
    workload_destroy(workload);
    if (status == STATUS_OK) status = server_child_stop(&child, NULL, 0, failure);
    server_child_kill(&child);
    return status;
}
