/* columns_layout.h (inside journal/): the columns in the order in which they stand on disk. */
#pragma once

#include "journal/columns.h"

enum { COLUMNS_BILLING = 10, COLUMNS_PERSONAL = 5 };

/* Offsets of the buffers within `struct columns`, in disk order. */
extern const size_t columns_billing[COLUMNS_BILLING];
extern const size_t columns_personal[COLUMNS_PERSONAL];

static inline struct buffer *columns_buffer(struct columns *columns, size_t offset) {
    return (struct buffer *)(void *)((char *)columns + offset);
}
static inline const struct buffer *columns_buffer_view(const struct columns *columns, size_t offset) {
    return (const struct buffer *)(const void *)((const char *)columns + offset);
}

size_t columns_billing_bytes(const struct columns *columns);
size_t columns_personal_bytes(const struct columns *columns);
