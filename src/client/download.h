/* download.h: a long answer, handed on as it comes instead of being held. */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

/* GET `path` (begins with '/', percent-encoded) of `url`; `write` gets a 200's body in parts. A cut connection is a failure,
 * even when something was written already. */
enum status download(const char *url, const char *path, enum status (*write)(void *context, struct bytes part),
                     void *context, struct failure *failure) MUST_USE;
