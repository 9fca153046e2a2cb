/* ask.h: one question of a verb to a server, answered on stdout as JSON or by the verb's own print. */
#pragma once

#include "base/bytes.h"
#include "client/json.h"

/* GET `path`; exit code of cli.h. `as_json`: the server's own bytes and a line end; else `print` puts it on stdout. */
int ask(const char *url, struct bytes path, bool as_json, void (*print)(const struct json *answer));
