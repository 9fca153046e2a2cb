/* The data directory and its lock; clock and random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/os.h"

static void a_directory_in_use_is_busy_and_names_the_process(void **state) {
    (void)state;
    char path[64] = "/tmp/tally-lock-test-XXXXXX", inner[80], lock[96];
    assert_non_null(mkdtemp(path));
    (void)snprintf(inner, sizeof inner, "%s/data", path);
    (void)snprintf(lock, sizeof lock, "%s/LOCK", inner);
    struct os_directory *first, *second;
    struct failure failure = {0};
    assert_int_equal(os_directory_open(inner, &first, &failure), STATUS_OK); /* makes it */
    assert_string_equal(os_directory_path(first), inner);
    assert_int_equal(os_directory_open(inner, &second, &failure), STATUS_BUSY);
    char pid[32];
    (void)snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_non_null(strstr(failure.text, inner));
    assert_non_null(strstr(failure.text, pid));
    os_directory_close(first);
    assert_int_equal(os_directory_open(inner, &second, &failure), STATUS_OK); /* the lock went with its holder */
    os_directory_close(second);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(rmdir(inner), 0);
    assert_int_equal(rmdir(path), 0);
}

static void a_directory_without_a_parent_is_refused_with_its_name(void **state) {
    (void)state;
    struct os_directory *directory;
    struct failure failure = {0};
    assert_int_equal(os_directory_open("/tmp/tally-no-such-parent/data", &directory, &failure), STATUS_IO_ERROR);
    assert_non_null(strstr(failure.text, "/tmp/tally-no-such-parent/data"));
    assert_non_null(strstr(failure.text, "parent"));
}

static void the_clocks_go_forward_and_random_bytes_differ(void **state) {
    (void)state;
    struct clock clock = os_clock();
    struct mono_time before = clock_mono(&clock);
    assert_true(clock_mono(&clock).ns >= before.ns);
    assert_true(clock_wall(&clock).ms > INT64_C(1600000000000));
    struct random random = os_random();
    uint8_t one[16] = {0}, two[16] = {0};
    random_fill(&random, one, sizeof one);
    random_fill(&random, two, sizeof two);
    assert_memory_not_equal(one, two, sizeof one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_in_use_is_busy_and_names_the_process),
        cmocka_unit_test(a_directory_without_a_parent_is_refused_with_its_name),
        cmocka_unit_test(the_clocks_go_forward_and_random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
