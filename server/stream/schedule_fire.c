/*
 * schedule_fire: schedules fire when they are due. The leader decides it, in log time, as an
 * operation on a quiet stream: what is produced and when each schedule fires next (or that it is no
 * more) go into one batch of the log. So a schedule has fired or it has not, whoever leads next.
 *
 * What is produced is a copy of the schedule, or of the newest message of its source, that stands
 * in the log. Most are read at once; one that is not in memory is fetched first, and kept until
 * then.
 */
#include <stdlib.h>

#include "base/codec.h"
#include "base/heap.h"
#include "base/owner.h"
#include "base/text.h"
#include "server/stream/decide_priv.h"
#include "server/stream/flaws.h"
#include "server/stream/header_block.h"
#include "server/stream/publish_headers.h"
#include "server/stream/stream_priv.h"

#define GRANULARITY_NS INT64_C(250000000)
#define TOGETHER_MAX   256u
#define NANOS          INT64_C(1000000000)
#define RETRY_NS       (10 * NANOS)
#define DAMAGED_NS     (60 * NANOS) /* until what is damaged is looked at again */
#define ENTRIES_ROOM   (TOGETHER_MAX * SCHEDULE_ENTRY_SIZE + 128u)

/* What one operation produces. */
struct firing {
    struct stream *stream;
    struct buf *out;
    int64_t now_ns;
    uint64_t sequence;   /* of the newest message */
    uint32_t count;      /* of messages */
    uint64_t produced;   /* up to that schedule they are in the log already (a seeded bug) */
    uint64_t unreadable; /* of a message that was fetched in vain; 0: none */
    struct buf entries;
    struct buf schedule, headers; /* the schedule's own headers; those of what it produces */
};

static void arm(struct stream *stream, int64_t least_ns);

/* ---- reading --------------------------------------------------------------------------------- */

static void fetched(struct stream_read *read, const struct stream_message *message)
{
    struct schedule_fetch *fetch = owner_of(read, struct schedule_fetch, read);
    struct stream *stream = fetch->stream;

    if (read->gone) {
        heap_give(fetch);
        return;
    }
    stream->schedules.fetch = NULL;
    stream->schedules.unreadable = message == NULL ? read->sequence : 0;
    if (message != NULL && fetch->kept < SCHEDULE_KEPT) {
        struct schedule_copy *copy = &stream->schedules.kept[fetch->kept];

        heap_give((void *)copy->memory.at);
        copy->memory = stream_message_copy(message, &copy->message);
    }
    heap_give(fetch);
    arm(stream, 0); /* what it was fetched for is overdue */
}

static void fetch_message(struct stream *stream, uint64_t sequence, unsigned place)
{
    struct schedule_fetch *fetch = HEAP_NEW(struct schedule_fetch);

    fetch->stream = stream;
    fetch->kept = place;
    fetch->read = (struct stream_read){.sequence = sequence, .done = fetched};
    stream->schedules.fetch = fetch;
    stream_read(stream, &fetch->read);
}

/* Of what was fetched, the schedule is kept at 0, a source's message at 1. */
static bool read(struct stream *stream, uint64_t sequence, unsigned place,
                 struct stream_message *message)
{
    const struct schedule_copy *kept = &stream->schedules.kept[place];
    struct index_entry entry;

    if (kept->memory.size > 0 && kept->message.sequence == sequence) {
        *message = kept->message;
        return true;
    }
    return index_get(stream->state.index, sequence, &entry) &&
           stream_read_now(stream, &entry, message);
}

/* ---- what is produced ------------------------------------------------------------------------ */

static bool is_not_produced(struct bytes name)
{
    return bytes_starts(name, BYTES("Nats-Schedule")) ||
           bytes_starts(name, BYTES("Nats-Expected-")) || bytes_equal(name, BYTES("Nats-Msg-Id")) ||
           bytes_equal(name, BYTES("Nats-TTL")) || bytes_equal(name, BYTES("Nats-Rollup"));
}

static void add_headers(struct firing *firing, struct bytes subject, struct bytes copied,
                        const struct publish_headers *of, const struct schedule_time *time)
{
    struct buf *headers = &firing->headers;
    char text[TEXT_TIME_MAX];

    buf_clear(headers);
    header_block_copy(copied, is_not_produced, headers);
    header_block_add(headers, BYTES("Nats-Scheduler"), subject);
    if (time->repeats)
        header_block_add(headers, BYTES("Nats-Schedule-Next"),
                         bytes_of(text, text_time(text, time->next_ns)));
    else
        header_block_add(headers, BYTES("Nats-Schedule-Next"), BYTES("purge"));
    if (of->schedule_ttl.size > 0)
        header_block_add(headers, BYTES("Nats-TTL"), of->schedule_ttl);
    if (of->schedule_rollup.size > 0)
        header_block_add(headers, BYTES("Nats-Rollup"), BYTES("sub"));
}

static int64_t end_of(const struct firing *firing, struct bytes ttl)
{
    int64_t seconds;

    if (ttl.size == 0 || !publish_headers_ttl(ttl, &seconds) || seconds == 0)
        return 0;
    if (seconds == PUBLISH_TTL_NEVER)
        return EXPIRES_NEVER;
    return seconds < (EFFECT_TIME_MAX - firing->now_ns) / NANOS ? firing->now_ns + seconds * NANOS
                                                                : EFFECT_TIME_MAX;
}

static bool add_entry(struct firing *firing, uint64_t sequence, int64_t next_ns)
{
    uint8_t entry[SCHEDULE_ENTRY_SIZE];

    (void)effect_schedule_entry(entry, sequence, next_ns);
    return buf_add(&firing->entries, bytes_of(entry, sizeof entry));
}

/* With room left for the effect that follows them all. */
static bool fits(const struct firing *firing, const struct effect *effect)
{
    size_t size = effect_message_size(effect->message.subject.size, effect->message.headers.size,
                                      effect->message.payload.size);

    return size + ENTRIES_ROOM <= firing->out->limit - firing->out->size;
}

/* What a publish of it would be refused for. Schedules of a sealed stream are no more; what limits
 * stand against may fit later. */
static bool admits(struct firing *firing, struct bytes subject, struct bytes payload,
                   uint16_t *error)
{
    struct stream *stream = firing->stream;
    struct staged_message message = {
        .subject = subject, .headers = buf_bytes(&firing->headers), .payload = payload};
    struct decision decision = {0};
    struct deciding d;

    decide_begin_member(&d, &stream->decider, &message, firing->now_ns, &decision);
    if (decide_check_sealed(&d) && decide_check_size(&d) && decide_check_size_configured(&d))
        *error = jetstream_admits(stream->jetstream, stream,
                                  stream_stored_size(stream->state.config.storage, subject.size,
                                                     message.headers.size, payload.size));
    else
        *error = decision.error;
    return *error == 0;
}

/* A schedule whose message is not stored this time: one that repeats does so, the message of one
 * that does not may fit later. */
static bool pass_over(struct firing *firing, uint64_t schedule, const struct schedule_time *time,
                      uint16_t error)
{
    if (error == 10109)
        return add_entry(firing, schedule, SCHEDULE_FORGOTTEN);
    return add_entry(firing, schedule, time->repeats ? time->next_ns : firing->now_ns + RETRY_NS);
}

static bool produce(struct firing *firing, uint64_t schedule, const struct publish_headers *of,
                    const struct schedule_time *time, struct bytes payload)
{
    struct effect effect = {
        .type = EFFECT_MESSAGE,
        .flags = of->schedule_rollup.size > 0 ? MESSAGE_ROLLUP_SUBJECT : 0,
        .message =
            {
                .sequence = firing->sequence + 1,
                .time_ns = firing->now_ns,
                .subject = of->schedule_target,
                .headers = buf_bytes(&firing->headers),
                .payload = payload,
                .expires_ns = end_of(firing, of->schedule_ttl),
            },
    };
    int64_t next_ns = time->repeats ? time->next_ns : SCHEDULE_PURGED;
    uint16_t error;

    if (firing->headers.size > EFFECT_HEADERS_MAX || firing->sequence >= STREAM_SEQUENCE_MAX)
        return add_entry(firing, schedule, SCHEDULE_FORGOTTEN);
    if (!admits(firing, of->schedule_target, payload, &error))
        return pass_over(firing, schedule, time, error);
    if (schedule <= firing->produced)
        return add_entry(firing, schedule, next_ns);
    if (!fits(firing, &effect) || !effect_write(firing->out, &effect))
        return false;
    firing->sequence++;
    firing->count++;
    if (STREAM_FLAWED_STATE(firing->stream, SCHEDULE_LATE)) {
        firing->stream->schedules.produced = schedule;
        return true;
    }
    return add_entry(firing, schedule, next_ns);
}

static const struct zone *zone_of(struct stream *stream, const struct publish_headers *of)
{
    return of->schedule_zone.size > 0 ? stream_lane_zone(stream->lane, of->schedule_zone) : NULL;
}

enum content { CONTENT_HERE, CONTENT_FETCHED, CONTENT_DAMAGED };

/* The message whose content goes out: the source's newest, or the schedule itself. */
static enum content content_of(struct firing *firing, const struct publish_headers *of,
                               struct stream_message *message)
{
    struct stream *stream = firing->stream;
    struct index_subject counts = {0};

    if (of->schedule_source.size > 0)
        index_subject(stream->state.index, of->schedule_source, &counts);
    if (counts.count == 0)
        return CONTENT_HERE;
    if (firing->unreadable == counts.last)
        return CONTENT_DAMAGED;
    if (read(stream, counts.last, 1, message))
        return CONTENT_HERE;
    if (stream->schedules.fetch == NULL)
        fetch_message(stream, counts.last, 1);
    return CONTENT_FETCHED;
}

/* Another replica may yet give it back; and what is gone is no schedule any more. */
static bool wait_for_damaged(struct firing *firing, uint64_t schedule)
{
    struct index_entry entry;

    return add_entry(firing, schedule,
                     index_get(firing->stream->state.index, schedule, &entry)
                         ? firing->now_ns + DAMAGED_NS
                         : SCHEDULE_FORGOTTEN);
}

/* A copy of the schedule's headers and payload: reading its source's message takes their place. */
static struct bytes keep(struct firing *firing, const struct stream_message *message)
{
    size_t headers = message->headers.size;

    buf_clear(&firing->schedule);
    (void)buf_add(&firing->schedule, message->headers);
    (void)buf_add(&firing->schedule, message->subject);
    (void)buf_add(&firing->schedule, message->payload);
    return bytes_take(buf_bytes(&firing->schedule), headers);
}

/* False: no more can be done in this operation. */
static bool fire(struct firing *firing, struct expiry due)
{
    struct stream *stream = firing->stream;
    struct stream_message message;
    struct publish_headers of;
    struct schedule_time time;
    struct bytes headers, subject;
    size_t behind;

    if (firing->unreadable == due.sequence)
        return wait_for_damaged(firing, due.sequence);
    if (!read(stream, due.sequence, 0, &message)) {
        if (stream->schedules.fetch == NULL)
            fetch_message(stream, due.sequence, 0);
        return false;
    }
    headers = keep(firing, &message);
    behind = headers.size + message.subject.size;
    subject =
        bytes_take(bytes_skip(buf_bytes(&firing->schedule), headers.size), message.subject.size);
    message.headers = headers;
    message.payload = bytes_skip(buf_bytes(&firing->schedule), behind);
    publish_headers_read(headers, &of);
    if (!schedule_next(of.schedule, of.schedule_zone.size > 0, zone_of(stream, &of), due.expires_ns,
                       firing->now_ns, &time) ||
        of.schedule_target.size == 0)
        return add_entry(firing, due.sequence, SCHEDULE_FORGOTTEN);
    switch (content_of(firing, &of, &message)) {
    case CONTENT_HERE: break;
    case CONTENT_FETCHED: return false;
    case CONTENT_DAMAGED: return pass_over(firing, due.sequence, &time, 0);
    }
    add_headers(firing, subject, message.headers, &of, &time);
    return produce(firing, due.sequence, &of, &time, message.payload);
}

struct due {
    struct expiry at[TOGETHER_MAX];
    unsigned count;
    const struct expiries *schedules;
};

static bool note_due(void *context, uint64_t sequence)
{
    struct due *due = context;

    due->at[due->count++] =
        (struct expiry){.sequence = sequence, .expires_ns = expiries_end(due->schedules, sequence)};
    return due->count < TOGETHER_MAX;
}

static int by_sequence(const void *a, const void *b)
{
    const struct expiry *left = a, *right = b;

    return left->sequence < right->sequence ? -1 : left->sequence > right->sequence;
}

static void collect(struct stream *stream, int64_t now_ns, struct due *due)
{
    *due = (struct due){.schedules = &stream->state.schedules};
    (void)expiries_ended(due->schedules, now_ns, note_due, due);
    qsort(due->at, due->count, sizeof due->at[0], by_sequence);
}

bool stream_schedules_write(struct stream *stream, struct buf *out)
{
    struct firing firing = {.stream = stream,
                            .out = out,
                            .now_ns = stream_log_now(stream),
                            .produced = stream->schedules.produced,
                            .unreadable = stream->schedules.unreadable,
                            .sequence = stream_state_taken(&stream->state)};
    struct effect effect = {.type = EFFECT_SCHEDULE};
    struct due due;
    bool written;

    buf_init(&firing.entries, SIZE_MAX);
    buf_init(&firing.schedule, SIZE_MAX);
    buf_init(&firing.headers, SIZE_MAX);
    stream->schedules.produced = 0;
    stream->schedules.unreadable = 0; /* the next time it is looked at again */
    collect(stream, firing.now_ns, &due);
    for (unsigned i = 0; i < due.count && fire(&firing, due.at[i]); i++)
        continue;
    effect.schedule.entries = buf_bytes(&firing.entries);
    written = effect_write(out, &effect); /* with nothing in it, if everything has to be fetched */
    stream->gathered += firing.count;
    buf_deinit(&firing.entries);
    buf_deinit(&firing.schedule);
    buf_deinit(&firing.headers);
    return written;
}

/* ---- the operation and its timer ------------------------------------------------------------- */

/* For the first of them, and not sooner than that: those that are due about then go together. */
static void arm(struct stream *stream, int64_t least_ns)
{
    struct io *io = stream_io(stream);
    struct expiry first;
    int64_t wait_ns;

    if (!stream->lead || stream->state.restoring || stream->schedules.firing ||
        stream->schedules.fetch != NULL || !expiries_first(&stream->state.schedules, &first)) {
        timers_cancel(io_timers(io), &stream->schedules.due);
        return;
    }
    wait_ns = first.expires_ns - stream_log_now(stream);
    if (wait_ns < least_ns)
        wait_ns = least_ns;
    stream->schedules.due_ns = first.expires_ns;
    timers_arm(io_timers(io), &stream->schedules.due, io_now(io) + (wait_ns > 0 ? wait_ns : 0));
}

static void done(struct stream_op *op, struct stream *stream)
{
    if (stream == NULL)
        return;
    stream->schedules.firing = false;
    stream_refusal_wait(&stream->schedules.wait_ns, op->failed);
    arm(stream, stream->schedules.wait_ns); /* more of them may be due */
}

void stream_schedules_arm(struct stream *stream)
{
    arm(stream, GRANULARITY_NS);
}

void stream_schedules_applied(struct stream *stream)
{
    struct expiry first;

    if (!stream->lead || stream->state.schedules.lives.count == 0 ||
        !expiries_first(&stream->state.schedules, &first))
        return;
    if (!timer_armed(&stream->schedules.due) || first.expires_ns < stream->schedules.due_ns)
        stream_schedules_arm(stream);
}

static void due_fire(struct timer *timer)
{
    struct stream *stream = owner_of(timer, struct stream, schedules.due);
    struct expiry first;

    if (!stream->lead || stream->schedules.firing ||
        !expiries_first(&stream->state.schedules, &first))
        return;
    if (first.expires_ns > stream_log_now(stream)) {
        stream_schedules_arm(stream);
        return;
    }
    if (!jetstream_admits_now(stream->jetstream, stream)) {
        arm(stream, GRANULARITY_NS);
        return;
    }
    stream->schedules.firing = true;
    stream->schedules.op = (struct stream_op){.kind = STREAM_OP_PURGE, .own = true, .done = done};
    stream_submit(stream, &stream->schedules.op);
}

void stream_schedules_init(struct stream *stream)
{
    stream->schedules.due.fire = due_fire;
}

void stream_schedules_drop(struct stream *stream)
{
    timers_cancel(io_timers(stream_io(stream)), &stream->schedules.due);
    for (unsigned i = 0; i < SCHEDULE_KEPT; i++) {
        heap_give((void *)stream->schedules.kept[i].memory.at);
        stream->schedules.kept[i] = (struct schedule_copy){0};
    }
    stream->schedules.unreadable = 0;
    stream->schedules.produced = 0;
}
