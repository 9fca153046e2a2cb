#include "aggregate/aggregator.h"

#include <stdlib.h>

#include "aggregate/atom_walk.h"
#include "aggregate/filter_atoms.h"
#include "aggregate/position.h"
#include "base/check.h"

struct aggregator {
    uint32_t partition;
    struct ads *ads;
    struct dedup *dedup;
    struct aggregator_checkpoint counted_below;
    struct verdict_listener listener;
    struct journal_offset next;
    struct journal_offset at;         /* of the click that is judged, or `next` */
    struct journal_offset judge_from; /* below, the state is already what it was there */
    struct rules rules;
    struct watermark watermark;
    struct verdict_totals totals;
    uint32_t filters_number;           /* of the last filter record */
    uint32_t filters_number_there;     /* at judge_from */
    struct filter_atoms *filter_atoms; /* NULL: of a backfill */
    const struct atoms *atoms;         /* what clicks are matched against: of filter_atoms, or the backfill's */
    struct journal_offset taken;       /* the `to` of the last partial */
    struct partial waiting;            /* only its increments; the rest is filled in when it is taken */
};

static struct aggregator *create(uint32_t partition, struct ads *ads) {
    struct aggregator *aggregator = memory_allocate_zeroed(1, sizeof *aggregator);
    CHECK(partition < PARTITIONS_MAX);
    aggregator->partition = partition;
    aggregator->ads = ads;
    watermark_init(&aggregator->watermark);
    return aggregator;
}

/* --- where it goes on from --- */

/* Just before the click that is judged: totals and watermark do not have it yet. */
static void tell_position(void *self, struct journal_offset *offset, struct buffer *state) {
    const struct aggregator *aggregator = self;
    CHECK(aggregator->at.at >= aggregator->judge_from.at);
    CHECK(verdict_totals_clicks(&aggregator->totals) == aggregator->watermark.clicks); /* I4, up to this click */
    const struct position position = {aggregator->rules, aggregator->watermark, aggregator->totals,
                                      aggregator->filters_number};
    *offset = aggregator->at;
    position_encode(&position, state);
}

static bool go_on_from(void *self, struct journal_offset offset, struct bytes state) {
    struct aggregator *aggregator = self;
    struct position position;
    CHECK(aggregator->next.at == 0 && offset.at <= aggregator->counted_below.offset.at);
    if (!position_decode(state, &position)) return false;
    aggregator->rules = position.rules;
    aggregator->watermark = position.watermark;
    aggregator->totals = position.totals;
    aggregator->filters_number_there = position.filters_number;
    aggregator->at = aggregator->next = aggregator->judge_from = offset;
    return true;
}

struct aggregator *aggregator_create(uint32_t partition, const struct dedup_options *dedup, struct ads *ads,
                                     const struct aggregator_checkpoint *counted_below,
                                     const struct verdict_listener *listener) {
    struct aggregator *aggregator = create(partition, ads);
    struct dedup_options own = *dedup;
    own.position = tell_position;
    own.go_on_from = go_on_from;
    own.owner = aggregator;
    aggregator->dedup = dedup_create(&own);
    CHECK(verdict_totals_clicks(&counted_below->totals) <= counted_below->offset.at); /* each click has an offset */
    aggregator->counted_below = *counted_below;
    if (listener != NULL) aggregator->listener = *listener;
    aggregator->filter_atoms = filter_atoms_create();
    aggregator->atoms = filter_atoms_view(aggregator->filter_atoms);
    aggregator->taken = counted_below->offset;
    return aggregator;
}

struct aggregator *aggregator_create_backfill(uint32_t partition, const struct dedup_options *dedup, struct ads *ads,
                                              const struct atoms *atoms) {
    struct aggregator *aggregator = create(partition, ads);
    aggregator->dedup = dedup_create(dedup);
    aggregator->atoms = atoms;
    return aggregator;
}

void aggregator_destroy(struct aggregator *aggregator) {
    dedup_destroy(aggregator->dedup);
    filter_atoms_destroy(aggregator->filter_atoms);
    partial_fini(&aggregator->waiting);
    free(aggregator);
}

/* One click of a block, with what is needed of it. */
struct judged_click {
    struct identity identity;
    struct event_time time;
    uint32_t content_tag;
    uint16_t country;
    bool has_event_id;
};

static struct identity block_identity(const struct click_block *block, uint32_t index) {
    const uint8_t *at = block->identities + (size_t)index * sizeof(struct identity);
    return (struct identity){.low = get_u64(at), .high = get_u64(at + 8)};
}

static struct judged_click block_click(const struct click_block *block, uint32_t index) {
    return (struct judged_click){
        .identity = block_identity(block, index),
        .time = {(int64_t)get_u64(block->times + (size_t)index * 8)},
        .content_tag = get_u32(block->content_tags + (size_t)index * 4),
        .country = get_u16(block->countries + (size_t)index * 2),
        .has_event_id = block->event_id_lengths[index] > 0,
    };
}

/* I1, then I6, in their order. */
static enum status judge(struct aggregator *aggregator, const struct judged_click *click, struct journal_offset offset,
                         enum verdict *out, struct failure *failure) {
    const struct watermark *watermark = &aggregator->watermark;
    struct dedup_entry first;
    enum status status = dedup_find(aggregator->dedup, click->identity, watermark->d, &first, failure);
    if (status == STATUS_OK) {
        CHECK(first.offset.at < offset.at && first.bound.ms > watermark->d.ms);
        *out = first.content_tag == click->content_tag ? VERDICT_DUPLICATE : VERDICT_CONFLICT;
        return STATUS_OK;
    }
    if (status != STATUS_NOT_FOUND) return status;
    struct dedup_entry entry = {
        .identity = click->identity,
        .content_tag = click->content_tag,
        .offset = offset,
        .bound = event_time_max(click->time, watermark->w),
    };
    *out = minute_end(minute_of(click->time)).ms <= watermark->s.ms ? VERDICT_TOO_LATE : VERDICT_COUNTED;
    return dedup_insert(aggregator->dedup, &entry, watermark->d, failure);
}

static void add_verdict(struct verdict_totals *totals, enum verdict verdict, bool by_content) {
    switch (verdict) {
    case VERDICT_COUNTED:
        totals->counted++;
        return;
    case VERDICT_DUPLICATE:
        totals->duplicate++;
        totals->duplicate_content += by_content;
        return;
    case VERDICT_CONFLICT:
        totals->conflict++;
        return;
    case VERDICT_TOO_LATE:
        totals->too_late++;
        return;
    case VERDICT_INVALID:
        totals->invalid++;
        return;
    }
    CHECK_FAIL("verdict %d", (int)verdict);
}

/* A counted click, to be handed on; `people` stands at it, NULL: no atom but 0 can match. */
static void hand_on(struct aggregator *aggregator, const struct judged_click *click, const struct ad_walk *walk,
                    uint32_t index, const struct atom_walk *people) {
    uint32_t atoms[ATOMS_MATCH_MAX];
    size_t atom_count = people != NULL ? atom_walk_match(people, aggregator->atoms, index, atoms) : 0;
    bool is_backfill = aggregator->filter_atoms == NULL;
    CHECK(atom_count <= atoms_live(aggregator->atoms));
    COSTLY_CHECK(click->country < COUNTRY_CODES && click->time.ms >= 0); /* the record was verified */
    if (is_backfill && atom_count == 0) return;
    uint32_t slot = index % PREFETCH_AHEAD;
    uint32_t ad = ads_index(aggregator->ads, walk->ring[slot].id, walk->ring[slot].hash);
    struct minute minute = minute_of(click->time);
    struct country country = {click->country};
    if (!is_backfill) partial_push(&aggregator->waiting, (struct increment){minute, ad, country});
    for (size_t i = 0; i < atom_count; i++)
        partial_push_atom(&aggregator->waiting, (struct atom_increment){minute, ad, atoms[i], country});
}

static enum status step_clicks(struct aggregator *aggregator, const struct sub_block *sub_block, struct wall_time arrival,
                               struct failure *failure) {
    const struct click_block *block = &sub_block->clicks;
    CHECK(block->count == sub_block->count && sub_block->first_offset.at == aggregator->next.at);
    struct ad_walk walk = {.block = block, .at = block->ad_bytes.at};
    /* An erased click has neither user nor address, so it matches no atom; without atoms no click does. */
    bool matching = !atoms_none(aggregator->atoms) && block->personal.len > 0;
    struct atom_walk people;
    if (matching) people = atom_walk_of(block, aggregator->atoms);
    for (uint32_t i = 0; i < PREFETCH_AHEAD && i < block->count; i++) {
        ad_walk_ahead(&walk, aggregator->ads);
        dedup_prefetch(aggregator->dedup, block_identity(block, i));
    }
    for (uint32_t i = 0; i < block->count; i++) {
        if (i + PREFETCH_ID_AHEAD < block->count)
            ads_prefetch_id(aggregator->ads, walk.ring[(i + PREFETCH_ID_AHEAD) % PREFETCH_AHEAD].hash);
        if (matching) atom_walk_nearer(&people, aggregator->atoms, i + PREFETCH_ID_AHEAD);
        if (i + PREFETCH_AHEAD < block->count) dedup_prefetch(aggregator->dedup, block_identity(block, i + PREFETCH_AHEAD));
        struct judged_click click = block_click(block, i);
        struct journal_offset offset = {sub_block->first_offset.at + i};
        if (offset.at < aggregator->judge_from.at) {
            if (matching) atom_walk_step(&people, aggregator->atoms);
            ad_walk_ahead(&walk, aggregator->ads);
            continue;
        }
        aggregator->at = offset;
        enum verdict verdict;
        enum status status = judge(aggregator, &click, offset, &verdict, failure);
        if (status != STATUS_OK) return status;
        add_verdict(&aggregator->totals, verdict, !click.has_event_id);
        if (aggregator->listener.judged != NULL)
            aggregator->listener.judged(aggregator->listener.self, aggregator->partition, offset, verdict);
        if (verdict == VERDICT_COUNTED) {
            aggregator->totals.late_amended += minute_end(minute_of(click.time)).ms <= aggregator->watermark.w.ms;
            if (offset.at >= aggregator->counted_below.offset.at) {
                hand_on(aggregator, &click, &walk, i, matching ? &people : NULL);
            }
        }
        if (matching) atom_walk_step(&people, aggregator->atoms);
        ad_walk_ahead(&walk, aggregator->ads); /* into the slot that was just used */
        watermark_click(&aggregator->watermark, &aggregator->rules, click.time, arrival, &click.identity);
    }
    CHECK(block->count == 0 || aggregator->at.at + 1 == sub_block->first_offset.at + block->count); /* none was left out */
    return STATUS_OK;
}

/* Takes effect from its own offset on (I2), also below the checkpoint: what stands is state. */
static enum status step_filters(struct aggregator *aggregator, const struct sub_block *sub_block, struct failure *failure) {
    for (uint32_t i = 0; i < sub_block->count; i++) {
        const struct filter_record *record = &sub_block->filter_records[i];
        if (record->number != aggregator->filters_number + 1)
            return failure_set(failure, STATUS_CORRUPT, "partition %u: filter record %u follows on %u",
                               aggregator->partition, record->number, aggregator->filters_number);
        CHECK((record->filter != NULL) == (record->action == FILTER_CREATE));
        aggregator->filters_number = record->number;
        if (aggregator->filter_atoms == NULL) continue;
        enum status status = filter_atoms_step(aggregator->filter_atoms, record, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

/* At the checkpoint's offset, replay and store must tell the same story. */
static enum status compare_with_checkpoint(const struct aggregator *aggregator, struct failure *failure) {
    const struct aggregator_checkpoint *expected = &aggregator->counted_below;
    if (aggregator->next.at < expected->offset.at || expected->offset.at == 0) return STATUS_OK;
    if (aggregator->next.at == expected->offset.at && watermark_equal(&aggregator->watermark, &expected->watermark) &&
        memcmp(&aggregator->totals, &expected->totals, sizeof aggregator->totals) == 0)
        return STATUS_OK;
    return failure_set(
        failure, STATUS_CORRUPT,
        "partition %u: the store's checkpoint at offset %llu is not what the journal gives (journal: %llu counted "
        "at offset %llu, store: %llu); remove store/ and start again, and it is rebuilt from the journal",
        aggregator->partition, (unsigned long long)expected->offset.at, (unsigned long long)aggregator->totals.counted,
        (unsigned long long)aggregator->next.at, (unsigned long long)expected->totals.counted);
}

/* By what is forgotten meanwhile, if need be. */
static enum status make_room(struct aggregator *aggregator, uint32_t count, struct failure *failure) {
    if (dedup_fits(aggregator->dedup, count)) return STATUS_OK;
    while (!dedup_purge_some(aggregator->dedup, aggregator->watermark.d)) continue;
    bool did = true;
    while (did && !dedup_fits(aggregator->dedup, count)) {
        enum status status = dedup_step(aggregator->dedup, aggregator->watermark.d, &did, failure);
        if (status != STATUS_OK) return status;
    }
    if (dedup_fits(aggregator->dedup, count)) return STATUS_OK;
    return failure_set(failure, STATUS_FULL,
                       "partition %u remembers %llu identities and has no room for more: raise --dedup-memory",
                       aggregator->partition, (unsigned long long)dedup_usage(aggregator->dedup).entries);
}

static enum status step_sub_block(struct aggregator *aggregator, const struct sub_block *sub_block, struct wall_time arrival,
                                  struct failure *failure) {
    switch ((enum sub_block_kind)sub_block->kind) {
    case SUB_BLOCK_RULES:
        aggregator->rules = sub_block->rules;
        watermark_rules(&aggregator->watermark, &aggregator->rules);
        return STATUS_OK;
    case SUB_BLOCK_TICK:
        watermark_tick(&aggregator->watermark, &aggregator->rules, sub_block->floor);
        return STATUS_OK;
    case SUB_BLOCK_CLICKS:
        if (aggregator->rules.number == 0)
            return failure_set(failure, STATUS_CORRUPT, "partition %u begins with clicks and not with rules",
                               aggregator->partition);
        enum status status = make_room(aggregator, sub_block->count, failure);
        if (status != STATUS_OK) return status;
        if (ads_count(aggregator->ads) > ADS_MAX - sub_block->count)
            return failure_set(failure, STATUS_FULL, "the clicks name more than %d distinct ads, which is the bound",
                               ADS_MAX);
        return step_clicks(aggregator, sub_block, arrival, failure);
    case SUB_BLOCK_FILTERS:
        return step_filters(aggregator, sub_block, failure);
    }
    return failure_set(failure, STATUS_CORRUPT, "partition %u: sub-block kind %u is not known", aggregator->partition,
                       sub_block->kind);
}

/* Below judge_from only the filters are not known yet. */
static enum status pass_over(struct aggregator *aggregator, const struct sub_block *sub_block, struct failure *failure) {
    return sub_block->kind == SUB_BLOCK_FILTERS ? step_filters(aggregator, sub_block, failure) : STATUS_OK;
}

/* I2, I6: the partition's time only goes forward, and nothing is forgotten or sealed that is still open. */
static void check_time(const struct watermark *now, const struct watermark *before) {
    CHECK(now->w.ms >= before->w.ms && now->s.ms >= before->s.ms && now->d.ms >= before->d.ms);
    CHECK(now->d.ms <= now->s.ms && now->s.ms <= now->w.ms && now->clicks >= before->clicks);
}

static enum status arrive(const struct aggregator *aggregator, struct failure *failure) {
    if (aggregator->filters_number == aggregator->filters_number_there) return STATUS_OK;
    return failure_set(failure, STATUS_CORRUPT,
                       "partition %u: %u filter records lie below offset %llu, and the files of identities tell of %u; "
                       "remove dedup/ and start again, and they are made anew from the journal",
                       aggregator->partition, aggregator->filters_number, (unsigned long long)aggregator->judge_from.at,
                       aggregator->filters_number_there);
}

enum status aggregator_step(struct aggregator *aggregator, const struct journal_record *record, struct failure *failure) {
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        const struct sub_block *sub_block = &record->sub_blocks[i];
        if (sub_block->partition != aggregator->partition) continue;
        if (sub_block->first_offset.at != aggregator->next.at)
            return failure_set(failure, STATUS_CORRUPT, "partition %u: record %llu goes on at offset %llu, expected %llu",
                               aggregator->partition, (unsigned long long)record->number,
                               (unsigned long long)sub_block->first_offset.at, (unsigned long long)aggregator->next.at);
        bool was_below = aggregator->next.at < aggregator->counted_below.offset.at;
        uint64_t end = aggregator->next.at + sub_block->count;
        bool passed_over = end <= aggregator->judge_from.at;
        const struct watermark before = aggregator->watermark;
        enum status status = STATUS_OK;
        if (!passed_over && aggregator->next.at <= aggregator->judge_from.at) status = arrive(aggregator, failure);
        if (status == STATUS_OK)
            status = passed_over ? pass_over(aggregator, sub_block, failure)
                                 : step_sub_block(aggregator, sub_block, record->arrival, failure);
        if (status != STATUS_OK) return status;
        check_time(&aggregator->watermark, &before);
        aggregator->next.at = end;
        if (end >= aggregator->judge_from.at) aggregator->at = aggregator->next;
        if (passed_over && end < aggregator->counted_below.offset.at) continue;
        /* I4, the partition law, against the journal's own count. */
        CHECK(verdict_totals_clicks(&aggregator->totals) == aggregator->watermark.clicks);
        if (was_below) status = compare_with_checkpoint(aggregator, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

/* --- from one process to the next --- */

enum status aggregator_restore(struct aggregator *aggregator, const struct failure *distrusted, struct failure *why,
                               struct failure *failure) {
    CHECK(aggregator->next.at == 0 && aggregator->rules.number == 0);
    return dedup_restore(aggregator->dedup, aggregator->counted_below.offset, distrusted, why, failure);
}

struct journal_offset aggregator_judges_from(const struct aggregator *aggregator) {
    return aggregator->judge_from;
}

enum status aggregator_begin(struct aggregator *aggregator, struct journal_offset first, const struct filter_record *records,
                             uint32_t count, struct failure *failure) {
    CHECK(aggregator->filters_number == 0);
    CHECK(aggregator->next.at == aggregator->judge_from.at);
    if (first.at > aggregator->judge_from.at)
        return failure_set(
            failure, STATUS_CORRUPT,
            "partition %u: the journal begins at offset %llu, and no files of identities tell what was before",
            aggregator->partition, (unsigned long long)first.at);
    /* If the store's checkpoint is at the same place, no step will look. */
    enum status status = compare_with_checkpoint(aggregator, failure);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        CHECK(records[i].number == aggregator->filters_number + 1);
        status = filter_atoms_step(aggregator->filter_atoms, &records[i], failure);
        aggregator->filters_number++;
    }
    aggregator->next = first;
    return status;
}

bool aggregator_keep_choose(struct aggregator *aggregator, struct journal_offset counted_below) {
    return dedup_keep_choose(aggregator->dedup, counted_below);
}

bool aggregator_keep_take(const struct aggregator *aggregator, struct dedup_keeping *keeping) {
    return dedup_keep_take(aggregator->dedup, keeping);
}

void aggregator_keep_done(struct aggregator *aggregator) {
    dedup_keep_done(aggregator->dedup);
}

/* --- what was counted --- */

bool aggregator_take(struct aggregator *aggregator, struct partial *out) {
    if (aggregator->next.at <= aggregator->taken.at) return false;
    const struct partial spare = *out;
    /* What is handed on was counted; a backfill hands on atoms only. */
    CHECK(aggregator->waiting.increment_count <= aggregator->totals.counted);
    CHECK(aggregator->filter_atoms != NULL || aggregator->waiting.increment_count == 0);
    CHECK(aggregator->totals.late_amended <= aggregator->totals.counted);
    CHECK(aggregator->totals.duplicate_content <= aggregator->totals.duplicate);
    *out = aggregator->waiting;
    out->partition = aggregator->partition;
    out->from = aggregator->taken;
    out->to = aggregator->next;
    out->watermark = aggregator->watermark;
    out->rules = aggregator->rules;
    out->totals = aggregator->totals;
    out->filters_number = aggregator->filters_number;
    CHECK(out->from.at < out->to.at);
    CHECK(out->increment_count <= out->to.at - out->from.at); /* each is of a click between the two */
    aggregator->taken = aggregator->next;
    aggregator->waiting = (struct partial){
        .increments = spare.increments,
        .increment_capacity = spare.increment_capacity,
        .atom_increments = spare.atom_increments,
        .atom_increment_capacity = spare.atom_increment_capacity,
    };
    return true;
}

size_t aggregator_increments_waiting(const struct aggregator *aggregator) {
    return aggregator->waiting.increment_count + aggregator->waiting.atom_increment_count;
}

enum status aggregator_tidy(struct aggregator *aggregator, uint64_t room_wanted, bool *did, struct failure *failure) {
    enum status status = dedup_step(aggregator->dedup, aggregator->watermark.d, did, failure);
    if (status != STATUS_OK || *did) return status;
    struct dedup_usage usage = dedup_usage(aggregator->dedup);
    uint64_t room = dedup_room(aggregator->dedup);
    if (room <= usage.entries_max / 4 || room < room_wanted)
        *did = !dedup_purge_some(aggregator->dedup, aggregator->watermark.d);
    return STATUS_OK;
}

bool aggregator_is_behind(const struct aggregator *aggregator) {
    return dedup_is_behind(aggregator->dedup);
}

uint32_t aggregator_filters_number(const struct aggregator *aggregator) {
    return aggregator->filters_number;
}

const struct watermark *aggregator_watermark(const struct aggregator *aggregator) {
    return &aggregator->watermark;
}

uint64_t aggregator_dedup_room(const struct aggregator *aggregator) {
    return dedup_room(aggregator->dedup);
}

struct dedup_usage aggregator_dedup_usage(const struct aggregator *aggregator) {
    return dedup_usage(aggregator->dedup);
}

uint64_t aggregator_atoms_memory_bytes(const struct aggregator *aggregator) {
    return aggregator->filter_atoms == NULL ? 0 : filter_atoms_memory_bytes(aggregator->filter_atoms);
}
