/*
 * reader: reads one stored message for whoever asks, from memory when it is there. What is damaged
 * here is not missing from the stream as long as another replica may give it back: who asks for it
 * waits until the first round of asking them has ended, which takes milliseconds. After that the
 * answer is that it is damaged, never that there is none.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/stream_priv.h"

#define HELD_NS INT64_C(2000000000) /* the others may be down */

static bool to_message(struct bytes bytes, uint64_t sequence, struct stream_message *message)
{
    struct record record;
    struct effect effect;

    if (record_read(bytes, &record) != OK || effect_read(&record, &effect) != OK ||
        effect.type != EFFECT_MESSAGE || effect.message.sequence != sequence ||
        effect.message.erased)
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

void stream_read_damaged(struct stream *stream, uint64_t sequence, log_place place)
{
    struct index_entry entry;

    if (index_get(stream->state.index, sequence, &entry) && entry.place == place &&
        place >> 32 != LOG_FILE_NONE)
        stream_damaged(stream, sequence, entry.stored_size, "found by a read");
}

/* Those that were asked before have not had it. */
static bool may_come_back(const struct stream *stream, uint64_t sequence)
{
    struct raft_member others[RAFT_MEMBERS_MAX];

    return lost_has(&stream->state.lost, sequence) && stream->blocks.repair_wait_ns == 0 &&
           stream->held.count < STREAM_HELD_MAX && replica_others(stream->replica, others) > 0;
}

static void hold(struct stream *stream, struct stream_read *read)
{
    struct stream_held *held = &stream->held;
    struct io *io = stream_io(stream);

    read->held = true;
    read->next = held->reads;
    held->reads = read;
    held->count++;
    if (!timer_armed(&held->timer))
        timers_arm(io_timers(io), &held->timer, io_now(io) + HELD_NS);
}

static void refuse(struct stream *stream, struct stream_read *read, log_place place)
{
    struct index_entry entry;

    stream_read_damaged(stream, read->sequence, place);
    if (!read->held && may_come_back(stream, read->sequence)) {
        hold(stream, read);
        return;
    }
    read->damaged = index_get(stream->state.index, read->sequence, &entry);
    read->done(read, NULL);
}

static void hand_out(struct stream *stream, struct stream_read *read, uint64_t place,
                     struct bytes bytes)
{
    struct stream_message message;

    if (to_message(bytes, read->sequence, &message))
        read->done(read, &message);
    else
        refuse(stream, read, place);
}

/* While nothing else is read into its memory. */
static void hand_out_lent(struct stream *stream, struct stream_read *read, uint64_t place,
                          struct bytes bytes)
{
    struct stream_lane *lane = stream->lane; /* the stream may go meanwhile */

    stream_lane_read_lent(lane);
    hand_out(stream, read, place, bytes);
    stream_lane_read_back(lane);
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

static void read_done(struct log_read *log_read, int64_t result)
{
    struct stream_read *read = owner_of(log_read, struct stream_read, read);
    uint8_t *memory = read->memory;
    struct stream *stream = read->stream;

    unlink_read(read);
    if (stream == NULL)
        read->done(read, NULL);
    else if (result == (int64_t)read->size)
        hand_out(stream, read, read->place, bytes_of(memory, read->size));
    else
        refuse(stream, read, read->place);
    heap_give(memory);
}

/* The record, or nothing when its bytes are not in memory. */
static struct bytes read_now(struct stream *stream, const struct index_entry *entry)
{
    struct read_cache *cache = stream_lane_read_cache(stream->lane);
    struct log *log = replica_log(stream->replica);
    struct read_cache_room room;
    struct bytes found =
        read_cache_find(cache, stream->read_number, entry->place, entry->record_size, &room);
    uint8_t *memory;
    int64_t got;

    if (found.size > 0)
        return found;
    if (room.at != NULL) {
        got = log_read_now(log, room.place, room.at, room.size);
        read_cache_keep(cache, stream->read_number, &room, got > 0 ? (size_t)got : 0);
        if (got >= (int64_t)(entry->place - room.place + entry->record_size))
            return bytes_of(room.at + (entry->place - room.place), entry->record_size);
    }
    memory = stream_lane_read_buffer(stream->lane, entry->record_size);
    if (log_read_now(log, entry->place, memory, entry->record_size) == (int64_t)entry->record_size)
        return bytes_of(memory, entry->record_size);
    return bytes_of(NULL, 0);
}

bool stream_read_now(struct stream *stream, const struct index_entry *entry,
                     struct stream_message *message)
{
    struct bytes bytes = read_now(stream, entry);

    return bytes.size > 0 && to_message(bytes, entry->sequence, message);
}

bool stream_read_own(struct stream *stream, const struct index_entry *entry, struct buf *memory,
                     struct stream_message *message)
{
    uint8_t *at;

    buf_clear(memory);
    at = buf_reserve(memory, entry->record_size);
    return log_read_now(replica_log(stream->replica), entry->place, at, entry->record_size) ==
               (int64_t)entry->record_size &&
           to_message(bytes_of(at, entry->record_size), entry->sequence, message);
}

static struct bytes put(uint8_t **at, struct bytes bytes)
{
    struct bytes placed = bytes_of(*at, bytes.size);

    if (bytes.size > 0)
        memcpy(*at, bytes.at, bytes.size);
    *at += bytes.size;
    return placed;
}

struct bytes stream_message_copy(const struct stream_message *message, struct stream_message *copy)
{
    size_t size = message->subject.size + message->headers.size + message->payload.size;
    uint8_t *memory = heap_take(size), *at = memory;

    *copy = *message;
    copy->subject = put(&at, message->subject);
    copy->headers = put(&at, message->headers);
    copy->payload = put(&at, message->payload);
    return bytes_of(memory, size);
}

static void read_later(struct stream *stream, struct stream_read *read,
                       const struct index_entry *entry)
{
    read->stream = stream;
    read->place = entry->place;
    read->size = entry->record_size;
    read->memory = heap_take(entry->record_size);
    read->read.done = read_done;
    read->next = stream->reads;
    stream->reads = read;
    log_read(replica_log(stream->replica), &read->read, read->place, read->memory, read->size);
}

static void read_at(struct stream *stream, struct stream_read *read,
                    const struct index_entry *entry)
{
    struct bytes bytes = read_now(stream, entry);

    if (bytes.size > 0)
        hand_out_lent(stream, read, entry->place, bytes);
    else
        read_later(stream, read, entry);
}

static void read_wherever(struct stream *stream, struct stream_read *read)
{
    struct index_entry entry;

    if (index_get(stream->state.index, read->sequence, &entry))
        read_at(stream, read, &entry);
    else
        read->done(read, NULL);
}

void stream_read(struct stream *stream, struct stream_read *read)
{
    read->held = false;
    read_wherever(stream, read);
}

void stream_read_at(struct stream *stream, struct stream_read *read,
                    const struct index_entry *entry)
{
    read->held = false;
    read_at(stream, read, entry);
}

void stream_read_later(struct stream *stream, struct stream_read *read,
                       const struct index_entry *entry)
{
    read->held = false;
    read_later(stream, read, entry);
}

/* ---- what is damaged ------------------------------------------------------------------------- */

void stream_held_release(struct stream *stream)
{
    if (stream->held.reads == NULL)
        return;
    stream->held.ready = true;
    stream_mark(stream);
}

void stream_held_turn(struct stream *stream)
{
    struct stream_held *held = &stream->held;
    struct stream_read *read = held->reads;

    if (!held->ready)
        return;
    held->ready = false;
    held->reads = NULL;
    held->count = 0;
    timers_cancel(io_timers(stream_io(stream)), &held->timer);
    while (read != NULL) {
        struct stream_read *next = read->next;

        read_wherever(stream, read);
        read = next;
    }
}

static void held_fired(struct timer *timer)
{
    stream_held_release(owner_of(timer, struct stream, held.timer));
}

void stream_held_init(struct stream *stream)
{
    stream->held.timer.fire = held_fired;
}

void stream_held_drop(struct stream *stream)
{
    struct stream_read *read = stream->held.reads;

    timers_cancel(io_timers(stream_io(stream)), &stream->held.timer);
    stream->held.reads = NULL;
    stream->held.count = 0;
    while (read != NULL) {
        struct stream_read *next = read->next;

        read->gone = true;
        read->done(read, NULL);
        read = next;
    }
}
