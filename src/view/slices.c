/* slices.c: the writer's side of the slices. */
#include "view/slices.h"

#include <stdlib.h>

#include "view/slices_internal.h"

enum {
    /* Late entries beside a vector before they are folded in: more than an eighth of it, since each takes 16 bytes; but then
     * so many at least that folding, which costs all of the minute, is rare, and so many at most that to merge their runs,
     * under the lock, takes less than a millisecond. */
    FOLD_SHARE = 8,
    FOLD_LATE_MIN = 4096,
    FOLD_LATE_MAX = 64 * 1024,
};

struct slices *slices_create(uint64_t memory_bytes_max) {
    struct slices *slices = memory_allocate_zeroed(1, sizeof *slices);
    slices->bytes_max = memory_bytes_max;
    return slices;
}

static void slot_destroy(struct slice_minute *slot) {
    slice_vector_fini(&slot->vector);
    free(slot->late);
    free(slot);
}

static void let_go(struct slices *slices, struct slice_minute *slot) {
    if (slices->garbage_count == slices->garbage_capacity) {
        slices->garbage_capacity = slices->garbage_capacity * 2 + 64;
        slices->garbage = memory_resize(slices->garbage, slices->garbage_capacity * sizeof *slices->garbage);
    }
    slices->garbage[slices->garbage_count++] = slot;
}

void slices_clean(struct slices *slices) {
    for (size_t i = 0; i < slices->garbage_count; i++) slot_destroy(slices->garbage[i]);
    free(slices->garbage);
    slices->garbage = NULL;
    slices->garbage_count = slices->garbage_capacity = 0;
}

bool slices_active(const struct slices *slices) {
    return slices->ring != NULL;
}

void slices_begin(struct slices *slices, struct minute closed_before) {
    CHECK(!slices_active(slices));
    slices->ring = memory_allocate_zeroed(SLICES_RING, sizeof(struct slice_minute *));
    slices->from = slices->closed_before = closed_before.index;
    slices->is_full = false;
}

/* Lets go of everything before `from`. */
static void evict_before(struct slices *slices, uint32_t from) {
    CHECK(from >= slices->from);
    uint32_t end = from < slices->closed_before ? from : slices->closed_before;
    for (uint32_t minute = slices->from; minute < end; minute++) {
        struct slice_minute **slot = &slices->ring[minute % SLICES_RING];
        if (*slot != NULL) let_go(slices, *slot);
        *slot = NULL;
    }
    slices->from = from;
    if (slices->closed_before < from) slices->closed_before = from;
    CHECK(slices->closed_before - slices->from <= WINDOW_MINUTES_MAX);
}

void slices_reset(struct slices *slices) {
    CHECK(slices->prepared == PREPARED_NONE && slices->late_minute_count == 0);
    if (!slices_active(slices)) return;
    evict_before(slices, slices->closed_before);
    free(slices->ring);
    slices->ring = NULL;
    memset(slices->country_bits, 0, sizeof slices->country_bits);
    slices->country_count = 0;
}

void slices_destroy(struct slices *slices) {
    slices->late_minute_count = 0;
    slices_reset(slices);
    slices_clean(slices);
    free(slices->late_minutes);
    free(slices);
}

/* --- late clicks --- */

static void note_country(uint64_t *bits, uint64_t key) {
    if (key >= SLICE_KEY_FIRST_ATOM) return;
    uint64_t code = key >> 24;
    CHECK(code < COUNTRY_CODES);
    bits[code / 64] |= UINT64_C(1) << (code % 64);
}

/* The list follows the bits. */
static void list_countries(struct slices *slices) {
    slices->country_count = 0;
    for (uint32_t word = 0; word < SLICES_COUNTRY_WORDS; word++)
        for (uint64_t bits = slices->country_bits[word]; bits != 0; bits &= bits - 1)
            slices->countries[slices->country_count++] =
                (struct country){(uint16_t)(word * 64 + (uint32_t)__builtin_ctzll(bits))};
    CHECK(slices->country_count <= COUNTRY_CODES);
}

bool slices_hold(const struct slices *slices, struct minute minute) {
    return slices_active(slices) && minute.index >= slices->from && minute.index < slices->closed_before;
}

void slices_add_late(struct slices *slices, struct minute minute, uint64_t key, uint64_t count) {
    CHECK(slices->prepared == PREPARED_NONE && slices_hold(slices, minute) && count > 0);
    struct slice_minute **at = &slices->ring[minute.index % SLICES_RING];
    if (*at == NULL) *at = memory_allocate_zeroed(1, sizeof **at);
    struct slice_minute *slot = *at;
    if (slot->late_count == 0) {
        if (slices->late_minute_count == slices->late_minute_capacity) {
            slices->late_minute_capacity = slices->late_minute_capacity * 2 + 64;
            slices->late_minutes =
                memory_resize(slices->late_minutes, slices->late_minute_capacity * sizeof *slices->late_minutes);
        }
        slices->late_minutes[slices->late_minute_count++] = minute.index;
    }
    if (slot->late_count == slot->late_capacity) {
        CHECK(slot->late_capacity < UINT32_MAX / 4);
        slot->late_capacity = slot->late_capacity * 2 + 16;
        slot->late = memory_resize(slot->late, slot->late_capacity * sizeof *slot->late);
    }
    slot->late[slot->late_count++] = (struct slice){key, count};
    note_country(slices->country_bits, key);
}

static bool fold_is_due(const struct slice_vector *vector) {
    uint32_t late = vector->late.count;
    return late > FOLD_LATE_MIN && (late > vector->entry_count / FOLD_SHARE || late > FOLD_LATE_MAX);
}

void slices_settle(struct slices *slices) {
    if (slices->late_minute_count == 0) return;
    for (size_t i = 0; i < slices->late_minute_count; i++) {
        struct slice_minute *slot = slices_slot(slices, slices->late_minutes[i]);
        slice_vector_add_late(&slot->vector, slot->late, slot->late_count);
        slices->may_fold |= fold_is_due(&slot->vector);
        free(slot->late);
        slot->late = NULL;
        slot->late_count = slot->late_capacity = 0;
    }
    slices->late_minute_count = 0;
    list_countries(slices);
}

/* --- prepare and commit --- */

static void prepare(struct slices *slices, enum slices_prepared what, uint32_t minute) {
    CHECK(slices_active(slices) && slices->prepared == PREPARED_NONE && slices->late_minute_count == 0);
    slices_clean(slices);
    CHECK(what != PREPARED_NONE && minute < UINT32_MAX);
    slices->prepared = what;
    slices->prepared_minute = minute;
}

#ifdef TALLY_COSTLY_CHECKS
static void add_clicks(void *context, uint64_t key, uint64_t count) {
    (void)key;
    *(uint64_t *)context += count;
}

static uint64_t clicks_of(const struct slice_vector *vector) {
    uint64_t clicks = 0;
    slice_vector_visit(vector, 0, UINT64_MAX, add_clicks, &clicks);
    return clicks;
}
#endif

static void prepare_items(struct slices *slices, struct slice *items, size_t count) {
    memset(slices->prepared_country_bits, 0, sizeof slices->prepared_country_bits);
    slices->prepared_slot = NULL;
    if (count == 0) return;
    CHECK(count <= UINT32_MAX);
    uint64_t clicks = 0;
    for (size_t i = 0; i < count; i++) {
        note_country(slices->prepared_country_bits, items[i].key);
        clicks += items[i].count;
    }
    slices->prepared_slot = memory_allocate_zeroed(1, sizeof *slices->prepared_slot);
    struct slice *scratch = memory_allocate_large(count * sizeof *scratch);
    slice_vector_init(&slices->prepared_slot->vector, items, scratch, (uint32_t)count);
    free(scratch);
    /* I4: the vector holds every click that was given, of countries and of atoms. */
    COSTLY_CHECK(clicks_of(&slices->prepared_slot->vector) == clicks);
    CHECK(clicks >= count);
}

/* Puts what was prepared into its place. */
static void put_prepared(struct slices *slices) {
    struct slice_minute **at = &slices->ring[slices->prepared_minute % SLICES_RING];
    CHECK(*at == NULL);
    CHECK(slices->prepared_slot == NULL || slices->prepared_slot->late_count == 0);
    *at = slices->prepared_slot;
    slices->prepared_slot = NULL;
    for (uint32_t word = 0; word < SLICES_COUNTRY_WORDS; word++)
        slices->country_bits[word] |= slices->prepared_country_bits[word];
    list_countries(slices);
}

static uint64_t slot_bytes(const struct slice_minute *slot) {
    return sizeof *slot + slice_vector_bytes(&slot->vector);
}

struct slices_usage slices_usage(const struct slices *slices) {
    struct slices_usage usage = {.bytes_max = slices->bytes_max, .from = slices_from(slices)};
    if (!slices_active(slices)) return usage;
    usage.bytes = sizeof *slices + SLICES_RING * sizeof *slices->ring;
    for (uint32_t i = 0; i < SLICES_RING; i++) {
        if (slices->ring[i] == NULL) continue;
        usage.bytes += slot_bytes(slices->ring[i]);
        usage.minutes++;
        CHECK(usage.minutes <= WINDOW_MINUTES_MAX);
        usage.entries += (uint64_t)slices->ring[i]->vector.entry_count + slices->ring[i]->vector.late.count;
    }
    return usage;
}

void slices_close_prepare(struct slices *slices, struct minute minute, struct slice *items, size_t count) {
    CHECK(minute.index >= slices->closed_before && minute.index < UINT32_MAX);
    prepare(slices, PREPARED_CLOSE, minute.index);
    prepare_items(slices, items, count);
}

void slices_close_commit(struct slices *slices) {
    CHECK(slices->prepared == PREPARED_CLOSE);
    slices->prepared = PREPARED_NONE;
    uint32_t end = slices->prepared_minute + 1;
    /* First, since the new minute may stand where one of a ring ago stood. */
    if (end - slices->from > WINDOW_MINUTES_MAX) evict_before(slices, end - WINDOW_MINUTES_MAX);
    put_prepared(slices);
    CHECK(end > slices->closed_before && end - slices->from <= WINDOW_MINUTES_MAX);
    slices->closed_before = end;
    uint64_t bytes = slices_usage(slices).bytes;
    while (bytes > slices->bytes_max && slices->from < slices->closed_before) {
        const struct slice_minute *oldest = slices_slot(slices, slices->from);
        if (oldest != NULL) bytes -= slot_bytes(oldest);
        evict_before(slices, slices->from + 1);
        slices->is_full = true;
    }
    COSTLY_CHECK(bytes == slices_usage(slices).bytes);
}

bool slices_fill_minute(const struct slices *slices, struct minute *minute) {
    if (!slices_active(slices) || slices->is_full || slices->from == 0) return false;
    if (slices->closed_before - slices->from >= WINDOW_MINUTES_MAX) return false;
    *minute = (struct minute){slices->from - 1};
    return true;
}

void slices_fill_prepare(struct slices *slices, struct slice *items, size_t count) {
    struct minute minute;
    CHECK(slices_fill_minute(slices, &minute));
    prepare(slices, PREPARED_FILL, minute.index);
    prepare_items(slices, items, count);
}

void slices_fill_commit(struct slices *slices) {
    CHECK(slices->prepared == PREPARED_FILL);
    slices->prepared = PREPARED_NONE;
    uint64_t added = slices->prepared_slot == NULL ? 0 : slot_bytes(slices->prepared_slot);
    if (slices_usage(slices).bytes + added > slices->bytes_max) {
        slices->is_full = true;
        if (slices->prepared_slot != NULL) let_go(slices, slices->prepared_slot);
        slices->prepared_slot = NULL;
        return;
    }
    put_prepared(slices);
    CHECK(slices->from == slices->prepared_minute + 1); /* the past is filled without a gap */
    slices->from = slices->prepared_minute;
    CHECK(slices->closed_before - slices->from <= WINDOW_MINUTES_MAX);
}

bool slices_fold_prepare(struct slices *slices) {
    if (!slices_active(slices) || !slices->may_fold) return false;
    for (uint32_t minute = slices->closed_before; minute-- > slices->from;) {
        const struct slice_minute *slot = slices_slot(slices, minute);
        if (slot == NULL || !fold_is_due(&slot->vector)) continue;
        prepare(slices, PREPARED_FOLD, minute);
        slices->prepared_slot = memory_allocate_zeroed(1, sizeof *slices->prepared_slot);
        slice_vector_fold(&slot->vector, &slices->prepared_slot->vector);
        return true;
    }
    slices->may_fold = false;
    return false;
}

void slices_fold_commit(struct slices *slices) {
    CHECK(slices->prepared == PREPARED_FOLD);
    slices->prepared = PREPARED_NONE;
    struct slice_minute **at = &slices->ring[slices->prepared_minute % SLICES_RING];
    CHECK(*at != NULL && (*at)->late_count == 0);
    COSTLY_CHECK(clicks_of(&(*at)->vector) == clicks_of(&slices->prepared_slot->vector)); /* folding changes no count */
    let_go(slices, *at);
    *at = slices->prepared_slot;
    slices->prepared_slot = NULL;
}
