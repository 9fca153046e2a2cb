/* Rankings that are kept, against a plain sum over the clicks. */
#include "view/published.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random_sequence.h"
#include "fake/fake_kv.h"
#include "view/view.h"
#include "view/window.h"

/* --- bytes, notes and offers --- */

static const struct ranking_key some_key = {7, 60, {1000}};

static struct ranking some_ranking(void) {
    return (struct ranking){
        .version = 1 << 20, .amended = 3, .final = true, .from = {941}, .count = 3, .ads = {{5, 300}, {1, 200}, {4, 200}}};
}

static void a_ranking_is_what_its_bytes_say_and_no_other_bytes_are_one(void **state) {
    (void)state;
    struct ranking ranking = some_ranking(), read;
    struct buffer bytes = {0};
    ranking_encode(&ranking, &bytes);
    assert_true(ranking_decode(buffer_view(&bytes), &some_key, 6, &read));
    assert_true(ranking_equal(&ranking, &read));
    assert_true(read.version == ranking.version && read.amended == 3 && read.final);
    assert_false(ranking_decode(buffer_view(&bytes), &some_key, 5, &read)); /* ad 5 is not in the dictionary */
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(ranking_decode((struct bytes){bytes.at, len}, &some_key, 6, &read));
    struct ranking_key other = {7, 15, {1000}};
    assert_false(ranking_decode(buffer_view(&bytes), &other, 6, &read)); /* it begins before the window does */
    buffer_put_u8(&bytes, 0);
    assert_false(ranking_decode(buffer_view(&bytes), &some_key, 6, &read));
    buffer_clear(&bytes);
    ranking.ads[2].count = 201;
    ranking_encode(&ranking, &bytes);
    assert_false(ranking_decode(buffer_view(&bytes), &some_key, 6, &read)); /* not in the order of counts */
    buffer_fini(&bytes);
}

static void what_is_noted_is_of_one_ranking_and_one_count_of_changes(void **state) {
    (void)state;
    struct published *published = published_create();
    struct ranking_key shorter = some_key, later = some_key;
    bool final = false;
    shorter.window = 15;
    later.minute.index++;
    assert_false(published_is_current(published, &some_key, 9, NULL));
    published_note(published, &some_key, 9, true);
    assert_true(published_is_current(published, &some_key, 9, &final) && final);
    assert_false(published_is_current(published, &some_key, 10, NULL));
    assert_false(published_is_current(published, &shorter, 9, NULL));
    assert_false(published_is_current(published, &later, 9, NULL));
    published_note(published, &some_key, 11, false);
    assert_false(published_is_current(published, &some_key, 9, NULL));
    assert_true(published_is_current(published, &some_key, 11, &final) && !final);
    published_note(published, &some_key, 9, true);
    uint64_t bytes = published_bytes(published);
    published_retain(published, &(uint32_t){7}, 1);
    assert_true(published_is_current(published, &some_key, 9, NULL));
    published_retain(published, &(uint32_t){8}, 1);
    assert_false(published_is_current(published, &some_key, 9, NULL));
    assert_true(published_bytes(published) < bytes);
    published_destroy(published);
}

static void offers_come_out_as_they_went_in_and_too_many_are_dropped(void **state) {
    (void)state;
    struct published *published = published_create();
    static struct ranking_offer offer, taken;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < PUBLISHED_OFFERS_MAX + 5; i++) {
            offer = (struct ranking_offer){.key = {0, 1, {i}}, .changes = i, .ranking = some_ranking()};
            published_offer(published, &offer);
            published_offer(published, &offer); /* it is there already */
        }
        for (uint32_t i = 0; i < PUBLISHED_OFFERS_MAX; i++)
            assert_true(published_take_offer(published, &taken) && taken.key.minute.index == i && taken.changes == i);
        assert_false(published_take_offer(published, &taken));
    }
    published_destroy(published);
}

/* --- a random stream --- */

enum {
    PARTITIONS = 2,
    FIRST = 1500, /* minute */
    MINUTES = 400,
    LATENESS = 30, /* minutes */
    ADS = 130,
    FILTERS = 4, /* with 0: all clicks; 1: not from AAA; 2: of one user; 3: of this user, but not ranked */
    STEPS = 600,
    CLICKS_MAX = 24,
};

struct click_made {
    uint32_t minute, ad;
    uint16_t country;
    bool of_user;
};

struct step {
    uint32_t filter; /* created; 0: clicks */
    struct minute covers_from;
    uint32_t partition, w_minute, click_count;
    struct click_made clicks[CLICKS_MAX];
    bool matched; /* while the user's atom counts */
};

/* What was kept when it was looked at last. */
struct kept {
    uint64_t version, amended;
    bool final;
    size_t count;
    uint64_t counts[PUBLISHED_ADS_MAX];
    uint32_t ads[PUBLISHED_ADS_MAX];
};

struct bench {
    struct random_sequence random;
    struct fake_kv *fake;
    struct kv kv;
    struct store *store;
    struct ads *ads;
    struct view *view;
    struct view_bounds bounds;
    struct step steps[STEPS];
    size_t step_count;
    uint32_t w_minutes[PARTITIONS], newest, filter_count;
    uint64_t offsets[PARTITIONS];
    uint32_t covers_from[FILTERS];              /* 0: everything */
    uint32_t before[FILTERS][MINUTES + 1][ADS]; /* clicks in the minutes before */
    struct kept kept[FILTERS][PUBLISHED_WINDOWS][MINUTES], seen[FILTERS][PUBLISHED_WINDOWS][MINUTES];
};

static uint64_t below(struct bench *bench, uint64_t bound) {
    return random_sequence_below(&bench->random, bound);
}

/* Not in the order of the numbers. */
static uint32_t place_of(uint32_t ad) {
    return ad * 37 % ADS;
}

static struct bytes ad_name(uint32_t ad, char text[8]) {
    (void)snprintf(text, 8, "ad%03u", place_of(ad));
    return bytes_of_text(text);
}

static uint32_t ad_of(struct bytes name) {
    uint32_t place = 0;
    assert_int_equal(name.len, 5);
    for (size_t i = 2; i < 5; i++) place = place * 10 + (uint32_t)(name.at[i] - '0');
    for (uint32_t ad = 0; ad < ADS; ad++)
        if (place_of(ad) == place) return ad;
    fail_msg("no such ad");
    return 0;
}

static void count_click(struct bench *bench, uint32_t filter, uint32_t minute, uint32_t ad) {
    for (uint32_t at = minute - FIRST + 1; at <= MINUTES; at++) bench->before[filter][at][ad]++;
}

static void create_filter(struct bench *bench, uint32_t id, struct minute covers_from) {
    static const char *const regions[FILTERS] = {NULL, "!AFG", "*", "*"}, *const users[FILTERS] = {NULL, "*", "u", "u"};
    struct filter *filter = NULL;
    struct filter_flaw flaw = {0};
    assert_true(
        filter_parse(id, bytes_of_text(regions[id]), bytes_of_text("*"), bytes_of_text(users[id]), id != 3, &filter, &flaw));
    struct filter_record record = {
        .number = id, .action = FILTER_CREATE, .id = id, .filter = filter, .has_clicks = true, .covers_from = covers_from};
    for (uint32_t p = 0; p < PARTITIONS; p++) view_pass_filters(bench->view, p, id);
    view_apply_filters(bench->view, &record, 1);
    filter_destroy(filter);
}

static void apply_clicks(struct bench *bench, const struct step *step) {
    struct partial partial = {.partition = step->partition,
                              .from = view_partition(bench->view, step->partition)->offset,
                              .to = {view_partition(bench->view, step->partition)->offset.at + step->click_count}};
    watermark_init(&partial.watermark);
    partial.watermark.w = minute_start((struct minute){step->w_minute});
    partial.watermark.s = minute_start((struct minute){step->w_minute - LATENESS});
    partial.totals = view_partition(bench->view, step->partition)->totals;
    partial.totals.counted += step->click_count;
    struct event_time w = view_partition(bench->view, step->partition)->watermark.w;
    for (uint32_t i = 0; i < step->click_count; i++) {
        const struct click_made *click = &step->clicks[i];
        char text[8];
        struct bytes name = ad_name(click->ad, text);
        partial.totals.late_amended += minute_end((struct minute){click->minute}).ms <= w.ms;
        uint32_t ad = ads_index(bench->ads, name, ads_hash(bench->ads, name));
        partial_push(&partial, (struct increment){{click->minute}, ad, {click->country}});
        if (click->of_user && step->matched)
            partial_push_atom(&partial, (struct atom_increment){{click->minute}, ad, 1, {click->country}});
    }
    view_apply(bench->view, &partial);
    partial_fini(&partial);
}

/* The view's costly steps, as the node takes them. */
static void close_and_fill(struct bench *bench) {
    enum status status;
    view_publish(bench->view);
    while (view_close_prepare(bench->view)) view_close_commit(bench->view);
    while ((status = view_fill_prepare(bench->view, NULL)) == STATUS_OK) view_fill_commit(bench->view);
    assert_int_equal(status, STATUS_END);
}

static void take_step(struct bench *bench, const struct step *step) {
    if (step->filter != 0) {
        create_filter(bench, step->filter, step->covers_from);
    } else {
        apply_clicks(bench, step);
    }
    close_and_fill(bench);
}

static void open_view(struct bench *bench) {
    static const uint8_t uuid[16] = {1};
    bench->kv = fake_kv_table(bench->fake);
    bench->ads = ads_create(below(bench, 1000));
    assert_int_equal(store_open(&bench->kv, uuid, PARTITIONS, &bench->store, NULL), STATUS_OK);
    bench->view = view_create(bench->store, &bench->kv, bench->ads, PARTITIONS, &bench->bounds);
    assert_int_equal(view_load(bench->view, NULL), STATUS_OK);
    uint64_t offsets[PARTITIONS] = {0};
    for (size_t i = 0; i < bench->step_count; i++) {
        const struct step *step = &bench->steps[i];
        offsets[step->partition] += step->click_count;
        bool counted =
            step->filter == 0 && view_partition(bench->view, step->partition)->offset.at >= offsets[step->partition];
        if (!counted) take_step(bench, step);
    }
}

static void close_view(struct bench *bench) {
    view_destroy(bench->view);
    store_destroy(bench->store);
    ads_destroy(bench->ads);
}

static struct bench *begin(uint64_t seed, uint64_t window_bytes) {
    struct bench *bench = calloc(1, sizeof *bench);
    bench->random.state = seed;
    bench->fake = fake_kv_create();
    bench->bounds = (struct view_bounds){window_bytes, 1 << 24, 1 << 30};
    for (uint32_t p = 0; p < PARTITIONS; p++) bench->w_minutes[p] = FIRST;
    bench->newest = FIRST;
    open_view(bench);
    return bench;
}

static void end(struct bench *bench) {
    close_view(bench);
    fake_kv_destroy(bench->fake);
    free(bench);
}

static bool matches(uint32_t filter, const struct click_made *click) {
    return filter == 0 || (filter == 1 ? click->country != 136 : click->of_user); /* 136: AFG */
}

static void make_clicks(struct bench *bench, struct step *step) {
    step->partition = (uint32_t)below(bench, PARTITIONS);
    step->click_count = 1 + (uint32_t)below(bench, CLICKS_MAX);
    uint32_t *w_minute = &bench->w_minutes[step->partition], sealed = *w_minute - LATENESS;
    uint32_t lowest = sealed > FIRST ? sealed : FIRST;
    for (uint32_t i = 0; i < step->click_count; i++) {
        bool late = below(bench, 8) == 0;
        uint32_t minute =
            late ? lowest + (uint32_t)below(bench, *w_minute + 1 - lowest) : *w_minute + (uint32_t)below(bench, 2);
        uint32_t ad = (uint32_t)(below(bench, ADS) * below(bench, ADS + 1) / ADS);
        static const uint16_t countries[] = {136, 140, COUNTRY_UNKNOWN};
        step->clicks[i] = (struct click_made){minute, ad, countries[below(bench, 3)], below(bench, 3) == 0};
        if (minute > bench->newest) bench->newest = minute;
        for (uint32_t filter = 0; filter < FILTERS; filter++)
            if (matches(filter, &step->clicks[i])) count_click(bench, filter, minute, ad);
    }
    if (below(bench, 2) == 0) *w_minute += 1 + (uint32_t)below(bench, 2);
    step->w_minute = *w_minute;
    step->matched = bench->filter_count >= 2;
}

/* The next step; false when there is no room for more minutes. */
static bool make_step(struct bench *bench) {
    for (uint32_t p = 0; p < PARTITIONS; p++)
        if (bench->w_minutes[p] + 4 >= FIRST + MINUTES) return false;
    if (bench->step_count == STEPS) return false;
    struct step *step = &bench->steps[bench->step_count++];
    bool create = bench->filter_count + 1 < FILTERS && bench->step_count > (bench->filter_count + 1) * 40;
    if (create) {
        step->filter = ++bench->filter_count;
        step->covers_from = (struct minute){bench->newest + 1};
        if (step->filter == 2) bench->covers_from[2] = bench->covers_from[3] = bench->newest + 1; /* one atom */
    } else {
        make_clicks(bench, step);
    }
    take_step(bench, step);
    return true;
}

/* --- the plain way --- */

struct model_ad {
    uint64_t count;
    uint32_t ad;
};

static int by_rank(const void *left, const void *right) {
    const struct model_ad *a = left, *b = right;
    if (a->count != b->count) return a->count > b->count ? -1 : 1;
    return place_of(a->ad) < place_of(b->ad) ? -1 : 1;
}

static size_t model_rank(const struct bench *bench, uint32_t filter, uint32_t from, uint32_t to, struct model_ad out[ADS]) {
    size_t count = 0;
    from = from > FIRST ? from - FIRST : 0;
    to -= FIRST;
    assert_true(from < to && to <= MINUTES);
    for (uint32_t ad = 0; ad < ADS; ad++) {
        out[count] = (struct model_ad){bench->before[filter][to][ad] - bench->before[filter][from][ad], ad};
        if (out[count].count > 0) count++;
    }
    qsort(out, count, sizeof *out, by_rank);
    return count;
}

static uint32_t range_from(const struct bench *bench, uint32_t filter, uint32_t window, uint32_t minute) {
    uint32_t from = minute + 1 - window;
    return from < bench->covers_from[filter] ? bench->covers_from[filter] : from;
}

static void assert_answer(struct bench *bench, uint32_t filter, uint32_t window, uint32_t minute) {
    static const size_t counts_max[] = {100, 100, 10, 1, 1000};
    static struct ranked_ad ranked[1000];
    struct model_ad model[ADS];
    struct selection selection;
    const struct stored_filter *stored = filters_find(view_filters(bench->view), filter);
    if (filter != 0) selection = selection_of(stored->filter, stored->terms, stored->term_count);
    size_t count_max = counts_max[below(bench, 5)], count, expected;
    uint32_t from = range_from(bench, filter, window, minute);
    if (from > minute) return;
    assert_int_equal(view_rank(bench->view, filter == 0 ? NULL : &selection, (struct minute){from},
                               (struct minute){minute + 1}, ranked, count_max, &count, NULL),
                     STATUS_OK);
    expected = model_rank(bench, filter, from, minute + 1, model);
    assert_int_equal(count, expected < count_max ? expected : count_max);
    for (size_t i = 0; i < count; i++)
        assert_true(ranked[i].count == model[i].count && ad_of(ranked[i].ad_id) == model[i].ad);
}

/* Some of all that can be asked of what is kept, and of what is not. */
static void assert_answers(struct bench *bench, size_t questions) {
    for (size_t i = 0; i < questions; i++)
        assert_answer(bench, (uint32_t)below(bench, bench->filter_count + 1),
                      below(bench, 8) == 0 ? 7 : published_windows[below(bench, PUBLISHED_WINDOWS)],
                      FIRST + (uint32_t)below(bench, bench->newest + 1 - FIRST));
}

/* --- what is kept --- */

static enum status see_row(void *context, const struct published_row *row, struct failure *failure) {
    struct bench *bench = context;
    (void)failure;
    assert_true(row->filter_id < 3 && row->minute.index >= FIRST && row->minute.index < FIRST + MINUTES);
    int window = published_window_index(row->window);
    assert_true(window >= 0);
    struct kept *seen = &bench->seen[row->filter_id][window][row->minute.index - FIRST];
    assert_int_equal(row->rank, seen->count + 1);
    assert_int_equal(row->from.index, range_from(bench, row->filter_id, row->window, row->minute.index));
    seen->version = row->version;
    seen->amended = row->amended;
    seen->final = row->final;
    seen->ads[seen->count] = ad_of(row->ad_id);
    seen->counts[seen->count++] = row->count;
    return STATUS_OK;
}

static bool same_content(const struct kept *a, const struct kept *b) {
    return a->count == b->count && memcmp(a->counts, b->counts, sizeof a->counts) == 0 &&
           memcmp(a->ads, b->ads, sizeof a->ads) == 0;
}

static void assert_is_model(const struct bench *bench, uint32_t filter, int window, uint32_t minute) {
    const struct kept *seen = &bench->seen[filter][window][minute - FIRST];
    struct model_ad model[ADS];
    uint32_t from = range_from(bench, filter, published_windows[window], minute);
    size_t expected = from > minute ? 0 : model_rank(bench, filter, from, minute + 1, model);
    assert_int_equal(seen->count, expected < PUBLISHED_ADS_MAX ? expected : PUBLISHED_ADS_MAX);
    for (size_t i = 0; i < seen->count; i++) {
        if (seen->counts[i] == model[i].count && seen->ads[i] == model[i].ad) continue;
        fail_msg("filter %u, window %u, minute %u, version %u of %u, %s, rank %zu: %u clicks of ad %u, not %u of ad %u",
                 filter, published_windows[window], minute, (unsigned)seen->version, (unsigned)view_version(bench->view),
                 seen->final ? "final" : "not final", i + 1, (unsigned)seen->counts[i], seen->ads[i],
                 (unsigned)model[i].count, model[i].ad);
    }
}

/* Versions grow with the content only, and final content stays. `all_now`: what memory holds is kept, and is what the model
 * says. `after_crash`: what was kept may be gone, or of an older version. */
static void look_at_what_is_kept(struct bench *bench, bool all_now, bool after_crash) {
    uint32_t closed = bench->w_minutes[0] < bench->w_minutes[1] ? bench->w_minutes[0] : bench->w_minutes[1];
    memset(bench->seen, 0, sizeof bench->seen);
    assert_int_equal(view_visit_rankings(bench->view, see_row, bench, NULL), STATUS_OK);
    for (uint32_t filter = 0; filter < 3; filter++)
        for (int window = 0; window < PUBLISHED_WINDOWS; window++)
            for (uint32_t minute = FIRST; minute < FIRST + MINUTES; minute++) {
                struct kept *before = &bench->kept[filter][window][minute - FIRST];
                const struct kept *now = &bench->seen[filter][window][minute - FIRST];
                assert_true(now->version <= view_version(bench->view));
                bool held = minute + 1 + WINDOW_MINUTES_MAX > bench->newest + published_windows[window];
                if (now->final || (all_now && held && filter <= bench->filter_count && minute < closed))
                    assert_is_model(bench, filter, window, minute);
                if (before->count > 0 && !after_crash) {
                    assert_true(before->final ? now->final : true);
                    if (same_content(before, now))
                        assert_true(now->version == before->version && now->amended == before->amended);
                    else
                        assert_true(!before->final && now->version > before->version && now->amended > before->amended);
                }
                *before = *now;
            }
}

static void publish(struct bench *bench, bool idle, size_t steps_max) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < steps_max && status == STATUS_OK; i++) {
        status = view_publish_ranking(bench->view, idle, NULL);
        assert_true(status == STATUS_OK || status == STATUS_END);
    }
}

static void checkpoint(struct bench *bench) {
    uint32_t partition = (uint32_t)below(bench, PARTITIONS);
    assert_int_equal(view_checkpoint_write(bench->view, partition, NULL), STATUS_OK);
    view_checkpoint_done(bench->view, partition);
    view_checkpoint_clean(bench->view);
}

static void restart(struct bench *bench, bool crash) {
    if (crash) fake_kv_crash(bench->fake, below(bench, fake_kv_unflushed(bench->fake) + 1));
    close_view(bench);
    open_view(bench);
}

static void run(uint64_t seed, uint64_t window_bytes, bool everything_is_held) {
    struct bench *bench = begin(seed, window_bytes);
    while (make_step(bench)) {
        publish(bench, below(bench, 4) == 0, below(bench, 40));
        if (below(bench, 4) == 0) checkpoint(bench);
        if (below(bench, 10) == 0) assert_int_equal(store_flush(bench->store, NULL), STATUS_OK);
        assert_answers(bench, below(bench, 12));
        if (below(bench, 60) == 0) {
            bool crash = below(bench, 2) == 0;
            restart(bench, crash);
            look_at_what_is_kept(bench, false, crash);
        } else if (below(bench, 30) == 0) {
            bool all = below(bench, 2) == 0;
            if (all) publish(bench, true, SIZE_MAX);
            look_at_what_is_kept(bench, all && everything_is_held, false);
        }
    }
    assert_int_equal(bench->filter_count, FILTERS - 1);
    for (int round = 0; round < 2; round++) {
        publish(bench, true, SIZE_MAX);
        look_at_what_is_kept(bench, everything_is_held, false);
        for (uint32_t filter = 0; filter < FILTERS; filter++)
            for (int window = 0; window < PUBLISHED_WINDOWS; window++)
                for (uint32_t minute = FIRST; minute <= bench->newest; minute++)
                    assert_answer(bench, filter, published_windows[window], minute);
        restart(bench, false);
    }
    end(bench);
}

static void a_kept_ranking_is_exact_whatever_comes_late_and_whenever_it_restarts(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) run(seed, 1 << 24, true);
}

static void answers_are_exact_where_memory_does_not_hold_the_range(void **state) {
    (void)state;
    for (uint64_t seed = 11; seed <= 12; seed++) run(seed, 512 * 1024, false);
}

/* --- single cases --- */

static struct kept kept_now(struct bench *bench, uint32_t filter, int window, uint32_t minute) {
    memset(bench->seen, 0, sizeof bench->seen);
    assert_int_equal(view_visit_rankings(bench->view, see_row, bench, NULL), STATUS_OK);
    return bench->seen[filter][window][minute - FIRST];
}

static void click(struct bench *bench, uint32_t partition, uint32_t ad, uint32_t minute, uint32_t w_minute) {
    struct step *step = &bench->steps[bench->step_count++];
    *step =
        (struct step){.partition = partition, .w_minute = w_minute, .click_count = 1, .clicks = {{minute, ad, 140, false}}};
    bench->w_minutes[partition] = w_minute;
    if (minute > bench->newest) bench->newest = minute;
    for (uint32_t filter = 0; filter < 2; filter++) count_click(bench, filter, minute, ad);
    take_step(bench, step);
}

static void a_late_click_amends_with_a_higher_version_and_a_sealed_ranking_becomes_final(void **state) {
    (void)state;
    struct bench *bench = begin(1, 1 << 24);
    for (uint32_t p = 0; p < PARTITIONS; p++) click(bench, p, 1, FIRST, FIRST + 2);
    publish(bench, true, SIZE_MAX);
    struct kept first = kept_now(bench, 0, 1, FIRST + 1);
    assert_true(first.count == 1 && first.counts[0] == 2 && first.amended == 0 && !first.final);
    assert_int_equal(first.version, 2);
    click(bench, 0, 1, FIRST + 2, FIRST + 2); /* not in its range */
    publish(bench, true, SIZE_MAX);
    assert_int_equal(kept_now(bench, 0, 1, FIRST + 1).version, 2);
    click(bench, 0, 1, FIRST + 1, FIRST + 2);
    assert_answer(bench, 0, 5, FIRST + 1);
    publish(bench, false, SIZE_MAX);
    struct kept amended = kept_now(bench, 0, 1, FIRST + 1);
    assert_true(amended.counts[0] == 3 && amended.version == 4 && amended.amended == 1 && !amended.final);
    restart(bench, false);
    publish(bench, true, SIZE_MAX);
    struct kept again = kept_now(bench, 0, 1, FIRST + 1);
    assert_true(same_content(&amended, &again) && again.version == 4 && again.amended == 1);
    for (uint32_t p = 0; p < PARTITIONS; p++) click(bench, p, 2, FIRST + 40, FIRST + 40);
    publish(bench, true, SIZE_MAX);
    again = kept_now(bench, 0, 1, FIRST + 1);
    assert_true(same_content(&amended, &again) && again.version == 4 && again.amended == 1 && again.final);
    end(bench);
}

static void which_rankings_are_kept_follows_window_filter_and_watermark(void **state) {
    (void)state;
    struct bench *bench = begin(1, 1 << 24);
    struct minute from = {FIRST}, to = {FIRST + 1}, later = {FIRST + 7};
    for (uint32_t p = 0; p < PARTITIONS; p++) click(bench, p, 1, FIRST, FIRST + 5);
    for (uint32_t id = 1; id <= 3; id++) create_filter(bench, id, (struct minute){FIRST + 1});
    assert_true(view_ranking_is_published(bench->view, NULL, from, to));
    assert_false(view_ranking_is_published(bench->view, NULL, (struct minute){FIRST + 5}, (struct minute){FIRST + 6}));
    assert_false(view_ranking_is_published(bench->view, NULL, from, (struct minute){FIRST + 2}));
    assert_false(view_ranking_is_published(bench->view, NULL, to, to));
    for (uint32_t id = 1; id <= 3; id++) {
        const struct stored_filter *stored = filters_find(view_filters(bench->view), id);
        struct selection selection = selection_of(stored->filter, stored->terms, stored->term_count);
        assert_int_equal(view_ranking_is_published(bench->view, &selection, from, to), id != 3);
        /* What is cut to where the filter begins is kept too. */
        assert_int_equal(view_ranking_is_published(bench->view, &selection, to, (struct minute){FIRST + 4}), id == 2);
        assert_false(view_ranking_is_published(bench->view, &selection, to, later));
    }
    end(bench);
}

/* A disk that lied about a sync: the journal has lost a click, and has grown again since. */
static void a_final_ranking_of_clicks_that_are_lost_is_damage(void **state) {
    (void)state;
    struct bench *bench = begin(1, 1 << 24);
    struct failure failure = {0};
    enum status status = STATUS_OK;
    for (uint32_t p = 0; p < PARTITIONS; p++) click(bench, p, 1, FIRST, FIRST + 40);
    publish(bench, true, SIZE_MAX);
    assert_true(kept_now(bench, 0, 1, FIRST + 1).final);
    bench->step_count--;
    restart(bench, false);
    click(bench, 1, 2, FIRST + 41, FIRST + 41);
    while (status == STATUS_OK) status = view_publish_ranking(bench->view, true, &failure);
    assert_int_equal(status, STATUS_CORRUPT);
    assert_non_null(strstr(failure.text, "remove store/"));
    end(bench);
}

static void a_full_disk_is_reported_and_changes_no_answer(void **state) {
    (void)state;
    struct bench *bench = begin(1, 1 << 24);
    struct failure failure = {0};
    for (uint32_t p = 0; p < PARTITIONS; p++) click(bench, p, 1, FIRST, FIRST + 2);
    fake_kv_fail_write(bench->fake, 2, STATUS_NO_SPACE); /* the dictionary is in, the ranking is not */
    assert_int_equal(view_publish_ranking(bench->view, false, &failure), STATUS_NO_SPACE);
    assert_answer(bench, 0, 1, FIRST);
    restart(bench, true);
    assert_answer(bench, 0, 1, FIRST);
    end(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ranking_is_what_its_bytes_say_and_no_other_bytes_are_one),
        cmocka_unit_test(what_is_noted_is_of_one_ranking_and_one_count_of_changes),
        cmocka_unit_test(offers_come_out_as_they_went_in_and_too_many_are_dropped),
        cmocka_unit_test(a_kept_ranking_is_exact_whatever_comes_late_and_whenever_it_restarts),
        cmocka_unit_test(answers_are_exact_where_memory_does_not_hold_the_range),
        cmocka_unit_test(a_late_click_amends_with_a_higher_version_and_a_sealed_ranking_becomes_final),
        cmocka_unit_test(which_rankings_are_kept_follows_window_filter_and_watermark),
        cmocka_unit_test(a_final_ranking_of_clicks_that_are_lost_is_damage),
        cmocka_unit_test(a_full_disk_is_reported_and_changes_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
