/* send_report.h: what `tally send` tells people while it sends and at the end. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "client/sender.h"

enum { SEND_REPORT_CODES_MAX = 32, SEND_REPORT_FIRST_BYTES = 1024 };

struct send_report {
    const char *rejects_name; /* NULL: not asked for */
    FILE *rejects_file;
    uint64_t bytes; /* of all files, as they are on the disk; 0: not known, so neither per cent nor time left */

    uint64_t listed; /* lines that the server listed one by one */
    struct {
        char code[32];
        uint64_t count;
        /* Its first line so far, and how it will be shown: batches are answered in any order, so a moment is waited. */
        enum { FIRST_NONE, FIRST_KEPT, FIRST_SHOWN } first;
        const char *file;
        uint64_t line;
        int64_t kept_ms;
        char text[SEND_REPORT_FIRST_BYTES];
    } codes[SEND_REPORT_CODES_MAX];
    size_t code_count;
    bool progress_shown; /* a line without its end stands on the terminal */
    int64_t begun_ms, next_progress_ms, first_ms;
    uint64_t first_bytes; /* read by first_ms: time left is judged from there, since a resumed file begins in its middle */
};

/* For sender_observer; `self` is the report. */
void send_report_rejected(void *self, const struct sender_reject *reject);
void send_report_rejected_by(void *self, const char *code, uint64_t count);
void send_report_waiting(void *self, const char *reason);

/* The first line of each code; `all` at the end, before only those that have been waiting for a moment. */
void send_report_firsts(struct send_report *report, bool all);
/* On a terminal, every second. `bytes_read` as in `bytes`. */
void send_report_progress(struct send_report *report, const struct sender_totals *totals, uint64_t bytes_read);
void send_report_end_progress(struct send_report *report);
/* Which codes lines were rejected for, and what was expected when not one line was good. */
void send_report_rejects(const struct send_report *report, const struct sender_totals *totals);
/* The last line, or the object, on stdout. */
void send_report_result(const struct send_report *report, const struct sender_totals *totals, bool as_json);
