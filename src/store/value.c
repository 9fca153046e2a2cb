#include "store/value.h"

#include <stdlib.h>
#include <zstd.h>

#include "base/check.h"
#include "base/codec.h"
#include "checksum/crc32c.h"
#include "store/key.h"

/* u8 format version, u8 codec, u32 CRC-32C, then the content; VALUE_ZSTD: u32 decompressed length first. */
enum { CRC_AT = 2, CONTENT_AT = 6, ZSTD_AT = CONTENT_AT + 4, ZSTD_LEVEL = 1, ZSTD_WORTH_BYTES = 64 };

/* Contexts are made when the first value needs one: small values do without, and making one asks the processor what it is,
 * which in a virtual machine costs 20 microseconds for a reader and 200 for a writer. */
struct value_writer {
    ZSTD_CCtx *zstd;
    struct buffer out;
};

struct value_reader {
    ZSTD_DCtx *zstd;
    struct buffer content;
};

struct value_writer *value_writer_create(void) {
    return memory_allocate_zeroed(1, sizeof(struct value_writer));
}

void value_writer_destroy(struct value_writer *writer) {
    if (writer == NULL) return;
    (void)ZSTD_freeCCtx(writer->zstd);
    buffer_fini(&writer->out);
    free(writer);
}

/* Over the key too, so that a value that turns up under another key is noticed. */
static uint32_t value_crc(struct bytes key, const uint8_t *at, size_t len) {
    CHECK(key.len > 0 && len >= CONTENT_AT);
    uint32_t crc = crc32c(0, key);
    crc = crc32c(crc, (struct bytes){at, CRC_AT});
    return crc32c(crc, (struct bytes){at + CONTENT_AT, len - CONTENT_AT});
}

/* Appends the compressed content after the header; false when it is not worth it. */
static bool compress(struct value_writer *writer, struct bytes content) {
    if (content.len < ZSTD_WORTH_BYTES) return false;
    if (writer->zstd == NULL) writer->zstd = ZSTD_createCCtx();
    CHECK(writer->zstd != NULL);
    size_t bound = ZSTD_compressBound(content.len);
    uint8_t *at = buffer_reserve(&writer->out, 4 + bound);
    size_t len = ZSTD_compressCCtx(writer->zstd, at + 4, bound, content.at, content.len, ZSTD_LEVEL);
    CHECKF(!ZSTD_isError(len), "%s", ZSTD_getErrorName(len));
    if (4 + len >= content.len) return false;
    put_u32(at, (uint32_t)content.len);
    writer->out.len += 4 + len;
    return true;
}

#ifdef TALLY_COSTLY_CHECKS
static bool opens_as(struct bytes key, struct bytes value, struct bytes content) {
    struct value_reader *reader = value_reader_create();
    struct bytes read;
    bool same = value_open(reader, key, value, &read, NULL) == STATUS_OK && bytes_equal(read, content);
    value_reader_destroy(reader);
    return same;
}
#endif

struct bytes value_seal(struct value_writer *writer, struct bytes key, struct bytes content) {
    CHECK(key.len > 0 && content.len <= STORE_CONTENT_BYTES_MAX);
    buffer_clear(&writer->out);
    uint8_t *header = buffer_reserve(&writer->out, CONTENT_AT);
    memset(header, 0, CONTENT_AT);
    writer->out.len = CONTENT_AT;
    bool compressed = compress(writer, content);
    CHECK(compressed == (writer->out.len > CONTENT_AT));
    if (!compressed) buffer_append_bytes(&writer->out, content);
    header = writer->out.at; /* the buffer may have moved */
    header[0] = STORE_FORMAT;
    header[1] = compressed ? VALUE_ZSTD : VALUE_RAW;
    put_u32(header + CRC_AT, value_crc(key, header, writer->out.len));
    CHECK(writer->out.len >= CONTENT_AT && writer->out.len <= CONTENT_AT + content.len);
    COSTLY_CHECK(opens_as(key, buffer_view(&writer->out), content));
    return buffer_view(&writer->out);
}

struct value_reader *value_reader_create(void) {
    return memory_allocate_zeroed(1, sizeof(struct value_reader));
}

void value_reader_destroy(struct value_reader *reader) {
    if (reader == NULL) return;
    (void)ZSTD_freeDCtx(reader->zstd);
    buffer_fini(&reader->content);
    free(reader);
}

enum status value_corrupt(struct bytes key, const char *what, struct failure *failure) {
    char text[STORE_KEY_TEXT_MAX];
    store_key_text(key, text);
    return failure_set(failure, STATUS_CORRUPT,
                       "the store is damaged: %s: %s; stop the server, remove the store directory and start again: it is "
                       "rebuilt from the journal",
                       text, what);
}

static enum status decompress(struct value_reader *reader, struct bytes key, struct bytes value, struct bytes *content,
                              struct failure *failure) {
    if (value.len < ZSTD_AT) return value_corrupt(key, "the value is cut short", failure);
    size_t len = get_u32(value.at + CONTENT_AT);
    if (len > STORE_CONTENT_BYTES_MAX) return value_corrupt(key, "the value says that it is too long", failure);
    if (reader->zstd == NULL) reader->zstd = ZSTD_createDCtx();
    CHECK(reader->zstd != NULL);
    buffer_clear(&reader->content);
    uint8_t *at = buffer_reserve(&reader->content, len + 1); /* never NULL, even for nothing */
    size_t got = ZSTD_decompressDCtx(reader->zstd, at, len, value.at + ZSTD_AT, value.len - ZSTD_AT);
    if (ZSTD_isError(got)) return value_corrupt(key, ZSTD_getErrorName(got), failure);
    if (got != len) return value_corrupt(key, "the value has another length than it says", failure);
    CHECK(len < reader->content.capacity);
    reader->content.len = len;
    *content = buffer_view(&reader->content);
    return STATUS_OK;
}

enum status value_open(struct value_reader *reader, struct bytes key, struct bytes value, struct bytes *content,
                       struct failure *failure) {
    if (value.len < CONTENT_AT) return value_corrupt(key, "the value is cut short", failure);
    if (get_u32(value.at + CRC_AT) != value_crc(key, value.at, value.len))
        return value_corrupt(key, "the checksum does not match", failure);
    if (value.at[0] != STORE_FORMAT)
        return failure_set(failure, STATUS_UNSUPPORTED,
                           "the store has format version %u, this program reads %u; remove the store "
                           "directory and start again: it is rebuilt from the journal",
                           value.at[0], STORE_FORMAT);
    switch (value.at[1]) {
    case VALUE_RAW:
        *content = (struct bytes){value.at + CONTENT_AT, value.len - CONTENT_AT};
        if (content->len > STORE_CONTENT_BYTES_MAX) return value_corrupt(key, "the value is too long", failure);
        return STATUS_OK;
    case VALUE_ZSTD:
        return decompress(reader, key, value, content, failure);
    default:
        return value_corrupt(key, "the codec is not known", failure);
    }
}
