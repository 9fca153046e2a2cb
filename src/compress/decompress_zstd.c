/* decompress_zstd.c: zstd (RFC 8878) by libzstd. */
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/check.h"
#include "compress/engine.h"

enum { WINDOW_BITS_MAX = 23 };
_Static_assert(1 << WINDOW_BITS_MAX == DECOMPRESS_WINDOW_BYTES_MAX, "the same limit twice");

static void *zstd_create(void) {
    ZSTD_DCtx *context = ZSTD_createDCtx();
    CHECK(context != NULL);
    CHECK(!ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_BITS_MAX)));
    return context;
}

static void zstd_destroy(void *state) {
    (void)ZSTD_freeDCtx(state);
}

static void zstd_reset(void *state) {
    CHECK(!ZSTD_isError(ZSTD_DCtx_reset(state, ZSTD_reset_session_only))); /* parameters stay */
}

static enum status zstd_step(void *state, struct bytes *input, uint8_t *out, size_t room, size_t *made, bool *between,
                             struct failure *failure) {
    ZSTD_inBuffer in = {.src = input->at, .size = input->len};
    ZSTD_outBuffer to = {.dst = out, .size = room};
    size_t result = ZSTD_decompressStream(state, &to, &in);
    input->at += in.pos;
    input->len -= in.pos;
    *made = to.pos;
    if (!ZSTD_isError(result)) {
        if (result == 0) /* a frame ended and all of it is out */
            *between = true;
        else if (in.pos > 0 || to.pos > 0)
            *between = false;
        return STATUS_OK;
    }
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_frameParameter_windowTooLarge:
        return failure_set(failure, STATUS_FULL, "its zstd window is larger than %d MiB",
                           DECOMPRESS_WINDOW_BYTES_MAX / (1024 * 1024));
    case ZSTD_error_memory_allocation:
        CHECK_FAIL("out of memory");
    default:
        return failure_set(failure, STATUS_BAD_INPUT, "the zstd data is damaged (%s)", ZSTD_getErrorName(result));
    }
}

const struct engine engine_zstd = {zstd_create, zstd_destroy, zstd_reset, zstd_step};
