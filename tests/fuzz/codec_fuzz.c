/* Bytes as the parts of formats that have no target of their own: whatever is taken encodes back to the same bytes (or,
 * where one thing may be written in two ways, to what decodes as the same). The first byte chooses. */
#include <stdlib.h>

#include "base/check.h"
#include "journal/state.h"
#include "rules/watermark.h"
#include "store/inner.h"
#include "store/key.h"
#include "view/published.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_key(struct bytes bytes) {
    struct store_key key;
    char text[STORE_KEY_TEXT_MAX];
    store_key_text(bytes, text);
    CHECK(strnlen(text, sizeof text) < sizeof text && text[0] != 0);
    if (!store_key_decode(bytes, &key)) return;
    const struct store_key_bytes again = store_key_encode(&key);
    CHECK(bytes_equal(bytes, store_key_view(&again)));
}

static void check_rules(struct bytes bytes) {
    struct reader reader = reader_of(bytes);
    const struct rules rules = rules_decode(&reader);
    if (reader.bad) return;
    struct buffer again = {0};
    CHECK(rules_validate(&rules, NULL) == STATUS_OK);
    rules_encode(&rules, &again);
    CHECK(again.len == bytes.len - reader_left(&reader) && memcmp(again.at, bytes.at, again.len) == 0);
    buffer_fini(&again);
}

static void check_checkpoint(struct bytes bytes) {
    struct partition_checkpoint checkpoint, once_more;
    if (!store_checkpoint_decode(bytes, &checkpoint)) return;
    struct buffer again = {0};
    store_checkpoint_encode(&checkpoint, &again);
    CHECK(bytes_equal(bytes, buffer_view(&again)));
    CHECK(store_checkpoint_decode(buffer_view(&again), &once_more));
    CHECK(watermark_equal(&checkpoint.watermark, &once_more.watermark));
    buffer_fini(&again);
}

static void check_ranking(struct bytes bytes) {
    static const uint32_t windows[] = {1, 5, 15, 60};
    if (bytes.len == 0) return;
    const struct ranking_key key = {0, windows[bytes.at[0] % 4], {100}};
    struct ranking ranking, once_more;
    if (!ranking_decode((struct bytes){bytes.at + 1, bytes.len - 1}, &key, 1000, &ranking)) return;
    struct buffer again = {0};
    ranking_encode(&ranking, &again);
    CHECK(again.len <= bytes.len - 1); /* a varint may be written longer than it must be */
    CHECK(ranking_decode(buffer_view(&again), &key, 1000, &once_more) && ranking_equal(&ranking, &once_more));
    CHECK(once_more.version == ranking.version && once_more.final == ranking.final && once_more.amended == ranking.amended);
    buffer_fini(&again);
}

static void check_filter_log(struct bytes bytes) {
    if (bytes.len == 0) return;
    const uint32_t count = bytes.at[0] % 5;
    bytes = (struct bytes){bytes.at + 1, bytes.len - 1};
    struct filter_frame frame;
    if (!filter_frame_parse(&frame, count, bytes)) return;
    struct buffer again = {0};
    for (uint32_t i = 0; i < count; i++) filter_frame_append(&again, &frame.records[i]);
    CHECK(bytes_equal(bytes, buffer_view(&again)));
    filter_frame_fini(&frame);
    buffer_fini(&again);
    struct filter_log *log = filter_log_create();
    if (filter_log_extend(log, count, bytes)) {
        CHECK(filters_number(log->filters) == count && bytes_equal(buffer_view(&log->bytes), bytes));
        CHECK(filter_log_extend(log, count, bytes)); /* what it holds already */
    }
    filter_log_destroy(log);
}

static void check_state(struct bytes bytes, uint32_t version) {
    struct reader reader = reader_of(bytes);
    struct filter_log *log = filter_log_create();
    struct log_state state;
    log_state_decode(&state, 2, version, log, &reader);
    if (!reader.bad) {
        struct buffer again = {0};
        log_state_encode(&state, version, &again);
        const struct bytes told = {bytes.at, bytes.len - reader_left(&reader)};
        CHECK(bytes_equal(told, buffer_view(&again)));
        CHECK(log_state_is(&state, version, &state, told));
        buffer_fini(&again);
    }
    filter_log_destroy(log);
}

static void check_varints(struct bytes bytes) {
    struct buffer again = {0};
    struct reader reader = reader_of(bytes);
    uint64_t values[64];
    size_t count = 0;
    while (count < 64 && reader_left(&reader) > 0) {
        const uint64_t value = reader_varint(&reader);
        if (reader.bad) break;
        values[count++] = value;
        buffer_put_varint(&again, value);
    }
    CHECK(again.len <= bytes.len);
    struct reader back = reader_of(buffer_view(&again));
    for (size_t i = 0; i < count; i++) CHECK(reader_varint(&back) == values[i]);
    CHECK(!back.bad && reader_left(&back) == 0);
    buffer_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    uint8_t *exact = memory_allocate(size); /* a read past the end is seen */
    memcpy(exact, data, size);
    const struct bytes bytes = {exact + 1, size - 1};
    switch (data[0] % 8) {
    case 0:
        check_key(bytes);
        break;
    case 1:
        check_rules(bytes);
        break;
    case 2:
        check_checkpoint(bytes);
        break;
    case 3:
        check_ranking(bytes);
        break;
    case 4:
        check_filter_log(bytes);
        break;
    case 5:
        check_state(bytes, 1);
        break;
    case 6:
        check_state(bytes, 2);
        break;
    default:
        check_varints(bytes);
    }
    free(exact);
    return 0;
}
