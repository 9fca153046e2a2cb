/* fake_kv.h: the seam's kv in memory, with crashes and failures. One thread. */
#pragma once

#include "seam/kv.h"

struct fake_kv;

/* What really happened; each failure once, however many calls it made fail. */
struct fake_kv_counts {
    uint64_t writes_failed, writes_failed_falsely, flushes_failed;
    uint64_t full;         /* of the first and the third, those with STATUS_NO_SPACE */
    uint64_t flushes_lied; /* that had something to keep */
};

struct fake_kv *fake_kv_create(void);
/* What is there now, all of it flushed; no failures are injected. */
struct fake_kv *fake_kv_clone(const struct fake_kv *fake);
/* Snapshots and iterators must be back. */
void fake_kv_destroy(struct fake_kv *fake);
struct kv fake_kv_table(struct fake_kv *fake);
struct fake_kv_counts fake_kv_counts(const struct fake_kv *fake);

/* The machine dies and comes back: of the batches written since the last flush only the first `keep` are left (all of them,
 * if there are fewer: then it was the process alone that died). Heals an injected failure. Snapshots and iterators that
 * are out stay readable, so that their owners can be taken down after it. */
void fake_kv_crash(struct fake_kv *fake, size_t keep);
size_t fake_kv_unflushed(const struct fake_kv *fake);

/* The `nth` write or flush from now (1 = the next) fails with `status` and changes nothing, and so does every one after it,
 * until a crash: a store that failed once is not asked again. 0 = never. */
void fake_kv_fail_write(struct fake_kv *fake, unsigned nth, enum status status);
void fake_kv_fail_flush(struct fake_kv *fake, unsigned nth, enum status status);
/* The `nth` get or move of an iterator from now fails; only that one. */
void fake_kv_fail_read(struct fake_kv *fake, unsigned nth, enum status status);

/* The next write that fails is in the store nevertheless: whoever wrote it does not know. */
void fake_kv_fail_write_falsely(struct fake_kv *fake, unsigned nth, enum status status);
/* Writes and flushes work again, and are not planned to fail. */
void fake_kv_heal(struct fake_kv *fake);
/* Flushes say yes and do nothing, until a crash. */
void fake_kv_lie(struct fake_kv *fake);
/* A bit of some value changes. False: there is none. */
struct random_sequence;
bool fake_kv_rot(struct fake_kv *fake, struct random_sequence *random);
/* Called within each write and flush before it does anything: time may pass, others may run. */
void fake_kv_on_wait(struct fake_kv *fake, void (*wait)(void *context), void *context);

size_t fake_kv_key_count(const struct fake_kv *fake);
/* The length of the value of the key at `index` (in key order), and one byte of it flipped; at once durable. */
size_t fake_kv_value_length(const struct fake_kv *fake, size_t index);
struct bytes fake_kv_key(const struct fake_kv *fake, size_t index); /* valid until the next write */
void fake_kv_flip(struct fake_kv *fake, size_t index, size_t offset, uint8_t mask);
