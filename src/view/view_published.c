/* view_published.c: the rankings that are kept (view/published.h): made, amended, and used for answers. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "view/view_internal.h"

enum { BACK_MINUTES_MAX = 64 }; /* looked at again in one step when nothing is found to do: a few milliseconds */

/* --- reading --- */

/* STATUS_NOT_FOUND: nothing is kept. Any thread. */
static enum status read_ranking(const struct view *view, const struct ranking_key *key, struct ranking *out,
                                struct failure *failure) {
    struct buffer value = {0};
    enum status status = store_read_ranking(view->store, key->filter_id, key->window, key->minute, &value, failure);
    if (status == STATUS_OK && !ranking_decode(buffer_view(&value), key, ads_count(view->ads), out))
        status = failure_set(failure, STATUS_CORRUPT, "the ranking of filter %u, window %u, minute %u does not decode",
                             key->filter_id, key->window, key->minute.index);
    buffer_fini(&value);
    return status;
}

bool view_ranking_key(const struct view *view, const struct selection *selection, struct minute from, struct minute to,
                      struct ranking_key *key) {
    if (from.index >= to.index || minute_start(to).ms > view_watermark(view).ms) return false;
    *key = (struct ranking_key){.window = to.index - from.index, .minute = {to.index - 1}};
    if (selection != NULL) {
        const struct filter *filter = selection->filter;
        const struct stored_filter *stored =
            filter->id == 0 || !filter->ranked ? NULL : filters_find(view->filters, filter->id);
        if (stored == NULL) return false;
        key->filter_id = filter->id;
        /* What begins where the filter does is what the longest window is cut to as well. */
        struct minute covers_from;
        bool cut = filters_covers_from(view->filters, stored, &covers_from) && covers_from.index == from.index;
        uint32_t longest = published_windows[PUBLISHED_WINDOWS - 1];
        if (cut && key->window < longest && published_window_index(key->window) < 0) key->window = longest;
    }
    return published_window_index(key->window) >= 0;
}

bool view_ranking_is_published(const struct view *view, const struct selection *selection, struct minute from,
                               struct minute to) {
    struct ranking_key key;
    return view_ranking_key(view, selection, from, to, &key);
}

static bool is_sealed(const struct view *view, const struct ranking_key *key) {
    return minute_start(ranking_to(key)).ms <= view_sealed_to(view).ms;
}

static void make_ranking(const struct view *view, const struct ranking_key *key, struct minute from,
                         const struct ranked_ad *ads, size_t count, struct ranking *out) {
    *out = (struct ranking){.version = view->version, .final = is_sealed(view, key), .from = from};
    for (; out->count < count && out->count < PUBLISHED_ADS_MAX; out->count++) {
        out->ads[out->count].count = ads[out->count].count;
        CHECK(ads_find(view->ads, ads[out->count].ad_id, &out->ads[out->count].ad));
    }
    CHECK(out->from.index >= ranking_from(key).index && out->from.index < ranking_to(key).index);
}

/* --- answers --- */

/* STATUS_NOT_FOUND: what is kept, if anything, may not be exact. */
static enum status find_exact(const struct view *view, const struct ranking_key *key, struct minute from, bool current,
                              struct ranked_ad *out, size_t count_max, size_t *count, struct failure *failure) {
    struct ranking kept;
    if (!current && !is_sealed(view, key)) return STATUS_NOT_FOUND; /* so it was not sealed when it was made either */
    enum status status = read_ranking(view, key, &kept, failure);
    if (status != STATUS_OK) return status;
    if (kept.from.index != from.index || !(kept.final || current)) return STATUS_NOT_FOUND;
    *count = kept.count < count_max ? kept.count : count_max;
    for (size_t i = 0; i < *count; i++) out[i] = (struct ranked_ad){ads_id(view->ads, kept.ads[i].ad), kept.ads[i].count};
    return STATUS_OK;
}

#ifdef TALLY_COSTLY_CHECKS
static bool is_exact(struct view *view, const struct selection *selection, const struct ranking_key *key, struct minute from,
                     const struct ranked_ad *ads, size_t count_max, size_t count) {
    struct ranked_ad made[PUBLISHED_ADS_MAX];
    size_t made_count = 0;
    if (view_rank_compute(view, selection, from, ranking_to(key), made, count_max, &made_count, NULL) != STATUS_OK)
        return true; /* the disk failed, or it is refused */
    bool same = made_count == count;
    for (size_t i = 0; same && i < count; i++)
        same = made[i].count == ads[i].count && bytes_equal(made[i].ad_id, ads[i].ad_id);
    return same;
}
#endif

enum status view_rank_published(struct view *view, const struct selection *selection, const struct ranking_key *key,
                                struct minute from, struct ranked_ad *out, size_t count_max, size_t *count,
                                struct failure *failure) {
    CHECK(count_max <= PUBLISHED_ADS_MAX);
    struct ranking_offer offer = {.key = *key, .covered = window_covers(view->window, from)};
    if (offer.covered) offer.changes = window_changes(view->window, from, ranking_to(key));
    bool current = offer.covered && published_is_current(view->published, key, offer.changes, NULL);
    enum status status = find_exact(view, key, from, current, out, count_max, count, failure);
    COSTLY_CHECK(status != STATUS_OK || is_exact(view, selection, key, from, out, count_max, *count));
    if (status != STATUS_NOT_FOUND) return status;

    struct ranked_ad ads[PUBLISHED_ADS_MAX]; /* all that are kept, however few are asked for */
    size_t made = 0;
    status = view_rank_compute(view, selection, from, ranking_to(key), ads, PUBLISHED_ADS_MAX, &made, failure);
    if (status != STATUS_OK) return status;
    if (offer.covered)
        rank_memo_keep(view->memo, key->filter_id, from, ranking_to(key), offer.changes, ads, made,
                       made < PUBLISHED_ADS_MAX);
    make_ranking(view, key, from, ads, made, &offer.ranking);
    if (made > 0) published_offer(view->published, &offer); /* who asks about times without clicks fills no store */
    *count = made < count_max ? made : count_max;
    memcpy(out, ads, *count * sizeof *out);
    return STATUS_OK;
}

/* --- keeping; the writer's thread --- */

/* The dictionary goes first: indexes that the store does not have would be given to other ads after a crash. */
static enum status store_ads_of(struct view *view, const struct ranking *ranking, struct failure *failure) {
    bool known = true;
    for (size_t i = 0; i < ranking->count && known; i++) known = ranking->ads[i].ad < view->ads_stored;
    return known ? STATUS_OK : view_store_ads(view, failure);
}

static enum status write_ranking(struct view *view, const struct ranking_key *key, const struct ranking *ranking,
                                 struct failure *failure) {
    struct buffer value = {0};
    for (size_t i = 0; i < ranking->count; i++) /* I9 */
        CHECK(ranking->ads[i].count > 0 && (i == 0 || ranking->ads[i - 1].count >= ranking->ads[i].count));
    ranking_encode(ranking, &value);
    enum status status = store_ads_of(view, ranking, failure);
    if (status == STATUS_OK)
        status = store_write_ranking(view->store, key->filter_id, key->window, key->minute, buffer_view(&value), failure);
    buffer_fini(&value);
    return status;
}

/* Puts a ranking that was just made, or made by a reader a moment ago, into the place of what is kept; a version changes
 * only with the content. First the store, then the note, so that what is noted is there. */
static enum status keep_ranking(struct view *view, struct ranking_offer *made, struct failure *failure) {
    struct ranking kept, *ranking = &made->ranking;
    CHECK(ranking->count <= PUBLISHED_ADS_MAX);
    enum status status = read_ranking(view, &made->key, &kept, failure);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    bool same = status == STATUS_OK && ranking_equal(&kept, ranking);
    /* The view has all that the journal holds, and offers are taken before anything newer is made. */
    if (status == STATUS_OK && kept.version > (same ? view->version : ranking->version))
        return failure_set(failure, STATUS_CORRUPT,
                           "the store has a ranking of version %" PRIu64 ", but the journal makes only %" PRIu64
                           ": it is of another journal, or the disk lost what was synced; remove store/",
                           kept.version, view->version);
    /* I7: sealed counts never change. What was lost and not missed at the start may be passed by newer versions since. */
    if (status == STATUS_OK && !same && kept.final && kept.from.index == ranking->from.index)
        return failure_set(
            failure, STATUS_CORRUPT,
            "the store has a final ranking of version %" PRIu64
            ", but the journal makes another one: it is of another journal, or the disk lost what was synced; "
            "remove store/",
            kept.version);
    if (status == STATUS_OK && !same) {
        CHECK(kept.amended < UINT64_MAX && ranking->version >= kept.version);
        ranking->amended = kept.amended + 1;
    }
    if (same) {
        ranking->version = kept.version;
        ranking->amended = kept.amended;
    }
    bool write = !same || (ranking->final && !kept.final);
    ranking->final = ranking->final || (same && kept.final);
    CHECK(status != STATUS_OK || ranking->version >= kept.version);
    CHECK(ranking->version <= view->version);
    status = write ? write_ranking(view, &made->key, ranking, failure) : STATUS_OK;
    if (status == STATUS_OK && made->covered) published_note(view->published, &made->key, made->changes, ranking->final);
    return status;
}

/* What is kept is exact, and became final by the passing of time. */
static enum status finish_ranking(struct view *view, struct ranking_offer *offer, struct failure *failure) {
    enum status status = read_ranking(view, &offer->key, &offer->ranking, failure);
    if (status == STATUS_NOT_FOUND) return failure_set(failure, STATUS_CORRUPT, "a ranking that was kept is gone");
    if (status != STATUS_OK) return status;
    CHECK(is_sealed(view, &offer->key));
    offer->ranking.final = true;
    status = write_ranking(view, &offer->key, &offer->ranking, failure);
    if (status == STATUS_OK) published_note(view->published, &offer->key, offer->changes, true);
    return status;
}

/* --- what is to be published --- */

enum work { WORK_NONE, WORK_MAKE, WORK_FINISH };

/* What the key's ranking needs, and of which range. Only what memory holds is made: the rest takes long, and is made by who
 * asks. */
static enum work work_for(const struct view *view, const struct stored_filter *stored, struct ranking_offer *offer,
                          struct minute *from) {
    const struct ranking_key *key = &offer->key;
    struct minute to = ranking_to(key), covers_from;
    *from = ranking_from(key);
    if (stored != NULL && filters_covers_from(view->filters, stored, &covers_from) && covers_from.index > from->index)
        *from = covers_from;
    if (from->index >= to.index || !window_covers(view->window, *from)) return WORK_NONE;
    if (stored != NULL) {
        struct minute_range sliced = view_sliced(view, *from, to);
        if (sliced.from.index != from->index || sliced.to.index != to.index) return WORK_NONE;
    }
    bool final = false;
    offer->covered = true;
    offer->changes = window_changes(view->window, *from, to);
    if (offer->changes == 0) return WORK_NONE; /* nothing was clicked */
    if (!published_is_current(view->published, key, offer->changes, &final)) return WORK_MAKE;
    return !final && is_sealed(view, key) ? WORK_FINISH : WORK_NONE;
}

/* `remember`: for questions about the newest minute, too. */
static enum status make_and_keep(struct view *view, const struct stored_filter *stored, struct ranking_offer *offer,
                                 struct minute from, bool remember, struct failure *failure) {
    struct selection selection;
    if (stored != NULL) selection = selection_of(stored->filter, stored->terms, stored->term_count);
    bool all = stored == NULL || view_selects_all(view, &selection);
    size_t count_max = remember ? RANK_MEMO_ADS_MAX : PUBLISHED_ADS_MAX, count = 0;
    struct ranked_ad *ads = memory_allocate(count_max * sizeof *ads);
    struct minute to = ranking_to(&offer->key);
    enum status status = view_rank_compute(view, all ? NULL : &selection, from, to, ads, count_max, &count, failure);
    if (status == STATUS_OK) {
        if (remember)
            rank_memo_keep(view->memo, offer->key.filter_id, from, to, offer->changes, ads, count, count < count_max);
        make_ranking(view, &offer->key, from, ads, count, &offer->ranking);
        status = keep_ranking(view, offer, failure);
    }
    free(ads);
    return status;
}

/* STATUS_END: the ranking needs nothing. */
static enum status publish_one(struct view *view, struct minute minute, size_t which, bool newest, struct failure *failure) {
    const struct publishing *publishing = &view->publishing;
    struct ranking_offer offer = {.key = {.filter_id = publishing->filter_ids[which % publishing->filter_count],
                                          .window = published_windows[which / publishing->filter_count],
                                          .minute = minute}};
    const struct stored_filter *stored = NULL;
    struct minute from;
    if (offer.key.filter_id != 0) {
        stored = filters_find(view->filters, offer.key.filter_id);
        if (stored == NULL || stored->deleted) return STATUS_END; /* since the minute was begun */
    }
    switch (work_for(view, stored, &offer, &from)) {
    case WORK_MAKE:
        return make_and_keep(view, stored, &offer, from, newest, failure);
    case WORK_FINISH:
        return finish_ranking(view, &offer, failure);
    case WORK_NONE:
        break;
    }
    return STATUS_END;
}

/* The newest minute that is closed everywhere, in the window and, where filters are ranked, in the slices. */
static bool newest_closed(const struct view *view, struct minute *out) {
    struct event_time watermark = view_watermark(view);
    if (!view->has_minutes || event_time_is_none(watermark) || watermark.ms < 0) return false;
    uint32_t before = minute_of(watermark).index, in_window = window_closed_before(view->window).index;
    if (in_window < before) before = in_window;
    if (filters_ranked(view->filters) > 0 && slices_active(view->slices)) {
        uint32_t in_slices = slices_closed_before(view->slices).index;
        if (in_slices < before) before = in_slices;
    }
    if (before <= view->first_minute.index) return false;
    CHECK(minute_end((struct minute){before - 1}).ms <= watermark.ms);
    *out = (struct minute){before - 1};
    return true;
}

static uint64_t late_clicks(const struct view *view) {
    uint64_t late = 0;
    for (uint32_t p = 0; p < view->partition_count; p++) late += view->partitions[p].public.totals.late_amended;
    return late;
}

static void begin_minute(struct view *view, struct minute minute) {
    struct publishing *publishing = &view->publishing;
    *publishing = (struct publishing){.minute = minute, .filter_count = 1, .back = minute, .late = late_clicks(view)};
    CHECK(minute.index >= view->first_minute.index);
    size_t wanted = 1 + (size_t)filters_ranked(view->filters);
    if (wanted > PUBLISHED_FILTERS_MAX) wanted = PUBLISHED_FILTERS_MAX;
    const struct stored_filter *stored = wanted > 1 ? filters_next(view->filters, 1) : NULL;
    while (stored != NULL && publishing->filter_count < wanted) {
        if (stored->filter->ranked) publishing->filter_ids[publishing->filter_count++] = stored->filter->id;
        stored = filters_next(view->filters, stored->filter->id + 1);
    }
    CHECK(publishing->filter_count >= 1 && publishing->filter_ids[0] == 0); /* all clicks come first */
    published_retain(view->published, publishing->filter_ids, publishing->filter_count);
}

/* From the newest minute backwards, and again if clicks came late meanwhile. */
static enum status look_back(struct view *view, struct failure *failure) {
    struct publishing *publishing = &view->publishing;
    uint32_t end = window_from(view->window).index;
    if (end < view->first_minute.index) end = view->first_minute.index;
    uint64_t late = late_clicks(view);
    if (publishing->back.index <= end && publishing->late != late) {
        publishing->back.index = publishing->minute.index + 1; /* the newest, too */
        publishing->late = late;
    }
    for (size_t minutes = 0; publishing->back.index > end; minutes++) {
        if (minutes == BACK_MINUTES_MAX) return STATUS_OK;
        struct minute minute = {publishing->back.index - 1};
        while (publishing->back_next < PUBLISHED_WINDOWS * publishing->filter_count) {
            enum status status = publish_one(view, minute, publishing->back_next++, false, failure);
            if (status != STATUS_END) return status;
        }
        CHECK(minute.index < publishing->back.index && minute.index >= end);
        publishing->back_next = 0;
        publishing->back = minute;
    }
    return publishing->late != late ? STATUS_OK : STATUS_END;
}

enum status view_publish_ranking(struct view *view, bool idle, struct failure *failure) {
    struct publishing *publishing = &view->publishing;
    struct ranking_offer offer;
    struct minute minute;
    if (published_take_offer(view->published, &offer)) return keep_ranking(view, &offer, failure);
    if (!newest_closed(view, &minute)) return STATUS_END;
    if (minute.index != publishing->minute.index) begin_minute(view, minute);
    while (publishing->next < PUBLISHED_WINDOWS * publishing->filter_count) {
        enum status status = publish_one(view, minute, publishing->next++, true, failure);
        if (status != STATUS_END) return status;
    }
    return idle ? look_back(view, failure) : STATUS_END;
}
