#include "dedup/survey.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "dedup/dedup_internal.h"

_Static_assert((int)DEDUP_SURVEY_NOTE_BYTES >= (int)MANIFEST_REASON_BYTES, "a note has a place");

enum { SURVEY_BLOCKS = 64 };

static enum status verify(const struct files *files, const struct manifest *manifest, uint32_t i,
                          const struct run_name *name, uint8_t *blocks, struct dedup_survey *out, struct failure *failure) {
    struct run_file run = {.files = files, .name = *name};
    uint32_t footer_crc;
    enum status status = files->open(files->self, name->path, FILE_READ, &run.file, failure);
    if (status != STATUS_OK) return status;
    status = run_file_check(&run, &footer_crc, failure);
    if (status == STATUS_OK) status = manifest_check_run(manifest, i, &run, footer_crc, failure);
    if (status == STATUS_OK) status = run_file_verify(&run, blocks, SURVEY_BLOCKS, failure);
    if (status == STATUS_OK) {
        out->runs++;
        out->entries += run.count;
        out->bytes += run_file_bytes(&run);
    }
    run_file_close(&run);
    return status;
}

void dedup_survey(const struct files *files, const char *of, const uint8_t log_uuid[16], uint32_t partition,
                  dedup_survey_progress *progress, dedup_survey_found *found, void *context, struct dedup_survey *out) {
    struct manifest manifest;
    struct failure failure = {0};
    *out = (struct dedup_survey){0};
    enum status status = manifest_read(files, of, log_uuid, partition, &manifest, &failure);
    if (status == STATUS_NOT_FOUND) return;
    if (status != STATUS_OK) {
        out->damaged++;
        found(context, &failure);
        return;
    }
    out->listed = manifest.position.known;
    if (!out->listed) {
        (void)snprintf(out->note, sizeof out->note, "%s", manifest.note.reason);
        return;
    }
    uint8_t *blocks = memory_allocate((size_t)SURVEY_BLOCKS * RUN_BLOCK_BYTES);
    for (uint32_t i = 0; i < manifest.run_count; i++) {
        struct run_name name = {.partition = partition, .number = manifest.runs[i].number};
        memcpy(name.log, log_uuid, sizeof name.log);
        dedup_run_path(of, name.number, name.path);
        if (progress != NULL) progress(context, name.path);
        failure = (struct failure){0};
        if (verify(files, &manifest, i, &name, blocks, out, &failure) == STATUS_OK) continue;
        out->damaged++;
        found(context, &failure);
    }
    free(blocks);
}

enum status dedup_survey_discard(const struct files *files, const char *of, const uint8_t log_uuid[16], uint32_t partition,
                                 const char *reason, struct failure *failure) {
    struct manifest_note note = manifest_note_of(MANIFEST_OF_NO_USE, reason);
    return manifest_write_note(files, of, log_uuid, partition, &note, failure);
}
