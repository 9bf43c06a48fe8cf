/*
 * unheard: what is asked of a stream that leads no more before home has heard so. On another shard
 * than home it goes on listening until home listens for the next leader instead
 * (jetstream_remote.c): so at any time there is somebody. What comes meanwhile is kept, and goes to
 * that leader; if this one leads again first, it takes it itself. What is published waits with what
 * was published before (ingest.c).
 */
#include "server/stream/stream_priv.h"

bool stream_unheard(const struct stream *stream)
{
    return stream->admitted && !stream->lead;
}

bool stream_unheard_keep(struct stream *stream, unsigned taker, const struct message *message)
{
    struct outbox_item item = {
        .kind = OUTBOX_MESSAGE,
        .code = (uint16_t)taker,
        .to = message_sent_to(message),
        .reply = message->reply,
        .headers = message->headers,
        .body = message->payload,
    };

    if (!stream_unheard(stream))
        return false;
    (void)outbox_add(&stream->unheard, &item); /* what does not fit is a time-out for its sender */
    return true;
}

static struct message message_of(const struct outbox_item *item)
{
    return (struct message){
        .subject = item->to, .reply = item->reply, .headers = item->headers, .payload = item->body};
}

void stream_unheard_lead(struct stream *stream)
{
    struct outbox_item item;

    assert(stream->lead);
    while (outbox_peek(&stream->unheard, &item)) {
        struct message message = message_of(&item);

        if (item.code == UNHEARD_DIRECT)
            stream_direct_collect(stream, &message);
        else
            consumer_inbox_take(stream, item.code, &message);
        outbox_pop(&stream->unheard);
    }
}

void stream_unheard_follow(struct stream *stream)
{
    struct outbox_item item;

    assert(!stream_unheard(stream));
    while (outbox_peek(&stream->unheard, &item)) {
        struct message message = message_of(&item);

        (void)jetstream_forward(stream->jetstream, stream->account, stream->id, &message);
        outbox_pop(&stream->unheard);
    }
}
