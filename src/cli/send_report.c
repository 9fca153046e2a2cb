#include "cli/send_report.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/error_table.h"
#include "client/json.h"
#include "client/table.h"
#include "client/timing.h"
#include "reply/reply.h"

enum {
    PROGRESS_MS = 1000,
    FIRST_WAIT_MS = 300,
    LINE_BYTES_SHOWN = 200,
};

void send_report_end_progress(struct send_report *report) {
    if (report->progress_shown) fputs("\r\033[K", stderr);
    report->progress_shown = false;
}

/* SEND_REPORT_CODES_MAX when there is no more room. */
static size_t find_code(struct send_report *report, const char *code) {
    size_t i = 0;
    while (i < report->code_count && strcmp(report->codes[i].code, code) != 0) i++;
    if (i < report->code_count || i == SEND_REPORT_CODES_MAX) return i;
    snprintf(report->codes[i].code, sizeof report->codes[i].code, "%.31s", code);
    report->code_count++;
    return i;
}

/* Anyone's bytes: what is not text becomes '?', and a long line is cut. */
static void append_clean(struct buffer *out, struct bytes text) {
    size_t begin = out->len;
    while (text.len > 0 && out->len - begin < LINE_BYTES_SHOWN) {
        size_t len = utf8_sequence(text);
        bool good = len > 0 && *text.at >= 0x20 && *text.at != 0x7F;
        buffer_append(out, good ? (const char *)text.at : "?", good ? len : 1);
        text.at += good ? len : 1;
        text.len -= good ? len : 1;
    }
    if (text.len > 0) buffer_append_text(out, " ...");
}

static void keep_first(struct send_report *report, size_t code, const struct sender_reject *reject) {
    struct buffer text = {0};
    enum reject known = reject_find(reject->code);
    buffer_printf(&text, "%s:%" PRIu64 ": %s: ", reject->file, reject->line, reject->code);
    append_clean(&text, bytes_of_text(reject->detail));
    if (reject->text.len > 0) {
        buffer_append_text(&text, "\n       got       ");
        append_clean(&text, reject->text);
    }
    if (known != REJECT_NONE) {
        buffer_printf(&text, "\n       expected  %s\n       `tally errors %s` says more",
                      known == REJECT_BAD_LOG_LINE ? good_log_line : good_json_line, reject->code);
    }
    snprintf(report->codes[code].text, sizeof report->codes[code].text, "%.*s", (int)text.len, (const char *)text.at);
    buffer_fini(&text);
    if (report->codes[code].first == FIRST_NONE) report->codes[code].kept_ms = timing_now_ms();
    report->codes[code].first = FIRST_KEPT;
    report->codes[code].file = reject->file;
    report->codes[code].line = reject->line;
}

static bool is_earlier(const struct send_report *report, size_t code, const struct sender_reject *reject) {
    if (report->codes[code].first == FIRST_NONE) return true;
    return report->codes[code].first == FIRST_KEPT && strcmp(report->codes[code].file, reject->file) == 0 &&
           reject->line < report->codes[code].line;
}

/* The one of the lowest line number that may be shown; SEND_REPORT_CODES_MAX when there is none. */
static size_t next_first(const struct send_report *report, int64_t kept_ms_max) {
    size_t best = SEND_REPORT_CODES_MAX;
    for (size_t i = 0; i < report->code_count; i++) {
        if (report->codes[i].first != FIRST_KEPT || report->codes[i].kept_ms > kept_ms_max) continue;
        if (best == SEND_REPORT_CODES_MAX || report->codes[i].line < report->codes[best].line) best = i;
    }
    return best;
}

void send_report_firsts(struct send_report *report, bool all) {
    int64_t kept_ms_max = all ? INT64_MAX : timing_now_ms() - FIRST_WAIT_MS;
    size_t code;
    while ((code = next_first(report, kept_ms_max)) != SEND_REPORT_CODES_MAX) {
        send_report_end_progress(report);
        cli_say("%s", report->codes[code].text);
        report->codes[code].first = FIRST_SHOWN;
    }
}

void send_report_rejected(void *self, const struct sender_reject *reject) {
    struct send_report *report = self;
    size_t code = find_code(report, reject->code);
    report->listed++;
    if (code < SEND_REPORT_CODES_MAX && is_earlier(report, code, reject)) keep_first(report, code, reject);
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

void send_report_rejected_by(void *self, const char *code, uint64_t count) {
    struct send_report *report = self;
    size_t at = find_code(report, code);
    if (at < SEND_REPORT_CODES_MAX) report->codes[at].count += count;
}

void send_report_waiting(void *self, const char *reason) {
    send_report_end_progress(self);
    cli_say("%s; trying again", reason);
}

/* "45%, 12 s left, "; nothing when it cannot be told. */
static void describe_rest(struct send_report *report, uint64_t bytes_read, int64_t now_ms, char *text, size_t size) {
    *text = '\0';
    if (report->bytes == 0 || bytes_read > report->bytes) return; /* a growing file */
    if (report->first_ms == 0) {
        report->first_ms = now_ms;
        report->first_bytes = bytes_read;
    }
    int len = snprintf(text, size, "%" PRIu64 "%%, ", bytes_read / (report->bytes / 100 + 1));
    uint64_t since = bytes_read - report->first_bytes;
    if (since == 0 || len < 0) return;
    double left_s = (double)(now_ms - report->first_ms) / 1000 * (double)(report->bytes - bytes_read) / (double)since;
    if (left_s < 100) {
        snprintf(text + len, size - (size_t)len, "%.0f s left, ", left_s);
    } else {
        snprintf(text + len, size - (size_t)len, "%.0f min left, ", left_s / 60);
    }
}

void send_report_progress(struct send_report *report, const struct sender_totals *totals, uint64_t bytes_read) {
    int64_t now_ms = timing_now_ms();
    if (now_ms < report->next_progress_ms || isatty(STDERR_FILENO) != 1) return;
    int64_t took_ms = now_ms - report->begun_ms;
    char lines[TABLE_NUMBER_BYTES], rejected[TABLE_NUMBER_BYTES], rate[TABLE_NUMBER_BYTES], rest[64];
    describe_rest(report, bytes_read, now_ms, rest, sizeof rest);
    fprintf(stderr, "\r\033[K%s lines sent, %s a second, %s%s rejected", table_number(totals->lines, lines),
            table_number(totals->lines * 1000 / (uint64_t)(took_ms > 0 ? took_ms : 1), rate), rest,
            table_number(totals->rejected, rejected));
    report->progress_shown = true;
    report->next_progress_ms = now_ms + PROGRESS_MS;
}

void send_report_rejects(const struct send_report *report, const struct sender_totals *totals) {
    if (totals->rejected == 0) return;
    struct buffer text = {0};
    char number[TABLE_NUMBER_BYTES];
    buffer_printf(&text, "%s line%s rejected", table_number(totals->rejected, number),
                  totals->rejected == 1 ? " was" : "s were");
    const char *separator = ": ";
    for (size_t i = 0; i < report->code_count; i++) {
        if (report->codes[i].count == 0) continue;
        buffer_printf(&text, "%s%s %s", separator, report->codes[i].code, table_number(report->codes[i].count, number));
        separator = ", ";
    }
    if (report->rejects_name == NULL) {
        buffer_append_text(&text, "; --rejects FILE lists them");
    } else if (report->listed < totals->rejected) {
        buffer_printf(&text, "; %s of them are in %s, since a server lists 1,000 a request: --batch 1000 lists all",
                      table_number(report->listed, number), report->rejects_name);
    } else {
        buffer_printf(&text, "; %s lists them", report->rejects_name);
    }
    cli_say("%.*s", (int)text.len, (const char *)text.at);
    buffer_fini(&text);
    if (totals->accepted > 0) return;
    cli_say("not one line was a click. Expected is one of these on each line:\n       %s\n       %s", good_json_line,
            good_log_line);
}

void send_report_result(const struct send_report *report, const struct sender_totals *totals, bool as_json) {
    if (as_json) {
        printf("{\"received\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"rejected\":%" PRIu64 "}\n", totals->received,
               totals->accepted, totals->rejected);
        return;
    }
    double seconds = (double)(timing_now_ms() - report->begun_ms) / 1000;
    char received[TABLE_NUMBER_BYTES], accepted[TABLE_NUMBER_BYTES], rejected[TABLE_NUMBER_BYTES], rate[TABLE_NUMBER_BYTES];
    printf("The server received %s lines, accepted %s and rejected %s, in %.1f s (%s lines a second).\n",
           table_number(totals->received, received), table_number(totals->accepted, accepted),
           table_number(totals->rejected, rejected), seconds,
           table_number((uint64_t)((double)totals->lines / (seconds > 0.001 ? seconds : 0.001)), rate));
}
