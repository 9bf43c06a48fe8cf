#include "server/monitor/content_encoding.h"

#include <stdlib.h>
#include <zlib.h>

#include "server/backup/s2.h"

#define GZIP_WINDOW (15 + 16) /* 32 KiB, with the head and end of gzip */
#define MEMORY      8         /* zlib's default */

static bool names(struct bytes accept, struct bytes word)
{
    for (; accept.size >= word.size; accept = bytes_skip(accept, 1))
        if (bytes_equal_nocase(bytes_take(accept, word.size), word))
            return true;
    return false;
}

enum content_encoding content_encoding_asked(struct bytes accept)
{
    if (accept.size == 0)
        return CONTENT_PLAIN;
    if (names(accept, BYTES("snappy")) || names(accept, BYTES("s2")))
        return CONTENT_SNAPPY;
    return names(accept, BYTES("gzip")) ? CONTENT_GZIP : CONTENT_IDENTITY;
}

struct bytes content_encoding_headers(enum content_encoding encoding)
{
    switch (encoding) {
    case CONTENT_PLAIN: break;
    case CONTENT_IDENTITY: return BYTES("NATS/1.0\r\nContent-Encoding: identity\r\n\r\n");
    case CONTENT_GZIP: return BYTES("NATS/1.0\r\nContent-Encoding: gzip\r\n\r\n");
    case CONTENT_SNAPPY: return BYTES("NATS/1.0\r\nContent-Encoding: snappy\r\n\r\n");
    }
    return bytes_of(NULL, 0);
}

static bool add_gzip(struct bytes content, struct buf *out)
{
    z_stream stream = {.next_in = (uint8_t *)content.at, .avail_in = (uInt)content.size};
    size_t most;

    assert(content.size <= UINT32_MAX);
    /* It fails only for want of memory, which ends the process as everywhere. */
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        abort();
    most = deflateBound(&stream, content.size);
    stream.next_out = buf_reserve(out, most);
    if (stream.next_out != NULL) {
        int result;

        stream.avail_out = (uInt)most;
        result = deflate(&stream, Z_FINISH);
        assert(result == Z_STREAM_END); /* there is room for the worst */
        (void)result;
        buf_commit(out, stream.total_out);
    }
    (void)deflateEnd(&stream);
    return stream.next_out != NULL;
}

static bool add_snappy(struct bytes content, struct buf *out)
{
    static const uint8_t identifier[] = {0xff, 6, 0, 0, 's', 'N', 'a', 'P', 'p', 'Y'};

    return buf_add(out, bytes_of(identifier, sizeof identifier)) && s2_add(out, content);
}

bool content_encode(enum content_encoding encoding, struct bytes content, struct buf *out)
{
    switch (encoding) {
    case CONTENT_GZIP: return add_gzip(content, out);
    case CONTENT_SNAPPY: return add_snappy(content, out);
    case CONTENT_PLAIN:
    case CONTENT_IDENTITY: break;
    }
    return buf_add(out, content);
}
