/* filter_rows.h: the rows of a request, as its form gives them, become filters. Internal to query/. */
#pragma once

#include "query/filter_request.h"

struct filter_row {
    uint32_t number; /* as in struct filter_request_flaw */
    struct bytes filter_id, region, ip, user_id;
    bool ranked;
};

struct filter_rows {
    struct filter_list *list;
    size_t capacity;
    struct filter_request_flaw *flaw;
};

/* These return false, with the flaw filled in. */
bool filter_rows_add(struct filter_rows *rows, const struct filter_row *row) MUST_USE;
bool filter_rows_refuse(struct filter_rows *rows, uint32_t row, const char *field, const char *format, ...)
    PRINTF_LIKE(4, 5);

bool filter_rows_read_json(struct filter_rows *rows, struct bytes body) MUST_USE;
bool filter_rows_read_csv(struct filter_rows *rows, struct bytes body) MUST_USE;
