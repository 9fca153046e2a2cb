/* decompress.h: gzip and zstd as they come over the wire, undone in small parts.
 *
 * Input comes in any cut; output is made into the caller's room, so neither side is ever held whole. Several gzip members or
 * zstd frames in a row are one body (RFC 1952 2.2, RFC 8878 3.1). What a sender may cost is bounded: memory by
 * DECOMPRESS_WINDOW_BYTES_MAX, work by DECOMPRESS_RATIO_MAX. One thread at a time.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

enum compression { COMPRESSION_GZIP, COMPRESSION_ZSTD };

enum {
    DECOMPRESS_WINDOW_BYTES_MAX = 8 * 1024 * 1024, /* of a zstd frame: what RFC 9659 allows on the web */
    /* Output over input at which a body is taken for a bomb, once there is more than DECOMPRESS_FREE_BYTES of output. */
    DECOMPRESS_RATIO_MAX = 200,
    DECOMPRESS_FREE_BYTES = 1024 * 1024,
    /* What one decompressor may hold at most; for zstd the window, two blocks and tables. */
    DECOMPRESS_GZIP_MEMORY_BYTES = 64 * 1024,
    DECOMPRESS_ZSTD_MEMORY_BYTES = DECOMPRESS_WINDOW_BYTES_MAX + 1024 * 1024,
};

struct decompressor;

struct decompressor *decompressor_create(enum compression kind);
void decompressor_destroy(struct decompressor *decompressor);
/* Ready for the next body; keeps the memory. */
void decompressor_reset(struct decompressor *decompressor);

/* Takes bytes off the front of `input` and writes at most `room` bytes to `out`; `*made` of them are valid whatever is
 * returned. STATUS_OK with *made < room: all input was taken. With *made == room there may be more to come, also when
 * `input` is empty. After any other status the decompressor is of no use but to be reset or destroyed:
 * STATUS_BAD_INPUT: damaged; STATUS_FULL: over a limit of this file. `failure` says what, as half a sentence. */
enum status decompressor_step(struct decompressor *decompressor, struct bytes *input, uint8_t *out, size_t room,
                              size_t *made, struct failure *failure) MUST_USE;
/* After the last byte. STATUS_BAD_INPUT: it was cut in the middle of a member or frame. No bytes at all are an empty body.
 */
enum status decompressor_end(struct decompressor *decompressor, struct failure *failure) MUST_USE;
/* Bytes made since the last reset. */
uint64_t decompressor_made(const struct decompressor *decompressor);
