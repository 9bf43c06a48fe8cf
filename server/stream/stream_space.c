/*
 * stream_space: gives back what the dead of a stream take that does not grow any more. A log that
 * grows gives space back with its state blocks (stream_move.c); from one that messages only leave,
 * as a queue that is worked off, nothing would go. So when some have left and it gets quiet, what
 * lives in files with dead in them is moved, and the leader has state blocks made until those files
 * go.
 *
 * What is written for it has a bound: as many bytes as have left since the last time; more only for
 * a stream in which nothing happens, and then no more often than a tenth of it has left.
 */
#include "base/owner.h"
#include "server/options.h"
#include "server/stream/stream_priv.h"

#define LOOK_NS      INT64_C(2000000000)
#define STILL_LOOKS  5u  /* without any change: nobody waits for its disk */
#define TRIES_MAX    8u  /* looks that find no less dead than before */
#define PART         10u /* dead that part of what lives is not worth it */
#define BLOCKS       4u  /* are written to let files go; each of them must be worth it */
#define RATE         (UINT64_C(32) << 20) /* bytes a second that all streams move */
#define LEAST_PART   16u /* of the bytes between two blocks: less dead is not worth it */
#define LEAST_BLOCKS (UINT64_C(64) << 20) /* these bytes, unless a simulation says otherwise */
#define SECOND_NS    UINT64_C(1000000000)

struct measured {
    uint64_t live, dead; /* bytes on the disk */
    uint64_t movable;    /* of the first: in files that would be moved */
};

static const struct options *options_of(const struct stream *stream)
{
    return server_options(jetstream_server(stream->jetstream));
}

static int64_t look_ns(const struct stream *stream)
{
    int64_t ns = options_of(stream)->sim.space_look_ns;

    return ns != 0 ? ns : LOOK_NS;
}

uint64_t stream_space_least(const struct stream *stream)
{
    uint64_t bytes = options_of(stream)->sim.block_bytes;

    return (bytes != 0 ? bytes : LEAST_BLOCKS) / LEAST_PART;
}

static void look_again(struct stream *stream)
{
    struct io *io = stream_io(stream);

    timers_arm(io_timers(io), &stream->blocks.space.timer, io_now(io) + look_ns(stream));
}

void stream_space_removed(struct stream *stream, uint64_t bytes)
{
    struct stream_space *space = &stream->blocks.space;

    if (stream->replica == NULL || log_in_memory(replica_log(stream->replica)))
        return; /* a start: stream_space_open */
    space->removed += bytes;
    space->lately += bytes;
    if (!timer_armed(&space->timer))
        look_again(stream);
}

int64_t stream_space_slot(struct stream *stream, uint64_t bytes)
{
    int64_t now = io_now(stream_io(stream)), *next = stream_lane_space_next(stream->lane);
    int64_t at = *next > now ? *next : now;

    *next = at + (int64_t)(bytes * SECOND_NS / RATE);
    return *next;
}

/* ---- how much ------------------------------------------------------------------------------- */

/* Of a packed file as much lives as of what it was. */
static uint64_t living(struct stream *stream, const struct log_file_info *info)
{
    const struct stream_file *file = stream_block_file(stream, info->ordinal);
    uint64_t live = info->raw > info->used ? info->used * file->bytes / info->raw : file->bytes;

    return live < info->used ? live : info->used;
}

static void measure_file(struct stream *stream, const struct log_file_info *info,
                         struct measured *measured)
{
    uint64_t live = living(stream, info);

    measured->live += live;
    measured->dead += info->used - live;
    if (live < info->used / PART * (PART - 1))
        measured->movable += live;
}

static struct measured measure(struct stream *stream)
{
    struct log *log = replica_log(stream->replica);
    struct measured measured = {0};
    struct log_file_info info;

    for (uint32_t i = 0; log_file_next(log, i, &info); i = info.ordinal + 1)
        measure_file(stream, &info, &measured);
    for (uint32_t i = LOG_KEEP_FIRST; log_keep_next(log, i, &info); i = info.ordinal + 1)
        measure_file(stream, &info, &measured);
    return measured;
}

static bool much(const struct stream *stream, uint64_t bytes, const struct measured *measured)
{
    return bytes > stream_space_least(stream) && bytes > measured->live / PART &&
           bytes > BLOCKS * replica_block_size(stream->replica);
}

/* ---- when ----------------------------------------------------------------------------------- */

/* Is it worth what is written for it? Among the dead there may be some that never were messages:
 * what has left decides. */
static bool pays(const struct stream *stream, const struct measured *measured)
{
    const struct stream_space *space = &stream->blocks.space;

    return much(stream, space->removed, measured) && much(stream, measured->dead, measured) &&
           (space->removed >= measured->movable || space->still >= STILL_LOOKS);
}

/* Tries are counted against the least dead there was. What leaves meanwhile makes more of them, and
 * less may never come again: as soon as that much has left, the count begins anew. */
static void begin(struct stream_space *space, const struct measured *measured)
{
    space->all = true;
    space->removed = 0;
    space->tries = 0;
    space->dead = measured->dead;
}

static void note_progress(struct stream *stream, const struct measured *measured)
{
    struct stream_space *space = &stream->blocks.space;

    if (measured->dead + stream_space_least(stream) < space->dead) {
        space->dead = measured->dead;
        space->tries = 0;
    }
}

static bool at_end(const struct stream *stream, const struct measured *measured)
{
    const struct stream_space *space = &stream->blocks.space;

    return space->all && (!much(stream, measured->dead, measured) || space->tries >= TRIES_MAX);
}

static bool busy(const struct stream *stream)
{
    const struct stream_blocks *blocks = &stream->blocks;

    return blocks->capture != NULL || blocks->move != NULL || blocks->fill != NULL;
}

/* Moves what can be; else a block lets files go, or makes them such that can be moved. */
static void give_back(struct stream *stream)
{
    stream->blocks.space.tries++;
    stream_move_begin(stream);
    if (stream->blocks.move == NULL)
        replica_block_soon(stream->replica);
}

static void count_still(struct stream *stream)
{
    struct stream_space *space = &stream->blocks.space;
    uint64_t applied = replica_applied(stream->replica);

    space->still = applied == space->applied && space->lately == 0 ? space->still + 1 : 0;
    space->applied = applied;
}

void stream_space_look(struct timer *timer)
{
    struct stream *stream = owner_of(timer, struct stream, blocks.space.timer);
    struct stream_space *space = &stream->blocks.space;
    struct measured measured = measure(stream);
    bool leaving = space->lately > measured.dead / LEAST_PART; /* many: their time comes */

    count_still(stream);
    space->lately = 0;
    if (!leaving && pays(stream, &measured))
        begin(space, &measured);
    note_progress(stream, &measured);
    if (at_end(stream, &measured))
        space->all = false;
    if (space->all && !leaving && !busy(stream))
        give_back(stream);
    if (space->all || leaving ||
        (much(stream, space->removed, &measured) && space->still < STILL_LOOKS))
        look_again(stream); /* else the next that leaves begins it again */
}

/* Whether what left before the start was worth it is not known any more. */
void stream_space_open(struct stream *stream)
{
    struct measured measured;

    if (log_in_memory(replica_log(stream->replica)))
        return;
    measured = measure(stream);
    if (measured.dead > measured.live)
        stream_space_removed(stream, measured.dead);
}

/* ---- why ------------------------------------------------------------------------------------ */

const char *const stream_space_names[SPACE_REASONS] = {
    [SPACE_MESSAGES] = "messages", [SPACE_AHEAD] = "ahead",     [SPACE_LOG] = "log",
    [SPACE_HELD] = "held",         [SPACE_LEAVING] = "leaving", [SPACE_MOVING] = "moving",
    [SPACE_DENSE] = "dense",
};

static enum stream_space_reason reason_of(struct stream *stream, const struct log_file_info *info)
{
    const struct stream_file *file = stream_block_file(stream, info->ordinal);

    if (!info->droppable)
        return SPACE_LOG;
    if (stream_block_file_held(stream, info->ordinal))
        return SPACE_HELD;
    if (file->messages == 0)
        return SPACE_LEAVING;
    return stream_move_worth(stream, info) ? SPACE_MOVING : SPACE_DENSE;
}

static void explain(struct stream *stream, const struct log_file_info *info, uint64_t *bytes)
{
    uint64_t live = living(stream, info);

    bytes[SPACE_MESSAGES] += live;
    bytes[SPACE_AHEAD] += info->bytes - info->used;
    bytes[reason_of(stream, info)] += info->used - live;
}

void stream_space_reasons(struct stream *stream, uint64_t bytes[static SPACE_REASONS])
{
    struct log *log = replica_log(stream->replica);
    struct log_file_info info;

    memset(bytes, 0, SPACE_REASONS * sizeof bytes[0]);
    for (uint32_t i = 0; log_file_next(log, i, &info); i = info.ordinal + 1)
        explain(stream, &info, bytes);
    for (uint32_t i = LOG_KEEP_FIRST; log_keep_next(log, i, &info); i = info.ordinal + 1)
        explain(stream, &info, bytes);
}
