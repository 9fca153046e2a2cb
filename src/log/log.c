#include "log/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"

enum { MESSAGE_BYTES_MAX = 2048 }; /* a failure's text has half of that */

struct log log_to(int file, enum log_format format, enum log_level least) {
    CHECK(file >= 0);
    if (format == LOG_FORMAT_AUTO) format = isatty(file) == 1 ? LOG_FORMAT_LOGFMT : LOG_FORMAT_JSON;
    return (struct log){.file = file, .format = format, .least = least};
}

/* A pipe may take a part of it; that it is full is waited for. */
static void write_all(int file, struct bytes left) {
    while (left.len > 0) {
        ssize_t written = write(file, left.at, left.len);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        left.at += written;
        left.len -= (size_t)written;
    }
}

void log_write(const struct log *log, struct wall_time now, enum log_event event, const struct log_field *fields,
               const char *message, ...) {
    CHECK(log->format != LOG_FORMAT_AUTO);
    if (log_event_level(event) < log->least) return;
    char text[MESSAGE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, message);
    (void)vsnprintf(text, sizeof text, message, arguments);
    va_end(arguments);
    struct buffer line = {0};
    log_render(log->format, now, event, fields, text, &line);
    write_all(log->file, buffer_view(&line));
    buffer_fini(&line);
}
