#include "filter/filters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "filter_fixture.h"

/* `minute` 0: no clicks before. */
static void create(struct filters *filters, uint32_t id, const char *region, const char *ip, const char *user_id,
                   uint32_t minute) {
    struct filter *filter = parsed_as(id, region, ip, user_id, false);
    assert_int_equal(filters_check(filters, FILTER_CREATE, id, filter), FILTERS_OK);
    filters_apply(filters, &(struct filter_record){.number = filters_number(filters) + 1,
                                                   .action = FILTER_CREATE,
                                                   .id = id,
                                                   .filter = filter,
                                                   .has_clicks = minute > 0,
                                                   .covers_from = {minute}});
    filter_destroy(filter); /* it was borrowed */
}

static void change(struct filters *filters, enum filter_action action, uint32_t id) {
    assert_int_equal(filters_check(filters, action, id, NULL), FILTERS_OK);
    filters_apply(filters, &(struct filter_record){.number = filters_number(filters) + 1, .action = action, .id = id});
}

/* 0: everything. */
static uint32_t covers_from(const struct filters *filters, uint32_t id) {
    struct minute minute = {0};
    return filters_covers_from(filters, filters_find(filters, id), &minute) ? minute.index : 0;
}

static void an_id_is_taken_once_and_for_all(void **state) {
    (void)state;
    struct filters *filters = filters_create();
    struct filter *same = parsed_as(5, "us", "*", "111", false), *other = parsed_as(5, "USA", "*", "112", false),
                  *marked = parsed_as(5, "USA", "*", "111", true);
    assert_int_equal(filters_check(filters, FILTER_DELETE, 5, NULL), FILTERS_UNKNOWN);
    assert_int_equal(filters_check(filters, FILTER_RECALCULATE, 5, NULL), FILTERS_UNKNOWN);
    create(filters, 5, "USA", "*", "111", 0);
    assert_int_equal(filters_check(filters, FILTER_CREATE, 5, same), FILTERS_SAME);
    assert_int_equal(filters_check(filters, FILTER_CREATE, 5, other), FILTERS_CONFLICT);
    assert_int_equal(filters_check(filters, FILTER_CREATE, 5, marked), FILTERS_CONFLICT);
    change(filters, FILTER_DELETE, 5);
    assert_int_equal(filters_check(filters, FILTER_CREATE, 5, same), FILTERS_DELETED);
    assert_int_equal(filters_check(filters, FILTER_CREATE, 5, other), FILTERS_DELETED);
    assert_int_equal(filters_check(filters, FILTER_DELETE, 5, NULL), FILTERS_DELETED);
    assert_int_equal(filters_check(filters, FILTER_RECALCULATE, 5, NULL), FILTERS_DELETED);
    const struct stored_filter *stored = filters_find(filters, 5);
    assert_true(stored->deleted && filter_equal(stored->filter, same));
    assert_int_equal(stored->number, 1);
    assert_null(filters_find(filters, 4));
    assert_null(filters_find(filters, 6));
    filter_destroy(same);
    filter_destroy(other);
    filter_destroy(marked);
    filters_destroy(filters);
}

static void they_are_walked_by_id_without_those_deleted(void **state) {
    (void)state;
    struct filters *filters = filters_create();
    assert_null(filters_next(filters, 0));
    static const uint32_t ids[] = {50, 7, 999999999, 8, 1, 60};
    for (size_t i = 0; i < 6; i++) create(filters, ids[i], "USA", "*", "*", 0);
    change(filters, FILTER_DELETE, 8);
    change(filters, FILTER_DELETE, 999999999);
    static const uint32_t walked[] = {1, 7, 50, 60};
    uint32_t from = 0;
    for (size_t i = 0; i < 4; i++) {
        const struct stored_filter *stored = filters_next(filters, from);
        assert_int_equal(stored->filter->id, walked[i]);
        from = stored->filter->id + 1;
    }
    assert_null(filters_next(filters, from));
    assert_int_equal(filters_next(filters, 8)->filter->id, 50);
    assert_int_equal(filters_standing(filters), 4);
    assert_int_equal(filters_created(filters), 6);
    assert_true(filters_next_created(filters, 8)->filter->id == 8 && filters_next_created(filters, 8)->deleted);
    assert_int_equal(filters_next_created(filters, 61)->filter->id, 999999999);
    assert_null(filters_next_created(filters, 1000000000));
    assert_int_equal(filters_number(filters), 8);
    filters_destroy(filters);
}

static void a_filter_covers_from_the_latest_of_its_atoms(void **state) {
    (void)state;
    struct filters *filters = filters_create();
    create(filters, 1, "*", "*", "a", 0);
    assert_int_equal(covers_from(filters, 1), 0); /* there was no click before it */
    create(filters, 2, "*", "*", "b", 100);
    create(filters, 3, "*", "*", "b|c", 200);
    create(filters, 4, "USA", "*", "b", 300);
    create(filters, 5, "!USA", "*", "*", 400);
    create(filters, 6, "*", "*", "!a", 500);
    create(filters, 7, "*", "1.2.3.4", "!a", 600);
    assert_int_equal(covers_from(filters, 2), 100);
    assert_int_equal(covers_from(filters, 3), 200);
    assert_int_equal(covers_from(filters, 4), 100); /* the atom was there */
    assert_int_equal(covers_from(filters, 5), 0);   /* only a region */
    assert_int_equal(covers_from(filters, 6), 0);   /* all clicks but those of an atom that covers everything */
    assert_int_equal(covers_from(filters, 7), 600);
    change(filters, FILTER_DELETE, 1);
    change(filters, FILTER_DELETE, 6);
    create(filters, 8, "*", "*", "a", 700);
    assert_int_equal(covers_from(filters, 8), 700); /* released between: a new atom */
    filters_destroy(filters);
}

static void a_backfilled_atom_covers_everything(void **state) {
    (void)state;
    struct filters *filters = filters_create();
    create(filters, 1, "*", "*", "a", 100);
    create(filters, 2, "*", "*", "a|b", 200);
    const struct stored_filter *stored = filters_find(filters, 2);
    bool is_backfilled;
    assert_int_equal(filters_atom_born(filters, stored->terms[0].atom, &is_backfilled), 1);
    assert_int_equal(filters_atom_born(filters, stored->terms[1].atom, &is_backfilled), 2);
    assert_false(is_backfilled);
    filters_atom_backfilled(filters, stored->terms[1].atom);
    assert_int_equal(filters_atom_born(filters, stored->terms[1].atom, &is_backfilled), 2);
    assert_true(is_backfilled);
    assert_int_equal(covers_from(filters, 2), 100);
    filters_atom_backfilled(filters, stored->terms[0].atom);
    assert_int_equal(covers_from(filters, 2), 0);
    assert_int_equal(covers_from(filters, 1), 0);
    filters_destroy(filters);
}

static void recalculation_is_wanted_once_and_only_where_it_would_change_something(void **state) {
    (void)state;
    struct filters *filters = filters_create();
    create(filters, 1, "*", "*", "a", 100);
    create(filters, 2, "USA", "*", "*", 100);
    create(filters, 3, "CAN", "*", "a", 100);
    assert_int_equal(filters_check(filters, FILTER_RECALCULATE, 2, NULL), FILTERS_SAME);
    assert_false(filters_find(filters, 1)->recalculate_wanted);
    change(filters, FILTER_RECALCULATE, 1);
    assert_true(filters_find(filters, 1)->recalculate_wanted);
    assert_int_equal(filters_check(filters, FILTER_RECALCULATE, 1, NULL), FILTERS_SAME);
    filters_atom_backfilled(filters, filters_find(filters, 1)->terms[0].atom);
    assert_int_equal(filters_check(filters, FILTER_RECALCULATE, 3, NULL), FILTERS_SAME);
    /* A record that was written before the atom was backfilled is still taken when it is read. */
    filters_apply(filters, &(struct filter_record){.number = 5, .action = FILTER_RECALCULATE, .id = 3});
    assert_true(filters_find(filters, 3)->recalculate_wanted);
    filters_destroy(filters);
}

static void ranked_ones_are_counted_while_they_stand(void **state) {
    (void)state;
    struct filters *filters = filters_create();
    struct filter *filter = parsed_as(1, "USA", "*", "*", true);
    filters_apply(filters, &(struct filter_record){.number = 1, .action = FILTER_CREATE, .id = 1, .filter = filter});
    create(filters, 2, "USA", "*", "*", 0);
    assert_int_equal(filters_ranked(filters), 1);
    change(filters, FILTER_DELETE, 2);
    assert_int_equal(filters_ranked(filters), 1);
    change(filters, FILTER_DELETE, 1);
    assert_int_equal(filters_ranked(filters), 0);
    assert_int_equal(filters_standing(filters), 0);
    filter_destroy(filter);
    filters_destroy(filters);
}

/* Longer than what a table holds in place. */
#define LONG_USER "user-0123456789-0123456789-0123456789-0123456789-0123456789"

static void deleting_lets_go_of_atoms_that_no_other_filter_has(void **state) {
    (void)state;
    struct filters *filters = filters_create();
    create(filters, 1, "*", "10.0.0.0/8", "a|" LONG_USER, 100);
    create(filters, 2, "*", "10.0.0.0/8", LONG_USER, 100);
    assert_int_equal(atoms_live(filters_atoms(filters)), 2);
    const uint64_t bytes = filters_memory_bytes(filters);
    change(filters, FILTER_DELETE, 1);
    assert_int_equal(atoms_live(filters_atoms(filters)), 1);
    change(filters, FILTER_DELETE, 2);
    assert_true(atoms_none(filters_atoms(filters)));
    assert_int_equal(atoms_given(filters_atoms(filters)), 2);
    assert_true(filters_memory_bytes(filters) < bytes);
    assert_int_equal(covers_from(filters, 1), 100); /* what it was can still be said */
    filters_destroy(filters);
}

static void a_hundred_thousand_ids_in_order_are_taken_quickly_and_found(void **state) {
    (void)state;
    struct filters *filters = filters_create();
    enum { MANY = 100000 };
    for (uint32_t id = 1; id <= MANY; id++) create(filters, id, "USA", "*", "*", 0);
    assert_int_equal(filters_standing(filters), MANY);
    for (uint32_t id = 1; id <= MANY; id++) assert_int_equal(filters_find(filters, id)->number, id);
    filters_destroy(filters);
}

static void a_deleted_filter_waits_for_the_past_of_what_others_share_with_it(void **state) {
    (void)state;
    struct filters *filters = filters_create();
    create(filters, 1, "*", "*", "a|b", 100);
    create(filters, 2, "*", "*", "b", 200);
    uint32_t a = filters_find(filters, 1)->terms[0].atom, b = filters_find(filters, 1)->terms[1].atom;
    assert_false(filters_awaits_past(filters, filters_find(filters, 1)));
    change(filters, FILTER_RECALCULATE, 1);
    assert_true(filters_awaits_past(filters, filters_find(filters, 1)));
    assert_false(filters_awaits_past(filters, filters_find(filters, 2)));
    change(filters, FILTER_DELETE, 1);
    assert_false(filters_atom_lacks_past(filters, a));
    assert_true(filters_atom_lacks_past(filters, b));
    assert_true(filters_awaits_past(filters, filters_find(filters, 1)));
    filters_atom_backfilled(filters, b);
    assert_false(filters_awaits_past(filters, filters_find(filters, 1)));
    filters_destroy(filters);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deleted_filter_waits_for_the_past_of_what_others_share_with_it),
        cmocka_unit_test(an_id_is_taken_once_and_for_all),
        cmocka_unit_test(they_are_walked_by_id_without_those_deleted),
        cmocka_unit_test(a_filter_covers_from_the_latest_of_its_atoms),
        cmocka_unit_test(a_backfilled_atom_covers_everything),
        cmocka_unit_test(recalculation_is_wanted_once_and_only_where_it_would_change_something),
        cmocka_unit_test(ranked_ones_are_counted_while_they_stand),
        cmocka_unit_test(deleting_lets_go_of_atoms_that_no_other_filter_has),
        cmocka_unit_test(a_hundred_thousand_ids_in_order_are_taken_quickly_and_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
