/* The YAML loader on any bytes: it refuses with a message that names the file, or takes values that print as YAML that reads
 * back to the same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_ascii(struct bytes text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] >= 0x80) return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct config config, again;
    struct failure failure = {0};
    config_init(&config);
    enum status status = config_load_yaml(&config, (struct bytes){data, size}, "fuzz.yaml", &failure);
    if (status != STATUS_OK) {
        CHECK(status == STATUS_BAD_CONFIG && failure.status == status);
        CHECK(strncmp(failure.text, "fuzz.yaml:", 10) == 0);
        return 0;
    }
    struct buffer printed = {0}, printed_again = {0};
    config_print(&config, &printed);
    /* Line ends and control characters of Unicode may be escaped in YAML, but print as themselves: not for reading back. */
    if (is_ascii(buffer_view(&printed))) {
        config_init(&again);
        status = config_load_yaml(&again, buffer_view(&printed), "fuzz.yaml", &failure);
        CHECKF(status == STATUS_OK, "%s", failure.text);
        CHECK(memcmp(&config, &again, offsetof(struct config, sources)) == 0);
        config_print(&again, &printed_again);
        CHECK(printed_again.len > 0);
    }
    buffer_fini(&printed_again);
    buffer_fini(&printed);
    return 0;
}
