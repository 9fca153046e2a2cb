#include "base/codec.h"

void buffer_put_u8(struct buffer *buffer, uint8_t value) {
    buffer_append(buffer, &value, sizeof value);
}

void buffer_put_u16(struct buffer *buffer, uint16_t value) {
    buffer_append(buffer, &value, sizeof value);
}

void buffer_put_u32(struct buffer *buffer, uint32_t value) {
    buffer_append(buffer, &value, sizeof value);
}

void buffer_put_u64(struct buffer *buffer, uint64_t value) {
    buffer_append(buffer, &value, sizeof value);
}

void buffer_put_varint(struct buffer *buffer, uint64_t value) {
    uint8_t *at = buffer_reserve(buffer, 10);
    size_t len = 0;
    while (value >= 0x80) {
        at[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    at[len++] = (uint8_t)value;
    buffer->len += len;
}

struct bytes reader_bytes(struct reader *reader, size_t len) {
    if (reader->bad || reader_left(reader) < len) {
        reader->bad = true;
        return (struct bytes){NULL, 0};
    }
    struct bytes taken = {reader->at, len};
    reader->at += len;
    return taken;
}

uint8_t reader_u8(struct reader *reader) {
    struct bytes taken = reader_bytes(reader, 1);
    return reader->bad ? 0 : taken.at[0];
}

uint16_t reader_u16(struct reader *reader) {
    struct bytes taken = reader_bytes(reader, 2);
    return reader->bad ? 0 : get_u16(taken.at);
}

uint32_t reader_u32(struct reader *reader) {
    struct bytes taken = reader_bytes(reader, 4);
    return reader->bad ? 0 : get_u32(taken.at);
}

uint64_t reader_u64(struct reader *reader) {
    struct bytes taken = reader_bytes(reader, 8);
    return reader->bad ? 0 : get_u64(taken.at);
}

uint64_t reader_varint(struct reader *reader) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = reader_u8(reader);
        if (reader->bad) return 0;
        uint64_t part = byte & 0x7F;
        if (shift == 63 && part > 1) break;
        value |= part << shift;
        if (byte < 0x80) return value;
    }
    reader->bad = true;
    return 0;
}
