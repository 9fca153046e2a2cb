#include "cli/ask.h"

#include <stdio.h>

#include "cli/cli.h"
#include "client/api.h"

int ask(const char *url, struct bytes path, bool as_json, void (*print)(const struct json *answer)) {
    struct http_client *client = http_client_create(url, HTTP_CLIENT_TIMEOUT_MS);
    struct json *answer = NULL;
    struct buffer raw = {0};
    struct failure failure = {0};
    enum status status = api_get(client, path, &answer, &raw, &failure);
    int exit_code = CLI_DONE;
    if (status != STATUS_OK) {
        exit_code = cli_fail(&failure);
        if (status == STATUS_BAD_INPUT) exit_code = CLI_BAD_USAGE;
    } else if (as_json) {
        fwrite(raw.at, 1, raw.len, stdout);
        if (raw.len > 0 && raw.at[raw.len - 1] != '\n') putchar('\n');
    } else {
        print(answer);
    }
    json_destroy(answer);
    buffer_fini(&raw);
    http_client_destroy(client);
    return exit_code;
}
