/* control.c: changes of the filters: from a request, through the journal and every partition, to the answer.
 *
 *   request -> queue -> journal step (checked, committed) -> filter mail and waiting list
 *           -> reducer (applied to the view once every partition has passed it) -> reply
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "node/control.h"
#include "query/filter_json.h"
#include "query/filter_request.h"

enum { CONTROL_BODY_BYTES_MAX = 64 * 1024 * 1024, CONTROLS_WAITING_MAX = 64 };

enum control_kind { CONTROL_CREATE, CONTROL_DELETE, CONTROL_RECALCULATE };

/* One request that changes filters; owned by whoever holds the pointer. */
struct control {
    void *request;
    enum control_kind kind;
    enum filter_request_form form;
    struct buffer body;
    bool too_long;
    bool is_list;
    struct filter_list list; /* CONTROL_CREATE */
    uint32_t id;             /* the others */
    size_t changed;          /* of the list: not there before */
    uint32_t number;         /* the view must have applied so many filter records before the answer */
    struct control *next;
};

static void control_finish(struct node *node, struct control *control, struct reply *reply) {
    void *request = control->request;
    filter_list_fini(&control->list);
    buffer_fini(&control->body);
    free(control);
    node_session_closed(node);
    node->seam.requests.reply(node->seam.requests.self, request, reply);
}

static void control_refuse_now(struct node *node, struct control *control, const char *why) {
    struct reply reply = {.body_file = -1};
    reply_problem(&reply, 503, "not-now", "Not now", "%s; try again", why);
    control_finish(node, control, &reply);
}

static void push(struct control **list, struct control *control) {
    control->next = NULL;
    while (*list != NULL) {
        CHECK(*list != control); /* one owner */
        list = &(*list)->next;
    }
    *list = control;
}

/* After a failure nobody steps any more: whoever pushes after node_fail has emptied the lists empties them again. */
static void push_unless_failed(struct node *node, struct control **list, struct control *control) {
    pthread_mutex_lock(&node->mail_lock);
    push(list, control);
    pthread_mutex_unlock(&node->mail_lock);
    if (node_phase(node) == NODE_FAILED) node_fail_controls(node);
}

void node_fail_controls(struct node *node) {
    CHECK(node_phase(node) == NODE_FAILED); /* first: whoever pushes after this sees it */
    pthread_mutex_lock(&node->mail_lock);
    struct control *lists[] = {node->control_queue, node->control_waiting};
    node->control_queue = node->control_waiting = NULL;
    pthread_mutex_unlock(&node->mail_lock);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        while (lists[i] != NULL) {
            struct control *control = lists[i];
            lists[i] = control->next;
            control_refuse_now(node, control, node_refusal_text(NODE_REFUSES_FAILED));
        }
    }
}

/* --- requests --- */

static void submit(struct node *node, struct control *control) {
    CHECK((control->kind == CONTROL_CREATE) == (control->list.count > 0));
    pthread_mutex_lock(&node->mail_lock);
    size_t waiting = 0;
    for (const struct control *at = node->control_queue; at != NULL; at = at->next) waiting++;
    enum node_phase phase = node_phase(node);
    bool taken = waiting < CONTROLS_WAITING_MAX &&
                 (phase == NODE_SERVING || (phase == NODE_STOPPING && atomic_load(&node->stop_stage) == STOP_COMMITTING));
    if (taken) push(&node->control_queue, control);
    pthread_mutex_unlock(&node->mail_lock);
    if (!taken) {
        control_refuse_now(node, control, "filters cannot be changed just now");
        return;
    }
    if (node_phase(node) == NODE_FAILED) node_fail_controls(node);
    node_wake(node, NODE_STAGE_JOURNAL, 0);
}

static struct control *control_create(struct node *node, void *request, enum control_kind kind) {
    struct control *control = memory_allocate_zeroed(1, sizeof *control);
    control->request = request;
    control->kind = kind;
    atomic_fetch_add(&node->sessions_open, 1);
    return control;
}

static bool form_of(struct bytes content_type, enum filter_request_form *form) {
    const uint8_t *end = memchr(content_type.at, ';', content_type.len);
    struct bytes type = {content_type.at, end == NULL ? content_type.len : (size_t)(end - content_type.at)};
    while (type.len > 0 && type.at[type.len - 1] == ' ') type.len--;
    *form = bytes_equal(type, BYTES_LITERAL("text/csv")) ? FILTER_REQUEST_CSV : FILTER_REQUEST_JSON;
    return *form == FILTER_REQUEST_CSV || bytes_equal(type, BYTES_LITERAL("application/json"));
}

/* "/v1/filters/12" and "/v1/filters/12/recalculation": what stands behind "/v1/filters/". */
static bool split_id(struct bytes path, struct bytes *id, bool *recalculation) {
    static const char prefix[] = "/v1/filters/", suffix[] = "/recalculation";
    size_t prefix_len = sizeof prefix - 1, suffix_len = sizeof suffix - 1;
    if (path.len <= prefix_len || memcmp(path.at, prefix, prefix_len) != 0) return false;
    *id = (struct bytes){path.at + prefix_len, path.len - prefix_len};
    CHECK(id->len > 0);
    *recalculation = id->len > suffix_len && memcmp(id->at + id->len - suffix_len, suffix, suffix_len) == 0;
    if (*recalculation) id->len -= suffix_len;
    return memchr(id->at, '/', id->len) == NULL;
}

bool node_control_begin(struct node *node, const struct request_head *head, void *request, void **session,
                        bool *body_wanted) {
    bool post = bytes_equal(head->method, BYTES_LITERAL("POST")), recalculation = false;
    bool delete = bytes_equal(head->method, BYTES_LITERAL("DELETE"));
    bool create = post && bytes_equal(head->path, BYTES_LITERAL("/v1/filters"));
    struct bytes id_text = {NULL, 0};
    if (!create && !(split_id(head->path, &id_text, &recalculation) && (recalculation ? post : delete))) return false;

    static const char *const no_parameters[] = {NULL};
    struct failure failure = {0};
    struct reply reply = {.body_file = -1};
    uint32_t id = 0;
    enum filter_request_form form = FILTER_REQUEST_JSON;
    enum node_refusal refusal = node_refusal(node);
    if (refusal == NODE_REFUSES_REPLAYING || refusal == NODE_REFUSES_STOPPING || refusal == NODE_REFUSES_FAILED)
        reply_problem(&reply, 503, "not-now", "Not now", "%s; try again", node_refusal_text(refusal));
    else if (query_only(head->query, no_parameters, &failure) != STATUS_OK)
        reply_problem(&reply, 400, "unknown-parameter", "Unknown parameter", "%s; there is none here", failure.text);
    else if (create && !form_of(head->content_type, &form))
        reply_problem(&reply, 415, "unsupported-media-type", "Unsupported media type",
                      "filters come as application/json or text/csv");
    else if (create && head->content_encoding.len > 0)
        reply_problem(&reply, 415, "unsupported-content-encoding", "Unsupported content encoding",
                      "filters come uncompressed");
    else if (create || filter_request_path_id(id_text, &id, &reply)) {
        struct control *control = control_create(node, request,
                                                 create          ? CONTROL_CREATE
                                                 : recalculation ? CONTROL_RECALCULATE
                                                                 : CONTROL_DELETE);
        control->form = form;
        control->id = id;
        *body_wanted = create;
        *session = create ? node_session_of_control(control) : NULL;
        if (!create) submit(node, control);
        return true;
    }
    node->seam.requests.reply(node->seam.requests.self, request, &reply);
    return true;
}

void node_control_feed(struct control *control, struct bytes bytes) {
    control->too_long = control->too_long || bytes.len > CONTROL_BODY_BYTES_MAX - control->body.len;
    if (!control->too_long) buffer_append_bytes(&control->body, bytes);
    CHECK(control->body.len <= CONTROL_BODY_BYTES_MAX); /* I10 */
}

void node_control_end(struct node *node, struct control *control) {
    struct reply reply = {.body_file = -1};
    struct filter_request_flaw flaw = {0};
    struct bytes body = buffer_view(&control->body);
    if (control->too_long) {
        reply_problem(&reply, 413, "body-too-large", "Body too large", "filters at once have at most %d MiB",
                      CONTROL_BODY_BYTES_MAX / 1024 / 1024);
        control_finish(node, control, &reply);
        return;
    }
    size_t at = 0;
    while (at < body.len && (body.at[at] == ' ' || body.at[at] == '\n' || body.at[at] == '\t' || body.at[at] == '\r')) at++;
    control->is_list = control->form == FILTER_REQUEST_CSV || (at < body.len && body.at[at] == '[');
    if (!filter_request_parse(body, control->form, &control->list, &flaw)) {
        filter_request_refuse(&flaw, &reply);
        control_finish(node, control, &reply);
        return;
    }
    buffer_fini(&control->body);
    submit(node, control);
}

void node_control_abort(struct node *node, struct control *control) {
    filter_list_fini(&control->list);
    buffer_fini(&control->body);
    free(control);
    node_session_closed(node);
}

/* --- the journal's step --- */

/* Where a wanted filter stood in its request. */
struct place {
    uint32_t row;  /* 0: the request was no list */
    char text[24]; /* "row 7: ", before what is wrong */
};

static struct place place_of(const struct filter_list *list, uint32_t id) {
    struct place place = {.row = filter_list_row(list, id)};
    if (place.row > 0) (void)snprintf(place.text, sizeof place.text, "row %u: ", place.row);
    return place;
}

/* Ends a problem that was opened. */
static void append_place(struct reply *reply, const char *field, const struct place *place) {
    buffer_printf(&reply->body, ",\"field\":\"%s\"", field);
    if (place->row > 0) buffer_printf(&reply->body, ",\"row\":%u", place->row);
    buffer_append_text(&reply->body, "}");
}

/* What there would be with these changes. */
struct load {
    uint64_t standing, atoms, ranked;
};

static void add_to_load(struct load *load, const struct filters *filters, const struct filter *filter) {
    load->standing++;
    load->ranked += filter->ranked;
    load->atoms += atoms_missing(filters_atoms(filters), filter);
}

enum bound { BOUND_NONE, BOUND_STANDING, BOUND_ATOMS, BOUND_RANKED };

static enum bound bound_passed(const struct node *node, const struct filters *filters, const struct load *load) {
    if (load->standing > node->options.filters_max) return BOUND_STANDING;
    if (load->atoms > node->options.atoms_max || atoms_given(filters_atoms(filters)) + load->atoms > ATOMS_MAX)
        return BOUND_ATOMS;
    return load->ranked > FILTERS_RANKED_MAX ? BOUND_RANKED : BOUND_NONE;
}

static void refuse_load(const struct node *node, enum bound bound, const struct load *load, const struct place *place,
                        struct reply *reply) {
    CHECK(bound != BOUND_NONE);
    if (bound == BOUND_STANDING)
        reply_problem_open(reply, 507, "filters-full", "Too many filters",
                           "%sthere would be %" PRIu64 " filters, and the bound is %" PRIu64 " (--filters-max)", place->text,
                           load->standing, node->options.filters_max);
    else if (bound == BOUND_ATOMS)
        reply_problem_open(reply, 507, "filters-full", "Too many filters",
                           "%stheir addresses and users would make %" PRIu64 " atoms, and the bound is %" PRIu64
                           " (--atoms-max)",
                           place->text, load->atoms, node->options.atoms_max);
    else
        reply_problem_open(reply, 507, "filters-full", "Too many ranked filters", "%sat most %d filters can be ranked",
                           place->text, FILTERS_RANKED_MAX);
    append_place(reply, bound == BOUND_RANKED ? "ranked" : "filter_id", place);
}

/* The filter that is named is the first that there is no room for; the numbers are those with all of them. */
static bool bounds_hold(const struct node *node, const struct filter_change *changes, size_t count,
                        const struct filter_list *list, struct reply *reply) {
    const struct filters *filters = journal_filters(node->journal);
    struct load load = {filters_standing(filters), atoms_live(filters_atoms(filters)), filters_ranked(filters)};
    enum bound passed = BOUND_NONE;
    uint32_t id = 0;
    CHECK(load.ranked <= load.standing);
    for (size_t i = 0; i < count; i++) {
        if (changes[i].action != FILTER_CREATE) continue;
        add_to_load(&load, filters, changes[i].filter);
        if (passed != BOUND_NONE) continue;
        passed = bound_passed(node, filters, &load);
        id = changes[i].id;
    }
    if (passed == BOUND_NONE) return true;
    const struct place place = place_of(list, id);
    refuse_load(node, passed, &load, &place, reply);
    return false;
}

static void refuse_create(struct reply *reply, enum filters_verdict verdict, const struct filter_list *list, uint32_t id) {
    const struct place place = place_of(list, id);
    CHECK(verdict == FILTERS_CONFLICT || verdict == FILTERS_DELETED);
    if (verdict == FILTERS_CONFLICT)
        reply_problem_open(reply, 409, "filter-exists", "Filter exists",
                           "%sthere is a filter %u with another content; filters never change: take another id", place.text,
                           id);
    else
        reply_problem_open(reply, 409, "filter-deleted", "Filter was deleted",
                           "%sfilter %u was deleted, and its id stays taken: take another id", place.text, id);
    append_place(reply, "filter_id", &place);
}

static void refuse_change(struct reply *reply, enum filters_verdict verdict, enum filter_action action,
                          const struct filter_list *list, uint32_t id) {
    CHECK(verdict != FILTERS_OK && verdict != FILTERS_SAME);
    if (action == FILTER_CREATE)
        refuse_create(reply, verdict, list, id);
    else if (verdict == FILTERS_DELETED)
        reply_problem(reply, 409, "filter-deleted", "Filter was deleted", "filter %u was deleted before", id);
    else
        reply_problem(reply, 404, "unknown-filter", "Unknown filter", "there is no filter %u", id);
}

/* The changes that are still to be made, of `count` wanted ones; false with a problem of the first that cannot be. `list`:
 * what the filters to be made came in. */
static bool check_changes(const struct node *node, struct filter_change *changes, size_t count,
                          const struct filter_list *list, size_t *left, struct reply *reply) {
    *left = 0;
    for (size_t i = 0; i < count; i++) {
        enum filters_verdict verdict =
            filters_check(journal_filters(node->journal), changes[i].action, changes[i].id, changes[i].filter);
        CHECK(*left <= i);
        if (verdict == FILTERS_OK) changes[(*left)++] = changes[i];
        if (verdict == FILTERS_OK || verdict == FILTERS_SAME) continue;
        refuse_change(reply, verdict, changes[i].action, list, changes[i].id);
        return false;
    }
    return bounds_hold(node, changes, *left, list, reply);
}

void node_note_filters(struct node *node, struct journal_record *record) {
    if (record->sub_block_count == 0 || record->sub_blocks[0].kind != SUB_BLOCK_FILTERS) return;
    atomic_store(&node->journal_filters_bytes, filters_memory_bytes(journal_filters(node->journal)));
    pthread_mutex_lock(&node->mail_lock);
    if (node->filter_mail_count == node->filter_mail_capacity) {
        node->filter_mail_capacity = node->filter_mail_capacity * 2 + 16;
        node->filter_mail = memory_resize(node->filter_mail, node->filter_mail_capacity * sizeof(struct journal_record *));
    }
    CHECK(node->filter_mail_count < node->filter_mail_capacity);
    node->filter_mail[node->filter_mail_count++] = journal_record_hold(record);
    pthread_mutex_unlock(&node->mail_lock);
}

static struct filter_change *changes_of(const struct control *control, size_t *count) {
    *count = control->kind == CONTROL_CREATE ? control->list.count : 1;
    CHECK((control->kind == CONTROL_CREATE) == (control->id == 0));
    struct filter_change *changes = memory_allocate_zeroed(*count, sizeof *changes);
    for (size_t i = 0; control->kind == CONTROL_CREATE && i < *count; i++)
        changes[i] = (struct filter_change){FILTER_CREATE, control->list.filters[i]->id, control->list.filters[i]};
    if (control->kind != CONTROL_CREATE)
        changes[0] =
            (struct filter_change){control->kind == CONTROL_DELETE ? FILTER_DELETE : FILTER_RECALCULATE, control->id, NULL};
    return changes;
}

static enum status commit_changes(struct node *node, const struct filter_change *changes, size_t count,
                                  struct failure *failure) {
    struct journal_record *record = NULL;
    const struct clock *clock = &node->seam.clock;
    enum status status =
        journal_commit_filters(node->journal, changes, count, clock_wall(clock), clock_mono(clock), &record, failure);
    if (status != STATUS_OK) return status;
    CHECK(count > 0 && record->sub_blocks[0].count == count); /* one record, a copy of each change in every partition */
    CHECK(record->sub_block_count == node->partition_count);
    node_note_durable(node, record);
    node_note_filters(node, record);
    node_distribute(node, record, false);
    journal_record_release(record);
    return STATUS_OK;
}

bool node_commit_control(struct node *node) {
    pthread_mutex_lock(&node->mail_lock);
    struct control *control = node->control_queue;
    if (control != NULL) node->control_queue = control->next;
    pthread_mutex_unlock(&node->mail_lock);
    if (control == NULL) return false;
    struct reply reply = {.body_file = -1};
    struct failure failure = {0};
    size_t count, left;
    struct filter_change *changes = changes_of(control, &count);
    enum status status = STATUS_OK;
    if (!check_changes(node, changes, count, &control->list, &left, &reply)) {
        control_finish(node, control, &reply);
        free(changes);
        return true;
    }
    CHECK(left <= count);
    if (left > 0) status = commit_changes(node, changes, left, &failure);
    free(changes);
    control->changed = left;
    control->number = filters_number(journal_filters(node->journal));
    if (status == STATUS_OK)
        push_unless_failed(node, &node->control_waiting, control);
    else
        control_refuse_now(node, control,
                           status == STATUS_AGAIN ? node_refusal_text(NODE_REFUSES_CLOCK)
                                                  : node_refusal_text(NODE_REFUSES_FAILED));
    if (status != STATUS_OK && status != STATUS_AGAIN) node_fail(node, &failure);
    node_wake(node, NODE_STAGE_REDUCE, 0);
    return true;
}

/* Those of the configuration: all are checked before the first is written. */
enum status node_commit_configured_filters(struct node *node, struct failure *failure) {
    const struct filter_list *wanted = node->options.filters;
    if (wanted == NULL || wanted->count == 0) return STATUS_OK;
    struct reply refusal = {.body_file = -1};
    struct filter_change *changes = memory_allocate_zeroed(wanted->count, sizeof *changes);
    for (size_t i = 0; i < wanted->count; i++)
        changes[i] = (struct filter_change){FILTER_CREATE, wanted->filters[i]->id, wanted->filters[i]};
    size_t left = 0;
    enum status status = STATUS_OK;
    if (!check_changes(node, changes, wanted->count, wanted, &left, &refusal)) {
        status = failure_set(failure, STATUS_BAD_CONFIG,
                             "the filters of the configuration cannot be taken over, and none of them was: %.*s",
                             (int)refusal.body.len, (const char *)refusal.body.at);
    } else if (left > 0) {
        CHECK(left <= wanted->count);
        status = commit_changes(node, changes, left, failure);
    }
    buffer_fini(&refusal.body);
    free(changes);
    return status;
}

/* --- the reducer's step --- */

void node_apply_filter_mail(struct node *node) {
    pthread_mutex_lock(&node->mail_lock);
    size_t count = node->filter_mail_count, taken = 0;
    while (taken < count) {
        const struct sub_block *block = &node->filter_mail[taken]->sub_blocks[0];
        CHECK(block->kind == SUB_BLOCK_FILTERS && block->count >= 1);
        if (block->filter_records[block->count - 1].number > view_filters_passed(node->view)) break;
        view_apply_filters(node->view, block->filter_records, block->count);
        CHECK(filters_number(view_filters(node->view)) <= view_filters_passed(node->view));
        journal_record_release(node->filter_mail[taken++]);
    }
    if (taken > 0) memmove(node->filter_mail, node->filter_mail + taken, (count - taken) * sizeof(struct journal_record *));
    node->filter_mail_count -= taken;
    pthread_mutex_unlock(&node->mail_lock);
}

static void answer_create(const struct node *node, const struct control *control, struct reply *reply) {
    const struct filters *filters = view_filters(node->view);
    struct filter_progress progress = node_recalculation(node);
    struct buffer body = {0};
    CHECK(control->changed <= control->list.count && filters_number(filters) >= control->number);
    if (control->is_list)
        buffer_printf(&body, "{\"created\":%zu,\"unchanged\":%zu,\"filters\":[", control->changed,
                      control->list.count - control->changed);
    for (size_t i = 0; i < control->list.count; i++) {
        const struct stored_filter *stored = filters_find(filters, control->list.filters[i]->id);
        CHECK(stored != NULL); /* its record was applied */
        if (i > 0) buffer_append_text(&body, ",");
        filter_json_append(&body, filters, stored, &progress);
    }
    buffer_append_text(&body, control->is_list ? "]}\n" : "\n");
    *reply = (struct reply){
        .http_status = control->changed > 0 ? 201 : 200, .content_type = "application/json", .body = body, .body_file = -1};
}

static void answer_other(const struct node *node, const struct control *control, struct reply *reply) {
    const struct filters *filters = view_filters(node->view);
    struct filter_progress progress = node_recalculation(node);
    struct buffer body = {0};
    const struct stored_filter *stored = filters_find(filters, control->id);
    CHECK(stored != NULL && stored->deleted >= (control->kind == CONTROL_DELETE && control->changed > 0));
    filter_json_append(&body, filters, stored, &progress);
    buffer_append_text(&body, "\n");
    CHECK(control->changed <= 1);
    unsigned http_status = control->kind == CONTROL_RECALCULATE && control->changed > 0 ? 202 : 200;
    *reply = (struct reply){.http_status = http_status, .content_type = "application/json", .body = body, .body_file = -1};
}

bool node_answer_controls(struct node *node) {
    uint32_t applied = filters_number(view_filters(node->view)); /* only this thread changes it */
    struct control *ready = NULL;
    pthread_mutex_lock(&node->mail_lock);
    for (struct control **at = &node->control_waiting; *at != NULL;) {
        struct control *control = *at;
        if (control->number > applied) {
            at = &control->next;
            continue;
        }
        *at = control->next;
        CHECK(control->changed == 0 || control->number > 0);
        push(&ready, control);
    }
    pthread_mutex_unlock(&node->mail_lock);
    bool did = ready != NULL;
    while (ready != NULL) {
        struct control *control = ready;
        struct reply reply = {.body_file = -1};
        ready = control->next;
        if (control->kind == CONTROL_CREATE)
            answer_create(node, control, &reply);
        else
            answer_other(node, control, &reply);
        control_finish(node, control, &reply);
    }
    return did;
}

void node_control_fini(struct node *node) {
    CHECK(node->control_queue == NULL && node->control_waiting == NULL);
    for (size_t i = 0; i < node->filter_mail_count; i++) journal_record_release(node->filter_mail[i]);
    free(node->filter_mail);
}
