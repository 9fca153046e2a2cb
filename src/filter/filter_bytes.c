/* filter_bytes.c: filters and filter records as bytes in the journal. One filter, one sequence of bytes: what decode takes,
 * encode gives back. */
#include <stdlib.h>

#include "base/check.h"
#include "base/codec.h"
#include "filter/filter_internal.h"
#include "filter/filters.h"

static size_t ip_bytes(uint8_t kind) {
    return kind == IP_V6 ? 16 : 4;
}

#ifdef TALLY_COSTLY_CHECKS
static bool reads_back(const struct filter *filter, struct bytes bytes) {
    struct filter *again = filter_decode(bytes);
    const bool same = again != NULL && filter_equal(filter, again);
    filter_destroy(again);
    return same;
}
#endif

/* u32 id, u8 ranked, three lists. A list: u8 mode, u16 how many, the values. A region: u16 code. A net: u8 kind, u8 mask,
 * u8 length of the prefix, 4 or 16 bytes. A user: u8 length, bytes. */
void filter_encode(const struct filter *filter, struct buffer *out) {
    CHECK(filter_is_valid(filter));
    const size_t begin = out->len;
    buffer_put_u32(out, filter->id);
    buffer_put_u8(out, filter->ranked);
    buffer_put_u8(out, (uint8_t)filter->region_mode);
    buffer_put_u16(out, filter->region_count);
    for (size_t i = 0; i < filter->region_count; i++) buffer_put_u16(out, filter->regions[i].code);
    buffer_put_u8(out, (uint8_t)filter->ip_mode);
    buffer_put_u16(out, filter->ip_count);
    for (size_t i = 0; i < filter->ip_count; i++) {
        const struct filter_net *net = &filter->nets[i];
        buffer_put_u8(out, net->ip.kind);
        buffer_put_u8(out, net->ip.mask);
        buffer_put_u8(out, net->prefix_bits);
        buffer_append(out, net->ip.bytes, ip_bytes(net->ip.kind));
    }
    buffer_put_u8(out, (uint8_t)filter->user_mode);
    buffer_put_u16(out, filter->user_count);
    for (size_t i = 0; i < filter->user_count; i++) {
        buffer_put_u8(out, (uint8_t)filter->users[i].len);
        buffer_append_bytes(out, filter->users[i]);
    }
    CHECK(out->len - begin <= FILTER_BYTES_MAX);
    COSTLY_CHECK(reads_back(filter, (struct bytes){out->at + begin, out->len - begin}));
}

static uint16_t read_count(struct reader *reader, size_t count_max) {
    const uint16_t count = reader_u16(reader);
    if (count > count_max) reader->bad = true;
    return reader->bad ? 0 : count;
}

static struct filter_net read_net(struct reader *reader) {
    struct filter_net net = {.ip = {.kind = reader_u8(reader)}};
    net.ip.mask = reader_u8(reader);
    net.prefix_bits = reader_u8(reader);
    const struct bytes bytes = reader_bytes(reader, ip_bytes(net.ip.kind));
    if (!reader->bad) memcpy(net.ip.bytes, bytes.at, bytes.len);
    return net;
}

static struct filter read_filter(struct reader *reader, struct values *values) {
    struct filter filter = {
        .id = reader_u32(reader), .regions = values->regions, .nets = values->nets, .users = values->users};
    const uint8_t ranked = reader_u8(reader);
    filter.ranked = ranked == 1;
    filter.region_mode = reader_u8(reader);
    filter.region_count = read_count(reader, COUNTRY_CODES);
    for (size_t i = 0; i < filter.region_count; i++) values->regions[i].code = reader_u16(reader);
    filter.ip_mode = reader_u8(reader);
    filter.ip_count = read_count(reader, FILTER_VALUES_MAX);
    for (size_t i = 0; i < filter.ip_count; i++) values->nets[i] = read_net(reader);
    filter.user_mode = reader_u8(reader);
    filter.user_count = read_count(reader, FILTER_VALUES_MAX);
    for (size_t i = 0; i < filter.user_count; i++) values->users[i] = reader_bytes(reader, reader_u8(reader));
    if (ranked > 1) reader->bad = true;
    return filter;
}

struct filter *filter_decode(struct bytes bytes) {
    if (bytes.len > FILTER_BYTES_MAX) return NULL;
    struct values values;
    struct reader reader = reader_of(bytes);
    const struct filter filter = read_filter(&reader, &values);
    CHECK(filter.ip_count <= FILTER_VALUES_MAX && filter.user_count <= FILTER_VALUES_MAX);
    if (reader.bad || reader_left(&reader) != 0 || !filter_is_valid(&filter)) return NULL;
    return filter_copy(&filter);
}

static bool record_is_valid(const struct filter_record *record) {
    if (record->number == 0 || record->id == 0 || record->id > FILTER_ID_MAX) return false;
    if (record->action == FILTER_CREATE) return record->filter != NULL && record->filter->id == record->id;
    return (record->action == FILTER_DELETE || record->action == FILTER_RECALCULATE) && record->filter == NULL;
}

/* u32 number, u8 action, u32 id; of a FILTER_CREATE then u8 whether there were clicks, u32 minute if so, and the filter. */
void filter_record_encode(const struct filter_record *record, struct buffer *out) {
    CHECK(record_is_valid(record));
    buffer_put_u32(out, record->number);
    buffer_put_u8(out, (uint8_t)record->action);
    buffer_put_u32(out, record->id);
    if (record->action != FILTER_CREATE) return;
    buffer_put_u8(out, record->has_clicks);
    if (record->has_clicks) buffer_put_u32(out, record->covers_from.index);
    filter_encode(record->filter, out);
}

bool filter_record_decode(struct bytes bytes, struct filter_record *record, struct filter **filter) {
    struct reader reader = reader_of(bytes);
    *filter = NULL;
    *record = (struct filter_record){.number = reader_u32(&reader)};
    record->action = reader_u8(&reader);
    record->id = reader_u32(&reader);
    if (record->action == FILTER_CREATE) {
        const uint8_t has_clicks = reader_u8(&reader);
        record->has_clicks = has_clicks == 1;
        if (record->has_clicks) record->covers_from.index = reader_u32(&reader);
        if (reader.bad || has_clicks > 1) return false;
        *filter = filter_decode(reader_bytes(&reader, reader_left(&reader)));
        record->filter = *filter;
    }
    CHECK(record->filter == *filter);
    if (!reader.bad && reader_left(&reader) == 0 && record_is_valid(record)) return true;
    filter_destroy(*filter);
    *filter = NULL;
    record->filter = NULL;
    return false;
}
