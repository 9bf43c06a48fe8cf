/* republish: what the stream has stored goes out once more under another subject (reference streams
 * 9.1), by the leader and at most once: nothing of it is kept. */
#include "base/subject.h"
#include "base/text.h"
#include "server/stream/stream_priv.h"

/* The message's own headers, then what the stream says of it. */
static void write_headers(struct stream *stream, const struct effect *effect, uint64_t previous,
                          struct buf *out)
{
    struct bytes own = effect->message.headers;
    char time[TEXT_TIME_MAX];

    (void)text_time(time, effect->message.time_ns);
    if (own.size > 2)
        (void)buf_add(out, bytes_take(own, own.size - 2));
    else
        (void)BUF_ADD(out, "NATS/1.0\r\n");
    (void)buf_print(out,
                    "Nats-Stream: %.*s\r\nNats-Subject: %.*s\r\nNats-Sequence: %llu\r\n"
                    "Nats-Time-Stamp: %s\r\nNats-Last-Sequence: %llu\r\n",
                    BYTES_ARG(stream->name), BYTES_ARG(effect->message.subject),
                    (unsigned long long)effect->message.sequence, time,
                    (unsigned long long)previous);
    if (stream->state.config.republish->headers_only)
        (void)buf_print(out, "Nats-Msg-Size: %zu\r\n", effect->message.payload.size);
    (void)BUF_ADD(out, "\r\n");
}

static void send(struct stream *stream, const struct effect *effect, uint64_t previous,
                 struct bytes subject)
{
    struct outbox_item item = {.kind = OUTBOX_MESSAGE, .to = subject};
    struct buf headers;

    buf_init(&headers, SIZE_MAX);
    write_headers(stream, effect, previous, &headers);
    item.headers = buf_bytes(&headers);
    if (!stream->state.config.republish->headers_only)
        item.body = effect->message.payload;
    stream_send_now(stream, &item);
    buf_deinit(&headers);
}

void stream_republish(struct stream *stream, const struct effect *effect, uint64_t previous)
{
    const struct subject_transform *transform = &stream->state.republish;
    uint8_t memory[4096]; /* a longer subject fits no protocol line */
    struct buf subject = {.at = memory, .capacity = sizeof memory, .limit = sizeof memory};

    if (stream->state.config.republish == NULL || transform->destination.size == 0 ||
        !subject_transform_matches(transform, effect->message.subject) ||
        !subject_transform_apply(transform, effect->message.subject, &stream->decider.prng,
                                 &subject))
        return;
    if (subject_valid_strict(buf_bytes(&subject)) && subject_literal(buf_bytes(&subject)) &&
        router_interest(stream_router(stream), stream->account, buf_bytes(&subject)))
        send(stream, effect, previous, buf_bytes(&subject));
}
