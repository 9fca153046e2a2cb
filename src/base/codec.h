/* codec.h: integers in bytes. Little-endian on disk; big-endian where byte order must be number order (store keys). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

static inline void put_u16(uint8_t *at, uint16_t value) {
    memcpy(at, &value, sizeof value);
}
static inline void put_u32(uint8_t *at, uint32_t value) {
    memcpy(at, &value, sizeof value);
}
static inline void put_u64(uint8_t *at, uint64_t value) {
    memcpy(at, &value, sizeof value);
}
static inline uint16_t get_u16(const uint8_t *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline uint32_t get_u32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline uint64_t get_u64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the fast paths above assume a little-endian machine");

static inline void put_u16_be(uint8_t *at, uint16_t value) {
    put_u16(at, __builtin_bswap16(value));
}
static inline void put_u32_be(uint8_t *at, uint32_t value) {
    put_u32(at, __builtin_bswap32(value));
}

void buffer_put_u8(struct buffer *buffer, uint8_t value);
void buffer_put_u16(struct buffer *buffer, uint16_t value);
void buffer_put_u32(struct buffer *buffer, uint32_t value);
void buffer_put_u64(struct buffer *buffer, uint64_t value);
/* LEB128, 7 bits a byte, low bits first, at most 10 bytes. */
void buffer_put_varint(struct buffer *buffer, uint64_t value);

/* Reads forward through bytes that may be damaged or hostile. A read past the end, or a varint of more than 64 bits,
 * sets `bad` and returns 0 or empty; once bad, always bad. The caller looks at `bad` once, at the end. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

static inline struct reader reader_of(struct bytes bytes) {
    /* NULL + 0 is undefined. */
    return (struct reader){bytes.at, bytes.len == 0 ? bytes.at : bytes.at + bytes.len, false};
}
static inline size_t reader_left(const struct reader *reader) {
    return (size_t)(reader->end - reader->at);
}
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
uint64_t reader_varint(struct reader *reader);
/* A view into the bytes read from. */
struct bytes reader_bytes(struct reader *reader, size_t len);
