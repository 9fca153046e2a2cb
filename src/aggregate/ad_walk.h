/* ad_walk.h (inside aggregate/): the ad ids of a block, hashed and looked up some clicks before they are needed. */
#pragma once

#include "ads/ads.h"
#include "journal/record.h"

/* How far ahead of the click being judged memory is fetched. Far enough for a cache miss (about 100 ns), near enough that
 * the lines are still there. */
enum { PREFETCH_AHEAD = 8, PREFETCH_ID_AHEAD = 4 };

/* The ad ids of a block, walked PREFETCH_AHEAD clicks ahead of the judging, so that their hashes are known in time. */
struct ad_walk {
    const struct click_block *block;
    const uint8_t *at;
    uint32_t index;
    struct {
        struct bytes id;
        uint64_t hash;
    } ring[PREFETCH_AHEAD];
};

static inline void ad_walk_ahead(struct ad_walk *walk, const struct ads *ads) {
    if (walk->index >= walk->block->count) return;
    struct bytes id = {walk->at, walk->block->ad_lengths[walk->index]};
    uint64_t hash = ads_hash(ads, id);
    ads_prefetch(ads, hash);
    walk->ring[walk->index % PREFETCH_AHEAD].id = id;
    walk->ring[walk->index % PREFETCH_AHEAD].hash = hash;
    walk->at += id.len;
    walk->index++;
}
