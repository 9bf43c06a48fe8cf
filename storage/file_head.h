/*
 * file_head: what the head of each kind of file in a store begins with (docs/formats.md), little
 * endian:
 *
 *      0  u64  checksum   XXH3-64 of the rest of the head
 *      8       magic      which kind it is
 *     16  u32  version    1
 *     20  u32  features   a bit that is not known makes a file of another version
 *     24       the kind's own
 */
#ifndef STORAGE_FILE_HEAD_H
#define STORAGE_FILE_HEAD_H

#include "base/bytes.h"
#include "base/err.h"

#define FILE_HEAD_MAGIC 8u

/* A head is `size` bytes, more than 24. */

/* All of it but the checksum; the kind's own is zeros. */
void file_head_begin(uint8_t *at, size_t size, const char magic[static FILE_HEAD_MAGIC],
                     uint32_t features);
/* When the kind's own is in place. */
void file_head_seal(uint8_t *at, size_t size);

/*
 * `known` has the bits of `features` that may be set; *features are good only if it is OK.
 * ERR_CORRUPT    no such head, or a damaged one.
 * ERR_VERSION    a sound one that we do not know.
 */
enum err file_head_check(const uint8_t *at, size_t size, const char magic[static FILE_HEAD_MAGIC],
                         uint32_t known, uint32_t *features);

#endif
