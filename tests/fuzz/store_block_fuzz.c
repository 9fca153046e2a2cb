/* Everything that decodes the store's values, on hostile bytes: a status, never a crash or a read past the end. The first
 * byte chooses the way in, the second the table. */
#include "base/check.h"
#include "fake/fake_kv.c" /* in whole: the fuzzed build links the core alone */
#include "store/cells.h"
#include "store/key.h"
#include "store/store.h"
#include "store/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t uuid[16] = "fuzz";

static void ignore_cell(void *context, struct minute minute, const struct cell *cell) {
    CHECK(cell->country.code < COUNTRY_CODES);
    (void)context, (void)minute;
}

static void ignore_ad(void *context, uint32_t index, struct bytes ad_id) {
    CHECK(ad_id.len > 0 && ad_id.len <= ID_BYTES_MAX);
    (void)context, (void)index;
}

/* The envelope as it is: nearly always the checksum refuses. */
static void open_value(struct bytes key, struct bytes value) {
    struct value_reader *reader = value_reader_create();
    struct bytes content;
    struct failure failure = {0};
    if (value_open(reader, key, value, &content, &failure) != STATUS_OK) CHECK(failure.text[0] != 0);
    value_reader_destroy(reader);
}

/* Whatever decodes as a whole decodes the same when one ad is asked for. */
static void decode_cells(struct bytes content) {
    struct reader reader = reader_of(content);
    struct cells all = {0}, one = {0};
    cells_decode(&reader, &all);
    uint32_t ad = all.count > 0 ? all.at[all.count / 2].ad : 7;
    struct reader again = reader_of(content);
    cells_decode_ad(&again, ad, &one);
    size_t wanted = 0;
    for (size_t i = 0; i < all.count; i++) wanted += all.at[i].ad == ad;
    CHECK(reader.bad || (!again.bad && one.count == wanted));
    cells_fini(&all);
    cells_fini(&one);
}

static struct store_key key_of(uint8_t choice) {
    static const enum store_table tables[] = {STORE_META, STORE_ADS,   STORE_PARTITION,
                                              STORE_OPEN, STORE_BLOCK, STORE_AMENDMENT};
    struct store_key key = {.table = tables[choice % 6]};
    if (key.table == STORE_META || key.table == STORE_ADS) return key;
    key.generation = GENERATION_FIRST;
    if (key.table == STORE_BLOCK || key.table == STORE_AMENDMENT) key.minute = 5;
    return key;
}

/* The content with a good envelope, behind every reader. */
static void read_store(const struct store_key *key, struct bytes content) {
    struct fake_kv *fake = fake_kv_create();
    struct kv kv = fake_kv_table(fake);
    struct store *store = NULL;
    struct kv_batch batch = {0};
    struct value_writer *writer = value_writer_create();
    struct partition_checkpoint checkpoint = {.offset = {1}};
    watermark_init(&checkpoint.watermark);
    CHECK(store_open(&kv, uuid, 1, &store, NULL) == STATUS_OK);
    store_put_partition(store, &batch, 0, &checkpoint);
    struct store_key_bytes key_bytes = store_key_encode(key);
    kv_batch_put(&batch, store_key_view(&key_bytes), value_seal(writer, store_key_view(&key_bytes), content));
    CHECK(kv.write(kv.self, &batch, NULL) == STATUS_OK);
    store_destroy(store);
    if (store_open(&kv, uuid, 1, &store, NULL) == STATUS_OK) {
        struct minute first = {0}, past = {UINT32_MAX};
        enum status all = store_visit_all(store, NULL, 0, first, past, ignore_cell, NULL, NULL);
        enum status ad = store_visit_ad(store, NULL, 0, 3, first, past, ignore_cell, NULL, NULL);
        enum status ads = store_load_ads(store, ignore_ad, NULL, NULL);
        enum status open = store_load_partition(store, 0, &checkpoint, ignore_cell, NULL, NULL);
        (void)all, (void)ad, (void)ads, (void)open;
        store_destroy(store);
    }
    value_writer_destroy(writer);
    kv_batch_fini(&batch);
    fake_kv_destroy(fake);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    struct bytes rest = {data + 2, size - 2};
    struct store_key key = key_of(data[1]);
    struct store_key_bytes key_bytes = store_key_encode(&key);
    char text[STORE_KEY_TEXT_MAX];
    switch (data[0] % 3) {
    case 0:
        store_key_text(rest, text);
        open_value(store_key_view(&key_bytes), rest);
        break;
    case 1:
        decode_cells(rest);
        break;
    default:
        read_store(&key, rest);
    }
    return 0;
}
