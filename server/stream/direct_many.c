/*
 * direct_many: direct gets of many messages (reference streams 6.4): a batch from a sequence or
 * time on, or the last message of each of many subjects. An answer goes on from turn to turn, a
 * bounded part in each, waits while its receiver is behind, and reads nothing ahead of that.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "base/text.h"
#include "server/stream/direct_priv.h"

#define MANY_MAX     64u   /* answers under way in one stream; more requests wait */
#define SUBJECTS_MAX 1024u /* of multi_last (reference) */
#define TURN_BYTES   (256u << 10)
#define RETRY_NS     INT64_C(2000000)

struct direct_many {
    struct direct_many *next;
    struct stream *stream; /* NULL: it was dropped while a message was being read */
    struct stream_read read;
    bool reading;
    bool no_headers;
    bool ended;
    bool multi;
    struct bytes reply, filter; /* stand behind the struct; no filter: all subjects */
    uint64_t from;              /* the next sequence to look at */
    uint64_t last_seq;          /* of the stream when `pending` was counted */
    int64_t left;               /* messages that may be sent yet */
    int64_t bytes_left;
    uint64_t sent;
    struct direct_progress progress;
    uint64_t up_to;      /* multi */
    uint64_t *sequences; /* multi: owned */
    size_t sequence_count, sequence_at;
    struct bring_known known; /* to be in memory */
};

bool direct_many_room(const struct stream *stream)
{
    return stream->direct_many_count < MANY_MAX;
}

static void give(struct direct_many *many)
{
    heap_give(many->sequences);
    heap_give(many);
}

/* The end, with what a client needs to go on behind it. */
static void end(struct direct_many *many)
{
    struct buf headers;

    many->ended = true;
    buf_init(&headers, 256);
    (void)buf_print(&headers, "NATS/1.0 204 EOB\r\nNats-Num-Pending: %llu\r\n",
                    (unsigned long long)many->progress.pending);
    (void)buf_print(&headers, "Nats-Last-Sequence: %llu\r\n",
                    (unsigned long long)many->progress.last);
    if (many->multi)
        (void)buf_print(&headers, "Nats-UpTo-Sequence: %llu\r\n", (unsigned long long)many->up_to);
    (void)BUF_ADD(&headers, "\r\n");
    direct_answer_status(many->stream, many->reply, buf_bytes(&headers));
    buf_deinit(&headers);
}

static void end_with(struct direct_many *many, struct bytes status)
{
    many->ended = true;
    direct_answer_status(many->stream, many->reply, status);
}

/* What is damaged ends it, and is named: whoever gathers a state from this must not believe that it
 * is whole, and may go on behind it. */
static void end_damaged(struct direct_many *many, uint64_t sequence)
{
    struct buf headers;

    buf_init(&headers, 128);
    (void)buf_print(&headers, "NATS/1.0 500 Message Damaged\r\nNats-Sequence: %llu\r\n\r\n",
                    (unsigned long long)sequence);
    end_with(many, buf_bytes(&headers));
    buf_deinit(&headers);
}

/* ---- beginning ------------------------------------------------------------------------------- */

static struct index_filter filter_of(const struct direct_many *many)
{
    return (struct index_filter){.subjects = &many->filter, .count = many->filter.size > 0};
}

static void begin_batch(struct direct_many *many, const struct message_get *get)
{
    const struct stream_state *state = &many->stream->state;
    struct index_filter filter = filter_of(many);
    struct index_entry entry;

    if (!message_get_from(get, state->index, &many->from)) {
        end_with(many, DIRECT_NOT_FOUND);
        return;
    }
    many->last_seq = state->last_seq;
    many->progress.pending = index_pending(state->index, &filter, many->from);
    many->left = get->batch;
    if (get->batch > 0 && !index_next(state->index, &filter, many->from, &entry))
        end_with(many, DIRECT_NOT_FOUND);
}

/* The sequence that up_to_seq or up_to_time stands for, 0: before the first message. The reference
 * finds nothing at or below a sequence that the stream has not reached. */
static uint64_t bound(const struct stream_state *state, const struct message_get *get)
{
    struct index_entry entry;

    if (get->up_to_seq > 0)
        return get->up_to_seq <= state->last_seq ? get->up_to_seq : 0;
    if (get->up_to_time_ns == TIME_UNSET ||
        !index_first_at(state->index, get->up_to_time_ns, &entry))
        return state->last_seq;
    return entry.sequence <= index_first(state->index) ? 0 : entry.sequence - 1;
}

static void begin_multi(struct direct_many *many, const struct message_get *get)
{
    const struct stream_state *state = &many->stream->state;
    size_t matching = 0;

    many->multi = true;
    many->left = get->batch > 0 ? get->batch : INT64_MAX;
    many->up_to = bound(state, get);
    many->sequences = heap_take(SUBJECTS_MAX * sizeof *many->sequences);
    if (many->up_to > 0)
        matching = message_get_lasts(get, state->index, many->up_to, SUBJECTS_MAX, many->sequences,
                                     &many->sequence_count);
    if (matching == 0)
        end_with(many, BYTES("NATS/1.0 404 No Results\r\n\r\n"));
    else if (matching > SUBJECTS_MAX)
        end_with(many, BYTES("NATS/1.0 413 Too Many Results\r\n\r\n"));
    many->progress.pending = many->sequence_count;
}

void direct_many_begin(struct stream *stream, struct bytes reply, const struct message_get *get)
{
    struct direct_many *many = heap_take(sizeof *many + reply.size + get->next_by_subj.size);
    uint8_t *at = (uint8_t *)(many + 1);
    struct direct_many **link = &stream->direct_many;

    *many = (struct direct_many){
        .stream = stream,
        .no_headers = get->no_hdr && get->multi_last.count == 0, /* there they always stand */
        .reply = bytes_of(at, reply.size),
        .filter = bytes_of(at + reply.size, get->next_by_subj.size),
        .bytes_left = get->max_bytes != 0
                          ? get->max_bytes
                          : server_options(jetstream_server(stream->jetstream))->max_pending,
    };
    memcpy(at, reply.at, reply.size);
    if (many->filter.size > 0)
        memcpy(at + reply.size, get->next_by_subj.at, many->filter.size);
    if (get->multi_last.count > 0)
        begin_multi(many, get);
    else
        begin_batch(many, get);
    if (many->ended) {
        give(many);
        return;
    }
    while (*link != NULL)
        link = &(*link)->next;
    *link = many;
    stream->direct_many_count++;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Of the next message, what the index has. */
static enum scratch_place place_of_next(struct direct_many *many)
{
    struct stream *stream = many->stream;
    struct index_filter filter = filter_of(many);
    struct index_here here;

    if (!many->multi)
        return stream_bring_next(stream, &filter, many->from, &many->known);
    if (many->sequence_at == many->sequence_count)
        return SCRATCH_HERE;
    stream_here(stream, &here);
    index_here_get(stream->state.index, many->sequences[many->sequence_at], &here);
    return stream_bring(stream, &here);
}

/* The next message; false: there is none. */
static bool next(struct direct_many *many, struct index_entry *entry)
{
    const struct index *index = many->stream->state.index;
    struct index_filter filter = filter_of(many);

    if (many->left <= 0 || (many->sent > 0 && many->bytes_left <= 0))
        return false;
    if (!many->multi)
        return index_next(index, &filter, many->from, entry);
    while (many->sequence_at < many->sequence_count) {
        if (index_get(index, many->sequences[many->sequence_at], entry))
            return true;
        many->sequence_at++; /* removed meanwhile */
        many->progress.pending--;
    }
    return false;
}

static void send(struct direct_many *many, const struct stream_message *message)
{
    /* The reference counts down only when it says how many there are. */
    if (!many->no_headers && many->progress.pending > 0)
        many->progress.pending--;
    direct_answer_message(many->stream, many->reply, many->no_headers, message, &many->progress);
    many->progress.last = message->sequence;
    many->sent++;
    many->left--;
    many->bytes_left -=
        (int64_t)(message->subject.size + message->headers.size + message->payload.size);
}

static void passed(struct direct_many *many, uint64_t sequence)
{
    many->from = sequence + 1;
    many->sequence_at++;
}

/* What came after the count was made counts, too, for who wants to go on. */
static void finish(struct direct_many *many)
{
    const struct stream_state *state = &many->stream->state;
    struct index_filter filter = filter_of(many);

    if (!many->multi && state->last_seq > many->last_seq)
        many->progress.pending = index_pending(state->index, &filter, many->from);
    end(many);
}

static void read_done(struct stream_read *read, const struct stream_message *message)
{
    struct direct_many *many = owner_of(read, struct direct_many, read);

    many->reading = false;
    if (many->stream == NULL || read->gone) {
        give(many);
        return;
    }
    if (message != NULL)
        send(many, message);
    if (read->damaged)
        end_damaged(many, read->sequence);
    else
        passed(many, read->sequence);
    stream_mark(many->stream);
}

/* False: the message is on its way from the disk. */
static bool send_next(struct direct_many *many, const struct index_entry *entry)
{
    struct stream_message message;

    if (stream_read_now(many->stream, entry, &message)) {
        stream_lane_read_lent(many->stream->lane);
        send(many, &message);
        stream_lane_read_back(many->stream->lane);
        passed(many, entry->sequence);
        return true;
    }
    many->reading = true;
    many->read = (struct stream_read){.sequence = entry->sequence, .done = read_done};
    stream_read(many->stream, &many->read);
    return false;
}

/* False: it is not, or cannot be had. */
static bool next_is_here(struct direct_many *many)
{
    enum scratch_place place = place_of_next(many);

    if (place == SCRATCH_BROKEN)
        end_with(many, DIRECT_UNREADABLE);
    return place == SCRATCH_HERE;
}

/* False: it waits for its receiver. */
static bool pump(struct direct_many *many)
{
    struct stream *stream = many->stream;
    size_t budget = TURN_BYTES;
    struct index_entry entry;

    if (!stream_lane_listened(stream->lane, stream->account, many->reply)) {
        many->ended = true;
        return true;
    }
    router_congestion_reset(stream_router(stream));
    for (;;) {
        if (!next_is_here(many))
            return true; /* the stream has a turn when it is */
        if (!next(many, &entry))
            break;
        if (!send_next(many, &entry))
            return true;
        if (router_congested(stream_router(stream)))
            return false;
        if (entry.record_size >= budget) {
            stream_mark(stream); /* others first */
            return true;
        }
        budget -= entry.record_size;
    }
    finish(many);
    return true;
}

void direct_many_turn(struct stream *stream)
{
    struct direct_many **link = &stream->direct_many;
    struct io *io = stream_io(stream);

    while (*link != NULL) {
        struct direct_many *many = *link;

        if (!many->reading && !many->ended && !pump(many))
            timers_arm(io_timers(io), &stream->direct_retry, io_now(io) + RETRY_NS);
        if (!many->ended) {
            link = &many->next;
            continue;
        }
        *link = many->next;
        stream->direct_many_count--;
        give(many);
        stream_mark(stream); /* a request may wait for the room */
    }
}

void stream_direct_retry(struct timer *timer)
{
    stream_mark(owner_of(timer, struct stream, direct_retry));
}

void stream_direct_drop(struct stream *stream)
{
    timers_cancel(io_timers(stream_io(stream)), &stream->direct_retry);
    while (stream->direct_many != NULL) {
        struct direct_many *many = stream->direct_many;

        stream->direct_many = many->next;
        if (many->reading)
            many->stream = NULL; /* read_done gives it back */
        else
            give(many);
    }
    stream->direct_many_count = 0;
}
