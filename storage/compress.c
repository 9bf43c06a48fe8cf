#include "storage/compress.h"

#include <assert.h>
#include <zstd.h>

size_t compress_bound(size_t size)
{
    return ZSTD_compressBound(size);
}

size_t compress_piece(struct bytes in, int level, uint8_t *out, size_t room)
{
    size_t size = ZSTD_compress(out, room, in.at, in.size, level);

    assert(!ZSTD_isError(size)); /* there is room, and nothing else can fail */
    return size;
}

enum err expand_piece(struct bytes in, uint8_t *out, size_t size)
{
    size_t got = ZSTD_decompress(out, size, in.at, in.size);

    return !ZSTD_isError(got) && got == size ? OK : ERR_CORRUPT;
}
