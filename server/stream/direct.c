/*
 * direct: $JS.API.DIRECT.GET.<stream>[.<subject>]: stored messages themselves as the answer
 * (reference streams 6.4). Requests are collected by the sinks and answered in the stream's turn,
 * from applied state, so never older than the last ack this server gave.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "base/text.h"
#include "server/api/api.h"
#include "server/stream/direct_priv.h"

#define REQUEST_MAX (64u << 10)

/* One whose message has to be read from the disk. */
struct direct_request {
    struct stream_read read;
    struct stream *stream; /* not to be touched when the read says gone */
    struct bytes reply;    /* stands behind the struct */
    bool no_headers;
};

void stream_direct_collect(void *owner, const struct message *message)
{
    struct stream *stream = owner;
    struct outbox_item item = {
        .kind = OUTBOX_MESSAGE,
        .to = message->reply,
        .reply = message_sent_to(message),
        .headers = message->headers,
        .body = message->payload,
    };

    if (message->reply.size == 0)
        return;
    if (stream_unheard_keep(stream, UNHEARD_DIRECT, message))
        return;
    if (item.body.size > REQUEST_MAX)
        item.body = BYTES("["); /* answered as malformed */
    item.look = stream_look_number(stream);
    if (outbox_add(&stream->direct_requests, &item))
        stream_mark(stream);
}

void direct_answer_status(struct stream *stream, struct bytes to, struct bytes headers)
{
    stream_answer(stream, to, headers, bytes_of(NULL, 0));
}

/* ---- requests -------------------------------------------------------------------------------- */

#define STATUS_EMPTY     BYTES("NATS/1.0 408 Empty Request\r\n\r\n")
#define STATUS_MALFORMED BYTES("NATS/1.0 408 Malformed Request\r\n\r\n")
#define STATUS_BAD       BYTES("NATS/1.0 408 Bad Request\r\n\r\n")
#define STATUS_LEVEL     BYTES("NATS/1.0 412 Required Api Level\r\n\r\n")

static bool contradicts(const struct message_get *get)
{
    bool last = get->last_by_subj.size > 0, many = get->multi_last.count > 0;

    return message_get_contradicts(get) || (last && get->batch > 0) || (last && many) ||
           (get->next_by_subj.size > 0 && many) ||
           (get->up_to_seq > 0 && get->up_to_time_ns != TIME_UNSET);
}

/* What is asked for, or the status that answers it. Unknown keys mean nothing here. */
static struct bytes parse_body(struct arena *arena, struct bytes text, struct message_get *get)
{
    struct json_error error;
    const struct json *body = json_parse(arena, text, &error);

    if (body == NULL || body->type != JSON_OBJECT ||
        !schema_parse(&message_get_schema, body, false, arena, get, &error))
        return STATUS_MALFORMED;
    if (message_get_is_empty(get))
        return STATUS_EMPTY;
    return contradicts(get) ? STATUS_BAD : bytes_of(NULL, 0);
}

/* $JS.API.DIRECT.GET.<stream>.<subject>: the last message of that subject. */
static struct bytes subject_form(const struct stream *stream, struct bytes subject)
{
    size_t prefix = sizeof("$JS.API.DIRECT.GET.") - 1 + stream->name.size + 1;

    return subject.size > prefix ? bytes_skip(subject, prefix) : bytes_of(NULL, 0);
}

/* There the body may only say no_hdr and max_bytes. */
static struct bytes parse_subject_form(struct arena *arena, const struct outbox_item *item,
                                       struct bytes subject, struct message_get *get)
{
    if (item->body.size > 0) {
        struct bytes status = parse_body(arena, item->body, get);

        if (!bytes_equal(status, STATUS_EMPTY))
            return status.size > 0 ? status : STATUS_BAD;
        if (get->batch != 0 || get->up_to_seq > 0 || get->up_to_time_ns != TIME_UNSET)
            return STATUS_BAD;
    }
    get->last_by_subj = subject;
    return bytes_of(NULL, 0);
}

static struct bytes parse(struct stream *stream, const struct outbox_item *item,
                          struct arena *arena, struct message_get *get)
{
    struct bytes by_subject = subject_form(stream, item->reply);

    schema_clear(&message_get_schema, get);
    if (!api_level_is_met(item->headers))
        return STATUS_LEVEL;
    if (by_subject.size > 0)
        return parse_subject_form(arena, item, by_subject, get);
    return item->body.size == 0 ? STATUS_EMPTY : parse_body(arena, item->body, get);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void add_number(struct buf *headers, struct bytes name, uint64_t value)
{
    (void)buf_add(headers, name);
    (void)buf_add_u64(headers, value);
}

static void add_headers(struct buf *headers, const struct stream *stream,
                        const struct stream_message *message,
                        const struct direct_progress *progress)
{
    struct bytes own = message->headers;
    char time[TEXT_TIME_MAX];

    (void)buf_add(headers, own.size > 4 ? bytes_take(own, own.size - 2) : BYTES("NATS/1.0\r\n"));
    (void)BUF_ADD(headers, "Nats-Stream: ");
    (void)buf_add(headers, stream->name);
    (void)BUF_ADD(headers, "\r\nNats-Subject: ");
    (void)buf_add(headers, message->subject);
    add_number(headers, BYTES("\r\nNats-Sequence: "), message->sequence);
    (void)BUF_ADD(headers, "\r\nNats-Time-Stamp: ");
    (void)buf_add(headers, bytes_of(time, text_time(time, message->time_ns)));
    if (progress != NULL) {
        add_number(headers, BYTES("\r\nNats-Num-Pending: "), progress->pending);
        add_number(headers, BYTES("\r\nNats-Last-Sequence: "), progress->last);
    }
    (void)BUF_ADD(headers, "\r\n\r\n");
}

void direct_answer_message(struct stream *stream, struct bytes reply, bool no_headers,
                           const struct stream_message *message,
                           const struct direct_progress *progress)
{
    struct buf *headers = &stream->direct_headers;

    buf_clear(headers);
    if (!no_headers)
        add_headers(headers, stream, message, progress);
    stream_answer(stream, reply, buf_bytes(headers), message->payload);
}

static void read_done(struct stream_read *read, const struct stream_message *message)
{
    struct direct_request *request = owner_of(read, struct direct_request, read);

    if (message != NULL)
        direct_answer_message(request->stream, request->reply, request->no_headers, message, NULL);
    else if (!read->gone)
        direct_answer_status(request->stream, request->reply,
                             read->damaged ? DIRECT_DAMAGED : DIRECT_NOT_FOUND);
    heap_give(request);
}

static void start_read(struct stream *stream, struct bytes reply, uint64_t sequence,
                       bool no_headers)
{
    struct direct_request *request = heap_take(sizeof *request + reply.size);

    request->stream = stream;
    request->reply = bytes_of(request + 1, reply.size);
    memcpy(request + 1, reply.at, reply.size);
    request->no_headers = no_headers;
    request->read = (struct stream_read){.sequence = sequence, .done = read_done};
    stream_read(stream, &request->read);
}

/* False: the message is not in memory. */
static bool answer_now(struct stream *stream, struct bytes reply, const struct message_get *get,
                       const struct index_entry *entry)
{
    struct stream_message message;

    if (!stream_read_now(stream, entry, &message))
        return false;
    stream_lane_read_lent(stream->lane);
    direct_answer_message(stream, reply, get->no_hdr, &message, NULL);
    stream_lane_read_back(stream->lane);
    return true;
}

/* False: it has to wait until what the index has of it has come. */
static bool answer_one(struct stream *stream, struct bytes reply, const struct message_get *get)
{
    struct index_here here;
    struct index_entry entry;
    enum scratch_place place;

    stream_here(stream, &here);
    message_get_here(get, stream->state.index, &here);
    place = stream_bring(stream, &here);
    if (place == SCRATCH_AWAY)
        return false;
    if (place == SCRATCH_BROKEN)
        direct_answer_status(stream, reply, DIRECT_UNREADABLE);
    else if (!message_get_find(get, stream->state.index, &entry))
        direct_answer_status(stream, reply, DIRECT_NOT_FOUND);
    else if (!answer_now(stream, reply, get, &entry))
        start_read(stream, reply, entry.sequence, get->no_hdr);
    return true;
}

/* False: it has to wait until another one has ended. */
static bool answer(struct stream *stream, const struct outbox_item *item)
{
    struct message_get get;
    struct bytes status = parse(stream, item, &stream->lane->arena, &get);

    if (status.size > 0) {
        direct_answer_status(stream, item->to, status);
        return true;
    }
    if (get.batch == 0 && get.multi_last.count == 0)
        return answer_one(stream, item->to, &get);
    if (!direct_many_room(stream))
        return false;
    direct_many_begin(stream, item->to, &get);
    return true;
}

void stream_direct_turn(struct stream *stream)
{
    struct outbox_item item;

    while (outbox_peek(&stream->direct_requests, &item) && stream_looked(stream, item.look) &&
           answer(stream, &item))
        outbox_pop(&stream->direct_requests);
    direct_many_turn(stream);
    if (stream->direct_headers.capacity > READ_CACHE_BLOCK)
        buf_release(&stream->direct_headers);
}
