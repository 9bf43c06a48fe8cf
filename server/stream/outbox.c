#include "server/stream/outbox.h"

#define OUTBOX_KEEP (64u << 10) /* memory above this is returned when the outbox runs empty */

void outbox_init(struct outbox *outbox, size_t limit)
{
    *outbox = (struct outbox){0};
    buf_init(&outbox->bytes, limit);
}

void outbox_deinit(struct outbox *outbox)
{
    buf_deinit(&outbox->bytes);
}

void outbox_clear(struct outbox *outbox)
{
    if (outbox->bytes.capacity > OUTBOX_KEEP)
        buf_release(&outbox->bytes);
    else
        buf_clear(&outbox->bytes);
    outbox->head = 0;
    outbox->count = 0;
}

/* Moves what is left down once half of the memory is behind the head. */
static void compact(struct outbox *outbox)
{
    if (outbox->head > OUTBOX_KEEP && outbox->head > outbox->bytes.size / 2) {
        buf_consume(&outbox->bytes, outbox->head);
        outbox->head = 0;
    }
}

static uint8_t *put(uint8_t *at, struct bytes b)
{
    if (b.size > 0)
        memcpy(at, b.at, b.size);
    return at + b.size;
}

bool outbox_add(struct outbox *outbox, const struct outbox_item *item)
{
    struct outbox_head head = {
        .index = item->index,
        .look = item->look,
        .sequence = item->sequence,
        .kind = item->kind,
        .code = item->code,
        .weight = item->weight,
        .to = (uint32_t)item->to.size,
        .reply = (uint32_t)item->reply.size,
        .headers = (uint32_t)item->headers.size,
        .body = (uint32_t)item->body.size,
    };
    size_t size = outbox_head_size(&head);
    uint8_t *at;

    compact(outbox);
    at = buf_reserve(&outbox->bytes, size);
    if (at == NULL)
        return false;
    memcpy(at, &head, sizeof head);
    at = put(at + sizeof head, item->to);
    at = put(at, item->reply);
    at = put(at, item->headers);
    (void)put(at, item->body);
    buf_commit(&outbox->bytes, size);
    outbox->count++;
    return true;
}
