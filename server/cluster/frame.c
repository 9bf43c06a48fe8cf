#include "server/cluster/frame.h"

#include "base/codec.h"

#define SUM_SIZE 4u

static uint32_t checksum(const uint8_t *frame, size_t body_size)
{
    return (uint32_t)bytes_hash(bytes_of(frame + SUM_SIZE, FRAME_HEAD - SUM_SIZE + body_size), 0);
}

enum frame_verdict frame_read(struct bytes in, size_t body_max, struct frame *frame, size_t *used)
{
    struct decoder head;
    uint32_t sum, size, kinds;

    *used = FRAME_HEAD;
    if (in.size < FRAME_HEAD)
        return FRAME_MORE;
    decoder_init(&head, in);
    sum = decode_u32(&head);
    size = decode_u32(&head);
    kinds = decode_u32(&head);
    if (size > body_max || kinds >> 16 != FRAME_VERSION)
        return FRAME_BAD;
    *used = FRAME_HEAD + (size_t)size;
    if (in.size < *used)
        return FRAME_MORE;
    if (checksum(in.at, size) != sum)
        return FRAME_BAD;

    frame->kind = (uint8_t)kinds;
    frame->class = (uint8_t)(kinds >> 8);
    frame->body = bytes_of(in.at + FRAME_HEAD, size);
    return FRAME_WHOLE;
}

bool frame_add(struct buf *out, uint8_t kind, uint8_t class, const struct bytes *pieces,
               size_t count)
{
    size_t size = 0;
    uint8_t *head, *at;

    for (size_t i = 0; i < count; i++)
        size += pieces[i].size;
    assert(size <= FRAME_BODY_MAX);
    head = buf_reserve(out, FRAME_HEAD + size);
    if (head == NULL)
        return false;
    at = encode_u32(head + SUM_SIZE, (uint32_t)size);
    at = encode_u32(at, (uint32_t)(kind | class << 8 | FRAME_VERSION << 16));
    for (size_t i = 0; i < count; i++)
        at = encode_bytes(at, pieces[i]);
    assert(at == head + FRAME_HEAD + size);
    (void)encode_u32(head, checksum(head, size));
    buf_commit(out, FRAME_HEAD + size);
    return true;
}
