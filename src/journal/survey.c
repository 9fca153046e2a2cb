#include "journal/survey.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/codec.h"
#include "journal/log_reader.h"
#include "journal/record_format.h"

struct walk {
    const struct files *files;
    struct journal_survey *out;
    struct log_identity log; /* of the first header that can be read */
    bool has_log;
    bool is_chained; /* the segment before was read to its end, and what comes next must go on from there */
    struct filter_log *filters;
    struct log_state *state, *told;
    struct log_reader reader;
};

static struct survey_finding *add_finding(struct journal_survey *out, enum survey_kind kind, const char *path) {
    static struct survey_finding nowhere; /* written, never read */
    if (out->finding_count == SURVEY_FINDINGS_MAX) {
        out->findings_more++;
        return &nowhere;
    }
    struct survey_finding *finding = &out->findings[out->finding_count++];
    *finding = (struct survey_finding){.kind = kind};
    (void)snprintf(finding->path, sizeof finding->path, "%s", path);
    return finding;
}

/* The first damage is where the log in front of it ends. */
static void add_damage(struct walk *walk, enum survey_kind kind, uint64_t number, const char *path, uint64_t at,
                       const char *why) {
    struct journal_survey *out = walk->out;
    struct survey_finding *finding = add_finding(out, kind, path);
    finding->at = at;
    (void)snprintf(finding->why, sizeof finding->why, "%s", why);
    walk->is_chained = false;
    if (out->cut_segment != 0) return;
    out->cut_segment = number;
    out->cut_at = at;
    out->clicks_kept = out->clicks;
}

static void note_state(struct walk *walk, const struct log_state *state) {
    if (state->accepted > walk->out->clicks_told) walk->out->clicks_told = state->accepted;
}

static uint64_t clicks_of(const struct journal_record *record) {
    uint64_t clicks = 0;
    for (uint32_t i = 0; i < record->sub_block_count; i++)
        if (record->sub_blocks[i].kind == SUB_BLOCK_CLICKS) clicks += record->sub_blocks[i].count;
    return clicks;
}

static void count_record(struct walk *walk, const struct journal_record *record) {
    walk->out->records++;
    walk->out->clicks += clicks_of(record);
}

/* A reader that begins anew: what it reads next need not go on from anything. */
static void restart_reader(struct walk *walk) {
    log_reader_close(&walk->reader);
    filter_log_destroy(walk->filters);
    walk->filters = filter_log_create();
    log_state_init(walk->state, walk->log.partition_count, walk->filters);
    walk->reader = (struct log_reader){
        .files = walk->files, .log = &walk->log, .filter_log = walk->filters, .state = walk->state, .told = walk->told};
}

/* The first header that can be read says whose log this is. */
static enum status learn_log(struct walk *walk, uint64_t number, struct failure *failure) {
    struct segment_reader reader;
    struct segment_header header;
    struct bytes state_bytes;
    enum status status = segment_reader_open(&reader, walk->files, number, failure);
    if (status == STATUS_OK) status = segment_reader_header(&reader, &header, walk->told, NULL, &state_bytes, failure);
    if (status == STATUS_OK) {
        walk->log = header.log;
        walk->has_log = true;
        walk->out->partition_count = header.log.partition_count;
        memcpy(walk->out->uuid, header.log.uuid, sizeof walk->out->uuid);
    }
    segment_reader_close(&reader);
    return status;
}

/* Records behind the damage that are right by themselves: they can be read, but nothing says that all before them is there.
 */
static enum status count_behind(struct walk *walk, uint64_t from, struct failure *failure) {
    struct segment_reader *segment = &walk->reader.segment;
    CHECK(from <= segment->size);
    struct buffer rest = {0};
    size_t len = (size_t)(segment->size - from), got = 0;
    uint8_t *at = buffer_reserve(&rest, len + 1);
    enum status status = walk->files->read(segment->file, from, at, len, &got, failure);
    for (size_t i = RECORD_ALIGNMENT; status == STATUS_OK && i + RECORD_HEADER_BYTES <= got; i += RECORD_ALIGNMENT) {
        uint64_t number;
        if (!record_checksum_right((struct bytes){at + i, got - i}, segment->seed, &number)) continue;
        uint32_t length = get_u32(at + i + RECORD_AT_LENGTH);
        struct journal_record *record = record_allocate(length);
        memcpy(record_writable(record), at + i, length);
        if (record_parse(record, segment->seed) == RECORD_GOOD) {
            count_record(walk, record);
            i += length - RECORD_ALIGNMENT;
        }
        journal_record_release(record);
    }
    buffer_fini(&rest);
    return status;
}

/* Where the unsealed segment has no record any more. */
static enum status end_unsealed(struct walk *walk, uint64_t number, const struct failure *why, struct failure *failure) {
    struct segment_reader *segment = &walk->reader.segment;
    struct segment_tail tail;
    enum status status = segment_tail_find(segment, &walk->reader.header, walk->state->next_record, &tail, failure);
    if (status != STATUS_OK) return status;
    if (tail.valid_behind != 0) {
        add_damage(walk, SURVEY_DAMAGED, number, segment->path, segment->at, why->text);
        return count_behind(walk, segment->at, failure);
    }
    if (tail.to == tail.from) return STATUS_OK;
    struct survey_finding *finding = add_finding(walk->out, SURVEY_TORN, segment->path);
    finding->at = tail.from;
    finding->bytes = tail.to - tail.from;
    (void)snprintf(finding->why, sizeof finding->why,
                   "%s has a torn tail of %" PRIu64 " bytes at byte %" PRIu64 ", behind its last whole record",
                   segment->path, finding->bytes, finding->at);
    return STATUS_OK;
}

static void remember_end(struct walk *walk, uint64_t number) {
    struct journal_survey *out = walk->out;
    note_state(walk, walk->state);
    if (out->cut_segment != 0) return;
    out->last_segment = number;
    out->last_end = walk->reader.segment.at;
    for (uint32_t p = 0; p < walk->log.partition_count; p++) out->ends[p] = walk->state->partitions[p].next;
}

static bool is_damage(enum status status) {
    return status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED;
}

/* Every record of a segment whose header was right. */
static enum status walk_records(struct walk *walk, uint64_t number, bool is_last, struct failure *failure) {
    struct segment_reader *segment = &walk->reader.segment;
    struct failure why = {0};
    enum status status;
    for (;;) {
        struct journal_record *record;
        status = log_reader_record(&walk->reader, &record, &why);
        if (status != STATUS_OK) break;
        count_record(walk, record);
        journal_record_release(record);
        remember_end(walk, number);
    }
    uint64_t at = segment->at;
    bool open_end = is_last && !walk->reader.header.sealed;
    if (open_end && (status == STATUS_CORRUPT || status == STATUS_END)) return end_unsealed(walk, number, &why, failure);
    if (status == STATUS_END) {
        status = log_reader_end(&walk->reader, &why);
        if (status == STATUS_OK) return STATUS_OK;
    }
    if (!is_damage(status)) return failure_set(failure, status, "%s", why.text);
    /* Where a record's place in the log is wrong, the reader stands behind it. */
    if (walk->out->cut_segment == 0 && walk->out->last_segment == number && walk->out->last_end < at)
        at = walk->out->last_end;
    add_damage(walk, SURVEY_DAMAGED, number, segment->path, at, why.text);
    return count_behind(walk, at, failure);
}

static enum status walk_segment(struct walk *walk, uint64_t number, bool is_last, struct failure *failure) {
    struct failure why = {0};
    char path[SEGMENT_PATH_BYTES];
    segment_path(path, number, "");
    enum status status = walk->has_log ? STATUS_OK : learn_log(walk, number, &why);
    if (status == STATUS_OK) {
        if (!walk->is_chained) restart_reader(walk);
        status = log_reader_begin(&walk->reader, number, &why);
    }
    if (status == STATUS_OK && !is_last && !walk->reader.header.sealed)
        status = segment_damaged(&why, path, SEGMENT_MARK_AT, "the segment is not sealed, but another one follows it");
    if (status == STATUS_OK) {
        walk->is_chained = true;
        walk->out->segments++;
        walk->out->bytes += walk->reader.segment.size;
        remember_end(walk, number);
        status = walk_records(walk, number, is_last, failure);
    } else if (is_damage(status)) {
        note_state(walk, walk->told);
        add_damage(walk, status == STATUS_UNSUPPORTED ? SURVEY_VERSION : SURVEY_DAMAGED, number, path, 0, why.text);
        /* The records of a segment without a header can be told by the log that the others name. */
        bool readable = status == STATUS_CORRUPT && walk->has_log && walk->reader.segment.file != NULL;
        walk->reader.segment.seed = log_seed(&walk->log);
        status = readable ? count_behind(walk, 0, failure) : STATUS_OK;
    } else {
        return failure_set(failure, status, "%s", why.text);
    }
    log_reader_close(&walk->reader);
    return status;
}

struct names {
    struct buffer numbers; /* u64 each */
    struct journal_survey *out;
};

static bool has_end(const char *name, const char *end) {
    size_t len = strlen(name), end_len = strlen(end);
    return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

static void visit_name(void *context, const char *name) {
    struct names *names = context;
    char path[SURVEY_PATH_BYTES];
    if (strspn(name, "0123456789") != 20) return; /* not ours */
    (void)snprintf(path, sizeof path, "journal/%.100s", name);
    if (strcmp(name + 20, ".seg") == 0)
        buffer_put_u64(&names->numbers, strtoull(name, NULL, 10));
    else if (has_end(name, ".new"))
        (void)snprintf(add_finding(names->out, SURVEY_LEFTOVER, path)->why, 128, "%.110s is half made", path);
    else if (has_end(name, ".torn") || has_end(name, ".cut"))
        (void)snprintf(add_finding(names->out, SURVEY_KEPT, path)->why, 160, "%.110s was put aside before", path);
}

static enum status walk_all(struct walk *walk, const struct buffer *numbers, survey_progress *progress, void *context,
                            struct failure *failure) {
    enum status status = STATUS_OK;
    size_t count = numbers->len / 8;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        uint64_t number = get_u64(numbers->at + 8 * i), before = i == 0 ? number - 1 : get_u64(numbers->at + 8 * (i - 1));
        char path[SEGMENT_PATH_BYTES], why[160];
        if (number != before + 1) {
            segment_path(path, before + 1, "");
            (void)snprintf(why, sizeof why, "%s is missing, and segments before and after it are there", path);
            add_damage(walk, SURVEY_DAMAGED, before + 1, path, 0, why);
        }
        segment_path(path, number, "");
        if (progress != NULL) progress(context, path, i, count);
        status = walk_segment(walk, number, i + 1 == count, failure);
    }
    return status;
}

enum status journal_survey(const struct files *files, survey_progress *progress, void *context, struct journal_survey *out,
                           struct failure *failure) {
    *out = (struct journal_survey){0};
    struct names names = {.out = out};
    enum status status = files->list(files->self, "journal", visit_name, &names, failure);
    if (status == STATUS_OK && names.numbers.len == 0)
        status = failure_set(failure, STATUS_NOT_FOUND, "journal/ has no segment");
    struct walk walk = {.files = files, .out = out};
    walk.filters = filter_log_create();
    walk.state = memory_allocate_zeroed(1, sizeof *walk.state);
    walk.told = memory_allocate_zeroed(1, sizeof *walk.told);
    if (status == STATUS_OK) status = walk_all(&walk, &names.numbers, progress, context, failure);
    if (out->clicks_told < out->clicks) out->clicks_told = out->clicks;
    if (out->cut_segment == 0) out->clicks_kept = out->clicks;
    log_reader_close(&walk.reader);
    filter_log_destroy(walk.filters);
    free(walk.state);
    free(walk.told);
    buffer_fini(&names.numbers);
    return status;
}
