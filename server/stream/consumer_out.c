/*
 * consumer_out: what a consumer's machine asks to be done (consumers/consumer.h). Records join the
 * batch that is gathered; everything else is queued and leaves in the stream's turn.
 */
#include "server/api/advisory.h"
#include "server/stream/stream_priv.h"

bool stream_consumer_append(struct buf *out, uint8_t type, struct bytes body)
{
    uint8_t *at = record_begin(out, type, 0, RECORD_BODY_PAD + body.size);

    if (at == NULL)
        return false;
    memset(at, 0, RECORD_BODY_PAD);
    memcpy(at + RECORD_BODY_PAD, body.at, body.size);
    record_end(out, RECORD_BODY_PAD + body.size);
    return true;
}

static bool may_settle(const struct consumer_shell *shell, uint8_t type)
{
    switch (type) {
    case CONSUMER_RECORD_ACK:
    case CONSUMER_RECORD_TERM:
    case CONSUMER_RECORD_RESET: return true;
    case CONSUMER_RECORD_HANDOUT: return consumer_config(shell->consumer)->ack_policy == ACK_NONE;
    default: return false;
    }
}

static void ask_propose(void *owner, uint8_t type, struct bytes body)
{
    struct consumer_shell *shell = owner;
    struct stream *stream = shell->stream;
    bool fitted = stream_consumer_append(replica_gather(stream->replica), type, body);

    assert(fitted); /* hand-outs and acks are bounded per turn, far below what a batch may hold */
    stream->gathered++;
    stream->await.gathered++;
    if (stream->state.config.retention != RETENTION_LIMITS && may_settle(shell, type))
        decider_settling(&stream->decider);
    stream_mark(stream);
}

/* Where the hand-out itself ends the need for a message, it leaves the stream before it is sent:
 * its place in the log is kept. */
static void keep_place(const struct consumer_shell *shell, struct outbox_item *item)
{
    const struct stream *stream = shell->stream;
    struct index_entry entry;

    if (stream->state.config.retention == RETENTION_LIMITS ||
        consumer_config(shell->consumer)->ack_policy != ACK_NONE ||
        !index_get(stream->state.index, item->sequence, &entry))
        return;
    item->index = entry.place;
    item->look = entry.record_size;
}

static void ask_deliver(void *owner, const struct consumer_delivery *delivery)
{
    struct consumer_shell *shell = owner;
    const struct stream *stream = shell->stream;
    struct outbox_item item = {
        .kind = OUTBOX_STORED,
        .code = (delivery->headers_only ? DELIVERY_HEADERS_ONLY : 0) |
                (delivery->sequence >= stream->fresh_from ? DELIVERY_AWAITED : 0),
        .sequence = delivery->sequence,
        .to = delivery->to,
        .reply = delivery->ack_reply,
        .headers = delivery->headers,
        .index = (uint64_t)delivery->handed_ns,
        .weight = delivery->headers_only ? 0 : delivery->size,
    };

    if (delivery_now(shell, delivery))
        return;
    keep_place(shell, &item);
    if (outbox_add(&consumer_lane(shell)->deliveries, &item))
        shell->lane->unsent += item.weight;
    else
        logger_warn(server_logger(jetstream_server(stream->jetstream)),
                    "Consumer '%.*s': too many deliveries are waiting",
                    BYTES_ARG(shell_name(shell)));
    stream_consumer_mark(shell);
}

static bool ask_behind(void *owner)
{
    return delivery_behind(owner);
}

static uint64_t ask_unsent(void *owner)
{
    const struct consumer_shell *shell = owner;

    return shell->lane != NULL ? shell->lane->unsent : 0;
}

static int64_t ask_waits_since(void *owner)
{
    const struct consumer_shell *shell = owner;

    return delivery_waits_since(shell->lane);
}

static void ask_status(void *owner, struct bytes to, struct bytes reply, struct bytes headers)
{
    struct consumer_shell *shell = owner;
    struct outbox_item item = {
        .kind = OUTBOX_MESSAGE, .to = to, .reply = reply, .headers = headers};

    (void)outbox_add(&consumer_lane(shell)->deliveries,
                     &item); /* a status that is lost is a time-out for the client */
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

static void advise(struct stream *stream, const struct buf *subject, const struct buf *body)
{
    struct outbox_item item = {
        .kind = OUTBOX_MESSAGE, .to = buf_bytes(subject), .body = buf_bytes(body)};

    if (stream_lane_listened(stream->lane, stream->account, item.to))
        stream_send_now(stream, &item);
}

static void ask_advise(void *owner, const struct consumer_advice *advice)
{
    struct consumer_shell *shell = owner;
    struct stream *stream = shell->stream;
    struct buf subject, body;

    if (stream->purging && advice->kind == ADVISORY_TERMINATED)
        return; /* as the reference */
    buf_init(&subject, ADVISORY_SUBJECT_MAX);
    buf_init(&body, ADVISORY_BODY_MAX);
    if (advisory_of_consumer(stream->lane, account_name(stream->account), stream->name,
                             shell_name(shell), advice, &subject, &body))
        advise(stream, &subject, &body);
    buf_deinit(&subject);
    buf_deinit(&body);
}

void consumer_shell_advise_deleted(struct stream *stream, struct bytes name)
{
    struct buf subject, body;

    buf_init(&subject, ADVISORY_SUBJECT_MAX);
    buf_init(&body, ADVISORY_BODY_MAX);
    if (advisory_of_action(stream->lane, stream->name, name, "delete", &subject, &body))
        advise(stream, &subject, &body);
    buf_deinit(&subject);
    buf_deinit(&body);
}

static enum consumer_interest ask_interest(void *owner, struct bytes subject)
{
    struct consumer_shell *shell = owner;

    switch (router_interest_ready(stream_router(shell->stream), shell->stream->account, subject)) {
    case ROUTER_NOBODY: return INTEREST_NONE;
    case ROUTER_READY: return INTEREST_READY;
    case ROUTER_BEHIND: return INTEREST_BEHIND;
    }
    return INTEREST_NONE;
}

static uint64_t ask_caught_up(void *owner)
{
    const struct consumer_shell *shell = owner;

    return router_caught_up(stream_router(shell->stream));
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

    if (deadline_ns < INT64_MAX)
        timers_arm(timers, &consumer_lane(shell)->wake, deadline_ns);
    else if (shell->lane != NULL)
        timers_cancel(timers, &shell->lane->wake);
}

static void ask_counting(void *owner)
{
    struct consumer_shell *shell = owner;

    stream_count(shell->stream, shell->consumer);
}

static void ask_stalled(void *owner, const struct consumer_info *info)
{
    struct consumer_shell *shell = owner;
    struct bytes stream = shell->stream->name;
    struct logger *logger = server_logger(jetstream_server(shell->stream->jetstream));

    if (info->stalled_s == 0) {
        logger_info(logger, "Consumer '%.*s > %.*s' delivers again", BYTES_ARG(stream),
                    BYTES_ARG(shell_name(shell)));
        return;
    }
    if (info->hold == HOLD_DAMAGED) {
        logger_warn(logger,
                    "Consumer '%.*s > %.*s' waits before message %llu, which is damaged on disk, "
                    "until it can be read again or is deleted: %llu pending",
                    BYTES_ARG(stream), BYTES_ARG(shell_name(shell)),
                    (unsigned long long)info->damaged, (unsigned long long)info->num_pending);
        return;
    }
    logger_warn(logger,
                "Consumer '%.*s > %.*s' has delivered nothing for %llu s because %s: %llu pending, "
                "%llu unacknowledged, %llu waiting, delivered %llu, ack floor %llu",
                BYTES_ARG(stream), BYTES_ARG(shell_name(shell)),
                (unsigned long long)info->stalled_s, consumer_hold_text(info->hold),
                (unsigned long long)info->num_pending, (unsigned long long)info->num_ack_pending,
                (unsigned long long)info->num_waiting, (unsigned long long)info->delivered_stream,
                (unsigned long long)info->floor_stream);
}

static void ask_settled(void *owner, uint64_t sequence)
{
    stream_settled(((struct consumer_shell *)owner)->stream, sequence);
}

const struct consumer_out consumer_shell_out = {
    .propose = ask_propose,
    .deliver = ask_deliver,
    .behind = ask_behind,
    .unsent = ask_unsent,
    .waits_since = ask_waits_since,
    .status = ask_status,
    .answer = ask_answer,
    .advise = ask_advise,
    .interest = ask_interest,
    .caught_up = ask_caught_up,
    .inactive = ask_inactive,
    .wake_at = ask_wake_at,
    .counting = ask_counting,
    .stalled = ask_stalled,
    .settled = ask_settled,
};
