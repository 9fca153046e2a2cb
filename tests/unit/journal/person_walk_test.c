#include "journal/person_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fake/fake_log.h"

enum { CLICKS = 500 };

static const struct rules_proposal one_partition = {.has_partitions = true, .partition_count = 1};

/* Every kind of address, users of all lengths, and texts behind them. */
static void add_click(struct fake_log *log) {
    uint8_t user[ID_BYTES_MAX];
    memset(user, 'a' + (int)random_sequence_below(&log->random, 26), sizeof user);
    struct click click = {.source = BYTES_LITERAL("default"),
                          .ad_id = BYTES_LITERAL("ad"),
                          .user_id = {user, 1 + random_sequence_below(&log->random, sizeof user)},
                          .time_form = TIME_MS_NUMBER,
                          .country_form = COUNTRY_ALPHA3,
                          .ip_form = random_sequence_below(&log->random, 2) == 0 ? IP_VERBATIM : IP_CANONICAL,
                          .ip_text = BYTES_LITERAL("any text"),
                          .time = {(int64_t)random_sequence_below(&log->random, 1000)}};
    static const uint8_t kinds[] = {IP_V4, IP_V6, IP_V4_MASKED};
    click.ip.kind = kinds[random_sequence_below(&log->random, 3)];
    if (click.ip.kind == IP_V4_MASKED) click.ip.mask = 8;
    for (size_t i = 0; i < (click.ip.kind == IP_V6 ? 16U : 3U); i++)
        click.ip.bytes[i] = (uint8_t)random_sequence_next(&log->random);
    click_identify(&click, journal_identity_key(log->journal));
    columns_append(&log->columns[0], &click);
}

static void it_sees_the_users_and_addresses_that_the_cursor_sees(void **state) {
    (void)state;
    struct fake_log log;
    fake_log_open(&log, &one_partition);
    for (size_t i = 0; i < CLICKS; i++) add_click(&log);
    struct journal_record *record = fake_log_commit(&log);
    const struct click_block *block = &record->sub_blocks[0].clicks;
    struct click_cursor cursor = click_cursor_of(block);
    struct person_walk walk = person_walk_of(block);
    struct click click;
    size_t seen = 0;
    for (; click_cursor_next(&cursor, &click); seen++, person_walk_step(&walk)) {
        struct ip ip = person_walk_ip(&walk);
        assert_memory_equal(&ip, &click.ip, sizeof ip);
        assert_true(bytes_equal(person_walk_user(&walk), click.user_id));
    }
    assert_int_equal(seen, CLICKS);
    journal_record_release(record);
    fake_log_close(&log);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_sees_the_users_and_addresses_that_the_cursor_sees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
