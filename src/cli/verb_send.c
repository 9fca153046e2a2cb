/* `tally send`: files of clicks to a server. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/verbs.h"
#include "client/json.h"
#include "client/line_source.h"
#include "client/sender.h"
#include "client/table.h"
#include "client/timing.h"

enum { REJECTS_SHOWN = 10, PROGRESS_MS = 1000 };

struct send_report {
    FILE *rejects_file; /* NULL: not asked for */
    const char *rejects_name;
    uint64_t rejects_listed;
    bool progress_shown; /* a line without its end stands on the terminal */
};

static void end_progress(struct send_report *report) {
    if (report->progress_shown) fputs("\r\033[K", stderr);
    report->progress_shown = false;
}

static void note_reject(void *self, const struct sender_reject *reject) {
    struct send_report *report = self;
    if (report->rejects_listed++ < REJECTS_SHOWN) {
        end_progress(report);
        cli_say("%s:%" PRIu64 ": %s: %s", reject->file, reject->line, reject->code, reject->detail);
    }
    if (report->rejects_file == NULL) return;
    struct buffer line = {0};
    buffer_append_text(&line, "{\"file\":");
    json_quote(&line, reject->file);
    buffer_printf(&line, ",\"line\":%" PRIu64 ",\"code\":", reject->line);
    json_quote(&line, reject->code);
    buffer_append_text(&line, ",\"detail\":");
    json_quote(&line, reject->detail);
    buffer_append_text(&line, "}\n");
    fwrite(line.at, 1, line.len, report->rejects_file);
    buffer_fini(&line);
}

static void note_waiting(void *self, const char *reason) {
    end_progress(self);
    cli_say("%s; trying again", reason);
}

static void show_progress(struct send_report *report, const struct sender_totals *totals, int64_t took_ms) {
    char lines[TABLE_NUMBER_BYTES], rejected[TABLE_NUMBER_BYTES], rate[TABLE_NUMBER_BYTES];
    fprintf(stderr, "\r\033[K%s lines sent, %s rejected, %s a second", table_number(totals->lines, lines),
            table_number(totals->rejected, rejected),
            table_number(totals->lines * 1000 / (uint64_t)(took_ms > 0 ? took_ms : 1), rate));
    report->progress_shown = true;
}

/* A name that is wrong is better said before anything is sent. */
static enum status check_files(char *const *names, int count, struct failure *failure) {
    for (int i = 0; i < count; i++) {
        struct stat stat_of;
        if (strcmp(names[i], "-") == 0) continue;
        if (access(names[i], R_OK) != 0 || stat(names[i], &stat_of) != 0) {
            return failure_set(failure, STATUS_IO_ERROR, "cannot open %s: %s", names[i], strerror(errno));
        }
        if (S_ISDIR(stat_of.st_mode)) return failure_set(failure, STATUS_IO_ERROR, "%s is a directory", names[i]);
    }
    return STATUS_OK;
}

static void print_result(const struct sender_totals *totals, bool as_json, int64_t took_ms) {
    if (as_json) {
        printf("{\"received\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"rejected\":%" PRIu64 "}\n", totals->received,
               totals->accepted, totals->rejected);
        return;
    }
    char received[TABLE_NUMBER_BYTES], accepted[TABLE_NUMBER_BYTES], rejected[TABLE_NUMBER_BYTES];
    printf("The server received %s lines, accepted %s and rejected %s, in %.1f s.\n",
           table_number(totals->received, received), table_number(totals->accepted, accepted),
           table_number(totals->rejected, rejected), (double)took_ms / 1000);
}

static enum status send_all(struct sender *sender, struct send_report *report, int64_t begun_ms, struct failure *failure) {
    bool on_terminal = isatty(STDERR_FILENO) == 1;
    int64_t next_progress_ms = begun_ms + PROGRESS_MS;
    enum status status;
    while ((status = sender_step(sender, PROGRESS_MS, failure)) == STATUS_OK) {
        int64_t now_ms = timing_now_ms();
        if (!on_terminal || now_ms < next_progress_ms) continue;
        show_progress(report, sender_totals(sender), now_ms - begun_ms);
        next_progress_ms = now_ms + PROGRESS_MS;
    }
    end_progress(report);
    return status == STATUS_END ? STATUS_OK : status;
}

static int conclude(const struct sender_totals *totals, struct send_report *report, enum status status,
                    const struct failure *failure) {
    if (report->rejects_listed > REJECTS_SHOWN || totals->rejected > report->rejects_listed) {
        uint64_t shown = report->rejects_listed < REJECTS_SHOWN ? report->rejects_listed : REJECTS_SHOWN;
        cli_say("%" PRIu64 " more lines were rejected%s", totals->rejected - shown,
                report->rejects_name == NULL ? "; --rejects FILE lists them" : "");
    }
    if (report->rejects_file != NULL && (fflush(report->rejects_file) != 0 || ferror(report->rejects_file))) {
        cli_say("cannot write %s: %s", report->rejects_name, strerror(errno));
        return CLI_FAILED;
    }
    if (status != STATUS_OK) {
        if (totals->batches > 0) cli_say("not everything was sent; sending the same files again is safe");
        return cli_fail(failure);
    }
    return totals->rejected > 0 ? CLI_REJECTED : CLI_DONE;
}

int verb_send(int argc, char **argv) {
    static const char *const formats[] = {"text", "json", NULL};
    struct config config;
    uint64_t batch_lines = 1000, connections = 4;
    int64_t give_up_ms = MINUTE_MS;
    const char *format = "text", *source_name = NULL;
    struct send_report report = {0};
    const struct cli_flag flags[] = {
        {.name = "batch",
         .argument = "N",
         .help = "lines in one request",
         .to_count = &batch_lines,
         .min = 1,
         .max = 1000000},
        {.name = "connections",
         .argument = "N",
         .help = "requests in flight at once",
         .to_count = &connections,
         .min = 1,
         .max = SENDER_CONNECTIONS_MAX},
        {.name = "format",
         .argument = "text|json",
         .help = "how to print the result",
         .to_text = &format,
         .choices = formats},
        {.name = "give-up",
         .argument = "TIME",
         .help = "fail after so long without any progress",
         .to_ms = &give_up_ms,
         .min = 1},
        {.name = "source",
         .argument = "NAME",
         .help = "who sends; clicks are the same only within a source",
         .to_text = &source_name},
        {.name = "rejects",
         .argument = "FILE",
         .help = "write the rejected lines' numbers and reasons there, as NDJSON",
         .to_text = &report.rejects_name},
    };
    const struct cli_usage usage = {
        .verb = "send",
        .summary = "Sends files of clicks (NDJSON or log lines, told apart by their content) to a server.",
        .operands = "FILE...|-",
        .operands_min = 1,
        .operands_max = CLI_OPERANDS_ANY,
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .settings = CONFIG_FOR_CLIENT,
        .config = &config,
        .notes = "Waits and tries again when the server is busy, down or lost. Sending a file again is always safe.\n"
                 "Exit code: 0 everything was accepted, 1 failed, 4 some lines were rejected.\n"};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    struct failure failure = {0};
    if (source_name != NULL && (strlen(source_name) == 0 || strlen(source_name) > ID_BYTES_MAX)) {
        failure_set(&failure, STATUS_BAD_CONFIG, "--source: expected a name of 1 to %d bytes", ID_BYTES_MAX);
        return cli_fail(&failure);
    }
    if (check_files(argv + 1, argc - 1, &failure) != STATUS_OK) return cli_fail(&failure);
    if (report.rejects_name != NULL && (report.rejects_file = fopen(report.rejects_name, "we")) == NULL) {
        failure_set(&failure, STATUS_IO_ERROR, "cannot write %s: %s", report.rejects_name, strerror(errno));
        return cli_fail(&failure);
    }

    struct line_source *lines = line_source_create(argv + 1, (size_t)(argc - 1), (uint32_t)batch_lines);
    const struct sender_source source = {.self = lines, .next = line_source_next};
    const struct sender_observer observer = {.self = &report, .rejected = note_reject, .waiting = note_waiting};
    const struct sender_options options = {.url = config.client_url,
                                           .source_name = source_name,
                                           .connections = (unsigned)connections,
                                           .give_up_ms = give_up_ms};
    struct sender *sender = sender_create(&options, &source, &observer);
    int64_t begun_ms = timing_now_ms();
    enum status status = send_all(sender, &report, begun_ms, &failure);
    print_result(sender_totals(sender), strcmp(format, "json") == 0, timing_now_ms() - begun_ms);
    exit_code = conclude(sender_totals(sender), &report, status, &failure);
    sender_destroy(sender);
    line_source_destroy(lines);
    if (report.rejects_file != NULL) fclose(report.rejects_file);
    return exit_code;
}
