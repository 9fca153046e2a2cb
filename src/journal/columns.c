#include "journal/columns_layout.h"

#include "base/check.h"
#include "base/codec.h"

const size_t columns_billing[COLUMNS_BILLING] = {
    offsetof(struct columns, identities),     offsetof(struct columns, content_tags),
    offsetof(struct columns, times),          offsetof(struct columns, countries),
    offsetof(struct columns, ad_lengths),     offsetof(struct columns, event_id_lengths),
    offsetof(struct columns, source_lengths), offsetof(struct columns, ad_bytes),
    offsetof(struct columns, event_id_bytes), offsetof(struct columns, source_bytes),
};

const size_t columns_personal[COLUMNS_PERSONAL] = {
    offsetof(struct columns, user_lengths), offsetof(struct columns, forms), offsetof(struct columns, user_bytes),
    offsetof(struct columns, ips),          offsetof(struct columns, texts),
};

/* Fifteen of these a click: worth a call only when the buffer must grow. */
static inline uint8_t *column_extend(struct buffer *column, size_t len) {
    if (column->capacity - column->len < len) buffer_reserve(column, len);
    uint8_t *at = column->at + column->len;
    column->len += len;
    return at;
}

static inline void column_put_u8(struct buffer *column, uint8_t value) {
    *column_extend(column, 1) = value;
}

static inline void column_put_bytes(struct buffer *column, struct bytes bytes) {
    if (bytes.len > 0) memcpy(column_extend(column, bytes.len), bytes.at, bytes.len);
}

static void columns_append_text(struct columns *columns, struct bytes text) {
    CHECK(text.len <= LINE_BYTES_MAX);
    buffer_put_varint(&columns->texts, text.len);
    column_put_bytes(&columns->texts, text);
}

void columns_append(struct columns *columns, const struct click *click) {
    CHECK(click->ad_id.len >= 1 && click->ad_id.len <= ID_BYTES_MAX);
    CHECK(click->user_id.len >= 1 && click->user_id.len <= ID_BYTES_MAX);
    CHECK(click->source.len >= 1 && click->source.len <= ID_BYTES_MAX);
    CHECK(click->event_id.len <= ID_BYTES_MAX);
    CHECK(click->time.ms >= 0 && click->country.code < COUNTRY_CODES);
    CHECK(columns->count < UINT32_MAX);

    uint8_t *identity = column_extend(&columns->identities, 16);
    put_u64(identity, click->identity.low);
    put_u64(identity + 8, click->identity.high);
    put_u32(column_extend(&columns->content_tags, 4), click->content_tag);
    put_u64(column_extend(&columns->times, 8), (uint64_t)click->time.ms);
    put_u16(column_extend(&columns->countries, 2), click->country.code);
    column_put_u8(&columns->ad_lengths, (uint8_t)click->ad_id.len);
    column_put_bytes(&columns->ad_bytes, click->ad_id);
    column_put_u8(&columns->event_id_lengths, (uint8_t)click->event_id.len);
    column_put_bytes(&columns->event_id_bytes, click->event_id);
    column_put_u8(&columns->source_lengths, (uint8_t)click->source.len);
    column_put_bytes(&columns->source_bytes, click->source);

    column_put_u8(&columns->user_lengths, (uint8_t)click->user_id.len);
    column_put_bytes(&columns->user_bytes, click->user_id);
    CHECK(click->ip.kind == IP_V4 || click->ip.kind == IP_V6 || click->ip.kind == IP_V4_MASKED);
    size_t ip_bytes = click->ip.kind == IP_V6 ? 16 : 4;
    uint8_t *ip = column_extend(&columns->ips, 2 + ip_bytes);
    ip[0] = click->ip.kind;
    ip[1] = click->ip.mask;
    memcpy(ip + 2, click->ip.bytes, ip_bytes);
    CHECK(click->time_form <= TIME_RFC3339_MS_Z && click->country_form <= COUNTRY_MISSING);
    CHECK(click->ip_form <= IP_CANONICAL);
    column_put_u8(&columns->forms, (uint8_t)(click->time_form | click->country_form << 3 | click->ip_form << 5));
    if (click->time_form == TIME_VERBATIM) columns_append_text(columns, click->time_text);
    if (click->country_form == COUNTRY_VERBATIM) columns_append_text(columns, click->country_text);
    if (click->ip_form == IP_VERBATIM) columns_append_text(columns, click->ip_text);
    columns->count++;
}

void columns_append_all(struct columns *to, const struct columns *from) {
    CHECK(from->count <= UINT32_MAX - to->count);
    for (size_t i = 0; i < COLUMNS_BILLING; i++)
        buffer_append_bytes(columns_buffer(to, columns_billing[i]),
                            buffer_view(columns_buffer_view(from, columns_billing[i])));
    for (size_t i = 0; i < COLUMNS_PERSONAL; i++)
        buffer_append_bytes(columns_buffer(to, columns_personal[i]),
                            buffer_view(columns_buffer_view(from, columns_personal[i])));
    to->count += from->count;
}

void columns_clear(struct columns *columns) {
    for (size_t i = 0; i < COLUMNS_BILLING; i++) buffer_clear(columns_buffer(columns, columns_billing[i]));
    for (size_t i = 0; i < COLUMNS_PERSONAL; i++) buffer_clear(columns_buffer(columns, columns_personal[i]));
    columns->count = 0;
}

void columns_fini(struct columns *columns) {
    for (size_t i = 0; i < COLUMNS_BILLING; i++) buffer_fini(columns_buffer(columns, columns_billing[i]));
    for (size_t i = 0; i < COLUMNS_PERSONAL; i++) buffer_fini(columns_buffer(columns, columns_personal[i]));
    *columns = (struct columns){0};
}

size_t columns_billing_bytes(const struct columns *columns) {
    size_t sum = 0;
    for (size_t i = 0; i < COLUMNS_BILLING; i++) sum += columns_buffer_view(columns, columns_billing[i])->len;
    return sum;
}

size_t columns_personal_bytes(const struct columns *columns) {
    size_t sum = 0;
    for (size_t i = 0; i < COLUMNS_PERSONAL; i++) sum += columns_buffer_view(columns, columns_personal[i])->len;
    return sum;
}

size_t columns_bytes(const struct columns *columns) {
    return columns_billing_bytes(columns) + columns_personal_bytes(columns);
}
