/*
 * outbox: what a stream owes to others, in order: answers parked until a position of the log is
 * applied, and things that may leave at once. Packed bytes, first in, first out; one allocation
 * serves thousands of entries.
 */
#ifndef SERVER_STREAM_OUTBOX_H
#define SERVER_STREAM_OUTBOX_H

#include "base/buf.h"

enum outbox_kind {
    OUTBOX_STORED,    /* publish ack with `sequence`; body: more members of it, or empty */
    OUTBOX_DUPLICATE, /* publish ack, duplicate of `sequence` */
    OUTBOX_ERROR,     /* publish error `code`, body: its text */
    OUTBOX_MESSAGE,   /* `body` as payload, `headers` before it */
};

struct outbox_item {
    uint64_t index; /* leaves when this is applied; 0: at once. Of a delivery: its log_place, if
                     * `look` is not 0, else the time of its hand-out */
    uint64_t look;  /* and the read of that number is confirmed (look.c); 0: none. Of a delivery:
                     * the size of its record, if its place is kept */
    uint64_t sequence;
    uint16_t kind;
    uint16_t code;
    uint32_t weight; /* of a delivery: so many bytes of its message leave with it */
    struct bytes to, reply, headers, body; /* views into the outbox until it changes */
};

struct outbox {
    struct buf bytes;
    size_t head; /* of the first item not yet taken */
    uint64_t count;
};

void outbox_init(struct outbox *outbox, size_t limit);
void outbox_deinit(struct outbox *outbox);
/* False at the limit: the producer must be held back. */
bool outbox_add(struct outbox *outbox, const struct outbox_item *item);
void outbox_clear(struct outbox *outbox);

/* ---- looking and taking: once or more for each delivery ------------------------------------- */

/* How an item stands in memory, before its bytes. */
struct outbox_head {
    uint64_t index, look, sequence;
    uint16_t kind, code;
    uint32_t to, reply, headers, body; /* sizes */
    uint32_t weight;
};

static inline size_t outbox_head_size(const struct outbox_head *head)
{
    size_t bytes = (size_t)head->to + head->reply + head->headers + head->body;

    return sizeof *head + ((bytes + 7) & ~(size_t)7);
}

/* The first item, or false when empty. */
static inline bool outbox_peek(const struct outbox *outbox, struct outbox_item *item)
{
    struct outbox_head head;
    const uint8_t *at;

    if (outbox->count == 0)
        return false;
    memcpy(&head, outbox->bytes.at + outbox->head, sizeof head);
    at = outbox->bytes.at + outbox->head + sizeof head;
    *item = (struct outbox_item){
        .index = head.index,
        .look = head.look,
        .sequence = head.sequence,
        .kind = head.kind,
        .code = head.code,
        .weight = head.weight,
        .to = bytes_of(at, head.to),
        .reply = bytes_of(at + head.to, head.reply),
        .headers = bytes_of(at + head.to + head.reply, head.headers),
        .body = bytes_of(at + head.to + head.reply + head.headers, head.body),
    };
    return true;
}

/* Passes over the first item, which is there, without giving memory back: for cursors that run
 * ahead in a copy. */
static inline void outbox_skip(struct outbox *outbox)
{
    struct outbox_head head;

    assert(outbox->count > 0);
    memcpy(&head, outbox->bytes.at + outbox->head, sizeof head);
    outbox->head += outbox_head_size(&head);
    outbox->count--;
}

static inline void outbox_pop(struct outbox *outbox)
{
    outbox_skip(outbox);
    if (outbox->count == 0)
        outbox_clear(outbox);
}

#endif
