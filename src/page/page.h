/* page.h: the page at `/`, its files under `/assets/`, and what this server takes and answers (OpenAPI) at `/openapi.json`;
 * all live inside the binary. No state, no memory of its own. */
#pragma once

#include "seam/requests.h"

/* False: `head->path` is not the page's, and `reply` is untouched. True: `reply` holds the file, a 304 for a reader whose
 * copy is current, 404 for an unknown file, 405 for another method than GET; the caller sends it and wants no body. Any
 * thread. */
bool page_answer(const struct request_head *head, struct reply *reply) MUST_USE;
