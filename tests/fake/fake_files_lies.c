/* Faults that nobody is told of: syncs that lie, writes that are lost or go astray, bits that rot. */
#include <stdlib.h>

#include "base/check.h"
#include "fake/fake_files_internal.h"

void fake_files_lie(struct fake_files *fake, enum fake_lie lie, uint64_t nth, bool for_good) {
    CHECK(lie != FAKE_LIE_NONE && nth >= 1);
    fake->lie = lie;
    fake->lie_in = nth;
    fake->lie_for_good = for_good;
}

bool fake_lie_strikes(struct fake_files *fake, enum fake_lie lie) {
    if (fake->lie != lie) return false;
    if (fake->lie_in > 1) {
        fake->lie_in--;
        return false;
    }
    if (!fake->lie_for_good) fake->lie = FAKE_LIE_NONE;
    fake->counts.syncs_lied += lie == FAKE_LIE_SYNC;
    fake->counts.writes_lost_silently += lie == FAKE_LIE_LOST;
    fake->counts.writes_misdirected += lie == FAKE_LIE_MISDIRECTED;
    return true;
}

static bool may_choose(const struct fake_name *name, const char *folder) {
    bool in = folder == NULL || strncmp(name->path, folder, strlen(folder)) == 0;
    return in && name->inode != NULL && name->inode->durable.len > 0;
}

/* Some file with durable bytes, of that folder unless it is NULL; or NULL. */
static struct fake_inode *choose_inode(struct fake_files *fake, const char *folder, struct random_sequence *random) {
    size_t count = 0, chosen;
    for (size_t i = 0; i < fake->now.count; i++) count += may_choose(&fake->now.at[i], folder);
    if (count == 0) return NULL;
    chosen = random_sequence_below(random, count);
    for (size_t i = 0; i < fake->now.count; i++)
        if (may_choose(&fake->now.at[i], folder) && chosen-- == 0) return fake->now.at[i].inode;
    return NULL;
}

/* Mostly where something was written, and not in the zeros that are reserved behind it. */
static uint64_t choose_place(const struct fake_inode *inode, struct random_sequence *random) {
    uint64_t end = inode->durable.len;
    if (random_sequence_below(random, 8) > 0)
        while (end > 1 && inode->durable.at[end - 1] == 0) end--;
    return random_sequence_below(random, end);
}

/* A drive mistakes the sector, seldom the place within it. */
void fake_misdirect(struct fake_files *fake, struct fake_inode *inode, uint64_t offset, struct bytes bytes) {
    struct random_sequence *random = &fake->random;
    struct fake_inode *target = random_sequence_below(random, 2) == 0 ? inode : choose_inode(fake, NULL, random);
    if (target == NULL || target->durable.len == 0) return;
    uint64_t sectors = target->durable.len / FAKE_SECTOR_BYTES + 1;
    uint64_t at = random_sequence_below(random, sectors) * FAKE_SECTOR_BYTES + offset % FAKE_SECTOR_BYTES;
    if (at >= target->durable.len) return;
    if (bytes.len > target->durable.len - at) bytes.len = target->durable.len - at;
    if (bytes.len == 0) return;
    memcpy(target->durable.at + at, bytes.at, bytes.len);
    target->diverged = true;
    fake->counts.destroyed++;
}

static void rot_byte(struct fake_files *fake, struct fake_inode *inode, uint64_t offset, uint8_t became) {
    uint8_t was = inode->durable.at[offset];
    if (was == became) return;
    inode->durable.at[offset] = became;
    if (offset < inode->now.len && inode->now.at[offset] == was) inode->now.at[offset] = became;
    if (fake->rot_count == fake->rot_capacity) {
        fake->rot_capacity = fake->rot_capacity * 2 + 16;
        fake->rots = memory_resize(fake->rots, fake->rot_capacity * sizeof fake->rots[0]);
    }
    fake->rots[fake->rot_count++] =
        (struct fake_rot){.inode = fake_inode_hold(inode), .offset = offset, .was = was, .became = became};
}

bool fake_files_rot(struct fake_files *fake, const char *folder, struct random_sequence *random) {
    struct fake_inode *inode = choose_inode(fake, folder, random);
    if (inode == NULL) return false;
    uint64_t at = choose_place(inode, random), kind = random_sequence_below(random, 8);
    size_t before = fake->rot_count;
    if (kind > 1) {
        rot_byte(fake, inode, at, inode->durable.at[at] ^ (uint8_t)(1U << random_sequence_below(random, 8)));
    } else {
        uint64_t begin = at / FAKE_SECTOR_BYTES * FAKE_SECTOR_BYTES;
        for (uint64_t i = begin; i < begin + FAKE_SECTOR_BYTES && i < inode->durable.len; i++)
            rot_byte(fake, inode, i, kind == 0 ? 0 : (uint8_t)random_sequence_next(random));
    }
    if (fake->rot_count == before) return false; /* they were zeros */
    fake->counts.rots++;
    fake->counts.destroyed++;
    return true;
}

void fake_forget_rots(struct fake_files *fake) {
    for (size_t i = 0; i < fake->rot_count; i++) fake_inode_release(fake->rots[i].inode);
    fake->rot_count = 0;
}

bool fake_files_undo_rot(struct fake_files *fake) {
    bool any = false;
    for (size_t i = fake->rot_count; i > 0; i--) { /* the newest first: a byte may have rotted twice */
        const struct fake_rot *rot = &fake->rots[i - 1];
        struct buffer *durable = &rot->inode->durable, *now = &rot->inode->now;
        bool there = rot->offset < durable->len && durable->at[rot->offset] == rot->became && rot->inode->references > 1;
        if (there) durable->at[rot->offset] = rot->was;
        any = any || there;
        if (rot->offset < now->len && now->at[rot->offset] == rot->became) now->at[rot->offset] = rot->was;
    }
    fake_forget_rots(fake);
    return any;
}

void fake_files_drop_cache(struct fake_files *fake) {
    for (size_t i = 0; i < fake->now.count; i++) {
        struct fake_inode *inode = fake->now.at[i].inode;
        if (inode == NULL || inode->change_count > 0) continue;
        fake->counts.destroyed += inode->diverged;
        inode->diverged = false;
        buffer_clear(&inode->now);
        buffer_append_bytes(&inode->now, buffer_view(&inode->durable));
    }
}

void fake_files_on_wait(struct fake_files *fake, void (*wait)(void *context), void *context) {
    fake->wait = wait;
    fake->wait_context = context;
}
