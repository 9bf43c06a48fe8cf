/* batches: the shell of batches of both kinds: when one is abandoned, who is told, what their acks
 * say. */
#include "base/json.h"
#include "base/owner.h"
#include "server/api/advisory.h"
#include "server/api/api.h"
#include "server/stream/stream_priv.h"
#include "storage/batch.h"

static_assert(STAGED_RECORDS_MAX + GATHER_RESERVED <= BATCH_GATHER_MAX - BATCH_HEAD,
              "an atomic batch fits one batch of the log");

/* At the time when the first of either kind is due. */
static void arm(struct stream *stream)
{
    struct io *io = stream_io(stream);
    const struct staging *staging = &stream->decider.staging;
    const struct staged *oldest = staging_oldest(staging);
    int64_t now_ns = stream_log_now(stream), wait_ns;
    int64_t due_ns = fast_batches_expire(&stream->decider.fast, now_ns);

    if (oldest != NULL && (due_ns == 0 || staging_deadline(staging, oldest) < due_ns))
        due_ns = staging_deadline(staging, oldest);
    if (due_ns == 0) {
        timers_cancel(io_timers(io), &stream->staging_due);
        return;
    }
    wait_ns = due_ns - now_ns;
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
    struct fast_batches *fast = &stream->decider.fast;

    staging->share = stream->lane->staging;
    fast->share = stream->lane->fast;
    if (options->batches_max > 0)
        staging->limits.batches = fast->limits.batches = (uint64_t)options->batches_max;
    if (options->batches_total_max > 0)
        staging->limits.batches_total = fast->limits.batches_total =
            (uint64_t)options->batches_total_max;
    if (options->batch_messages_max > 0)
        staging->limits.messages = (uint64_t)options->batch_messages_max;
    if (options->batch_timeout > 0)
        staging->limits.timeout_ns = fast->limits.timeout_ns = options->batch_timeout;
    stream->staging_due.fire = due;
}

void stream_batches_drop(struct stream *stream)
{
    staging_clear(&stream->decider.staging);
    fast_batches_clear(&stream->decider.fast);
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
    if (advisory_of_batch(stream->lane, stream->name, id, reason, &subject, &body)) {
        item.to = buf_bytes(&subject);
        item.body = buf_bytes(&body);
        stream_send_now(stream, &item); /* a sink must not ask who listens */
    }
    buf_deinit(&subject);
    buf_deinit(&body);
}

void stream_batches_configured(struct stream *stream)
{
    if (!stream->state.config.allow_atomic)
        staging_clear(&stream->decider.staging);
    if (!stream->state.config.allow_batched)
        fast_batches_clear(&stream->decider.fast);
}

void stream_batches_note(const struct fast_note *note, struct buf *out)
{
    struct json_writer writer;

    switch (note->kind) {
    case FAST_NOTE_ACK:
        (void)buf_print(out, "{\"type\":\"ack\",\"seq\":%llu,\"msgs\":%llu}",
                        (unsigned long long)note->number, (unsigned long long)note->other);
        return;
    case FAST_NOTE_GAP:
        (void)buf_print(out, "{\"type\":\"gap\",\"last_seq\":%llu,\"seq\":%llu}",
                        (unsigned long long)note->other, (unsigned long long)note->number);
        return;
    case FAST_NOTE_ERROR: break;
    }
    json_writer_init(&writer, out);
    json_object_begin(&writer);
    JSON_KEY(&writer, "type");
    json_string(&writer, BYTES("err"));
    JSON_KEY(&writer, "seq");
    json_number_u64(&writer, note->number);
    api_write_error(&writer, note->error, note->text);
    json_object_end(&writer);
}

void stream_batches_ack(struct bytes id, uint64_t count, struct buf *out)
{
    struct json_writer writer;

    (void)BUF_ADD(out, ",\"batch\":");
    json_writer_init(&writer, out);
    json_string(&writer, id);
    (void)buf_print(out, ",\"count\":%llu", (unsigned long long)count);
}
