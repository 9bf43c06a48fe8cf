/*
 * stream_serve: messages for a replica that fills (stream_fill.c): those of a range of sequences
 * that live now, as their records stand in this log. A few questions of each member at a time:
 * while one is answered the disk reads for the next.
 *
 * Who publishes goes first. In one turn of the loop about a mebibyte is answered, and a quarter of
 * that while batches wait for a majority.
 */
#include <errno.h>

#include "base/codec.h"
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/flaws.h"
#include "server/stream/stream_priv.h"
#include "storage/record.h"

#define WINDOW_BYTES (256u << 10) /* read at a time */
#define TURN_BYTES   (1u << 20)
#define TURN_WAITED  (256u << 10) /* while publishers wait */

/* Outlives its stream while it reads. */
struct stream_serve {
    struct stream_serve *next;
    struct stream *stream; /* NULL: closed */
    struct raft_member to;
    uint64_t index;       /* of the block that is filled */
    uint64_t first, last; /* asked for */
    uint64_t cursor;
    struct buf answer;
    struct buf window; /* what stands at `place` */
    log_place place;
    struct log_read read;
    bool in_flight;
    bool waited; /* the window is as full as it gets */
};

static void unlink_serve(struct stream_serve *serve)
{
    struct stream_serve **at = &serve->stream->blocks.serves;

    while (*at != serve)
        at = &(*at)->next;
    *at = serve->next;
}

static void free_serve(struct stream_serve *serve)
{
    if (serve->stream != NULL)
        unlink_serve(serve);
    buf_deinit(&serve->answer);
    buf_deinit(&serve->window);
    heap_give(serve);
}

/* ---- records -------------------------------------------------------------------------------- */

static size_t window_size(const struct index_entry *entry)
{
    return entry->record_size > WINDOW_BYTES ? entry->record_size : WINDOW_BYTES;
}

static bool in_window(const struct stream_serve *serve, const struct index_entry *entry)
{
    return serve->window.size > 0 && entry->place >= serve->place &&
           entry->place - serve->place + entry->record_size <= serve->window.size;
}

/* False: it has to be waited for. */
static bool read_window(struct stream_serve *serve, const struct index_entry *entry)
{
    size_t size = window_size(entry);
    int64_t got;
    uint8_t *at;

    buf_clear(&serve->window);
    at = buf_reserve(&serve->window, size);
    serve->place = entry->place;
    serve->waited = false;
    got = log_read_now(replica_log(serve->stream->replica), entry->place, at, size);
    if (got < (int64_t)entry->record_size && (got >= 0 || got == -EAGAIN))
        return false;
    if (got > 0)
        buf_commit(&serve->window, (size_t)got);
    return true;
}

static void wait_for(struct stream_serve *serve, const struct index_entry *entry);

/* Another one, whole in itself: a fault that tests bring in. */
static void falsify(struct buf *answer, uint32_t size)
{
    uint8_t *at = answer->at + answer->size - size;
    struct record record;
    struct effect effect;

    if (record_read(bytes_of(at, size), &record) == OK && effect_read(&record, &effect) == OK &&
        effect.type == EFFECT_MESSAGE && effect.message.payload.size > 0) {
        ((uint8_t *)effect.message.payload.at)[0] ^= 1;
        record_seal(at, size);
    }
}

/* What is damaged here is left out: nobody gets it from this replica. */
static void add(struct stream_serve *serve, const struct index_entry *entry)
{
    struct record record;
    struct bytes bytes;

    if (!in_window(serve, entry))
        return;
    bytes = bytes_of(serve->window.at + (entry->place - serve->place), entry->record_size);
    if (record_read(bytes, &record) != OK || record.size != entry->record_size) {
        stream_damaged(serve->stream, entry->sequence, entry->stored_size,
                       "found as another server asked for it");
        return;
    }
    (void)buf_add(&serve->answer, bytes);
    if (serve->index == 0 && STREAM_FLAWED_STATE(serve->stream, SERVES_OTHER))
        falsify(&serve->answer, entry->record_size);
}

/* ---- the answer ----------------------------------------------------------------------------- */

static void tell(struct stream_serve *serve, uint64_t last)
{
    if (serve->index == 0 && STREAM_FLAWED_STATE(serve->stream, SERVES_OTHER))
        last = serve->first; /* nor does it say how much it gives */
    (void)encode_u64(encode_u64(serve->answer.at, serve->first), last);
    replica_tell(serve->stream->replica, serve->to, serve->index, buf_bytes(&serve->answer));
    free_serve(serve);
}

/* A message may have been moved since it was waited for. False: it goes on in another turn. */
static bool answer(struct stream_serve *serve, size_t *budget)
{
    struct index_entry entry;

    while (index_next(serve->stream->state.index, NULL, serve->cursor, &entry) &&
           entry.sequence <= serve->last) {
        bool there = entry.place >> 32 != LOG_FILE_NONE && !in_window(serve, &entry) &&
                     !(serve->waited && serve->place == entry.place);

        if (serve->answer.size >= replica_piece(serve->stream->replica)) {
            tell(serve, serve->cursor - 1);
            return true;
        }
        if (*budget == 0)
            return false;
        if (there && !read_window(serve, &entry)) {
            wait_for(serve, &entry);
            return true;
        }
        add(serve, &entry);
        *budget -= entry.record_size < *budget ? entry.record_size : *budget;
        serve->cursor = entry.sequence + 1;
    }
    if (stream_failed(serve->stream))
        return false; /* what was not found may be there */
    tell(serve, serve->last);
    return true;
}

static size_t turn_bytes(const struct stream *stream)
{
    struct replica *replica = stream->replica;

    return replica_proposed(replica) > replica_applied(replica) ? TURN_WAITED : TURN_BYTES;
}

static void soon(struct stream *stream)
{
    struct io *io = stream_io(stream);

    timers_arm(io_timers(io), &stream->blocks.serve_timer, io_now(io));
}

/* The oldest first, which is the one whose answer is awaited. */
void stream_serve_fired(struct timer *timer)
{
    struct stream *stream = owner_of(timer, struct stream, blocks.serve_timer);
    struct stream_serve *serve = stream->blocks.serves, *next;
    size_t budget = turn_bytes(stream);

    for (; serve != NULL && !stream_failed(stream); serve = next) {
        next = serve->next;
        if (serve->in_flight)
            continue;
        if (!answer(serve, &budget)) {
            soon(stream);
            return;
        }
    }
}

static void read_done(struct log_read *read, int64_t result)
{
    struct stream_serve *serve = owner_of(read, struct stream_serve, read);

    serve->in_flight = false;
    if (serve->stream == NULL) {
        free_serve(serve);
        return;
    }
    if (result > 0)
        buf_commit(&serve->window, (size_t)result);
    serve->waited = true;
    soon(serve->stream);
}

static void wait_for(struct stream_serve *serve, const struct index_entry *entry)
{
    size_t size = window_size(entry);
    uint8_t *at;

    buf_clear(&serve->window);
    at = buf_reserve(&serve->window, size);
    serve->read.done = read_done;
    serve->in_flight = true;
    log_read(replica_log(serve->stream->replica), &serve->read, entry->place, at, size);
}

/* ---- questions ------------------------------------------------------------------------------ */

/* False: it is under way, or it is one too many. */
static bool is_new(const struct stream *stream, struct raft_member by, uint64_t first)
{
    uint32_t count = 0;

    for (const struct stream_serve *serve = stream->blocks.serves; serve; serve = serve->next) {
        if (!members_equal(serve->to, by))
            continue;
        count++;
        if (serve->first == first)
            return false;
    }
    return count < REPLICA_QUESTIONS;
}

static void link_last(struct stream *stream, struct stream_serve *serve)
{
    struct stream_serve **at = &stream->blocks.serves;

    while (*at != NULL)
        at = &(*at)->next;
    *at = serve;
}

/* What is refused here is asked again. */
void stream_serve_asked(void *owner, struct raft_member by, uint64_t index, struct bytes question)
{
    struct stream *stream = owner;
    struct stream_serve *serve;
    struct decoder in;
    uint64_t first, last;

    decoder_init(&in, question);
    first = decode_u64(&in);
    last = decode_u64(&in);
    if (in.failed || first == 0 || last < first || !is_new(stream, by, first))
        return;
    serve = HEAP_NEW(struct stream_serve);
    serve->stream = stream;
    serve->to = by;
    serve->index = index;
    serve->first = serve->cursor = first;
    serve->last = last;
    buf_init(&serve->answer, SIZE_MAX);
    buf_init(&serve->window, SIZE_MAX);
    (void)buf_reserve(&serve->answer, STREAM_QUESTION_SIZE);
    buf_commit(&serve->answer, STREAM_QUESTION_SIZE);
    link_last(stream, serve);
    soon(stream);
}

void stream_serve_close(struct stream *stream, bool deleted)
{
    struct stream_serve *serve;

    timers_cancel(io_timers(stream_io(stream)), &stream->blocks.serve_timer);
    while ((serve = stream->blocks.serves) != NULL) {
        stream->blocks.serves = serve->next;
        serve->stream = NULL;
        if (!serve->in_flight || !deleted)
            free_serve(serve); /* else who comes back does */
    }
}
