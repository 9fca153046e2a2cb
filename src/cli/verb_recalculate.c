/* `tally recalculate --filter ID`. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/filter_print.h"
#include "cli/verbs.h"
#include "client/api.h"
#include "client/interrupts.h"

enum { LOOK_EVERY_MS = 500, QUESTION_MS_MAX = 10000, LINE_EVERY = 20 /* looks between lines that are not repainted */ };

struct recalculation {
    struct http_client *client;
    const char *id;
    struct interrupts interrupts;
    bool repaint;
    unsigned looks;
};

static void show_progress(const struct recalculation *run, const struct json *filter) {
    struct filter_recalculation now = filter_recalculation_of(filter);
    struct buffer text = {0};
    filter_recalculation_text(&now, &text);
    if (run->repaint)
        (void)fprintf(stderr, "\r\033[K%.*s", (int)text.len, (const char *)text.at);
    else if (run->looks % LINE_EVERY == 0)
        cli_say("%.*s", (int)text.len, (const char *)text.at);
    buffer_fini(&text);
}

/* STATUS_OK: it goes on. STATUS_END: it is done, and `*filter` is the caller's. A server that goes away is waited for. */
static enum status look(struct recalculation *run, struct json **filter, struct failure *failure) {
    struct buffer path = {0};
    filter_path(&path, run->id);
    enum status status = api_get(run->client, buffer_view(&path), filter, NULL, failure);
    buffer_fini(&path);
    if (status == STATUS_AGAIN) {
        if (run->repaint) (void)fputc('\n', stderr);
        cli_say("%s; trying again", failure->text);
        *failure = (struct failure){0};
        return STATUS_OK;
    }
    if (status != STATUS_OK) return status;
    const char *progress = json_text(*filter, "recalculation/status");
    if (json_text(*filter, "covers_from") == NULL || (progress != NULL && strcmp(progress, "done") == 0)) return STATUS_END;
    show_progress(run, *filter);
    json_destroy(*filter);
    *filter = NULL;
    return STATUS_OK;
}

static int wait_for_end(struct recalculation *run) {
    struct json *filter = NULL;
    struct failure failure = {0};
    enum status status;
    while ((status = look(run, &filter, &failure)) == STATUS_OK && interrupts_count(&run->interrupts) == 0) {
        struct pollfd interrupted = {.fd = run->interrupts.fd, .events = POLLIN};
        (void)poll(&interrupted, 1, LOOK_EVERY_MS);
        run->looks++;
    }
    if (run->repaint && run->looks > 0) (void)fputc('\n', stderr);
    if (status == STATUS_END) {
        filter_print(filter);
        json_destroy(filter);
        return CLI_DONE;
    }
    if (status != STATUS_OK) return answer_fail(&failure);
    cli_say("the server goes on with it by itself; `tally filter show %s` says how far it is", run->id);
    return CLI_FAILED;
}

static int recalculate(const char *url, const char *id) {
    struct recalculation run = {
        .client = http_client_create(url, QUESTION_MS_MAX), .id = id, .repaint = isatty(STDERR_FILENO) == 1};
    struct buffer path = {0};
    struct json *answer = NULL;
    struct failure failure = {0};
    unsigned http_status = 0;
    filter_path(&path, id);
    buffer_append_text(&path, "/recalculation");
    interrupts_open(&run.interrupts);
    enum status status = api_post(run.client, buffer_view(&path), "application/json", (struct bytes){0}, &answer, NULL,
                                  &http_status, &failure);
    int exit_code = status == STATUS_OK ? wait_for_end(&run) : answer_fail(&failure);
    interrupts_close(&run.interrupts);
    json_destroy(answer);
    buffer_fini(&path);
    http_client_destroy(run.client);
    return exit_code;
}

int verb_recalculate(int argc, char **argv) {
    static struct config config;
    const char *filter = NULL;
    const struct cli_flag flags[] = {
        {.name = "filter", .argument = "ID", .help = "the filter that is to cover everything", .to_text = &filter},
    };
    const struct cli_usage usage = {
        .verb = "recalculate",
        .summary = "Counts, from the journal, the clicks from before a filter was made, so that it covers everything.",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .settings = CONFIG_FOR_CLIENT,
        .config = &config,
        .notes = "The server does it beside its other work and takes it up again after a restart; answers change at once,\n"
                 "when all of it is counted. This waits for the end; Ctrl-C ends the waiting only (exit code 1)."};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    if (filter == NULL) {
        cli_say("--filter is missing; `tally filter list` shows all there are");
        return CLI_BAD_USAGE;
    }
    return recalculate(config.client_url, filter);
}
