#include "compress/decompress.h"

#include <stdlib.h>

#include "base/check.h"
#include "compress/engine.h"

enum { DECOMPRESSOR_MAGIC = 0x5EC0DE01 };

struct decompressor {
    uint32_t magic;
    const struct engine *engine;
    void *state;
    bool between; /* two members or frames, or before the first */
    bool over;    /* a step failed */
    uint64_t taken, made;
};

struct decompressor *decompressor_create(enum compression kind) {
    CHECK(kind == COMPRESSION_GZIP || kind == COMPRESSION_ZSTD);
    struct decompressor *decompressor = memory_allocate_zeroed(1, sizeof *decompressor);
    decompressor->magic = DECOMPRESSOR_MAGIC;
    decompressor->engine = kind == COMPRESSION_GZIP ? &engine_gzip : &engine_zstd;
    decompressor->state = decompressor->engine->create();
    decompressor->between = true;
    return decompressor;
}

void decompressor_destroy(struct decompressor *decompressor) {
    if (decompressor == NULL) return;
    CHECK(decompressor->magic == DECOMPRESSOR_MAGIC);
    decompressor->engine->destroy(decompressor->state);
    decompressor->magic = 0;
    free(decompressor);
}

void decompressor_reset(struct decompressor *decompressor) {
    CHECK(decompressor->magic == DECOMPRESSOR_MAGIC);
    decompressor->engine->reset(decompressor->state);
    decompressor->between = true;
    decompressor->over = false;
    decompressor->taken = decompressor->made = 0;
}

/* Compared with what was taken so far, whose part not yet undone is small (a block), so a body that is dense later is not
 * blamed for its beginning: both are counted from the body's start. */
static bool is_bomb(const struct decompressor *decompressor) {
    return decompressor->made > DECOMPRESS_FREE_BYTES && decompressor->made / DECOMPRESS_RATIO_MAX >= decompressor->taken;
}

enum status decompressor_step(struct decompressor *decompressor, struct bytes *input, uint8_t *out, size_t room,
                              size_t *made, struct failure *failure) {
    CHECK(decompressor->magic == DECOMPRESSOR_MAGIC && !decompressor->over && room > 0);
    enum status status = STATUS_OK;
    *made = 0;
    while (status == STATUS_OK && *made < room) {
        struct bytes before = *input;
        bool was_between = decompressor->between;
        size_t part = 0;
        /* Nothing is left to be flushed between two members, and an empty call must not begin one. */
        if (input->len == 0 && decompressor->between) break;
        status = decompressor->engine->step(decompressor->state, input, out + *made, room - *made, &part,
                                            &decompressor->between, failure);
        CHECK(part <= room - *made && input->len <= before.len);
        *made += part;
        decompressor->made += part;
        decompressor->taken += before.len - input->len;
        bool moved = part > 0 || input->len < before.len || decompressor->between != was_between;
        if (!moved) break; /* it wants more input */
    }
    CHECK(status != STATUS_OK || *made == room || input->len == 0);
    if (status == STATUS_OK && is_bomb(decompressor))
        status = failure_set(failure, STATUS_FULL, "it expands to more than %d times its size", DECOMPRESS_RATIO_MAX);
    decompressor->over = status != STATUS_OK;
    return status;
}

enum status decompressor_end(struct decompressor *decompressor, struct failure *failure) {
    CHECK(decompressor->magic == DECOMPRESSOR_MAGIC && !decompressor->over);
    if (decompressor->between) return STATUS_OK;
    return failure_set(failure, STATUS_BAD_INPUT, "the compressed data is cut short");
}

uint64_t decompressor_made(const struct decompressor *decompressor) {
    CHECK(decompressor->magic == DECOMPRESSOR_MAGIC);
    return decompressor->made;
}
