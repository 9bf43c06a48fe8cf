/* reader: reads one stored message for whoever asks, from memory when it is there. */
#include "base/heap.h"
#include "server/stream/stream_priv.h"

static bool to_message(struct bytes bytes, uint64_t sequence, struct stream_message *message)
{
    struct record record;
    struct effect effect;

    if (record_read(bytes, &record) != OK || effect_read(&record, &effect) != OK ||
        effect.type != EFFECT_MESSAGE || effect.message.sequence != sequence)
        return false;
    *message = (struct stream_message){
        .sequence = effect.message.sequence,
        .time_ns = effect.message.time_ns,
        .subject = effect.message.subject,
        .headers = effect.message.headers,
        .payload = effect.message.payload,
    };
    return true;
}

static void hand_out(struct stream_read *read, struct bytes bytes)
{
    struct stream_message message;

    read->done(read, to_message(bytes, read->sequence, &message) ? &message : NULL);
}

static void unlink_read(struct stream_read *read)
{
    struct stream_read **at;

    if (read->stream == NULL)
        return;
    for (at = &read->stream->reads; *at != read; at = &(*at)->next)
        ;
    *at = read->next;
}

static void read_done(struct io_op *op, int64_t result)
{
    struct stream_read *read =
        (struct stream_read *)((uint8_t *)op - offsetof(struct stream_read, op));
    uint8_t *memory = read->memory;
    bool whole = read->stream != NULL && result == (int64_t)read->size;

    unlink_read(read);
    if (whole)
        hand_out(read, bytes_of(memory, read->size));
    else
        read->done(read, NULL);
    heap_give(memory);
}

void stream_read(struct stream *stream, struct stream_read *read)
{
    struct log *log = replica_log(stream->replica);
    struct index_entry entry;
    uint8_t *memory;

    if (!index_get(stream->state.index, read->sequence, &entry)) {
        read->done(read, NULL);
        return;
    }
    memory = jetstream_read_buffer(stream->jetstream, entry.record_size);
    if (log_read_now(log, entry.place, memory, entry.record_size) == (int64_t)entry.record_size) {
        hand_out(read, bytes_of(memory, entry.record_size));
        return;
    }
    read->stream = stream;
    read->place = entry.place;
    read->size = entry.record_size;
    read->memory = heap_take(entry.record_size);
    read->op = (struct io_op){.done = read_done};
    read->next = stream->reads;
    stream->reads = read;
    log_read(log, &read->op, read->place, read->memory, read->size);
}
