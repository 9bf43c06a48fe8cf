#include "server/stream/door.h"

#include "base/heap.h"
#include "base/limits.h"
#include "server/api/api.h"
#include "server/stream/stream_priv.h"

#define REFUSED_BYTES_MAX (16u << 20) /* of those who are to hear that there is no room */

struct door_sink {
    struct door *door;
    struct sink *sink;
    sink_deliver_fn *deliver; /* of the stream */
};

struct waiting {
    struct waiting *next;
    sink_deliver_fn *deliver;
    struct message message; /* views into what follows the struct; its trace is held */
    size_t size;
};

struct door {
    struct stream_lane *lane;
    struct account *account; /* the lane's */
    const struct stream_config *config;
    struct door_room *room;
    struct door_sink *sinks;
    size_t sink_count;
    struct waiting *first, *last;
    size_t count, bytes;
    struct outbox refused; /* publishers that there was no room for */
    void (*knocked)(void *owner);
    void *owner;
};

/* ---- collecting ----------------------------------------------------------------------------- */

static struct bytes place(uint8_t **at, struct bytes b)
{
    struct bytes placed = bytes_of(*at, b.size);

    if (b.size > 0)
        memcpy(*at, b.at, b.size);
    *at += b.size;
    return placed;
}

static void add_last(struct door *door, struct waiting *waiting)
{
    if (door->last != NULL)
        door->last->next = waiting;
    else
        door->first = waiting;
    door->last = waiting;
    door->count++;
    door->bytes += waiting->size;
}

/* Of what all doors share, whichever threads they are on. */
static bool take_room(struct door_room *room, size_t size)
{
    if (atomic_fetch_add(&room->bytes, size) + size <= room->most)
        return true;
    atomic_fetch_sub(&room->bytes, size);
    return false;
}

/* True: it counts as taken. */
static bool has_room(struct door *door, size_t size)
{
    return door->count < STREAM_WAITING_MAX && door->bytes + size <= STREAM_WAITING_BYTES_MAX &&
           take_room(door->room, size);
}

/* A publisher is told, as an open stream tells it; for others it is a time-out, as with that. */
static void turn_away(struct door *door, sink_deliver_fn *deliver, const struct message *message)
{
    struct outbox_item item = {.kind = OUTBOX_ERROR, .to = message->reply};

    if (deliver != stream_ingest || message->reply.size == 0 || door->config->no_ack)
        return;
    (void)outbox_add(&door->refused, &item); /* beyond the bound: a time-out for them, too */
    door->knocked(door->owner);
}

static void collect(void *owner, const struct message *message)
{
    const struct door_sink *sink = owner;
    struct door *door = sink->door;
    struct bytes sent_to = message_sent_to(message);
    size_t size = sizeof(struct waiting) + sent_to.size + message->reply.size +
                  message->headers.size + message->payload.size;
    struct waiting *waiting;
    uint8_t *at;

    if (!has_room(door, size)) {
        turn_away(door, sink->deliver, message);
        return;
    }
    waiting = heap_take(size);
    at = (uint8_t *)(waiting + 1);
    *waiting = (struct waiting){.deliver = sink->deliver, .size = size};
    waiting->message.subject = place(&at, sent_to);
    waiting->message.reply = place(&at, message->reply);
    waiting->message.headers = place(&at, message->headers);
    waiting->message.payload = place(&at, message->payload);
    waiting->message.trace = message->trace;
    message_trace_hold(message->trace);
    add_last(door, waiting);
    door->knocked(door->owner);
}

/* ---- listening ------------------------------------------------------------------------------ */

static void listen(struct door *door, struct bytes subject, struct bytes queue,
                   sink_deliver_fn *deliver)
{
    struct door_sink *sink = &door->sinks[door->sink_count++];

    *sink = (struct door_sink){.door = door, .deliver = deliver};
    sink->sink = router_sink_add(door->lane->router, door->account, subject, queue, collect, sink);
}

static void listen_direct(struct door *door, struct bytes name)
{
    struct buf subject;

    buf_init(&subject, SUBJECT_SIZE_MAX);
    (void)BUF_ADD(&subject, "$JS.API.DIRECT.GET.");
    (void)buf_add(&subject, name);
    listen(door, buf_bytes(&subject), BYTES("_sys_"), stream_direct_collect);
    (void)BUF_ADD(&subject, ".>");
    listen(door, buf_bytes(&subject), BYTES("_sys_"), stream_direct_collect);
    buf_deinit(&subject);
}

/* Whether it has consumers nobody knows yet. */
static void listen_consumers(struct door *door, struct bytes name)
{
    for (unsigned i = 0; i < CONSUMER_INBOX_SINKS; i++) {
        sink_deliver_fn *deliver;
        struct buf subject;

        buf_init(&subject, SUBJECT_SIZE_MAX);
        deliver = consumer_inbox_subject(door->lane->jetstream, door->account, name, i, &subject);
        listen(door, buf_bytes(&subject), bytes_of(NULL, 0), deliver);
        buf_deinit(&subject);
    }
}

void door_listen(struct door *door)
{
    const struct stream_config *config = door->config;

    if (door->sink_count > 0)
        return;
    door->sinks = heap_resize(door->sinks, (config->subjects.count + 2 + CONSUMER_INBOX_SINKS) *
                                               sizeof *door->sinks);
    for (size_t i = 0; i < config->subjects.count; i++)
        listen(door, config->subjects.at[i], bytes_of(NULL, 0), stream_ingest);
    if (config->allow_direct)
        listen_direct(door, config->name);
    listen_consumers(door, config->name);
}

struct door *door_open(struct stream_lane *lane, struct account *account,
                       const struct stream_config *config, struct door_room *room,
                       void (*knocked)(void *owner), void *owner)
{
    struct door *door = HEAP_NEW(struct door);

    door->lane = lane;
    door->account = stream_lane_account(lane, account);
    door->config = config;
    door->room = room;
    outbox_init(&door->refused, REFUSED_BYTES_MAX);
    door->knocked = knocked;
    door->owner = owner;
    door_listen(door);
    return door;
}

void door_shut(struct door *door)
{
    for (size_t i = 0; i < door->sink_count; i++)
        router_sink_remove(door->lane->router, door->sinks[i].sink);
    door->sink_count = 0;
}

/* ---- what has come -------------------------------------------------------------------------- */

bool door_waits(const struct door *door)
{
    return door->first != NULL;
}

static struct waiting *take_first(struct door *door)
{
    struct waiting *waiting = door->first;

    door->first = waiting->next;
    if (door->first == NULL)
        door->last = NULL;
    door->count--;
    door->bytes -= waiting->size;
    atomic_fetch_sub(&door->room->bytes, waiting->size);
    return waiting;
}

void door_answer(struct door *door)
{
    struct outbox_item item;
    struct buf body;

    if (door->refused.count == 0)
        return;
    buf_init(&body, 4096);
    api_publish_error(&body, door->config->name, 10167, NULL);
    for (; outbox_peek(&door->refused, &item); outbox_pop(&door->refused))
        stream_lane_answer(door->lane, door->account, item.to,
                           BYTES("NATS/1.0 429 Too Many Requests\r\n\r\n"), buf_bytes(&body));
    buf_deinit(&body);
}

void door_hand_over(struct door *door, struct stream *stream)
{
    assert(door->sink_count == 0); /* what comes now would overtake it */
    door_answer(door);
    while (door->first != NULL) {
        struct waiting *waiting = take_first(door);

        waiting->deliver(stream, &waiting->message);
        message_trace_end(waiting->message.trace);
        heap_give(waiting);
    }
}

static void refuse(struct door *door, const struct message *message)
{
    struct buf headers;

    if (message->reply.size == 0)
        return;
    buf_init(&headers, SUBJECT_SIZE_MAX + 64);
    if (BUF_ADD(&headers, "NATS/1.0 503\r\nNats-Subject: ") &&
        buf_add(&headers, message->subject) && BUF_ADD(&headers, "\r\n\r\n"))
        stream_lane_answer(door->lane, door->account, message->reply, buf_bytes(&headers),
                           bytes_of(NULL, 0));
    buf_deinit(&headers);
}

void door_refuse(struct door *door)
{
    door_answer(door);
    while (door->first != NULL) {
        struct waiting *waiting = take_first(door);

        refuse(door, &waiting->message);
        message_trace_end(waiting->message.trace);
        heap_give(waiting);
    }
}

void door_destroy(struct door *door)
{
    door_shut(door);
    while (door->first != NULL) {
        struct waiting *waiting = take_first(door);

        if (waiting->message.trace != NULL)
            message_trace_forget(waiting->message.trace);
        heap_give(waiting);
    }
    outbox_deinit(&door->refused);
    heap_give(door->sinks);
    heap_give(door);
}
