/* bench_answers.h: questions about random ranges of the last 25 hours, of all clicks or by a filter, and whether their
 * answers are what was made. */
#pragma once

#include "base/random_sequence.h"
#include "cli/bench_made.h"
#include "client/http_client.h"

/* A range of whole minutes [from, to) since 1970. */
struct span {
    int64_t from, to;
};

/* 1 minute to 24 hours, in minutes. */
int64_t answers_window(struct random_sequence *sequence);
/* So long, somewhere within the 25 hours up to now, which a server promises to answer fast. */
struct span answers_span(struct random_sequence *sequence, int64_t minutes);
void answers_count_path(struct buffer *path, uint32_t ad, struct span span);
/* `count` 0: as many ads as the server gives by itself. */
void answers_ranking_path(struct buffer *path, struct span span, unsigned count);

/* Appended to either path; 0 is all clicks and appends nothing. */
void answers_filter(struct buffer *path, uint32_t filter_id);

/* What a server must answer for the ads 1..`ads` of a workload, of which `made` knows the counts. */
struct answers_expected {
    const void *made;
    uint64_t (*count)(const void *made, uint32_t ad, int64_t from_minute, int64_t to_minute);
    uint32_t ads;
    uint32_t filter_id; /* 0: of all clicks */
};
/* Of all clicks, as made_note has counted them. */
struct answers_expected answers_of_made(const struct made *made);

/* A random ad's count of the span = the sum of its series = what was made. STATUS_CORRUPT: it is not. */
enum status answers_check_count(struct http_client *client, const struct answers_expected *expected, struct span span,
                                struct random_sequence *sequence, struct failure *failure) MUST_USE;
/* The first of the span's ranking have the counts that were made, in descending order. */
enum status answers_check_ranking(struct http_client *client, const struct answers_expected *expected, struct span span,
                                  struct failure *failure) MUST_USE;
