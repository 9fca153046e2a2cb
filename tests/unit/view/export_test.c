/* Tables of a view that is driven as a node drives it, against plain loops over the clicks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random_sequence.h"
#include "click/country.h"
#include "click/ip.h"
#include "click/timestamp.h"
#include "fake/fake_kv.h"
#include "view/export_internal.h"

enum { PARTITIONS = 2, NOON = 12 * 60, ADS = 5, MINUTES = 400, CLICKS_MAX = 16384, RECORDS_MAX = 64, ATOMS = 512 };
/* In the order of their bytes. */
static const char *const ad_names[ADS] = {"a,\"x\"", "ad", "ad1", "b", "zo\xC3\xAB"};
static const char *const countries[] = {"CHN", "DEU", "USA", "ZZZ"};
static const char *const ips[] = {"10.1.2.3", "10.1.200.9", "10.200.0.1", "10.1.xxx.3", "207.148.22.22", "2001:db8::1"};
static const char *const users[] = {"111", "222", "u\"3"};
enum { COUNTRIES = 4, IPS = 6, USERS = 3 };
#define TEXT(text) bytes_of_text(text)

struct made {
    uint32_t partition, ad, minute, country;
    struct ip ip;
    struct bytes user;
};

struct bench {
    struct fake_kv *fake;
    struct kv kv;
    struct store *store;
    struct ads *ads;
    struct view *view;
    struct atoms *atoms; /* the aggregators' */
    uint64_t offsets[PARTITIONS];
    struct verdict_totals totals[PARTITIONS];
    struct made clicks[CLICKS_MAX];
    size_t click_count;
    uint32_t highest, w; /* minutes */
    struct filter_record records[RECORDS_MAX];
    struct filter *filters[RECORDS_MAX];
    size_t born[RECORDS_MAX + 1]; /* clicks before the record */
    size_t record_count;
    struct random_sequence random;
};

static uint64_t below(struct bench *bench, uint64_t bound) {
    return random_sequence_below(&bench->random, bound);
}

static void open_view(struct bench *bench) {
    static const uint8_t uuid[16] = {1};
    struct view_bounds bounds = {1 << 24, 1 << 24, 1 << 30};
    bench->kv = fake_kv_table(bench->fake);
    bench->ads = ads_create(1);
    assert_int_equal(store_open(&bench->kv, uuid, PARTITIONS, &bench->store, NULL), STATUS_OK);
    bench->view = view_create(bench->store, &bench->kv, bench->ads, PARTITIONS, &bounds);
    assert_int_equal(view_load(bench->view, NULL), STATUS_OK);
    for (uint32_t p = 0; p < PARTITIONS; p++) view_pass_filters(bench->view, p, (uint32_t)bench->record_count);
    view_apply_filters(bench->view, bench->records, bench->record_count);
}

static void close_view(struct bench *bench) {
    view_destroy(bench->view);
    store_destroy(bench->store);
    ads_destroy(bench->ads);
}

static struct bench *begin(uint64_t seed) {
    struct bench *bench = calloc(1, sizeof *bench);
    bench->fake = fake_kv_create();
    bench->atoms = atoms_create();
    bench->random.state = seed;
    bench->w = NOON;
    open_view(bench);
    return bench;
}

static void end(struct bench *bench) {
    close_view(bench);
    for (size_t i = 0; i < bench->record_count; i++)
        if (bench->filters[i] != NULL) filter_destroy(bench->filters[i]);
    atoms_destroy(bench->atoms);
    fake_kv_destroy(bench->fake);
    free(bench);
}

static struct made made_click(uint32_t partition, uint32_t ad, uint32_t minute, uint32_t country, const char *ip,
                              const char *user) {
    struct made made = {partition, ad, minute, country, {0}, TEXT(user)};
    uint8_t form;
    assert_true(ip_parse(TEXT(ip), &made.ip, &form));
    return made;
}

static struct country country_at(uint32_t index) {
    const uint8_t *at = (const uint8_t *)countries[index];
    return (struct country){(uint16_t)(((at[0] - 'A') * 26 + (at[1] - 'A')) * 26 + (at[2] - 'A'))};
}

/* `count` clicks of one partition, as its aggregator hands them on. */
static void apply(struct bench *bench, uint32_t p, const struct made *clicks, size_t count) {
    struct partial partial = {.partition = p, .from = {bench->offsets[p]}, .to = {bench->offsets[p] + count}};
    for (size_t i = 0; i < count; i++) {
        struct bytes id = TEXT(ad_names[clicks[i].ad]);
        uint32_t ad = ads_index(bench->ads, id, ads_hash(bench->ads, id)), atoms[ATOMS_MATCH_MAX];
        struct minute minute = {clicks[i].minute};
        size_t matched = atoms_match(bench->atoms, &clicks[i].ip, clicks[i].user, atoms);
        partial_push(&partial, (struct increment){minute, ad, country_at(clicks[i].country)});
        for (size_t k = 0; k < matched; k++)
            partial_push_atom(&partial, (struct atom_increment){minute, ad, atoms[k], country_at(clicks[i].country)});
        if (minute.index > bench->highest) bench->highest = minute.index;
        assert_true(bench->click_count < CLICKS_MAX);
        bench->clicks[bench->click_count++] = clicks[i];
    }
    watermark_init(&partial.watermark);
    partial.watermark.w = minute_start((struct minute){bench->w});
    partial.watermark.s = event_time_minus(partial.watermark.w, HOUR_MS);
    bench->totals[p].counted += count;
    partial.totals = bench->totals[p];
    view_apply(bench->view, &partial);
    view_publish(bench->view);
    bench->offsets[p] += count;
    partial_fini(&partial);
}

static void apply_record(struct bench *bench, struct filter_record record) {
    struct filter_term *terms;
    assert_true(bench->record_count < RECORDS_MAX);
    record.number = (uint32_t)bench->record_count + 1;
    bench->born[record.number] = bench->click_count;
    bench->records[bench->record_count++] = record;
    for (uint32_t p = 0; p < PARTITIONS; p++) view_pass_filters(bench->view, p, record.number);
    view_apply_filters(bench->view, &record, 1);
    const struct stored_filter *stored = filters_find(view_filters(bench->view), record.id);
    terms = malloc(stored->term_count * sizeof *terms);
    if (record.action == FILTER_CREATE) {
        atoms_use(bench->atoms, record.filter, terms);
        assert_memory_equal(terms, stored->terms, stored->term_count * sizeof *terms);
    } else {
        atoms_release(bench->atoms, stored->filter);
    }
    free(terms);
}

static void create(struct bench *bench, uint32_t id, const char *region, const char *ip, const char *user, bool ranked) {
    struct filter_flaw flaw;
    struct filter *filter;
    assert_true(filter_parse(id, TEXT(region), TEXT(ip), TEXT(user), ranked, &filter, &flaw));
    bench->filters[bench->record_count] = filter;
    apply_record(bench, (struct filter_record){.action = FILTER_CREATE,
                                               .id = id,
                                               .filter = filter,
                                               .has_clicks = bench->click_count > 0,
                                               .covers_from = {bench->highest + 1}});
}

static void delete (struct bench *bench, uint32_t id) {
    apply_record(bench, (struct filter_record){.action = FILTER_DELETE, .id = id});
}

static void checkpoint(struct bench *bench) {
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        assert_int_equal(view_checkpoint_write(bench->view, p, NULL), STATUS_OK);
        view_checkpoint_done(bench->view, p);
    }
}

/* Counts what came before the filter's atoms, as a recalculation does. */
static void backfill(struct bench *bench, uint32_t id) {
    const struct filters *filters = view_filters(bench->view);
    const struct stored_filter *stored = filters_find(filters, id);
    uint32_t atoms[FILTER_TERMS_MAX], run = stored->number;
    size_t count = 0;
    for (size_t i = 0; i < stored->term_count; i++) {
        bool backfilled = false;
        if (stored->terms[i].atom == ATOM_ALL) continue;
        filters_atom_born(filters, stored->terms[i].atom, &backfilled);
        if (!backfilled) atoms[count++] = stored->terms[i].atom;
    }
    for (uint32_t p = 0; p < PARTITIONS; p++)
        for (uint32_t minute = NOON - 60; minute < NOON + MINUTES; minute++) {
            struct atom_cell cells[1024];
            size_t cell_count = 0, merged = 0;
            for (size_t i = 0; i < stored->term_count; i++) {
                struct atoms *one = atoms_create();
                bool backfilled = false;
                uint32_t atom = stored->terms[i].atom, matched[ATOMS_MATCH_MAX];
                if (atom != ATOM_ALL) atoms_put(one, stored->filter, i, atom);
                size_t born = atom != ATOM_ALL ? bench->born[filters_atom_born(filters, atom, &backfilled)] : 0;
                for (size_t k = 0; k < born && !backfilled; k++) {
                    const struct made *click = &bench->clicks[k];
                    if (click->partition != p || click->minute != minute ||
                        atoms_match(one, &click->ip, click->user, matched) == 0)
                        continue;
                    struct bytes ad = TEXT(ad_names[click->ad]);
                    assert_true(cell_count < 1024);
                    cells[cell_count++] = (struct atom_cell){atom, ads_index(bench->ads, ad, ads_hash(bench->ads, ad)),
                                                             country_at(click->country), 1};
                }
                atoms_destroy(one);
            }
            if (cell_count > 0) qsort(cells, cell_count, sizeof cells[0], atom_cell_compare);
            for (size_t i = 0; i < cell_count; i++) {
                if (merged > 0 && atom_cell_compare(&cells[merged - 1], &cells[i]) == 0)
                    cells[merged - 1].count++;
                else
                    cells[merged++] = cells[i];
            }
            if (merged > 0)
                assert_int_equal(store_write_history(bench->store, run, p, (struct minute){minute}, cells, merged, NULL),
                                 STATUS_OK);
        }
    assert_int_equal(store_mark_backfilled(bench->store, run, atoms, count, NULL), STATUS_OK);
    view_backfilled(bench->view, run, atoms, count);
}

/* --- the plain loops --- */

static void append_ad(struct buffer *csv, uint32_t ad) {
    buffer_append_text(csv, ad == 0 ? "\"a,\"\"x\"\"\"" : ad_names[ad]);
}

static void append_minute(struct buffer *csv, uint32_t minute) {
    char text[TIMESTAMP_TEXT_BYTES];
    timestamp_text(minute_start((struct minute){minute}), text);
    buffer_printf(csv, ",%s,", text);
}

/* Every click, by every filter. */
static void plain_counts(struct bench *bench, struct buffer *csv) {
    const struct filters *filters = view_filters(bench->view);
    const struct stored_filter *stored;
    buffer_append_text(csv, "ad_id,minute,filter_id,count\n");
    for (uint32_t ad = 0; ad < ADS; ad++)
        for (uint32_t minute = NOON - 60; minute < NOON + MINUTES; minute++)
            for (uint32_t id = 0; id == 0 || (stored = filters_next(filters, id)) != NULL; id++) {
                struct minute covers_from = {0};
                if (id > 0) id = stored->filter->id;
                if (id > 0 && filters_covers_from(filters, stored, &covers_from) && minute < covers_from.index) continue;
                uint32_t count = 0;
                for (size_t i = 0; i < bench->click_count; i++) {
                    const struct made *click = &bench->clicks[i];
                    if (click->ad != ad || click->minute != minute) continue;
                    count += id == 0 || filter_matches(stored->filter, country_at(click->country), &click->ip, click->user);
                }
                if (count == 0) continue;
                append_ad(csv, ad);
                append_minute(csv, minute);
                buffer_printf(csv, "%u,%u\n", id, count);
            }
}

/* Whether the click is in the atom's cells: it came after the atom's record, or the atom has its history. */
static bool is_counted(struct bench *bench, const struct stored_filter *stored, size_t term, size_t click) {
    bool backfilled;
    uint32_t matched[ATOMS_MATCH_MAX];
    uint32_t born = filters_atom_born(view_filters(bench->view), stored->terms[term].atom, &backfilled);
    struct atoms *one = atoms_create();
    atoms_put(one, stored->filter, term, stored->terms[term].atom);
    bool matches = atoms_match(one, &bench->clicks[click].ip, bench->clicks[click].user, matched) == 1;
    atoms_destroy(one);
    return matches && (backfilled || click >= bench->born[born]);
}

/* Every click, by every atom of the filters that stand. */
static void plain_cells(struct bench *bench, struct buffer *csv) {
    typedef uint16_t table[MINUTES + 60][ATOMS][COUNTRIES];
    table *counts = calloc(ADS, sizeof *counts);
    const struct filters *filters = view_filters(bench->view);
    const struct stored_filter *stored;
    bool seen[ATOMS] = {false};
    for (size_t i = 0; i < bench->click_count; i++)
        counts[bench->clicks[i].ad][bench->clicks[i].minute - NOON + 60][0][bench->clicks[i].country]++;
    for (uint32_t id = 1; (stored = filters_next(filters, id)) != NULL; id = stored->filter->id + 1)
        for (size_t term = 0; term < stored->term_count; term++) {
            uint32_t atom = stored->terms[term].atom;
            assert_true(atom < ATOMS);
            if (atom == ATOM_ALL || seen[atom]) continue;
            seen[atom] = true;
            for (size_t i = 0; i < bench->click_count; i++)
                if (is_counted(bench, stored, term, i))
                    counts[bench->clicks[i].ad][bench->clicks[i].minute - NOON + 60][atom][bench->clicks[i].country]++;
        }
    buffer_append_text(csv, "ad_id,minute,atom,country,count\n");
    for (uint32_t ad = 0; ad < ADS; ad++)
        for (uint32_t minute = 0; minute < MINUTES + 60; minute++)
            for (uint32_t atom = 0; atom < ATOMS; atom++)
                for (uint32_t country = 0; country < COUNTRIES; country++) {
                    if (counts[ad][minute][atom][country] == 0) continue;
                    append_ad(csv, ad);
                    append_minute(csv, minute + NOON - 60);
                    buffer_printf(csv, "%u,%s,%u\n", atom, countries[country], counts[ad][minute][atom][country]);
                }
    free(counts);
}

/* --- exports --- */

static enum status append(void *context, struct bytes part) {
    buffer_append_bytes(context, part);
    return STATUS_OK;
}

static void export_table(struct bench *bench, struct view_export_wanted wanted, size_t cells_max, struct buffer *csv) {
    struct view_export *export;
    assert_int_equal(view_export_begin(bench->view, &wanted, &export, NULL), STATUS_OK);
    export->cells_max = cells_max;
    assert_int_equal(view_export_run(export, append, csv, NULL), STATUS_OK);
    view_export_destroy(export);
}

static void assert_csv(struct buffer *csv, struct buffer *expected) {
    buffer_append(csv, "", 1);
    buffer_append(expected, "", 1);
    assert_string_equal((const char *)csv->at, (const char *)expected->at);
    buffer_fini(csv);
    buffer_fini(expected);
}

static void expect(struct bench *bench, struct view_export_wanted wanted, const char *text) {
    struct buffer csv = {0}, expected = {0};
    export_table(bench, wanted, EXPORT_CELLS_MAX, &csv);
    buffer_append_text(&expected, text);
    assert_csv(&csv, &expected);
}

/* Cells of atoms that are not used any more, which the plain loop does not know, are taken out. */
static void keep_standing(struct bench *bench, struct buffer *csv) {
    const struct filters *filters = view_filters(bench->view);
    const struct stored_filter *stored;
    bool used[ATOMS] = {true};
    struct buffer kept = {0};
    for (uint32_t id = 1; (stored = filters_next(filters, id)) != NULL; id = stored->filter->id + 1)
        for (size_t i = 0; i < stored->term_count; i++) used[stored->terms[i].atom] = true;
    for (size_t at = 0; at < csv->len;) {
        const uint8_t *line = csv->at + at, *newline = memchr(line, '\n', csv->len - at),
                      *zone = memchr(line, 'Z', csv->len - at);
        size_t len = (size_t)(newline - line) + 1;
        if (at == 0 || used[strtoul((const char *)zone + 2, NULL, 10)]) buffer_append(&kept, line, len);
        at += len;
    }
    buffer_fini(csv);
    *csv = kept;
}

static void compare(struct bench *bench) {
    static const size_t maxima[] = {1, 7, 100, EXPORT_CELLS_MAX};
    struct buffer csv = {0}, expected = {0};
    export_table(bench, (struct view_export_wanted){.table = VIEW_TABLE_COUNTS}, maxima[below(bench, 4)], &csv);
    plain_counts(bench, &expected);
    assert_csv(&csv, &expected);
    export_table(bench, (struct view_export_wanted){.table = VIEW_TABLE_CELLS}, maxima[below(bench, 4)], &csv);
    keep_standing(bench, &csv);
    plain_cells(bench, &expected);
    assert_csv(&csv, &expected);
}

static void click_somehow(struct bench *bench) {
    struct made clicks[8];
    uint32_t p = (uint32_t)below(bench, PARTITIONS);
    size_t count = 1 + below(bench, 8);
    for (size_t i = 0; i < count; i++)
        clicks[i] =
            made_click(p, (uint32_t)below(bench, ADS), bench->w + 4 - (uint32_t)below(bench, below(bench, 8) == 0 ? 60 : 6),
                       (uint32_t)below(bench, COUNTRIES), ips[below(bench, IPS)], users[below(bench, USERS)]);
    bench->w += below(bench, 3) == 0;
    apply(bench, p, clicks, count);
}

static void create_somehow(struct bench *bench) {
    static const char *const regions[] = {"*", "*", "USA", "!USA", "CHN|DEU", "!ZZZ|USA"};
    static const char *const nets[] = {
        "*", "*", "10.1.2.3", "10.0.0.0/8", "!10.1.0.0/16|2001:db8::1", "!207.148.22.22|10.1.xxx.3"};
    static const char *const people[] = {"*", "*", "111", "!111", "111|u\"3", "!222|111"};
    uint32_t id = 1 + (uint32_t)below(bench, 200);
    if (bench->record_count == RECORDS_MAX || filters_find(view_filters(bench->view), id) != NULL) return;
    create(bench, id, regions[below(bench, 6)], nets[below(bench, 6)], people[below(bench, 6)], false);
}

static void change_somehow(struct bench *bench) {
    const struct filters *filters = view_filters(bench->view);
    const struct stored_filter *stored = filters_next(filters, 1 + (uint32_t)below(bench, 200));
    struct minute covers_from;
    if (stored == NULL) return;
    if (below(bench, 2) == 0) {
        if (bench->record_count < RECORDS_MAX) delete (bench, stored->filter->id);
    } else if (filters_covers_from(filters, stored, &covers_from)) {
        backfill(bench, stored->filter->id);
    }
}

static void counts_and_cells_equal_plain_loops_over_the_clicks(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct bench *bench = begin(seed);
        for (int step = 1; step <= 600; step++) {
            uint64_t dice = below(bench, 100);
            if (dice < 80)
                click_somehow(bench);
            else if (dice < 88)
                create_somehow(bench);
            else if (dice < 92)
                change_somehow(bench);
            else if (dice < 98)
                checkpoint(bench);
            if (dice == 99) {
                checkpoint(bench);
                close_view(bench);
                open_view(bench);
            }
            if (step % 120 == 0) compare(bench);
        }
        end(bench);
    }
}

static void an_export_is_of_one_cut(void **state) {
    (void)state;
    struct bench *bench = begin(1);
    struct view_export *counts, *filters;
    struct buffer csv = {0};
    struct made first = made_click(0, 3, NOON, 1, "10.1.2.3", "111");
    create(bench, 12, "*", "10.0.0.0/8", "*", false);
    apply(bench, 0, &first, 1);
    checkpoint(bench);
    apply(bench, 0, &first, 1);
    struct view_export_wanted of_counts = {.table = VIEW_TABLE_COUNTS}, of_filters = {.table = VIEW_TABLE_FILTERS};
    assert_int_equal(view_export_begin(bench->view, &of_counts, &counts, NULL), STATUS_OK);
    assert_int_equal(view_export_begin(bench->view, &of_filters, &filters, NULL), STATUS_OK);
    apply(bench, 0, &first, 1); /* after the cut */
    create(bench, 13, "*", "*", "*", false);
    delete (bench, 12);
    bench->w = NOON + 5;
    checkpoint(bench);
    assert_int_equal(view_export_run(counts, append, &csv, NULL), STATUS_OK);
    assert_int_equal(view_export_run(filters, append, &csv, NULL), STATUS_OK);
    view_export_destroy(counts);
    view_export_destroy(filters);
    buffer_append(&csv, "", 1);
    assert_string_equal((const char *)csv.at, "ad_id,minute,filter_id,count\n"
                                              "b,1970-01-01T12:00:00Z,0,2\n"
                                              "b,1970-01-01T12:00:00Z,12,2\n"
                                              "filter_id,region,ip,user_id,ranked,covers_from,number,deleted\n"
                                              "12,*,10.0.0.0/8,*,false,,1,false\n");
    buffer_fini(&csv);
    end(bench);
}

static void counts_are_of_named_filters_only_if_some_are_named(void **state) {
    (void)state;
    struct bench *bench = begin(1);
    struct made first = made_click(0, 3, NOON, 2, "10.1.2.3", "111");
    struct failure failure = {0};
    struct view_export *export;
    create(bench, 12, "USA", "*", "111", false);
    create(bench, 13, "*", "10.1.2.3", "*", false);
    create(bench, 14, "USA", "*", "*", false);
    delete (bench, 14);
    apply(bench, 0, &first, 1);
    static const uint32_t all[] = {0}, one[] = {13}, unknown[] = {12, 99}, deleted[] = {14};
    expect(bench, (struct view_export_wanted){VIEW_TABLE_COUNTS, all, 1},
           "ad_id,minute,filter_id,count\nb,1970-01-01T12:00:00Z,0,1\n");
    expect(bench, (struct view_export_wanted){VIEW_TABLE_COUNTS, one, 1},
           "ad_id,minute,filter_id,count\nb,1970-01-01T12:00:00Z,13,1\n");
    struct view_export_wanted wanted = {VIEW_TABLE_COUNTS, unknown, 2};
    assert_int_equal(view_export_begin(bench->view, &wanted, &export, &failure), STATUS_NOT_FOUND);
    assert_string_equal(failure.text, "there is no filter 99; 0 is all clicks");
    failure = (struct failure){0};
    wanted = (struct view_export_wanted){VIEW_TABLE_COUNTS, deleted, 1};
    assert_int_equal(view_export_begin(bench->view, &wanted, &export, &failure), STATUS_NOT_FOUND);
    assert_string_equal(failure.text, "filter 14 was deleted; its number stays taken");
    end(bench);
}

static void the_filter_table_has_all_that_were_ever_created(void **state) {
    (void)state;
    struct bench *bench = begin(1);
    struct made first = made_click(0, 3, NOON, 2, "10.1.2.3", "111");
    create(bench, 20, "usa|DEU", "*", "*", true);
    apply(bench, 0, &first, 1);
    create(bench, 3, "!USA", "10.0.0.0/8|2001:db8::/32", "u\"3|a, b", false);
    create(bench, 4, "*", "10.1.2.3", "!111", false);
    delete (bench, 4);
    expect(bench, (struct view_export_wanted){.table = VIEW_TABLE_FILTERS},
           "filter_id,region,ip,user_id,ranked,covers_from,number,deleted\n"
           "3,!USA,10.0.0.0/8|2001:db8::/32,\"a, b|u\"\"3\",false,1970-01-01T12:01:00Z,2,false\n"
           "4,*,10.1.2.3,!111,false,,3,true\n"
           "20,DEU|USA,*,*,true,,1,false\n");
    end(bench);
}

static void add_count(void *context, struct minute minute, uint64_t count) {
    (void)minute;
    *(uint64_t *)context += count;
}

static void the_history_of_a_minute_that_is_still_open_counts(void **state) {
    (void)state;
    struct bench *bench = begin(1);
    struct made first = made_click(1, 3, NOON, 2, "10.1.2.3", "111");
    apply(bench, 1, &first, 1);
    create(bench, 7, "*", "10.1.2.3", "*", false);
    static const uint32_t id[] = {7};
    expect(bench, (struct view_export_wanted){VIEW_TABLE_COUNTS, id, 1}, "ad_id,minute,filter_id,count\n");
    backfill(bench, 7);
    expect(bench, (struct view_export_wanted){VIEW_TABLE_COUNTS, id, 1},
           "ad_id,minute,filter_id,count\nb,1970-01-01T12:00:00Z,7,1\n");
    const struct stored_filter *stored = filters_find(view_filters(bench->view), 7);
    struct selection selection = selection_of(stored->filter, stored->terms, stored->term_count);
    struct minute from = {NOON}, to = {NOON + 1};
    struct ranked_ad ranked;
    uint64_t count = 0, sum = 0;
    size_t found = 0;
    assert_int_equal(view_count(bench->view, &selection, TEXT("b"), from, to, &count, NULL), STATUS_OK);
    assert_int_equal(view_visit_ad(bench->view, &selection, TEXT("b"), from, to, add_count, &sum, NULL), STATUS_OK);
    assert_int_equal(view_rank(bench->view, &selection, from, to, &ranked, 1, &found, NULL), STATUS_OK);
    assert_true(count == 1 && sum == 1 && found == 1 && ranked.count == 1);
    end(bench);
}

static void the_history_of_a_deleted_filters_atoms_is_left_out(void **state) {
    (void)state;
    struct bench *bench = begin(1);
    struct made clicks[] = {made_click(0, 3, NOON, 2, "10.1.2.3", "111"), made_click(0, 3, NOON + 1, 2, "10.1.2.3", "111")};
    apply(bench, 0, clicks, 1);
    create(bench, 7, "*", "10.1.2.3", "*", false);
    apply(bench, 0, clicks + 1, 1);
    backfill(bench, 7);
    expect(bench, (struct view_export_wanted){.table = VIEW_TABLE_CELLS},
           "ad_id,minute,atom,country,count\n"
           "b,1970-01-01T12:00:00Z,0,USA,1\nb,1970-01-01T12:00:00Z,1,USA,1\n"
           "b,1970-01-01T12:01:00Z,0,USA,1\nb,1970-01-01T12:01:00Z,1,USA,1\n");
    delete (bench, 7);
    expect(bench, (struct view_export_wanted){.table = VIEW_TABLE_CELLS},
           "ad_id,minute,atom,country,count\n"
           "b,1970-01-01T12:00:00Z,0,USA,1\n"
           "b,1970-01-01T12:01:00Z,0,USA,1\nb,1970-01-01T12:01:00Z,1,USA,1\n");
    end(bench);
}

static enum status refuse(void *context, struct bytes part) {
    (void)part;
    ++*(int *)context;
    return STATUS_NO_SPACE;
}

static void an_error_of_the_writer_ends_the_export(void **state) {
    (void)state;
    struct bench *bench = begin(1);
    struct made first = made_click(0, 3, NOON, 2, "10.1.2.3", "111");
    apply(bench, 0, &first, 1);
    for (enum view_table table = VIEW_TABLE_CELLS; table <= VIEW_TABLE_RANKINGS; table++) {
        struct view_export *export;
        struct view_export_wanted wanted = {.table = table};
        int written = 0;
        assert_int_equal(view_export_begin(bench->view, &wanted, &export, NULL), STATUS_OK);
        assert_int_equal(view_export_run(export, refuse, &written, NULL), STATUS_NO_SPACE);
        assert_int_equal(written, 1);
        view_export_destroy(export);
    }
    end(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_and_cells_equal_plain_loops_over_the_clicks),
        cmocka_unit_test(an_export_is_of_one_cut),
        cmocka_unit_test(counts_are_of_named_filters_only_if_some_are_named),
        cmocka_unit_test(the_filter_table_has_all_that_were_ever_created),
        cmocka_unit_test(the_history_of_a_minute_that_is_still_open_counts),
        cmocka_unit_test(the_history_of_a_deleted_filters_atoms_is_left_out),
        cmocka_unit_test(an_error_of_the_writer_ends_the_export),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
