#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"

int bytes_compare(struct bytes a, struct bytes b) {
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter == 0 ? 0 : memcmp(a.at, b.at, shorter);
    if (order != 0) return order;
    return (a.len > b.len) - (a.len < b.len);
}

void *memory_allocate(size_t size) {
    void *at = malloc(size == 0 ? 1 : size);
    CHECKF(at != NULL, "out of memory for %zu bytes", size);
    return at;
}

void *memory_allocate_zeroed(size_t count, size_t size) {
    void *at = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
    CHECKF(at != NULL, "out of memory for %zu x %zu bytes", count, size);
    return at;
}

void *memory_allocate_large(size_t size) {
    enum { HUGE_PAGE_BYTES = 2 * 1024 * 1024 };
    if (size < HUGE_PAGE_BYTES) return memory_allocate(size);
    size_t rounded = (size + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    void *at = aligned_alloc(HUGE_PAGE_BYTES, rounded);
    CHECKF(at != NULL, "out of memory for %zu bytes", rounded);
    (void)madvise(at, rounded, MADV_HUGEPAGE); /* advice: without it, it is only slower */
    return at;
}

void *memory_allocate_large_zeroed(size_t size) {
    return memset(memory_allocate_large(size), 0, size);
}

void *memory_resize(void *at, size_t size) {
    void *moved = realloc(at, size == 0 ? 1 : size);
    CHECKF(moved != NULL, "out of memory for %zu bytes", size);
    return moved;
}

void buffer_fini(struct buffer *buffer) {
    free(buffer->at);
    *buffer = (struct buffer){0};
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t extra) {
    CHECK(buffer->len <= buffer->capacity);
    CHECK(extra <= SIZE_MAX / 4 && buffer->len <= SIZE_MAX / 4);
    if (buffer->capacity - buffer->len < extra) {
        size_t wanted = buffer->capacity < 256 ? 256 : buffer->capacity * 2;
        if (wanted < buffer->len + extra) wanted = buffer->len + extra;
        buffer->at = memory_resize(buffer->at, wanted);
        buffer->capacity = wanted;
    }
    /* NULL + 0 is undefined in C, so an empty buffer that is asked for nothing gets no arithmetic. */
    return buffer->len == 0 ? buffer->at : buffer->at + buffer->len;
}

void buffer_append(struct buffer *buffer, const void *at, size_t len) {
    if (len == 0) return;
    memcpy(buffer_reserve(buffer, len), at, len);
    buffer->len += len;
}

void buffer_append_text(struct buffer *buffer, const char *text) {
    buffer_append(buffer, text, strlen(text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int needed = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(needed >= 0);
    char *at = (char *)buffer_reserve(buffer, (size_t)needed + 1);
    va_start(arguments, format);
    (void)vsnprintf(at, (size_t)needed + 1, format, arguments);
    va_end(arguments);
    buffer->len += (size_t)needed;
}
