#include "intake/lines.h"

#include "base/check.h"
#include "click/decode.h"

void lines_reset(struct lines *lines, bool whole_body) {
    buffer_clear(&lines->carry);
    lines->whole_body = whole_body;
    lines->skipping = false;
    lines->carry_done = false;
    lines->number = 0;
}

void lines_fini(struct lines *lines) {
    buffer_fini(&lines->carry);
}

/* One byte more than a line may have is kept, since it may be the \r of its end. */
static void carry_append(struct lines *lines, struct bytes part) {
    CHECK(lines->carry.len <= LINE_BYTES_MAX + 1);
    if (lines->skipping) return;
    if (part.len > LINE_BYTES_MAX + 1 - lines->carry.len) {
        lines->skipping = true;
        buffer_clear(&lines->carry);
        return;
    }
    buffer_append(&lines->carry, part.at, part.len);
}

static enum line_event whole_line(struct lines *lines, struct bytes text, struct bytes *line) {
    lines->number++;
    if (text.len > 0 && text.at[text.len - 1] == '\r') text.len--;
    if (text.len > LINE_BYTES_MAX) return LINE_TOO_LONG;
    *line = text;
    return LINE_WHOLE;
}

/* Hands out what is in `carry`, with its padding. */
static enum line_event carried_line(struct lines *lines, struct bytes *line) {
    CHECK(!lines->carry_done);
    if (lines->skipping) {
        lines->skipping = false;
        lines->number++;
        return LINE_TOO_LONG;
    }
    memset(buffer_reserve(&lines->carry, DECODE_PADDING_BYTES), 0, DECODE_PADDING_BYTES);
    lines->carry_done = true;
    return whole_line(lines, buffer_view(&lines->carry), line);
}

enum line_event lines_next(struct lines *lines, struct bytes *input, struct bytes *line) {
    if (lines->carry_done) {
        buffer_clear(&lines->carry);
        lines->carry_done = false;
    }
    if (input->len == 0) return LINE_NONE;
    const uint8_t *end = lines->whole_body ? NULL : memchr(input->at, '\n', input->len);
    struct bytes text = {input->at, end == NULL ? input->len : (size_t)(end - input->at)};
    size_t taken = text.len + (end != NULL);
    CHECK(taken > 0 && taken <= input->len);
    input->at += taken;
    input->len -= taken;
    if (end == NULL) {
        carry_append(lines, text);
        return LINE_NONE;
    }
    bool in_place = lines->carry.len == 0 && !lines->skipping && input->len + 1 >= DECODE_PADDING_BYTES;
    if (in_place) return whole_line(lines, text, line);
    carry_append(lines, text);
    return carried_line(lines, line);
}

enum line_event lines_last(struct lines *lines, struct bytes *line) {
    if (lines->carry_done) {
        buffer_clear(&lines->carry);
        lines->carry_done = false;
    }
    if (lines->carry.len == 0 && !lines->skipping) return LINE_NONE;
    return carried_line(lines, line);
}
