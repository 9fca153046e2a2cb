/* filter_file.h: whole files that people hand to a verb: filters as CSV or JSON (query/filter_request.h), told apart by
 * content. */
#pragma once

#include "query/filter_request.h"

enum { FILTER_FILE_BYTES_MAX = 64 * 1024 * 1024 };

/* The content of a file, .gz and .zst undone; "-" is standard input. Appended. STATUS_BAD_CONFIG: it cannot be read, or has
 * more than `bytes_max`; the failure names it. */
enum status file_read_whole(const char *name, size_t bytes_max, struct buffer *out, struct failure *failure) MUST_USE;
/* An array or an object is JSON, anything else CSV. */
enum filter_request_form filter_file_form(struct bytes content);
/* All of it or nothing: STATUS_BAD_CONFIG names the file and the row. `*out` is the caller's. */
enum status filter_file_parse(const char *name, struct bytes content, struct filter_list *out,
                              struct failure *failure) MUST_USE;
enum status filter_file_read(const char *name, struct filter_list *out, struct failure *failure) MUST_USE;
