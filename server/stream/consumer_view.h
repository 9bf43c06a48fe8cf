/*
 * consumer_view: what a consumer's machine may ask of its stream (consumers/consumer.h): the
 * applied state and, while `tail` is set, behind it what is gathered for the next proposal. A
 * hand-out that is planned then goes in the batch of its messages, or with them nowhere. Pure.
 */
#ifndef SERVER_STREAM_CONSUMER_VIEW_H
#define SERVER_STREAM_CONSUMER_VIEW_H

#include "consumers/consumer.h"
#include "server/stream/overlay.h"
#include "server/stream/stream_state.h"

struct index_here;

struct consumer_view {
    const struct stream_state *state;
    /* Brings into memory what is away: 0 when nothing is, else when to ask again. NULL: nobody
     * does. */
    int64_t (*bring)(void *owner, const struct index_here *here);
    /* Somebody waits for what is lost here. NULL: nobody wants to know. */
    void (*wanted)(void *owner, uint64_t sequence);
    void (*here)(void *owner, struct index_here *here); /* to ask with; as `bring` */
    void *owner;
    const struct overlay *overlay;
    uint64_t count_part; /* subjects or messages that are counted at a time; 0: all */
    /* `next` and `get` go on behind the applied state. To be set only when everything in the
     * overlay is in the batch that leaves next: what is in flight may be refused by itself. */
    bool tail;
};

/* The questions, to be asked of `view`, which outlives them. */
struct consumer_stream consumer_view_stream(struct consumer_view *view, struct bytes name,
                                            uint32_t message_max);
/* The message as its consumers see it; its subject is the entry's. */
struct consumer_message consumer_view_message(const struct consumer_view *view,
                                              const struct index_entry *entry);

#endif
