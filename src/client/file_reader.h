/* file_reader.h: the bytes of a file or of standard input, with gzip and zstd undone (told by content, not by name).
 *
 * One thread at a time. Memory: a read buffer, and what compress/decompress.h says for a compressed file.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

struct file_reader;

/* `name` "-" is standard input; it outlives the reader. Fails naming the file. */
enum status file_reader_open(const char *name, struct file_reader **out, struct failure *failure) MUST_USE;
void file_reader_close(struct file_reader *reader); /* NULL is fine */

/* STATUS_OK: *got > 0 bytes are in `out`. STATUS_AGAIN: nothing now, wait for file_reader_fd. STATUS_END: no more.
 * STATUS_IO_ERROR, STATUS_BAD_INPUT (damaged or cut), STATUS_FULL (a bomb): everything that was whole came before. */
enum status file_reader_read(struct file_reader *reader, uint8_t *out, size_t room, size_t *got,
                             struct failure *failure) MUST_USE;
/* Before the first read, of a regular file: the next byte read is number `offset` of the (undone) content. STATUS_END: it is
 * shorter than that. */
enum status file_reader_skip(struct file_reader *reader, uint64_t offset, struct failure *failure) MUST_USE;

const char *file_reader_name(const struct file_reader *reader); /* "standard input" for "-" */
bool file_reader_is_regular(const struct file_reader *reader);
int file_reader_fd(const struct file_reader *reader);
/* As it is on the disk, compressed or not: how far reading has come. */
uint64_t file_reader_raw_bytes(const struct file_reader *reader);
