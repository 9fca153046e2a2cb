#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

static struct config config;
static struct failure failure;

static void begin(void) {
    config_init(&config);
    failure = (struct failure){0};
}

static enum status finish(const char *const *environment) {
    return config_finish(&config, environment, &failure);
}

static const char *no_environment[] = {NULL};

static void assert_source(enum config_setting setting, const char *expected) {
    struct buffer out = {0};
    config_print_source(&config, setting, &out);
    buffer_append(&out, "", 1);
    assert_string_equal((const char *)out.at, expected);
    buffer_fini(&out);
}

/* A file with this text; the caller unlinks `path`. */
static void write_file(char path[static 32], const char *text) {
    (void)snprintf(path, 32, "/tmp/tally-config-XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    assert_int_equal(close(file), 0);
}

static void without_anything_given_the_defaults_hold(void **state) {
    (void)state;
    begin();
    assert_int_equal(finish(no_environment), STATUS_OK);
    assert_string_equal(config.data_directory, "");
    assert_string_equal(config.http_listen, "127.0.0.1:8080");
    assert_string_equal(config.client_url, "http://127.0.0.1:8080");
    assert_int_equal(config.time_delay_ms, 15 * SECOND_MS);
    assert_int_equal(config.time_lateness_ms, 24 * HOUR_MS);
    assert_int_equal(config.time_horizon_ms, 24 * HOUR_MS + MINUTE_MS);
    assert_int_equal(config.time_max_skew_ms, MINUTE_MS);
    assert_int_equal(config.journal_partitions, 4);
    assert_int_equal(config.identity_without_event_id, 0);
    assert_int_equal(config.dedup_memory_bytes, UINT64_C(2) << 30);
    assert_int_equal(config.journal_segment_size_bytes, 256 << 20);
    assert_int_equal(config.intake_pending_clicks, 1000000);
    assert_int_equal(config.store_checkpoint_interval_ms, 30 * SECOND_MS);
    assert_int_equal(config.store_checkpoint_clicks, 5000000);
    assert_int_equal(config.store_flush_interval_ms, MINUTE_MS);
    assert_int_equal(config.store_cache_bytes, 256 << 20);
    assert_int_equal(config.http_threads, 4);
    assert_int_equal(config.http_connections, 4096);
    assert_int_equal(config.http_idle_timeout_ms, MINUTE_MS);
    assert_source(CONFIG_http_listen, "default");
    assert_source(CONFIG_data_directory, "not given");
    assert_source(CONFIG_time_lateness_ms, "not given");
}

static void a_flag_beats_the_environment_that_beats_the_file_that_beats_the_default(void **state) {
    (void)state;
    char path[32], expected[64];
    write_file(path, "time:\n  delay: 1s\n  lateness: 1h\n  max_skew: 1s\n");
    const char *environment[] = {"HOME=/root", "TALLY_TIME_LATENESS=2h", "TALLY_TIME_MAX_SKEW=2s", NULL};
    begin();
    assert_int_equal(config_set_flag(&config, CONFIG_time_max_skew_ms, "3s", &failure), STATUS_OK);
    assert_int_equal(config_set_file_flag(&config, path, &failure), STATUS_OK);
    assert_int_equal(finish(environment), STATUS_OK);
    assert_int_equal(config.time_max_skew_ms, 3 * SECOND_MS);
    assert_source(CONFIG_time_max_skew_ms, "flag --max-skew");
    assert_int_equal(config.time_lateness_ms, 2 * HOUR_MS);
    assert_source(CONFIG_time_lateness_ms, "environment TALLY_TIME_LATENESS");
    assert_int_equal(config.time_delay_ms, SECOND_MS);
    (void)snprintf(expected, sizeof expected, "%s:2", path);
    assert_source(CONFIG_time_delay_ms, expected);
    (void)unlink(path);
}

static void precedence_does_not_depend_on_the_order_of_reading(void **state) {
    (void)state;
    begin();
    const char *environment[] = {"TALLY_HTTP_LISTEN=env:1", NULL};
    assert_int_equal(config_load_environment(&config, environment, &failure), STATUS_OK);
    assert_int_equal(config_load_yaml(&config, bytes_of_text("http: {listen: file:1}"), "a.yaml", &failure), STATUS_OK);
    assert_string_equal(config.http_listen, "env:1");
    assert_int_equal(config_set_flag(&config, CONFIG_http_listen, "flag:1", &failure), STATUS_OK);
    assert_int_equal(config_load_environment(&config, environment, &failure), STATUS_OK);
    assert_string_equal(config.http_listen, "flag:1");
    assert_int_equal(config_set_flag(&config, CONFIG_http_listen, "f:2", &failure), STATUS_OK);
    assert_string_equal(config.http_listen, "f:2");
}

static void a_value_that_is_overruled_is_checked_all_the_same(void **state) {
    (void)state;
    begin();
    const char *environment[] = {"TALLY_TIME_DELAY=soon", NULL};
    assert_int_equal(config_set_flag(&config, CONFIG_time_delay_ms, "1s", &failure), STATUS_OK);
    assert_int_equal(finish(environment), STATUS_BAD_CONFIG);
    assert_string_equal(failure.text, "TALLY_TIME_DELAY: \"soon\" is not a duration; write e.g. 15s, 24h or 96h1m");
}

static void a_bad_flag_is_named_as_a_flag(void **state) {
    (void)state;
    begin();
    assert_int_equal(config_set_flag(&config, CONFIG_time_lateness_ms, "24x", &failure), STATUS_BAD_CONFIG);
    assert_string_equal(failure.text, "--lateness: \"24x\" is not a duration; write e.g. 15s, 24h or 96h1m");
    failure = (struct failure){0};
    assert_int_equal(config_set_flag(&config, CONFIG_http_threads, "0", &failure), STATUS_BAD_CONFIG);
    assert_string_equal(failure.text, "--http-threads: \"0\" is out of range; it goes from 1 to 64");
    failure = (struct failure){0};
    assert_int_equal(config_set_flag(&config, CONFIG_data_directory, "", &failure), STATUS_BAD_CONFIG);
    assert_int_equal(config.sources[CONFIG_time_lateness_ms].origin, CONFIG_NOT_GIVEN);
}

static void a_path_may_be_as_long_as_there_is_room(void **state) {
    (void)state;
    char path[CONFIG_TEXT_BYTES_MAX + 2];
    memset(path, 'p', sizeof path);
    path[CONFIG_TEXT_BYTES_MAX] = '\0';
    begin();
    assert_int_equal(config_set_flag(&config, CONFIG_data_directory, path, &failure), STATUS_OK);
    assert_string_equal(config.data_directory, path);
    assert_int_equal(config_set_file_flag(&config, path, &failure), STATUS_OK);
    path[CONFIG_TEXT_BYTES_MAX] = 'p';
    path[CONFIG_TEXT_BYTES_MAX + 1] = '\0';
    assert_int_equal(config_set_flag(&config, CONFIG_data_directory, path, &failure), STATUS_BAD_CONFIG);
    failure = (struct failure){0};
    assert_int_equal(config_set_file_flag(&config, path, &failure), STATUS_BAD_CONFIG);
    assert_string_equal(failure.text, "--config is not the path of a file of at most 1023 bytes");
}

static void a_variable_that_is_almost_a_setting_is_refused(void **state) {
    (void)state;
    begin();
    const char *environment[] = {"TALLY_TIME_LATENES=24h", NULL};
    assert_int_equal(finish(environment), STATUS_BAD_CONFIG);
    assert_string_equal(failure.text, "the environment variable TALLY_TIME_LATENES is not a setting; did you mean "
                                      "TALLY_TIME_LATENESS?");
}

static void foreign_and_empty_variables_are_left_alone(void **state) {
    (void)state;
    begin();
    const char *environment[] = {"TALLY_PORT=tcp://10.0.0.1:8080",
                                 "TALLY_SERVICE_HOST=10.0.0.1",
                                 "TALLY_PORT_8080_TCP_ADDR=10.0.0.1",
                                 "TALLY_TIME_DELAY=",
                                 "TALLY_CONFIG=",
                                 "TALLY_",
                                 "TALLY_=x",
                                 "TALLYX=1",
                                 "=x",
                                 "",
                                 NULL};
    assert_int_equal(finish(environment), STATUS_OK);
    assert_false(config_given(&config, CONFIG_time_delay_ms));
}

static void the_flag_names_the_file_before_the_environment_does(void **state) {
    (void)state;
    char first[32], second[32];
    write_file(first, "http: {threads: 3}\n");
    write_file(second, "http: {threads: 4}\n");
    char variable[64];
    (void)snprintf(variable, sizeof variable, "TALLY_CONFIG=%s", second);
    const char *environment[] = {variable, NULL};
    begin();
    assert_int_equal(finish(environment), STATUS_OK);
    assert_int_equal(config.http_threads, 4);
    begin();
    assert_int_equal(config_set_file_flag(&config, first, &failure), STATUS_OK);
    assert_int_equal(finish(environment), STATUS_OK);
    assert_int_equal(config.http_threads, 3);
    (void)unlink(first);
    (void)unlink(second);
}

static void a_file_that_cannot_be_read_is_named_with_who_named_it(void **state) {
    (void)state;
    begin();
    const char *environment[] = {"TALLY_CONFIG=/nonexistent/tally.yaml", NULL};
    assert_int_equal(finish(environment), STATUS_BAD_CONFIG);
    assert_string_equal(failure.text, "/nonexistent/tally.yaml: cannot be opened: No such file or directory (named by "
                                      "TALLY_CONFIG)");
    begin();
    assert_int_equal(config_set_file_flag(&config, "/tmp", &failure), STATUS_OK);
    assert_int_equal(finish(no_environment), STATUS_BAD_CONFIG);
    assert_string_equal(failure.text, "/tmp: cannot be read: Is a directory (named by --config)");
}

static void the_horizon_follows_the_lateness_unless_it_is_given(void **state) {
    (void)state;
    begin();
    assert_int_equal(config_set_flag(&config, CONFIG_time_lateness_ms, "96h", &failure), STATUS_OK);
    assert_int_equal(finish(no_environment), STATUS_OK);
    assert_int_equal(config.time_horizon_ms, 96 * (int64_t)HOUR_MS + MINUTE_MS);
    assert_source(CONFIG_time_horizon_ms, "not given");
    assert_int_equal(config_set_flag(&config, CONFIG_time_horizon_ms, "100h", &failure), STATUS_OK);
    assert_int_equal(finish(no_environment), STATUS_OK);
    assert_int_equal(config.time_horizon_ms, 100 * (int64_t)HOUR_MS);
}

static void a_horizon_below_the_lateness_and_a_minute_is_refused_with_both(void **state) {
    (void)state;
    const char *environment[] = {"TALLY_TIME_LATENESS=24h", NULL};
    begin();
    assert_int_equal(config_set_flag(&config, CONFIG_time_horizon_ms, "24h59s", &failure), STATUS_OK);
    assert_int_equal(finish(environment), STATUS_BAD_CONFIG);
    assert_string_equal(failure.text, "time.horizon is 24h59s (flag --horizon), but must be at least 1m more than "
                                      "time.lateness, which is 24h (environment TALLY_TIME_LATENESS)");
    begin();
    assert_int_equal(config_set_flag(&config, CONFIG_time_horizon_ms, "24h1m", &failure), STATUS_OK);
    assert_int_equal(finish(environment), STATUS_OK);
    /* The journal may hold a lateness that the horizon goes with: it decides. */
    begin();
    assert_int_equal(config_set_flag(&config, CONFIG_time_horizon_ms, "1h", &failure), STATUS_OK);
    assert_int_equal(finish(no_environment), STATUS_OK);
}

static void only_what_is_given_is_proposed(void **state) {
    (void)state;
    begin();
    assert_int_equal(finish(no_environment), STATUS_OK);
    struct rules_proposal proposal = config_rules_proposal(&config);
    assert_false(proposal.has_delay || proposal.has_lateness || proposal.has_horizon || proposal.has_max_skew ||
                 proposal.has_partitions || proposal.has_identity_mode);
    const char *environment[] = {"TALLY_TIME_DELAY=15s",
                                 "TALLY_TIME_LATENESS=1h",
                                 "TALLY_TIME_HORIZON=2h",
                                 "TALLY_TIME_MAX_SKEW=3s",
                                 "TALLY_JOURNAL_PARTITIONS=8",
                                 "TALLY_IDENTITY_WITHOUT_EVENT_ID=reject",
                                 NULL};
    for (unsigned given = 0; given < 6; given++) {
        const char *one[] = {environment[given], NULL};
        begin();
        assert_int_equal(finish(one), STATUS_OK);
        proposal = config_rules_proposal(&config);
        assert_int_equal(proposal.has_delay, given == 0);
        assert_int_equal(proposal.has_lateness, given == 1);
        assert_int_equal(proposal.has_horizon, given == 2);
        assert_int_equal(proposal.has_max_skew, given == 3);
        assert_int_equal(proposal.has_partitions, given == 4);
        assert_int_equal(proposal.has_identity_mode, given == 5);
    }
    begin();
    assert_int_equal(finish(environment), STATUS_OK);
    proposal = config_rules_proposal(&config);
    assert_int_equal(proposal.delay_ms, 15 * SECOND_MS);
    assert_int_equal(proposal.lateness_ms, HOUR_MS);
    assert_int_equal(proposal.horizon_ms, 2 * HOUR_MS);
    assert_int_equal(proposal.max_skew_ms, 3 * SECOND_MS);
    assert_int_equal(proposal.partition_count, 8);
    assert_int_equal(proposal.identity_mode, 1);
}

static void the_data_directory_has_no_default_and_the_message_says_what_to_do(void **state) {
    (void)state;
    begin();
    assert_int_equal(config_require_data(&config, &failure), STATUS_BAD_CONFIG);
    assert_string_equal(failure.text, "data.directory is not given: say where the journal is to be kept, with --data DIR, "
                                      "TALLY_DATA_DIRECTORY=DIR or `data: {directory: DIR}` in the file of --config");
    failure = (struct failure){0};
    assert_int_equal(config_set_flag(&config, CONFIG_data_directory, "x", &failure), STATUS_OK);
    assert_int_equal(config_require_data(&config, &failure), STATUS_OK);
}

static void what_is_printed_reads_back_to_the_same(void **state) {
    (void)state;
    begin();
    const char *environment[] = {"TALLY_TIME_LATENESS=96h",    "TALLY_DATA_DIRECTORY=/it's: #1 \"here\" \\",
                                 "TALLY_HTTP_LISTEN=[::1]:80", "TALLY_IDENTITY_WITHOUT_EVENT_ID=reject",
                                 "TALLY_STORE_CACHE=9000001",  NULL};
    assert_int_equal(finish(environment), STATUS_OK);
    struct buffer printed = {0};
    config_print(&config, &printed);
    static struct config again;
    config_init(&again);
    if (config_load_yaml(&again, buffer_view(&printed), "printed.yaml", &failure) != STATUS_OK) fail_msg("%s", failure.text);
    assert_int_equal(config_finish(&again, no_environment, &failure), STATUS_BAD_CONFIG); /* printed.yaml is no file */
    again.file[0] = '\0';
    failure = (struct failure){0};
    assert_int_equal(config_finish(&again, no_environment, &failure), STATUS_OK);
    assert_memory_equal(&config, &again, offsetof(struct config, sources));
    struct rules_proposal before = config_rules_proposal(&config), after = config_rules_proposal(&again);
    assert_int_equal(before.has_delay, after.has_delay);
    assert_int_equal(before.has_horizon, after.has_horizon);
    assert_true(after.has_lateness && after.has_identity_mode && !after.has_horizon);
    buffer_fini(&printed);
}

static void every_value_is_printed_with_its_source(void **state) {
    (void)state;
    begin();
    assert_int_equal(config_set_flag(&config, CONFIG_time_delay_ms, "5s", &failure), STATUS_OK);
    assert_int_equal(finish(no_environment), STATUS_OK);
    struct buffer printed = {0};
    config_print(&config, &printed);
    buffer_append(&printed, "", 1);
    const char *text = (const char *)printed.at;
    assert_non_null(strstr(text, "time:\n  delay: 5s                              # flag --delay\n"));
    assert_non_null(strstr(text, "\n  # lateness: 24h                        # not given\n"));
    assert_non_null(strstr(text, "\n  # directory:                           # not given\n"));
    assert_non_null(strstr(text, "\n  listen: '127.0.0.1:8080'               # default\n"));
    unsigned lines = 0;
    for (const char *at = text; (at = strstr(at, " # ")) != NULL; at++) lines++;
    assert_true(lines >= CONFIG_SETTINGS);
    buffer_fini(&printed);
}

static void no_two_settings_share_a_flag_and_sections_stand_together(void **state) {
    (void)state;
    struct config_flag flag, other;
    for (unsigned i = 0; i < CONFIG_SETTINGS; i++) {
        assert_true(config_flag((enum config_setting)i, CONFIG_FOR_ALL, &flag));
        assert_string_not_equal(flag.name, "config");
        assert_non_null(flag.argument);
        assert_null(strchr(flag.help, '|'));
        for (unsigned j = 0; j < i; j++) {
            assert_true(config_flag((enum config_setting)j, CONFIG_FOR_ALL, &other));
            assert_string_not_equal(flag.name, other.name);
        }
    }
    /* A section printed in two places would not read back. */
    begin();
    struct buffer printed = {0};
    config_print(&config, &printed);
    assert_int_equal(config_load_yaml(&config, buffer_view(&printed), "printed.yaml", &failure), STATUS_OK);
    buffer_fini(&printed);
}

static void a_verb_has_only_its_own_flags(void **state) {
    (void)state;
    struct config_flag flag;
    assert_true(config_flag(CONFIG_client_url, CONFIG_FOR_CLIENT, &flag));
    assert_string_equal(flag.name, "url");
    assert_false(config_flag(CONFIG_client_url, CONFIG_FOR_SERVE, &flag));
    assert_false(config_flag(CONFIG_time_lateness_ms, CONFIG_FOR_CLIENT, &flag));
    assert_false(config_flag(CONFIG_time_lateness_ms, 0, &flag));
    assert_int_equal(config_find_flag(BYTES_LITERAL("url"), CONFIG_FOR_CLIENT), CONFIG_client_url);
    assert_int_equal(config_find_flag(BYTES_LITERAL("url"), CONFIG_FOR_SERVE), CONFIG_SETTINGS);
    assert_int_equal(config_find_flag(BYTES_LITERAL("time.lateness"), CONFIG_FOR_ALL), CONFIG_SETTINGS);
}

/* Tests run in the top directory. */
static void the_table_in_the_documentation_is_the_table_in_the_program(void **state) {
    (void)state;
    struct buffer table = {0}, document = {0};
    FILE *file = fopen("docs/configuration.md", "r");
    if (file == NULL) fail_msg("docs/configuration.md cannot be opened; run this from the top directory");
    document.len = fread(buffer_reserve(&document, 1 << 20), 1, 1 << 20, file);
    (void)fclose(file);
    config_print_table(&table);
    if (memmem(document.at, document.len, table.at, table.len) == NULL) {
        fail_msg("docs/configuration.md is stale: replace its table by what `tally config table` prints");
    }
    buffer_fini(&document);
    buffer_fini(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_anything_given_the_defaults_hold),
        cmocka_unit_test(a_flag_beats_the_environment_that_beats_the_file_that_beats_the_default),
        cmocka_unit_test(precedence_does_not_depend_on_the_order_of_reading),
        cmocka_unit_test(a_value_that_is_overruled_is_checked_all_the_same),
        cmocka_unit_test(a_bad_flag_is_named_as_a_flag),
        cmocka_unit_test(a_path_may_be_as_long_as_there_is_room),
        cmocka_unit_test(a_variable_that_is_almost_a_setting_is_refused),
        cmocka_unit_test(foreign_and_empty_variables_are_left_alone),
        cmocka_unit_test(the_flag_names_the_file_before_the_environment_does),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named_with_who_named_it),
        cmocka_unit_test(the_horizon_follows_the_lateness_unless_it_is_given),
        cmocka_unit_test(a_horizon_below_the_lateness_and_a_minute_is_refused_with_both),
        cmocka_unit_test(only_what_is_given_is_proposed),
        cmocka_unit_test(the_data_directory_has_no_default_and_the_message_says_what_to_do),
        cmocka_unit_test(what_is_printed_reads_back_to_the_same),
        cmocka_unit_test(every_value_is_printed_with_its_source),
        cmocka_unit_test(no_two_settings_share_a_flag_and_sections_stand_together),
        cmocka_unit_test(a_verb_has_only_its_own_flags),
        cmocka_unit_test(the_table_in_the_documentation_is_the_table_in_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
