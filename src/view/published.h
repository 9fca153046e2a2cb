/* published.h: rankings that are kept: of each configured window, for all clicks and for filters marked as ranked, of every
 * minute; and which of them are known to hold what a ranking made now would (docs/format/store.md has their bytes).
 *
 * A kept ranking is exact as of the version that it carries. Late clicks make it stale, until it is amended, with a higher
 * version. Nobody is answered from a stale one: it is used only when it is final (all of its range was sealed when it was
 * made) or when nothing of its range has changed since it was made or last looked at, which is noted here, in memory, for
 * the minutes that the window (window.h) holds. Thread-safe, with a lock that is held for a few instructions. */
#pragma once

#include "base/codec.h"
#include "base/units.h"

enum {
    PUBLISHED_ADS_MAX = 100,
    PUBLISHED_WINDOWS = 5,
    PUBLISHED_FILTERS_MAX = 33, /* all clicks, and those marked as ranked */
    PUBLISHED_OFFERS_MAX = 64,
};
/* Minutes, ascending. */
extern const uint32_t published_windows[PUBLISHED_WINDOWS];
/* -1: such a window is not published. */
int published_window_index(uint32_t window);

struct ranking_key {
    uint32_t filter_id; /* 0: all clicks */
    uint32_t window;    /* minutes, one of published_windows */
    struct minute minute;
};
/* The range's end, and its beginning for a filter that covers all of it. */
static inline struct minute ranking_to(const struct ranking_key *key) {
    return (struct minute){key->minute.index + 1};
}
static inline struct minute ranking_from(const struct ranking_key *key) {
    uint32_t to = key->minute.index + 1;
    return (struct minute){to > key->window ? to - key->window : 0};
}

struct ranking {
    uint64_t version;   /* of the view that it was made from */
    uint64_t amended;   /* how often its content has changed since it was first kept */
    bool final;         /* its range was sealed then: it never changes */
    struct minute from; /* above ranking_from: the filter covers only [from, ..) of the range */
    size_t count;
    struct {
        uint32_t ad; /* dense index; the store has it */
        uint64_t count;
    } ads[PUBLISHED_ADS_MAX]; /* by rank */
};
void ranking_encode(const struct ranking *ranking, struct buffer *out);
/* False: not what encode makes of a ranking under this key with ads below `ad_count`. */
bool ranking_decode(struct bytes bytes, const struct ranking_key *key, uint32_t ad_count, struct ranking *out);
/* The same range, ads and counts. */
bool ranking_equal(const struct ranking *a, const struct ranking *b);

struct published;
struct published *published_create(void);
void published_destroy(struct published *published);

/* What is kept under the key, final or not, was exact when the window's count of changes of its range was `changes`. Only of
 * ranges that the window holds. One writer. */
void published_note(struct published *published, const struct ranking_key *key, uint64_t changes, bool final);
/* Whether it was; then it still is, if `changes` is what the window says now. `final` may be NULL. */
bool published_is_current(struct published *published, const struct ranking_key *key, uint64_t changes, bool *final);
/* Lets go of what is noted of filters but these. */
void published_retain(struct published *published, const uint32_t *filter_ids, size_t count);

/* A ranking that a reader had to make, for the writer to keep; dropped when there are PUBLISHED_OFFERS_MAX already. */
struct ranking_offer {
    struct ranking_key key;
    bool covered; /* the window holds the range: `changes` says something */
    uint64_t changes;
    struct ranking ranking;
};
void published_offer(struct published *published, const struct ranking_offer *offer);
bool published_take_offer(struct published *published, struct ranking_offer *out);

uint64_t published_bytes(struct published *published);
