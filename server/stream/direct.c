/*
 * direct: $JS.API.DIRECT.GET.<stream>[.<subject>]: the stored message itself as the answer
 * (reference streams 6.4). Requests are collected by the sinks and answered in the stream's turn,
 * from applied state, so never older than the last ack this server gave. Batch and multi-subject
 * forms come with the streams issue: until then they are refused with a status.
 */
#include "base/heap.h"
#include "base/json.h"
#include "base/owner.h"
#include "base/subject.h"
#include "base/text.h"
#include "server/api/api.h"
#include "server/stream/stream_priv.h"

#define REQUEST_MAX (64u << 10)

/* One whose message has to be read from the disk. */
struct direct_request {
    struct stream_read read;
    struct stream *stream; /* not to be touched when the read says gone */
    struct bytes reply;    /* stands behind the struct */
    bool no_headers;
};

struct wanted {
    uint64_t sequence;
    struct bytes last_subject, next_subject;
    int64_t start_time_ns;
    bool has_sequence, has_time, no_headers;
};

void stream_direct_collect(void *owner, const struct message *message)
{
    struct stream *stream = owner;
    struct outbox_item item = {
        .kind = OUTBOX_MESSAGE,
        .to = message->reply,
        .reply = message->subject,
        .headers = message->headers,
        .body = message->payload,
    };

    if (message->reply.size == 0)
        return;
    if (item.body.size > REQUEST_MAX)
        item.body = BYTES("["); /* answered as malformed */
    item.look = stream_look_number(stream);
    if (outbox_add(&stream->direct_requests, &item))
        stream_mark(stream);
}

static void answer_status(struct stream *stream, struct bytes to, struct bytes headers)
{
    jetstream_answer(stream->jetstream, stream->account, to, headers, bytes_of(NULL, 0));
}

#define STATUS_EMPTY     BYTES("NATS/1.0 408 Empty Request\r\n\r\n")
#define STATUS_MALFORMED BYTES("NATS/1.0 408 Malformed Request\r\n\r\n")
#define STATUS_BAD       BYTES("NATS/1.0 408 Bad Request\r\n\r\n")
#define STATUS_LEVEL     BYTES("NATS/1.0 412 Required Api Level\r\n\r\n")
#define STATUS_NOT_FOUND BYTES("NATS/1.0 404 Message Not Found\r\n\r\n")
#define STATUS_REFUSED   BYTES("NATS/1.0 408 Batch And Multi Get Are Not Supported Yet\r\n\r\n")

static bool member_text(const struct json *body, struct bytes key, struct bytes *value)
{
    const struct json *member = json_get_nocase(body, key);

    if (member == NULL || member->type == JSON_NULL)
        return true;
    *value = member->text;
    return member->type == JSON_STRING;
}

static bool read_members(const struct json *body, struct wanted *wanted)
{
    const struct json *member = json_get_nocase(body, BYTES("seq"));
    struct bytes time = {0};

    if (member != NULL && !json_u64(member, &wanted->sequence))
        return false;
    wanted->has_sequence = wanted->sequence > 0;
    if (!member_text(body, BYTES("last_by_subj"), &wanted->last_subject) ||
        !member_text(body, BYTES("next_by_subj"), &wanted->next_subject) ||
        !member_text(body, BYTES("start_time"), &time))
        return false;
    if (time.size > 0) {
        wanted->has_time = true;
        if (!text_read_time(time, &wanted->start_time_ns))
            return false;
    }
    member = json_get_nocase(body, BYTES("no_hdr"));
    if (member != NULL && member->type != JSON_TRUE && member->type != JSON_FALSE)
        return false;
    wanted->no_headers = member != NULL && member->type == JSON_TRUE;
    return true;
}

/* What is asked for, or the status that answers it. */
static struct bytes parse_body(struct arena *arena, struct bytes text, struct wanted *wanted)
{
    struct json_error error;
    const struct json *body, *many;

    body = json_parse(arena, text, &error);
    if (body == NULL || body->type != JSON_OBJECT || !read_members(body, wanted))
        return STATUS_MALFORMED;
    many = json_get_nocase(body, BYTES("multi_last"));
    if ((many != NULL && many->child != NULL) || json_get_nocase(body, BYTES("batch")) != NULL)
        return STATUS_REFUSED;
    if (!wanted->has_sequence && !wanted->has_time && wanted->last_subject.size == 0 &&
        wanted->next_subject.size == 0)
        return STATUS_EMPTY;
    if ((wanted->has_sequence && wanted->last_subject.size > 0) ||
        (wanted->has_sequence && wanted->has_time) ||
        (wanted->has_time && wanted->last_subject.size > 0) ||
        (wanted->last_subject.size > 0 && wanted->next_subject.size > 0))
        return STATUS_BAD;
    return bytes_of(NULL, 0);
}

static bool find(const struct stream_state *state, const struct wanted *wanted,
                 struct index_entry *entry)
{
    struct index_filter filter = {.count = 1};
    uint64_t from = wanted->sequence;

    if (wanted->last_subject.size > 0) {
        filter.subjects = &wanted->last_subject;
        return index_previous(state->index, &filter, UINT64_MAX, entry);
    }
    if (wanted->has_time) {
        if (!index_first_at(state->index, wanted->start_time_ns, entry))
            return false;
        from = entry->sequence;
    }
    if (wanted->next_subject.size > 0) {
        filter.subjects = &wanted->next_subject;
        return index_next(state->index, &filter, from, entry);
    }
    return index_get(state->index, from, entry);
}

/* The message with what identifies it among its headers, or, if asked for so, without any. */
static void answer_message(struct stream *stream, struct bytes reply, bool no_headers,
                           const struct stream_message *message)
{
    struct buf *headers = &stream->direct_headers;
    struct bytes own = message->headers;
    char time[TEXT_TIME_MAX];

    buf_clear(headers);
    if (!no_headers) {
        (void)buf_add(headers,
                      own.size > 4 ? bytes_take(own, own.size - 2) : BYTES("NATS/1.0\r\n"));
        (void)BUF_ADD(headers, "Nats-Stream: ");
        (void)buf_add(headers, stream->name);
        (void)BUF_ADD(headers, "\r\nNats-Subject: ");
        (void)buf_add(headers, message->subject);
        (void)BUF_ADD(headers, "\r\nNats-Sequence: ");
        (void)buf_add_u64(headers, message->sequence);
        (void)BUF_ADD(headers, "\r\nNats-Time-Stamp: ");
        (void)buf_add(headers, bytes_of(time, text_time(time, message->time_ns)));
        (void)BUF_ADD(headers, "\r\n\r\n");
    }
    jetstream_answer(stream->jetstream, stream->account, reply, buf_bytes(headers),
                     message->payload);
}

static void read_done(struct stream_read *read, const struct stream_message *message)
{
    struct direct_request *request = owner_of(read, struct direct_request, read);

    if (message != NULL)
        answer_message(request->stream, request->reply, request->no_headers, message);
    else if (!read->gone)
        answer_status(request->stream, request->reply, STATUS_NOT_FOUND);
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

/* $JS.API.DIRECT.GET.<stream>.<subject>: the last message of that subject. */
static struct bytes subject_form(const struct stream *stream, struct bytes subject)
{
    size_t prefix = sizeof("$JS.API.DIRECT.GET.") - 1 + stream->name.size + 1;

    return subject.size > prefix ? bytes_skip(subject, prefix) : bytes_of(NULL, 0);
}

static struct bytes parse(struct stream *stream, const struct outbox_item *item,
                          struct arena *arena, struct wanted *wanted)
{
    struct bytes by_subject = subject_form(stream, item->reply);
    struct bytes status;

    if (!api_level_is_met(item->headers))
        return STATUS_LEVEL;
    if (by_subject.size == 0)
        return item->body.size == 0 ? STATUS_EMPTY : parse_body(arena, item->body, wanted);
    if (item->body.size > 0) {
        status = parse_body(arena, item->body, wanted);
        if (!bytes_equal(status, STATUS_EMPTY)) /* only no_hdr may stand there */
            return status.size > 0 ? status : STATUS_BAD;
    }
    wanted->last_subject = by_subject;
    return bytes_of(NULL, 0);
}

static void answer(struct stream *stream, const struct outbox_item *item)
{
    struct wanted wanted = {0};
    struct bytes status = parse(stream, item, jetstream_arena(stream->jetstream), &wanted);
    struct stream_message message;
    struct index_entry entry;

    if (status.size > 0)
        answer_status(stream, item->to, status);
    else if (!find(&stream->state, &wanted, &entry))
        answer_status(stream, item->to, STATUS_NOT_FOUND);
    else if (stream_read_now(stream, &entry, &message))
        answer_message(stream, item->to, wanted.no_headers, &message);
    else
        start_read(stream, item->to, entry.sequence, wanted.no_headers);
}

void stream_direct_turn(struct stream *stream)
{
    struct outbox_item item;

    while (outbox_peek(&stream->direct_requests, &item) && stream_looked(stream, item.look)) {
        answer(stream, &item);
        outbox_pop(&stream->direct_requests);
    }
    if (stream->direct_headers.capacity > READ_CACHE_BLOCK)
        buf_release(&stream->direct_headers);
}
