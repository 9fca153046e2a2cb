/* small_log.h: a log of a few records whose places in the file are known, to be damaged. */
#pragma once

#include "journal_fixture.h"

/* A small log in one unsealed segment: rules and a few commits; `ends[i]` is where record i ends in the file. */
struct small_log {
    struct fixture *fixture;
    uint64_t ends[16];
    uint64_t begin; /* of the first record */
};

static UNUSED_OK uint64_t header_length(const struct fake_files *fake, const char *path) {
    return get_u32(fake_files_content(fake, path).at + 12);
}

static UNUSED_OK struct small_log small_log(size_t commits, uint32_t clicks) {
    struct small_log log = {.fixture = fixture_new()};
    log.fixture->options.segment_bytes = 4096;
    assert_int_equal(fixture_up(log.fixture), STATUS_OK);
    for (size_t i = 0; i < commits; i++) assert_int_equal(fixture_clicks(log.fixture, clicks), STATUS_OK);
    uint64_t at = log.begin = header_length(log.fixture->fake, SEGMENT_1);
    for (size_t i = 0; i < log.fixture->acknowledged.count; i++)
        log.ends[i] = at += log.fixture->acknowledged.at[i]->bytes.len;
    return log;
}

static UNUSED_OK size_t whole_records_before(const struct small_log *log, uint64_t at) {
    size_t count = 0;
    while (count < log->fixture->acknowledged.count && log->ends[count] <= at) count++;
    return count;
}

static UNUSED_OK void assert_names_the_place(const struct failure *failure, const char *path) {
    assert_non_null(strstr(failure->text, path));
    assert_non_null(strstr(failure->text, "byte"));
}
