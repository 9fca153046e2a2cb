/* Percent-decoding of hostile bytes. One pass, no allocation but the caller's buffer; every refusal is STATUS_BAD_INPUT. */
#include "reply/reply.h"

#include "base/check.h"

enum { SHOWN_NAME_BYTES_MAX = 64 };

static int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

/* Takes one decoded byte off the front of `text`, which is not empty; -1 at a broken escape. */
static int decode_byte(struct bytes *text, bool plus_is_space) {
    CHECK(text->len > 0);
    uint8_t byte = text->at[0];
    size_t taken = 1;
    int value = byte == '+' && plus_is_space ? ' ' : byte;
    if (byte == '%') {
        if (text->len < 3) return -1;
        int high = hex_digit(text->at[1]), low = hex_digit(text->at[2]);
        if (high < 0 || low < 0) return -1;
        value = high * 16 + low;
        taken = 3;
    }
    text->at += taken;
    text->len -= taken;
    return value;
}

static enum status decode_text(struct bytes text, bool plus_is_space, struct buffer *out) {
    buffer_clear(out);
    (void)buffer_reserve(out, text.len);
    while (text.len > 0) {
        int byte = decode_byte(&text, plus_is_space);
        if (byte <= 0) return STATUS_BAD_INPUT;
        out->at[out->len++] = (uint8_t)byte;
    }
    CHECK(out->len <= out->capacity);
    for (struct bytes left = buffer_view(out); left.len > 0;) {
        size_t len = utf8_sequence(left);
        if (len == 0) return STATUS_BAD_INPUT;
        left.at += len;
        left.len -= len;
    }
    return STATUS_OK;
}

/* Whether the text on the wire decodes to `name`. */
static bool decodes_to(struct bytes text, const char *name) {
    while (text.len > 0 && *name != '\0') {
        if (decode_byte(&text, true) != (uint8_t)*name) return false;
        name++;
    }
    return text.len == 0 && *name == '\0';
}

/* Takes the next `name` or `name=value` off the query; false at its end. Empty ones (`a&&b`) are passed over. */
static bool next_parameter(struct bytes *query, struct bytes *name, struct bytes *value) {
    while (query->len > 0) {
        const uint8_t *end = memchr(query->at, '&', query->len);
        struct bytes piece = {query->at, end == NULL ? query->len : (size_t)(end - query->at)};
        size_t taken = piece.len + (end != NULL);
        query->at += taken;
        query->len -= taken;
        if (piece.len == 0) continue;
        const uint8_t *equals = memchr(piece.at, '=', piece.len);
        *name = (struct bytes){piece.at, equals == NULL ? piece.len : (size_t)(equals - piece.at)};
        *value = equals == NULL ? (struct bytes){NULL, 0} : (struct bytes){equals + 1, piece.len - name->len - 1};
        return true;
    }
    return false;
}

enum status query_parameter(struct bytes query, const char *name, struct buffer *value) {
    struct bytes found_name, found_value, wanted = {NULL, 0};
    bool found = false;
    while (next_parameter(&query, &found_name, &found_value)) {
        if (!decodes_to(found_name, name)) continue;
        if (found) return STATUS_BAD_INPUT;
        found = true;
        wanted = found_value;
    }
    return found ? decode_text(wanted, true, value) : STATUS_NOT_FOUND;
}

enum status path_decode(struct bytes segment, struct buffer *out) {
    return decode_text(segment, false, out);
}

enum status query_only(struct bytes query, const char *const *allowed, struct failure *failure) {
    struct bytes name, value;
    while (next_parameter(&query, &name, &value)) {
        bool known = false;
        for (const char *const *each = allowed; *each != NULL && !known; each++) known = decodes_to(name, *each);
        if (known) continue;
        char shown[SHOWN_NAME_BYTES_MAX + 1];
        size_t len = name.len < SHOWN_NAME_BYTES_MAX ? name.len : SHOWN_NAME_BYTES_MAX;
        for (size_t i = 0; i < len; i++) shown[i] = name.at[i] >= ' ' && name.at[i] < 0x7F ? (char)name.at[i] : '?';
        shown[len] = '\0';
        return failure_set(failure, STATUS_BAD_INPUT, "unknown parameter \"%s\"", shown);
    }
    return STATUS_OK;
}
