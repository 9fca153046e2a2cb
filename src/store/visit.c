/* Reading, from any thread: all that a visit needs is its own. */
#include "store/cursor.h"

enum { CURSORS_MAX = 3 };

struct visit {
    struct cursor cursors[CURSORS_MAX]; /* blocks, amendments, history */
    size_t cursor_count;
    struct value_reader *reader;
    struct cells cells;
    store_cell_visit *visit;
    store_atom_visit *visit_atom; /* one of the two is NULL, which says what cells these are */
    void *context;
    const struct store_history *history;
    struct failure *failure;
};

/* What is visited: places, both included. */
struct wanted {
    uint64_t first, last;
};
static const struct wanted wanted_plain = {0, UINT32_MAX}, wanted_atoms = {UINT64_C(1) << 32, UINT64_MAX};

static void visit_add(struct visit *visit, const struct cursor *cursor, enum cursor_way way, struct wanted wanted) {
    CHECK(visit->cursor_count < CURSORS_MAX);
    struct cursor *added = &visit->cursors[visit->cursor_count++];
    *added = *cursor;
    added->way = way;
    CHECK(wanted.first <= wanted.last);
    CHECK((visit->visit == NULL) == (wanted.first >> 32 != ATOM_ALL)); /* plain cells, or those of atoms: never both */
    added->first = wanted.first;
    added->last = wanted.last;
}

static bool is_backfilled(const struct store_history *history, uint32_t atom, uint32_t run) {
    return run > 0 && atom < history->count && history->runs[atom] == run;
}

/* Of a walk over all history: what was counted by a run that does not hold this atom's history is left out. */
static void leave_out_history(struct visit *visit, uint32_t run) {
    struct cells *cells = &visit->cells;
    size_t kept = 0;
    for (size_t i = 0; i < cells->count; i++) {
        if (!is_backfilled(visit->history, cells->atoms[i], run)) continue;
        cells->at[kept] = cells->at[i];
        cells->atoms[kept++] = cells->atoms[i];
    }
    CHECK(kept <= cells->count && run > 0);
    cells->count = kept;
}

/* The whole chunk begins with the cell that its key says. */
static bool begins_as_its_key(const struct cells *cells, const struct store_key *key) {
    CHECK(cells->count > 0);
    uint32_t atom = key->table == STORE_BLOCK ? ATOM_ALL : cells->atoms[0];
    return atom == key->atom && cells->at[0].ad == key->ad;
}

static enum status decode_chunk(struct visit *visit, const struct cursor *cursor, struct bytes key, struct bytes content) {
    struct reader reader = reader_of(content);
    bool whole = cursor->way == CURSOR_WALK, plain = cursor->key.table == STORE_BLOCK;
    if (plain && whole)
        cells_decode(&reader, &visit->cells);
    else if (plain)
        cells_decode_ad(&reader, (uint32_t)cursor->first, &visit->cells);
    else if (whole)
        cells_decode_atoms(&reader, &visit->cells);
    else
        cells_decode_places(&reader, cursor->first, cursor->last, &visit->cells);
    if (whole && (reader_left(&reader) > 0 || (!reader.bad && !begins_as_its_key(&visit->cells, &cursor->key))))
        reader.bad = true;
    if (reader.bad) return value_corrupt(key, "it does not decode", visit->failure);
    for (size_t i = 0; !plain && i < visit->cells.count; i++) /* whole chunks have no other places than are wanted, too */
        COSTLY_CHECK(cell_place(visit->cells.atoms[i], visit->cells.at[i].ad) >= cursor->first &&
                     cell_place(visit->cells.atoms[i], visit->cells.at[i].ad) <= cursor->last);
    if (cursor->key.table == STORE_HISTORY) leave_out_history(visit, cursor->key.run);
    return STATUS_OK;
}

static enum status visit_chunk(struct visit *visit, const struct cursor *cursor, struct bytes key, struct bytes content) {
    enum status status = decode_chunk(visit, cursor, key, content);
    if (status != STATUS_OK) return status;
    cells_visit(&visit->cells, (struct minute){cursor->key.minute}, visit->visit, visit->visit_atom, visit->context);
    return STATUS_OK;
}

static enum status visit_amendment(struct visit *visit, const struct cursor *cursor, struct bytes key,
                                   struct bytes content) {
    if (content.len != sizeof(uint64_t) || cursor->key.country >= COUNTRY_CODES)
        return value_corrupt(key, "it is no count", visit->failure);
    struct cell cell = {cursor->key.ad, {cursor->key.country}, get_u64(content.at)};
    uint32_t atom = cursor->key.atom;
    const struct cells one = {.at = &cell, .atoms = &atom, .count = 1};
    cells_visit(&one, (struct minute){cursor->key.minute}, visit->visit, visit->visit_atom, visit->context);
    return STATUS_OK;
}

/* Hands out what is under the cursor. */
static enum status visit_value(struct visit *visit, const struct cursor *cursor) {
    struct bytes content, key = cursor->kv->iterator_key(cursor->at);
    CHECK(cursor->live && cursor->key.minute < cursor->to);
    enum status status = value_open(visit->reader, key, cursor->kv->iterator_value(cursor->at), &content, visit->failure);
    if (status != STATUS_OK) return status;
    return cursor->key.table == STORE_AMENDMENT ? visit_amendment(visit, cursor, key, content)
                                                : visit_chunk(visit, cursor, key, content);
}

/* The cursor at the lowest minute, the first of equal ones; NULL when all are through. */
static struct cursor *lowest(struct visit *visit) {
    struct cursor *best = NULL;
    for (size_t i = 0; i < visit->cursor_count; i++) {
        struct cursor *cursor = &visit->cursors[i];
        if (cursor->live && (best == NULL || cursor->key.minute < best->key.minute)) best = cursor;
    }
    return best;
}

/* All that the cursors find, from `from` on. Closes them. */
static enum status visit_run(struct visit *visit, struct minute from) {
    enum status status = STATUS_OK;
    visit->reader = value_reader_create();
    for (size_t i = 0; i < visit->cursor_count; i++) cursor_find(&visit->cursors[i], from.index);
    uint32_t reached = from.index;
    for (struct cursor *cursor; status == STATUS_OK && (cursor = lowest(visit)) != NULL;) {
        CHECKF(cursor->key.minute >= reached, "minute %u after %u", cursor->key.minute, reached); /* as promised: upwards */
        reached = cursor->key.minute;
        status = visit_value(visit, cursor);
        if (status == STATUS_OK) cursor_next(cursor);
    }
    for (size_t i = 0; i < visit->cursor_count; i++) {
        if (status == STATUS_OK) status = visit->cursors[i].status;
        cursor_close(&visit->cursors[i]);
    }
    value_reader_destroy(visit->reader);
    cells_fini(&visit->cells);
    return status;
}

static enum status visit_plain(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition,
                               enum cursor_way blocks_way, struct wanted wanted, struct minute from, struct minute to,
                               store_cell_visit *visit_cell, void *context, struct failure *failure) {
    struct visit visit = {.visit = visit_cell, .context = context, .failure = failure};
    struct cursor blocks = cursor_open(store, snapshot, STORE_BLOCK, partition, to, failure);
    struct cursor amendments = cursor_open(store, snapshot, STORE_AMENDMENT, partition, to, failure);
    visit_add(&visit, &blocks, blocks_way, wanted);
    visit_add(&visit, &amendments, CURSOR_KEYS, wanted);
    return visit_run(&visit, from);
}

enum status store_visit_ad(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition, uint32_t ad,
                           struct minute from, struct minute to, store_cell_visit *visit_cell, void *context,
                           struct failure *failure) {
    struct wanted wanted = {ad, ad};
    return visit_plain(store, snapshot, partition, CURSOR_CHUNKS, wanted, from, to, visit_cell, context, failure);
}

enum status store_visit_all(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition, struct minute from,
                            struct minute to, store_cell_visit *visit_cell, void *context, struct failure *failure) {
    return visit_plain(store, snapshot, partition, CURSOR_WALK, wanted_plain, from, to, visit_cell, context, failure);
}

/* `run` 0: history of any run. */
struct atoms_wanted {
    enum cursor_way way;
    struct wanted wanted;
    bool history;
    uint32_t run;
};

static enum status visit_atoms(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition,
                               const struct store_history *history, const struct atoms_wanted *atoms, struct minute from,
                               struct minute to, store_atom_visit *visit_atom, void *context, struct failure *failure) {
    struct visit visit = {.visit_atom = visit_atom, .context = context, .history = history, .failure = failure};
    struct cursor blocks = cursor_open(store, snapshot, STORE_ATOM_BLOCK, partition, to, failure);
    struct cursor amendments = cursor_open(store, snapshot, STORE_AMENDMENT, partition, to, failure);
    visit_add(&visit, &blocks, atoms->way, atoms->wanted);
    visit_add(&visit, &amendments, CURSOR_KEYS, atoms->wanted);
    if (atoms->history) {
        struct cursor older = cursor_open(store, snapshot, STORE_HISTORY, partition, to, failure);
        older.run = atoms->run;
        visit_add(&visit, &older, atoms->way, atoms->wanted);
    }
    return visit_run(&visit, from);
}

static struct atoms_wanted wanted_of_atom(const struct store_history *history, uint32_t atom, uint32_t first_ad,
                                          uint32_t last_ad) {
    CHECK(atom != ATOM_ALL);
    uint32_t run = atom < history->count ? history->runs[atom] : 0;
    struct wanted places = {cell_place(atom, first_ad), cell_place(atom, last_ad)};
    return (struct atoms_wanted){CURSOR_CHUNKS, places, run != 0, run};
}

enum status store_visit_atom_ad(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition,
                                const struct store_history *history, uint32_t atom, uint32_t ad, struct minute from,
                                struct minute to, store_atom_visit *visit, void *context, struct failure *failure) {
    struct atoms_wanted wanted = wanted_of_atom(history, atom, ad, ad);
    return visit_atoms(store, snapshot, partition, history, &wanted, from, to, visit, context, failure);
}

enum status store_visit_atoms(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition,
                              const struct store_history *history, uint32_t atom, struct minute from, struct minute to,
                              store_atom_visit *visit, void *context, struct failure *failure) {
    struct atoms_wanted wanted = {CURSOR_WALK, wanted_atoms, history->count > 0, 0};
    if (atom != ATOM_ALL) wanted = wanted_of_atom(history, atom, 0, UINT32_MAX);
    return visit_atoms(store, snapshot, partition, history, &wanted, from, to, visit, context, failure);
}

static void widen(const struct cursor *cursor, struct minute *lowest, struct minute *highest, bool *any) {
    CHECK(cursor->live);
    if (!*any || cursor->key.minute < lowest->index) lowest->index = cursor->key.minute;
    if (!*any || cursor->key.minute > highest->index) highest->index = cursor->key.minute;
    *any = true;
}

/* Lowest and highest minute of one table of one partition. */
static enum status table_range(struct store *store, const struct kv_snapshot *snapshot, enum store_table table,
                               uint32_t partition, struct minute *lowest, struct minute *highest, bool *any,
                               struct failure *failure) {
    struct cursor cursor = cursor_open(store, snapshot, table, partition, (struct minute){UINT32_MAX}, failure);
    cursor_find(&cursor, 0);
    if (cursor.live) {
        widen(&cursor, lowest, highest, any);
        cursor_last(&cursor);
        if (cursor.live) widen(&cursor, lowest, highest, any);
    }
    cursor_close(&cursor);
    return cursor.status;
}

/* A minute with cells of other atoms has cells of atom 0 too. */
enum status store_minute_range(struct store *store, const struct kv_snapshot *snapshot, struct minute *lowest,
                               struct minute *highest, struct failure *failure) {
    bool any = false;
    for (uint32_t p = 0; p < store->partition_count; p++) {
        enum status status = table_range(store, snapshot, STORE_BLOCK, p, lowest, highest, &any, failure);
        if (status == STATUS_OK) status = table_range(store, snapshot, STORE_AMENDMENT, p, lowest, highest, &any, failure);
        if (status != STATUS_OK) return status;
    }
    CHECK(!any || lowest->index <= highest->index);
    return any ? STATUS_OK : STATUS_NOT_FOUND;
}
