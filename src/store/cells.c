#include "store/cells.h"

#include <stdlib.h>

#include "base/check.h"

enum { VARINT_BYTES_MAX = 10, AD_BYTES_MAX = 5, ATOM_BYTES_MAX = 5, COUNTRY_BYTES_MAX = 3 };

/* Both kinds of run go through the same code, compiled once for each: `of_atoms` is a constant wherever it is given. */
#define FOR_EACH_KIND static inline __attribute__((always_inline))

/* The list as one whose kind the compiler knows. */
FOR_EACH_KIND struct cell_list as_kind(struct cell_list list, bool of_atoms) {
    return of_atoms ? cell_list_of_atoms(list.of_atoms, list.count) : cell_list_plain(list.plain, list.count);
}

FOR_EACH_KIND void check_cell(const struct cell_list *list, size_t i) {
    uint64_t place = cell_list_place(list, i);
    uint16_t country = cell_list_country(list, i);
    CHECK(country < COUNTRY_CODES);
    CHECK(list->of_atoms == NULL || place >> 32 != ATOM_ALL);
    if (i == 0) return;
    uint64_t before = cell_list_place(list, i - 1);
    CHECKF(place > before || (place == before && country > cell_list_country(list, i - 1)),
           "cell %zu is not above the one before", i);
}

void cell_list_check(const struct cell_list *list, size_t i) {
    check_cell(list, i);
}

FOR_EACH_KIND size_t run_length(struct cell_list list) {
    size_t taken = 0, last_whole_ad = 0;
    for (; taken < list.count; taken++) {
        check_cell(&list, taken);
        if (taken == 0) continue;
        if (cell_list_place(&list, taken) != cell_list_place(&list, taken - 1)) last_whole_ad = taken;
        CHECK(last_whole_ad <= taken);
        if (taken >= CELLS_RUN && last_whole_ad > 0) return last_whole_ad;
    }
    CHECK(taken <= CELLS_RUN_MAX && taken == list.count);
    return taken;
}

size_t cells_run_length(struct cell_list list) {
    return list.of_atoms == NULL ? run_length(as_kind(list, false)) : run_length(as_kind(list, true));
}

static inline uint8_t *write_varint(uint8_t *at, uint64_t value) {
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

#ifdef TALLY_COSTLY_CHECKS
/* Whether the bytes are read as the cells that they were made of, and a reader of one place finds those of it. */
static bool reads_back(struct cell_list list, size_t count, struct bytes bytes) {
    struct cells cells = {0};
    struct reader reader = reader_of(bytes);
    if (list.of_atoms == NULL)
        cells_decode(&reader, &cells);
    else
        cells_decode_atoms(&reader, &cells);
    bool same = !reader.bad && reader_left(&reader) == 0 && cells.count == count;
    for (size_t i = 0; same && i < count; i++) {
        uint32_t atom = list.of_atoms == NULL ? ATOM_ALL : cells.atoms[i];
        same = cell_place(atom, cells.at[i].ad) == cell_list_place(&list, i) &&
               cells.at[i].country.code == cell_list_country(&list, i) && cells.at[i].count == cell_list_clicks(&list, i);
    }
    cells_fini(&cells);
    return same;
}
#endif

/* Each column is a pass, and all but the last get their length before them so that a look-up for one ad can leap. */
FOR_EACH_KIND void encode(struct cell_list list, size_t count, bool of_atoms, struct buffer *out) {
    CHECK(count > 0 && count <= CELLS_RUN_MAX && count <= list.count);
    size_t cell_bytes_max = (of_atoms ? ATOM_BYTES_MAX : 0) + AD_BYTES_MAX + COUNTRY_BYTES_MAX + VARINT_BYTES_MAX;
    uint8_t *begin = buffer_reserve(out, VARINT_BYTES_MAX + 12 + count * cell_bytes_max);
    uint8_t *at = write_varint(begin, count), *lengths = at;
    at += of_atoms ? 12 : 8;

    uint8_t *atoms = at;
    for (size_t i = 0; of_atoms && i < count; i++)
        at = write_varint(at, list.of_atoms[i].atom - (i == 0 ? 0 : list.of_atoms[i - 1].atom));
    uint8_t *ads = at;
    uint64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t place = cell_list_place(&list, i);
        bool same_atom = !of_atoms || place >> 32 == before >> 32;
        at = write_varint(at, (uint32_t)place - (same_atom ? (uint32_t)before : 0));
        before = place;
    }
    uint8_t *countries = at;
    for (size_t i = 0; i < count; i++) at = write_varint(at, cell_list_country(&list, i));
    uint8_t *counts = at;
    for (size_t i = 0; i < count; i++) at = write_varint(at, cell_list_clicks(&list, i));

    if (of_atoms) {
        put_u32(lengths, (uint32_t)(ads - atoms));
        lengths += 4;
    }
    CHECK((size_t)(countries - ads) >= count && (size_t)(counts - countries) >= count && (size_t)(at - counts) >= count);
    put_u32(lengths, (uint32_t)(countries - ads));
    put_u32(lengths + 4, (uint32_t)(counts - countries));
    out->len += (size_t)(at - begin);
    CHECK(out->len <= out->capacity);
    COSTLY_CHECK(reads_back(list, count, (struct bytes){begin, (size_t)(at - begin)}));
}

void cells_encode(struct cell_list list, size_t count, struct buffer *out) {
    if (list.of_atoms == NULL)
        encode(as_kind(list, false), count, false, out);
    else
        encode(as_kind(list, true), count, true, out);
}

void cells_fini(struct cells *cells) {
    free(cells->at);
    free(cells->atoms);
    *cells = (struct cells){0};
}

void cells_visit(const struct cells *cells, struct minute minute, store_cell_visit *visit, store_atom_visit *visit_atom,
                 void *context) {
    CHECK((visit == NULL) != (visit_atom == NULL));
    CHECK(visit_atom == NULL || cells->count == 0 || cells->atoms != NULL);
    for (size_t i = 0; visit != NULL && i < cells->count; i++) visit(context, minute, &cells->at[i]);
    for (size_t i = 0; visit_atom != NULL && i < cells->count; i++) {
        const struct cell *cell = &cells->at[i];
        visit_atom(context, minute, &(struct atom_cell){cells->atoms[i], cell->ad, cell->country, cell->count});
    }
}

static void make_room(struct cells *cells, size_t count, bool of_atoms) {
    cells->count = 0;
    if (cells->capacity < count || cells->at == NULL) {
        cells->at = memory_resize(cells->at, count * sizeof *cells->at);
        cells->capacity = count;
        free(cells->atoms);
        cells->atoms = NULL;
    }
    if (of_atoms && cells->atoms == NULL) cells->atoms = memory_allocate(cells->capacity * sizeof *cells->atoms);
    CHECK(cells->capacity >= count && cells->count == 0);
}

/* The head of a run: the reader is left at the counts column. */
struct run {
    size_t count;
    struct reader atoms, ads, countries;
};

FOR_EACH_KIND struct run open_run(struct reader *reader, bool of_atoms) {
    struct run run = {0};
    uint64_t count = reader_varint(reader);
    uint32_t atoms_len = of_atoms ? reader_u32(reader) : 0;
    uint32_t ads_len = reader_u32(reader), countries_len = reader_u32(reader);
    struct bytes atoms = reader_bytes(reader, atoms_len);
    struct bytes ads = reader_bytes(reader, ads_len), countries = reader_bytes(reader, countries_len);
    /* Every cell has at least a byte in each column: a count beyond that is a lie, found before memory is taken for it. */
    if (count == 0 || count > CELLS_RUN_MAX || count > ads_len || count > countries_len || count > reader_left(reader))
        reader->bad = true;
    if (of_atoms && count > atoms_len) reader->bad = true;
    if (reader->bad) return run;
    CHECK(count <= CELLS_RUN_MAX); /* bounds the memory that a damaged value can ask for */
    run = (struct run){(size_t)count, reader_of(atoms), reader_of(ads), reader_of(countries)};
    return run;
}

static inline uint64_t next_varint(struct reader *reader) {
    if (reader->at < reader->end && *reader->at < 0x80) return *reader->at++; /* nearly all of them */
    return reader_varint(reader);
}

/* Takes the next place out of its columns; false when there cannot be one. */
FOR_EACH_KIND bool next_place(struct run *run, bool of_atoms, uint64_t *place) {
    uint64_t atom = of_atoms ? *place >> 32 : ATOM_ALL, ad = (uint32_t)*place;
    uint64_t atom_step = of_atoms ? next_varint(&run->atoms) : 0, ad_step = next_varint(&run->ads);
    if (atom_step > UINT32_MAX || ad_step > UINT32_MAX || run->atoms.bad || run->ads.bad) return false;
    if (atom_step > 0) ad = 0; /* ads begin anew with each atom */
    atom += atom_step;
    ad += ad_step;
    if (atom > UINT32_MAX || ad > UINT32_MAX || (of_atoms && atom == ATOM_ALL)) return false;
    const uint64_t next = cell_place((uint32_t)atom, (uint32_t)ad);
    CHECK(next >= *place);
    *place = next;
    return true;
}

FOR_EACH_KIND void decode(struct reader *reader, bool of_atoms, struct cells *out) {
    struct run run = open_run(reader, of_atoms);
    make_room(out, run.count + 1, of_atoms);
    uint64_t place = 0, before = 0;
    for (size_t i = 0; i < run.count; i++, before = place) {
        if (!next_place(&run, of_atoms, &place)) reader->bad = true;
        uint64_t country = next_varint(&run.countries);
        if (country >= COUNTRY_CODES) reader->bad = true;
        if (i > 0 && place == before && country <= out->at[i - 1].country.code) reader->bad = true;
        if (reader->bad) break;
        out->at[i] = (struct cell){(uint32_t)place, {(uint16_t)country}, next_varint(reader)};
        if (of_atoms) out->atoms[i] = (uint32_t)(place >> 32);
    }
    if (run.countries.bad || reader_left(&run.countries) > 0) reader->bad = true;
    if (reader_left(&run.atoms) > 0 || reader_left(&run.ads) > 0) reader->bad = true;
    CHECK(run.count <= out->capacity);
    out->count = reader->bad ? 0 : run.count;
}

void cells_decode(struct reader *reader, struct cells *out) {
    decode(reader, false, out);
}

void cells_decode_atoms(struct reader *reader, struct cells *out) {
    decode(reader, true, out);
}

static void skip_varints(struct reader *reader, size_t count) {
    while (count > 0 && reader->at < reader->end) count -= *reader->at++ < 0x80;
    if (count > 0) reader->bad = true;
}

FOR_EACH_KIND void decode_places(struct reader *reader, bool of_atoms, uint64_t first, uint64_t last, struct cells *out) {
    CHECK(first <= last);
    struct run run = open_run(reader, of_atoms);
    make_room(out, run.count + 1, of_atoms);
    uint64_t place = 0;
    size_t skipped = 0, found = 0;
    for (size_t i = 0; i < run.count; i++) {
        if (!next_place(&run, of_atoms, &place)) reader->bad = true;
        if (reader->bad) return;
        if (place > last) break;
        if (place < first) {
            skipped++;
            continue;
        }
        out->at[found].ad = (uint32_t)place;
        if (of_atoms) out->atoms[found] = (uint32_t)(place >> 32);
        found++;
    }
    CHECK(found + skipped <= run.count);
    if (found == 0) return;
    skip_varints(&run.countries, skipped);
    skip_varints(reader, skipped);
    for (size_t i = 0; i < found; i++) {
        uint64_t country = next_varint(&run.countries);
        if (run.countries.bad || country >= COUNTRY_CODES) reader->bad = true;
        out->at[i].country.code = (uint16_t)country;
        out->at[i].count = next_varint(reader);
        if (reader->bad) return;
    }
    out->count = found;
}

void cells_decode_ad(struct reader *reader, uint32_t ad, struct cells *out) {
    decode_places(reader, false, cell_place(ATOM_ALL, ad), cell_place(ATOM_ALL, ad), out);
}

void cells_decode_places(struct reader *reader, uint64_t first, uint64_t last, struct cells *out) {
    decode_places(reader, true, first, last, out);
}
