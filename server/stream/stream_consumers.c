/*
 * stream_consumers: the consumers of one stream, each in a shell with its sinks and timers. Machines
 * are made, updated and deleted in apply (volatile ones by their operation); everything they ask for is
 * queued and leaves in the stream's turn.
 */
#include <stdlib.h>

#include "base/heap.h"
#include "server/api/advisory.h"
#include "server/stream/stream_priv.h"

#define BURY_RETRY_NS INT64_C(1000000000)

static struct io *stream_io(const struct stream *stream)
{
    return server_io(jetstream_server(stream->jetstream));
}

/* For the leader's timers; a follower and recovery have no time. */
static int64_t leader_now(const struct stream *stream)
{
    return stream->lead ? io_now(stream_io(stream)) : 0;
}

static struct router *stream_router(const struct stream *stream)
{
    return server_router(jetstream_server(stream->jetstream));
}

void stream_consumer_mark(struct consumer_shell *shell)
{
    if (!shell->dirty) {
        shell->dirty = true;
        shell->dirty_next = shell->stream->consumer_dirty;
        shell->stream->consumer_dirty = shell;
    }
    stream_mark(shell->stream);
}

/* ---- what a machine may ask of its stream ------------------------------------------------------------ */

static uint64_t view_first(void *owner)
{
    return ((struct stream *)owner)->state.first_seq;
}

static uint64_t view_last(void *owner)
{
    return ((struct stream *)owner)->state.last_seq;
}

static void to_message(const struct index_entry *entry, struct consumer_message *out)
{
    /* stored_size counts 22 + 8 bytes (+ 4 with headers) beside subject, headers and payload. */
    *out = (struct consumer_message){
        .sequence = entry->sequence,
        .time_ns = entry->time_ns,
        .size = entry->stored_size - 30,
        .subject = entry->subject,
    };
}

static struct index_filter to_filter(const struct consumer_filter *filter)
{
    return (struct index_filter){.subjects = filter->subjects, .count = filter->count};
}

static bool view_get(void *owner, uint64_t sequence, struct consumer_message *out)
{
    struct index_entry entry;

    if (!index_get(((struct stream *)owner)->state.index, sequence, &entry))
        return false;
    to_message(&entry, out);
    return true;
}

static bool view_next(void *owner, const struct consumer_filter *filter, uint64_t from,
                      struct consumer_message *out)
{
    struct index_filter index_filter = to_filter(filter);
    struct index_entry entry;

    if (!index_next(((struct stream *)owner)->state.index, &index_filter, from, &entry))
        return false;
    to_message(&entry, out);
    return true;
}

static bool view_previous(void *owner, const struct consumer_filter *filter, uint64_t up_to,
                          struct consumer_message *out)
{
    struct index_filter index_filter = to_filter(filter);
    struct index_entry entry;

    if (!index_previous(((struct stream *)owner)->state.index, &index_filter, up_to, &entry))
        return false;
    to_message(&entry, out);
    return true;
}

static bool view_first_at(void *owner, int64_t time_ns, struct consumer_message *out)
{
    struct index_entry entry;

    if (!index_first_at(((struct stream *)owner)->state.index, time_ns, &entry))
        return false;
    to_message(&entry, out);
    return true;
}

static uint64_t view_pending(void *owner, const struct consumer_filter *filter, uint64_t from)
{
    struct index_filter index_filter = to_filter(filter);

    return index_pending(((struct stream *)owner)->state.index, &index_filter, from);
}

static uint64_t view_pending_last(void *owner, const struct consumer_filter *filter, uint64_t from,
                                  uint64_t up_to)
{
    struct index_filter index_filter = to_filter(filter);

    return index_pending_last(((struct stream *)owner)->state.index, &index_filter, from, up_to);
}

static bool view_is_last(void *owner, uint64_t sequence, uint64_t up_to)
{
    return index_is_last(((struct stream *)owner)->state.index, sequence, up_to);
}

static struct consumer_stream view_of(struct stream *stream)
{
    return (struct consumer_stream){
        .owner = stream,
        .name = stream->name,
        .message_max = (uint32_t)server_options(jetstream_server(stream->jetstream))->max_payload,
        .first = view_first,
        .last = view_last,
        .get = view_get,
        .next = view_next,
        .previous = view_previous,
        .first_at = view_first_at,
        .pending = view_pending,
        .pending_last = view_pending_last,
        .is_last = view_is_last,
    };
}

/* ---- what a machine asks to be done --------------------------------------------------------------------- */

static void ask_propose(void *owner, uint8_t type, struct bytes body)
{
    struct consumer_shell *shell = owner;
    struct stream *stream = shell->stream;
    struct buf *out = replica_gather(stream->replica);
    uint8_t *at = record_begin(out, type, 0, RECORD_BODY_PAD + body.size);

    /* Hand-outs and acks are small and bounded per turn, far below what a batch may hold. */
    assert(at != NULL);
    memset(at, 0, RECORD_BODY_PAD);
    memcpy(at + RECORD_BODY_PAD, body.at, body.size);
    record_end(out, RECORD_BODY_PAD + body.size);
    stream->gathered++;
    stream_mark(stream);
}

static void ask_deliver(void *owner, const struct consumer_delivery *delivery)
{
    struct consumer_shell *shell = owner;
    struct outbox_item item = {
        .kind = OUTBOX_STORED,
        .code = delivery->headers_only ? 1 : 0,
        .sequence = delivery->sequence,
        .to = delivery->to,
        .reply = delivery->ack_reply,
    };

    if (!outbox_add(&shell->deliveries, &item))
        logger_warn(server_logger(jetstream_server(shell->stream->jetstream)),
                    "Consumer '%.*s': too many deliveries are waiting", BYTES_ARG(shell->name));
    stream_consumer_mark(shell);
}

static void ask_status(void *owner, struct bytes to, struct bytes reply, struct bytes headers)
{
    struct consumer_shell *shell = owner;
    struct outbox_item item = {.kind = OUTBOX_MESSAGE, .to = to, .reply = reply, .headers = headers};

    (void)outbox_add(&shell->deliveries, &item); /* a status that is lost is a time-out for the client */
    stream_consumer_mark(shell);
}

static void ask_answer(void *owner, struct bytes to, bool committed)
{
    struct consumer_shell *shell = owner;
    struct outbox_item item = {.kind = OUTBOX_MESSAGE, .to = to};

    if (committed)
        stream_park(shell->stream, &item);
    else
        stream_send_now(shell->stream, &item);
}

static void ask_advise(void *owner, const struct consumer_advice *advice)
{
    struct consumer_shell *shell = owner;
    struct stream *stream = shell->stream;
    struct buf subject, body;
    struct outbox_item item = {.kind = OUTBOX_MESSAGE};

    buf_init(&subject, 1024);
    buf_init(&body, 4096);
    if (advisory_of_consumer(stream->jetstream, stream->name, shell->name, advice, &subject, &body) &&
        jetstream_listened(stream->jetstream, stream->account, buf_bytes(&subject))) {
        item.to = buf_bytes(&subject);
        item.body = buf_bytes(&body);
        stream_send_now(stream, &item);
    }
    buf_deinit(&subject);
    buf_deinit(&body);
}

static bool ask_interest(void *owner, struct bytes subject)
{
    struct consumer_shell *shell = owner;

    return router_interest(stream_router(shell->stream), shell->stream->account, subject);
}

static void ask_inactive(void *owner)
{
    struct consumer_shell *shell = owner;

    shell->doomed = true;
    stream_consumer_mark(shell);
}

static void ask_wake_at(void *owner, int64_t deadline_ns)
{
    struct consumer_shell *shell = owner;
    struct timers *timers = io_timers(stream_io(shell->stream));

    if (deadline_ns == INT64_MAX)
        timers_cancel(timers, &shell->wake);
    else
        timers_arm(timers, &shell->wake, deadline_ns);
}

/* Interest and work-queue streams would let go of the message here; their retention is refused. */
static void ask_settled(void *owner, uint64_t sequence)
{
    struct consumer_shell *shell = owner;

    assert(shell->stream->state.config.retention == RETENTION_LIMITS);
    (void)sequence;
}

static struct consumer_out out_of(struct consumer_shell *shell)
{
    return (struct consumer_out){
        .owner = shell,
        .propose = ask_propose,
        .deliver = ask_deliver,
        .status = ask_status,
        .answer = ask_answer,
        .advise = ask_advise,
        .interest = ask_interest,
        .inactive = ask_inactive,
        .wake_at = ask_wake_at,
        .settled = ask_settled,
    };
}

/* ---- sinks and timers -------------------------------------------------------------------------------------- */

enum inbox_kind { INBOX_REQUEST, INBOX_ACK, INBOX_FLOW };

/* Sinks only keep what they are given: the machine asks back (for interest, say), and that has to wait
 * until nothing is being published. */
static void keep(struct consumer_shell *shell, enum inbox_kind kind, const struct message *message)
{
    struct outbox_item item = {
        .kind = OUTBOX_MESSAGE,
        .code = kind,
        .to = message->subject,
        .reply = message->reply,
        .headers = message->headers,
        .body = message->payload,
    };

    if (outbox_add(&shell->inbox, &item)) /* what does not fit is a time-out for its sender */
        stream_consumer_mark(shell);
}

static void on_next(void *owner, const struct message *message)
{
    keep(owner, INBOX_REQUEST, message);
}

static void on_ack(void *owner, const struct message *message)
{
    keep(owner, INBOX_ACK, message);
}

static void on_flow(void *owner, const struct message *message)
{
    keep(owner, INBOX_FLOW, message);
}

static void read_inbox(struct consumer_shell *shell)
{
    int64_t now_ns = io_now(stream_io(shell->stream));
    int64_t log_now_ns = stream_log_now(shell->stream);
    struct outbox_item item;

    while (outbox_peek(&shell->inbox, &item)) {
        switch ((enum inbox_kind)item.code) {
        case INBOX_REQUEST:
            consumer_request(shell->consumer, now_ns, item.reply, item.headers, item.body);
            break;
        case INBOX_ACK:
            consumer_ack(shell->consumer, now_ns, log_now_ns, item.to, item.reply, item.body);
            break;
        case INBOX_FLOW: consumer_flow(shell->consumer, now_ns, item.to); break;
        }
        outbox_pop(&shell->inbox);
    }
}

static void on_wake(struct timer *timer)
{
    stream_consumer_mark((struct consumer_shell *)((uint8_t *)timer - offsetof(struct consumer_shell, wake)));
}

static void on_retry(struct timer *timer)
{
    stream_consumer_mark((struct consumer_shell *)((uint8_t *)timer - offsetof(struct consumer_shell, retry)));
}

static struct sink *add_sink(struct consumer_shell *shell, const char *prefix, const char *suffix,
                             sink_deliver_fn *deliver)
{
    struct stream *stream = shell->stream;
    struct sink *sink;
    struct buf subject;

    buf_init(&subject, 1024);
    (void)buf_add(&subject, bytes_of_text(prefix));
    (void)buf_add(&subject, stream->name);
    (void)buf_add_byte(&subject, '.');
    (void)buf_add(&subject, shell->name);
    (void)buf_add(&subject, bytes_of_text(suffix));
    sink = router_sink_add(stream_router(stream), stream->account, buf_bytes(&subject),
                           bytes_of(NULL, 0), deliver, shell);
    buf_deinit(&subject);
    return sink;
}

static void remove_sink(struct consumer_shell *shell, struct sink **sink)
{
    if (*sink != NULL)
        router_sink_remove(stream_router(shell->stream), *sink);
    *sink = NULL;
}

static void subscribe(struct consumer_shell *shell)
{
    const struct consumer_config *config = consumer_config(shell->consumer);

    if (shell->sink_next != NULL)
        return;
    /* A push consumer answers pulls, too: with "Consumer is push based". */
    shell->sink_next = add_sink(shell, "$JS.API.CONSUMER.MSG.NEXT.", "", on_next);
    if (config->ack_policy == ACK_EXPLICIT || config->ack_policy == ACK_ALL)
        shell->sink_ack = add_sink(shell, "$JS.ACK.", ".*.*.*.*.*", on_ack);
    if (config->flow_control)
        shell->sink_flow = add_sink(shell, "$JS.FC.", ".*", on_flow);
}

static void unsubscribe(struct consumer_shell *shell)
{
    remove_sink(shell, &shell->sink_next);
    remove_sink(shell, &shell->sink_ack);
    remove_sink(shell, &shell->sink_flow);
}

static void check_bound(struct consumer_shell *shell)
{
    const struct consumer_config *config = consumer_config(shell->consumer);
    bool bound;

    if (!consumer_is_push(shell->consumer))
        return;
    /* Clients also listen with a wildcard over all their deliver subjects. */
    bound = router_interest_literal(stream_router(shell->stream), shell->stream->account,
                                    config->deliver_subject, config->deliver_group) ||
            (config->deliver_group.size == 0 &&
             router_interest(stream_router(shell->stream), shell->stream->account, config->deliver_subject));
    if (bound == shell->bound)
        return;
    shell->bound = bound;
    consumer_bound(shell->consumer, io_now(stream_io(shell->stream)), bound);
    stream_consumer_mark(shell);
}

static void start(struct consumer_shell *shell)
{
    struct stream *stream = shell->stream;

    subscribe(shell);
    consumer_lead(shell->consumer, io_now(stream_io(stream)), stream_log_now(stream));
    check_bound(shell);
    stream_consumer_mark(shell);
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

struct consumer_shell *stream_consumer_shell(const struct stream *stream, struct bytes name)
{
    return table_find(&stream->consumers, name);
}

struct consumer *stream_consumer(const struct stream *stream, struct bytes name)
{
    struct consumer_shell *shell = stream_consumer_shell(stream, name);

    return shell != NULL ? shell->consumer : NULL;
}

size_t stream_consumer_count(const struct stream *stream)
{
    return stream->consumers.count - stream->direct_count;
}

uint64_t stream_consumer_number_next(const struct stream *stream)
{
    return stream->number_next;
}

static struct consumer_shell *make(struct stream *stream, uint64_t number, struct bytes name,
                                   const struct consumer_config *config, int64_t created_ns)
{
    struct consumer_shell *shell = HEAP_NEW(struct consumer_shell);
    struct consumer_stream view = view_of(stream);
    struct consumer_out out = out_of(shell);

    shell->stream = stream;
    shell->name = heap_copy(name);
    shell->number = number;
    shell->wake.fire = on_wake;
    shell->retry.fire = on_retry;
    outbox_init(&shell->deliveries, STREAM_PARKED_BYTES_MAX);
    outbox_init(&shell->inbox, CONSUMER_INBOX_BYTES_MAX);
    shell->consumer = consumer_create(number, config, created_ns, &view, &out,
                                      prng_next(server_prng(jetstream_server(stream->jetstream))));
    shell->push = consumer_is_push(shell->consumer);
    stream->push_count += shell->push;
    shell->direct = config->direct;
    stream->direct_count += shell->direct;
    table_add(&stream->consumers, shell);
    table_add(&stream->consumers_by_number, shell);
    if (number >= stream->number_next)
        stream->number_next = number + 1;
    return shell;
}

static void unlink_dirty(struct consumer_shell *shell)
{
    struct consumer_shell **at = &shell->stream->consumer_dirty;

    while (*at != NULL && *at != shell)
        at = &(*at)->dirty_next;
    if (*at == shell)
        *at = shell->dirty_next;
}

static void destroy(struct consumer_shell *shell)
{
    struct stream *stream = shell->stream;

    unsubscribe(shell);
    stream->push_count -= shell->push;
    stream->direct_count -= shell->direct;
    timers_cancel(io_timers(stream_io(stream)), &shell->wake);
    if (shell->dirty)
        unlink_dirty(shell);
    (void)table_remove(&stream->consumers, shell->name);
    (void)table_remove(&stream->consumers_by_number, bytes_of(&shell->number, sizeof shell->number));
    consumer_destroy(shell->consumer);
    delivery_close(shell);
    outbox_deinit(&shell->inbox);
    heap_give((void *)shell->name.at);
    heap_give(shell);
}

/* Waiting pulls are told; what was already handed out and not yet sent goes first. */
void stream_consumer_drop(struct stream *stream, struct consumer_shell *shell, bool say)
{
    struct outbox_item item;

    if (say && stream->lead) {
        consumer_say_deleted(shell->consumer);
        while (outbox_peek(&shell->deliveries, &item)) {
            if (item.kind == OUTBOX_MESSAGE)
                stream_send_now(stream, &item);
            outbox_pop(&shell->deliveries);
        }
    }
    destroy(shell);
}

struct consumer *stream_consumer_volatile(struct stream *stream, const struct consumer_config *config,
                                          int64_t created_ns, bool *created)
{
    struct consumer_shell *shell = stream_consumer_shell(stream, config->name);

    *created = shell == NULL;
    if (shell == NULL) {
        shell = make(stream, stream->number_next, config->name, config, created_ns);
        start(shell);
    } else {
        consumer_update(shell->consumer, leader_now(stream), config);
        stream_consumer_mark(shell);
    }
    return shell->consumer;
}

static void effect_create(struct stream *stream, const struct effect *effect)
{
    struct consumer_shell *shell = stream_consumer_shell(stream, effect->consumer.name);
    struct consumer_config config = {0};
    struct arena arena;

    arena_init(&arena, 1u << 20);
    if (consumer_config_decode(effect->consumer.json, &arena, &config) != OK) {
        logger_error(server_logger(jetstream_server(stream->jetstream)),
                     "Stream '%.*s': config of consumer '%.*s' is unreadable", BYTES_ARG(stream->name),
                     BYTES_ARG(effect->consumer.name));
    } else if (shell != NULL) {
        consumer_update(shell->consumer, leader_now(stream), &config);
        stream_consumer_mark(shell);
    } else {
        shell = make(stream, effect->consumer.number, effect->consumer.name, &config,
                     effect->consumer.created_ns);
        if (stream->lead)
            start(shell);
    }
    arena_deinit(&arena);
}

void stream_consumer_effect(struct stream *stream, const struct effect *effect)
{
    struct consumer_shell *shell;

    if (effect->type == EFFECT_CONSUMER_CREATE) {
        effect_create(stream, effect);
        return;
    }
    shell = stream_consumer_shell(stream, effect->consumer.name);
    if (shell != NULL)
        stream_consumer_drop(stream, shell, true);
}

enum err stream_consumer_record(struct stream *stream, const struct record *record)
{
    struct bytes body;
    struct consumer_shell *shell;
    uint64_t number;

    if (record->body.size < RECORD_BODY_PAD + sizeof number)
        return ERR_CORRUPT;
    body = bytes_skip(record->body, RECORD_BODY_PAD);
    number = consumer_record_number(body);
    shell = table_find(&stream->consumers_by_number, bytes_of(&number, sizeof number));
    if (shell == NULL)
        return OK; /* deleted in the same batch */
    stream_consumer_mark(shell);
    return consumer_apply(shell->consumer, leader_now(stream), record->type, body);
}

static int compare_names(const void *a, const void *b)
{
    return bytes_compare(consumer_name(*(struct consumer *const *)a), consumer_name(*(struct consumer *const *)b));
}

struct consumer **stream_consumers(const struct stream *stream, struct arena *arena, size_t *count)
{
    struct consumer **all = ARENA_ARRAY(arena, struct consumer *, stream->consumers.count + 1);
    struct consumer_shell *shell;
    size_t found = 0;

    if (all == NULL) {
        *count = 0;
        return NULL;
    }
    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;)
        all[found++] = shell->consumer;
    qsort(all, found, sizeof *all, compare_names);
    *count = found;
    return all;
}

/* ---- events of the stream ------------------------------------------------------------------------------------------ */

void stream_consumers_stored(struct stream *stream, const struct index_entry *entry)
{
    struct consumer_message message;
    struct consumer_shell *shell;

    if (stream->consumers.count == 0)
        return;
    to_message(entry, &message);
    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        consumer_stored(shell->consumer, &message);
        if (stream->lead && !shell->dirty && consumer_hungry(shell->consumer))
            stream_consumer_mark(shell);
    }
}

void stream_consumers_removed(struct stream *stream, const struct index_entry *entry)
{
    struct consumer_message message;
    struct consumer_shell *shell;

    if (stream->consumers.count == 0)
        return;
    to_message(entry, &message);
    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;)
        consumer_removed(shell->consumer, &message);
}

void stream_consumers_lead(struct stream *stream)
{
    struct consumer_shell *shell;

    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;)
        start(shell);
}

void stream_consumers_refused(struct stream *stream)
{
    struct consumer_shell *shell;
    int64_t now_ns = io_now(stream_io(stream));

    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        consumer_refused(shell->consumer, now_ns);
        stream_consumer_mark(shell);
    }
}

/* The deletion of an inactive consumer outlives its shell. */
struct burial {
    struct stream_op op;
};

static void burial_done(struct stream_op *op, struct stream *stream)
{
    struct burial *burial = (struct burial *)((uint8_t *)op - offsetof(struct burial, op));
    struct consumer_shell *shell = stream != NULL ? stream_consumer_shell(stream, op->name) : NULL;

    if (shell != NULL) { /* the disk refused: try again later */
        shell->burying = false;
        timers_arm(io_timers(stream_io(stream)), &shell->wake, io_now(stream_io(stream)) + BURY_RETRY_NS);
    }
    heap_give((void *)op->name.at);
    heap_give(burial);
}

static uint16_t burial_check(struct stream_op *op, struct stream *stream)
{
    struct consumer_shell *shell = stream_consumer_shell(stream, op->name);

    return shell == NULL || !shell->doomed ? 10014 : 0;
}

/* An inactive consumer goes: a volatile one at once, another through the log. */
static void bury(struct consumer_shell *shell)
{
    struct stream *stream = shell->stream;
    struct burial *burial;

    if (consumer_volatile(shell->consumer)) {
        stream_consumer_drop(stream, shell, true);
        return;
    }
    if (shell->burying)
        return;
    shell->burying = true;
    burial = HEAP_NEW(struct burial);
    burial->op = (struct stream_op){
        .kind = STREAM_OP_CONSUMER_DELETE,
        .check = burial_check,
        .done = burial_done,
        .name = heap_copy(shell->name),
    };
    stream_submit(stream, &burial->op);
}

void stream_interest_changed(struct stream *stream)
{
    if (stream->push_count == 0)
        return;
    stream->interest_changed = true;
    stream_mark(stream);
}

void stream_consumers_work(struct stream *stream)
{
    struct io *io = stream_io(stream);
    struct consumer_shell *shell;

    if (stream->interest_changed) {
        stream->interest_changed = false;
        for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;)
            check_bound(shell);
    }
    while ((shell = stream->consumer_dirty) != NULL) {
        stream->consumer_dirty = shell->dirty_next;
        if (shell->doomed) {
            shell->dirty = false;
            bury(shell);
            continue;
        }
        /* Still marked: what the work asks for is sent right behind it and needs no other round. */
        read_inbox(shell);
        consumer_work(shell->consumer, io_now(io), stream_log_now(stream));
        delivery_pump(shell);
        shell->dirty = false;
        if (shell->doomed)
            stream_consumer_mark(shell);
    }
}

void stream_consumers_say_deleted(struct stream *stream)
{
    struct consumer_shell *shell;
    struct outbox_item item;

    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        consumer_say_deleted(shell->consumer);
        while (outbox_peek(&shell->deliveries, &item)) {
            if (item.kind == OUTBOX_MESSAGE)
                jetstream_answer(stream->jetstream, stream->account, item.to, item.headers, item.body);
            outbox_pop(&shell->deliveries);
        }
    }
}

void stream_consumers_close(struct stream *stream)
{
    struct consumer_shell *shell;
    size_t at = 0;

    while ((shell = table_next(&stream->consumers, &at)) != NULL) {
        destroy(shell);
        at = 0;
    }
}
