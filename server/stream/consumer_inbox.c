/*
 * consumer_inbox: what clients say to a consumer: its sinks, what they keep until the turn, and who
 * listens on the deliver subject.
 */
#include "server/stream/stream_priv.h"

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

void consumer_inbox_read(struct consumer_shell *shell)
{
    int64_t now_ns = io_now(stream_io(shell->stream));
    int64_t log_now_ns = stream_log_now(shell->stream);
    struct outbox_item item;

    while (stream_room(shell->stream) && outbox_peek(&shell->inbox, &item)) {
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
        outbox_pop(&shell->inbox);
    }
}

/* ---- acks of the second version: few send them, so one sink serves all consumers ------------- */

static struct bytes token(struct bytes subject, size_t n)
{
    for (; n > 0; n--) {
        size_t size = bytes_find(subject, '.');

        subject = bytes_skip(subject, size < subject.size ? size + 1 : size);
    }
    return bytes_take(subject, bytes_find(subject, '.'));
}

static void on_ack_of_any(void *owner, const struct message *message)
{
    struct stream *stream = owner;
    struct bytes name = token(message_sent_to(message), 5); /* $JS.ACK.domain.hash.stream.name */
    struct consumer_shell *shell = stream_consumer_shell(stream, name);

    if (shell != NULL && shell->sink_ack != NULL)
        keep(shell, INBOX_ACK, message);
}

static void open_acks(struct stream *stream)
{
    char prefix[JETSTREAM_ACK_PREFIX_MAX];
    struct buf subject;

    if (stream->sink_acks != NULL)
        return;
    jetstream_ack_prefix(stream->jetstream, stream->account, prefix);
    buf_init(&subject, 1024);
    (void)buf_add(&subject, bytes_of_text(prefix));
    (void)buf_add(&subject, stream->name);
    (void)BUF_ADD(&subject, ".*.*.*.*.*.>");
    stream->sink_acks = router_sink_add(stream_router(stream), stream->account, buf_bytes(&subject),
                                        bytes_of(NULL, 0), on_ack_of_any, stream);
    buf_deinit(&subject);
}

void consumer_inbox_close_acks(struct stream *stream)
{
    if (stream->sink_acks != NULL)
        router_sink_remove(stream_router(stream), stream->sink_acks);
    stream->sink_acks = NULL;
}

/* ---- sinks ----------------------------------------------------------------------------------- */

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

void consumer_inbox_open(struct consumer_shell *shell)
{
    const struct consumer_config *config = consumer_config(shell->consumer);

    if (shell->sink_next != NULL)
        return;
    /* A push consumer answers pulls, too: with "Consumer is push based". */
    shell->sink_next = add_sink(shell, "$JS.API.CONSUMER.MSG.NEXT.", "", on_next);
    if (config->ack_policy == ACK_EXPLICIT || config->ack_policy == ACK_ALL) {
        shell->sink_ack = add_sink(shell, "$JS.ACK.", ".*.*.*.*.*", on_ack);
        open_acks(shell->stream);
    }
    if (config->flow_control)
        shell->sink_flow = add_sink(shell, "$JS.FC.", ".*", on_flow);
}

void consumer_inbox_close(struct consumer_shell *shell)
{
    remove_sink(shell, &shell->sink_next);
    remove_sink(shell, &shell->sink_ack);
    remove_sink(shell, &shell->sink_flow);
}

void consumer_inbox_check_bound(struct consumer_shell *shell)
{
    const struct consumer_config *config = consumer_config(shell->consumer);
    bool bound;

    if (!consumer_is_push(shell->consumer))
        return;
    /* Clients also listen with a wildcard over all their deliver subjects. */
    bound = router_interest_literal(stream_router(shell->stream), shell->stream->account,
                                    config->deliver_subject, config->deliver_group) ||
            (config->deliver_group.size == 0 &&
             router_interest_plain(stream_router(shell->stream), shell->stream->account,
                                   config->deliver_subject));
    if (bound == shell->bound)
        return;
    shell->bound = bound;
    consumer_bound(shell->consumer, io_now(stream_io(shell->stream)), bound);
    stream_consumer_mark(shell);
}
