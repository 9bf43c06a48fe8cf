/*
 * consumer_inbox: what clients say to a consumer: its sinks, what they keep until the turn, and who
 * listens on the deliver subject.
 */
#include "base/limits.h"
#include "server/stream/stream_priv.h"

/* What all consumers of a stream are told on, by number. */
enum listener { LISTENER_ACK, LISTENER_ACK_2, LISTENER_FLOW, LISTENER_NEXT };

enum inbox_kind { INBOX_REQUEST, INBOX_ACK, INBOX_FLOW };

/* Sinks only keep what they are given: the machine asks back (for interest, say), and that has to
 * wait until nothing is being published. */
static void keep(struct consumer_shell *shell, enum inbox_kind kind, const struct message *message)
{
    struct outbox_item item = {
        .kind = OUTBOX_MESSAGE,
        .code = kind,
        .to = message_sent_to(message),
        .reply = message->reply,
        .headers = message->headers,
        .body = message->payload,
    };

    if (outbox_add(&consumer_lane(shell)->inbox,
                   &item)) /* what does not fit is a time-out for its sender */
        stream_consumer_mark(shell);
}

void consumer_inbox_read(struct consumer_shell *shell)
{
    int64_t now_ns = io_now(stream_io(shell->stream));
    int64_t log_now_ns = stream_log_now(shell->stream);
    struct outbox_item item;

    if (shell->lane == NULL)
        return;
    while (stream_room(shell->stream) && outbox_peek(&shell->lane->inbox, &item)) {
        switch ((enum inbox_kind)item.code) {
        case INBOX_REQUEST:
            consumer_request(shell->consumer, now_ns, item.reply, item.headers, item.body);
            break;
        case INBOX_ACK:
            consumer_ack(shell->consumer, now_ns, log_now_ns, item.to, item.reply, item.body);
            break;
        case INBOX_FLOW:
            consumer_flow(shell->consumer, now_ns, log_now_ns, item.to, item.headers);
            break;
        }
        outbox_pop(&shell->lane->inbox);
    }
}

/* ---- what all consumers of a stream are told on: one sink for thousands of them ------------- */

static struct bytes token(struct bytes subject, size_t n)
{
    for (; n > 0; n--) {
        size_t size = bytes_find(subject, '.');

        subject = bytes_skip(subject, size < subject.size ? size + 1 : size);
    }
    return bytes_take(subject, bytes_find(subject, '.'));
}

/* Nobody of that name listens: who asked for an answer hears what the router would have said. */
static void refuse(struct stream *stream, const struct message *message)
{
    struct outbox_item item = {.kind = OUTBOX_MESSAGE, .to = message->reply};
    struct buf headers;

    if (message->reply.size == 0)
        return;
    buf_init(&headers, SUBJECT_SIZE_MAX + 64);
    if (BUF_ADD(&headers, "NATS/1.0 503\r\nNats-Subject: ") &&
        buf_add(&headers, message_sent_to(message)) && BUF_ADD(&headers, "\r\n\r\n")) {
        item.headers = buf_bytes(&headers);
        stream_send_now(stream, &item);
    }
    buf_deinit(&headers);
}

static struct consumer_shell *asked(struct stream *stream, const struct message *message)
{
    /* $JS.API.CONSUMER.MSG.NEXT.stream.name */
    return stream_consumer_shell(stream, token(message_sent_to(message), 6));
}

/* Clients of this server that ask a consumer which is not there are told so by the router, as they
 * are by the reference. */
static bool takes_next(void *owner, const struct message *message)
{
    return message->origin == NULL || stream_unheard(owner) || asked(owner, message) != NULL;
}

/* A push consumer answers pulls, too: with "Consumer is push based". */
static void on_next(void *owner, const struct message *message)
{
    struct consumer_shell *shell = asked(owner, message);

    if (stream_unheard_keep(owner, LISTENER_NEXT, message))
        return;
    if (shell != NULL)
        keep(shell, INBOX_REQUEST, message);
    else
        refuse(owner, message);
}

static bool takes_acks(const struct consumer_config *config)
{
    return config->ack_policy == ACK_EXPLICIT || config->ack_policy == ACK_ALL;
}

/* Mostly the one whom the ack before was for. */
static struct consumer_shell *acked(struct stream *stream, struct bytes name)
{
    if (stream->acked == NULL || !bytes_equal(shell_name(stream->acked), name))
        stream->acked = stream_consumer_shell(stream, name);
    return stream->acked;
}

static void ack_of(struct stream *stream, struct bytes name, const struct message *message)
{
    struct consumer_shell *shell = acked(stream, name);

    if (shell != NULL && takes_acks(consumer_config(shell->consumer)))
        keep(shell, INBOX_ACK, message);
    else
        refuse(stream, message);
}

static void on_ack(void *owner, const struct message *message)
{
    const struct stream *stream = owner;
    /* $JS.ACK.stream.name: what comes before the name is what the sink's subject begins with. */
    struct bytes rest = bytes_skip(message_sent_to(message), sizeof "$JS.ACK." + stream->name.size);

    if (!stream_unheard_keep(owner, LISTENER_ACK, message))
        ack_of(owner, bytes_take(rest, bytes_find(rest, '.')), message);
}

static void on_ack_2(void *owner, const struct message *message)
{
    /* $JS.ACK.domain.hash.stream.name */
    if (!stream_unheard_keep(owner, LISTENER_ACK_2, message))
        ack_of(owner, token(message_sent_to(message), 5), message);
}

static void on_flow(void *owner, const struct message *message)
{
    struct stream *stream = owner;
    struct bytes name = token(message_sent_to(message), 3); /* $JS.FC.stream.name */
    struct consumer_shell *shell = stream_consumer_shell(stream, name);

    if (stream_unheard_keep(stream, LISTENER_FLOW, message))
        return;
    if (shell != NULL && consumer_config(shell->consumer)->flow_control)
        keep(shell, INBOX_FLOW, message);
    else
        refuse(stream, message);
}

/* What stands before and behind the stream's name. */
static const struct {
    const char *prefix; /* NULL: jetstream_ack_prefix */
    const char *suffix;
    sink_deliver_fn *deliver;
} listeners[] = {
    [LISTENER_ACK] = {"$JS.ACK.", ".*.*.*.*.*.*", on_ack},
    [LISTENER_ACK_2] = {NULL, ".*.*.*.*.*.>", on_ack_2},
    [LISTENER_FLOW] = {"$JS.FC.", ".*.*", on_flow},
    [LISTENER_NEXT] = {"$JS.API.CONSUMER.MSG.NEXT.", ".*", on_next},
};

static_assert(sizeof listeners / sizeof listeners[0] == CONSUMER_INBOX_SINKS, "each has a place");

sink_deliver_fn *consumer_inbox_subject(struct jetstream *jetstream, struct account *account,
                                        struct bytes stream, unsigned number, struct buf *out)
{
    char prefix[JETSTREAM_ACK_PREFIX_MAX];

    if (listeners[number].prefix == NULL)
        jetstream_ack_prefix(jetstream, account, prefix);
    (void)buf_add(
        out, bytes_of_text(listeners[number].prefix != NULL ? listeners[number].prefix : prefix));
    (void)buf_add(out, stream);
    (void)buf_add(out, bytes_of_text(listeners[number].suffix));
    return listeners[number].deliver;
}

void consumer_inbox_take(struct stream *stream, unsigned number, const struct message *message)
{
    listeners[number].deliver(stream, message);
}

void consumer_inbox_open(struct stream *stream)
{
    if (stream->inbox_sinks[0] != NULL || !stream_may_listen(stream))
        return;
    for (unsigned i = 0; i < CONSUMER_INBOX_SINKS; i++) {
        sink_deliver_fn *deliver;
        struct buf subject;

        buf_init(&subject, 1024);
        deliver =
            consumer_inbox_subject(stream->jetstream, stream->account, stream->name, i, &subject);
        stream->inbox_sinks[i] =
            router_sink_add(stream_router(stream), stream->account, buf_bytes(&subject),
                            bytes_of(NULL, 0), deliver, stream);
        if (deliver == on_next)
            router_sink_choose(stream->inbox_sinks[i], takes_next);
        buf_deinit(&subject);
    }
}

void consumer_inbox_close(struct stream *stream)
{
    for (unsigned i = 0; i < CONSUMER_INBOX_SINKS; i++) {
        if (stream->inbox_sinks[i] != NULL)
            router_sink_remove(stream_router(stream), stream->inbox_sinks[i]);
        stream->inbox_sinks[i] = NULL;
    }
}

/* ---- deliver subjects ------------------------------------------------------------------------ */

/* Clients also listen with a wildcard over all their deliver subjects. */
static bool is_listened_to(struct consumer_shell *shell, const struct consumer_config *config)
{
    struct router *router = stream_router(shell->stream);
    struct account *account = shell->stream->account;

    return router_interest_literal(router, account, config->deliver_subject,
                                   config->deliver_group) ||
           (config->deliver_group.size == 0 &&
            router_interest_plain(router, account, config->deliver_subject));
}

void consumer_inbox_check_bound(struct consumer_shell *shell)
{
    const struct consumer_config *config = consumer_config(shell->consumer);
    bool bound;

    if (!consumer_is_push(shell->consumer))
        return;
    bound = !shell->unanswered && is_listened_to(shell, config);
    if (bound == shell->bound)
        return;
    shell->bound = bound;
    consumer_bound(shell->consumer, io_now(stream_io(shell->stream)), bound);
    stream_consumer_mark(shell);
}
