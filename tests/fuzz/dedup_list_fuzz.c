/* dedup_list_fuzz.c: a list of runs of identities, or a note in its place, made of anything. As it comes, and as either with
 * what stands before its figures put right (magic, version, length, checksum), so that they are reached. A list that is
 * accepted is what encoding it makes. */
#include <stdlib.h>

#include "base/check.h"
#include "checksum/crc32c.h"
#include "dedup/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t list_log[RUN_LOG_BYTES] = {9, 8, 7};

static void read_list(const uint8_t *data, size_t size) {
    struct manifest manifest;
    struct failure failure = {0};
    enum status status = manifest_decode((struct bytes){data, size}, "list", list_log, 3, &manifest, &failure);
    CHECK(status == STATUS_OK || failure.text[0] != '\0');
    CHECK(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED);
    if (status != STATUS_OK) return;
    struct buffer again = {0};
    manifest_encode(&manifest, list_log, 3, &again);
    CHECK(again.len == size && memcmp(again.at, data, size) == 0);
    buffer_fini(&again);
}

static void put_right(uint8_t *data, size_t size, const char magic[static 8]) {
    enum { HEAD_BYTES = 16, LOG_AND_PARTITION_BYTES = RUN_LOG_BYTES + 4, CRC_BYTES = 4 };
    if (size < HEAD_BYTES + LOG_AND_PARTITION_BYTES + CRC_BYTES) return;
    memcpy(data, magic, 8);
    put_u32(data + 8, MANIFEST_FORMAT_VERSION);
    put_u32(data + 12, (uint32_t)size);
    memcpy(data + HEAD_BYTES, list_log, RUN_LOG_BYTES);
    put_u32(data + HEAD_BYTES + RUN_LOG_BYTES, 3);
    put_u32(data + size - CRC_BYTES, crc32c(0, (struct bytes){data, size - CRC_BYTES}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_list(data, size);
    uint8_t *copy = malloc(size + 1);
    CHECK(copy != NULL);
    if (size > 0) memcpy(copy, data, size);
    put_right(copy, size, "tallylst");
    read_list(copy, size);
    put_right(copy, size, "tallynot");
    read_list(copy, size);
    free(copy);
    return 0;
}
