#include "query/parameters.h"

#include "base/check.h"
#include "click/timestamp.h"
#include "filter/filter.h"

enum { SHOWN_BYTES_MAX = 64 }; /* of what the caller sent, in an answer */

void parameters_fini(struct parameters *parameters) {
    buffer_fini(&parameters->text);
}

/* For "%.*s"; a character cut in its middle is made valid by the JSON writer. */
static int shown_bytes(const struct parameters *parameters) {
    return parameters->text.len < SHOWN_BYTES_MAX ? (int)parameters->text.len : SHOWN_BYTES_MAX;
}

static const char *shown(const struct parameters *parameters) {
    return parameters->text.len == 0 ? "" : (const char *)parameters->text.at;
}

bool parameters_only(struct parameters *parameters, const char *const *accepted) {
    struct failure failure = {0};
    if (query_only(parameters->query, accepted, &failure) == STATUS_OK) return true;
    struct buffer list = {0};
    for (size_t i = 0; accepted[i] != NULL; ++i) {
        if (i > 0) buffer_append_text(&list, ", ");
        buffer_append_text(&list, accepted[i]);
    }
    reply_problem(parameters->reply, 400, "unknown-parameter", "Unknown parameter", "%s; accepted here: %.*s", failure.text,
                  (int)list.len, list.len == 0 ? "" : (const char *)list.at);
    buffer_fini(&list);
    return false;
}

bool parameters_given(struct parameters *parameters, const char *name, bool *given) {
    buffer_clear(&parameters->text);
    switch (query_parameter(parameters->query, name, &parameters->text)) {
    case STATUS_OK:
        *given = true;
        return true;
    case STATUS_NOT_FOUND:
        *given = false;
        return true;
    default:
        reply_problem(parameters->reply, 400, "bad-parameter", "Bad parameter",
                      "%s must occur once and be valid percent-encoded UTF-8", name);
        return false;
    }
}

static bool is_digits(const struct buffer *text) {
    for (size_t i = 0; i < text->len; ++i) {
        if (text->at[i] < '0' || text->at[i] > '9') return false;
    }
    return text->len > 0;
}

/* Of any number of digits; above `max` it is only that. */
static uint64_t number_of(const struct buffer *digits, uint32_t max) {
    uint64_t value = 0;
    for (size_t i = 0; i < digits->len && value <= max; ++i) value = value * 10 + (digits->at[i] - '0');
    return value;
}

bool parameters_number(struct parameters *parameters, const char *name, uint32_t min, uint32_t max, uint32_t *out) {
    CHECK(min <= max && max < UINT32_MAX);
    bool given;
    if (!parameters_given(parameters, name, &given)) return false;
    if (!given) return true;
    if (is_digits(&parameters->text)) {
        uint64_t value = number_of(&parameters->text, max);
        if (value >= min && value <= max) {
            *out = (uint32_t)value;
            return true;
        }
    }
    reply_problem(parameters->reply, 400, "bad-parameter", "Bad parameter",
                  "%s must be an integer from %u to %u, not \"%.*s\"", name, min, max, shown_bytes(parameters),
                  shown(parameters));
    return false;
}

/* 9999-12-31T00:00:00Z: the end of any range that begins before, whatever its step, can still be written as a time. */
#define QUESTION_MS_END INT64_C(253402214400000)

bool parameters_minute(struct parameters *parameters, const char *name, struct minute *out) {
    bool given;
    if (!parameters_given(parameters, name, &given)) return false;
    if (!given) return true;
    struct event_time time;
    bool read = timestamp_parse_question(buffer_view(&parameters->text), &time);
    if (read && time.ms >= QUESTION_MS_END) {
        reply_problem(parameters->reply, 400, "bad-parameter", "Bad parameter",
                      "%s must be before 9999-12-31T00:00:00Z, not \"%.*s\"", name, shown_bytes(parameters),
                      shown(parameters));
        return false;
    }
    if (read) {
        CHECK(time.ms >= 0);
        *out = minute_of(time);
        return true;
    }
    reply_problem(parameters->reply, 400, "bad-parameter", "Bad parameter",
                  "%s must be a time: RFC 3339 (a + percent-encoded as %%2B), epoch milliseconds (13 digits), epoch seconds "
                  "(10 digits) or YYYYMMDDHHMM, not \"%.*s\"",
                  name, shown_bytes(parameters), shown(parameters));
    return false;
}

bool parameters_filter(struct parameters *parameters, bool *given, uint32_t *id) {
    if (!parameters_given(parameters, "filter", given)) return false;
    if (!*given) return true;
    if (!is_digits(&parameters->text)) {
        reply_problem(parameters->reply, 400, "bad-parameter", "Bad parameter",
                      "filter must be the number of a filter, not \"%.*s\"", shown_bytes(parameters), shown(parameters));
        return false;
    }
    uint64_t value = number_of(&parameters->text, FILTER_ID_MAX);
    if (value <= FILTER_ID_MAX) {
        *id = (uint32_t)value;
        return true;
    }
    reply_problem(parameters->reply, 404, "unknown-filter", "Unknown filter", "there is no filter %.*s; 0 is all clicks",
                  shown_bytes(parameters), shown(parameters));
    return false;
}
