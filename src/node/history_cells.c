#include "node/history_cells.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum {
    SPILLED_CELLS = 1 << 16, /* at one go: so long the recalculation's lock is held */
    FIRST_CELLS = 64,
};

void history_cells_begin(struct history_cells *cells, struct store *store, uint32_t run, uint32_t partition,
                         uint64_t bytes_max) {
    CHECK(cells->minutes == NULL && cells->bytes == 0 && run > 0);
    *cells = (struct history_cells){.store = store, .run = run, .partition = partition, .bytes_max = bytes_max};
}

static void free_cells(struct history_cells *cells, struct history_minute *minute) {
    uint64_t bytes = minute->capacity * sizeof *minute->cells;
    CHECK(cells->bytes >= bytes && minute->count <= minute->capacity);
    cells->bytes -= bytes;
    free(minute->cells);
    minute->cells = NULL;
    minute->count = minute->capacity = 0;
}

void history_cells_clear(struct history_cells *cells) {
    for (size_t i = 0; i < cells->minute_count; i++) free_cells(cells, &cells->minutes[i]);
    CHECK(cells->bytes == 0);
    free(cells->minutes);
    *cells = (struct history_cells){0};
}

static struct history_minute *get_minute(struct history_cells *cells, struct minute minute) {
    size_t at = cells->minute_count;
    while (at > 0 && cells->minutes[at - 1].minute.index >= minute.index) at--; /* mostly the last, or near it */
    if (at < cells->minute_count && cells->minutes[at].minute.index == minute.index) return &cells->minutes[at];
    if (cells->minute_count == cells->minute_capacity) {
        cells->minute_capacity = cells->minute_capacity * 2 + 64;
        cells->minutes = memory_resize(cells->minutes, cells->minute_capacity * sizeof *cells->minutes);
    }
    memmove(&cells->minutes[at + 1], &cells->minutes[at], (cells->minute_count - at) * sizeof *cells->minutes);
    cells->minute_count++;
    cells->minutes[at] = (struct history_minute){.minute = minute};
    CHECK(at == 0 || cells->minutes[at - 1].minute.index < minute.index);
    CHECK(at + 1 == cells->minute_count || cells->minutes[at + 1].minute.index > minute.index);
    return &cells->minutes[at];
}

static uint64_t clicks_of(const struct history_minute *minute) {
    uint64_t clicks = 0;
    for (size_t i = 0; i < minute->count; i++) clicks += minute->cells[i].count;
    return clicks;
}

/* Sorts, and adds up equal cells. */
static void combine(struct history_minute *minute) {
    size_t kept = 0;
    uint64_t before = clicks_of(minute);
    if (minute->count > 0) qsort(minute->cells, minute->count, sizeof *minute->cells, atom_cell_compare);
    for (size_t i = 0; i < minute->count; i++) {
        if (kept > 0 && atom_cell_compare(&minute->cells[kept - 1], &minute->cells[i]) == 0)
            minute->cells[kept - 1].count += minute->cells[i].count;
        else
            minute->cells[kept++] = minute->cells[i];
    }
    CHECK(kept <= minute->count);
    minute->count = kept;
    uint64_t after = clicks_of(minute);
    CHECKF(before == after, "%llu clicks became %llu", (unsigned long long)before, (unsigned long long)after);
}

static void grow(struct history_cells *cells, struct history_minute *minute, size_t capacity) {
    CHECK(capacity > minute->capacity);
    cells->bytes += (capacity - minute->capacity) * sizeof *minute->cells;
    minute->cells = memory_resize(minute->cells, capacity * sizeof *minute->cells);
    minute->capacity = capacity;
}

/* Room for one more. One minute alone may have its first cells under any bound. */
static bool make_room(struct history_cells *cells, struct history_minute *minute) {
    if (minute->count < minute->capacity) return true;
    combine(minute); /* one ad with all the traffic needs no more room than its cells */
    if (minute->count * 2 < minute->capacity) return true;
    size_t capacity = minute->capacity * 2 + FIRST_CELLS;
    uint64_t bytes = cells->bytes + (capacity - minute->capacity) * sizeof *minute->cells;
    if (bytes > cells->bytes_max && cells->bytes > 0) return false;
    grow(cells, minute, capacity);
    return true;
}

bool history_cells_add(struct history_cells *cells, const struct atom_increment *increment) {
    struct history_minute *minute = get_minute(cells, increment->minute);
    if (!make_room(cells, minute)) return false;
    CHECK(minute->count < minute->capacity);
    minute->cells[minute->count++] = (struct atom_cell){increment->atom, increment->ad, increment->country, 1};
    return true;
}

struct merge {
    struct history_cells *cells;
    struct history_minute *minute;
};

static void take_stored(void *context, struct minute at, const struct atom_cell *cell) {
    struct merge *merge = context;
    struct history_minute *minute = merge->minute;
    CHECK(at.index == minute->minute.index && cell->count > 0);
    if (minute->count == minute->capacity) grow(merge->cells, minute, minute->capacity * 2 + FIRST_CELLS);
    minute->cells[minute->count++] = *cell;
}

/* The minute's cells go to the store, with what is there of this pass, and are let go. What an earlier life of the run left
 * there is replaced. */
static enum status write_minute(struct history_cells *cells, struct history_minute *minute, struct failure *failure) {
    enum status status = STATUS_OK;
    if (minute->count == 0) return STATUS_OK; /* all of it is stored */
    struct merge merge = {cells, minute};
    if (minute->stored)
        status =
            store_read_history(cells->store, cells->run, cells->partition, minute->minute, take_stored, &merge, failure);
    if (status != STATUS_OK) return status;
    combine(minute);
    status = store_write_history(cells->store, cells->run, cells->partition, minute->minute, minute->cells, minute->count,
                                 failure);
    if (status != STATUS_OK) return status;
    minute->stored = true;
    free_cells(cells, minute);
    return STATUS_OK;
}

enum status history_cells_spill(struct history_cells *cells, bool *more, struct failure *failure) {
    enum status status = STATUS_OK;
    size_t written = 0;
    for (size_t i = 0; i < cells->minute_count && status == STATUS_OK && written < SPILLED_CELLS; i++) {
        if (written > 0 && cells->bytes <= cells->bytes_max / 2) break; /* at least one, for it had no room */
        written += cells->minutes[i].count;
        status = write_minute(cells, &cells->minutes[i], failure);
    }
    *more = cells->bytes > cells->bytes_max / 2;
    CHECK(status != STATUS_OK || !*more || written >= SPILLED_CELLS); /* it comes to an end */
    return status;
}

/* The first `count` minutes. */
static enum status write_first(struct history_cells *cells, size_t count, struct failure *failure) {
    CHECK(count <= cells->minute_count);
    for (size_t i = 0; i < count; i++) {
        enum status status = write_minute(cells, &cells->minutes[i], failure);
        if (status != STATUS_OK) return status;
        CHECK(cells->minutes[i].cells == NULL);
    }
    if (count == 0) return STATUS_OK;
    memmove(cells->minutes, cells->minutes + count, (cells->minute_count - count) * sizeof *cells->minutes);
    cells->minute_count -= count;
    return STATUS_OK;
}

enum status history_cells_write_sealed(struct history_cells *cells, struct event_time sealed, struct failure *failure) {
    size_t count = 0;
    while (count < cells->minute_count && minute_end(cells->minutes[count].minute).ms <= sealed.ms) count++;
    return write_first(cells, count, failure);
}

enum status history_cells_write_all(struct history_cells *cells, struct failure *failure) {
    enum status status = write_first(cells, cells->minute_count, failure);
    CHECK(status != STATUS_OK || (cells->minute_count == 0 && cells->bytes == 0));
    return status;
}
