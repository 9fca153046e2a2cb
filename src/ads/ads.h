/* ads.h: the ad dictionary, ad id <-> dense index. The one structure that all partitions of a node share.
 *
 * Any thread may look up and add; look-ups take no lock. Indexes are dense, given in the order of first use, never reused.
 * The order depends on thread timing, so no index ever shows outside: answers and exports speak in ids, sorted by id (I2).
 */
#pragma once

#include "base/bytes.h"

struct ads;

/* I10: the bound on distinct ads. Intake stops at ADS_INTAKE_MAX, so that what is under way in other partitions still fits.
 */
enum { ADS_MAX = 16 * 1024 * 1024, ADS_INTAKE_MAX = ADS_MAX - 1024 * 1024 };

/* `seed` is of the hash: unpredictable where ids come from outside, so that nobody can choose ids that collide. */
struct ads *ads_create(uint64_t seed);
void ads_destroy(struct ads *ads);

uint64_t ads_hash(const struct ads *ads, struct bytes ad_id);
/* Two steps, since a look-up touches two lines of memory: the slot, then (it is in the cache by now) the ad it names. Some
 * look-ups ahead each, the second nearer. */
void ads_prefetch(const struct ads *ads, uint64_t hash);
void ads_prefetch_id(const struct ads *ads, uint64_t hash);
/* Adds the id when it is new. The count must be below ADS_MAX (CHECK: intake stops long before). */
uint32_t ads_index(struct ads *ads, struct bytes ad_id, uint64_t hash);
/* False when nobody has used this id yet, or somebody is just adding it. */
bool ads_find(const struct ads *ads, struct bytes ad_id, uint32_t *index);
/* `index` < ads_count. The view is valid as long as the dictionary. */
struct bytes ads_id(const struct ads *ads, uint32_t index);
uint32_t ads_count(const struct ads *ads);
uint64_t ads_memory_bytes(const struct ads *ads);
