/*
 * await_acks: a batch of nothing but what consumers say waits for acks that are on their way.
 *
 * A client that may owe so many acks and no more gets half of them with each batch: while the one
 * half is written it acknowledges the other, so each sync carries half of what it could. When the
 * acks of what has just left come back sooner than a sync takes, it is faster to wait for them: one
 * sync carries all. Whether they do is seen by trying: a wait that ends without them is followed by
 * more and more batches that wait for nothing.
 *
 * Nothing waits that somebody waits for: a publish, an operation, the answer to an ack, an info.
 */
#include "base/owner.h"
#include "server/stream/stream_priv.h"

#define AWAIT_MAX_NS INT64_C(10000000)
#define SKIP_MAX     64u

static void due(struct timer *timer)
{
    stream_mark(owner_of(timer, struct stream, await.due));
}

void stream_await_init(struct stream *stream)
{
    stream->await.due.fire = due;
}

void stream_await_end(struct stream *stream)
{
    timers_cancel(io_timers(stream_io(stream)), &stream->await.due);
    stream->await.until_ns = 0;
}

static bool somebody_waits(const struct stream *stream)
{
    return stream->gathered > stream->await.gathered || stream->parked.count > 0 ||
           stream->waiting_first != NULL || stream->ops_waiting.count > 0 ||
           stream->ops_flying.count > 0 || stream->glances_new.first != NULL ||
           stream->glances_aimed.first != NULL || stream->snapshot != NULL || !stream_room(stream);
}

/* One of those that would hand something out now, but could hand out more. */
static bool short_of_acks(const struct stream *stream)
{
    const struct consumer_shell *shell = stream->consumer_planning;

    for (; shell != NULL; shell = shell->planning_next)
        if (consumer_short_of_acks(shell->consumer))
            return true;
    return false;
}

static void begin(struct stream *stream)
{
    int64_t span = stream->await.commit_ns / 4 * 3;

    stream->await.until_ns =
        io_now(stream_io(stream)) + (span < AWAIT_MAX_NS ? span : AWAIT_MAX_NS);
    timers_arm(io_timers(stream_io(stream)), &stream->await.due, stream->await.until_ns);
}

/* It was for nothing: the next ones do not wait, and twice as many after the next time. */
static void give_up(struct stream *stream)
{
    unsigned skip = stream->await.skip_next;

    stream_await_end(stream);
    stream->await.skip = skip;
    stream->await.skip_next = skip < SKIP_MAX / 2 ? 2 * skip + 1 : SKIP_MAX;
}

bool stream_awaits_acks(struct stream *stream)
{
    bool waits = stream->await.until_ns != 0;

    if (somebody_waits(stream) || !short_of_acks(stream)) {
        if (waits && !somebody_waits(stream))
            stream->await.skip_next = 0;
        stream_await_end(stream);
        return false;
    }
    if (waits && io_now(stream_io(stream)) >= stream->await.until_ns) {
        give_up(stream);
        return false;
    }
    if (!waits && stream->await.skip > 0) {
        stream->await.skip--;
        return false;
    }
    if (!waits)
        begin(stream);
    return true;
}
