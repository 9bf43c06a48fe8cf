/*
 * look_again: consumers stand before a message that this disk has lost (consumers/consumer.h). It
 * is read again now and then, ever more rarely: what could not be read may have been the disk's
 * bad moment, and the background check comes by only once in a long while.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/stream_priv.h"

#define AGAIN_LEAST_NS INT64_C(1000000000)
#define AGAIN_MOST_NS  INT64_C(60000000000)

struct look_again {
    struct stream *stream;
    struct stream_read read;
};

static void read_done(struct stream_read *read, const struct stream_message *message)
{
    struct look_again *look = owner_of(read, struct look_again, read);
    struct stream *stream = look->stream;
    struct index_entry entry;

    if (!read->gone) {
        stream->look_again.under_way = false;
        if (message != NULL && index_get(stream->state.index, read->sequence, &entry))
            stream_sound(stream, &entry);
    }
    heap_give(look);
}

/* Of another message it begins anew, but never more often than that: two may be wanted in turn. */
static bool is_due(struct stream *stream, uint64_t sequence)
{
    int64_t now_ns = io_now(stream_io(stream));
    int64_t wait_ns = stream->look_again.wait_ns;
    int64_t looked_ns = stream->look_again.due_ns - wait_ns;

    if (stream->look_again.under_way || stream->closing)
        return false;
    if (stream->look_again.sequence == sequence && now_ns < stream->look_again.due_ns)
        return false;
    if (stream->look_again.sequence != 0 && now_ns - looked_ns < AGAIN_LEAST_NS)
        return false;
    if (stream->look_again.sequence != sequence)
        wait_ns = 0;
    wait_ns = wait_ns == 0 ? AGAIN_LEAST_NS : 2 * wait_ns;
    stream->look_again.sequence = sequence;
    stream->look_again.wait_ns = wait_ns < AGAIN_MOST_NS ? wait_ns : AGAIN_MOST_NS;
    stream->look_again.due_ns = now_ns + stream->look_again.wait_ns;
    return true;
}

void stream_lost_wanted(void *owner, uint64_t sequence)
{
    struct stream *stream = owner;
    struct index_entry entry;
    struct look_again *look;

    if (!index_get(stream->state.index, sequence, &entry) || entry.place >> 32 == LOG_FILE_NONE ||
        !is_due(stream, sequence))
        return;
    look = HEAP_NEW(struct look_again);
    look->stream = stream;
    look->read = (struct stream_read){.sequence = sequence, .done = read_done};
    stream->look_again.under_way = true;
    stream_read_later(stream, &look->read, &entry);
}
