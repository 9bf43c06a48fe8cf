/*
 * leadership: who listens, and the log, is told when a stream that others hold, too, has a new
 * leader, with its consumers, and when its leader gives up because most of the others are gone
 * (reference streams 10). Nothing depends on it: an advisory may be lost.
 */
#include "server/api/advisory.h"
#include "server/stream/stream_priv.h"

#define QUORUM_LOST_NS INT64_C(10000000000) /* at most so often */

static void tell(struct stream *stream, struct bytes consumer, bool elected)
{
    struct advisory_leader told = {.replica = stream->replica,
                                   .stream = stream->name,
                                   .consumer = consumer,
                                   .elected = elected};
    struct outbox_item item = {.kind = OUTBOX_MESSAGE};
    struct buf subject, body;

    buf_init(&subject, ADVISORY_SUBJECT_MAX);
    buf_init(&body, ADVISORY_BODY_MAX);
    if (advisory_of_leader(stream->lane, &told, &subject, &body)) {
        item.to = buf_bytes(&subject);
        item.body = buf_bytes(&body);
        stream_send_now(stream, &item);
    }
    buf_deinit(&subject);
    buf_deinit(&body);
}

/* A consumer of fewer replicas than three has one leader for ever, as the reference counts. */
static bool is_replicated(const struct consumer *consumer)
{
    const struct consumer_config *config = consumer_config(consumer);

    return config->num_replicas != 1 && (config->num_replicas > 1 || config->durable_name.size > 0);
}

void stream_say_leader_of(struct stream *stream, const struct consumer *consumer)
{
    if (stream->state.config.num_replicas > 1 && is_replicated(consumer))
        tell(stream, consumer_name(consumer), true);
}

void stream_leader_elected(struct stream *stream)
{
    struct consumer **all;
    size_t count;

    if (!stream->state.configured || stream->state.config.num_replicas <= 1)
        return;
    stream->leader_told = true;
    logger_info(server_logger(jetstream_server(stream->jetstream)),
                "JetStream cluster new stream leader for '%.*s > %.*s'",
                BYTES_ARG(account_name(stream->account)), BYTES_ARG(stream->name));
    tell(stream, bytes_of(NULL, 0), true);
    all = stream_consumers(stream, &stream->lane->arena, &count);
    for (size_t i = 0; i < count; i++)
        stream_say_leader_of(stream, all[i]);
}

void stream_leader_gone(struct stream *stream)
{
    int64_t now_ns = io_now(stream_io(stream));

    stream->leader_told = false;
    if (!stream->state.configured || stream->state.config.num_replicas <= 1 ||
        advisory_has_majority(stream->lane, stream->replica))
        return;
    if (stream->quorum_lost_ns != 0 && now_ns - stream->quorum_lost_ns < QUORUM_LOST_NS)
        return;
    stream->quorum_lost_ns = now_ns;
    logger_warn(server_logger(jetstream_server(stream->jetstream)),
                "JetStream cluster stream '%.*s > %.*s' has NO quorum, stalled",
                BYTES_ARG(account_name(stream->account)), BYTES_ARG(stream->name));
    tell(stream, bytes_of(NULL, 0), false);
}
