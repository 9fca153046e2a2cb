/* What stands behind the last good record of an unsealed segment: a clean end, a footer that was about to seal, a torn tail,
 * or damage. */
#include "base/check.h"
#include "journal/record_format.h"
#include "journal/segment.h"

/* Whether a record or a footer of this log begins anywhere behind `from`: then the bytes at `from` were once durable, since
 * no byte of a record is written before the one ahead of it was synced. Records begin at multiples of 8. */
static enum status find_valid_behind(struct segment_reader *reader, const struct segment_header *header,
                                     uint64_t next_record, struct segment_tail *tail, struct failure *failure) {
    uint64_t from = tail->from;
    CHECK(from <= reader->size && from % RECORD_ALIGNMENT == 0 && from >= header->length);
    tail->valid_behind = 0;
    tail->to = from;
    struct buffer whole = {0};
    enum status status = STATUS_OK;
    /* The tail at once: one segment, or one record if that is larger. */
    uint64_t len = reader->size - from;
    uint8_t *at = buffer_reserve(&whole, len);
    size_t got = 0;
    if (len > 0) status = reader->files->read(reader->file, from, at, len, &got, failure);
    for (size_t i = got; status == STATUS_OK && i > 0; i--) {
        if (at[i - 1] == 0) continue;
        tail->to = from + i;
        break;
    }
    for (size_t i = RECORD_ALIGNMENT; status == STATUS_OK && i < got && tail->valid_behind == 0; i += RECORD_ALIGNMENT) {
        struct bytes rest = {at + i, got - i};
        if (rest.len < 4 || get_u32(rest.at) == 0) continue;
        uint64_t number;
        uint32_t length;
        if (record_checksum_right(rest, reader->seed, &number) && number >= next_record) tail->valid_behind = from + i;
        if (segment_footer_decode(rest, header, &length, NULL, NULL, NULL)) tail->valid_behind = from + i;
    }
    buffer_fini(&whole);
    CHECK(tail->to >= from && tail->to <= reader->size);
    return status;
}

enum status segment_tail_find(struct segment_reader *reader, const struct segment_header *header, uint64_t next_record,
                              struct segment_tail *tail, struct failure *failure) {
    struct bytes view;
    tail->from = reader->at;
    enum status status = segment_reader_footer_view(reader, tail->from, &view, failure);
    if (status != STATUS_OK) return status;
    uint32_t footer_length;
    if (segment_footer_decode(view, header, &footer_length, NULL, NULL, NULL)) tail->from += footer_length;
    CHECK(tail->from >= header->length && tail->from <= reader->size);
    return find_valid_behind(reader, header, next_record, tail, failure);
}
