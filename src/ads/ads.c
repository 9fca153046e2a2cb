#include "ads/ads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "base/check.h"
#include "base/units.h"

/* How readers do without a lock: everything they reach is written before the pointer or slot that leads to it is published
 * (release), and is never moved, changed or freed before ads_destroy. When the table doubles, the new one is filled and then
 * published; a reader that still walks the old one misses at most ids that came after it looked. */

enum {
    UNIT_BYTES = 8, /* records begin at multiples of this, so that 32 bits address all of them */
    ARENA_CHUNK_BYTES = 2 * 1024 * 1024,
    ARENA_CHUNK_UNITS = ARENA_CHUNK_BYTES / UNIT_BYTES,
    INDEX_CHUNK_ADS = 64 * 1024,
    INDEX_CHUNKS_MAX = ADS_MAX / INDEX_CHUNK_ADS,
    TABLE_SLOTS_MIN = 4 * 1024,
    TABLES_MAX = 16,
    HUGE_PAGE_BYTES = 2 * 1024 * 1024,
};

/* An ad, in the arena; never changes. */
struct record {
    uint32_t index;
    uint8_t len;
    uint8_t id[];
};
enum {
    RECORD_HEAD_BYTES = 5,
    RECORD_BYTES_MAX = (RECORD_HEAD_BYTES + ID_BYTES_MAX + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES
};
_Static_assert(offsetof(struct record, id) == RECORD_HEAD_BYTES, "the record has no gap before the id");
/* Even if every id had the greatest length: */
enum { ARENA_CHUNKS_MAX = ADS_MAX / (ARENA_CHUNK_BYTES / RECORD_BYTES_MAX) + 1 };
_Static_assert((uint64_t)ARENA_CHUNKS_MAX *ARENA_CHUNK_UNITS < UINT32_MAX, "a position fits 32 bits");

/* Open addressing, linear probing, at most 2/3 full. A slot is (32 bits of the hash) << 32 | (position in the arena + 1); 0
 * is empty. The bits of the hash also give the home slot, so doubling needs no look at the records. */
struct table {
    uint64_t mask;
    _Atomic uint64_t slots[];
};

struct ads {
    uint64_t seed;
    _Atomic(struct table *) table;
    _Atomic uint32_t count;
    _Atomic uint64_t memory_bytes;
    _Atomic(uint8_t *) arena[ARENA_CHUNKS_MAX];
    _Atomic(uint32_t *) positions[INDEX_CHUNKS_MAX]; /* of the record, by index */

    pthread_mutex_t adding; /* guards what follows, and all writing of the above */
    struct table *tables[TABLES_MAX];
    uint32_t table_count;
    uint32_t arena_chunk_count;
    uint32_t arena_used; /* units of the last chunk */
};

/* Zeroed; in huge pages when large, since look-ups hit it at random. */
static void *pages_allocate(struct ads *ads, size_t bytes) {
    (void)atomic_fetch_add_explicit(&ads->memory_bytes, bytes, memory_order_relaxed);
    if (bytes < HUGE_PAGE_BYTES) return memory_allocate_zeroed(1, bytes);
    size_t rounded = (bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    void *at = aligned_alloc(HUGE_PAGE_BYTES, rounded);
    CHECKF(at != NULL, "out of memory for %zu bytes", rounded);
    (void)madvise(at, rounded, MADV_HUGEPAGE); /* only speed depends on it */
    return memset(at, 0, bytes);
}

static struct table *table_create(struct ads *ads, uint64_t slots) {
    CHECK((slots & (slots - 1)) == 0);
    CHECK(ads->table_count < TABLES_MAX);
    struct table *table = pages_allocate(ads, sizeof *table + slots * sizeof table->slots[0]);
    table->mask = slots - 1;
    ads->tables[ads->table_count++] = table;
    return table;
}

struct ads *ads_create(uint64_t seed) {
    struct ads *ads = memory_allocate_zeroed(1, sizeof *ads);
    ads->seed = seed;
    CHECK(pthread_mutex_init(&ads->adding, NULL) == 0);
    atomic_init(&ads->memory_bytes, sizeof *ads);
    atomic_init(&ads->table, table_create(ads, TABLE_SLOTS_MIN));
    ads->arena_used = ARENA_CHUNK_UNITS; /* the first record makes the first chunk */
    return ads;
}

void ads_destroy(struct ads *ads) {
    if (ads == NULL) return;
    for (uint32_t i = 0; i < ads->table_count; ++i) free(ads->tables[i]);
    for (uint32_t i = 0; i < ads->arena_chunk_count; ++i) free(atomic_load_explicit(&ads->arena[i], memory_order_relaxed));
    for (uint32_t i = 0; i < INDEX_CHUNKS_MAX; ++i) free(atomic_load_explicit(&ads->positions[i], memory_order_relaxed));
    CHECK(pthread_mutex_destroy(&ads->adding) == 0);
    free(ads);
}

uint64_t ads_hash(const struct ads *ads, struct bytes ad_id) {
    return XXH3_64bits_withSeed(ad_id.at, ad_id.len, ads->seed);
}

static uint64_t slot_home(const struct table *table, uint32_t hash_bits) {
    return hash_bits & table->mask;
}

void ads_prefetch(const struct ads *ads, uint64_t hash) {
    const struct table *table = atomic_load_explicit(&ads->table, memory_order_acquire);
    __builtin_prefetch((const void *)&table->slots[slot_home(table, (uint32_t)(hash >> 32))]);
}

static const struct record *record_at(const struct ads *ads, uint32_t position) {
    uint32_t chunk = position / ARENA_CHUNK_UNITS;
    CHECK(chunk < ARENA_CHUNKS_MAX);
    const uint8_t *at = atomic_load_explicit(&ads->arena[chunk], memory_order_acquire);
    return (const struct record *)(const void *)(at + (size_t)(position % ARENA_CHUNK_UNITS) * UNIT_BYTES);
}

/* Only the first slot with these hash bits: that another ad has the same 32 bits is rare. */
void ads_prefetch_id(const struct ads *ads, uint64_t hash) {
    const struct table *table = atomic_load_explicit(&ads->table, memory_order_acquire);
    uint32_t hash_bits = (uint32_t)(hash >> 32);
    for (uint64_t at = slot_home(table, hash_bits);; at = (at + 1) & table->mask) {
        uint64_t slot = atomic_load_explicit(&table->slots[at], memory_order_acquire);
        if (slot == 0) return;
        if (slot >> 32 != hash_bits) continue;
        __builtin_prefetch(record_at(ads, (uint32_t)slot - 1));
        return;
    }
}

static const struct record *table_find(const struct ads *ads, const struct table *table, struct bytes ad_id, uint64_t hash) {
    uint32_t hash_bits = (uint32_t)(hash >> 32);
    for (uint64_t at = slot_home(table, hash_bits);; at = (at + 1) & table->mask) {
        uint64_t slot = atomic_load_explicit(&table->slots[at], memory_order_acquire);
        if (slot == 0) return NULL; /* there always is one: the table is never more than 2/3 full */
        if (slot >> 32 != hash_bits) continue;
        const struct record *record = record_at(ads, (uint32_t)slot - 1);
        if (record->len == ad_id.len && memcmp(record->id, ad_id.at, ad_id.len) == 0) return record;
    }
}

bool ads_find(const struct ads *ads, struct bytes ad_id, uint32_t *index) {
    if (ad_id.len == 0 || ad_id.len > ID_BYTES_MAX) return false;
    const struct table *table = atomic_load_explicit(&ads->table, memory_order_acquire);
    const struct record *record = table_find(ads, table, ad_id, ads_hash(ads, ad_id));
    if (record == NULL) return false;
    *index = record->index;
    return true;
}

/* --- adding, under the mutex --- */

static void table_put(struct table *table, uint64_t slot) {
    uint64_t at = slot_home(table, (uint32_t)(slot >> 32));
    while (atomic_load_explicit(&table->slots[at], memory_order_relaxed) != 0) at = (at + 1) & table->mask;
    atomic_store_explicit(&table->slots[at], slot, memory_order_release);
}

/* Filling a table of 4 million slots takes some ten milliseconds; only those who add an ad wait for it. */
static struct table *table_double(struct ads *ads, const struct table *old) {
    struct table *table = table_create(ads, (old->mask + 1) * 2);
    for (uint64_t at = 0; at <= old->mask; ++at) {
        uint64_t slot = atomic_load_explicit(&old->slots[at], memory_order_relaxed);
        if (slot != 0) table_put(table, slot);
    }
    atomic_store_explicit(&ads->table, table, memory_order_release);
    return table;
}

static uint32_t record_append(struct ads *ads, struct bytes ad_id, uint32_t index) {
    uint32_t units = (uint32_t)((RECORD_HEAD_BYTES + ad_id.len + UNIT_BYTES - 1) / UNIT_BYTES);
    if (units > ARENA_CHUNK_UNITS - ads->arena_used) {
        CHECK(ads->arena_chunk_count < ARENA_CHUNKS_MAX);
        uint8_t *chunk = pages_allocate(ads, ARENA_CHUNK_BYTES);
        atomic_store_explicit(&ads->arena[ads->arena_chunk_count++], chunk, memory_order_release);
        ads->arena_used = 0;
    }
    uint32_t position = (ads->arena_chunk_count - 1) * ARENA_CHUNK_UNITS + ads->arena_used;
    ads->arena_used += units;
    CHECK(ads->arena_used <= ARENA_CHUNK_UNITS);
    uint8_t *chunk = atomic_load_explicit(&ads->arena[ads->arena_chunk_count - 1], memory_order_relaxed);
    struct record *record = (struct record *)(void *)(chunk + (size_t)(position % ARENA_CHUNK_UNITS) * UNIT_BYTES);
    record->index = index;
    record->len = (uint8_t)ad_id.len;
    memcpy(record->id, ad_id.at, ad_id.len);
    return position;
}

static void position_keep(struct ads *ads, uint32_t index, uint32_t position) {
    _Atomic(uint32_t *) *chunk = &ads->positions[index / INDEX_CHUNK_ADS];
    uint32_t *positions = atomic_load_explicit(chunk, memory_order_relaxed);
    if (positions == NULL) {
        positions = pages_allocate(ads, INDEX_CHUNK_ADS * sizeof *positions);
        atomic_store_explicit(chunk, positions, memory_order_release);
    }
    positions[index % INDEX_CHUNK_ADS] = position;
}

static uint32_t add_locked(struct ads *ads, struct bytes ad_id, uint64_t hash) {
    struct table *table = atomic_load_explicit(&ads->table, memory_order_relaxed);
    const struct record *record = table_find(ads, table, ad_id, hash);
    if (record != NULL) return record->index; /* another thread was faster */
    uint32_t index = atomic_load_explicit(&ads->count, memory_order_relaxed);
    CHECKF(index < ADS_MAX, "more than %d ads", ADS_MAX); /* I10: intake stops long before */
    if (((uint64_t)index + 1) * 3 > (table->mask + 1) * 2) table = table_double(ads, table);
    uint32_t position = record_append(ads, ad_id, index);
    position_keep(ads, index, position);
    /* Counted before it can be found: whoever has an index may ask for its id. */
    atomic_store_explicit(&ads->count, index + 1, memory_order_release);
    table_put(table, hash >> 32 << 32 | (position + 1));
    return index;
}

uint32_t ads_index(struct ads *ads, struct bytes ad_id, uint64_t hash) {
    CHECKF(ad_id.len >= 1 && ad_id.len <= ID_BYTES_MAX, "an ad id of %zu bytes", ad_id.len);
    const struct table *table = atomic_load_explicit(&ads->table, memory_order_acquire);
    const struct record *record = table_find(ads, table, ad_id, hash);
    if (record != NULL) return record->index;
    COSTLY_CHECK(hash == ads_hash(ads, ad_id));
    CHECK(pthread_mutex_lock(&ads->adding) == 0);
    uint32_t index = add_locked(ads, ad_id, hash);
    CHECK(pthread_mutex_unlock(&ads->adding) == 0);
    return index;
}

struct bytes ads_id(const struct ads *ads, uint32_t index) {
    CHECKF(index < ads_count(ads), "ad %u of %u", index, ads_count(ads));
    const uint32_t *positions = atomic_load_explicit(&ads->positions[index / INDEX_CHUNK_ADS], memory_order_acquire);
    const struct record *record = record_at(ads, positions[index % INDEX_CHUNK_ADS]);
    CHECK(record->index == index);
    return (struct bytes){record->id, record->len};
}

uint32_t ads_count(const struct ads *ads) {
    return atomic_load_explicit(&ads->count, memory_order_acquire);
}

uint64_t ads_memory_bytes(const struct ads *ads) {
    return atomic_load_explicit(&ads->memory_bytes, memory_order_relaxed);
}
