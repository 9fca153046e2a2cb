/* fake_log.h: a real journal on a fake machine, to make records of clicks from a few lines of a test. One thread. */
#pragma once

#include "fake/fake_clock.h"
#include "fake/fake_files.h"
#include "fake/fake_random.h"
#include "journal/journal.h"

struct fake_log {
    struct fake_files *files;
    struct fake_clock clock;
    struct random_sequence random;
    struct journal *journal;
    struct columns columns[PARTITIONS_MAX]; /* the clicks of the next commit */
    struct journal_record *rules;           /* the first record */
};

/* An empty log with these rules, started. */
void fake_log_open(struct fake_log *log, const struct rules_proposal *proposal);
void fake_log_close(struct fake_log *log);
/* A click of source `default`, user `u`, ip 1.2.3.4; `event_id` may be "". Returns its partition. */
uint32_t fake_log_click(struct fake_log *log, const char *event_id, const char *ad_id, int64_t time_ms, const char *country);
/* Commits what was added; the caller has the reference. */
struct journal_record *fake_log_commit(struct fake_log *log);
