/* export.c: tables of the view as CSV, for GET /v1/export and for whoever has the node. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "filter/filters.h"
#include "node/node_internal.h"
#include "reply/reply.h"

/* --- what is wanted --- */

static const struct {
    const char *name;
    enum view_table table;
} tables[] = {
    {"cells", VIEW_TABLE_CELLS},
    {"counts", VIEW_TABLE_COUNTS},
    {"filters", VIEW_TABLE_FILTERS},
    {"rankings", VIEW_TABLE_RANKINGS},
};

static bool find_table(struct bytes name, enum view_table *table) {
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (!bytes_equal(name, bytes_of_text(tables[i].name))) continue;
        *table = tables[i].table;
        return true;
    }
    return false;
}

static bool parse_id(struct bytes text, uint32_t *id) {
    struct filter_flaw flaw;
    size_t zeros = 0;
    while (zeros < text.len && text.at[zeros] == '0') zeros++;
    *id = 0;
    return (text.len > 0 && zeros == text.len) || filter_id_parse(text, id, &flaw);
}

static int by_id(const void *left, const void *right) {
    const uint32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* "12,0013": each once, ascending. */
static bool parse_ids(struct bytes text, struct view_export_wanted *wanted) {
    const size_t capacity = text.len / 2 + 1; /* a digit and a comma each, at least */
    uint32_t *ids = memory_allocate(capacity * sizeof *ids);
    size_t count = 0, kept = 0;
    wanted->filter_ids = ids;
    for (bool more = true; more;) {
        const uint8_t *comma = text.len > 0 ? memchr(text.at, ',', text.len) : NULL;
        struct bytes one = {text.at, comma != NULL ? (size_t)(comma - text.at) : text.len};
        CHECK(count < capacity);
        if (!parse_id(one, &ids[count])) return false;
        count++;
        more = comma != NULL;
        if (more) text = (struct bytes){comma + 1, text.len - one.len - 1};
    }
    qsort(ids, count, sizeof *ids, by_id);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || ids[kept - 1] != ids[i]) ids[kept++] = ids[i];
    for (size_t i = 1; i < kept; i++) CHECK(ids[i - 1] < ids[i]);
    wanted->filter_count = kept;
    return true;
}

enum status node_export_parse(struct bytes table, const struct bytes *filters, struct view_export_wanted *out,
                              struct failure *failure) {
    *out = (struct view_export_wanted){0};
    if (!find_table(table, &out->table))
        return failure_set(failure, STATUS_BAD_INPUT, "table must be cells, counts, filters or rankings");
    if (filters == NULL) return STATUS_OK;
    if (out->table != VIEW_TABLE_COUNTS)
        return failure_set(failure, STATUS_BAD_INPUT, "filter goes with the table counts only");
    if (!parse_ids(*filters, out))
        return failure_set(failure, STATUS_BAD_INPUT,
                           "filter must be numbers of filters, from 0 (all clicks) to %u, with commas between them",
                           FILTER_ID_MAX);
    CHECK(out->filter_count >= 1);
    return STATUS_OK;
}

void node_export_wanted_fini(struct view_export_wanted *wanted) {
    free((void *)(uintptr_t)wanted->filter_ids);
    *wanted = (struct view_export_wanted){0};
}

/* --- the export --- */

enum status node_export(struct node *node, const struct view_export_wanted *wanted,
                        enum status (*write)(void *context, struct bytes part), void *context, struct failure *failure) {
    struct view_export *export;
    pthread_rwlock_rdlock(&node->view_lock);
    enum status status = view_export_begin(node->view, wanted, &export, failure);
    pthread_rwlock_unlock(&node->view_lock);
    if (status != STATUS_OK) return status;
    status = view_export_run(export, write, context, failure);
    view_export_destroy(export);
    return status;
}

bool node_export_lacks_history(struct node *node) {
    bool lacks = false;
    pthread_rwlock_rdlock(&node->view_lock);
    const struct filters *filters = view_filters(node->view);
    const struct stored_filter *stored;
    for (uint32_t id = 1; !lacks && (stored = filters_next_created(filters, id)) != NULL; id = stored->filter->id + 1)
        lacks = filters_awaits_past(filters, stored);
    pthread_rwlock_unlock(&node->view_lock);
    return lacks;
}

/* --- as an answer --- */

static enum status write_to_stream(void *context, struct bytes part) {
    return fwrite(part.at, 1, part.len, context) == part.len ? STATUS_OK : STATUS_NO_SPACE;
}

/* The export goes to an unnamed temporary file first: its size is then known, and a slow reader holds up nobody. */
static void answer_wanted(struct node *node, const struct view_export_wanted *wanted, struct reply *reply) {
    struct failure failure = {0};
    enum status status = STATUS_NO_SPACE;
    FILE *file = tmpfile();
    if (file != NULL) {
        status = node_export(node, wanted, write_to_stream, file, &failure);
        if (status == STATUS_OK && fflush(file) == 0) reply->body_file = dup(fileno(file));
        (void)fclose(file);
    }
    CHECK(reply->body_file < 0 || status == STATUS_OK); /* half an export is none */
    if (reply->body_file >= 0) {
        reply->http_status = 200;
        reply->content_type = "text/csv; charset=utf-8";
    } else if (status == STATUS_NOT_FOUND) {
        reply_problem(reply, 404, "unknown-filter", "Unknown filter", "%s", failure.text);
    } else {
        reply_problem(reply, 503, "not-now", "Not now", "the export could not be written to a temporary file: %s",
                      failure.status != STATUS_OK ? failure.text : "no space in $TMPDIR");
    }
}

/* An absent one is NULL. */
static enum status read_parameter(struct bytes query, const char *name, struct buffer *text, struct bytes *value,
                                  const struct bytes **given, struct failure *failure) {
    enum status status = query_parameter(query, name, text);
    *given = NULL;
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return failure_set(failure, status, "%s must occur once, in valid UTF-8", name);
    *value = buffer_view(text);
    *given = value;
    return STATUS_OK;
}

static enum status read_wanted(struct bytes query, struct view_export_wanted *wanted, struct failure *failure) {
    static const char *const allowed[] = {"table", "filter", NULL};
    struct buffer table_text = {0}, filter_text = {0};
    struct bytes table_value, filter_value;
    const struct bytes *table, *filter;
    enum status status = query_only(query, allowed, failure);
    if (status == STATUS_OK) status = read_parameter(query, "table", &table_text, &table_value, &table, failure);
    if (status == STATUS_OK) status = read_parameter(query, "filter", &filter_text, &filter_value, &filter, failure);
    if (status == STATUS_OK) status = node_export_parse(table != NULL ? *table : BYTES_LITERAL(""), filter, wanted, failure);
    buffer_fini(&table_text);
    buffer_fini(&filter_text);
    return status;
}

void node_answer_export(struct node *node, struct bytes query, struct reply *reply) {
    struct view_export_wanted wanted = {0};
    struct failure failure = {0};
    if (read_wanted(query, &wanted, &failure) == STATUS_OK)
        answer_wanted(node, &wanted, reply);
    else
        reply_problem(reply, 400, "bad-parameter", "Bad parameter", "%s", failure.text);
    node_export_wanted_fini(&wanted);
}
