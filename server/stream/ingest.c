/* ingest: publishes on a stream's subjects: decided at once when nothing is ahead of them, else
 * kept in order until they can be. */
#include "base/heap.h"
#include "server/stream/stream_priv.h"

#define COUNTERS_AT_ONCE 32u

struct publish_waiting {
    struct publish_waiting *next;
    struct publish publish; /* views into what follows the struct */
    struct bytes reply;
    struct message_trace *trace; /* held; NULL: it is not traced */
};

static void answer_error(struct stream *stream, struct bytes reply, uint16_t code, const char *text,
                         struct bytes headers, bool looked)
{
    struct outbox_item item = {
        .kind = OUTBOX_ERROR,
        .code = code,
        .to = reply,
        .headers = headers,
        .body = bytes_of_text(text),
    };

    if (reply.size == 0 || stream->state.config.no_ack)
        return;
    if (looked)
        stream_park(stream, &item);
    else
        stream_send_now(stream, &item);
}

static void answer_sequence(struct stream *stream, struct bytes reply, uint64_t sequence,
                            enum outbox_kind kind, struct bytes members)
{
    struct outbox_item item = {.kind = kind, .sequence = sequence, .to = reply, .body = members};

    if (reply.size > 0 && !stream->state.config.no_ack)
        stream_park(stream, &item);
}

static void answer_stored(struct stream *stream, struct bytes reply,
                          const struct decision *decision)
{
    uint8_t memory[1024];
    struct buf members = {.at = memory, .capacity = sizeof memory, .limit = sizeof memory};

    if (decision->batch.size == 0 && decision->value.size > 0) {
        stream_counter_answer(stream, reply, decision);
        return;
    }
    if (decision->batch.size > 0)
        stream_batches_ack(decision->batch, decision->count, &members);
    answer_sequence(stream, reply, decision->sequence, OUTBOX_STORED, buf_bytes(&members));
}

/* That it came, and nothing else: its batch may still be refused. */
static void answer_staged(struct stream *stream, struct bytes reply)
{
    struct outbox_item item = {.kind = OUTBOX_MESSAGE, .to = reply};

    stream_batches_staged(stream);
    if (reply.size > 0 && !stream->state.config.no_ack)
        stream_send_now(stream, &item);
}

static void answer_duplicate(struct stream *stream, struct bytes reply,
                             const struct decision *decision)
{
    uint8_t memory[1024];
    struct buf members = {.at = memory, .capacity = sizeof memory, .limit = sizeof memory};

    if (decision->batch.size > 0)
        stream_batches_ack(decision->batch, decision->count, &members);
    answer_sequence(stream, reply, decision->sequence, OUTBOX_DUPLICATE, buf_bytes(&members));
}

/* What was noted of a fast batch leaves with the position that it is about. */
static void answer_notes(struct stream *stream, struct bytes reply, const struct decision *decision)
{
    uint8_t memory[4096];

    for (unsigned i = 0; i < decision->note_count; i++) {
        struct buf body = {.at = memory, .capacity = sizeof memory, .limit = sizeof memory};
        struct outbox_item item = {.kind = OUTBOX_MESSAGE, .to = reply};

        stream_batches_note(&decision->notes[i], &body);
        item.body = buf_bytes(&body);
        if (!stream->state.config.no_ack)
            stream_park(stream, &item);
    }
    stream_batches_staged(stream);
}

/* Publishes leave room for others. Memory that others have made it grow to is there all the same:
 * no buffer has more than its limit. */
static size_t limit_of_publishes(const struct buf *gather)
{
    size_t limit = gather->limit - GATHER_RESERVED;

    return gather->capacity > limit ? gather->capacity : limit;
}

/* With the counters that it needs as far as they are in memory. A batch with many of them goes on
 * in the next turn: it is decided anew for each. */
static void decide(struct stream *stream, const struct publish *publish, struct decision *decision)
{
    struct buf *gather = replica_gather(stream->replica);

    for (unsigned i = 0; i < COUNTERS_AT_ONCE; i++) {
        decide_publish(&stream->decider, publish, stream_log_now(stream), gather, decision);
        if (decision->outcome != DECIDE_WAIT || !stream_counter_gather(stream))
            return;
    }
    stream_mark(stream);
}

bool stream_lacks_space(const struct stream *stream)
{
    return stream->state.config.storage == STORAGE_FILE && store_space(stream->lane->store).scarce;
}

/* A full disk is this node's alone: others of the stream's may have room. */
static void give_way(struct stream *stream)
{
    if (stream_lacks_space(stream))
        replica_give_way(stream->replica);
}

/* False: it has to wait; nothing has happened. */
static bool decide_one(struct stream *stream, const struct publish *publish, struct bytes reply,
                       struct message_trace *trace)
{
    struct buf *gather = replica_gather(stream->replica);
    size_t limit = gather->limit;
    struct decision decision;
    uint16_t error;

    if (!jetstream_admits_now(stream->jetstream, stream))
        return false;
    error = jetstream_admits(stream->jetstream, stream,
                             stream_stored_size(stream->state.config.storage, publish->subject.size,
                                                publish->headers.size, publish->payload.size));
    if (error != 0) {
        answer_error(stream, reply, error, "", bytes_of(NULL, 0), false);
        if (trace != NULL)
            stream_traced_refused(trace, publish, error, "");
        give_way(stream);
        return true;
    }
    if (gather->size >= limit - GATHER_RESERVED)
        return false;
    gather->limit = limit_of_publishes(gather);
    decide(stream, publish, &decision);
    gather->limit = limit;
    stream->gathered += decision.records;
    if (decision.abandoned != NULL)
        stream_batches_abandoned(stream, decision.batch, decision.abandoned);
    if (decision.fast)
        answer_notes(stream, reply, &decision);
    if (trace != NULL)
        stream_traced_decided(stream, trace, publish, &decision);
    switch (decision.outcome) {
    case DECIDE_STORE:
        stream_consumers_offer(stream,
                               decision.subject.size > 0 ? decision.subject : publish->subject);
        if (!decision.fast || decision.batch.size > 0)
            answer_stored(stream, reply, &decision);
        stream_mark(stream);
        return true;
    case DECIDE_HANDLED:
        if (decision.batch.size > 0)
            answer_stored(stream, reply, &decision);
        return true;
    case DECIDE_STAGED: answer_staged(stream, reply); return true;
    case DECIDE_DUPLICATE: answer_duplicate(stream, reply, &decision); return true;
    case DECIDE_REFUSE:
        answer_error(stream, reply, decision.error, decision.error_text, bytes_of(NULL, 0),
                     decision.looked);
        return true;
    case DECIDE_TRACED: return true;
    case DECIDE_WAIT:
    case DECIDE_FULL:
        break; /* what is applied next marks the stream: until then it would only spin */
    }
    return false;
}

static struct bytes place(uint8_t **at, struct bytes b)
{
    struct bytes placed = bytes_of(*at, b.size);

    if (b.size > 0)
        memcpy(*at, b.at, b.size);
    *at += b.size;
    return placed;
}

static void wait(struct stream *stream, const struct publish *publish, struct bytes reply,
                 struct message_trace *trace)
{
    size_t size = sizeof(struct publish_waiting) + publish->subject.size + publish->headers.size +
                  publish->payload.size + reply.size;
    struct publish_waiting *waiting;
    uint8_t *at;

    if (stream->waiting_count >= STREAM_WAITING_MAX ||
        stream->waiting_bytes + size > STREAM_WAITING_BYTES_MAX) {
        answer_error(stream, reply, 10167, "", BYTES("NATS/1.0 429 Too Many Requests\r\n\r\n"),
                     false);
        if (trace != NULL)
            stream_traced_refused(trace, publish, 10167, "");
        return;
    }
    waiting = heap_take(size);
    waiting->trace = trace;
    at = (uint8_t *)(waiting + 1);
    waiting->publish.subject = place(&at, publish->subject);
    waiting->publish.headers = place(&at, publish->headers);
    waiting->publish.payload = place(&at, publish->payload);
    waiting->reply = place(&at, reply);
    waiting->publish.reply = waiting->reply;
    if (stream->waiting_last != NULL)
        stream->waiting_last->next = waiting;
    else
        stream->waiting_first = waiting;
    stream->waiting_last = waiting;
    stream->waiting_count++;
    stream->waiting_bytes += size;
    stream_mark(stream);
}

/* Publishes wait for operations, before they start and until they are applied. */
static bool held(const struct stream *stream)
{
    return !stream->lead || stream_operations_busy(stream);
}

void stream_ingest(void *owner, const struct message *message)
{
    struct stream *stream = owner;
    struct publish publish = {
        .subject = message_sent_to(message),
        .headers = message->headers,
        .payload = message->payload,
        .reply = message->reply,
    };

    struct message_trace *trace = NULL;
    struct buf headers;

    buf_init(&headers, 0);
    if (message->trace != NULL)
        trace = stream_traced_begin(stream, message, &publish, &headers);
    if (stream->waiting_first != NULL || held(stream) ||
        !decide_one(stream, &publish, message->reply, trace))
        wait(stream, &publish, message->reply, trace);
    buf_deinit(&headers);
}

static void pop_waiting(struct stream *stream)
{
    struct publish_waiting *waiting = stream->waiting_first;

    stream->waiting_first = waiting->next;
    if (stream->waiting_first == NULL)
        stream->waiting_last = NULL;
    stream->waiting_count--;
    stream->waiting_taken++;
    stream->waiting_bytes -= sizeof *waiting + waiting->publish.subject.size +
                             waiting->publish.headers.size + waiting->publish.payload.size +
                             waiting->reply.size;
    heap_give(waiting);
}

void stream_ingest_here(struct stream *stream, struct index_here *here)
{
    const struct publish_waiting *waiting = stream->waiting_first;

    for (unsigned i = 0; i < INDEX_EXPECT_MAX && waiting != NULL; i++, waiting = waiting->next)
        index_here_add(stream->state.index, waiting->publish.subject, 0, here);
}

void stream_ingest_waiting(struct stream *stream)
{
    while (stream->waiting_first != NULL && !held(stream)) {
        struct publish_waiting *waiting = stream->waiting_first;

        if (!decide_one(stream, &waiting->publish, waiting->reply, waiting->trace))
            return;
        pop_waiting(stream);
    }
}

void stream_ingest_drop(struct stream *stream)
{
    while (stream->waiting_first != NULL) {
        if (stream->waiting_first->trace != NULL)
            message_trace_forget(stream->waiting_first->trace);
        pop_waiting(stream);
    }
    stream_traced_forget(stream);
}

void stream_ingest_follow(struct stream *stream)
{
    stream->ahead.publish.since_ns = 0;
    while (stream->waiting_first != NULL) {
        const struct publish *publish = &stream->waiting_first->publish;
        struct message message = {
            .subject = publish->subject,
            .reply = stream->waiting_first->reply,
            .headers = publish->headers,
            .payload = publish->payload,
        };

        (void)jetstream_forward(stream->jetstream, stream->account, stream->id, &message);
        if (STREAM_FLAWED(stream, FORWARD_AND_KEEP))
            return;
        if (stream->waiting_first->trace != NULL)
            stream_traced_refused(stream->waiting_first->trace, publish, 10009, "");
        pop_waiting(stream);
    }
}

/* ---- sinks ----------------------------------------------------------------------------------- */

static void subscribe_direct(struct stream *stream)
{
    struct router *router = stream_router(stream);
    struct buf subject;

    buf_init(&subject, 1024);
    (void)BUF_ADD(&subject, "$JS.API.DIRECT.GET.");
    (void)buf_add(&subject, stream->name);
    stream->sink_direct = router_sink_add(router, stream->account, buf_bytes(&subject),
                                          BYTES("_sys_"), stream_direct_collect, stream);
    (void)BUF_ADD(&subject, ".>");
    stream->sink_direct_subject = router_sink_add(router, stream->account, buf_bytes(&subject),
                                                  BYTES("_sys_"), stream_direct_collect, stream);
    buf_deinit(&subject);
}

/* What takes messages now, aside. */
struct sinks {
    struct sink **all;
    size_t count;
    struct sink *direct, *direct_subject;
};

static struct sinks take_sinks(struct stream *stream)
{
    struct sinks sinks = {stream->sinks, stream->sink_count, stream->sink_direct,
                          stream->sink_direct_subject};

    stream->sinks = NULL;
    stream->sink_count = 0;
    stream->sink_direct = NULL;
    stream->sink_direct_subject = NULL;
    return sinks;
}

static void remove_sinks(struct stream *stream, struct sinks *sinks)
{
    for (size_t i = 0; i < sinks->count; i++)
        stream_sink_remove(stream, &sinks->all[i]);
    heap_give(sinks->all);
    stream_sink_remove(stream, &sinks->direct);
    stream_sink_remove(stream, &sinks->direct_subject);
}

/* Made before those of before go: other shards look at any time whether anybody takes a subject. */
void stream_subscribe(struct stream *stream)
{
    struct router *router = stream_router(stream);
    const struct stream_config *config = &stream->state.config;
    struct sinks before;

    if (!stream->lead && jetstream_clustered(stream->jetstream))
        return; /* what comes here goes to the leader: jetstream_remote.c */
    if (!stream_may_listen(stream))
        return;
    before = take_sinks(stream);
    stream->sinks = heap_take(sizeof *stream->sinks * (config->subjects.count + 1));
    for (size_t i = 0; i < config->subjects.count; i++)
        stream->sinks[i] = router_sink_add(router, stream->account, config->subjects.at[i],
                                           bytes_of(NULL, 0), stream_ingest, stream);
    stream->sink_count = config->subjects.count;
    if (config->allow_direct)
        subscribe_direct(stream);
    remove_sinks(stream, &before);
}

bool stream_listens(const struct stream *stream)
{
    return stream->sink_count > 0;
}

void stream_sink_remove(struct stream *stream, struct sink **sink)
{
    if (*sink != NULL)
        router_sink_remove(stream_router(stream), *sink);
    *sink = NULL;
}

void stream_unsubscribe_direct(struct stream *stream)
{
    stream_sink_remove(stream, &stream->sink_direct);
    stream_sink_remove(stream, &stream->sink_direct_subject);
}

void stream_unsubscribe(struct stream *stream)
{
    struct sinks sinks = take_sinks(stream);

    remove_sinks(stream, &sinks);
}
