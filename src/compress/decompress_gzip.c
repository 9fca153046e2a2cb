/* decompress_gzip.c: gzip (RFC 1952) by zlib. */
#include <stdlib.h>
#include <zlib.h>

#include "base/check.h"
#include "compress/engine.h"

enum { GZIP_ONLY_WINDOW_BITS = 15 + 16 }; /* zlib.h: 16 more means gzip and nothing else */

static void *gzip_create(void) {
    z_stream *stream = memory_allocate_zeroed(1, sizeof *stream);
    CHECK(inflateInit2(stream, GZIP_ONLY_WINDOW_BITS) == Z_OK);
    return stream;
}

static void gzip_destroy(void *state) {
    CHECK(inflateEnd(state) == Z_OK);
    free(state);
}

static void gzip_reset(void *state) {
    CHECK(inflateReset(state) == Z_OK);
}

static enum status gzip_step(void *state, struct bytes *input, uint8_t *out, size_t room, size_t *made, bool *between,
                             struct failure *failure) {
    z_stream *stream = state;
    uInt input_len = input->len > UINT32_MAX ? UINT32_MAX : (uInt)input->len;
    uInt out_len = room > UINT32_MAX ? UINT32_MAX : (uInt)room;
    stream->next_in = (Bytef *)(uintptr_t)input->at; /* zlib does not write to it */
    stream->avail_in = input_len;
    stream->next_out = out;
    stream->avail_out = out_len;
    int result = inflate(stream, Z_NO_FLUSH);
    input->at += input_len - stream->avail_in;
    input->len -= input_len - stream->avail_in;
    *made = out_len - stream->avail_out;
    switch (result) {
    case Z_STREAM_END: /* its checksum and length were right; another member may follow */
        gzip_reset(stream);
        *between = true;
        return STATUS_OK;
    case Z_OK:
        *between = false;
        return STATUS_OK;
    case Z_BUF_ERROR: /* no progress was possible: it wants input or room */
        return STATUS_OK;
    case Z_MEM_ERROR:
        CHECK_FAIL("out of memory");
    default:
        return failure_set(failure, STATUS_BAD_INPUT, "the gzip data is damaged (%s)",
                           stream->msg != NULL ? stream->msg : "needs a dictionary");
    }
}

const struct engine engine_gzip = {gzip_create, gzip_destroy, gzip_reset, gzip_step};
