/*
 * file_end: where a segment ends whose last batches were cut, found in its bytes: behind the batch
 * that is the last to count. In memory nobody knows where each batch stands (storage/places.h).
 */
#ifndef STORAGE_FILE_END_H
#define STORAGE_FILE_END_H

#include "base/io.h"

/*
 * Walks from batch to batch, from `from` on, where one stands that is not behind `last`, or all of
 * the file begins; `last` 0: nothing in it counts. *end: behind the last one that counts.
 * Blocking.
 * ERR_CORRUPT   a batch before it cannot be read: nobody knows.   ERR_IO.
 */
enum err file_end_find(struct io *io, struct io_file *file, uint64_t file_id, uint64_t from,
                       uint64_t last, uint64_t *end);

#endif
