/* bytes.h: borrowed bytes and a growable buffer that owns them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed: whoever made it says how long it lives. Not NUL-terminated. `at` may be NULL when `len` is 0. */
struct bytes {
    const uint8_t *at;
    size_t len;
};

#define BYTES_LITERAL(text) ((struct bytes){(const uint8_t *)(text), sizeof(text) - 1})

static inline struct bytes bytes_of_text(const char *text) {
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* Unsigned bytes ascending, the shorter first when one is a prefix of the other: the order of ad ids (I9). */
int bytes_compare(struct bytes a, struct bytes b);

/* Owned, grows by doubling, aborts when memory is out (memory is bounded by configuration, so that is a bug: I10).
 * {0} is an empty buffer. */
struct buffer {
    uint8_t *at;
    size_t len;
    size_t capacity;
};

void buffer_fini(struct buffer *buffer);
/* Room for `extra` more bytes after `len`; returns where they begin. `len` is unchanged. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t extra);
void buffer_append(struct buffer *buffer, const void *at, size_t len);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void buffer_append_bytes(struct buffer *buffer, struct bytes bytes) {
    buffer_append(buffer, bytes.at, bytes.len);
}

static inline struct bytes buffer_view(const struct buffer *buffer) {
    return (struct bytes){buffer->at, buffer->len};
}

static inline void buffer_clear(struct buffer *buffer) {
    buffer->len = 0;
}

/* malloc and calloc that abort instead of returning NULL. */
void *memory_allocate(size_t size);
void *memory_allocate_zeroed(size_t count, size_t size);
void *memory_resize(void *at, size_t size);
/* For arrays that are walked from end to end: on huge pages where the size is worth it. Freed with free; may be resized. */
void *memory_allocate_large(size_t size);
/* The same, all zero. Zeroed at once: on huge pages that takes less than the page faults of a random walk over fresh small
 * ones. */
void *memory_allocate_large_zeroed(size_t size);
