/*
 * counter_gather: a publish to a counter needs what the counter's last message says. Mostly that is
 * known; else it is read, and publishes wait in their order meanwhile. What is published may be a
 * view of what the shard has just read, so nothing is read into the same memory.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/stream_priv.h"

struct gathering {
    struct stream_read read;
    struct stream *stream; /* not to be touched when the read says gone */
};

/* Without a message: it could not be read, so there is no number to add to. */
static void keep(struct stream *stream, uint64_t sequence, const struct stream_message *message)
{
    struct counter_known known = {0};

    if (message != NULL)
        (void)counters_read(message->headers, message->payload, &known);
    counters_trim(&stream->decider.counters, stream->state.last_seq);
    counters_keep(&stream->decider.counters, sequence, known);
}

static void done(struct stream_read *read, const struct stream_message *message)
{
    struct gathering *gathering = owner_of(read, struct gathering, read);

    if (!read->gone) {
        gathering->stream->counter_reading = false;
        keep(gathering->stream, read->sequence, message);
        stream_mark(gathering->stream);
    }
    heap_give(gathering);
}

/* False: it is not in memory. */
static bool keep_now(struct stream *stream, const struct index_entry *entry)
{
    struct stream_message message;
    struct buf memory;
    bool read;

    buf_init(&memory, SIZE_MAX);
    read = stream_read_own(stream, entry, &memory, &message);
    if (read)
        keep(stream, entry->sequence, &message);
    buf_deinit(&memory);
    return read;
}

bool stream_counter_gather(struct stream *stream)
{
    uint64_t wanted = stream->decider.counter_wanted;
    struct index_entry entry;
    struct gathering *gathering;

    if (wanted == 0 || stream->counter_reading || !index_get(stream->state.index, wanted, &entry))
        return false;
    if (keep_now(stream, &entry))
        return true;
    stream->counter_reading = true;
    gathering = HEAP_NEW(struct gathering);
    gathering->stream = stream;
    gathering->read = (struct stream_read){.sequence = wanted, .done = done};
    stream_read_later(stream, &gathering->read, &entry);
    return false;
}

void stream_counter_answer(struct stream *stream, struct bytes reply,
                           const struct decision *decision)
{
    struct outbox_item item = {.kind = OUTBOX_STORED, .sequence = decision->sequence, .to = reply};
    struct buf members;

    if (reply.size == 0 || stream->state.config.no_ack)
        return;
    buf_init(&members, SIZE_MAX);
    (void)BUF_ADD(&members, ",\"val\":\"");
    (void)buf_add(&members, decision->value);
    (void)BUF_ADD(&members, "\"");
    item.body = buf_bytes(&members);
    stream_park(stream, &item);
    buf_deinit(&members);
}
