#include "config/config.h"

#include <string.h>

#include "base/check.h"
#include "click/decode.h"
#include "config/config_row.h"
#include "config/value.h"

#define RANGE(smallest, largest) .min = (smallest), .max = (largest)
#define CHOICES(text) .choices = text
#define ANY .min = 0
#define ROW(member, kind_, key_, flag_, standard_, verbs_, help_, proposal_, ...)                                           \
    [CONFIG_##member] = {.key = key_,                                                                                       \
                         .flag = flag_,                                                                                     \
                         .standard = standard_,                                                                             \
                         .help = help_,                                                                                     \
                         .kind = CONFIG_##kind_,                                                                            \
                         .proposal = proposal_,                                                                             \
                         .verbs = verbs_,                                                                                   \
                         .at = offsetof(struct config, member),                                                             \
                         __VA_ARGS__},
/* The range comes last, because it expands to a list with commas. */
#define SETTING(member, kind, key, flag, standard, range, verbs, help)                                                      \
    ROW(member, kind, key, flag, standard, verbs, help, false, range)
#define PROPOSAL(member, kind, key, flag, standard, range, verbs, help)                                                     \
    ROW(member, kind, key, flag, standard, verbs, help, true, range)
const struct config_row config_rows[CONFIG_SETTINGS] = {CONFIG_TABLE(SETTING, PROPOSAL)};

_Static_assert((int)IDENTITY_MODE_CONTENT == 0 && (int)IDENTITY_MODE_REJECT == 1, "the order of the choices in the table");

static bool is_text(const struct config_row *row) {
    return row->kind == CONFIG_TEXT || row->kind == CONFIG_ADDRESS || row->kind == CONFIG_URL;
}

/* --- reading one value --- */

static bool read_text(struct bytes value) {
    if (value.len == 0 || value.len > CONFIG_TEXT_BYTES_MAX) return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < 0x20 || value.at[i] == 0x7f) return false;
    }
    return true;
}

/* HOST:PORT, where a host with colons (IPv6) stands in brackets. Whether the host exists is found out by listening. */
static bool read_address(struct bytes value) {
    if (!read_text(value)) return false;
    size_t colon = value.len;
    while (colon > 0 && value.at[colon - 1] != ':') colon--;
    if (colon < 2) return false;
    uint64_t port = 0;
    struct bytes host = {value.at, colon - 1};
    if (!value_read_count((struct bytes){value.at + colon, value.len - colon}, &port) || port > UINT16_MAX) return false;
    if (host.at[0] == '[') return host.len > 2 && host.at[host.len - 1] == ']';
    return memchr(host.at, ':', host.len) == NULL;
}

static bool read_url(struct bytes value) {
    static const char *const schemes[] = {"http://", "https://"};
    if (!read_text(value) || memchr(value.at, ' ', value.len) != NULL) return false;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i]);
        if (value.len > len && memcmp(value.at, schemes[i], len) == 0) return true;
    }
    return false;
}

static bool read_choice(const char *choices, struct bytes value, uint64_t *chosen) {
    *chosen = 0;
    for (const char *at = choices;;) {
        size_t len = strcspn(at, "|");
        if (bytes_equal(value, (struct bytes){(const uint8_t *)at, len})) return true;
        if (at[len] == '\0') return false;
        at += len + 1;
        ++*chosen;
    }
}

/* `number` is left alone for texts. */
static bool read_value(const struct config_row *row, struct bytes value, uint64_t *number) {
    int64_t ms = 0;
    switch (row->kind) {
    case CONFIG_TEXT:
        return read_text(value);
    case CONFIG_ADDRESS:
        return read_address(value);
    case CONFIG_URL:
        return read_url(value);
    case CONFIG_SIZE:
        return value_read_size(value, number);
    case CONFIG_COUNT:
        return value_read_count(value, number);
    case CONFIG_CHOICE:
        return read_choice(row->choices, value, number);
    case CONFIG_DURATION:
        if (!value_read_duration(value, &ms)) return false;
        CHECK(ms >= 0);
        *number = (uint64_t)ms;
        return true;
    }
    CHECK_FAIL("kind %d of %s", (int)row->kind, row->key);
}

static void store_value(struct config *config, const struct config_row *row, struct bytes value, uint64_t number) {
    uint8_t *at = (uint8_t *)config + row->at;
    if (is_text(row)) {
        CHECK(value.len <= CONFIG_TEXT_BYTES_MAX);
        memcpy(at, value.at, value.len);
        at[value.len] = '\0';
    } else if (row->kind == CONFIG_CHOICE) {
        *at = (uint8_t)number;
    } else {
        CHECK(number >= row->min && number <= row->max && row->max <= INT64_MAX);
        memcpy(at, &number, sizeof number); /* durations are int64_t: same bytes, as it is not negative */
    }
}

static void print_place(const struct config_row *row, struct config_place place, struct buffer *out) {
    CHECK(place.origin != CONFIG_NOT_GIVEN);
    if (place.origin == CONFIG_FROM_FILE) {
        buffer_printf(out, "%s:%u: %s", place.file, place.line, row->key);
    } else if (place.origin == CONFIG_FROM_FLAG) {
        buffer_printf(out, "--%s", row->flag);
    } else {
        config_print_variable(row, out);
    }
}

enum status config_set(struct config *config, enum config_setting setting, struct config_place place, struct bytes value,
                       struct failure *failure) {
    CHECK(setting < CONFIG_SETTINGS);
    const struct config_row *row = &config_rows[setting];
    uint64_t number = row->min;
    bool readable = read_value(row, value, &number);
    if (!readable || (row->max > 0 && (number < row->min || number > row->max))) {
        struct buffer message = {0};
        print_place(row, place, &message);
        buffer_append_text(&message, ": ");
        value_print_quoted(value, &message);
        if (readable) {
            buffer_append_text(&message, " is out of range; it goes from ");
            config_print_number(row, row->min, &message);
            buffer_append_text(&message, " to ");
            config_print_number(row, row->max, &message);
        } else {
            buffer_append_text(&message, " is not ");
            config_print_expected(row, &message);
        }
        enum status status = failure_set(failure, STATUS_BAD_CONFIG, "%.*s", (int)message.len, (const char *)message.at);
        buffer_fini(&message);
        return status;
    }
    if (place.origin < config->sources[setting].origin) return STATUS_OK;
    store_value(config, row, value, number);
    config->sources[setting] = (struct config_source){place.origin, place.line};
    return STATUS_OK;
}

/* --- from where values come --- */

void config_init(struct config *config) {
    memset(config, 0, sizeof *config);
    for (unsigned setting = 0; setting < CONFIG_SETTINGS; setting++) {
        const struct config_row *row = &config_rows[setting];
        if (row->standard == NULL) continue;
        uint64_t number = 0;
        bool readable = read_value(row, bytes_of_text(row->standard), &number);
        CHECKF(readable, "the default of %s", row->key);
        store_value(config, row, bytes_of_text(row->standard), number);
    }
    config->time_horizon_ms = config->time_lateness_ms + CONFIG_HORIZON_SLACK_MS;
}

bool config_flag(enum config_setting setting, unsigned verbs, struct config_flag *out) {
    static const char *const arguments[] = {
        [CONFIG_TEXT] = "PATH",         [CONFIG_ADDRESS] = "HOST:PORT", [CONFIG_URL] = "URL",
        [CONFIG_DURATION] = "DURATION", [CONFIG_SIZE] = "SIZE",         [CONFIG_COUNT] = "N",
    };
    CHECK(setting < CONFIG_SETTINGS);
    const struct config_row *row = &config_rows[setting];
    if ((row->verbs & verbs) == 0) return false;
    const char *argument = row->kind == CONFIG_CHOICE ? row->choices : arguments[row->kind];
    *out = (struct config_flag){row->flag, argument, row->help, row->standard};
    return true;
}

enum config_setting config_find_flag(struct bytes name, unsigned verbs) {
    unsigned setting = 0;
    while (setting < CONFIG_SETTINGS &&
           ((config_rows[setting].verbs & verbs) == 0 || !bytes_equal(name, bytes_of_text(config_rows[setting].flag)))) {
        setting++;
    }
    return (enum config_setting)setting;
}

enum status config_set_flag(struct config *config, enum config_setting setting, const char *value, struct failure *failure) {
    return config_set(config, setting, (struct config_place){.origin = CONFIG_FROM_FLAG}, bytes_of_text(value), failure);
}

enum status config_set_file(struct config *config, enum config_origin origin, const char *path, struct failure *failure) {
    if (!read_text(bytes_of_text(path))) {
        return failure_set(failure, STATUS_BAD_CONFIG, "%s is not the path of a file of at most %d bytes",
                           origin == CONFIG_FROM_FLAG ? "--config" : "TALLY_CONFIG", CONFIG_TEXT_BYTES_MAX);
    }
    if (origin < config->file_source.origin) return STATUS_OK;
    memcpy(config->file, path, strlen(path) + 1);
    config->file_source.origin = origin;
    return STATUS_OK;
}

enum status config_set_file_flag(struct config *config, const char *path, struct failure *failure) {
    return config_set_file(config, CONFIG_FROM_FLAG, path, failure);
}

/* --- what settings say together --- */

static enum status check_horizon(const struct config *config, struct failure *failure) {
    if (config->time_horizon_ms >= config->time_lateness_ms + CONFIG_HORIZON_SLACK_MS) return STATUS_OK;
    struct buffer message = {0};
    buffer_append_text(&message, "time.horizon is ");
    value_print_duration(config->time_horizon_ms, &message);
    buffer_append_text(&message, " (");
    config_print_source(config, CONFIG_time_horizon_ms, &message);
    buffer_append_text(&message, "), but must be at least 1m more than time.lateness, which is ");
    value_print_duration(config->time_lateness_ms, &message);
    buffer_append_text(&message, " (");
    config_print_source(config, CONFIG_time_lateness_ms, &message);
    buffer_append_text(&message, ")");
    enum status status = failure_set(failure, STATUS_BAD_CONFIG, "%.*s", (int)message.len, (const char *)message.at);
    buffer_fini(&message);
    return status;
}

enum status config_finish(struct config *config, const char *const *environment, struct failure *failure) {
    enum status status = config_load_environment(config, environment, failure);
    if (status == STATUS_OK && config->file[0] != '\0') status = config_load_file(config, failure);
    if (status != STATUS_OK) return status;
    if (!config_given(config, CONFIG_time_horizon_ms)) {
        config->time_horizon_ms = config->time_lateness_ms + CONFIG_HORIZON_SLACK_MS;
        return STATUS_OK;
    }
    /* With the lateness not given, the journal knows against what the horizon must be checked. */
    return config_given(config, CONFIG_time_lateness_ms) ? check_horizon(config, failure) : STATUS_OK;
}

enum status config_require_data(const struct config *config, struct failure *failure) {
    if (config_given(config, CONFIG_data_directory)) return STATUS_OK;
    return failure_set(failure, STATUS_BAD_CONFIG,
                       "data.directory is not given: say where the journal is to be kept, with --data DIR, "
                       "TALLY_DATA_DIRECTORY=DIR or `data: {directory: DIR}` in the file of --config");
}

struct rules_proposal config_rules_proposal(const struct config *config) {
    CHECK(config->journal_partitions <= PARTITIONS_MAX && config->journal_partitions > 0);
    return (struct rules_proposal){
        .has_delay = config_given(config, CONFIG_time_delay_ms),
        .has_lateness = config_given(config, CONFIG_time_lateness_ms),
        .has_horizon = config_given(config, CONFIG_time_horizon_ms),
        .has_max_skew = config_given(config, CONFIG_time_max_skew_ms),
        .has_partitions = config_given(config, CONFIG_journal_partitions),
        .has_identity_mode = config_given(config, CONFIG_identity_without_event_id),
        .delay_ms = config->time_delay_ms,
        .lateness_ms = config->time_lateness_ms,
        .horizon_ms = config->time_horizon_ms,
        .max_skew_ms = config->time_max_skew_ms,
        .partition_count = (uint32_t)config->journal_partitions,
        .identity_mode = config->identity_without_event_id,
    };
}
