/* compress: one piece of bytes, smaller (zstd). Pure; each call stands alone. Any thread. */
#ifndef STORAGE_COMPRESS_H
#define STORAGE_COMPRESS_H

#include "base/bytes.h"
#include "base/err.h"

/* What a piece of `size` bytes can come to at most. */
size_t compress_bound(size_t size);
#define COMPRESS_FAST 1 /* three times as fast as well */
#define COMPRESS_WELL 3
/* Into `out`, which has room for compress_bound; returns how many bytes it came to. */
size_t compress_piece(struct bytes in, int level, uint8_t *out, size_t room);
/* Exactly `size` bytes come of it. ERR_CORRUPT: they do not. */
enum err expand_piece(struct bytes in, uint8_t *out, size_t size);

#endif
