#include "query/choice.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "query/filter_json.h"
#include "query/filter_request.h"

enum { FIELDS = 3 };
static const char *const field_names[FIELDS] = {"region", "ip", "user_id"};

void refuse_while_replaying(struct reply *reply) {
    reply_problem(reply, 503, "not-now", "Not now", "the journal is being replayed, and filters may still come; try again");
}

const struct stored_filter *find_standing_filter(const struct filters *filters, uint32_t id, bool replaying,
                                                 struct reply *reply) {
    const struct stored_filter *stored = filters_find(filters, id);
    if (stored != NULL && !stored->deleted) return stored;
    if (stored != NULL)
        reply_problem(reply, 404, "unknown-filter", "Unknown filter", "filter %u was deleted; its number stays taken", id);
    else if (replaying)
        refuse_while_replaying(reply);
    else
        reply_problem(reply, 404, "unknown-filter", "Unknown filter", "there is no filter %u; 0 is all clicks", id);
    return NULL;
}

static void choose(struct choice *choice, const struct filters *filters, const struct stored_filter *stored) {
    CHECK(stored->term_count == filter_term_count(stored->filter));
    choice->by_filter = true;
    choice->filter_id = stored->filter->id;
    choice->selection = selection_of(stored->filter, stored->terms, stored->term_count);
    choice->covers_part = filters_covers_from(filters, stored, &choice->covers_from);
    CHECK(!choice->covers_part || !filter_is_region_only(stored->filter)); /* all clicks are always counted, by country */
}

/* A word for a POSIX shell. */
static void append_quoted(struct buffer *out, struct bytes text) {
    buffer_append_text(out, "'");
    for (size_t i = 0; i < text.len; ++i) {
        if (text.at[i] == '\'')
            buffer_append_text(out, "'\\''");
        else
            buffer_append(out, &text.at[i], 1);
    }
    buffer_append_text(out, "'");
}

static void append_option(struct buffer *out, const char *name, const struct filter *filter,
                          void (*write)(const struct filter *filter, struct buffer *out)) {
    struct buffer text = {0};
    write(filter, &text);
    buffer_printf(out, " --%s ", name);
    append_quoted(out, buffer_view(&text));
    buffer_fini(&text);
}

static void append_command(struct buffer *out, const struct filter *filter, uint32_t id) {
    buffer_printf(out, "tally filter add %u", id);
    if (filter->region_mode != FILTER_ANY) append_option(out, "region", filter, filter_region_text);
    if (filter->ip_mode != FILTER_ANY) append_option(out, "ip", filter, filter_ip_text);
    if (filter->user_mode != FILTER_ANY) append_option(out, "user-id", filter, filter_user_text);
    if (filter->ranked) buffer_append_text(out, " --ranked");
}

/* Usually the first that is looked at, at most as many as there ever were. */
static uint32_t free_id(const struct filters *filters) {
    uint32_t id = filters_number(filters) + 1;
    while (filters_find(filters, id) != NULL) id = id % FILTER_ID_MAX + 1;
    return id;
}

static void needs_filter(struct reply *reply, const struct filters *filters, const struct filter *filter) {
    uint32_t id = free_id(filters);
    struct buffer command = {0};
    append_command(&command, filter, id);
    reply_problem_open(
        reply, 400, "needs-filter", "No filter counts this yet",
        "clicks are counted by region, and by ip and user_id only where a filter asks for it. Create one, and "
        "it counts from then on: %.*s (or POST the member `filter` of this answer to /v1/filters)",
        (int)command.len, (const char *)command.at);
    buffer_append_text(&reply->body, ",\"filter\":");
    filter_json_append_definition(&reply->body, filter, id);
    buffer_append_text(&reply->body, "}");
    buffer_fini(&command);
}

void refuse_costly(struct reply *reply, const struct choice *choice, const struct filters *filters, const char *cost) {
    uint32_t id = free_id(filters);
    struct buffer command = {0};
    struct filter *ranked = filter_copy(choice->selection.filter);
    CHECK(choice->by_filter && !ranked->ranked);
    ranked->ranked = true;
    append_command(&command, ranked, id);
    reply_problem_open(reply, 422, "ranking-too-costly", "This ranking is too costly",
                       "%s. Ask for a shorter window, or %s whose rankings of 1, 5, 15, 60 and 1440 minutes are made as "
                       "minutes close, and kept: %.*s (or POST the member `filter` of this answer to /v1/filters)",
                       cost, choice->filter_id == 0 ? "create a filter" : "create another filter, since none ever changes,",
                       (int)command.len, (const char *)command.at);
    buffer_append_text(&reply->body, ",\"filter\":");
    filter_json_append_definition(&reply->body, ranked, id);
    buffer_append_text(&reply->body, "}");
    buffer_fini(&command);
    filter_destroy(ranked);
}

static bool choose_once(struct choice *choice, const struct buffer texts[FIELDS], const struct filters *filters,
                        bool replaying, struct reply *reply) {
    struct filter_flaw flaw = {0};
    if (!filter_parse(0, buffer_view(&texts[0]), buffer_view(&texts[1]), buffer_view(&texts[2]), false, &choice->once,
                      &flaw)) {
        filter_request_refuse_flaw(&flaw, reply);
        return false;
    }
    struct stored_filter as_stored = {.filter = choice->once, .term_count = filter_term_count(choice->once)};
    choice->once_terms = memory_allocate_zeroed(as_stored.term_count, sizeof *choice->once_terms);
    as_stored.terms = choice->once_terms;
    if (atoms_find(filters_atoms(filters), choice->once, choice->once_terms)) {
        choose(choice, filters, &as_stored);
        return true;
    }
    CHECK(!filter_is_region_only(choice->once));
    if (replaying)
        refuse_while_replaying(reply);
    else
        needs_filter(reply, filters, choice->once);
    return false;
}

/* Empty means any in a file; here it is a variable that was not set, and to answer about all clicks would hide that. */
static bool refuse_empty(struct parameters *parameters, const char *field) {
    struct filter_flaw flaw = {.field = field};
    (void)snprintf(flaw.text, sizeof flaw.text, "%s is empty; write * for any", field);
    filter_request_refuse_flaw(&flaw, parameters->reply);
    return false;
}

static bool is_blank(struct bytes text) {
    size_t i = 0;
    while (i < text.len && text.at[i] == ' ') ++i;
    return i == text.len;
}

/* `*given` is the name of one that is there. */
static bool read_fields(struct parameters *parameters, struct buffer texts[FIELDS], const char **given) {
    for (size_t i = 0; i < FIELDS; ++i) {
        bool is_given;
        if (!parameters_given(parameters, field_names[i], &is_given)) return false;
        if (!is_given) continue;
        if (is_blank(buffer_view(&parameters->text))) return refuse_empty(parameters, field_names[i]);
        *given = field_names[i];
        buffer_append_bytes(&texts[i], buffer_view(&parameters->text));
    }
    return true;
}

static bool choose_from(struct parameters *parameters, const struct buffer texts[FIELDS], const char *field,
                        const struct filters *filters, bool replaying, struct choice *choice) {
    bool has_filter;
    uint32_t id = 0;
    if (!parameters_filter(parameters, &has_filter, &id)) return false;
    if (has_filter && field != NULL) {
        reply_problem(parameters->reply, 400, "bad-parameter", "Bad parameter",
                      "filter excludes region, ip and user_id, but %s is given too", field);
        return false;
    }
    if (field != NULL) return choose_once(choice, texts, filters, replaying, parameters->reply);
    if (id == 0) return true;
    const struct stored_filter *stored = find_standing_filter(filters, id, replaying, parameters->reply);
    if (stored != NULL) choose(choice, filters, stored);
    return stored != NULL;
}

bool choice_read(struct parameters *parameters, const struct view *view, bool replaying, struct choice *choice) {
    struct buffer texts[FIELDS] = {{0}};
    const char *field = NULL;
    *choice = (struct choice){.by_filter = false};
    bool read = read_fields(parameters, texts, &field) &&
                choose_from(parameters, texts, field, view_filters(view), replaying, choice);
    for (size_t i = 0; i < FIELDS; ++i) buffer_fini(&texts[i]);
    return read;
}

void choice_fini(struct choice *choice) {
    if (choice->once != NULL) filter_destroy(choice->once);
    free(choice->once_terms);
}

const struct selection *choice_selection(const struct choice *choice) {
    return choice->by_filter ? &choice->selection : NULL;
}
