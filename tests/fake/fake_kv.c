#include "fake/fake_kv.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/random_sequence.h"
#include "fake/fake_kv_state.h"

struct batches {
    struct kv_batch *at;
    size_t count, capacity;
};

struct failing {
    unsigned in; /* this many calls from now; 0 = not */
    enum status status;
};

struct fake_kv {
    struct kv_snapshot *now;
    struct kv_snapshot *flushed;
    struct batches unflushed; /* what leads from `flushed` to `now` */
    struct failing write, flush, read;
    bool write_falsely, flush_lies;
    bool refuses; /* since a failure that is counted */
    struct fake_kv_counts counts;
    void (*wait)(void *context);
    void *wait_context;
    size_t iterators_open;
};

struct kv_iterator {
    struct fake_kv *fake;
    struct kv_snapshot *state;
    size_t at; /* state->count or above: at nothing */
    enum status status;
};

struct fake_kv *fake_kv_create(void) {
    struct fake_kv *fake = memory_allocate_zeroed(1, sizeof *fake);
    fake->now = state_create(0);
    fake->flushed = state_share(fake->now);
    return fake;
}

/* States never change, so they can be shared. */
struct fake_kv *fake_kv_clone(const struct fake_kv *fake) {
    struct fake_kv *clone = memory_allocate_zeroed(1, sizeof *clone);
    clone->now = state_share(fake->now);
    clone->flushed = state_share(fake->now);
    return clone;
}

static void forget_batches(struct fake_kv *fake) {
    for (size_t i = 0; i < fake->unflushed.count; i++) kv_batch_fini(&fake->unflushed.at[i]);
    fake->unflushed.count = 0;
}

void fake_kv_destroy(struct fake_kv *fake) {
    if (fake == NULL) return;
    CHECK(fake->iterators_open == 0);
    forget_batches(fake);
    free(fake->unflushed.at);
    state_release(fake->now);
    state_release(fake->flushed);
    free(fake);
}

void fake_kv_crash(struct fake_kv *fake, size_t keep) {
    struct kv_snapshot *state = state_share(fake->flushed);
    for (size_t i = 0; i < fake->unflushed.count && i < keep; i++) {
        struct kv_snapshot *next = state_after(state, &fake->unflushed.at[i]);
        state_release(state);
        state = next;
    }
    state_release(fake->now);
    state_release(fake->flushed);
    fake->now = state;
    fake->flushed = state_share(state); /* what a restart finds on the disk does not go away by itself */
    forget_batches(fake);
    fake_kv_heal(fake);
    fake->read = (struct failing){0};
    fake->flush_lies = false;
}

void fake_kv_heal(struct fake_kv *fake) {
    fake->write = fake->flush = (struct failing){0};
    fake->write_falsely = fake->refuses = false;
}

struct fake_kv_counts fake_kv_counts(const struct fake_kv *fake) {
    return fake->counts;
}

size_t fake_kv_unflushed(const struct fake_kv *fake) {
    return fake->unflushed.count;
}

size_t fake_kv_key_count(const struct fake_kv *fake) {
    return fake->now->count;
}

size_t fake_kv_value_length(const struct fake_kv *fake, size_t index) {
    CHECK(index < fake->now->count);
    return fake->now->entries[index]->value.len;
}

struct bytes fake_kv_key(const struct fake_kv *fake, size_t index) {
    CHECK(index < fake->now->count);
    return fake->now->entries[index]->key;
}

void fake_kv_flip(struct fake_kv *fake, size_t index, size_t offset, uint8_t mask) {
    CHECK(index < fake->now->count && offset < fake->now->entries[index]->value.len);
    struct kv_batch batch = {0};
    struct buffer value = {0};
    const struct entry *entry = fake->now->entries[index];
    buffer_append_bytes(&value, entry->value);
    value.at[offset] ^= mask;
    kv_batch_put(&batch, entry->key, buffer_view(&value));
    struct kv_snapshot *next = state_after(fake->now, &batch);
    state_release(fake->now);
    state_release(fake->flushed);
    fake->now = next;
    fake->flushed = state_share(next);
    forget_batches(fake);
    kv_batch_fini(&batch);
    buffer_fini(&value);
}

void fake_kv_fail_write(struct fake_kv *fake, unsigned nth, enum status status) {
    fake->write = (struct failing){nth, status};
    fake->write_falsely = false;
}

void fake_kv_fail_write_falsely(struct fake_kv *fake, unsigned nth, enum status status) {
    fake->write = (struct failing){nth, status};
    fake->write_falsely = true;
}

void fake_kv_lie(struct fake_kv *fake) {
    fake->flush_lies = true;
}

void fake_kv_on_wait(struct fake_kv *fake, void (*wait)(void *context), void *context) {
    fake->wait = wait;
    fake->wait_context = context;
}

/* In the durable state too, where that has the same value still. Snapshots that are out keep theirs, as a cache does. */
bool fake_kv_rot(struct fake_kv *fake, struct random_sequence *random) {
    if (fake->now->count == 0) return false;
    struct entry *whole = fake->now->entries[random_sequence_below(random, fake->now->count)];
    if (whole->value.len == 0) return false;
    struct entry *rotten = entry_create(whole->key, whole->value);
    uint8_t *byte = (uint8_t *)(uintptr_t)rotten->value.at + random_sequence_below(random, whole->value.len);
    *byte ^= (uint8_t)(1U << random_sequence_below(random, 8));
    struct kv_snapshot *now = state_with(fake->now, whole, rotten), *flushed = state_with(fake->flushed, whole, rotten);
    entry_release(rotten);
    state_release(fake->now);
    state_release(fake->flushed);
    fake->now = now;
    fake->flushed = flushed;
    return true;
}

void fake_kv_fail_flush(struct fake_kv *fake, unsigned nth, enum status status) {
    fake->flush = (struct failing){nth, status};
}

void fake_kv_fail_read(struct fake_kv *fake, unsigned nth, enum status status) {
    fake->read = (struct failing){nth, status};
}

/* True when this call is to fail. Stays at 1, so that those after it fail too. */
static bool fails_now(struct failing *failing) {
    if (failing->in == 0) return false;
    if (failing->in == 1) return true;
    failing->in--;
    return false;
}

static enum status fake_get(void *self, const struct kv_snapshot *snapshot, struct bytes key, struct buffer *value,
                            struct failure *failure) {
    struct fake_kv *fake = self;
    if (fails_now(&fake->read)) {
        fake->read.in = 0;
        return failure_set(failure, fake->read.status, "fake kv: injected read failure");
    }
    const struct kv_snapshot *state = snapshot == NULL ? fake->now : snapshot;
    size_t at = state_find(state, key);
    if (at == state->count || !bytes_equal(state->entries[at]->key, key)) return STATUS_NOT_FOUND;
    buffer_clear(value);
    buffer_append_bytes(value, state->entries[at]->value);
    return STATUS_OK;
}

static enum status refuse(struct fake_kv *fake, struct failing *failing, uint64_t *count, const char *what,
                          struct failure *failure) {
    *count += !fake->refuses;
    fake->counts.full += !fake->refuses && failing->status == STATUS_NO_SPACE;
    fake->refuses = true;
    fake->write = fake->flush = (struct failing){1, failing->status};
    return failure_set(failure, failing->status, "fake kv: injected %s failure", what);
}

static void keep_batch(struct batches *batches, const struct kv_batch *batch) {
    if (batches->count == batches->capacity) {
        batches->capacity = batches->capacity * 2 + 8;
        batches->at = memory_resize(batches->at, batches->capacity * sizeof *batches->at);
    }
    struct kv_batch *kept = &batches->at[batches->count++];
    *kept = (struct kv_batch){.entry_count = batch->entry_count};
    buffer_append_bytes(&kept->entries, buffer_view(&batch->entries));
}

static enum status fake_write(void *self, const struct kv_batch *batch, struct failure *failure) {
    struct fake_kv *fake = self;
    if (fake->wait != NULL) fake->wait(fake->wait_context);
    bool fails = fails_now(&fake->write), falsely = fails && fake->write_falsely;
    fake->write_falsely = fake->write_falsely && !fails;
    if (!fails || falsely) {
        struct kv_snapshot *next = state_after(fake->now, batch);
        state_release(fake->now);
        fake->now = next;
        keep_batch(&fake->unflushed, batch);
    }
    uint64_t *count = falsely ? &fake->counts.writes_failed_falsely : &fake->counts.writes_failed;
    return fails ? refuse(fake, &fake->write, count, "write", failure) : STATUS_OK;
}

static enum status fake_flush(void *self, struct failure *failure) {
    struct fake_kv *fake = self;
    if (fake->wait != NULL) fake->wait(fake->wait_context);
    if (fails_now(&fake->flush)) return refuse(fake, &fake->flush, &fake->counts.flushes_failed, "flush", failure);
    fake->counts.flushes_lied += fake->flush_lies && fake->unflushed.count > 0;
    if (fake->flush_lies) return STATUS_OK;
    state_release(fake->flushed);
    fake->flushed = state_share(fake->now);
    forget_batches(fake);
    return STATUS_OK;
}

static struct kv_snapshot *fake_snapshot_take(void *self) {
    struct fake_kv *fake = self;
    return state_share(fake->now);
}

static void fake_snapshot_drop(void *self, struct kv_snapshot *snapshot) {
    (void)self;
    state_release(snapshot);
}

static struct kv_iterator *fake_iterate(void *self, const struct kv_snapshot *snapshot) {
    struct fake_kv *fake = self;
    struct kv_iterator *iterator = memory_allocate(sizeof *iterator);
    struct kv_snapshot *state = snapshot == NULL ? fake->now : (struct kv_snapshot *)(uintptr_t)snapshot;
    *iterator = (struct kv_iterator){fake, state_share(state), SIZE_MAX, STATUS_OK};
    fake->iterators_open++;
    return iterator;
}

/* Before a move: an injected failure leaves the iterator at nothing. */
static bool iterator_fails(struct kv_iterator *iterator) {
    struct failing *failing = &iterator->fake->read;
    iterator->status = STATUS_OK;
    if (!fails_now(failing)) return false;
    failing->in = 0;
    iterator->status = failing->status;
    iterator->at = SIZE_MAX;
    return true;
}

static void fake_iterator_seek(struct kv_iterator *iterator, struct bytes key) {
    if (!iterator_fails(iterator)) iterator->at = state_find(iterator->state, key);
}

static bool fake_iterator_valid(const struct kv_iterator *iterator) {
    return iterator->at < iterator->state->count;
}

static void fake_iterator_seek_before(struct kv_iterator *iterator, struct bytes key) {
    if (iterator_fails(iterator)) return;
    iterator->at = state_find(iterator->state, key);
    if (fake_iterator_valid(iterator) && bytes_equal(iterator->state->entries[iterator->at]->key, key)) return;
    iterator->at = iterator->at == 0 ? SIZE_MAX : iterator->at - 1;
}

static void fake_iterator_next(struct kv_iterator *iterator) {
    CHECK(fake_iterator_valid(iterator));
    if (!iterator_fails(iterator)) iterator->at++;
}

static struct bytes fake_iterator_key(const struct kv_iterator *iterator) {
    CHECK(fake_iterator_valid(iterator));
    return iterator->state->entries[iterator->at]->key;
}

static struct bytes fake_iterator_value(const struct kv_iterator *iterator) {
    CHECK(fake_iterator_valid(iterator));
    return iterator->state->entries[iterator->at]->value;
}

static enum status fake_iterator_status(const struct kv_iterator *iterator, struct failure *failure) {
    if (iterator->status == STATUS_OK) return STATUS_OK;
    return failure_set(failure, iterator->status, "fake kv: injected read failure");
}

static void fake_iterator_close(struct kv_iterator *iterator) {
    CHECK(iterator->fake->iterators_open > 0);
    iterator->fake->iterators_open--;
    state_release(iterator->state);
    free(iterator);
}

struct kv fake_kv_table(struct fake_kv *fake) {
    return (struct kv){
        .self = fake,
        .get = fake_get,
        .write = fake_write,
        .flush = fake_flush,
        .snapshot_take = fake_snapshot_take,
        .snapshot_drop = fake_snapshot_drop,
        .iterate = fake_iterate,
        .iterator_seek = fake_iterator_seek,
        .iterator_seek_before = fake_iterator_seek_before,
        .iterator_next = fake_iterator_next,
        .iterator_valid = fake_iterator_valid,
        .iterator_key = fake_iterator_key,
        .iterator_value = fake_iterator_value,
        .iterator_status = fake_iterator_status,
        .iterator_close = fake_iterator_close,
    };
}
