#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "cli/error_table.h"
#include "click/decode.h"

static void every_code_of_a_rejected_line_is_explained(void **state) {
    (void)state;
    for (unsigned i = 0; i < REJECT_CODES; i++) {
        struct reject_explanation explanation = reject_explain((enum reject)i); /* CHECKs that it is there */
        assert_true(strlen(explanation.example) > 10 && strlen(explanation.advice) > 20);
        assert_int_equal(reject_find(reject_code((enum reject)i)), i);
    }
}

static void every_problem_is_explained_and_found_once(void **state) {
    (void)state;
    for (size_t i = 0; i < problem_explanation_count; i++) {
        const struct problem_explanation *problem = &problem_explanations[i];
        assert_true(strlen(problem->text) > 10 && strlen(problem->example) > 10 && strlen(problem->advice) > 10);
        assert_in_range(problem->http_status, 400, 599);
        assert_ptr_equal(problem_find(problem->type), problem);
        assert_int_equal(reject_find(problem->type), REJECT_NONE);
    }
}

static void a_code_is_found_with_hyphens_or_underscores_and_in_full(void **state) {
    (void)state;
    assert_int_equal(reject_find("bad-json"), REJECT_BAD_JSON);
    assert_non_null(problem_find("not_now"));
    assert_ptr_equal(problem_find("urn:tally:problem:not-now"), problem_find("not-now"));
    assert_null(problem_find("not-now-"));
    assert_null(problem_find("not"));
    assert_null(problem_find(""));
    assert_int_equal(reject_find(""), REJECT_NONE);
    assert_int_equal(reject_find("bad_jso"), REJECT_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_of_a_rejected_line_is_explained),
        cmocka_unit_test(every_problem_is_explained_and_found_once),
        cmocka_unit_test(a_code_is_found_with_hyphens_or_underscores_and_in_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
