/* Bytes as lines: flags ("--lateness=24h"), environment ("TALLY_TIME_LATENESS=24h"), and values by themselves. What is
 * refused is refused with words; what is taken prints as YAML that is taken the same; a value prints as what reads back. */
#include <stdlib.h>

#include "base/check.h"
#include "config/config.h"
#include "config/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 32 };

static void check_values(struct bytes text) {
    int64_t ms, ms_again;
    uint64_t number, again;
    struct buffer printed = {0};
    if (value_read_duration(text, &ms)) {
        value_print_duration(ms, &printed);
        CHECK(value_read_duration(buffer_view(&printed), &ms_again) && ms_again == ms);
    }
    buffer_clear(&printed);
    if (value_read_size(text, &number)) {
        value_print_size(number, &printed);
        CHECK(value_read_size(buffer_view(&printed), &again) && again == number);
    }
    buffer_clear(&printed);
    if (value_read_count(text, &number)) {
        buffer_printf(&printed, "%llu", (unsigned long long)number);
        CHECK(value_read_count(buffer_view(&printed), &again) && again == number);
    }
    buffer_clear(&printed);
    value_print_quoted(text, &printed);
    CHECK(printed.len >= 2 && printed.len <= 60 * 4 + 16);
    for (size_t i = 0; i < printed.len; i++) CHECK(printed.at[i] >= 0x20 && printed.at[i] != 0x7F);
    buffer_fini(&printed);
    struct suggestion suggestion = {.typed = text};
    suggestion_offer(&suggestion, "lateness");
    suggestion_offer(&suggestion, "dedup-memory");
}

static bool is_ascii(struct bytes text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] >= 0x80) return false;
    return true;
}

#define SAME_TEXT(member) strcmp(a->member, b->member) == 0
#define SAME_ADDRESS(member) SAME_TEXT(member)
#define SAME_URL(member) SAME_TEXT(member)
#define SAME_DURATION(member) a->member == b->member
#define SAME_SIZE(member) a->member == b->member
#define SAME_COUNT(member) a->member == b->member
#define SAME_CHOICE(member) a->member == b->member
static void check_same(const struct config *a, const struct config *b) {
#define X(member, kind, ...) CHECK(SAME_##kind(member));
    CONFIG_TABLE(X, X)
#undef X
}

/* As in config_fuzz.c: control characters of Unicode print as themselves. */
static void check_prints(const struct config *config) {
    static struct config again;
    const char *const none = NULL;
    struct buffer printed = {0};
    struct failure failure = {0};
    config_print(config, &printed);
    if (is_ascii(buffer_view(&printed))) {
        config_init(&again);
        CHECKF(config_load_yaml(&again, buffer_view(&printed), "printed", &failure) == STATUS_OK, "%s", failure.text);
        again.file[0] = 0; /* or it would be read again */
        CHECKF(config_finish(&again, &none, &failure) == STATUS_OK, "%s", failure.text);
        check_same(config, &again);
    }
    buffer_fini(&printed);
}

/* "--name=value"; false when it was refused. */
static bool set_flag(struct config *config, char *line) {
    char *value = strchr(line, '=');
    struct failure failure = {0};
    if (value == NULL) return true;
    const enum config_setting setting =
        config_find_flag((struct bytes){(const uint8_t *)line + 2, (size_t)(value - line) - 2}, CONFIG_FOR_ALL);
    if (setting == CONFIG_SETTINGS) return true;
    struct config_flag flag;
    CHECK(config_flag(setting, CONFIG_FOR_ALL, &flag));
    const enum status status = config_set_flag(config, setting, value + 1, &failure);
    CHECK(status == STATUS_OK ? config_given(config, setting) : status == STATUS_BAD_CONFIG && failure.text[0] != 0);
    return status == STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct config config;
    char *text = memory_allocate(size + 1), *lines[LINES_MAX + 1] = {NULL};
    size_t count = 0;
    bool good = true;
    memcpy(text, data, size);
    text[size] = 0;
    config_init(&config);
    for (char *at = text; at < text + size && count < LINES_MAX;) {
        char *end = memchr(at, '\n', (size_t)(text + size - at));
        if (end == NULL) end = text + size;
        *end = 0;
        check_values((struct bytes){(const uint8_t *)at, (size_t)(end - at)});
        if (strncmp(at, "--", 2) == 0) good = good && set_flag(&config, at);
        /* A file that the environment names would be read. */
        if (strncmp(at, "TALLY_", 6) == 0 && strncmp(at, "TALLY_CONFIG", 12) != 0) lines[count++] = at;
        at = end + 1;
    }
    struct failure failure = {0};
    if (good) {
        const enum status status = config_finish(&config, (const char *const *)lines, &failure);
        CHECK(status == STATUS_OK || (status == STATUS_BAD_CONFIG && failure.text[0] != 0));
        if (status == STATUS_OK) check_prints(&config);
    }
    free(text);
    return 0;
}
