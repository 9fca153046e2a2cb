#include "oracle/oracle_filters.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

/* What is counted for filters: clicks from a net (NULL: any) of a user (NULL: any). */
struct predicate {
    const struct filter_net *net;
    const struct bytes *user;
    size_t uses; /* by standing filters; none: it is counted no more */
    bool has_clicks, recalculated;
    struct minute covers_from;
};

struct oracle_filters {
    const struct oracle *oracle;
    struct oracle_filter *filters;
    size_t filter_count;
    struct predicate *predicates;
    size_t predicate_count;
};

void oracle_filters_destroy(struct oracle_filters *filters) {
    free(filters->filters);
    free(filters->predicates);
    free(filters);
}

/* --- predicates --- */

static bool same_net(const struct filter_net *a, const struct filter_net *b) {
    if (a == NULL || b == NULL) return a == b;
    return memcmp(a, b, sizeof *a) == 0;
}

static bool same_user(const struct bytes *a, const struct bytes *b) {
    if (a == NULL || b == NULL) return a == b;
    return bytes_equal(*a, *b);
}

static struct predicate *find_predicate(const struct oracle_filters *filters, const struct filter_net *net,
                                        const struct bytes *user) {
    for (size_t i = 0; i < filters->predicate_count; i++) {
        struct predicate *predicate = &filters->predicates[i];
        if (predicate->uses > 0 && same_net(predicate->net, net) && same_user(predicate->user, user)) return predicate;
    }
    return NULL;
}

/* "None of" is "any, less each of the list", so it needs both; "any" is what index `count` stands for. */
static bool needs(enum filter_mode mode, size_t index, size_t count) {
    return index < count ? mode != FILTER_ANY : mode != FILTER_ONE_OF;
}

typedef void predicate_visit(struct oracle_filters *filters, const struct filter_net *net, const struct bytes *user,
                             void *context);

/* Those of a filter, without "any of any", which is always counted. */
static void visit_predicates(struct oracle_filters *filters, const struct filter *filter, predicate_visit *visit,
                             void *context) {
    for (size_t n = 0; n <= filter->ip_count; n++) {
        for (size_t u = 0; u <= filter->user_count; u++) {
            if (!needs(filter->ip_mode, n, filter->ip_count) || !needs(filter->user_mode, u, filter->user_count)) continue;
            const struct filter_net *net = n < filter->ip_count ? &filter->nets[n] : NULL;
            const struct bytes *user = u < filter->user_count ? &filter->users[u] : NULL;
            if (net != NULL || user != NULL) visit(filters, net, user, context);
        }
    }
}

static void use_predicate(struct oracle_filters *filters, const struct filter_net *net, const struct bytes *user,
                          void *context) {
    const struct predicate *fresh = context;
    struct predicate *predicate = find_predicate(filters, net, user);
    if (predicate == NULL) {
        filters->predicates =
            memory_resize(filters->predicates, (filters->predicate_count + 1) * sizeof *filters->predicates);
        predicate = &filters->predicates[filters->predicate_count++];
        *predicate = *fresh;
        predicate->net = net;
        predicate->user = user;
    }
    predicate->uses++;
}

static void release_predicate(struct oracle_filters *filters, const struct filter_net *net, const struct bytes *user,
                              void *context) {
    (void)context;
    struct predicate *predicate = find_predicate(filters, net, user);
    CHECK(predicate != NULL);
    predicate->uses--;
}

static void recalculate_predicate(struct oracle_filters *filters, const struct filter_net *net, const struct bytes *user,
                                  void *context) {
    (void)context;
    struct predicate *predicate = find_predicate(filters, net, user);
    CHECK(predicate != NULL);
    predicate->recalculated = true;
}

/* --- the records --- */

static struct oracle_filter *find_filter(const struct oracle_filters *filters, uint32_t id) {
    for (size_t i = 0; i < filters->filter_count; i++)
        if (filters->filters[i].filter->id == id) return &filters->filters[i];
    return NULL;
}

/* Over all partitions; false: there is none. */
static bool highest_before(const struct oracle *oracle, uint64_t commit, struct minute *highest) {
    size_t count;
    bool any = false;
    const struct oracle_record *records = oracle_records(oracle, &count);
    for (size_t i = 0; i < count; i++) {
        if (records[i].kind != ORACLE_CLICK || records[i].commit >= commit) continue;
        struct minute minute = {(uint32_t)(records[i].click.time.ms / 60000)};
        if (!any || minute.index > highest->index) *highest = minute;
        any = true;
    }
    return any;
}

static bool same_record(const struct oracle_record *a, const struct oracle_record *b) {
    struct buffer left = {0}, right = {0};
    filter_record_encode(&a->filter_record, &left);
    filter_record_encode(&b->filter_record, &right);
    bool same = a->commit == b->commit && bytes_equal(buffer_view(&left), buffer_view(&right));
    buffer_fini(&left);
    buffer_fini(&right);
    return same;
}

static const char *apply_create(struct oracle_filters *filters, const struct oracle_record *record) {
    const struct filter_record *change = &record->filter_record;
    struct minute highest = {0};
    bool has_clicks = highest_before(filters->oracle, record->commit, &highest);
    struct predicate fresh = {.has_clicks = has_clicks, .covers_from = {highest.index + 1}};
    if (find_filter(filters, change->id) != NULL) return "it creates a filter whose id is taken";
    if (change->has_clicks != has_clicks || (has_clicks && change->covers_from.index != fresh.covers_from.index))
        return "it does not cover from the first minute later than every click before it";
    filters->filters = memory_resize(filters->filters, (filters->filter_count + 1) * sizeof *filters->filters);
    filters->filters[filters->filter_count++] = (struct oracle_filter){change->filter, change->number, false};
    visit_predicates(filters, change->filter, use_predicate, &fresh);
    return NULL;
}

/* NULL, or what is wrong with it. */
static const char *apply(struct oracle_filters *filters, const struct oracle_record *record) {
    const struct filter_record *change = &record->filter_record;
    if (change->action == FILTER_CREATE) return apply_create(filters, record);
    struct oracle_filter *named = find_filter(filters, change->id);
    if (named == NULL || named->deleted) return "it names a filter that does not stand";
    named->deleted = change->action == FILTER_DELETE;
    visit_predicates(filters, named->filter, named->deleted ? release_predicate : recalculate_predicate, NULL);
    return NULL;
}

/* The next filter record of the partition after `at`; the end when there is none. */
static size_t next_of(const struct oracle_record *records, size_t count, size_t at, uint32_t partition) {
    while (at < count && (records[at].kind != ORACLE_FILTER || records[at].partition != partition)) at++;
    return at;
}

static const char *compare_partition(const struct oracle_record *records, size_t count, uint32_t partition) {
    size_t first = next_of(records, count, 0, 0), other = next_of(records, count, 0, partition);
    while (first < count && other < count && same_record(&records[first], &records[other])) {
        first = next_of(records, count, first + 1, 0);
        other = next_of(records, count, other + 1, partition);
    }
    return first == count && other == count ? NULL : "it is not the same in all partitions";
}

struct oracle_filters *oracle_filters_create(const struct oracle *oracle, char flaw[256]) {
    size_t count;
    uint32_t number = 0;
    const char *why = NULL;
    const struct oracle_record *records = oracle_records(oracle, &count);
    struct oracle_filters *filters = memory_allocate_zeroed(1, sizeof *filters);
    filters->oracle = oracle;
    for (size_t i = next_of(records, count, 0, 0); i < count && why == NULL; i = next_of(records, count, i + 1, 0))
        why = records[i].filter_record.number == ++number ? apply(filters, &records[i]) : "its number is not the next";
    for (size_t i = 1; i < count && why == NULL; i++)
        if (records[i].partition != records[i - 1].partition) why = compare_partition(records, count, records[i].partition);
    flaw[0] = '\0';
    if (why != NULL) (void)snprintf(flaw, 256, "filter record %u or a later one: %s", number, why);
    return filters;
}

const struct oracle_filter *oracle_filters_all(const struct oracle_filters *filters, size_t *count) {
    *count = filters->filter_count;
    return filters->filters;
}

/* --- from when --- */

struct cover {
    enum oracle_cover cover;
    struct minute covers_from;
};

static void cover_predicate(struct oracle_filters *filters, const struct filter_net *net, const struct bytes *user,
                            void *context) {
    struct cover *cover = context;
    const struct predicate *predicate = find_predicate(filters, net, user);
    if (predicate == NULL) cover->cover = ORACLE_COVERS_NOTHING;
    if (cover->cover == ORACLE_COVERS_NOTHING || !predicate->has_clicks || predicate->recalculated) return;
    if (cover->cover == ORACLE_COVERS_ALL || predicate->covers_from.index > cover->covers_from.index)
        cover->covers_from = predicate->covers_from;
    cover->cover = ORACLE_COVERS_PART;
}

enum oracle_cover oracle_filters_cover(const struct oracle_filters *filters, const struct filter *filter,
                                       struct minute *covers_from) {
    struct cover cover = {.cover = ORACLE_COVERS_ALL};
    visit_predicates((struct oracle_filters *)(uintptr_t)filters, filter, cover_predicate, &cover);
    *covers_from = cover.covers_from;
    return cover.cover;
}
