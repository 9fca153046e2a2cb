/* From batches to one durable record. */
#include <stdlib.h>

#include "base/check.h"
#include "journal/journal_internal.h"

static struct record_draft *draft_begin(struct journal *journal, struct wall_time arrival) {
    struct record_draft *draft = &journal->draft;
    draft->number = journal->next.next_record;
    draft->arrival = arrival;
    draft->counts = (struct intake_counts){0};
    draft->sub_block_count = 0;
    draft->rules = NULL;
    draft->filter_frame = (struct bytes){NULL, 0};
    for (uint32_t i = 0; i < journal->log.partition_count; i++) draft->columns[i].count = 0;
    return draft;
}

static uint32_t draft_add(struct record_draft *draft, uint32_t partition, enum sub_block_kind kind, uint32_t count,
                          struct journal_offset first_offset) {
    CHECK(draft->sub_block_count < RECORD_SUB_BLOCKS_MAX && count >= 1);
    uint32_t index = draft->sub_block_count++;
    draft->sub_blocks[index].partition = (uint16_t)partition;
    draft->sub_blocks[index].kind = kind;
    draft->sub_blocks[index].count = count;
    draft->sub_blocks[index].first_offset = first_offset;
    return index;
}

/* I4, the intake law, of one batch; then into the record's counts. */
static void draft_batch(struct record_draft *draft, const struct journal_batch *batch, uint32_t partition_count) {
    uint64_t clicks = 0, sum = 0;
    for (uint32_t i = 0; i < partition_count; i++) {
        const struct columns *columns = &batch->columns[i];
        if (columns->count == 0) continue;
        clicks += columns->count;
        draft->columns[i].at[draft->columns[i].count++] = columns;
    }
    for (int code = 0; code < REJECT_CODES; code++) {
        sum += batch->counts.rejected_by[code];
        draft->counts.rejected_by[code] += batch->counts.rejected_by[code];
    }
    CHECKF(batch->counts.received == sum + clicks, "received %llu, but %llu rejected and %llu clicks",
           (unsigned long long)batch->counts.received, (unsigned long long)sum, (unsigned long long)clicks);
    draft->counts.received += batch->counts.received;
}

static void draft_batches(struct journal *journal, struct record_draft *draft, const struct journal_batch *const *batches,
                          size_t batch_count) {
    uint32_t partition_count = journal->log.partition_count;
    if (batch_count == 0) return;
    CHECK(batch_count <= SIZE_MAX / sizeof *journal->columns / PARTITIONS_MAX);
    if (journal->columns_capacity < batch_count) {
        journal->columns = memory_resize(journal->columns, partition_count * batch_count * sizeof *journal->columns);
        journal->columns_capacity = batch_count;
    }
    for (uint32_t i = 0; i < partition_count; i++) draft->columns[i].at = journal->columns + i * journal->columns_capacity;
    for (size_t i = 0; i < batch_count; i++) draft_batch(draft, batches[i], partition_count);
}

/* One sub-block of clicks a partition; `next` takes them in the order in which the record will hold them. */
static void draft_clicks(struct record_draft *draft, uint32_t partition, struct log_state *next) {
    struct journal_offset first = next->partitions[partition].next;
    uint64_t count = 0;
    for (size_t i = 0; i < draft->columns[partition].count; i++) {
        const struct columns *columns = draft->columns[partition].at[i];
        CHECK(columns->times.len == 8 * (size_t)columns->count && columns->identities.len == 16 * (size_t)columns->count);
        log_state_clicks(next, partition, draft->arrival, columns->count, columns->times.at, columns->identities.at);
        count += columns->count;
    }
    CHECK(count <= UINT32_MAX && next->partitions[partition].next.at <= RECORD_OFFSET_MAX);
    if (count > 0) draft_add(draft, partition, SUB_BLOCK_CLICKS, (uint32_t)count, first);
}

/* The sub-blocks must stand in the order of partitions, and whether a tick is due is only known after all clicks. */
static void draft_ticks(struct journal *journal, struct record_draft *draft, struct mono_time mono) {
    struct log_state *next = &journal->next;
    struct event_time floor;
    if (!tick_clock_floor(&journal->ticks, next, draft->arrival, mono, &floor)) return;
    for (uint32_t i = 0; i < next->partition_count; i++) {
        if (!tick_clock_due(&journal->ticks, i, floor, mono)) continue;
        uint32_t index = draft_add(draft, i, SUB_BLOCK_TICK, 1, next->partitions[i].next);
        draft->sub_blocks[index].floor = floor;
        log_state_tick(next, i, floor);
        /* Insertion from behind: at most one place a partition, and ticks are rare. */
        for (; index > 0 && draft->sub_blocks[index - 1].partition > i; index--) {
            struct draft_sub_block moved = draft->sub_blocks[index];
            draft->sub_blocks[index] = draft->sub_blocks[index - 1];
            draft->sub_blocks[index - 1] = moved;
        }
    }
    tick_clock_observe(&journal->ticks, next, mono);
}

/* Writes the draft and, once it is durable, makes what it adds up to the state that everybody sees (I3). */
static enum status draft_write(struct journal *journal, struct journal_record **out, struct failure *failure) {
    struct journal_record *record = record_build(&journal->draft, journal->seed, &journal->random);
#ifdef TALLY_COSTLY_CHECKS
    struct journal_record *again = record_allocate(record->bytes.len);
    memcpy(record_writable(again), record->bytes.at, record->bytes.len);
    COSTLY_CHECK(record_parse(again, journal->seed) == RECORD_GOOD);
    journal_record_release(again);
#endif
    enum status status = segment_writer_append(journal, record, failure);
    if (status != STATUS_OK) {
        journal_record_release(record);
        return journal_fail(journal, status);
    }
    log_state_record(&journal->next, record);
    CHECK(journal->next.next_record == journal->state.next_record + 1);
    log_state_copy(&journal->state, &journal->next);
    arrival_clock_journalled(&journal->arrival, record->arrival);
    *out = record;
    return STATUS_OK;
}

static enum status commit_arrival(struct journal *journal, struct wall_time wall, struct mono_time mono,
                                  struct wall_time *arrival, struct failure *failure) {
    CHECK(journal->life == JOURNAL_WRITING && journal->rules.number > 0);
    if (arrival_clock_read(&journal->arrival, wall, mono, arrival)) return STATUS_OK;
    return failure_set(failure, STATUS_AGAIN,
                       "the clock reads %lld ms, which is behind the last journalled arrival or has jumped",
                       (long long)wall.ms);
}

enum status journal_commit(struct journal *journal, const struct journal_batch *const *batches, size_t batch_count,
                           struct wall_time wall, struct mono_time mono, struct journal_record **out,
                           struct failure *failure) {
    *out = NULL;
    struct wall_time arrival;
    enum status status = commit_arrival(journal, wall, mono, &arrival, failure);
    if (status != STATUS_OK) return status;
    for (size_t i = 0; i < batch_count; i++)
        if (batches[i]->arrival_floor.ms > arrival.ms) arrival = batches[i]->arrival_floor;
    /* A clock that jumped forward only while a line was being read must not carry the arrivals along with it. */
    bool ahead = arrival.ms > wall.ms && arrival.ms > journal->arrival.last_journalled.ms;
    if (ahead && (arrival.ms - wall.ms > journal->arrival.max_skew_ms || arrival.ms > RECORD_TIME_MS_MAX))
        return failure_set(failure, STATUS_AGAIN, "a line was read when the clock was %lld ms ahead",
                           (long long)(arrival.ms - wall.ms));
    CHECK(arrival.ms >= journal->state.last_arrival.ms && arrival.ms <= RECORD_TIME_MS_MAX);

    log_state_copy(&journal->next, &journal->state);
    struct record_draft *draft = draft_begin(journal, arrival);
    draft_batches(journal, draft, batches, batch_count);
    for (uint32_t i = 0; i < journal->log.partition_count; i++) draft_clicks(draft, i, &journal->next);
    if (draft->sub_block_count > 0) tick_clock_observe(&journal->ticks, &journal->next, mono);
    draft_ticks(journal, draft, mono);
    if (draft->sub_block_count == 0 && draft->counts.received == 0) return STATUS_OK;
    return draft_write(journal, out, failure);
}

/* The changes as records, and the records as bytes. */
static struct filter_record *filter_records(const struct log_state *state, const struct filter_change *changes, size_t count,
                                            struct buffer *frame) {
    struct filter_record *records = memory_allocate_zeroed(count, sizeof *records);
    struct minute covers_from;
    bool has_clicks = log_state_covers_from(state, &covers_from);
    for (size_t i = 0; i < count; i++) {
        records[i].number = state->filter_count + 1 + (uint32_t)i;
        records[i].action = changes[i].action;
        records[i].id = changes[i].id;
        if (changes[i].action == FILTER_CREATE) {
            records[i].filter = changes[i].filter;
            records[i].has_clicks = has_clicks;
            records[i].covers_from = covers_from;
        }
        filter_frame_append(frame, &records[i]);
    }
    return records;
}

/* Whether a record with a copy for each partition, and the headers that will hold the filters, stay within their bounds. */
static bool filters_fit(const struct log_state *state, const struct filter_change *changes, size_t count,
                        struct bytes frame) {
    size_t atoms = 0, room = RECORD_BYTES_MAX - RECORD_SUB_BLOCK_BYTES * PARTITIONS_MAX - RECORD_HEADER_BYTES;
    for (size_t i = 0; i < count; i++)
        if (changes[i].action == FILTER_CREATE) atoms += filter_term_count(changes[i].filter);
    const struct atoms *given = filters_atoms(state->filter_log->filters);
    return frame.len <= room / state->partition_count - RECORD_ALIGNMENT &&
           frame.len <= FILTER_LOG_BYTES_MAX - state->filter_bytes && count <= UINT32_MAX - state->filter_count &&
           atoms <= (size_t)ATOMS_MAX - atoms_given(given);
}

/* The draft of the filter records, which `next` takes. */
static void draft_filters(struct journal *journal, struct wall_time arrival, const struct filter_record *records,
                          uint32_t count, struct bytes frame) {
    struct record_draft *draft = draft_begin(journal, arrival);
    draft->filter_frame = frame;
    for (uint32_t i = 0; i < journal->log.partition_count; i++)
        draft_add(draft, i, SUB_BLOCK_FILTERS, count, journal->next.partitions[i].next);
    const char *flaw = log_state_filters(&journal->next, records, count, frame);
    CHECKF(flaw == NULL, "the changes of the filters were not checked: %s", flaw);
}

enum status journal_commit_filters(struct journal *journal, const struct filter_change *changes, size_t count,
                                   struct wall_time wall, struct mono_time mono, struct journal_record **out,
                                   struct failure *failure) {
    CHECK(count >= 1 && count <= FILTER_CHANGES_MAX);
    *out = NULL;
    struct wall_time arrival;
    enum status status = commit_arrival(journal, wall, mono, &arrival, failure);
    if (status != STATUS_OK) return status;
    CHECK(arrival.ms >= journal->state.last_arrival.ms && arrival.ms <= RECORD_TIME_MS_MAX);
    log_state_copy(&journal->next, &journal->state);
    struct buffer frame = {0};
    struct filter_record *records = filter_records(&journal->next, changes, count, &frame);
    if (filters_fit(&journal->next, changes, count, buffer_view(&frame))) {
        draft_filters(journal, arrival, records, (uint32_t)count, buffer_view(&frame));
        status = draft_write(journal, out, failure);
    } else {
        status = failure_set(failure, STATUS_FULL, "the journal has no room for %zu more filter records of %zu bytes", count,
                             frame.len);
    }
    free(records);
    buffer_fini(&frame);
    return status;
}

/* A rules record's arrival moves no number, so a clock that is not to be trusted does not hold up the start: the last
 * journalled arrival will do. */
static struct wall_time start_arrival(struct journal *journal, struct wall_time wall, struct mono_time mono) {
    struct wall_time arrival;
    if (arrival_clock_read(&journal->arrival, wall, mono, &arrival)) return arrival;
    return journal->state.last_arrival.ms == INT64_MIN ? (struct wall_time){0} : journal->state.last_arrival;
}

enum status journal_start(struct journal *journal, struct wall_time wall, struct mono_time mono, struct journal_record **out,
                          struct failure *failure) {
    CHECK(journal->life == JOURNAL_REPLAYED && journal->settled);
    *out = NULL;
    arrival_clock_init(&journal->arrival, journal->rules.max_skew_ms);
    if (journal->state.last_arrival.ms != INT64_MIN)
        arrival_clock_journalled(&journal->arrival, journal->state.last_arrival);
    if (journal->rules.number != journal->state.rules.number) {
        CHECK(journal->rules.number == journal->state.rules.number + 1);
        log_state_copy(&journal->next, &journal->state);
        struct record_draft *draft = draft_begin(journal, start_arrival(journal, wall, mono));
        draft->rules = &journal->rules;
        for (uint32_t i = 0; i < journal->log.partition_count; i++)
            draft_add(draft, i, SUB_BLOCK_RULES, 1, journal->next.partitions[i].next);
        log_state_rules(&journal->next, &journal->rules);
        enum status status = draft_write(journal, out, failure);
        if (status != STATUS_OK) return status;
    }
    tick_clock_start(&journal->ticks, &journal->state, mono);
    journal_move(journal, JOURNAL_WRITING);
    return STATUS_OK;
}
