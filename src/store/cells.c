#include "store/cells.h"

#include <stdlib.h>

#include "base/check.h"

enum { VARINT_BYTES_MAX = 10, AD_BYTES_MAX = 5, COUNTRY_BYTES_MAX = 3 };

size_t cells_run_length(const struct cell *cells, size_t count) {
    size_t taken = 0, last_whole_ad = 0;
    for (; taken < count; taken++) {
        CHECK(cells[taken].country.code < COUNTRY_CODES);
        if (taken == 0) continue;
        CHECKF(cell_compare(&cells[taken - 1], &cells[taken]) < 0, "cell %zu is not above the one before", taken);
        bool new_ad = cells[taken].ad != cells[taken - 1].ad;
        if (new_ad) last_whole_ad = taken;
        if (taken >= CELLS_RUN && last_whole_ad > 0) return last_whole_ad;
    }
    CHECK(taken <= CELLS_RUN_MAX);
    return taken;
}

static inline uint8_t *write_varint(uint8_t *at, uint64_t value) {
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* Each column is a pass, and gets its length before it so that a look-up for one ad can leap. */
void cells_encode(const struct cell *cells, size_t count, struct buffer *out) {
    CHECK(count > 0 && count <= CELLS_RUN_MAX);
    uint8_t *begin =
        buffer_reserve(out, VARINT_BYTES_MAX + 8 + count * (AD_BYTES_MAX + COUNTRY_BYTES_MAX + VARINT_BYTES_MAX));
    uint8_t *at = write_varint(begin, count);
    uint8_t *lengths = at;
    at += 8;

    uint8_t *ads = at;
    uint32_t ad_before = 0;
    for (size_t i = 0; i < count; i++) {
        at = write_varint(at, cells[i].ad - ad_before);
        ad_before = cells[i].ad;
    }
    uint8_t *countries = at;
    for (size_t i = 0; i < count; i++) at = write_varint(at, cells[i].country.code);
    uint8_t *counts = at;
    for (size_t i = 0; i < count; i++) at = write_varint(at, cells[i].count);

    put_u32(lengths, (uint32_t)(countries - ads));
    put_u32(lengths + 4, (uint32_t)(counts - countries));
    out->len += (size_t)(at - begin);
    CHECK(out->len <= out->capacity);
}

void cells_fini(struct cells *cells) {
    free(cells->at);
    *cells = (struct cells){0};
}

static void make_room(struct cells *cells, size_t count) {
    cells->count = 0;
    if (cells->capacity >= count && cells->at != NULL) return;
    cells->at = memory_resize(cells->at, count * sizeof *cells->at);
    cells->capacity = count;
}

/* The head of a run: the reader is left at the counts column. */
struct run {
    size_t count;
    struct reader ads, countries;
};

static struct run open_run(struct reader *reader) {
    struct run run = {0};
    uint64_t count = reader_varint(reader);
    uint32_t ads_len = reader_u32(reader), countries_len = reader_u32(reader);
    struct bytes ads = reader_bytes(reader, ads_len), countries = reader_bytes(reader, countries_len);
    /* Every cell has at least a byte in each column: a count beyond that is a lie, found before memory is taken for it. */
    if (count == 0 || count > CELLS_RUN_MAX || count > ads_len || count > countries_len || count > reader_left(reader))
        reader->bad = true;
    if (reader->bad) return run;
    run = (struct run){(size_t)count, reader_of(ads), reader_of(countries)};
    return run;
}

static inline uint64_t next_varint(struct reader *reader) {
    if (reader->at < reader->end && *reader->at < 0x80) return *reader->at++; /* nearly all of them */
    return reader_varint(reader);
}

void cells_decode(struct reader *reader, struct cells *out) {
    struct run run = open_run(reader);
    make_room(out, run.count + 1);
    uint64_t ad = 0;
    for (size_t i = 0; i < run.count; i++) {
        uint64_t step = next_varint(&run.ads);
        uint64_t country = next_varint(&run.countries);
        if (step > UINT32_MAX || country >= COUNTRY_CODES) reader->bad = true;
        ad += step;
        if (ad > UINT32_MAX) reader->bad = true;
        if (i > 0 && step == 0 && country <= out->at[i - 1].country.code) reader->bad = true;
        if (reader->bad) break;
        out->at[i] = (struct cell){(uint32_t)ad, {(uint16_t)country}, next_varint(reader)};
    }
    if (run.ads.bad || run.countries.bad || reader_left(&run.ads) > 0 || reader_left(&run.countries) > 0) reader->bad = true;
    out->count = reader->bad ? 0 : run.count;
}

static void skip_varints(struct reader *reader, size_t count) {
    while (count > 0 && reader->at < reader->end) count -= *reader->at++ < 0x80;
    if (count > 0) reader->bad = true;
}

void cells_decode_ad(struct reader *reader, uint32_t wanted, struct cells *out) {
    struct run run = open_run(reader);
    out->count = 0;
    uint64_t ad = 0;
    size_t first = 0, found = 0;
    for (size_t i = 0; i < run.count; i++) {
        uint64_t step = next_varint(&run.ads);
        if (run.ads.bad || step > UINT32_MAX) reader->bad = true;
        if (reader->bad) return;
        ad += step;
        if (ad > wanted) break;
        if (ad < wanted) continue;
        if (found++ == 0) first = i;
    }
    if (found == 0) return;
    make_room(out, found);
    skip_varints(&run.countries, first);
    skip_varints(reader, first);
    for (size_t i = 0; i < found; i++) {
        uint64_t country = next_varint(&run.countries);
        if (run.countries.bad || country >= COUNTRY_CODES) reader->bad = true;
        out->at[i] = (struct cell){wanted, {(uint16_t)country}, next_varint(reader)};
        if (reader->bad) return;
    }
    out->count = found;
}
