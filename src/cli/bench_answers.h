/* bench_answers.h: questions about random ranges of the last 25 hours, and whether their answers are what was made. */
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

/* A random ad's count of a random span = the sum of its series = what was made. STATUS_CORRUPT: it is not. */
enum status answers_check_count(struct http_client *client, const struct made *made, struct random_sequence *sequence,
                                struct failure *failure) MUST_USE;
/* The first of a random ranking have the counts that were made, in descending order. */
enum status answers_check_ranking(struct http_client *client, const struct made *made, struct random_sequence *sequence,
                                  struct failure *failure) MUST_USE;
