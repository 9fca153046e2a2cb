/* `tally demo`: a server with a stream of made-up clicks, a line a second, and at the end a second count of its journal. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/audit_directory.h"
#include "cli/child_flags.h"
#include "cli/cli.h"
#include "cli/verbs.h"
#include "click/timestamp.h"
#include "client/feed.h"
#include "client/interrupts.h"
#include "client/server_child.h"
#include "client/table.h"
#include "client/temp_directory.h"
#include "client/timing.h"
#include "client/totals.h"

enum {
    READY_MS_MAX = 10 * MINUTE_MS, /* --data may name a journal that has to be replayed */
    STEP_MS = 50,
    QUESTION_MS_MAX = 2 * SECOND_MS, /* a server that hangs must not hide a Ctrl-C for longer */
    HEADING_EVERY = 20,
    PENDING_MS_MAX = 60 * SECOND_MS,
    AUDIT_BYTES_PER_CLICK = 500, /* the oracle is simple, not small */
};

struct demo {
    uint64_t rate, seconds;
    const char *data;
    bool temporary;
    char temporary_path[TEMP_PATH_BYTES];
    struct server_child child;
    struct interrupts interrupts;
    struct workload *workload;
    struct feed feed;
    struct sender *sender;
    struct http_client *client; /* for the questions */
    uint64_t lines_shown;
};

static void greet(const struct demo *demo) {
    const char *url = demo->child.url;
    printf("A Tally server is running at %s, with its data in %s%s.\n", url, demo->data,
           demo->temporary ? " (removed at the end)" : "");
    printf("It gets %" PRIu64 " made-up clicks a second on 2 million ads: 2%% duplicates, 1%% up to an hour late. Try:\n\n",
           demo->rate);
    printf("  %s                                   the page, in a browser\n", url);
    printf("  tally top --live --url %s            the first ten, again and again\n", url);
    printf("  tally count ad0000001 --last 5 --url %s\n", url);
    printf("  tally send YOUR.log --url %s         your own clicks: NDJSON or log lines, .gz and .zst too\n\n", url);
    printf("  curl -s '%s/v1/status'\n", url);
    printf("  curl -s '%s/v1/ads/popular_ads?count=10&window=5'\n", url);
    printf("  curl -s '%s/metrics'\n\n", url);
    printf("Ctrl-C stops it and counts everything a second time.\n\n");
    fflush(stdout);
}

/* Clock time of the watermark and how far it is behind now; "-" for both before the first click. */
static void describe_watermark(const char *watermark, char clock[16], char behind[32]) {
    struct event_time time;
    const char *clock_part = strchr(watermark, 'T');
    bool known = clock_part != NULL && timestamp_parse_question(bytes_of_text(watermark), &time);
    snprintf(clock, 16, "%.8s", known ? clock_part + 1 : "-");
    snprintf(behind, 32, "-");
    if (known) snprintf(behind, 32, "%.1f s", (double)(timing_wall().ms - time.ms) / SECOND_MS);
}

/* Of the minute that is going on: the answer changes while one looks at it. */
static void describe_top(struct demo *demo, char *text, size_t size) {
    struct failure ignored = {0};
    struct json *json = NULL;
    uint64_t count = 0;
    char path[96];
    snprintf(text, size, "-");
    snprintf(path, sizeof path, "/v1/ads/popular_ads?count=1&window=1&at=%" PRId64, timing_wall().ms);
    if (api_get(demo->client, bytes_of_text(path), &json, NULL, &ignored) == STATUS_OK) {
        const char *ad = json_text(json, "ads/0/ad_id");
        if (ad != NULL && json_u64(json, "ads/0/count", &count)) {
            char number[TABLE_NUMBER_BYTES];
            snprintf(text, size, "%.40s %s", ad, table_number(count, number));
        }
    }
    json_destroy(json);
}

/* One line; `before` is what the second ago was, and is replaced. A question that fails is said, and the demo goes on. */
static void show_second(struct demo *demo, struct server_totals *before, int64_t span_ms) {
    struct server_totals now;
    struct failure failure = {0};
    if (totals_ask(demo->client, &now, &failure) != STATUS_OK) {
        cli_say("%s", failure.text);
        return;
    }
    char rate[TABLE_NUMBER_BYTES], accepted[TABLE_NUMBER_BYTES], duplicate[TABLE_NUMBER_BYTES], late[TABLE_NUMBER_BYTES];
    char clock[16], behind[32], top[96];
    describe_watermark(now.watermark, clock, behind);
    describe_top(demo, top, sizeof top);
    if (demo->lines_shown++ % HEADING_EVERY == 0) {
        printf("%9s %13s %11s %10s %10s %8s  %s\n", "clicks/s", "accepted", "duplicates", "late", "watermark", "behind",
               "top ad of this minute");
    }
    printf("%9s %13s %11s %10s %10s %8s  %s\n",
           table_number((now.accepted - before->accepted) * 1000 / (uint64_t)(span_ms > 0 ? span_ms : 1), rate),
           table_number(now.accepted, accepted), table_number(now.duplicate, duplicate),
           table_number(now.late_amended, late), clock, behind, top);
    fflush(stdout);
    *before = now;
}

/* Feeds until an interrupt or the end of the time; then until everything sent has been answered. */
static enum status feed_all(struct demo *demo, struct failure *failure) {
    struct server_totals before = {0};
    enum status status = totals_ask(demo->client, &before, failure);
    if (status != STATUS_OK) return status;
    int64_t begun_ms = timing_now_ms(), shown_ms = begun_ms;
    while ((status = sender_step(demo->sender, STEP_MS, failure)) == STATUS_OK) {
        int64_t now_ms = timing_now_ms();
        unsigned interrupts = interrupts_count(&demo->interrupts);
        bool over = demo->seconds > 0 && now_ms - begun_ms >= (int64_t)demo->seconds * SECOND_MS;
        if (interrupts > 0 || over) demo->feed.stopped = true;
        if (interrupts > 1)
            return failure_set(failure, STATUS_AGAIN, "interrupted twice: not all clicks sent were answered");
        struct failure died = {0};
        if (!server_child_alive(&demo->child, &died)) {
            *failure = died;
            return died.status;
        }
        if (now_ms - shown_ms < SECOND_MS) continue;
        show_second(demo, &before, now_ms - shown_ms);
        shown_ms = now_ms;
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static void print_summary(const struct demo *demo, const struct server_totals *totals) {
    const struct sender_totals *sent = sender_totals(demo->sender);
    struct workload_totals made = workload_totals(demo->workload);
    struct table table = {0};
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"made", made.lines},
                {"of these duplicates", made.duplicates},
                {"answered as accepted", sent->accepted},
                {"answered as rejected", sent->rejected},
                {"sent again", sent->retries},
                {"server: accepted", totals->accepted},
                {"server: counted", totals->counted},
                {"server: duplicates", totals->duplicate},
                {"server: conflicts", totals->conflict},
                {"server: too late", totals->too_late}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        table_cell(&table, rows[i].name);
        table_cell_number(&table, rows[i].value);
        table_end_row(&table);
    }
    printf("\n");
    table_print(&table, stdout, "  ", false);
    table_fini(&table);
    if (!totals_conserved(totals)) printf("  The server's numbers do not add up: this is a bug.\n");
    fflush(stdout);
}

/* What Linux would give without swapping; 0 when it does not say. */
static uint64_t available_bytes(void) {
    char line[128];
    uint64_t kibibytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        static const char name[] = "MemAvailable:";
        if (strncmp(line, name, sizeof name - 1) == 0) kibibytes = strtoull(line + sizeof name - 1, NULL, 10);
    }
    if (file != NULL) fclose(file);
    return kibibytes * 1024;
}

/* The second count. The exit code. `accepted` is what the server said last, 0 if it could not. */
static int audit(const struct demo *demo, uint64_t accepted) {
    uint64_t available = available_bytes();
    if (available > 0 && accepted > available / AUDIT_BYTES_PER_CLICK) {
        cli_say("a second count of %" PRIu64 " clicks needs more memory than is free: it is left out, nothing is proven",
                accepted);
        return CLI_FAILED;
    }
    printf("\nCounting the journal in %s a second time, by another method ...\n", demo->data);
    fflush(stdout);
    struct audit_result result = {0};
    struct failure failure = {0};
    if (audit_directory(demo->data, &result, &failure) != STATUS_OK) {
        printf("The second count failed: nothing is proven.\n");
        return cli_fail(&failure);
    }
    char clicks[TABLE_NUMBER_BYTES], counted[TABLE_NUMBER_BYTES], duplicate[TABLE_NUMBER_BYTES], cells[TABLE_NUMBER_BYTES];
    char differences[TABLE_NUMBER_BYTES];
    printf("%s clicks in the journal: %s counted, %s duplicates. ", table_number(result.clicks, clicks),
           table_number(result.counted, counted), table_number(result.duplicate, duplicate));
    if (result.differences == 0) {
        printf("All %s cells agree.\n", table_number(result.cells, cells));
        return CLI_DONE;
    }
    printf("%s of %s cells DIFFER. The first: %s\n", table_number(result.differences, differences),
           table_number(result.cells, cells), result.first_difference);
    return CLI_DIFFERENT;
}

/* From the last click to the exit code. After a failure the server is still stopped, and its journal still counted. */
static int finish(struct demo *demo, enum status status, struct failure *failure) {
    struct server_totals totals = {0};
    bool running = demo->child.pid > 0;
    if (status == STATUS_OK && running) {
        status = totals_await(demo->client, PENDING_MS_MAX, &demo->interrupts, 1, &totals, failure);
        if (status == STATUS_OK || status == STATUS_AGAIN) print_summary(demo, &totals);
    }
    if (running) {
        struct failure stop_failure = {0};
        enum status stopped = server_child_stop(&demo->child, &demo->interrupts, 1, &stop_failure);
        if (stopped == STATUS_OK) printf("\nThe server stopped in order.\n");
        if (stopped != STATUS_OK && status == STATUS_OK) {
            status = stopped;
            *failure = stop_failure;
        }
    }
    if (interrupts_count(&demo->interrupts) > 1) {
        cli_say("interrupted twice: the second count is left out");
        return cli_fail(failure);
    }
    interrupts_close(&demo->interrupts); /* from here on Ctrl-C ends the process as usual */
    int code = CLI_DONE;
    if (status != STATUS_OK) code = cli_fail(failure);
    int audit_code = audit(demo, totals.accepted);
    return code != CLI_DONE && audit_code != CLI_DIFFERENT ? code : audit_code;
}

static int run(struct demo *demo, const char *listen, const struct child_flags *flags) {
    struct failure failure = {0};
    interrupts_open(&demo->interrupts);
    if (server_child_start(&demo->child, demo->data, listen, flags->at, READY_MS_MAX, &failure) != STATUS_OK) {
        interrupts_close(&demo->interrupts);
        return cli_fail(&failure);
    }
    struct workload_options options = workload_defaults();
    options.seed = (uint64_t)timing_wall().ms; /* a second demo on the same --data brings new clicks */
    demo->workload = workload_create(&options);
    feed_init(&demo->feed, demo->workload, demo->rate);
    const struct sender_options sending = {.url = demo->child.url, .connections = 4, .give_up_ms = MINUTE_MS};
    const struct sender_source source = {.self = &demo->feed, .next = feed_next};
    const struct sender_observer observer = {0};
    demo->sender = sender_create(&sending, &source, &observer);
    demo->client = http_client_create(demo->child.url, QUESTION_MS_MAX);
    greet(demo);
    feed_init(&demo->feed, demo->workload, demo->rate);
    enum status status = feed_all(demo, &failure);
    int code = finish(demo, status, &failure);
    server_child_kill(&demo->child);
    http_client_destroy(demo->client);
    sender_destroy(demo->sender);
    workload_destroy(demo->workload);
    return code;
}

int verb_demo(int argc, char **argv) {
    struct config config;
    struct demo demo = {.rate = 10000};
    struct child_flags child_flags = {0};
    child_flags_collect(&child_flags, CONFIG_FOR_DEMO, argc, argv);
    const struct cli_flag flags[] = {
        {.name = "rate", .argument = "N", .help = "clicks a second", .to_count = &demo.rate, .min = 1, .max = 10000000},
        {.name = "seconds",
         .argument = "N",
         .help = "stop after so long; 0: until Ctrl-C",
         .to_count = &demo.seconds,
         .max = 1000000},
    };
    const struct cli_usage usage = {
        .verb = "demo",
        .summary = "Starts a server, feeds it made-up clicks, shows what happens, and checks the counts at the end.",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .settings = CONFIG_FOR_DEMO,
        .config = &config,
        .notes =
            "Without --data everything is in a temporary directory, removed at the end. Ctrl-C stops in order, a second\n"
            "one at once. Exit code: 0 all cells agree in a second count, 3 some differ, 1 something failed.\n"};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    struct failure failure = {0};
    demo.data = config.data_directory;
    demo.temporary = !config_given(&config, CONFIG_data_directory);
    if (demo.temporary) {
        if (temp_directory_make("demo", "/tmp", demo.temporary_path, &failure) != STATUS_OK) return cli_fail(&failure);
        demo.data = demo.temporary_path;
    }
    /* The usual port may be taken; then any free one will do, unless it was asked for. */
    const char *listen = config.http_listen;
    if (!config_given(&config, CONFIG_http_listen) && !server_child_can_listen(listen)) listen = NULL;
    exit_code = run(&demo, listen, &child_flags);
    if (demo.temporary) temp_directory_remove(demo.temporary_path);
    return exit_code;
}
