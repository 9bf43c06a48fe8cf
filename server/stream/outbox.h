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
    uint64_t index; /* leaves when this is applied; 0: at once */
    uint64_t look;  /* and the read of that number is confirmed (look.c); 0: none */
    uint64_t sequence;
    uint16_t kind;
    uint16_t code;
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
/* The first item, or false when empty. */
bool outbox_peek(const struct outbox *outbox, struct outbox_item *item);
void outbox_pop(struct outbox *outbox);
/* What an item takes inside: for cursors that run ahead of the head. */
size_t outbox_item_size(const struct outbox_item *item);
void outbox_clear(struct outbox *outbox);

#endif
