/* `tally top`. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/choice_flags.h"
#include "cli/cli.h"
#include "cli/verbs.h"
#include "client/api.h"
#include "client/interrupts.h"
#include "client/table.h"
#include "client/timing.h"

enum {
    LIVE_EVERY_MS = 2000,
    LIVE_QUESTION_MS_MAX = 10 * SECOND_MS,
    NUMBERS_WIDTH = 24, /* at most, of what stands before an ad */
};

static const char *text_or(const struct json *answer, const char *path, const char *otherwise) {
    const char *text = json_text(answer, path);
    return text != NULL ? text : otherwise;
}

static void print_top(const struct json *answer) {
    struct table table = {0};
    table_cell(&table, "rank");
    table_cell(&table, "clicks");
    table_cell(&table, "ad");
    table_end_row(&table);
    size_t count = json_count(answer, "ads"), terminal_width = table_terminal_width(stdout, SIZE_MAX);
    size_t ad_width = terminal_width > 2 * NUMBERS_WIDTH ? terminal_width - NUMBERS_WIDTH : NUMBERS_WIDTH;
    for (size_t i = 0; i < count; i++) {
        char path[64];
        uint64_t clicks = 0;
        table_cell_number(&table, i + 1);
        snprintf(path, sizeof path, "ads/%zu/count", i);
        table_cell_number(&table, json_u64(answer, path, &clicks) ? clicks : 0);
        snprintf(path, sizeof path, "ads/%zu/ad_id", i);
        table_cell_cut(&table, text_or(answer, path, "?"), ad_width);
        table_end_row(&table);
    }
    uint64_t window = 0;
    if (!json_u64(answer, "window", &window)) window = 0;
    if (count > 0) table_print(&table, stdout, "", true);
    const char *last_minute = json_text(answer, "update_minute");
    if (last_minute == NULL) {
        printf("No clicks yet.\n");
    } else {
        printf("%s %" PRIu64 " minute%s up to and including %s, %s; watermark %s\n",
               count > 0 ? "\nThe" : "No clicks in the", window, window == 1 ? "" : "s", last_minute,
               text_or(answer, "state", "?"), text_or(answer, "watermark", "none"));
    }
    choice_print(answer);
    choice_print_left_out(answer);
    table_fini(&table);
}

static const struct answer_column columns[] = {{"rank", "#"},
                                               {"ad_id", "ad_id"},
                                               {"count", "count"},
                                               {"window", "/window"},
                                               {"state", "/state"},
                                               {"update_minute", "/update_minute"},
                                               {"version", "/version"},
                                               {"filter_id", "/filter_id"},
                                               {"complete", "/complete"},
                                               {"covers_from", "/covers_from"}};
static const struct answer_shape shape = {
    .rows = "ads", .columns = columns, .column_count = sizeof columns / sizeof columns[0], .print_text = print_top};

/* --- --live --- */

struct watch {
    struct http_client *client;
    enum answer_format format;
    const struct buffer *path;
    bool at_given;
    bool repaint;
    char at[40];    /* watermark of the last answer, "" before: the newest minute that has about all of its clicks */
    uint64_t shown; /* answers so far */
};

static enum status ask_again(struct watch *watch, struct failure *failure) {
    struct buffer path = {0}, raw = {0};
    struct json *answer = NULL;
    buffer_append_bytes(&path, buffer_view(watch->path));
    if (!watch->at_given && watch->at[0] != '\0') api_parameter(&path, "at", watch->at);
    enum status status = api_get(watch->client, buffer_view(&path), &answer, &raw, failure);
    if (status == STATUS_OK) {
        if (watch->repaint) fputs("\033[H\033[J", stdout);
        if (!watch->repaint && watch->shown > 0 && watch->format == ANSWER_TEXT) putchar('\n');
        answer_print(answer, buffer_view(&raw), watch->format, &shape, watch->shown == 0);
        if (watch->repaint) printf("\nEvery 2 s; Ctrl-C ends.\n");
        snprintf(watch->at, sizeof watch->at, "%.39s", text_or(answer, "watermark", ""));
        watch->shown++;
    }
    fflush(stdout);
    json_destroy(answer);
    buffer_fini(&path);
    buffer_fini(&raw);
    return status;
}

/* A server that goes away after the first answer is waited for: whoever watches wants to see it come back. */
static int watch(const char *url, const struct buffer *path, bool at_given, enum answer_format format) {
    struct watch watch = {.client = http_client_create(url, LIVE_QUESTION_MS_MAX),
                          .format = format,
                          .path = path,
                          .at_given = at_given,
                          .repaint = format == ANSWER_TEXT && isatty(STDOUT_FILENO) == 1};
    struct interrupts interrupts;
    interrupts_open(&interrupts);
    int exit_code = CLI_DONE;
    int64_t next_ms = timing_now_ms();
    while (interrupts_count(&interrupts) == 0 && !ferror(stdout)) {
        struct failure failure = {0};
        enum status status = ask_again(&watch, &failure);
        if (status != STATUS_OK && (watch.shown == 0 || status != STATUS_AGAIN)) {
            exit_code = answer_fail(&failure);
            break;
        }
        if (status != STATUS_OK) cli_say("%s; trying again", failure.text);
        next_ms += LIVE_EVERY_MS;
        if (next_ms < timing_now_ms()) next_ms = timing_now_ms();
        struct pollfd interrupted = {.fd = interrupts.fd, .events = POLLIN};
        (void)poll(&interrupted, 1, (int)(next_ms - timing_now_ms()));
    }
    interrupts_close(&interrupts);
    http_client_destroy(watch.client);
    return exit_code;
}

int verb_top(int argc, char **argv) {
    struct config config;
    const char *window = NULL, *count = NULL, *at = NULL, *format = "text";
    struct choice_flags choice = {0};
    bool live = false;
    const struct cli_flag flags[] = {
        {.name = "window", .argument = "MINUTES", .help = "how many minutes, 1 to 1440", .to_text = &window},
        {.name = "count", .argument = "N", .help = "how many ads, 1 to 1000", .to_text = &count},
        {.name = "at",
         .argument = "TIME",
         .help = "the last minute of the window; without it, the last closed one",
         .to_text = &at},
        CHOICE_FLAGS(&choice),
        {.name = "live",
         .help = "ask again every 2 s, until Ctrl-C; without --at, up to the watermark's minute",
         .to_switch = &live},
        ANSWER_FORMAT_FLAG(&format),
    };
    const struct cli_usage usage = {.verb = "top",
                                    .summary = "Asks a server for the ads with the most clicks; by default the 10 first of "
                                               "the last closed minute.",
                                    .flags = flags,
                                    .flag_count = sizeof flags / sizeof flags[0],
                                    .settings = CONFIG_FOR_CLIENT,
                                    .config = &config};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    struct buffer path = {0};
    buffer_append_text(&path, "/v1/ads/popular_ads");
    api_parameter(&path, "count", count != NULL ? count : "10");
    api_parameter(&path, "window", window);
    api_parameter(&path, "at", at);
    choice_append(&choice, &path);
    exit_code = live ? watch(config.client_url, &path, at != NULL, answer_format_of(format))
                     : ask(config.client_url, buffer_view(&path), answer_format_of(format), &shape);
    buffer_fini(&path);
    return exit_code;
}
