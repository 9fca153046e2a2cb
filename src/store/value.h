/* value.h: the envelope of every value: format version, codec, CRC-32C over key and content. Bytes: docs/format/store.md.
 * The only place that knows zstd. Only store/ (and its tests) include this. */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

enum {
    STORE_FORMAT = 1,                          /* the version in every value */
    STORE_CONTENT_BYTES_MAX = 8 * 1024 * 1024, /* of one value, decompressed; every writer stays below */
};
enum value_codec { VALUE_RAW = 0, VALUE_ZSTD = 1 };

/* Seals values, keeps its compressor between them. One thread at a time. */
struct value_writer;
struct value_writer *value_writer_create(void);
void value_writer_destroy(struct value_writer *writer);
/* The view is valid until the next call. Content that does not shrink is kept as it is. */
struct bytes value_seal(struct value_writer *writer, struct bytes key, struct bytes content);

/* Opens values, keeps its decompressor and memory between them. One thread at a time. */
struct value_reader;
struct value_reader *value_reader_create(void);
void value_reader_destroy(struct value_reader *reader);
/* The content is valid until the next call, and no longer than `value`. STATUS_CORRUPT, naming the key in words and what
 * to do; STATUS_UNSUPPORTED when the value is whole but of another format version. */
enum status value_open(struct value_reader *reader, struct bytes key, struct bytes value, struct bytes *content,
                       struct failure *failure) MUST_USE;

/* The one message about a damaged value. Returns STATUS_CORRUPT. */
enum status value_corrupt(struct bytes key, const char *what, struct failure *failure);
