/*
 * look: answers that say what the stream is and have nothing of their own in the log. A leader that
 * has been replaced, and has not heard of it, may not give them: each waits until a read that was
 * begun after it was asked for is confirmed (replica_read). While the leader's lease holds, which
 * is nearly always, that is at once; else one round of messages serves all that have come
 * meanwhile.
 *
 * Of a mirror they also wait until what had come from its origin is applied: who has been
 * acknowledged by the origin and then asks the mirror finds what is already here.
 */
#include "base/owner.h"
#include "server/stream/stream_priv.h"

uint64_t stream_look_number(struct stream *stream)
{
    stream->look.wanted = true;
    return stream->look.asked + 1;
}

bool stream_looked(const struct stream *stream, uint64_t number)
{
    return number <= stream->look.confirmed || STREAM_FLAWED(stream, LOOK_AT_ONCE);
}

static void confirm(struct stream *stream, bool ok)
{
    stream->look.busy = false;
    if (ok)
        stream->look.confirmed = stream->look.asked;
    else
        stream->look.wanted = true; /* what is not forgotten with leadership asks the next time */
}

static void done(struct replica_read *read, bool ok)
{
    struct stream *stream = owner_of(read, struct stream, look.read);

    if (ok && stream->lead && stream->state.config.mirror != NULL) {
        stream->look.aimed = false;
        stream->look.settling = true;
    } else {
        confirm(stream, ok);
    }
    stream_mark(stream);
}

/* What was proposed may never come to be: then the tail falls, and nothing is left to wait for. */
void stream_look_settle(struct stream *stream)
{
    uint64_t tail = stream_tail_index(stream);

    if (!stream->look.settling)
        return;
    if (!stream->look.aimed)
        stream->look.index = tail;
    stream->look.aimed = true;
    if (replica_applied(stream->replica) < (tail < stream->look.index ? tail : stream->look.index))
        return;
    stream->look.settling = false;
    confirm(stream, true);
}

void stream_look_follow(struct stream *stream)
{
    if (!stream->look.settling)
        return;
    stream->look.settling = false;
    confirm(stream, false);
}

void stream_look(struct stream *stream)
{
    if (!stream->lead || !stream->look.wanted || stream->look.busy)
        return;
    stream->look.wanted = false;
    stream->look.busy = true;
    stream->look.asked++;
    stream->look.read.done = done;
    replica_read(stream->replica, &stream->look.read);
}
