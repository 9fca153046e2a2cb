/* packed.h: bodies as a sender would compress them. */
#pragma once

#include <zlib.h>
#include <zstd.h>

#include "base/check.h"
#include "compress/decompress.h"

static inline void pack_gzip(struct bytes plain, struct buffer *out) {
    z_stream stream = {0};
    CHECK(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t bound = deflateBound(&stream, plain.len);
    stream.next_in = (Bytef *)(uintptr_t)plain.at;
    stream.avail_in = (uInt)plain.len;
    stream.next_out = buffer_reserve(out, bound);
    stream.avail_out = (uInt)bound;
    CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out->len += stream.total_out;
    CHECK(deflateEnd(&stream) == Z_OK);
}

static inline void pack_zstd(struct bytes plain, int window_bits, struct buffer *out) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (window_bits > 0) {
        CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_bits)));
        CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0)));
    }
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)));
    size_t bound = ZSTD_compressBound(plain.len);
    (void)buffer_reserve(out, bound + 64);
    ZSTD_inBuffer in = {plain.at, plain.len, 0};
    ZSTD_outBuffer to = {out->at + out->len, bound + 64, 0};
    /* In two steps, so that the frame is made for a stream of unknown size. */
    CHECK(!ZSTD_isError(ZSTD_compressStream2(context, &to, &in, ZSTD_e_continue)));
    CHECK(ZSTD_compressStream2(context, &to, &in, ZSTD_e_end) == 0);
    out->len += to.pos;
    (void)ZSTD_freeCCtx(context);
}

static inline void pack(enum compression kind, struct bytes plain, struct buffer *out) {
    if (kind == COMPRESSION_GZIP)
        pack_gzip(plain, out);
    else
        pack_zstd(plain, 0, out);
}
