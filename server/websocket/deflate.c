#include "server/websocket/deflate.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/heap.h"

#define RAW_WINDOW (-15) /* 32 KiB, without zlib's own head */
#define MEMORY     8     /* zlib's default */
#define PIECE      (16u << 10)
#define TAIL_SIZE  4u /* 00 00 ff ff: at the end of every message, and never sent (RFC 7692 7.2) */

static const uint8_t tail[TAIL_SIZE] = {0, 0, 0xff, 0xff};

struct deflater {
    z_stream stream;
};

struct inflater {
    z_stream stream;
    size_t left;
    bool ended; /* the peer has marked a block as its last; what follows is for nobody */
};

/* ---- out ------------------------------------------------------------------------------------ */

struct deflater *deflater_create(void)
{
    struct deflater *deflater = HEAP_NEW(struct deflater);

    /* It fails only for want of memory, which ends the process as everywhere. */
    if (deflateInit2(&deflater->stream, Z_BEST_SPEED, Z_DEFLATED, RAW_WINDOW, MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    return deflater;
}

void deflater_destroy(struct deflater *deflater)
{
    if (deflater == NULL)
        return;
    (void)deflateEnd(&deflater->stream);
    heap_give(deflater);
}

void deflater_write(struct deflater *deflater, struct bytes message, struct buf *out)
{
    z_stream *stream = &deflater->stream;
    size_t before = out->size;

    (void)deflateReset(stream);
    stream->next_in = (uint8_t *)message.at; /* zlib reads it only */
    stream->avail_in = (uInt)message.size;
    do {
        uint8_t piece[PIECE];

        stream->next_out = piece;
        stream->avail_out = sizeof piece;
        (void)deflate(stream, Z_SYNC_FLUSH);
        (void)buf_add(out, bytes_of(piece, sizeof piece - stream->avail_out));
    } while (stream->avail_out == 0);
    assert(out->size - before > TAIL_SIZE &&
           memcmp(out->at + out->size - TAIL_SIZE, tail, TAIL_SIZE) == 0);
    out->size -= TAIL_SIZE;
}

/* ---- in ------------------------------------------------------------------------------------- */

struct inflater *inflater_create(size_t message_max)
{
    struct inflater *inflater = HEAP_NEW(struct inflater);

    inflater->left = message_max;
    if (inflateInit2(&inflater->stream, RAW_WINDOW) != Z_OK)
        abort();
    return inflater;
}

void inflater_destroy(struct inflater *inflater)
{
    if (inflater == NULL)
        return;
    (void)inflateEnd(&inflater->stream);
    heap_give(inflater);
}

bool inflater_feed(struct inflater *inflater, struct bytes b, inflated_fn *payload, void *context)
{
    z_stream *stream = &inflater->stream;

    stream->next_in = (uint8_t *)b.at;
    stream->avail_in = (uInt)b.size;
    while (!inflater->ended) {
        uint8_t piece[PIECE];
        size_t size;
        int said;

        stream->next_out = piece;
        stream->avail_out = sizeof piece;
        said = inflate(stream, Z_SYNC_FLUSH);
        if (said != Z_OK && said != Z_STREAM_END && said != Z_BUF_ERROR)
            return false;
        size = sizeof piece - stream->avail_out;
        if (size > inflater->left)
            return false;
        inflater->left -= size;
        inflater->ended = said == Z_STREAM_END;
        if (size > 0)
            payload(context, bytes_of(piece, size));
        if (stream->avail_out > 0)
            break; /* everything was read and told */
    }
    return true;
}

bool inflater_end(struct inflater *inflater, inflated_fn *payload, void *context)
{
    return inflater_feed(inflater, bytes_of(tail, TAIL_SIZE), payload, context);
}
