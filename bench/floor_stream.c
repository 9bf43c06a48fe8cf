/*
 * Floor modes with JetStream: a stream that is only as much stream as its mode needs.
 *
 * publish: a message is bytes for the journal and an ack; the acks leave after the turn's one
 * write.
 *
 * read: filling the stream keeps, for each message, the bytes that will be sent for it, complete
 * but for what only the request says. Delivering is then copying: a replay copies the whole in
 * chunks as the connection takes them, a pull as many messages as were asked for, a direct get the
 * one message behind a line made for its request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/floor.h"
#include "bench/floor_journal.h"

#define REPLAY_CHUNK (256u * 1024u)

struct stream {
    struct journal journal; /* publish */
    uint64_t messages;
    /* Prepared bytes of message n (from 0): from ends[n - 1], or 0, to ends[n]. */
    char *prepared;
    size_t prepared_capacity;
    size_t *ends;
    size_t ends_capacity;
    /* The consumer. */
    struct peer *reader;
    size_t replayed; /* bytes given to a push consumer; prepared_size once it has all */
    bool replaying;
    uint64_t delivered; /* messages given to a pull consumer */
    uint64_t acked;
};

static struct stream *stream_of(const struct floor *floor)
{
    return floor->state;
}

static size_t prepared_size(const struct stream *stream)
{
    return stream->messages > 0 ? stream->ends[stream->messages - 1] : 0;
}

static void stream_init(struct floor *floor)
{
    floor->state = calloc(1, sizeof(struct stream));
    if (!floor->state)
        floor_die("no memory");
}

static void ack_publish(struct floor *floor, const struct frame *frame, uint64_t sequence)
{
    char ack[96];
    char *end = put_u64(put_text(ack, "{\"stream\":\"" STREAM_NAME "\",\"seq\":"), sequence);
    struct span none = {0};

    end = put_text(end, "}");
    floor_route(floor, frame->reply, none, (struct span){ack, (size_t)(end - ack)});
}

/* Answers just what the load generator reads: no error, and the numbers it checks. */
static void api(struct floor *floor, const struct frame *frame)
{
    struct stream *stream = stream_of(floor);
    char answer[256];
    struct span none = {0};

    if (span_starts(frame->subject, API "STREAM.INFO."))
        snprintf(answer, sizeof answer, "{\"state\":{\"messages\":%llu}}",
                 (unsigned long long)stream->messages);
    else if (span_starts(frame->subject, API "CONSUMER.INFO."))
        snprintf(answer, sizeof answer,
                 "{\"ack_floor\":{\"stream_seq\":%llu},\"num_ack_pending\":%llu}",
                 (unsigned long long)stream->acked,
                 (unsigned long long)(stream->delivered - stream->acked));
    else
        snprintf(answer, sizeof answer, "{\"success\":true}");
    floor_route(floor, frame->reply, none, span_of(answer));
}

/* ---- publish ---- */

static void publish_init(struct floor *floor, const char *dir)
{
    stream_init(floor);
    journal_init(&stream_of(floor)->journal, dir);
}

static void publish_publish(struct floor *floor, struct peer *peer, const struct frame *frame)
{
    struct stream *stream = stream_of(floor);

    (void)peer;
    if (span_starts(frame->subject, API)) {
        api(floor, frame);
        return;
    }
    journal_add(&stream->journal, frame->line);
    journal_add(&stream->journal, frame->payload);
    ack_publish(floor, frame, ++stream->messages);
}

static bool publish_turn(struct floor *floor)
{
    journal_write(&stream_of(floor)->journal);
    return false;
}

const struct floor_mode floor_publish = {
    .name = "publish",
    .init = publish_init,
    .publish = publish_publish,
    .turn = publish_turn,
};

/* ---- read ---- */

static void read_init(struct floor *floor, const char *dir)
{
    (void)dir;
    stream_init(floor);
}

static void *grow(void *memory, size_t *capacity, size_t needed, size_t unit)
{
    if (needed <= *capacity)
        return memory;
    *capacity = needed * 2;
    memory = realloc(memory, *capacity * unit);
    if (!memory)
        floor_die("no memory");
    return memory;
}

/* Room for one more message; the caller writes it and calls prepare_end. */
static char *prepare(struct stream *stream, size_t room)
{
    size_t used = prepared_size(stream);

    stream->prepared = grow(stream->prepared, &stream->prepared_capacity, used + room, 1);
    stream->ends =
        grow(stream->ends, &stream->ends_capacity, stream->messages + 1, sizeof *stream->ends);
    return stream->prepared + used;
}

static void prepare_end(struct stream *stream, const char *end)
{
    stream->ends[stream->messages++] = (size_t)(end - stream->prepared);
}

/* The whole delivery, for the one subscription that the load generator reads with. */
static void prepare_delivery(struct stream *stream, const struct frame *frame)
{
    uint64_t sequence = stream->messages + 1;
    char *at = prepare(stream, frame->payload.size + 256);

    at = put_u64(put_text(at, "MSG " SUBJECT_JS " "), SID_DELIVER);
    at = put_text(at, " " ACK_PREFIX STREAM_NAME "." CONSUMER_NAME ".1.");
    at = put_u64(put_text(put_u64(at, sequence), "."), sequence);
    at = put_u64(put_text(at, ".1700000000000000000.0 "), frame->payload.size);
    at = put_span(put_text(at, "\r\n"), frame->payload);
    prepare_end(stream, put_text(at, "\r\n"));
}

/* From the header's size on: "H T\r\n" header payload "\r\n". What comes before is the request's.
 */
static void prepare_answer(struct stream *stream, const struct frame *frame)
{
    char header[512];
    char *end = put_text(header, "NATS/1.0\r\nNats-Stream: " STREAM_NAME "\r\nNats-Subject: ");
    size_t size;
    char *at;

    if (frame->subject.size > 128)
        floor_die("subject %.*s", (int)frame->subject.size, frame->subject.at);
    end = put_text(put_span(end, frame->subject), "\r\nNats-Sequence: ");
    end = put_u64(end, stream->messages + 1);
    end = put_text(end, "\r\nNats-Time-Stamp: 2025-01-01T00:00:00.000000000Z\r\n\r\n");
    size = (size_t)(end - header);

    at = prepare(stream, size + frame->payload.size + 64);
    at = put_u64(put_text(put_u64(at, size), " "), size + frame->payload.size);
    at = put_span(put_text(at, "\r\n"), (struct span){header, size});
    prepare_end(stream, put_text(put_span(at, frame->payload), "\r\n"));
}

static struct span prepared(const struct stream *stream, uint64_t first, uint64_t count)
{
    size_t from = first > 0 ? stream->ends[first - 1] : 0;

    if (count == 0)
        return (struct span){stream->prepared, 0};
    return (struct span){stream->prepared + from, stream->ends[first + count - 1] - from};
}

static void direct_get(struct stream *stream, struct peer *peer, const struct frame *frame)
{
    struct span key = span_skip(frame->subject, sizeof DIRECT_GET - 1);
    struct span bytes;
    uint64_t number;
    char *at;

    if (!span_starts(key, SUBJECT_KV) ||
        !span_u64(span_skip(key, sizeof SUBJECT_KV - 1), &number) || number >= stream->messages)
        floor_die("direct get of %.*s", (int)key.size, key.at);
    bytes = prepared(stream, number, 1);
    at = peer_reserve(peer, bytes.size + frame->reply.size + 40);
    at = put_span(put_text(at, "HMSG "), frame->reply);
    at = put_text(put_u64(put_text(at, " "), SID_INBOX), " ");
    conn_commit(&peer->conn, put_span(at, bytes));
}

static void pull_next(struct stream *stream, struct peer *peer, const struct frame *frame)
{
    uint64_t batch = 1;
    uint64_t left = stream->messages - stream->delivered;
    struct span bytes;

    if (!json_u64(frame->payload, "batch", &batch))
        floor_die("pull request %.*s", (int)frame->payload.size, frame->payload.at);
    if (batch > left)
        batch = left;
    bytes = prepared(stream, stream->delivered, batch);
    conn_commit(&peer->conn, put_span(peer_reserve(peer, bytes.size), bytes));
    stream->delivered += batch;
}

static void consumer_create(struct stream *stream, struct peer *peer, const struct frame *frame)
{
    stream->delivered = 0;
    stream->acked = 0;
    stream->replayed = 0;
    stream->reader = peer;
    stream->replaying = span_contains(frame->payload, "\"deliver_subject\"");
}

static void read_publish(struct floor *floor, struct peer *peer, const struct frame *frame)
{
    struct stream *stream = stream_of(floor);

    if (span_starts(frame->subject, ACK_PREFIX)) {
        stream->acked++;
    } else if (span_starts(frame->subject, MSG_NEXT)) {
        pull_next(stream, peer, frame);
    } else if (span_starts(frame->subject, DIRECT_GET)) {
        direct_get(stream, peer, frame);
    } else if (span_starts(frame->subject, API)) {
        if (span_starts(frame->subject, API "CONSUMER.CREATE."))
            consumer_create(stream, peer, frame);
        api(floor, frame);
    } else if (span_starts(frame->subject, SUBJECT_KV)) {
        prepare_answer(stream, frame);
        ack_publish(floor, frame, stream->messages);
    } else {
        prepare_delivery(stream, frame);
        ack_publish(floor, frame, stream->messages);
    }
}

/* Keeps some chunks in the connection's buffer until all is sent. */
static bool read_turn(struct floor *floor)
{
    struct stream *stream = stream_of(floor);

    if (!stream->replaying || !stream->reader->open)
        return false;
    while (conn_pending(&stream->reader->conn) < 2 * REPLAY_CHUNK) {
        size_t left = prepared_size(stream) - stream->replayed;
        size_t size = left < REPLAY_CHUNK ? left : REPLAY_CHUNK;
        struct span bytes = {stream->prepared + stream->replayed, size};

        if (left == 0) {
            stream->replaying = false;
            return false;
        }
        conn_commit(&stream->reader->conn, put_span(peer_reserve(stream->reader, size), bytes));
        stream->replayed += size;
    }
    return true;
}

const struct floor_mode floor_read = {
    .name = "read",
    .init = read_init,
    .publish = read_publish,
    .turn = read_turn,
};
