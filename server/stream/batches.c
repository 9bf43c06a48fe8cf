/* batches: the shell of atomic batches: when one is abandoned, who is told, what its ack says. */
#include "base/json.h"
#include "base/owner.h"
#include "server/api/advisory.h"
#include "server/stream/stream_priv.h"
#include "storage/batch.h"

static_assert(STAGED_RECORDS_MAX + GATHER_RESERVED <= BATCH_GATHER_MAX - BATCH_HEAD,
              "an atomic batch fits one batch of the log");

static void arm(struct stream *stream)
{
    struct io *io = stream_io(stream);
    const struct staging *staging = &stream->decider.staging;
    const struct staged *oldest = staging_oldest(staging);
    int64_t wait_ns;

    if (oldest == NULL) {
        timers_cancel(io_timers(io), &stream->staging_due);
        return;
    }
    wait_ns = staging_deadline(staging, oldest) - stream_log_now(stream);
    timers_arm(io_timers(io), &stream->staging_due, io_now(io) + (wait_ns > 0 ? wait_ns : 0));
}

static void due(struct timer *timer)
{
    struct stream *stream = owner_of(timer, struct stream, staging_due);
    struct staging *staging = &stream->decider.staging;
    struct staged *oldest;

    while ((oldest = staging_oldest(staging)) != NULL &&
           staging_deadline(staging, oldest) <= stream_log_now(stream)) {
        stream_batches_abandoned(stream, staged_id(oldest), "timeout");
        staging_drop(staging, oldest);
    }
    arm(stream);
}

void stream_batches_init(struct stream *stream)
{
    const struct jetstream_options *options =
        &server_options(jetstream_server(stream->jetstream))->jetstream_options;
    struct staging *staging = &stream->decider.staging;

    staging->share = jetstream_staging(stream->jetstream);
    if (options->batches_max > 0)
        staging->limits.batches = (uint64_t)options->batches_max;
    if (options->batches_total_max > 0)
        staging->limits.batches_total = (uint64_t)options->batches_total_max;
    if (options->batch_messages_max > 0)
        staging->limits.messages = (uint64_t)options->batch_messages_max;
    if (options->batch_timeout > 0)
        staging->limits.timeout_ns = options->batch_timeout;
    stream->staging_due.fire = due;
}

void stream_batches_drop(struct stream *stream)
{
    staging_clear(&stream->decider.staging);
    timers_cancel(io_timers(stream_io(stream)), &stream->staging_due);
}

void stream_batches_staged(struct stream *stream)
{
    if (!timer_armed(&stream->staging_due))
        arm(stream);
}

void stream_batches_abandoned(struct stream *stream, struct bytes id, const char *reason)
{
    struct outbox_item item = {.kind = OUTBOX_MESSAGE};
    struct buf subject, body;

    buf_init(&subject, ADVISORY_SUBJECT_MAX);
    buf_init(&body, ADVISORY_BODY_MAX);
    if (advisory_of_batch(stream->jetstream, stream->name, id, reason, &subject, &body)) {
        item.to = buf_bytes(&subject);
        item.body = buf_bytes(&body);
        stream_send_now(stream, &item); /* a sink must not ask who listens */
    }
    buf_deinit(&subject);
    buf_deinit(&body);
}

void stream_batches_ack(struct bytes id, uint64_t count, struct buf *out)
{
    struct json_writer writer;

    (void)BUF_ADD(out, ",\"batch\":");
    json_writer_init(&writer, out);
    json_string(&writer, id);
    (void)buf_print(out, ",\"count\":%llu", (unsigned long long)count);
}
