/* segment.h (inside journal/): a segment file: its header, its footer, and reading it in large pieces. */
#pragma once

#include "journal/state.h"
#include "seam/files.h"

enum {
    SEGMENT_VERSION = 2,        /* of new segments; their footers have the same */
    SEGMENT_VERSION_MIN = 1,    /* is still read, and sealed when it was open, but nothing is appended to it */
    SEGMENT_FIXED_BYTES = 72,   /* of the header, before the state */
    SEGMENT_MARK_AT = 16,       /* the seal mark's byte, not under the header's CRC */
    SEGMENT_MARK_OPEN = 0,      /* records may be appended */
    SEGMENT_MARK_SEALED = 0x5A, /* four bits away from open: no single flip makes one of the other */
    SEGMENT_PAGE_BYTES = 4096,
    SEGMENT_HEADER_BYTES_MAX = 256 * 1024 * 1024, /* also of a footer: they hold all filter records */
    SEGMENT_GLANCE_BYTES = 64 * 1024, /* what is read first of a header: without filters all of it, 29 KB at most */
    SEGMENT_PATH_BYTES = 96,
};

/* What never changes in the life of a log. */
struct log_identity {
    uint8_t uuid[16];
    struct identity_key key;
    uint32_t canonical_version;
    uint32_t partition_count;
};
bool log_identity_equal(const struct log_identity *a, const struct log_identity *b);
/* Every CRC of a record and footer starts from this: neither another log's record nor bytes that a client planted in a click
 * can pass for a record of this log. */
uint32_t log_seed(const struct log_identity *log);

struct segment_header {
    struct log_identity log;
    uint64_t number;
    uint32_t version;
    uint32_t length;
    bool sealed;
};

/* journal/NNNNNNNNNNNNNNNNNNNN.seg and what `suffix` adds. */
void segment_path(char path[SEGMENT_PATH_BYTES], uint64_t number, const char *suffix);
/* The state is that before the segment's first record. */
void segment_header_encode(const struct log_identity *log, uint64_t number, const struct log_state *state,
                           struct buffer *out);
/* `state_bytes` views the encoded state; `filter_log`: see log_state_decode. STATUS_CORRUPT; STATUS_UNSUPPORTED for another
 * format version, naming both. */
enum status segment_header_decode(struct bytes bytes, const char *path, struct segment_header *header,
                                  struct log_state *state, struct filter_log *filter_log, struct bytes *state_bytes,
                                  struct failure *failure) MUST_USE;

/* The state is that after the segment's last record; the version is that of the segment's header. */
void segment_footer_encode(const struct log_identity *log, uint64_t number, uint32_t version, const struct log_state *state,
                           struct buffer *out);
/* Whether a right footer of the segment begins `bytes`; `length` and `state` (may be NULL) are then filled in. */
bool segment_footer_decode(struct bytes bytes, const struct segment_header *header, uint32_t *length,
                           struct log_state *state, struct filter_log *filter_log, struct bytes *state_bytes);
enum {
    FOOTER_FIXED_BYTES = 40, /* before the state */
    FOOTER_AT_LENGTH = 8,
    FOOTER_TRAILER_BYTES = 8, /* u32 length, u32 magic: how a footer is found from the end of a file */
};
bool segment_footer_length(const uint8_t trailer[FOOTER_TRAILER_BYTES], uint32_t *length);
/* Room that a footer needs at most when it tells of this state, however its watermarks move. */
uint64_t segment_footer_bytes_max(const struct log_state *state);

/* "PATH is damaged at byte AT: WHY" */
enum status segment_damaged(struct failure *failure, const char *path, uint64_t at, const char *why);

/* Reads forward. Memory: the window (1 MiB, or a header or footer that is larger), and each record in memory of its own. */
struct segment_reader {
    const struct files *files;
    struct file *file;
    char path[SEGMENT_PATH_BYTES];
    uint64_t size;
    uint64_t at;  /* where the next record begins */
    uint64_t end; /* of the records: none is read past it */
    uint32_t seed;
    uint64_t window_at;
    struct buffer window;
};
enum status segment_reader_open(struct segment_reader *reader, const struct files *files, uint64_t number,
                                struct failure *failure) MUST_USE;
void segment_reader_attach(struct segment_reader *reader, const struct files *files, struct file *file, uint64_t size);
void segment_reader_close(struct segment_reader *reader);
/* Up to `len` bytes at `at`, fewer at the end of the file; valid until the next call. */
enum status segment_reader_view(struct segment_reader *reader, uint64_t at, size_t len, struct bytes *out,
                                struct failure *failure) MUST_USE;
enum status segment_reader_header(struct segment_reader *reader, struct segment_header *header, struct log_state *state,
                                  struct filter_log *filter_log, struct bytes *state_bytes,
                                  struct failure *failure) MUST_USE;
/* Whether the file ends with a right footer, and so is sealed whatever the mark says. The mark may be lost when the log has
 * gone on already: by a sync of it that failed, and a page cache that showed it all the same to the process that came next.
 */
enum status segment_reader_ends_sealed(struct segment_reader *reader, const struct segment_header *header, bool *sealed,
                                       struct failure *failure) MUST_USE;
/* Where the footer of a sealed segment begins, which is where its records end. */
enum status segment_reader_footer_at(struct segment_reader *reader, const struct segment_header *header, uint64_t *at,
                                     struct failure *failure) MUST_USE;
/* The bytes of what may be a footer that begins at `at`: what it says is its length, or fewer. */
enum status segment_reader_footer_view(struct segment_reader *reader, uint64_t at, struct bytes *out,
                                       struct failure *failure) MUST_USE;
/* The record at `reader->at`, which moves behind it. STATUS_END at `reader->end`; STATUS_CORRUPT: `*flaw` says why (an enum
 * record_flaw), `at` stays, `failure` is not filled in: the caller knows what it means. */
enum status segment_reader_record(struct segment_reader *reader, struct journal_record **out, int *flaw,
                                  struct failure *failure) MUST_USE;

/* What stands behind the last good record of an unsealed segment, at reader->at: [from, to) is the torn tail, empty for a
 * clean end; a whole footer before it is skipped. `valid_behind` not 0: there a record that comes later, or a footer,
 * begins, so the bytes in front of it were durable once and are damaged. */
struct segment_tail {
    uint64_t from, to, valid_behind;
};
enum status segment_tail_find(struct segment_reader *reader, const struct segment_header *header, uint64_t next_record,
                              struct segment_tail *tail, struct failure *failure) MUST_USE;
