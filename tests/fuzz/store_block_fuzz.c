/* Everything that decodes the store's values, on hostile bytes: a status, never a crash or a read past the end. The first
 * byte chooses the way in, the second the table. */
#include "base/check.h"
#include "fake/fake_kv.h"
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

static void ignore_atom_cell(void *context, struct minute minute, const struct atom_cell *cell) {
    CHECK(cell->country.code < COUNTRY_CODES && cell->atom != ATOM_ALL);
    (void)context, (void)minute;
}

static void ignore_mark(void *context, uint32_t atom, uint32_t run) {
    CHECK(atom != ATOM_ALL && run > 0);
    (void)context;
}

static enum status ignore_ranking(void *context, uint32_t filter_id, uint32_t window, struct minute minute,
                                  struct bytes ranking, struct failure *failure) {
    (void)context, (void)filter_id, (void)window, (void)minute, (void)ranking, (void)failure;
    return STATUS_OK;
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
    static const enum store_table tables[] = {STORE_META,    STORE_ADS,          STORE_PARTITION,  STORE_OPEN,
                                              STORE_BLOCK,   STORE_AMENDMENT,    STORE_ATOM_OPEN,  STORE_ATOM_BLOCK,
                                              STORE_HISTORY, STORE_HISTORY_DONE, STORE_BACKFILLED, STORE_RANKING};
    struct store_key key = {.table = tables[choice % (sizeof tables / sizeof *tables)]};
    if (key.table == STORE_META || key.table == STORE_ADS) return key;
    key.generation = GENERATION_FIRST;
    if (key.table == STORE_PARTITION || key.table == STORE_OPEN || key.table == STORE_ATOM_OPEN) return key;
    if (key.table != STORE_HISTORY_DONE && key.table != STORE_BACKFILLED) key.minute = 5;
    if (key.table == STORE_HISTORY || key.table == STORE_HISTORY_DONE) key.run = 1;
    if (key.table == STORE_RANKING) key.window = 1;
    if (key.table == STORE_ATOM_BLOCK || key.table == STORE_HISTORY || key.table == STORE_BACKFILLED) key.atom = 1;
    return key;
}

/* Cells of atoms, their history, marks and rankings. */
static void read_atoms(struct store *store) {
    static const uint32_t runs[] = {0, 1, 1};
    const struct store_history history = {runs, 3};
    const struct minute first = {0}, past = {UINT32_MAX};
    struct buffer ranking = {0};
    bool done;
    enum status open = store_load_open_atoms(store, 0, ignore_atom_cell, NULL, NULL);
    enum status all = store_visit_atoms(store, NULL, 0, &history, ATOM_ALL, first, past, ignore_atom_cell, NULL, NULL);
    enum status one = store_visit_atoms(store, NULL, 0, &history, 1, first, past, ignore_atom_cell, NULL, NULL);
    enum status ad = store_visit_atom_ad(store, NULL, 0, &history, 1, 3, first, past, ignore_atom_cell, NULL, NULL);
    enum status marks = store_load_backfilled(store, ignore_mark, NULL, NULL);
    enum status passed = store_history_partition_done(store, 1, 0, &done, NULL);
    enum status read = store_read_ranking(store, 0, 1, (struct minute){5}, &ranking, NULL);
    enum status rankings = store_visit_rankings(store, NULL, ignore_ranking, NULL, NULL);
    (void)open, (void)all, (void)one, (void)ad, (void)marks, (void)passed, (void)read, (void)rankings;
    buffer_fini(&ranking);
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
    struct store_identity identity;
    enum status peeked = store_peek(&kv, &identity, NULL);
    (void)peeked;
    if (store_open(&kv, uuid, 1, &store, NULL) == STATUS_OK) {
        struct minute first = {0}, past = {UINT32_MAX};
        enum status all = store_visit_all(store, NULL, 0, first, past, ignore_cell, NULL, NULL);
        enum status ad = store_visit_ad(store, NULL, 0, 3, first, past, ignore_cell, NULL, NULL);
        enum status ads = store_load_ads(store, ignore_ad, NULL, NULL);
        enum status open = store_load_partition(store, 0, &checkpoint, ignore_cell, NULL, NULL);
        (void)all, (void)ad, (void)ads, (void)open;
        read_atoms(store);
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
