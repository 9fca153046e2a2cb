#include "view/published.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"

const uint32_t published_windows[PUBLISHED_WINDOWS] = {1, 5, 15, 60, 1440};

int published_window_index(uint32_t window) {
    for (int i = 0; i < PUBLISHED_WINDOWS; i++)
        if (published_windows[i] == window) return i;
    return -1;
}

/* --- bytes --- */

enum { RANKING_FORMAT = 1, RANKING_FINAL = 1 };

void ranking_encode(const struct ranking *ranking, struct buffer *out) {
    CHECK(ranking->count <= PUBLISHED_ADS_MAX);
    buffer_put_u8(out, RANKING_FORMAT);
    buffer_put_u8(out, ranking->final ? RANKING_FINAL : 0);
    buffer_put_varint(out, ranking->version);
    buffer_put_varint(out, ranking->amended);
    buffer_put_varint(out, ranking->from.index);
    buffer_put_varint(out, ranking->count);
    for (size_t i = 0; i < ranking->count; i++) {
        buffer_put_varint(out, ranking->ads[i].ad);
        buffer_put_varint(out, ranking->ads[i].count);
    }
}

static bool decode_ad(struct reader *reader, uint32_t ad_count, struct ranking *ranking) {
    uint64_t ad = reader_varint(reader), count = reader_varint(reader), before = UINT64_MAX;
    CHECK(ranking->count < PUBLISHED_ADS_MAX);
    if (ranking->count > 0) before = ranking->ads[ranking->count - 1].count;
    if (reader->bad || ad >= ad_count || count == 0 || count > before) return false;
    ranking->ads[ranking->count].ad = (uint32_t)ad;
    ranking->ads[ranking->count++].count = count;
    return true;
}

bool ranking_decode(struct bytes bytes, const struct ranking_key *key, uint32_t ad_count, struct ranking *out) {
    struct reader reader = reader_of(bytes);
    uint8_t format = reader_u8(&reader), flags = reader_u8(&reader);
    *out = (struct ranking){.final = flags == RANKING_FINAL};
    out->version = reader_varint(&reader);
    out->amended = reader_varint(&reader);
    uint64_t from = reader_varint(&reader), count = reader_varint(&reader);
    if (reader.bad || format != RANKING_FORMAT || flags > RANKING_FINAL || count > PUBLISHED_ADS_MAX) return false;
    if (from < ranking_from(key).index || from > key->minute.index) return false;
    out->from.index = (uint32_t)from;
    while (out->count < count)
        if (!decode_ad(&reader, ad_count, out)) return false;
    return reader_left(&reader) == 0;
}

bool ranking_equal(const struct ranking *a, const struct ranking *b) {
    CHECK(a->count <= PUBLISHED_ADS_MAX && b->count <= PUBLISHED_ADS_MAX);
    if (a->from.index != b->from.index || a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->ads[i].ad != b->ads[i].ad || a->ads[i].count != b->ads[i].count) return false;
    return true;
}

/* --- what is noted --- */

#define MARKS 2048 /* a ring by minute, more than the window holds; an older minute's mark is overwritten */

struct mark {
    uint32_t minute;
    bool used, final;
    uint64_t changes;
};

struct noted_filter {
    uint32_t filter_id;
    struct mark *marks; /* PUBLISHED_WINDOWS rings; NULL: the slot is free */
};

struct published {
    pthread_mutex_t lock;
    struct noted_filter filters[PUBLISHED_FILTERS_MAX];
    struct ranking_offer *offers; /* PUBLISHED_OFFERS_MAX, oldest first; NULL before the first */
    size_t offer_count;
};

struct published *published_create(void) {
    struct published *published = memory_allocate_zeroed(1, sizeof *published);
    CHECK(pthread_mutex_init(&published->lock, NULL) == 0);
    return published;
}

void published_destroy(struct published *published) {
    for (size_t i = 0; i < PUBLISHED_FILTERS_MAX; i++) free(published->filters[i].marks);
    free(published->offers);
    pthread_mutex_destroy(&published->lock);
    free(published);
}

/* The slot of the filter, else (`free_too`) a free one, else NULL. Under the lock. */
static struct noted_filter *find_slot(struct published *published, uint32_t filter_id, bool free_too) {
    struct noted_filter *found = NULL;
    for (size_t i = 0; i < PUBLISHED_FILTERS_MAX; i++) {
        struct noted_filter *slot = &published->filters[i];
        if (slot->marks != NULL && slot->filter_id == filter_id) return slot;
        if (slot->marks == NULL && free_too && found == NULL) found = slot;
    }
    return found;
}

static struct mark *mark_of(const struct noted_filter *slot, const struct ranking_key *key) {
    int window = published_window_index(key->window);
    CHECK(window >= 0);
    return &slot->marks[(size_t)window * MARKS + key->minute.index % MARKS];
}

void published_note(struct published *published, const struct ranking_key *key, uint64_t changes, bool final) {
    pthread_mutex_lock(&published->lock);
    struct noted_filter *slot = find_slot(published, key->filter_id, true);
    if (slot != NULL) { /* none is free: a filter that was deleted a moment ago still has one; this will be noted later */
        if (slot->marks == NULL) slot->marks = memory_allocate_zeroed(PUBLISHED_WINDOWS * MARKS, sizeof *slot->marks);
        slot->filter_id = key->filter_id;
        *mark_of(slot, key) = (struct mark){key->minute.index, true, final, changes};
    }
    pthread_mutex_unlock(&published->lock);
}

bool published_is_current(struct published *published, const struct ranking_key *key, uint64_t changes, bool *final) {
    pthread_mutex_lock(&published->lock);
    const struct noted_filter *slot = find_slot(published, key->filter_id, false);
    const struct mark *mark = slot != NULL ? mark_of(slot, key) : NULL;
    bool is_current = mark != NULL && mark->used && mark->minute == key->minute.index && mark->changes == changes;
    if (is_current && final != NULL) *final = mark->final;
    pthread_mutex_unlock(&published->lock);
    return is_current;
}

static bool is_among(uint32_t filter_id, const uint32_t *filter_ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (filter_ids[i] == filter_id) return true;
    return false;
}

void published_retain(struct published *published, const uint32_t *filter_ids, size_t count) {
    pthread_mutex_lock(&published->lock);
    for (size_t i = 0; i < PUBLISHED_FILTERS_MAX; i++) {
        struct noted_filter *slot = &published->filters[i];
        if (slot->marks == NULL || is_among(slot->filter_id, filter_ids, count)) continue;
        free(slot->marks);
        *slot = (struct noted_filter){0};
    }
    pthread_mutex_unlock(&published->lock);
}

/* --- offers --- */

static bool is_offered(const struct published *published, const struct ranking_key *key) {
    for (size_t i = 0; i < published->offer_count; i++) {
        const struct ranking_key *other = &published->offers[i].key;
        if (other->filter_id == key->filter_id && other->window == key->window && other->minute.index == key->minute.index)
            return true;
    }
    return false;
}

void published_offer(struct published *published, const struct ranking_offer *offer) {
    pthread_mutex_lock(&published->lock);
    if (published->offers == NULL) published->offers = memory_allocate(PUBLISHED_OFFERS_MAX * sizeof *published->offers);
    if (published->offer_count < PUBLISHED_OFFERS_MAX && !is_offered(published, &offer->key))
        published->offers[published->offer_count++] = *offer;
    pthread_mutex_unlock(&published->lock);
}

bool published_take_offer(struct published *published, struct ranking_offer *out) {
    pthread_mutex_lock(&published->lock);
    bool taken = published->offer_count > 0;
    if (taken) {
        *out = published->offers[0];
        published->offer_count--;
        memmove(published->offers, published->offers + 1, published->offer_count * sizeof *published->offers);
    }
    pthread_mutex_unlock(&published->lock);
    return taken;
}

uint64_t published_bytes(struct published *published) {
    pthread_mutex_lock(&published->lock);
    uint64_t bytes = sizeof *published;
    if (published->offers != NULL) bytes += PUBLISHED_OFFERS_MAX * sizeof *published->offers;
    for (size_t i = 0; i < PUBLISHED_FILTERS_MAX; i++)
        if (published->filters[i].marks != NULL) bytes += PUBLISHED_WINDOWS * MARKS * sizeof(struct mark);
    pthread_mutex_unlock(&published->lock);
    return bytes;
}
