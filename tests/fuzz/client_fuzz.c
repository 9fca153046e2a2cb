/* Bytes as what a client reads: an answer's JSON, its /metrics, its Retry-After, the place where sending goes on, a file of
 * clicks (plain or compressed), a file of filters. The first byte chooses. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/filter_file.h"
#include "client/json.h"
#include "client/line_source.h"
#include "client/resume.h"
#include "client/totals.h"
#include "client/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes as a file; the caller closes it. */
static int file_of(struct bytes bytes, char path[64]) {
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, bytes.at, bytes.len) == (ssize_t)bytes.len && lseek(fd, 0, SEEK_SET) == 0);
    CHECK(snprintf(path, 64, "/proc/self/fd/%d", fd) < 64);
    return fd;
}

static void read_json(struct bytes bytes) {
    static const char *const paths[] = {"", "0", "totals/accepted", "ads/0/ad_id", "rejected_by", "errors/0/code", "a/b/c"};
    struct json *json = json_parse(bytes);
    if (json == NULL) return;
    struct buffer text = {0};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        uint64_t number;
        const size_t members = json_count(json, paths[i]);
        (void)json_u64(json, paths[i], &number);
        (void)json_text(json, paths[i]);
        for (size_t at = 0; at < members && at < 4; at++) (void)json_member(json, paths[i], at);
        json_append_plain(json, paths[i], &text);
    }
    buffer_clear(&text);
    json_append(json, "", &text);
    struct json *again = json_parse(buffer_view(&text));
    CHECK(again != NULL);
    struct buffer text_again = {0};
    json_append(again, "", &text_again);
    CHECK(bytes_equal(buffer_view(&text), buffer_view(&text_again)));
    json_destroy(again);
    json_destroy(json);
    buffer_fini(&text);
    buffer_fini(&text_again);
}

static void read_metrics(struct bytes bytes) {
    struct stage_costs costs;
    stage_costs_parse(bytes, &costs);
    CHECK(costs.count <= STAGES_MAX);
    for (size_t i = 0; i < costs.count; i++) CHECK(strnlen(costs.stages[i].name, STAGE_NAME_BYTES) < STAGE_NAME_BYTES);
}

static void read_retry_after(struct bytes bytes) {
    unsigned seconds = 7;
    if (transfer_retry_after(bytes, &seconds))
        CHECK(seconds <= TRANSFER_RETRY_AFTER_S_MAX);
    else
        CHECK(seconds == 7);
}

static void read_resume(struct bytes bytes) {
    char path[64];
    const int fd = file_of(bytes, path);
    struct resume *resume = NULL;
    struct failure failure = {0};
    const enum status status = resume_open(path, "http://h:1", NULL, &resume, &failure);
    CHECK((status == STATUS_OK) == (resume != NULL));
    CHECK(status == STATUS_OK || failure.text[0] != 0);
    if (resume != NULL) {
        uint64_t offset = 1, lines = 1;
        resume_begin(resume, 0, fd, "clicks", &offset, &lines);
        CHECK(offset > 0 || lines == 0);
    }
    resume_close(resume);
    CHECK(close(fd) == 0);
}

/* Whole lines only, numbered without a gap. */
static void read_lines(struct bytes bytes) {
    char path[64];
    const int fd = file_of(bytes, path);
    char *names[] = {path};
    struct line_source *lines = line_source_create(names, 1, 3, NULL);
    struct sender_batch batch = {0};
    struct sender_pause pause;
    struct failure failure = {0};
    uint64_t next_line = 1, offset = 0;
    enum status status;
    while ((status = line_source_next(lines, &batch, &pause, &failure)) == STATUS_OK) {
        uint32_t ends = 0;
        for (size_t i = 0; i < batch.body.len; i++) ends += batch.body.at[i] == '\n';
        CHECK(batch.body.len > 0 && batch.line_count > 0);
        CHECK(ends == batch.line_count || (ends + 1 == batch.line_count && batch.body.at[batch.body.len - 1] != '\n'));
        CHECK(batch.first_line == next_line && batch.begin_offset == offset);
        next_line += batch.line_count;
        offset = batch.end_offset;
    }
    CHECK(status == STATUS_END || (status != STATUS_AGAIN && failure.text[0] != 0));
    buffer_fini(&batch.body);
    line_source_destroy(lines);
    CHECK(close(fd) == 0);
}

static void read_filters(struct bytes bytes) {
    struct filter_list list = {0};
    struct failure failure = {0};
    const enum status status = filter_file_parse("filters", bytes, &list, &failure);
    CHECK(status == STATUS_OK ? list.count > 0 : status == STATUS_BAD_CONFIG && failure.text[0] != 0);
    filter_list_fini(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    uint8_t *exact = memory_allocate(size);
    memcpy(exact, data, size);
    const struct bytes bytes = {exact + 1, size - 1};
    switch (data[0] % 6) {
    case 0:
        read_json(bytes);
        break;
    case 1:
        read_metrics(bytes);
        break;
    case 2:
        read_retry_after(bytes);
        break;
    case 3:
        read_resume(bytes);
        break;
    case 4:
        read_lines(bytes);
        break;
    default:
        read_filters(bytes);
    }
    free(exact);
    return 0;
}
