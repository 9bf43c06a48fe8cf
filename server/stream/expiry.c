/*
 * expiry: messages go when they are too old or when their own end has come. The leader decides it,
 * in log time, as an operation: what goes follows from its effect on every replica.
 *
 * Where the config has markers, the last message of a subject does not just go: a marker is stored
 * in its place, whose roll-up removes it. Consumers, watches of a bucket among them, see it. It
 * goes silently itself when its end has come. (reference streams 5.5)
 */
#include "base/owner.h"
#include "base/text.h"
#include "server/stream/flaws.h"
#include "server/stream/stream_priv.h"

#define GRANULARITY_NS     INT64_C(250000000)
#define MARKERS_TOGETHER   1024u
#define MARKER_HEADERS_MAX 160u
#define RECORD_ROOM        256u /* what records take beside subjects and headers, the last included */
#define NANOS              INT64_C(1000000000)
#define AWAY_NS            INT64_C(1000000)
#define REFUSED_NS_MIN     INT64_C(10000000)
#define REFUSED_NS_MAX     INT64_C(320000000)

/* Markers are written into the batch one by one. */
struct marking {
    struct stream *stream;
    struct buf *out;
    int64_t now_ns;
    uint64_t sequence; /* of the newest */
    uint32_t count;
    struct map64 done; /* of which messages */
    struct buf headers;
};

/* ---- markers --------------------------------------------------------------------------------- */

static void begin(struct marking *marking, struct stream *stream, struct buf *out)
{
    int64_t seconds = stream->state.config.subject_delete_marker_ttl_ns / NANOS;
    char ttl[40];

    *marking = (struct marking){
        .stream = stream,
        .out = out,
        .now_ns = stream_log_now(stream),
        .sequence = stream_state_taken(&stream->state),
    };
    map64_init(&marking->done, stream->id);
    buf_init(&marking->headers, MARKER_HEADERS_MAX);
    (void)BUF_ADD(&marking->headers, "NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: ");
    (void)buf_add(&marking->headers, bytes_of(ttl, text_duration(ttl, seconds * NANOS)));
    (void)BUF_ADD(&marking->headers, "\r\nNats-Rollup: sub\r\n\r\n");
}

static void end(struct marking *marking)
{
    map64_deinit(&marking->done);
    buf_deinit(&marking->headers);
}

static bool write(struct marking *marking, struct bytes subject)
{
    int64_t ttl_ns = marking->stream->state.config.subject_delete_marker_ttl_ns / NANOS * NANOS;
    struct effect effect = {
        .type = EFFECT_MESSAGE,
        .flags = MESSAGE_ROLLUP_SUBJECT,
        .message =
            {
                .sequence = marking->sequence + 1,
                .time_ns = marking->now_ns,
                .subject = subject,
                .headers = buf_bytes(&marking->headers),
                .expires_ns = ttl_ns < EFFECT_TIME_MAX - marking->now_ns ? marking->now_ns + ttl_ns
                                                                         : EFFECT_TIME_MAX,
                .marker = true,
            },
    };

    if (marking->count == MARKERS_TOGETHER || marking->sequence == STREAM_SEQUENCE_MAX ||
        marking->out->limit - marking->out->size <
            subject.size + marking->headers.size + 2 * RECORD_ROOM)
        return false;
    if (!effect_write(marking->out, &effect))
        return false;
    marking->sequence++;
    marking->count++;
    return true;
}

/* A message is due. False: it has to wait, for its marker has no room in this batch. */
static bool mark(struct marking *marking, uint64_t sequence)
{
    const struct stream_state *state = &marking->stream->state;
    struct index_entry entry;

    if (expiries_marker(&state->expiries, sequence) ||
        !index_is_last(state->index, sequence, UINT64_MAX) ||
        map64_find(&marking->done, sequence) != NULL)
        return true;
    if (!index_get(state->index, sequence, &entry) || !write(marking, entry.subject))
        return false;
    (void)map64_put(&marking->done, sequence);
    return true;
}

static bool mark_ended(void *context, uint64_t sequence)
{
    return mark(context, sequence);
}

/* The last sequence that may go for its age. */
static uint64_t mark_aged(struct marking *marking, uint64_t last, int64_t bound_ns)
{
    const struct stream_state *state = &marking->stream->state;
    struct index_entry entry;

    for (uint64_t from = state->aged_below; index_next(state->index, NULL, from, &entry) &&
                                            entry.sequence <= last && entry.time_ns <= bound_ns;
         from = entry.sequence + 1) {
        if (!expiries_never(&state->expiries, entry.sequence) && !mark(marking, entry.sequence))
            return entry.sequence - 1;
    }
    return last;
}

/* Narrows the expiry to what it may take: what has, or needs, no marker. The rest of what is due is
 * decided by the next one. */
static void write_markers(struct stream *stream, struct effect *expire, struct buf *out)
{
    struct marking marking;

    begin(&marking, stream, out);
    if (expire->expire.ended_ns != 0 &&
        !expiries_ended(&stream->state.expiries, expire->expire.ended_ns, mark_ended, &marking))
        expire->expire.ended_ns = 0;
    if (expire->expire.time_ns != TIME_UNSET)
        expire->expire.last = mark_aged(&marking, expire->expire.last, expire->expire.time_ns);
    stream->gathered += marking.count;
    end(&marking);
}

/* ---- the operation --------------------------------------------------------------------------- */

bool stream_expiry_write(struct stream *stream, struct buf *out)
{
    struct stream_state *state = &stream->state;
    const struct ahead *ahead = &stream->ahead;
    struct expiry first;
    struct effect effect = {
        .type = EFFECT_EXPIRE,
        .expire = {.last = state->last_seq, .time_ns = TIME_UNSET},
    };

    if (state->config.max_age_ns > 0)
        effect.expire.time_ns = ahead->due_ns - state->config.max_age_ns;
    if (!ahead->aged_more && expiries_first(&state->expiries, &first) &&
        first.expires_ns <= ahead->due_ns)
        effect.expire.ended_ns = ahead->due_ns;
    else
        effect.expire.last = ahead->aged_last; /* only age counts */
    if (state->config.subject_delete_marker_ttl_ns > 0)
        write_markers(stream, &effect, out);
    return effect_write(out, &effect);
}

void stream_refusal_wait(int64_t *wait_ns, bool refused)
{
    if (!refused)
        *wait_ns = 0;
    else if (*wait_ns == 0)
        *wait_ns = REFUSED_NS_MIN;
    else if (*wait_ns < REFUSED_NS_MAX)
        *wait_ns *= 2;
}

static void arm(struct stream *stream, int64_t least_ns);

static void done(struct stream_op *op, struct stream *stream)
{
    if (stream == NULL)
        return;
    stream->expiring = op->failed && STREAM_FLAWED_STATE(stream, EXPIRY_STUCK);
    stream_refusal_wait(&stream->expiry_wait_ns, op->failed);
    if (op->failed)
        arm(stream, stream->expiry_wait_ns);
}

/* ---- the timer ------------------------------------------------------------------------------- */

/* When the next message is due, not more often than the granularity. */
static void arm(struct stream *stream, int64_t least_ns)
{
    struct io *io = stream_io(stream);
    int64_t due_ns, wait_ns;

    if (!stream->lead || stream->expiring || !stream_state_due(&stream->state, &due_ns)) {
        timers_cancel(io_timers(io), &stream->expiry);
        return;
    }
    wait_ns = due_ns - stream_log_now(stream);
    if (wait_ns < GRANULARITY_NS)
        wait_ns = wait_ns > 0 ? GRANULARITY_NS : 0;
    if (wait_ns < least_ns)
        wait_ns = least_ns;
    stream->expiry_due_ns = due_ns;
    timers_arm(io_timers(io), &stream->expiry, io_now(io) + wait_ns);
}

void stream_expiry_arm(struct stream *stream)
{
    arm(stream, 0);
}

void stream_expiry_applied(struct stream *stream)
{
    int64_t due_ns;

    if (!stream->lead || stream->expiring || !stream_state_due(&stream->state, &due_ns))
        return;
    if (!timer_armed(&stream->expiry) || due_ns < stream->expiry_due_ns)
        stream_expiry_arm(stream);
}

void stream_expiry_fire(struct timer *timer)
{
    struct stream *stream = owner_of(timer, struct stream, expiry);
    struct io *io = stream_io(stream);
    int64_t due_ns;

    if (!stream->lead || stream->expiring || !stream_state_due(&stream->state, &due_ns))
        return;
    if (due_ns > stream_log_now(stream)) {
        stream_expiry_arm(stream);
        return;
    }
    if (!stream_ahead_expiry(stream, stream_log_now(stream))) {
        timers_arm(io_timers(io), &stream->expiry, io_now(io) + AWAY_NS);
        return;
    }
    stream->expiring = true;
    stream->expire_op = (struct stream_op){.kind = STREAM_OP_PURGE, .own = true, .done = done};
    stream_submit(stream, &stream->expire_op);
}
