/*
 * stream_serve: messages for a replica that fills (stream_fill.c): those of a range of sequences
 * that live now, as their records stand in this log. One question of each member at a time.
 */
#include <errno.h>

#include "base/codec.h"
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/stream_priv.h"

#define WINDOW_BYTES (256u << 10) /* read at a time */

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
    size_t wanted;
    bool in_flight;
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

/* ---- records ---------------------------------------------------------------------------------
 */

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
    got = log_read_now(replica_log(serve->stream->replica), entry->place, at, size);
    if (got < (int64_t)entry->record_size && (got >= 0 || got == -EAGAIN))
        return false;
    if (got > 0)
        buf_commit(&serve->window, (size_t)got);
    return true;
}

static void wait_for(struct stream_serve *serve, const struct index_entry *entry);

/* What is damaged here is left out: nobody gets it from this replica. */
static void add(struct stream_serve *serve, const struct index_entry *entry)
{
    struct record record;
    struct bytes bytes;

    if (!in_window(serve, entry))
        return;
    bytes = bytes_of(serve->window.at + (entry->place - serve->place), entry->record_size);
    if (record_read(bytes, &record) == OK && record.size == entry->record_size)
        (void)buf_add(&serve->answer, bytes);
}

/* ---- the answer ------------------------------------------------------------------------------
 */

static void tell(struct stream_serve *serve, uint64_t last)
{
    (void)encode_u64(encode_u64(serve->answer.at, serve->first), last);
    replica_tell(serve->stream->replica, serve->to, serve->index, buf_bytes(&serve->answer));
    free_serve(serve);
}

/* `waited`: the window is as full as it gets. A message may have been moved meanwhile. */
static void go_on(struct stream_serve *serve, bool waited)
{
    struct index_entry entry;

    while (index_next(serve->stream->state.index, NULL, serve->cursor, &entry) &&
           entry.sequence <= serve->last) {
        bool there = entry.place >> 32 != LOG_FILE_NONE && !in_window(serve, &entry) &&
                     !(waited && serve->place == entry.place);

        if (serve->answer.size >= replica_piece(serve->stream->replica)) {
            tell(serve, serve->cursor - 1);
            return;
        }
        if (there && !read_window(serve, &entry)) {
            wait_for(serve, &entry);
            return;
        }
        add(serve, &entry);
        serve->cursor = entry.sequence + 1;
    }
    tell(serve, serve->last);
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
    go_on(serve, true);
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

/* ---- questions -------------------------------------------------------------------------------
 */

void stream_serve_asked(void *owner, struct raft_member by, uint64_t index, struct bytes question)
{
    struct stream *stream = owner;
    struct stream_serve *serve = stream->blocks.serves;
    struct decoder in;

    while (serve != NULL && !members_equal(serve->to, by))
        serve = serve->next;
    if (serve != NULL)
        return; /* it is asked again */
    serve = HEAP_NEW(struct stream_serve);
    decoder_init(&in, question);
    serve->stream = stream;
    serve->to = by;
    serve->index = index;
    serve->first = serve->cursor = decode_u64(&in);
    serve->last = decode_u64(&in);
    buf_init(&serve->answer, SIZE_MAX);
    buf_init(&serve->window, SIZE_MAX);
    (void)buf_reserve(&serve->answer, STREAM_QUESTION_SIZE);
    buf_commit(&serve->answer, STREAM_QUESTION_SIZE);
    serve->next = stream->blocks.serves;
    stream->blocks.serves = serve;
    if (in.failed || serve->first == 0 || serve->last < serve->first)
        free_serve(serve);
    else
        go_on(serve, false);
}

void stream_serve_close(struct stream *stream, bool deleted)
{
    struct stream_serve *serve;

    while ((serve = stream->blocks.serves) != NULL) {
        stream->blocks.serves = serve->next;
        serve->stream = NULL;
        if (!serve->in_flight || !deleted)
            free_serve(serve); /* else who comes back does */
    }
}
