/* log.h: what the server tells its operator on stderr, one event a line: logfmt for a person at a terminal, JSON for a
 * collector. The same fields in both: time, level, event, those of the event, message.
 *
 * Only the edge (cli/) logs: inner code returns what happened. No field may hold what a click says (ids, addresses, lines):
 * logs are kept longer, and read by more people, than the journal.
 *
 * A plain value, no heap of its own, any thread: a line is one write(2), so lines of several threads do not mix.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"
#include "base/units.h"
#include "log/log_events.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum log_event {
#define X(event, ...) LOG_EVENT_##event,
    LOG_EVENT_TABLE(X)
#undef X
        LOG_EVENTS /* how many */
};

/* A field of an event: snake_case name, unit last. One without a text is a number. */
struct log_field {
    const char *name; /* NULL ends a list */
    const char *text;
    int64_t number;
};

static inline struct log_field log_text(const char *name, const char *text) {
    return (struct log_field){.name = name, .text = text};
}
static inline struct log_field log_number(const char *name, int64_t number) {
    return (struct log_field){.name = name, .number = number};
}

/* The last argument of log_write and log_render: the event's fields, at least one. */
#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {0}})
#define LOG_NO_FIELDS ((const struct log_field[]){{0}})

struct log {
    int file;
    enum log_format format; /* not AUTO */
    enum log_level least;   /* what is below is not written */
};

/* AUTO: logfmt when `file` is a terminal, else JSON. */
struct log log_to(int file, enum log_format format, enum log_level least);
/* A line is lost when it cannot be written: there is nowhere to say so. `message` is for people and has no line end. */
void log_write(const struct log *log, struct wall_time now, enum log_event event, const struct log_field *fields,
               const char *message, ...) PRINTF_LIKE(5, 6);

/* Appends the line with its line end. `format` is not AUTO. Bytes that are not UTF-8 become U+FFFD. */
void log_render(enum log_format format, struct wall_time now, enum log_event event, const struct log_field *fields,
                const char *message, struct buffer *out);
/* Static text. */
const char *log_event_name(enum log_event event);
enum log_level log_event_level(enum log_event event);
/* The table of events in docs/operations.md, in Markdown. */
void log_events_document(struct buffer *out);
