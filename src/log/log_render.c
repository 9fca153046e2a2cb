/* log_render.c: an event as a line. Both formats escape alike, so a line is always one line and always UTF-8, whatever a
 * path or a reason holds. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/check.h"
#include "log/log.h"

static const struct {
    const char *name;
    enum log_level level;
    const char *fields, *means;
} events[LOG_EVENTS] = {
#define X(event, name, level, fields, means) {name, LOG_##level, fields, means},
    LOG_EVENT_TABLE(X)
#undef X
};

const char *log_event_name(enum log_event event) {
    CHECK((unsigned)event < LOG_EVENTS);
    return events[event].name;
}

enum log_level log_event_level(enum log_event event) {
    CHECK((unsigned)event < LOG_EVENTS);
    return events[event].level;
}

static const char *level_name(enum log_level level) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    CHECK((unsigned)level < sizeof names / sizeof *names);
    return names[level];
}

/* The length of the UTF-8 sequence that `text` begins with (RFC 3629: shortest form, no surrogates), 0 if it is none. */
static size_t utf8_length(const uint8_t *text) {
    uint8_t first = text[0];
    if (first < 0x80) return 1;
    size_t len = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4) return 0;
    for (size_t i = 1; i < len; i++) /* the NUL at the end of the text is no continuation */
        if ((text[i] & 0xC0) != 0x80) return 0;
    bool bad = (first == 0xE0 && text[1] < 0xA0) || (first == 0xED && text[1] > 0x9F) || (first == 0xF0 && text[1] < 0x90) ||
               (first == 0xF4 && text[1] > 0x8F);
    return bad ? 0 : len;
}

static void append_quoted(struct buffer *out, const char *text) {
    buffer_append_text(out, "\"");
    for (const uint8_t *at = (const uint8_t *)text; *at != '\0';) {
        size_t len = utf8_length(at);
        if (len == 0)
            buffer_append_text(out, "\xEF\xBF\xBD");
        else if (*at == '"' || *at == '\\')
            buffer_printf(out, "\\%c", *at);
        else if (*at < ' ' || *at == 0x7F)
            buffer_printf(out, "\\u%04x", *at);
        else
            buffer_append(out, at, len);
        at += len == 0 ? 1 : len;
    }
    buffer_append_text(out, "\"");
}

/* Without quotes a logfmt value ends at a space; a quote or an = would be misread. */
static bool needs_quotes(const char *text) {
    if (*text == '\0') return true;
    for (const char *at = text; *at != '\0'; at++)
        if (*at <= ' ' || *at == '"' || *at == '=' || *at == '\\' || *at == 0x7F)
            return true; /* char may be signed: not ASCII too */
    return false;
}

static void append_text(struct buffer *out, enum log_format format, const char *name, const char *text) {
    const char *between = out->len == 0 || out->at[out->len - 1] == '\n' ? "" : " ";
    if (format == LOG_FORMAT_JSON) {
        buffer_printf(out, "%s\"%s\":", *between == '\0' ? "{" : ",", name);
        append_quoted(out, text);
    } else {
        buffer_printf(out, "%s%s=", between, name);
        if (needs_quotes(text))
            append_quoted(out, text);
        else
            buffer_append_text(out, text);
    }
}

static void append_number(struct buffer *out, enum log_format format, const char *name, int64_t number) {
    buffer_printf(out, format == LOG_FORMAT_JSON ? ",\"%s\":%" PRId64 : " %s=%" PRId64, name, number);
}

/* RFC 3339, always with milliseconds, so that lines sort by their text. */
static void append_time(struct buffer *out, enum log_format format, struct wall_time now) {
    char date[32], text[48];
    time_t seconds = (time_t)(now.ms / SECOND_MS);
    int milliseconds = (int)(now.ms % SECOND_MS);
    struct tm parts;
    if (milliseconds < 0) { /* before 1970: a clock that was never set */
        seconds--;
        milliseconds += SECOND_MS;
    }
    CHECK(gmtime_r(&seconds, &parts) != NULL);
    CHECK(strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts) > 0);
    (void)snprintf(text, sizeof text, "%s.%03dZ", date, milliseconds);
    append_text(out, format, "time", text);
}

void log_render(enum log_format format, struct wall_time now, enum log_event event, const struct log_field *fields,
                const char *message, struct buffer *out) {
    CHECK(format != LOG_FORMAT_AUTO);
    append_time(out, format, now);
    append_text(out, format, "level", level_name(log_event_level(event)));
    append_text(out, format, "event", log_event_name(event));
    for (; fields->name != NULL; fields++) {
        if (fields->text != NULL)
            append_text(out, format, fields->name, fields->text);
        else
            append_number(out, format, fields->name, fields->number);
    }
    append_text(out, format, "message", message);
    buffer_append_text(out, format == LOG_FORMAT_JSON ? "}\n" : "\n");
}

void log_events_document(struct buffer *out) {
    buffer_append_text(out, "| event | level | fields | meaning |\n|---|---|---|---|\n");
    for (unsigned i = 0; i < LOG_EVENTS; i++) {
        buffer_printf(out, "| `%s` | %s | %s | %s |\n", events[i].name, level_name(events[i].level), events[i].fields,
                      events[i].means);
    }
}
