#include "view/window.h"

#include <stdlib.h>

#include "base/check.h"

#define RING 2048 /* slots, more than WINDOW_MINUTES_MAX */
enum {
    CUMULATIVES_MAX = 256,
    EXTRAS_MAX = 64, /* cumulative vectors that do not stand at a quarter of an hour */
    /* A cumulative vector also stands wherever the minutes since the last one hold more entries than 1/4 of the ads: then
     * the ends of a window cost no more than a scan of the ads does. */
    EXTRA_SHARE = 4,
    EXTRA_ENTRIES_MIN = 4096,
    AD_ROOM = 64 * 1024, /* a cumulative vector that must grow for a new ad grows by this much */
};
_Static_assert(RING > WINDOW_MINUTES_MAX && (RING & (RING - 1)) == 0, "a slot holds one minute at a time");
/* Differences of 32-bit sums are exact while all that is held is below this. */
#define CLICKS_MAX (UINT64_C(1) << 32)

struct slot {
    uint32_t minute;
    bool used, closed;
    uint64_t clicks;
    uint64_t changes;            /* window.changes when a count of it last changed */
    struct cell_table open;      /* by ad, country 0 */
    struct minute_vector vector; /* once closed */
};

/* For each ad its clicks in the minutes before `boundary`, since an origin that all of these share. */
struct cumulative {
    uint32_t boundary;
    bool extra;
    uint32_t *counts;
    uint32_t ad_count; /* ads beyond have none */
};

struct late_click {
    uint32_t ad, minute, count;
};

struct window {
    uint64_t bytes_max;
    uint32_t from;                  /* [from, ..) is covered */
    _Atomic uint32_t closed_before; /* minutes below are closed; moves over empty ones beside readers */
    uint32_t newest;                /* the highest minute ever added to */
    uint64_t clicks;                /* in all that is held */
    uint64_t changes;
    struct slot *slots;
    struct cumulative cumulatives[CUMULATIVES_MAX]; /* boundaries ascending, all >= from */
    size_t cumulative_count;
    struct late_click *late;
    size_t late_count, late_capacity;
    /* Between prepare and commit. */
    bool is_prepared;
    struct cell_table garbage; /* what the last commit replaced: freed outside the lock, since that takes milliseconds */
    uint32_t prepared_minute;
    struct minute_vector prepared;
    struct cumulative prepared_cumulative; /* counts NULL: none */
};

struct window *window_create(uint64_t memory_bytes_max) {
    struct window *window = memory_allocate_zeroed(1, sizeof *window);
    window->bytes_max = memory_bytes_max;
    window->slots = memory_allocate_zeroed(RING, sizeof *window->slots);
    return window;
}

static void slot_clear(struct slot *slot) {
    cell_table_fini(&slot->open);
    minute_vector_fini(&slot->vector);
    *slot = (struct slot){0};
}

void window_destroy(struct window *window) {
    CHECK(!window->is_prepared);
    for (size_t i = 0; i < RING; i++) slot_clear(&window->slots[i]);
    for (size_t i = 0; i < window->cumulative_count; i++) free(window->cumulatives[i].counts);
    cell_table_fini(&window->garbage);
    free(window->slots);
    free(window->late);
    free(window);
}

void window_begin(struct window *window, struct minute from) {
    CHECK(window->newest == 0 && window->clicks == 0);
    window->from = from.index;
    window->closed_before = from.index;
}

static struct slot *find_slot(const struct window *window, uint32_t minute) {
    struct slot *slot = &window->slots[minute % RING];
    return slot->used && slot->minute == minute ? slot : NULL;
}

static uint64_t slot_entries(const struct slot *slot) {
    return slot->closed ? minute_vector_entries(&slot->vector) : slot->open.cell_count;
}

static void cumulative_drop(struct window *window, size_t index) {
    CHECK(index < window->cumulative_count);
    free(window->cumulatives[index].counts);
    window->cumulative_count--;
    memmove(&window->cumulatives[index], &window->cumulatives[index + 1],
            (window->cumulative_count - index) * sizeof *window->cumulatives);
}

/* Lets go of everything before `from`. A cumulative vector below goes too: what lies between it and `from` is gone. */
#ifdef TALLY_COSTLY_CHECKS
/* What all slots hold is what the window holds. */
static bool clicks_agree(const struct window *window) {
    uint64_t clicks = 0;
    for (size_t i = 0; i < RING; i++) clicks += window->slots[i].clicks;
    return clicks == window->clicks;
}
#endif

/* What holds between any two calls. */
static void check_window(const struct window *window) {
    CHECK(window->closed_before >= window->from);
    CHECK(window->newest < window->from || window->newest - window->from < WINDOW_MINUTES_MAX);
    for (size_t i = 0; i < window->cumulative_count; i++) {
        const struct cumulative *cumulative = &window->cumulatives[i];
        CHECK(cumulative->boundary >= window->from && cumulative->boundary <= window->closed_before);
        CHECK(i == 0 || window->cumulatives[i - 1].boundary < cumulative->boundary);
    }
    COSTLY_CHECK(clicks_agree(window));
}

static void evict_before(struct window *window, uint32_t from) {
    CHECK(from >= window->from);
    uint32_t end = from - window->from > RING ? window->from + RING : from;
    for (uint32_t minute = window->from; minute < end; minute++) {
        struct slot *slot = find_slot(window, minute);
        if (slot == NULL) continue;
        CHECK(window->clicks >= slot->clicks);
        window->clicks -= slot->clicks;
        slot_clear(slot);
    }
    window->from = from;
    if (window->closed_before < from) window->closed_before = from;
    while (window->cumulative_count > 0 && window->cumulatives[0].boundary < from) cumulative_drop(window, 0);
}

/* --- adding --- */

void window_prefetch(const struct window *window, struct minute minute, uint32_t ad) {
    const struct slot *slot = find_slot(window, minute.index);
    if (slot != NULL && !slot->closed) cell_table_prefetch(&slot->open, cell_key(ad, (struct country){0}));
}

static void push_late(struct window *window, struct late_click late) {
    CHECK(late.minute < window->closed_before);
    if (window->late_count == window->late_capacity) {
        window->late_capacity = window->late_capacity * 2 + 256;
        window->late = memory_resize(window->late, window->late_capacity * sizeof *window->late);
    }
    window->late[window->late_count++] = late;
}

static struct slot *get_slot(struct window *window, uint32_t minute) {
    struct slot *slot = &window->slots[minute % RING];
    if (slot->used && slot->minute == minute) return slot;
    CHECK(!slot->used); /* what stood here a ring ago was evicted when the newest minute moved on */
    *slot = (struct slot){.minute = minute, .used = true, .closed = minute < window->closed_before};
    const struct slot *before = minute == window->newest && minute > 0 ? find_slot(window, minute - 1) : NULL;
    if (before != NULL && !slot->closed) cell_table_expect(&slot->open, (uint32_t)slot_entries(before));
    return slot;
}

void window_add(struct window *window, struct minute minute, uint32_t ad, uint64_t count) {
    CHECK(count < CLICKS_MAX);
    if (minute.index > window->newest) {
        CHECK(!window->is_prepared);
        window->newest = minute.index;
        if (minute.index - window->from >= WINDOW_MINUTES_MAX) evict_before(window, minute.index - WINDOW_MINUTES_MAX + 1);
    }
    if (minute.index < window->from) return; /* older than what is covered: the store has it */
    struct slot *slot = get_slot(window, minute.index);
    CHECK(minute.index <= window->newest && window->newest - window->from < WINDOW_MINUTES_MAX);
    slot->clicks += count;
    slot->changes = window->changes + 1;
    window->clicks += count;
    if (slot->closed)
        push_late(window, (struct late_click){ad, minute.index, (uint32_t)count});
    else
        cell_table_add(&slot->open, cell_key(ad, (struct country){0}), count);
}

static void cumulative_add(struct cumulative *cumulative, uint32_t ad, uint32_t count) {
    if (ad >= cumulative->ad_count) {
        uint32_t grown = ad + AD_ROOM;
        cumulative->counts = memory_resize(cumulative->counts, grown * sizeof *cumulative->counts);
        memset(cumulative->counts + cumulative->ad_count, 0, (grown - cumulative->ad_count) * sizeof *cumulative->counts);
        cumulative->ad_count = grown;
    }
    CHECK(ad < cumulative->ad_count);
    cumulative->counts[ad] += count;
}

static int by_ad(const void *left, const void *right) {
    const struct late_click *a = left, *b = right;
    return (a->ad > b->ad) - (a->ad < b->ad);
}

void window_settle(struct window *window) {
    window->changes++;
    if (window->late_count > 1)
        qsort(window->late, window->late_count, sizeof *window->late, by_ad); /* vectors are walked in order */
    for (size_t i = 0; i < window->late_count; i++) {
        const struct late_click *late = &window->late[i];
        struct slot *slot = find_slot(window, late->minute);
        if (slot == NULL) continue; /* evicted since it was added */
        CHECK(slot->closed);
        cell_table_add(&slot->vector.late, cell_key(late->ad, (struct country){0}), late->count);
    }
    for (size_t v = 0; v < window->cumulative_count; v++) {
        struct cumulative *cumulative = &window->cumulatives[v];
        for (size_t i = 0; i < window->late_count; i++)
            if (window->late[i].minute < cumulative->boundary && window->late[i].minute >= window->from)
                cumulative_add(cumulative, window->late[i].ad, window->late[i].count);
    }
    window->late_count = 0;
    check_window(window);
}

/* --- closing --- */

static bool boundary_is_extra(const struct window *window, uint32_t boundary) {
    uint32_t last = window->cumulative_count > 0 ? window->cumulatives[window->cumulative_count - 1].boundary : window->from;
    return boundary / WINDOW_QUARTER_MINUTES == last / WINDOW_QUARTER_MINUTES;
}

/* Entries in the minutes that the next cumulative vector would add, and where they begin. */
static uint64_t entries_since_cumulative(const struct window *window, uint32_t to, uint32_t *begin) {
    uint64_t entries = 0;
    *begin = window->cumulative_count > 0 ? window->cumulatives[window->cumulative_count - 1].boundary : window->from;
    if (to - *begin > RING) *begin = to - RING;
    for (uint32_t minute = *begin; minute < to; minute++) {
        const struct slot *slot = find_slot(window, minute);
        if (slot != NULL) entries += slot_entries(slot);
    }
    return entries;
}

static void prepare_cumulative(struct window *window, uint32_t ad_count) {
    uint32_t begin, boundary = window->prepared_minute + 1;
    uint64_t entries = entries_since_cumulative(window, window->prepared_minute, &begin) + window->prepared.entry_count;
    bool extra = boundary_is_extra(window, boundary);
    if (extra && (entries < EXTRA_ENTRIES_MIN || entries < ad_count / EXTRA_SHARE)) return;
    struct cumulative made = {.boundary = boundary, .extra = extra, .ad_count = ad_count};
    made.counts = memory_allocate_large(ad_count * sizeof *made.counts);
    uint32_t copied = 0;
    if (window->cumulative_count > 0) {
        const struct cumulative *last = &window->cumulatives[window->cumulative_count - 1];
        copied = last->ad_count < ad_count ? last->ad_count : ad_count;
        memcpy(made.counts, last->counts, copied * sizeof *made.counts);
    }
    memset(made.counts + copied, 0, (ad_count - copied) * sizeof *made.counts);
    CHECK(begin < boundary && (window->cumulative_count == 0 || begin >= window->from));
    for (uint32_t minute = begin; minute < window->prepared_minute; minute++) {
        const struct slot *slot = find_slot(window, minute);
        if (slot != NULL) CHECK(slot->closed);
        if (slot != NULL) minute_vector_add_to(&slot->vector, made.counts, false);
    }
    minute_vector_add_to(&window->prepared, made.counts, false);
    window->prepared_cumulative = made;
}

static void prepare_vector(struct window *window, const struct slot *slot) {
    const struct cell_table *open = &slot->open;
    uint64_t clicks = 0;
    struct ad_count *counts = memory_allocate(open->cell_count * sizeof *counts);
    struct ad_count *scratch = memory_allocate(open->cell_count * sizeof *scratch);
    uint32_t count = 0;
    struct cell_cursor cursor = {0};
    for (const struct cell_slot *cell; (cell = cell_table_next(open, &cursor)) != NULL;) {
        CHECK(cell->count < CLICKS_MAX);
        counts[count++] = (struct ad_count){cell_key_ad(cell->key), (uint32_t)cell->count};
        clicks += cell->count;
    }
    CHECK(count == open->cell_count);
    /* I4: a minute loses no click where it closes. */
    CHECKF(clicks == slot->clicks, "%llu of %llu clicks", (unsigned long long)clicks, (unsigned long long)slot->clicks);
    minute_vector_init(&window->prepared, counts, scratch, count);
    free(counts);
    free(scratch);
}

bool window_close_prepare(struct window *window, struct minute closed_before, uint32_t ad_count) {
    CHECK(!window->is_prepared && window->late_count == 0);
    cell_table_fini(&window->garbage);
    while (window->closed_before < closed_before.index) {
        if (window->closed_before > window->newest) { /* nothing from here on */
            window->closed_before = closed_before.index;
            break;
        }
        const struct slot *slot = find_slot(window, window->closed_before);
        if (slot != NULL) {
            CHECK(!slot->closed && slot->minute == window->closed_before && slot->minute <= window->newest);
            window->is_prepared = true;
            window->prepared_minute = slot->minute;
            prepare_vector(window, slot);
            prepare_cumulative(window, ad_count);
            return true;
        }
        window->closed_before++;
    }
    return false;
}

static void drop_oldest_extra(struct window *window) {
    size_t extras = 0, oldest = window->cumulative_count;
    for (size_t i = window->cumulative_count; i-- > 0;) {
        if (!window->cumulatives[i].extra) continue;
        extras++;
        oldest = i;
    }
    CHECK(extras <= EXTRAS_MAX + 1 && extras <= window->cumulative_count);
    if (extras > EXTRAS_MAX) cumulative_drop(window, oldest);
}

static uint64_t held_bytes(const struct window *window) {
    uint64_t bytes = RING * sizeof *window->slots + window->late_capacity * sizeof *window->late;
    for (size_t i = 0; i < RING; i++)
        bytes += cell_table_bytes(&window->slots[i].open) + minute_vector_bytes(&window->slots[i].vector);
    for (size_t i = 0; i < window->cumulative_count; i++)
        bytes += (uint64_t)window->cumulatives[i].ad_count * sizeof *window->cumulatives[i].counts;
    return bytes;
}

void window_close_commit(struct window *window) {
    CHECK(window->is_prepared);
    struct slot *slot = find_slot(window, window->prepared_minute);
    CHECK(slot != NULL && !slot->closed);
    window->garbage = slot->open;
    slot->open = (struct cell_table){0};
    slot->vector = window->prepared;
    slot->closed = true;
    window->closed_before = window->prepared_minute + 1;
    if (window->prepared_cumulative.counts != NULL) {
        CHECK(window->prepared_cumulative.boundary == window->closed_before);
        if (window->cumulative_count == CUMULATIVES_MAX) cumulative_drop(window, 0);
        window->cumulatives[window->cumulative_count++] = window->prepared_cumulative;
    }
    window->prepared = (struct minute_vector){0};
    window->prepared_cumulative = (struct cumulative){0};
    window->is_prepared = false;
    drop_oldest_extra(window);
    /* What does not fit is answered from the store: the oldest first. The minutes that are open stay. */
    while ((held_bytes(window) > window->bytes_max || window->clicks >= CLICKS_MAX - CLICKS_MAX / 16) &&
           window->from < window->closed_before)
        evict_before(window, window->from + WINDOW_QUARTER_MINUTES < window->closed_before
                                 ? window->from + WINDOW_QUARTER_MINUTES
                                 : window->closed_before);
    check_window(window);
}

/* --- reading --- */

bool window_covers(const struct window *window, struct minute from) {
    return from.index >= window->from && window->clicks < CLICKS_MAX;
}

struct minute window_closed_before(const struct window *window) {
    return (struct minute){window->closed_before};
}

struct minute window_from(const struct window *window) {
    return (struct minute){window->from};
}

/* Minutes beyond what was ever added to hold nothing. */
static uint32_t cut_to(const struct window *window, struct minute to) {
    return to.index > window->newest + 1 ? window->newest + 1 : to.index;
}

uint64_t window_minute_count(const struct window *window, uint32_t ad, struct minute minute) {
    const struct slot *slot = find_slot(window, minute.index);
    if (slot == NULL) return 0;
    return slot->closed ? minute_vector_count(&slot->vector, ad) : cell_table_ad_count(&slot->open, ad);
}

/* The vector from which it costs least to reach `minute`, by the entries of the minutes in between; -1: none stands nearer
 * than `limit`. */
static int nearest_cumulative(const struct window *window, uint32_t minute, uint64_t limit) {
    int nearest = -1;
    size_t behind = 0;
    while (behind < window->cumulative_count && window->cumulatives[behind].boundary <= minute) behind++;
    uint64_t entries = 0;
    if (behind > 0) {
        for (uint32_t at = window->cumulatives[behind - 1].boundary; at < minute && entries < limit; at++) {
            const struct slot *slot = find_slot(window, at);
            if (slot != NULL) entries += slot_entries(slot) + 1;
        }
        if (entries < limit) {
            nearest = (int)behind - 1;
            limit = entries;
        }
    }
    if (behind < window->cumulative_count) {
        entries = 0;
        for (uint32_t at = minute; at < window->cumulatives[behind].boundary && entries < limit; at++) {
            const struct slot *slot = find_slot(window, at);
            if (slot != NULL) entries += slot_entries(slot) + 1;
        }
        if (entries < limit) nearest = (int)behind;
    }
    CHECK(nearest < (int)window->cumulative_count);
    return nearest;
}

static uint64_t sum_minutes(const struct window *window, uint32_t ad, uint32_t from, uint32_t to) {
    uint64_t sum = 0;
    for (uint32_t minute = from; minute < to; minute++) sum += window_minute_count(window, ad, (struct minute){minute});
    return sum;
}

static uint32_t cumulative_count(const struct cumulative *cumulative, uint32_t ad) {
    return ad < cumulative->ad_count ? cumulative->counts[ad] : 0;
}

/* Clicks before `minute` since the vectors' origin, modulo 2^32. */
static uint32_t clicks_before(const struct window *window, uint32_t ad, uint32_t minute, int nearest) {
    CHECK(nearest >= 0 && (size_t)nearest < window->cumulative_count);
    const struct cumulative *cumulative = &window->cumulatives[nearest];
    uint32_t clicks = cumulative_count(cumulative, ad);
    if (cumulative->boundary <= minute) return clicks + (uint32_t)sum_minutes(window, ad, cumulative->boundary, minute);
    return clicks - (uint32_t)sum_minutes(window, ad, minute, cumulative->boundary);
}

uint64_t window_count(const struct window *window, uint32_t ad, struct minute from_minute, struct minute to_minute) {
    uint32_t from = from_minute.index, to = cut_to(window, to_minute);
    CHECK(from >= window->from);
    if (from >= to) return 0;
    if (to - from > 2 * WINDOW_QUARTER_MINUTES) {
        int at_from = nearest_cumulative(window, from, UINT64_MAX), at_to = nearest_cumulative(window, to, UINT64_MAX);
        if (at_from >= 0 && at_to >= 0 && at_from != at_to) {
            /* Modulo 2^32: exact, since all that is held is less. */
            const uint32_t clicks = clicks_before(window, ad, to, at_to) - clicks_before(window, ad, from, at_from);
            CHECK(clicks <= window->clicks);
            COSTLY_CHECK(clicks == sum_minutes(window, ad, from, to));
            return clicks;
        }
    }
    return sum_minutes(window, ad, from, to);
}

static void add_slots(const struct window *window, uint32_t from, uint32_t to, uint32_t *dense, bool subtract) {
    uint32_t sign = subtract ? UINT32_MAX : 1;
    for (uint32_t minute = from; minute < to; minute++) {
        const struct slot *slot = find_slot(window, minute);
        if (slot == NULL) continue;
        if (slot->closed) {
            minute_vector_add_to(&slot->vector, dense, subtract);
            continue;
        }
        struct cell_cursor cursor = {0};
        for (const struct cell_slot *cell; (cell = cell_table_next(&slot->open, &cursor)) != NULL;)
            dense[cell_key_ad(cell->key)] += sign * (uint32_t)cell->count;
    }
}

/* dense = later - earlier, for every ad. */
static void subtract_cumulatives(const struct cumulative *later, const struct cumulative *earlier, uint32_t *dense,
                                 uint32_t ad_count) {
    uint32_t in_later = later->ad_count < ad_count ? later->ad_count : ad_count;
    uint32_t in_both = earlier->ad_count < in_later ? earlier->ad_count : in_later;
    CHECK(earlier->boundary < later->boundary && in_both <= in_later && in_later <= ad_count);
    for (uint32_t ad = 0; ad < in_both; ad++) dense[ad] = later->counts[ad] - earlier->counts[ad];
    memcpy(dense + in_both, later->counts + in_both, (in_later - in_both) * sizeof *dense);
    memset(dense + in_later, 0, (ad_count - in_later) * sizeof *dense);
    /* Late clicks of new ads may have grown the earlier vector further than the later one was made. */
    for (uint32_t ad = in_later; ad < earlier->ad_count && ad < ad_count; ad++) dense[ad] -= earlier->counts[ad];
}

void window_sum(const struct window *window, struct minute from_minute, struct minute to_minute, uint32_t *dense,
                uint32_t ad_count) {
    uint32_t from = from_minute.index, to = cut_to(window, to_minute);
    CHECK(from >= window->from);
    /* An entry of a sparse minute costs several times what an ad of a dense vector does: it is decoded, and lands anywhere.
     */
    uint64_t direct = 0, scan = ad_count / 2;
    for (uint32_t minute = from; minute < to && direct < scan; minute++) {
        const struct slot *slot = find_slot(window, minute);
        if (slot != NULL) direct += slot_entries(slot);
    }
    int at_from = -1, at_to = -1;
    if (from < to && direct >= scan) {
        at_from = nearest_cumulative(window, from, UINT64_MAX);
        at_to = nearest_cumulative(window, to, UINT64_MAX);
    }
    if (at_from < 0 || at_to < 0 || at_from == at_to) {
        memset(dense, 0, ad_count * sizeof *dense);
        add_slots(window, from, to, dense, false);
        return;
    }
    const struct cumulative *earlier = &window->cumulatives[at_from], *later = &window->cumulatives[at_to];
    subtract_cumulatives(later, earlier, dense, ad_count);
    if (later->boundary <= to)
        add_slots(window, later->boundary, to, dense, false);
    else
        add_slots(window, to, later->boundary, dense, true);
    if (earlier->boundary <= from)
        add_slots(window, earlier->boundary, from, dense, true);
    else
        add_slots(window, from, earlier->boundary, dense, false);
}

uint64_t window_changes(const struct window *window, struct minute from, struct minute to) {
    uint64_t changes = 0;
    uint32_t end = cut_to(window, to);
    for (uint32_t minute = from.index; minute < end; minute++) {
        const struct slot *slot = find_slot(window, minute);
        if (slot != NULL && slot->changes > changes) changes = slot->changes;
    }
    CHECK(changes <= window->changes + 1); /* what was added since the last settling is ahead by one */
    return changes;
}

struct window_usage window_usage(const struct window *window) {
    struct window_usage usage = {.bytes = held_bytes(window),
                                 .bytes_max = window->bytes_max,
                                 .vectors = window->cumulative_count,
                                 .from = {window->from}};
    for (size_t i = 0; i < RING; i++) usage.minutes += window->slots[i].used;
    CHECK(usage.minutes <= WINDOW_MINUTES_MAX && usage.vectors <= CUMULATIVES_MAX);
    return usage;
}
