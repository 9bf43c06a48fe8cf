#include "server/stream/bring.h"

#include "base/owner.h"
#include "server/stream/stream_priv.h"

#define COMPLAIN_NS INT64_C(10000000000)
#define AGAIN_NS    INT64_C(1000000)
#define BROKEN_NS   INT64_C(100000000)
#define KNOWN_NS    INT64_C(1000000000)

void bring_init(struct bring *bring, struct stream_lane *lane)
{
    bring->lane = lane;
}

void stream_here(const struct stream *stream, struct index_here *here)
{
    index_here_begin(here, stream->state.scratch, io_now(stream_io(stream)));
}

/* ---- the worker ----------------------------------------------------------------------------- */

static void run(struct io_work *work, struct io *io)
{
    struct bring *bring = owner_of(work, struct bring, work);

    (void)io;
    for (unsigned i = 0; i < bring->count; i++)
        bring->results[i] = scratch_bring(bring->scratch, bring->slices[i]);
}

static void complain(struct bring *bring, int result)
{
    int64_t now_ns = io_now(bring->lane->io);

    if (bring->complained_ns != 0 && now_ns - bring->complained_ns < COMPLAIN_NS)
        return;
    bring->complained_ns = now_ns;
    logger_error(server_logger(jetstream_server(bring->lane->jetstream)),
                 "JetStream's index cannot be read from the disk: %s", strerror(-result));
}

static void done(struct io_work *work)
{
    struct bring *bring = owner_of(work, struct bring, work);
    int64_t now_ns = io_now(bring->lane->io);
    struct stream *stream;

    for (unsigned i = 0; i < bring->count; i++) {
        scratch_brought(bring->scratch, bring->slices[i], bring->results[i], now_ns);
        if (bring->results[i] != 0)
            complain(bring, bring->results[i]);
    }
    bring->count = 0;
    scratch_destroy(bring->scratch);
    bring->scratch = NULL;
    while ((stream = bring->waiting) != NULL) {
        bring->waiting = stream->bringing_next;
        stream->bringing = false;
        stream_mark(stream);
    }
}

static void begin(struct bring *bring, const struct index_here *here)
{
    if (bring->count > 0)
        return;
    bring->work = (struct io_work){.run = run, .done = done};
    bring->scratch = scratch_hold(here->scratch);
    bring->count = here->count;
    memcpy(bring->slices, here->away, here->count * sizeof here->away[0]);
    io_work(bring->lane->io, &bring->work);
}

/* ---- who waits ------------------------------------------------------------------------------ */

enum scratch_place stream_bring(struct stream *stream, const struct index_here *here)
{
    struct bring *bring = &stream->lane->bring;

    if (here->broken)
        return SCRATCH_BROKEN;
    if (here->count == 0)
        return SCRATCH_HERE;
    begin(bring, here);
    if (!stream->bringing) {
        stream->bringing = true;
        stream->bringing_next = bring->waiting;
        bring->waiting = stream;
    }
    return SCRATCH_AWAY;
}

void stream_here_view(void *owner, struct index_here *here)
{
    stream_here(owner, here);
}

int64_t stream_bring_view(void *owner, const struct index_here *here)
{
    switch (stream_bring(owner, here)) {
    case SCRATCH_HERE: return 0;
    case SCRATCH_AWAY: return AGAIN_NS;
    case SCRATCH_BROKEN: break;
    }
    return BROKEN_NS;
}

enum scratch_place stream_bring_next(struct stream *stream, const struct index_filter *filter,
                                     uint64_t from, struct bring_known *known)
{
    int64_t now_ns = io_now(stream_io(stream));
    struct index_here here;
    enum scratch_place place;

    if (from >= known->from && from <= known->to && now_ns - known->asked_ns < KNOWN_NS)
        return SCRATCH_HERE;
    stream_here(stream, &here);
    *known = (struct bring_known){.from = from, .asked_ns = now_ns};
    known->to = index_here_next(stream->state.index, filter, from, &here);
    place = stream_bring(stream, &here);
    if (place != SCRATCH_HERE)
        *known = (struct bring_known){0};
    return place;
}

void stream_bring_drop(struct stream *stream)
{
    struct stream **at = &stream->lane->bring.waiting;

    if (!stream->bringing)
        return;
    while (*at != stream)
        at = &(*at)->bringing_next;
    *at = stream->bringing_next;
    stream->bringing = false;
}
