/*
 * delivery: carries out what consumers ask to be sent, in the order they asked. Messages that stand
 * close together in one segment are read with one call; when the bytes are not in memory the read
 * goes to the disk and the consumer's later deliveries wait behind it.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/stream_priv.h"

#define READ_MAX (128u << 10) /* of one read, unless a single message is larger */
#define RUN_MAX  1024u        /* deliveries that one read serves */
#define PUMP_MAX (1u << 20)   /* bytes one consumer may send in one turn */
#define RETRY_NS INT64_C(1000000)

/* One read in flight for the head of a consumer's deliveries. */
struct stream_reader {
    struct log_read read;
    struct consumer_shell *shell; /* NULL: the consumer went away meanwhile */
    uint64_t first_sequence;
    size_t first_size;
    log_place place;
    size_t size;
    uint8_t *memory;
};

/* Where a message is that is to be sent; nothing, if it is not to be sent any more. */
struct location {
    log_place place;
    uint32_t size;
};

/* The deliveries at the front of an outbox that one read serves, and where their messages are. What
 * is known here is true until something is applied. */
struct run {
    struct location at[RUN_MAX];
    size_t count;
};

/* Who gets what goes to one subject; most deliveries in a row go to the same. */
struct way {
    struct bytes
        to; /* of a delivery that was taken out of the outbox, whose memory is still there */
    struct router_route route;
};

/*
 * Whoever pulls and has much to read already is passed over when hand-outs are planned
 * (consumers/pulls.c): what was planned for it leaves, so that others need not wait, unless that
 * might be the end of it. A group's member that is behind is passed over by the router.
 */
static bool congested(struct consumer_shell *shell)
{
    struct router *router = stream_router(shell->stream);

    if (!shell->push)
        return router_congested_badly(router);
    if (delivery_route(shell))
        return router_route_behind(&shell->lane->route);
    return router_congested(router) &&
           (router_congested_badly(router) ||
            !router_groups_ready(router, shell->stream->account,
                                 consumer_config(shell->consumer)->deliver_subject));
}

/* The first delivery, which is `item`, has left or goes nowhere. */
static void pop(struct consumer_lane *lane, const struct outbox_item *item)
{
    assert(item->weight <= lane->unsent);
    lane->unsent -= item->weight;
    outbox_pop(&lane->deliveries);
}

static void send_status(struct consumer_shell *shell, const struct outbox_item *item)
{
    struct message message = {
        .subject = item->to, .reply = item->reply, .headers = item->headers, .payload = item->body};

    stream_publish(shell->stream, &message);
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
    stream_publish(shell->stream, message);
    buf_deinit(&headers);
}

static void send_along(struct consumer_shell *shell, struct way *way, const struct message *message)
{
    struct router *router = stream_router(shell->stream);
    struct account *account = shell->stream->account;

    if (!bytes_equal(way->to, message->route))
        *way = (struct way){.to = message->route};
    if (stream_failed(shell->stream))
        return;
    if (router_route_find(router, account, way->to, &way->route))
        (void)router_route_publish(router, &way->route, message);
    else
        (void)router_publish(router, account, message);
}

bool delivery_read(struct consumer_shell *shell, uint64_t sequence, log_place place,
                   struct bytes bytes, struct effect *effect)
{
    struct record record;

    if (record_read(bytes, &record) == OK && effect_read(&record, effect) == OK &&
        effect->type == EFFECT_MESSAGE && effect->message.sequence == sequence)
        return true;
    stream_read_damaged(shell->stream, sequence, place);
    return false;
}

void delivery_waited(struct stream *stream, int64_t stored_ns)
{
    latency_add(&stream->lane->latencies.delivered, stream_log_now(stream) - stored_ns);
}

/* Nobody has got it. */
static void unread(struct consumer_shell *shell, uint64_t sequence)
{
    consumer_unread(shell->consumer, io_now(stream_io(shell->stream)), sequence);
    stream_consumer_mark(shell);
}

/* Sends the message whose record stands at the start of `bytes`, and at that place. */
static void send_message(struct consumer_shell *shell, struct way *way,
                         const struct outbox_item *item, log_place place, struct bytes bytes)
{
    struct effect effect;
    struct message message;

    if (!delivery_read(shell, item->sequence, place, bytes, &effect)) {
        unread(shell, item->sequence);
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
        delivery_waited(shell->stream, effect.message.time_ns);
    if (item->code & DELIVERY_HEADERS_ONLY || item->headers.size > 0)
        send_with(shell, item, &message);
    else
        send_along(shell, way, &message);
}

/* Where the message is, if it is still to leave: after it was handed out it may have been removed,
 * or an ack of an earlier delivery may have settled it, and been confirmed. */
static bool find_wanted(const struct consumer_shell *shell, const struct outbox_item *item,
                        struct location *found)
{
    if (item->kind != OUTBOX_STORED)
        return false;
    if (item->look != 0) { /* it left with its hand-out */
        *found = (struct location){.place = item->index, .size = (uint32_t)item->look};
        return true;
    }
    return index_place(shell->stream->state.index, item->sequence, &found->place, &found->size) &&
           consumer_owes(shell->consumer, item->sequence);
}

/* Is it in what one read from the first location may reach, so that this serves both? */
static bool near(const struct location *first, const struct location *found)
{
    return found->place >= first->place && found->place >> 32 == first->place >> 32 &&
           found->place + found->size - first->place <= READ_MAX;
}

/* Finds the deliveries from the front on that one read from `first` serves. Returns how far it has
 * to reach. */
static size_t run_find(const struct consumer_shell *shell, const struct location *first,
                       struct run *run)
{
    struct outbox ahead = shell->lane->deliveries; /* a cursor: nothing is taken out */
    struct outbox_item item;
    log_place end = first->place + first->size;

    for (run->count = 0; run->count < RUN_MAX && outbox_peek(&ahead, &item); run->count++) {
        struct location *found = &run->at[run->count];

        if (!find_wanted(shell, &item, found))
            *found = (struct location){0};
        else if (run->count > 0 && !near(first, found))
            break;
        else if (found->place + found->size > end)
            end = found->place + found->size;
        outbox_skip(&ahead);
    }
    return (size_t)(end - first->place);
}

/* Sends from the front, and not more than the run has, what the bytes at `place` hold. Returns how
 * many bytes of messages went out. */
static size_t send_run(struct consumer_shell *shell, const struct run *run, log_place place,
                       struct bytes bytes)
{
    struct way way = {0};
    struct outbox_item item;
    size_t sent = 0;

    for (size_t i = 0; i < run->count && !congested(shell); i++) {
        const struct location *at = &run->at[i];
        bool there = outbox_peek(&shell->lane->deliveries, &item);

        assert(there);
        if (item.kind == OUTBOX_MESSAGE) {
            send_status(shell, &item);
        } else if (at->size > 0) {
            if (at->place < place || at->place + at->size > place + bytes.size)
                break;
            send_message(shell, &way, &item, at->place,
                         bytes_skip(bytes, (size_t)(at->place - place)));
            sent += at->size;
        }
        pop(shell->lane, &item);
    }
    return sent;
}

/* Meanwhile messages may have been removed: they are looked for anew. */
static void send_read(struct consumer_shell *shell, log_place place, struct bytes bytes)
{
    const struct location first = {.place = place};
    struct run run;

    (void)run_find(shell, &first, &run);
    (void)send_run(shell, &run, place, bytes);
}

static void read_done(struct log_read *read, int64_t result)
{
    struct stream_reader *reader = owner_of(read, struct stream_reader, read);
    struct consumer_shell *shell = reader->shell;

    if (shell != NULL) {
        struct outbox_item item;

        shell->lane->reader = NULL;
        if (result > 0)
            send_read(shell, reader->place, bytes_of(reader->memory, (size_t)result));
        /* A message that cannot be read must not stop those behind it. */
        if (result < (int64_t)reader->first_size && outbox_peek(&shell->lane->deliveries, &item) &&
            item.sequence == reader->first_sequence && item.kind == OUTBOX_STORED) {
            stream_read_damaged(shell->stream, item.sequence, reader->place);
            unread(shell, item.sequence);
            pop(shell->lane, &item);
        }
        stream_consumer_mark(shell);
    }
    heap_give(reader->memory);
    heap_give(reader);
}

static void read_from_disk(struct consumer_shell *shell, uint64_t sequence,
                           const struct location *first, size_t size)
{
    struct stream_reader *reader = HEAP_NEW(struct stream_reader);

    reader->read.done = read_done;
    reader->shell = shell;
    reader->first_sequence = sequence;
    reader->first_size = first->size;
    reader->place = first->place;
    reader->size = size;
    reader->memory = heap_take(size);
    shell->lane->reader = reader;
    log_read_gently(replica_log(shell->stream->replica), &reader->read, reader->place,
                    reader->memory, size);
}

/* The next delivery that needs bytes; statuses and removed messages before it are dealt with. */
static bool next_stored(struct consumer_shell *shell, uint64_t *sequence, struct location *found)
{
    struct outbox_item item;

    while (outbox_peek(&shell->lane->deliveries, &item) && !congested(shell)) {
        *sequence = item.sequence;
        if (find_wanted(shell, &item, found))
            return true;
        if (item.kind == OUTBOX_MESSAGE)
            send_status(shell, &item);
        pop(shell->lane, &item);
    }
    return false;
}

void delivery_pump(struct consumer_shell *shell)
{
    struct io *io = stream_io(shell->stream);
    size_t budget = PUMP_MAX;
    struct location first;
    uint64_t sequence;

    if (shell->lane == NULL)
        return;
    router_congestion_reset(stream_router(shell->stream));
    while (shell->lane->reader == NULL && budget > 0 && next_stored(shell, &sequence, &first)) {
        struct run run;
        size_t size = run_find(shell, &first, &run);
        uint8_t *memory = stream_lane_read_buffer(shell->stream->lane, size);
        int64_t got = log_read_now(replica_log(shell->stream->replica), first.place, memory, size);
        size_t sent;

        if (got < (int64_t)first.size) {
            read_from_disk(shell, sequence, &first, size);
            return;
        }
        stream_lane_read_lent(shell->stream->lane);
        sent = send_run(shell, &run, first.place, bytes_of(memory, (size_t)got));
        stream_lane_read_back(shell->stream->lane);
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

    for (; outbox_peek(&ahead, &item); outbox_skip(&ahead)) {
        if (item.kind == OUTBOX_STORED && item.look != 0 && item.index >> 32 == ordinal)
            return true;
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

int64_t delivery_waits_since(const struct consumer_lane *lane)
{
    struct outbox ahead;
    struct outbox_item item;

    if (lane == NULL)
        return INT64_MAX;
    for (ahead = lane->deliveries; outbox_peek(&ahead, &item); outbox_skip(&ahead)) {
        if (item.kind == OUTBOX_STORED && item.look == 0)
            return (int64_t)item.index;
    }
    return INT64_MAX;
}

void delivery_statuses(struct consumer_shell *shell, delivery_say_fn *say)
{
    struct outbox_item item;

    if (shell->lane == NULL)
        return;
    while (outbox_peek(&shell->lane->deliveries, &item)) {
        if (item.kind == OUTBOX_MESSAGE)
            say(shell->stream, &item);
        pop(shell->lane, &item);
    }
}

void delivery_forsake(struct consumer_lane *lane)
{
    if (lane->reader != NULL)
        lane->reader->shell = NULL;
    lane->reader = NULL;
}
