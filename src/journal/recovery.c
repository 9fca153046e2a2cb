/* What recovery does to the disk, in an order in which a crash at any point is recovered by doing it again:
 * 1. half-made files are removed; 2. the torn tail is copied aside and durable; 3. the records before it are copied to a new
 * file, which is durable before it takes the segment's name. */
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "journal/journal_internal.h"

enum { COPY_BYTES = 1024 * 1024, TORN_FILES_MAX = 100000 };

static void visit_leftover(void *context, const char *name) {
    struct buffer *names = context;
    size_t len = strlen(name);
    bool ours = len >= 20 && strspn(name, "0123456789") == 20; /* whatever else lies here is not ours to remove */
    if (ours && strcmp(name + len - 4, ".new") == 0) buffer_append(names, name, len + 1);
}

enum status journal_remove_leftovers(struct journal *journal, struct failure *failure) {
    const struct files *files = &journal->files;
    struct buffer names = {0};
    enum status status = files->list(files->self, "journal", visit_leftover, &names, failure);
    for (size_t at = 0; status == STATUS_OK && at < names.len; at += strlen((const char *)names.at + at) + 1) {
        char path[SEGMENT_PATH_BYTES + 256];
        (void)snprintf(path, sizeof path, "journal/%.255s", (const char *)names.at + at);
        status = files->remove(files->self, path, failure);
    }
    buffer_fini(&names);
    return status;
}

static enum status copy_range(const struct files *files, struct file *from, uint64_t begin, uint64_t end, struct file *to,
                              uint64_t at, struct failure *failure) {
    CHECK(begin <= end && from != to);
    struct buffer part = {0};
    enum status status = STATUS_OK;
    while (status == STATUS_OK && begin < end) {
        size_t len = end - begin < COPY_BYTES ? (size_t)(end - begin) : COPY_BYTES;
        size_t got;
        buffer_clear(&part);
        status = files->read(from, begin, buffer_reserve(&part, len), len, &got, failure);
        if (status == STATUS_OK && got < len)
            status = failure_set(failure, STATUS_IO_ERROR, "a segment became shorter while it was copied");
        if (status == STATUS_OK) status = files->write(to, at, (struct bytes){part.at, len}, failure);
        begin += len;
        at += len;
    }
    CHECK(status != STATUS_OK || begin == end);
    buffer_fini(&part);
    return status;
}

static enum status path_is_free(const struct files *files, const char *path, bool *is_free, struct failure *failure) {
    struct file *file;
    struct failure unused = {0};
    enum status status = files->open(files->self, path, FILE_READ, &file, &unused);
    *is_free = status == STATUS_NOT_FOUND;
    if (status == STATUS_OK) files->close(file);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) return STATUS_OK;
    return failure_set(failure, status, "%s", unused.text);
}

/* `.torn`, or when an earlier recovery left one, `.2.torn`, `.3.torn`, ...: evidence is never overwritten. */
static enum status torn_path(struct journal *journal, uint64_t number, struct failure *failure) {
    for (int i = 1; i <= TORN_FILES_MAX; i++) {
        char suffix[32];
        bool is_free;
        (void)snprintf(suffix, sizeof suffix, i == 1 ? ".torn" : ".%d.torn", i);
        segment_path(journal->torn_path, number, suffix);
        enum status status = path_is_free(&journal->files, journal->torn_path, &is_free, failure);
        if (status != STATUS_OK || is_free) return status;
    }
    return failure_set(failure, STATUS_FULL, "there are more than %d torn tails beside %s", TORN_FILES_MAX,
                       journal->torn_path);
}

static enum status keep_torn_tail(struct journal *journal, struct segment_reader *reader, uint64_t number,
                                  struct failure *failure) {
    if (journal->torn_to == journal->torn_from) return STATUS_OK;
    CHECK(journal->torn_from < journal->torn_to && journal->torn_to <= reader->size);
    const struct files *files = &journal->files;
    char temporary[SEGMENT_PATH_BYTES];
    segment_path(temporary, number, ".torn.new");
    struct file *file = NULL;
    enum status status = torn_path(journal, number, failure);
    if (status == STATUS_OK) status = files->open(files->self, temporary, FILE_CREATE, &file, failure);
    if (status == STATUS_OK)
        status = copy_range(files, reader->file, journal->torn_from, journal->torn_to, file, 0, failure);
    if (status == STATUS_OK) status = files->sync(file, failure);
    if (file != NULL) files->close(file);
    if (status == STATUS_OK) status = files->rename(files->self, temporary, journal->torn_path, failure);
    if (status == STATUS_OK) status = files->directory_sync(files->self, "journal", failure);
    if (status == STATUS_OK) journal->torn_bytes = journal->torn_to - journal->torn_from;
    return status;
}

/* A page cache after a failed fsync may show bytes that never reached the disk: what is copied and synced is what is read
 * from now on (I3). */
static enum status copy_segment(struct journal *journal, struct segment_reader *reader, const struct segment_place *place,
                                const struct segment_header *header, struct failure *failure) {
    const struct files *files = &journal->files;
    struct segment_writer *writer = &journal->writer;
    char temporary[SEGMENT_PATH_BYTES];
    segment_path(temporary, place->number, ".new");
    CHECK(writer->file == NULL && place->records_end <= reader->size);
    CHECK(place->records_end >= header->length && place->number == journal->last_number && !place->sealed);
    *writer = (struct segment_writer){
        .number = place->number,
        .at = place->records_end,
        .empty = place->records_end == header->length,
        .version = header->version,
        .header_filter_bytes = journal->next.filter_bytes,
    };
    writer->allocated = segment_allocation(journal, writer->at + segment_footer_bytes_max(&journal->end));
    CHECK(writer->at < writer->allocated);
    enum status status = files->open(files->self, temporary, FILE_CREATE, &writer->file, failure);
    if (status == STATUS_OK) status = files->allocate(writer->file, writer->allocated, failure);
    if (status == STATUS_OK) status = copy_range(files, reader->file, 0, writer->at, writer->file, 0, failure);
    if (status == STATUS_OK) status = files->sync(writer->file, failure);
    if (status == STATUS_OK) status = files->rename(files->self, temporary, reader->path, failure);
    if (status == STATUS_OK) status = files->directory_sync(files->self, "journal", failure);
    if (status == STATUS_OK) journal->syncs++;
    return status;
}

enum status journal_settle(struct journal *journal, struct failure *failure) {
    CHECK(!journal->settled && journal->segment_count > 0 && journal->life == JOURNAL_OPENED);
    const struct segment_place *last = &journal->segments[journal->segment_count - 1];
    enum status status = journal_remove_leftovers(journal, failure);
    if (status == STATUS_OK && !last->sealed) {
        struct segment_reader reader;
        struct segment_header header;
        struct bytes state_bytes;
        status = segment_reader_open(&reader, &journal->files, last->number, failure);
        if (status != STATUS_OK) return status;
        status = segment_reader_header(&reader, &header, &journal->next, NULL, &state_bytes, failure);
        if (status == STATUS_OK) status = keep_torn_tail(journal, &reader, last->number, failure);
        if (status == STATUS_OK) status = copy_segment(journal, &reader, last, &header, failure);
        segment_reader_close(&reader);
    }
    CHECK(status != STATUS_OK || last->sealed == (journal->writer.file == NULL));
    journal->settled = status == STATUS_OK;
    return status;
}
