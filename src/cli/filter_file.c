#include "cli/filter_file.h"

#include <poll.h>

#include "client/file_reader.h"

enum { READ_BYTES = 64 * 1024 };

static enum status read_some(struct file_reader *reader, struct buffer *out, struct failure *failure) {
    size_t got = 0;
    enum status status = file_reader_read(reader, buffer_reserve(out, READ_BYTES), READ_BYTES, &got, failure);
    if (status == STATUS_AGAIN) {
        struct pollfd ready = {.fd = file_reader_fd(reader), .events = POLLIN};
        (void)poll(&ready, 1, -1);
        return STATUS_OK;
    }
    if (status == STATUS_OK) out->len += got;
    return status;
}

enum status file_read_whole(const char *name, size_t bytes_max, struct buffer *out, struct failure *failure) {
    struct file_reader *reader;
    struct failure reason = {0};
    size_t begin = out->len;
    enum status status = file_reader_open(name, &reader, &reason);
    if (status != STATUS_OK) return failure_set(failure, STATUS_BAD_CONFIG, "%s", reason.text);
    do {
        status = read_some(reader, out, &reason);
    } while (status == STATUS_OK && out->len - begin <= bytes_max);
    if (status == STATUS_OK)
        status =
            failure_set(failure, STATUS_BAD_CONFIG, "%s: is larger than %zu bytes", file_reader_name(reader), bytes_max);
    else if (status != STATUS_END)
        status = failure_set(failure, STATUS_BAD_CONFIG, "%s", reason.text);
    file_reader_close(reader);
    return status == STATUS_END ? STATUS_OK : status;
}

enum filter_request_form filter_file_form(struct bytes content) {
    size_t at = 0;
    while (at < content.len && content.at[at] != '\0' && strchr(" \t\r\n", content.at[at]) != NULL) at++;
    bool is_json = at < content.len && (content.at[at] == '[' || content.at[at] == '{');
    return is_json ? FILTER_REQUEST_JSON : FILTER_REQUEST_CSV;
}

enum status filter_file_parse(const char *name, struct bytes content, struct filter_list *out, struct failure *failure) {
    struct filter_request_flaw flaw;
    if (filter_request_parse(content, filter_file_form(content), out, &flaw)) return STATUS_OK;
    struct buffer text = {0};
    filter_request_flaw_text(&flaw, &text);
    enum status status = failure_set(failure, STATUS_BAD_CONFIG, "%s: %.*s; nothing of the file was taken", name,
                                     (int)text.len, (const char *)text.at);
    buffer_fini(&text);
    return status;
}

enum status filter_file_read(const char *name, struct filter_list *out, struct failure *failure) {
    struct buffer content = {0};
    enum status status = file_read_whole(name, FILTER_FILE_BYTES_MAX, &content, failure);
    if (status == STATUS_OK) status = filter_file_parse(name, buffer_view(&content), out, failure);
    buffer_fini(&content);
    return status;
}
