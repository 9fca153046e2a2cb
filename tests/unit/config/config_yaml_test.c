#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

static struct config config;
static struct failure failure;

static enum status load(const char *yaml) {
    config_init(&config);
    failure = (struct failure){0};
    return config_load_yaml(&config, bytes_of_text(yaml), "tally.yaml", &failure);
}

static void assert_loads(const char *yaml) {
    if (load(yaml) != STATUS_OK) fail_msg("%s\nwas refused: %s", yaml, failure.text);
}

static void assert_refused(const char *yaml, const char *expected) {
    assert_int_equal(load(yaml), STATUS_BAD_CONFIG);
    assert_string_equal(failure.text, expected);
}

static void maps_of_maps_give_values_with_their_lines(void **state) {
    (void)state;
    assert_loads("# a comment\n"
                 "data:\n"
                 "  directory: /var/lib/tally\n"
                 "time: {delay: 5s, lateness: \"96h\",\n"
                 "       horizon: '96h1m'}\n"
                 "journal:\n"
                 "  partitions: 8\n"
                 "  segment_size:\n"
                 "    64MiB\n"
                 "identity: {without_event_id: reject}\n"
                 "http:\n"
                 "  listen: \"[::1]:80\"\n");
    assert_string_equal(config.data_directory, "/var/lib/tally");
    assert_int_equal(config.time_delay_ms, 5 * SECOND_MS);
    assert_int_equal(config.time_lateness_ms, 96 * (int64_t)HOUR_MS);
    assert_int_equal(config.time_horizon_ms, 96 * (int64_t)HOUR_MS + MINUTE_MS);
    assert_int_equal(config.journal_partitions, 8);
    assert_int_equal(config.journal_segment_size_bytes, 64 * 1024 * 1024);
    assert_int_equal(config.identity_without_event_id, 1);
    assert_string_equal(config.http_listen, "[::1]:80");
    assert_int_equal(config.sources[CONFIG_data_directory].line, 3);
    assert_int_equal(config.sources[CONFIG_time_lateness_ms].line, 4);
    assert_int_equal(config.sources[CONFIG_time_horizon_ms].line, 5);
    assert_int_equal(config.sources[CONFIG_journal_segment_size_bytes].line, 8);
    assert_int_equal(config.sources[CONFIG_time_max_skew_ms].origin, CONFIG_NOT_GIVEN);
}

static void an_empty_file_or_section_gives_nothing(void **state) {
    (void)state;
    static const char *const cases[] = {"",           "\n\n",       "# only a comment\n",
                                        "---\n",      "---\n...\n", "{}",
                                        "null\n",     "~",          "time:\n",
                                        "time: {}\n", "time: ~\n",  "time: null\ndata:\n  # directory: x\n"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_loads(cases[i]);
        for (unsigned setting = 0; setting < CONFIG_SETTINGS; setting++) {
            assert_false(config_given(&config, (enum config_setting)setting));
        }
    }
    assert_int_equal(config_load_yaml(&config, (struct bytes){NULL, 0}, "tally.yaml", &failure), STATUS_OK);
}

static void windows_line_ends_and_a_byte_order_mark_are_fine(void **state) {
    (void)state;
    assert_loads("\xef\xbb\xbftime:\r\n  lateness: 1h\r\n");
    assert_int_equal(config.time_lateness_ms, HOUR_MS);
    assert_int_equal(config.sources[CONFIG_time_lateness_ms].line, 2);
}

static void a_bad_value_is_refused_with_file_line_key_value_and_what_was_expected(void **state) {
    (void)state;
    assert_refused("time:\n  lateness: 24x\n",
                   "tally.yaml:2: time.lateness: \"24x\" is not a duration; write e.g. 15s, 24h or 96h1m");
    assert_refused("time: {lateness: 24}",
                   "tally.yaml:1: time.lateness: \"24\" is not a duration; write e.g. 15s, 24h or 96h1m");
    assert_refused("\n\ntime:\n  max_skew: 401d\n",
                   "tally.yaml:4: time.max_skew: \"401d\" is out of range; it goes from 1s to 9600h");
    assert_refused("time: {horizon: 59s}", "tally.yaml:1: time.horizon: \"59s\" is out of range; it goes from 1m to 9600h");
    assert_refused("time: {lateness: 400d}",
                   "tally.yaml:1: time.lateness: \"400d\" is out of range; it goes from 0s to 9599h59m");
    assert_refused("dedup: {memory: 2G}",
                   "tally.yaml:1: dedup.memory: \"2G\" is not a size; write e.g. 64KiB, 512MiB or 2GiB");
    assert_refused("dedup: {memory: 1}", "tally.yaml:1: dedup.memory: \"1\" is out of range; it goes from 1MiB to 1TiB");
    assert_refused("journal: {partitions: four}",
                   "tally.yaml:1: journal.partitions: \"four\" is not a count; write digits, e.g. 4 or 1000000");
    assert_refused("journal: {partitions: 0}",
                   "tally.yaml:1: journal.partitions: \"0\" is out of range; it goes from 1 to 64");
    assert_refused("journal: {partitions: 65}",
                   "tally.yaml:1: journal.partitions: \"65\" is out of range; it goes from 1 to 64");
    assert_refused("identity: {without_event_id: drop}",
                   "tally.yaml:1: identity.without_event_id: \"drop\" is not one of its "
                   "values; write content or reject");
    assert_refused("http: {listen: 8080}", "tally.yaml:1: http.listen: \"8080\" is not an address; write HOST:PORT, e.g. "
                                           "127.0.0.1:8080 or [::1]:8080");
    assert_refused("client: {url: localhost}",
                   "tally.yaml:1: client.url: \"localhost\" is not a URL; write e.g. http://127.0.0.1:8080");
    assert_refused("data: {directory: \"\"}",
                   "tally.yaml:1: data.directory: \"\" is not a path of 1 to 1023 bytes without control characters");
    assert_refused("data: {directory: \"a\\0b\"}",
                   "tally.yaml:1: data.directory: \"a\\x00b\" is not a path of 1 to 1023 bytes without control characters");
}

static void addresses_have_a_host_and_a_port(void **state) {
    (void)state;
    static const char *const good[] = {"127.0.0.1:8080", "[::1]:8080", "0.0.0.0:80", "localhost:0", "[::]:65535"};
    static const char *const bad[] = {":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:8080", "[]:1",
                                      "a:b",   "a:1x",      "a:-1"};
    char yaml[100];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        (void)snprintf(yaml, sizeof yaml, "http: {listen: '%s'}", good[i]);
        assert_loads(yaml);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(yaml, sizeof yaml, "http: {listen: '%s'}", bad[i]);
        if (load(yaml) != STATUS_BAD_CONFIG) fail_msg("%s was taken", bad[i]);
    }
}

static void an_unknown_key_is_refused_with_what_it_may_have_meant(void **state) {
    (void)state;
    assert_refused("time:\n  latenes: 24h\n",
                   "tally.yaml:2: \"time.latenes\" is not a setting; did you mean time.lateness?");
    assert_refused("tmie:\n  lateness: 24h\n", "tally.yaml:1: \"tmie\" is not a section; did you mean time?");
    assert_refused("time: {partitions: 4}",
                   "tally.yaml:1: \"time.partitions\" is not a setting; did you mean journal.partitions?");
    assert_refused("time: {whatever: 4}",
                   "tally.yaml:1: \"time.whatever\" is not a setting; `tally config print` shows all there are");
    assert_refused("whatever: 4", "tally.yaml:1: \"whatever\" is not a section; `tally config print` shows all there are");
    assert_refused("time: {\"a\\nb\": 4}",
                   "tally.yaml:1: \"time.a\\x0ab\" is not a setting; `tally config print` shows all there are");
    assert_refused("time: {<<: {lateness: 1h}}",
                   "tally.yaml:1: \"time.<<\" is not a setting; `tally config print` shows all there are");
}

static void a_dotted_key_is_refused_with_how_to_write_it(void **state) {
    (void)state;
    assert_refused("data: {directory: x}\ntime.lateness: 24h\n",
                   "tally.yaml:2: time.lateness: a key with a dot is not read; write time: {lateness: ...}");
}

static void a_key_given_twice_is_refused_with_both_lines(void **state) {
    (void)state;
    assert_refused("time:\n  delay: 1s\n  lateness: 1h\n  delay: 1s\n",
                   "tally.yaml:4: time.delay: given twice, first in line 2");
    assert_refused("time:\n  delay: 1s\ndata:\n  directory: x\ntime:\n  lateness: 1h\n",
                   "tally.yaml:5: time: given twice, first in line 1");
}

static void other_kinds_of_node_are_refused(void **state) {
    (void)state;
    const char *duration = "is not a duration; write e.g. 15s, 24h or 96h1m";
    char expected[200];
    (void)snprintf(expected, sizeof expected, "tally.yaml:1: time.delay: a list %s", duration);
    assert_refused("time: {delay: [1s]}", expected);
    (void)snprintf(expected, sizeof expected, "tally.yaml:1: time.delay: a map %s", duration);
    assert_refused("time: {delay: {a: 1s}}", expected);
    (void)snprintf(expected, sizeof expected, "tally.yaml:2: time.delay: nothing %s", duration);
    assert_refused("time:\n  delay:\n", expected);
    assert_refused("time: 24h", "tally.yaml:1: time: must be a map of settings, e.g. time: {delay: ...}");
    assert_refused("time: [1]", "tally.yaml:1: time: must be a map of settings, e.g. time: {delay: ...}");
    assert_refused("time: ''", "tally.yaml:1: time: must be a map of settings, e.g. time: {delay: ...}");
    assert_refused("just text", "tally.yaml:1: the file must be a map of sections, e.g. time: {lateness: 24h}");
    assert_refused("- a\n- b\n", "tally.yaml:1: the file must be a map of sections, e.g. time: {lateness: 24h}");
    assert_refused("? [a]\n: b\n", "tally.yaml:1: a key must be a name, not a map or a list");
    assert_refused("time:\n  ? {a: b}\n  : c\n", "tally.yaml:2: a key must be a name, not a map or a list");
}

static void anchors_aliases_and_tags_are_refused(void **state) {
    (void)state;
    assert_refused("time: &t {lateness: 1h}\n", "tally.yaml:1: anchors (&name) are not read; leave them out");
    assert_refused("time:\n  lateness: &l 1h\n", "tally.yaml:2: anchors (&name) are not read; leave them out");
    assert_refused("time:\n  lateness: *l\n", "tally.yaml:2: aliases (*name) are not read; write the value");
    assert_refused("time:\n  lateness: !!str 1h\n", "tally.yaml:2: tags (!name) are not read; leave them out");
    assert_refused("!!map {time: {lateness: 1h}}\n", "tally.yaml:1: tags (!name) are not read; leave them out");
}

static void a_second_document_is_refused(void **state) {
    (void)state;
    assert_refused("time: {lateness: 1h}\n---\ntime: {lateness: 2h}\n",
                   "tally.yaml:2: a second document (---) begins; only one is read");
}

static void invalid_yaml_is_refused_with_its_line(void **state) {
    (void)state;
    assert_int_equal(load("time:\n  lateness: 'x\n"), STATUS_BAD_CONFIG);
    assert_non_null(strstr(failure.text, ": not valid YAML: "));
    assert_int_equal(load("time:\n  delay: 1s\n\tlateness: 1h\n"), STATUS_BAD_CONFIG);
    assert_memory_equal(failure.text, "tally.yaml:3: not valid YAML: ", strlen("tally.yaml:3: not valid YAML: "));
    assert_int_equal(load("time: {lateness: 1h\n"), STATUS_BAD_CONFIG);
    assert_int_equal(load("time: \x01"), STATUS_BAD_CONFIG);
    assert_int_equal(load("time: {lateness: \"\xff\"}"), STATUS_BAD_CONFIG);
    assert_int_equal(load("]"), STATUS_BAD_CONFIG);
}

static void a_huge_file_and_deep_nesting_are_refused(void **state) {
    (void)state;
    size_t len = CONFIG_FILE_BYTES_MAX;
    uint8_t *bytes = malloc(len + 1);
    assert_non_null(bytes);
    memset(bytes, '[', len + 1);
    config_init(&config);
    failure = (struct failure){0};
    assert_int_equal(config_load_yaml(&config, (struct bytes){bytes, len + 1}, "tally.yaml", &failure), STATUS_BAD_CONFIG);
    assert_string_equal(failure.text, "tally.yaml: larger than 65536 bytes: is it a configuration?");
    failure = (struct failure){0};
    assert_int_equal(config_load_yaml(&config, (struct bytes){bytes, len}, "tally.yaml", &failure), STATUS_BAD_CONFIG);
    memset(bytes, '{', len);
    failure = (struct failure){0};
    assert_int_equal(config_load_yaml(&config, (struct bytes){bytes, len}, "tally.yaml", &failure), STATUS_BAD_CONFIG);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_of_maps_give_values_with_their_lines),
        cmocka_unit_test(an_empty_file_or_section_gives_nothing),
        cmocka_unit_test(windows_line_ends_and_a_byte_order_mark_are_fine),
        cmocka_unit_test(a_bad_value_is_refused_with_file_line_key_value_and_what_was_expected),
        cmocka_unit_test(addresses_have_a_host_and_a_port),
        cmocka_unit_test(an_unknown_key_is_refused_with_what_it_may_have_meant),
        cmocka_unit_test(a_dotted_key_is_refused_with_how_to_write_it),
        cmocka_unit_test(a_key_given_twice_is_refused_with_both_lines),
        cmocka_unit_test(other_kinds_of_node_are_refused),
        cmocka_unit_test(anchors_aliases_and_tags_are_refused),
        cmocka_unit_test(a_second_document_is_refused),
        cmocka_unit_test(invalid_yaml_is_refused_with_its_line),
        cmocka_unit_test(a_huge_file_and_deep_nesting_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
