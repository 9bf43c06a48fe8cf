/*
 * delivery: carries out what consumers ask to be sent, in the order they asked. Messages that stand
 * close together in one segment are read with one call; when the bytes are not in memory the read
 * goes to the disk and the consumer's later deliveries wait behind it.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/stream_priv.h"

#define READ_MAX (128u << 10) /* of one read, unless a single message is larger */
#define PUMP_MAX (1u << 20)   /* bytes one consumer may send in one turn */
#define RETRY_NS INT64_C(2000000)

/* One read in flight for the head of a consumer's deliveries. */
struct stream_reader {
    struct log_read read;
    struct consumer_shell *shell; /* NULL: the consumer went away meanwhile */
    uint64_t first_sequence;
    log_place place;
    size_t size;
    uint8_t *memory;
};

static bool congested(struct consumer_shell *shell)
{
    return router_congested(stream_router(shell->stream));
}

static void send_status(struct consumer_shell *shell, const struct outbox_item *item)
{
    struct message message = {
        .subject = item->to, .reply = item->reply, .headers = item->headers, .payload = item->body};

    (void)router_publish(stream_router(shell->stream), shell->stream->account, &message);
}

/* Sends it with more header lines than it is stored with. */
static void send_with(struct consumer_shell *shell, const struct outbox_item *item,
                      struct message *message)
{
    struct buf headers;
    size_t kept = message->headers.size >= 2 ? message->headers.size - 2 : 0;

    buf_init(&headers, message->headers.size + item->headers.size + 128);
    if (kept > 0)
        (void)buf_add(&headers, bytes_take(message->headers, kept));
    else
        (void)BUF_ADD(&headers, "NATS/1.0\r\n");
    if (item->code & DELIVERY_HEADERS_ONLY) {
        (void)buf_print(&headers, "Nats-Msg-Size: %zu\r\n", message->payload.size);
        message->payload = bytes_of(NULL, 0);
    }
    (void)buf_add(&headers, item->headers);
    (void)BUF_ADD(&headers, "\r\n");
    message->headers = buf_bytes(&headers);
    (void)router_publish(stream_router(shell->stream), shell->stream->account, message);
    buf_deinit(&headers);
}

/* Sends the message whose record stands at the start of `bytes`. */
static void send_message(struct consumer_shell *shell, const struct outbox_item *item,
                         struct bytes bytes)
{
    struct stream *stream = shell->stream;
    struct record record;
    struct effect effect;
    struct message message;

    if (record_read(bytes, &record) != OK || effect_read(&record, &effect) != OK ||
        effect.type != EFFECT_MESSAGE || effect.message.sequence != item->sequence) {
        logger_error(server_logger(jetstream_server(stream->jetstream)),
                     "Stream '%.*s': message %llu is damaged on disk", BYTES_ARG(stream->name),
                     (unsigned long long)item->sequence);
        return;
    }
    message = (struct message){
        .subject = effect.message.subject,
        .route = item->to,
        .reply = item->reply,
        .headers = effect.message.headers,
        .payload = effect.message.payload,
    };
    if (item->code & DELIVERY_AWAITED)
        latency_add(&jetstream_latencies(stream->jetstream)->delivered,
                    stream_log_now(stream) - effect.message.time_ns);
    if (item->code & DELIVERY_HEADERS_ONLY || item->headers.size > 0)
        send_with(shell, item, &message);
    else
        (void)router_publish(stream_router(stream), stream->account, &message);
}

/* Where the message is, if it is still to leave: after it was handed out it may have been removed,
 * or an ack of an earlier delivery may have settled it, and been confirmed. */
static bool find_wanted(const struct consumer_shell *shell, const struct outbox_item *item,
                        struct index_entry *entry)
{
    if (item->kind == OUTBOX_STORED && item->look != 0) { /* it left with its hand-out */
        *entry = (struct index_entry){
            .sequence = item->sequence, .place = item->index, .record_size = (uint32_t)item->look};
        return true;
    }
    return item->kind == OUTBOX_STORED &&
           index_get(shell->stream->state.index, item->sequence, entry) &&
           consumer_owes(shell->consumer, item->sequence);
}

/* How far one read from the first entry may reach so that it serves the deliveries behind it, too.
 */
static size_t run_size(const struct consumer_shell *shell, const struct index_entry *first)
{
    struct outbox ahead = shell->lane->deliveries; /* a cursor: nothing is taken out */
    struct outbox_item item;
    log_place end = first->place + first->record_size;

    while (outbox_peek(&ahead, &item)) {
        struct index_entry entry;
        size_t skipped = outbox_item_size(&item);

        if (find_wanted(shell, &item, &entry)) {
            if (entry.place < first->place || entry.place >> 32 != first->place >> 32 ||
                entry.place + entry.record_size - first->place > READ_MAX)
                break;
            if (entry.place + entry.record_size > end)
                end = entry.place + entry.record_size;
        }
        ahead.head += skipped;
        ahead.count--;
    }
    return (size_t)(end - first->place);
}

/* Sends from the front what the bytes at `place` hold. Returns how many bytes of messages went out.
 */
static size_t send_run(struct consumer_shell *shell, log_place place, struct bytes bytes)
{
    struct outbox_item item;
    size_t sent = 0;

    while (outbox_peek(&shell->lane->deliveries, &item) && !congested(shell)) {
        struct index_entry entry;

        if (item.kind == OUTBOX_MESSAGE) {
            send_status(shell, &item);
        } else if (find_wanted(shell, &item, &entry)) {
            if (entry.place < place || entry.place + entry.record_size > place + bytes.size)
                break;
            send_message(shell, &item, bytes_skip(bytes, (size_t)(entry.place - place)));
            sent += entry.record_size;
        }
        outbox_pop(&shell->lane->deliveries);
    }
    return sent;
}

static void read_done(struct log_read *read, int64_t result)
{
    struct stream_reader *reader = owner_of(read, struct stream_reader, read);
    struct consumer_shell *shell = reader->shell;

    if (shell != NULL) {
        struct outbox_item item;

        shell->lane->reader = NULL;
        if (result > 0) {
            (void)send_run(shell, reader->place, bytes_of(reader->memory, (size_t)result));
        }
        /* A message that cannot be read must not stop those behind it. */
        if ((result <= 0 || (size_t)result < reader->size) &&
            outbox_peek(&shell->lane->deliveries, &item) &&
            item.sequence == reader->first_sequence && item.kind == OUTBOX_STORED) {
            logger_error(server_logger(jetstream_server(shell->stream->jetstream)),
                         "Stream '%.*s': message %llu could not be read",
                         BYTES_ARG(shell->stream->name), (unsigned long long)item.sequence);
            outbox_pop(&shell->lane->deliveries);
        }
        stream_consumer_mark(shell);
    }
    heap_give(reader->memory);
    heap_give(reader);
}

static void read_from_disk(struct consumer_shell *shell, const struct index_entry *entry,
                           size_t size)
{
    struct stream_reader *reader = HEAP_NEW(struct stream_reader);

    reader->read.done = read_done;
    reader->shell = shell;
    reader->first_sequence = entry->sequence;
    reader->place = entry->place;
    reader->size = size;
    reader->memory = heap_take(size);
    shell->lane->reader = reader;
    log_read(replica_log(shell->stream->replica), &reader->read, reader->place, reader->memory,
             size);
}

/* The next entry that needs bytes; statuses and removed messages before it are dealt with. */
static bool next_stored(struct consumer_shell *shell, struct index_entry *entry)
{
    struct outbox_item item;

    while (outbox_peek(&shell->lane->deliveries, &item) && !congested(shell)) {
        if (find_wanted(shell, &item, entry))
            return true;
        if (item.kind == OUTBOX_MESSAGE)
            send_status(shell, &item);
        outbox_pop(&shell->lane->deliveries);
    }
    return false;
}

void delivery_pump(struct consumer_shell *shell)
{
    struct io *io = stream_io(shell->stream);
    size_t budget = PUMP_MAX;
    struct index_entry entry;

    if (shell->lane == NULL)
        return;
    router_congestion_reset(stream_router(shell->stream));
    while (shell->lane->reader == NULL && budget > 0 && next_stored(shell, &entry)) {
        size_t size = run_size(shell, &entry);
        uint8_t *memory = jetstream_read_buffer(shell->stream->jetstream, size);
        int64_t got = log_read_now(replica_log(shell->stream->replica), entry.place, memory, size);
        size_t sent;

        if (got < (int64_t)entry.record_size) {
            read_from_disk(shell, &entry, size);
            return;
        }
        jetstream_read_lent(shell->stream->jetstream);
        sent = send_run(shell, entry.place, bytes_of(memory, (size_t)got));
        jetstream_read_back(shell->stream->jetstream);
        budget = sent < budget ? budget - sent : 0;
    }
    if (shell->lane->deliveries.count > 0 && shell->lane->reader == NULL)
        timers_arm(io_timers(io), &shell->lane->retry,
                   congested(shell) ? io_now(io) + RETRY_NS : io_now(io));
}

static bool holds(const struct consumer_shell *shell, uint32_t ordinal)
{
    struct outbox ahead = shell->lane->deliveries; /* a cursor: nothing is taken out */
    struct outbox_item item;

    for (; outbox_peek(&ahead, &item); ahead.count--) {
        if (item.kind == OUTBOX_STORED && item.look != 0 && item.index >> 32 == ordinal)
            return true;
        ahead.head += outbox_item_size(&item);
    }
    return false;
}

bool delivery_holds(const struct stream *stream, uint32_t ordinal)
{
    const struct consumer_shell *shell;

    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        if (shell->lane != NULL && holds(shell, ordinal))
            return true;
    }
    return false;
}

void delivery_statuses(struct consumer_shell *shell, delivery_say_fn *say)
{
    struct outbox_item item;

    if (shell->lane == NULL)
        return;
    while (outbox_peek(&shell->lane->deliveries, &item)) {
        if (item.kind == OUTBOX_MESSAGE)
            say(shell->stream, &item);
        outbox_pop(&shell->lane->deliveries);
    }
}

void delivery_forsake(struct consumer_lane *lane)
{
    if (lane->reader != NULL)
        lane->reader->shell = NULL;
    lane->reader = NULL;
}
