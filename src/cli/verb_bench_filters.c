/* Scenario filters: what 10,000 standing filters cost ingestion. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cli/bench.h"
#include "cli/bench_filters_made.h"
#include "cli/bench_pass.h"
#include "client/api.h"
#include "client/timing.h"

enum {
    PART_CLICKS = 1000000, /* in less, waiting for the last click to show would be a large part of the time */
    CHECKPOINT_SECONDS = 30,
    AHEAD_MS = 25 * SECOND_MS, /* of now, at most, is a part's last click: servers take what is up to a minute ahead */
    RANKED = 32,
    RANKING_MINUTES_MAX = 1440,
    COUNTS_CHECKED = 3, /* of a sampled filter, beside its ranking */
};

enum stream_name { SPREAD, ONE_AD, STREAMS };
enum pass_name { NONE, FILTERS, FILTERS_RANKED, ONE_AD_NONE, ONE_AD_FILTERS, NONE_2, FILTERS_2, PASSES };
/* `base`: what its costs are compared with. */
static const struct pass {
    const char *name;
    enum pass_name base;
    enum stream_name stream;
    bool filters;
    uint32_t ranked;
} passes[PASSES] = {
    [NONE] = {"none", NONE, SPREAD, false, 0},
    [FILTERS] = {"filters", NONE, SPREAD, true, 0},
    [FILTERS_RANKED] = {"ranked", FILTERS, SPREAD, true, RANKED},
    [ONE_AD_NONE] = {"one_ad", NONE, ONE_AD, false, 0},
    [ONE_AD_FILTERS] = {"one_ad_filters", FILTERS, ONE_AD, true, 0},
    [NONE_2] = {"none_2", NONE_2, SPREAD, false, 0},
    [FILTERS_2] = {"filters_2", NONE_2, SPREAD, true, 0},
};

/* Passes `first` to `last` stand side by side; those of a stream one after the other. */
static const struct group {
    enum pass_name first, last;
    double matches_per_click;
    const char *matched_figure;
} groups[] = {
    {NONE, ONE_AD_FILTERS, 1, "atoms_per_click"},
    {NONE_2, FILTERS_2, 2, "atoms_per_click_2"},
};
enum { GROUPS = sizeof groups / sizeof groups[0] };

/* Clicks that several servers get, and what they must say then. */
struct stream {
    struct filters_made *filters;
    struct bench_making making;
    uint32_t ads; /* for which clicks were counted by filter */
};

struct group_run {
    const struct bench_options *options;
    const struct group *group;
    struct bench_pass *passes; /* all of the run */
    struct stream streams[STREAMS];
    struct span span;       /* of all clicks */
    struct wall_time begin; /* of the first one's stamp */
    uint64_t checked;
};

/* --- a group --- */

/* Checkpoints come by clicks, not by the clock: as often as the default interval brings them at this rate, however long the
 * servers wait for each other. */
static enum status begin_pass(struct group_run *run, int at, struct failure *failure) {
    const struct pass *pass = &passes[at];
    struct bench_pass *server = &run->passes[at];
    uint64_t clicks = run->options->rate * CHECKPOINT_SECONDS;
    char checkpoint[24];
    snprintf(checkpoint, sizeof checkpoint, "%" PRIu64, clicks < 1000 ? 1000 : clicks > 1000000000 ? 1000000000 : clicks);
    const char *const more[] = {"--checkpoint-interval", "1h", "--checkpoint-clicks", checkpoint, NULL};
    enum status status = bench_pass_begin(server, run->options, pass->name, more, failure);
    if (status == STATUS_OK && pass->filters) {
        status = filters_made_post(run->streams[pass->stream].filters, pass->ranked, server->client, failure);
    }
    return status == STATUS_OK ? bench_pass_mark(server, failure) : status;
}

/* Clicks must come when they are stamped, or the ticks of a waiting server would make most of them late. */
static void wait_for_part(const struct group_run *run, uint64_t sent, uint64_t lines) {
    int64_t end_ms = run->begin.ms + (int64_t)((double)(sent + lines) * SECOND_MS / (double)run->options->rate);
    int64_t wait_ms = end_ms - AHEAD_MS - timing_wall().ms;
    if (wait_ms > 0) timing_sleep_ms(wait_ms);
}

/* Part by part: each goes to every server, one after the other, in turns forward and backward. */
static enum status send_parts(struct group_run *run, struct failure *failure) {
    int first = (int)run->group->first, last = (int)run->group->last;
    uint64_t left = run->options->clicks;
    enum status status = STATUS_OK;
    for (bool forward = true; left > 0 && status == STATUS_OK; forward = !forward) {
        uint64_t lines = left < PART_CLICKS ? left : PART_CLICKS;
        wait_for_part(run, run->options->clicks - left, lines);
        left -= lines;
        char path[BENCH_PATH_BYTES];
        int made = STREAMS; /* the stream whose part lies in the file */
        for (int i = first; i <= last && status == STATUS_OK; i++) {
            int at = forward ? i : first + last - i;
            struct bench_making *making = &run->streams[passes[at].stream].making;
            making->lines = lines;
            if ((int)passes[at].stream != made) status = bench_make_next_file(run->options, making, path, failure);
            made = (int)passes[at].stream;
            if (status == STATUS_OK) status = bench_pass_send(&run->passes[at], path, failure);
        }
    }
    return status;
}

static enum status check_sampled(struct group_run *run, const struct stream *stream, struct http_client *client,
                                 struct failure *failure) {
    struct random_sequence sequence = {.state = 99};
    struct span last = {run->span.to - RANKING_MINUTES_MAX, run->span.to};
    if (last.from < run->span.from) last.from = run->span.from;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < FILTERS_MADE_SAMPLED && status == STATUS_OK; i++) {
        const struct filters_made_sample at = {stream->filters, i};
        const struct answers_expected expected = filters_made_expected(&at, stream->ads);
        status = answers_check_ranking(client, &expected, last, failure);
        for (int n = 0; n < COUNTS_CHECKED && status == STATUS_OK; n++) {
            status = answers_check_count(client, &expected, run->span, &sequence, failure);
        }
        run->checked += 1 + COUNTS_CHECKED;
    }
    return status;
}

/* Memory of the filters, when they are ranked, too; and the peaks with them and without. */
static enum status add_memory(struct bench_pass *server, enum pass_name name, struct bench_figures *figures,
                              struct failure *failure) {
    static const struct {
        const char *member, *figure;
    } shown[] = {{"filters/bytes", "filters_mib"},
                 {"filters/bytes_aggregators", "filters_aggregators_mib"},
                 {"slices/bytes", "slices_mib"}};
    const double mebibyte = 1024 * 1024;
    double peak = (double)server_child_peak_bytes(&server->child) / mebibyte;
    if (name == NONE) bench_add(figures, "none_peak_rss_mib", peak, 0);
    if (name != FILTERS_RANKED) return STATUS_OK;
    bench_add(figures, "ranked_peak_rss_mib", peak, 0);
    struct json *json;
    enum status status = api_get(server->client, BYTES_LITERAL("/v1/status"), &json, NULL, failure);
    if (status != STATUS_OK) return status;
    uint64_t value = 0;
    if (json_u64(json, "filters/atoms", &value)) bench_add(figures, "atoms", (double)value, 0);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        if (json_u64(json, shown[i].member, &value)) bench_add(figures, shown[i].figure, (double)value / mebibyte, 2);
    }
    json_destroy(json);
    return STATUS_OK;
}

static enum status end_pass(struct group_run *run, int at, struct bench_figures *figures, struct failure *failure) {
    const struct stream *stream = &run->streams[passes[at].stream];
    struct bench_pass *server = &run->passes[at];
    const struct workload_totals made = workload_totals(stream->making.workload);
    enum status status = bench_pass_end(server, &made, failure);
    if (status == STATUS_OK) status = add_memory(server, (enum pass_name)at, figures, failure);
    if (status == STATUS_OK && passes[at].filters) status = check_sampled(run, stream, server->client, failure);
    return status == STATUS_OK ? bench_pass_stop(server, failure) : status;
}

static enum status run_passes(struct group_run *run, struct bench_figures *figures, struct failure *failure) {
    int first = (int)run->group->first, last = (int)run->group->last;
    enum status status = STATUS_OK;
    for (int i = first; i <= last && status == STATUS_OK; i++) status = begin_pass(run, i, failure);
    if (status == STATUS_OK) status = send_parts(run, failure);
    for (int i = first; i <= last && status == STATUS_OK; i++) status = end_pass(run, i, figures, failure);
    for (int i = first; i <= last; i++) bench_pass_fini(&run->passes[i]);
    return status;
}

static enum status run_group(struct group_run *run, unsigned number, struct bench_figures *figures,
                             struct failure *failure) {
    int64_t took_ms = (int64_t)((double)run->options->clicks * SECOND_MS / (double)run->options->rate);
    struct wall_time begin = run->begin = timing_wall();
    struct workload_options making = workload_defaults();
    making.seed = number + 1;
    run->span.from = (begin.ms - making.late_ms_max) / MINUTE_MS;
    run->span.to = (begin.ms + took_ms) / MINUTE_MS + 2;
    struct workload_pool pools[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        struct stream *stream = &run->streams[i];
        stream->filters = filters_made_create(number + 1, run->span.from, run->span.to - run->span.from);
        stream->ads = i == ONE_AD ? 1 : FILTERS_MADE_ADS;
        pools[i] = filters_made_pool(stream->filters, run->group->matches_per_click);
        making.pool = &pools[i];
        making.ads = i == ONE_AD ? 1 : workload_defaults().ads;
        stream->making = (struct bench_making){.workload = workload_create(&making),
                                               .begin = begin,
                                               .rate = run->options->rate,
                                               .self = stream->filters,
                                               .made_line = filters_made_note};
    }
    enum status status = run_passes(run, figures, failure);
    if (status == STATUS_OK) {
        bench_add(figures, run->group->matched_figure, filters_made_matched(run->streams[SPREAD].filters), 2);
    }
    for (int i = 0; i < STREAMS; i++) {
        workload_destroy(run->streams[i].making.workload);
        filters_made_destroy(run->streams[i].filters);
    }
    return status;
}

/* --- the scenario --- */

static void add_named(struct bench_figures *figures, const char *pass, const char *what, double value, unsigned decimals) {
    char name[BENCH_NAME_BYTES];
    snprintf(name, sizeof name, "%s_%s", pass, what);
    bench_add(figures, name, value, decimals);
}

static double stage_seconds(const struct stage_costs *stages, const char *name) {
    for (size_t i = 0; i < stages->count; i++) {
        if (strcmp(stages->stages[i].name, name) == 0) return stages->stages[i].cpu_seconds;
    }
    return 0;
}

/* Of the stages those in which filters cost anything. */
static void add_speed(struct bench_figures *figures, const struct bench_pass servers[PASSES]) {
    for (int i = 0; i < PASSES; i++) {
        const struct bench_pass *server = &servers[i];
        const char *name = passes[i].name;
        double clicks = (double)server->clicks;
        add_named(figures, name, "clicks_per_s", clicks / server->seconds, 0);
        add_named(figures, name, "cpu_ns_per_click", server->cpu_seconds * 1e9 / clicks, 0);
        add_named(figures, name, "aggregate_ns_per_click", stage_seconds(&server->stages, "aggregate") * 1e9 / clicks, 0);
        add_named(figures, name, "reduce_ns_per_click", stage_seconds(&server->stages, "reduce") * 1e9 / clicks, 0);
    }
    for (int i = 0; i < PASSES; i++) {
        if ((int)passes[i].base == i) continue;
        const struct bench_pass *base = &servers[passes[i].base];
        double clicks = (double)servers[i].clicks / (double)base->clicks;
        add_named(figures, passes[i].name, "time_ratio", servers[i].seconds / base->seconds / clicks, 3);
        add_named(figures, passes[i].name, "cpu_ratio", servers[i].cpu_seconds / base->cpu_seconds / clicks, 3);
    }
}

enum status bench_filters(const struct bench_options *options, unsigned run, struct bench_figures *figures,
                          struct failure *failure) {
    struct bench_pass servers[PASSES] = {0};
    uint64_t checked = 0;
    for (int i = 0; i < GROUPS; i++) {
        struct group_run group = {.options = options, .group = &groups[i], .passes = servers};
        enum status status = run_group(&group, run, figures, failure);
        if (status != STATUS_OK) return status;
        checked += group.checked;
    }
    add_speed(figures, servers);
    bench_add(figures, "answers_checked", (double)checked, 0);
    return STATUS_OK;
}
