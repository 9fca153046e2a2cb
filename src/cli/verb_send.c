/* `tally send`: files of clicks to a server. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/send_files.h"
#include "cli/send_report.h"
#include "cli/verbs.h"
#include "client/interrupts.h"
#include "client/line_source.h"
#include "client/resume.h"
#include "client/timing.h"

enum { STEP_MS = 200, SAVE_MS = 1000 };

struct send {
    const char *resume_name; /* NULL: not asked for */
    struct send_report report;
    struct send_files files;
    struct resume *resume;
    struct line_source *lines;
    struct sender *sender;
    struct interrupts interrupts;
};

/* After a Ctrl-C nothing new is read, and what is on its way is waited for. */
static enum status next_batch(void *self, struct sender_batch *batch, struct sender_pause *pause, struct failure *failure) {
    struct send *send = self;
    if (interrupts_count(&send->interrupts) > 0) return STATUS_END;
    enum status status = line_source_next(send->lines, batch, pause, failure);
    if (status == STATUS_AGAIN && pause->until_ms > timing_now_ms() + STEP_MS) pause->until_ms = timing_now_ms() + STEP_MS;
    return status;
}

static void note_rejected(void *self, const struct sender_reject *reject) {
    send_report_rejected(&((struct send *)self)->report, reject);
}

static void note_rejected_by(void *self, const char *code, uint64_t count) {
    send_report_rejected_by(&((struct send *)self)->report, code, count);
}

static void note_waiting(void *self, const char *reason) {
    send_report_waiting(&((struct send *)self)->report, reason);
}

static void note_acknowledged(void *self, const struct sender_batch *batch, int64_t took_us) {
    (void)took_us;
    const struct send *send = self;
    if (send->resume != NULL) resume_note(send->resume, batch);
}

/* A state that cannot be written ends the run: a later one would send again what nobody expects it to. */
static enum status save(struct send *send, struct failure *failure) {
    if (send->report.rejects_file != NULL) (void)fflush(send->report.rejects_file); /* what is past is in both files */
    return send->resume != NULL ? resume_save(send->resume, failure) : STATUS_OK;
}

static enum status send_all(struct send *send, struct failure *failure) {
    int64_t next_save_ms = timing_now_ms() + SAVE_MS;
    enum status status;
    while ((status = sender_step(send->sender, STEP_MS, failure)) == STATUS_OK) {
        send_report_firsts(&send->report, false);
        send_report_progress(&send->report, sender_totals(send->sender), line_source_raw_bytes(send->lines));
        if (interrupts_count(&send->interrupts) > 1) {
            status = failure_set(failure, STATUS_AGAIN, "interrupted twice: not everything sent was answered");
            break;
        }
        if (timing_now_ms() < next_save_ms) continue;
        status = save(send, failure);
        if (status != STATUS_OK) break;
        next_save_ms = timing_now_ms() + SAVE_MS;
    }
    send_report_end_progress(&send->report);
    send_report_firsts(&send->report, true);
    if (status == STATUS_END && interrupts_count(&send->interrupts) > 0) {
        status = failure_set(failure, STATUS_AGAIN, "interrupted");
    }
    struct failure save_failure = {0};
    if (save(send, &save_failure) != STATUS_OK && status == STATUS_END) {
        *failure = save_failure;
        status = failure->status;
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static int conclude(struct send *send, enum status status, const struct failure *failure) {
    const struct sender_totals *totals = sender_totals(send->sender);
    struct send_report *report = &send->report;
    send_report_rejects(report, totals);
    if (report->rejects_file != NULL && (fflush(report->rejects_file) != 0 || ferror(report->rejects_file))) {
        cli_say("cannot write %s: %s", report->rejects_name, strerror(errno));
        return CLI_FAILED;
    }
    if (status != STATUS_OK) {
        if (totals->batches > 0) {
            cli_say("not everything was sent; sending the same files again is safe%s",
                    send->resume != NULL ? ", and goes on from here" : " (--resume STATE goes on from where it was)");
        }
        return cli_fail(failure);
    }
    return totals->rejected > 0 ? CLI_REJECTED : CLI_DONE;
}

static enum status prepare(struct send *send, int argc, char **argv, const struct sender_options *options,
                           struct failure *failure) {
    if (options->source_name != NULL && (strlen(options->source_name) == 0 || strlen(options->source_name) > ID_BYTES_MAX)) {
        return failure_set(failure, STATUS_BAD_CONFIG, "--source: expected a name of 1 to %d bytes", ID_BYTES_MAX);
    }
    enum status status = send_files_find(argv + 1, (size_t)(argc - 1), &send->files, failure);
    if (status != STATUS_OK) return status;
    if (send->resume_name != NULL && !send->files.all_regular) {
        return failure_set(failure, STATUS_BAD_CONFIG, "--resume needs files, and %s is not one", send->files.odd_name);
    }
    if (send->resume_name != NULL && send->files.count > RESUME_FILES_MAX) {
        return failure_set(failure, STATUS_BAD_CONFIG, "--resume: at most %d files at a time", RESUME_FILES_MAX);
    }
    if (send->resume_name != NULL) {
        status = resume_open(send->resume_name, options->url, options->source_name, &send->resume, failure);
    }
    struct send_report *report = &send->report;
    if (status == STATUS_OK && report->rejects_name != NULL) {
        report->rejects_file = fopen(report->rejects_name, send->resume != NULL ? "ae" : "we");
        if (report->rejects_file == NULL) {
            status = failure_set(failure, STATUS_IO_ERROR, "cannot write %s: %s", report->rejects_name, strerror(errno));
        }
    }
    if (send->files.all_regular) report->bytes = send->files.bytes;
    return status;
}

static int run(struct send *send, const struct sender_options *options, uint32_t batch_lines, bool as_json) {
    struct failure failure = {0};
    send->lines = line_source_create(send->files.names, send->files.count, batch_lines, send->resume);
    const struct sender_source source = {.self = send, .next = next_batch};
    const struct sender_observer observer = {.self = send,
                                             .rejected = note_rejected,
                                             .rejected_by = note_rejected_by,
                                             .acknowledged = note_acknowledged,
                                             .waiting = note_waiting};
    interrupts_open(&send->interrupts);
    send->sender = sender_create(options, &source, &observer);
    send->report.begun_ms = timing_now_ms();
    send->report.next_progress_ms = send->report.begun_ms + SECOND_MS;
    enum status status = send_all(send, &failure);
    send_report_result(&send->report, sender_totals(send->sender), as_json);
    int exit_code = conclude(send, status, &failure);
    sender_destroy(send->sender);
    line_source_destroy(send->lines);
    interrupts_close(&send->interrupts);
    return exit_code;
}

int verb_send(int argc, char **argv) {
    static const char *const formats[] = {"text", "json", NULL};
    struct config config;
    uint64_t batch_lines = 1000, connections = 4;
    int64_t give_up_ms = MINUTE_MS;
    const char *format = "text", *source_name = NULL;
    struct send send = {0};
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
         .help = "write the rejected lines' numbers and reasons there, as NDJSON; with --resume they are added",
         .to_text = &send.report.rejects_name},
        {.name = "resume",
         .argument = "STATE",
         .help = "keep in this file how far each file was answered for, and go on from there",
         .to_text = &send.resume_name},
    };
    const struct cli_usage usage = {
        .verb = "send",
        .summary = "Sends files of clicks to a server: NDJSON or log lines, plain, .gz or .zst, told apart by content.",
        .operands = "FILE...|-",
        .operands_min = 1,
        .operands_max = CLI_OPERANDS_ANY,
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .settings = CONFIG_FOR_CLIENT,
        .config = &config,
        .notes = "FILE may be a pattern that the shell did not expand ('logs/*.gz'); - is standard input.\n"
                 "Waits and tries again when the server is busy, down or lost. Sending a file again is always safe.\n"
                 "Exit code: 0 everything was accepted, 1 failed, 4 some lines were rejected.\n"};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    const struct sender_options options = {.url = config.client_url,
                                           .source_name = source_name,
                                           .connections = (unsigned)connections,
                                           .give_up_ms = give_up_ms};
    struct failure failure = {0};
    exit_code = prepare(&send, argc, argv, &options, &failure) == STATUS_OK
                    ? run(&send, &options, (uint32_t)batch_lines, strcmp(format, "json") == 0)
                    : cli_fail(&failure);
    if (send.report.rejects_file != NULL) fclose(send.report.rejects_file);
    resume_close(send.resume);
    send_files_fini(&send.files);
    return exit_code;
}
