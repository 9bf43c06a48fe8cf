/*
 * operations: what changes a stream and is not a publish. An operation starts when everything
 * decided before it is applied, so its check sees the applied state, and nothing is decided until
 * it is applied itself: the barrier of architecture, "decide". Publishes wait meanwhile (ingest.c).
 */
#include <stdio.h>

#include "server/stream/stream_priv.h"

#define EXPIRY_GRANULARITY_NS INT64_C(250000000)

static bool quiet(const struct stream *stream)
{
    return stream->gathered == 0 &&
           replica_applied(stream->replica) == replica_proposed(stream->replica) &&
           replica_ready(stream->replica);
}

void stream_submit(struct stream *stream, struct stream_op *op)
{
    op->next = NULL;
    op->index = 0;
    op->error = 0;
    op->error_text[0] = 0;
    op->failed = false;
    op->purged = 0;
    op->consumer = NULL;
    op->created = false;
    if (stream->op_last != NULL)
        stream->op_last->next = op;
    else
        stream->op_first = op;
    stream->op_last = op;
    stream_mark(stream);
}

static bool write_purge(struct stream *stream, const struct stream_op *op, struct buf *out)
{
    struct effect effect = {
        .type = EFFECT_PURGE,
        .purge =
            {
                .filter = op->filter,
                .below = op->sequence,
                .keep = op->keep,
                .last = stream->state.last_seq,
            },
    };

    return effect_write(out, &effect);
}

static bool write_consumer(struct stream *stream, struct stream_op *op, struct buf *out)
{
    struct consumer_shell *shell = stream_consumer_shell(stream, op->name);
    struct effect effect = {
        .type = EFFECT_CONSUMER_CREATE,
        .consumer =
            {
                .number = shell != NULL ? shell->number : stream_consumer_number_next(stream),
                .created_ns = op->created_ns,
                .name = op->name,
                .json = op->json,
            },
    };

    op->created = shell == NULL;
    return effect_write(out, &effect);
}

static bool write_consumer_delete(struct stream *stream, const struct stream_op *op,
                                  struct buf *out)
{
    struct consumer_shell *shell = stream_consumer_shell(stream, op->name);
    struct effect effect = {
        .type = EFFECT_CONSUMER_DELETE,
        .consumer = {.number = shell != NULL ? shell->number : 0, .name = op->name},
    };

    return effect_write(out, &effect);
}

/* Expiry: everything that is older than max_age at this log time. */
static bool write_expire(struct stream *stream, struct buf *out)
{
    int64_t bound_ns = stream_log_now(stream) - stream->state.config.max_age_ns;
    struct index_entry entry;
    struct effect effect = {
        .type = EFFECT_EXPIRE,
        .expire = {.last = stream->state.last_seq, .time_ns = bound_ns},
    };

    if (index_first_at(stream->state.index, bound_ns + 1, &entry))
        effect.expire.last = entry.sequence - 1;
    return effect_write(out, &effect);
}

static bool write_effect(struct stream *stream, struct stream_op *op, struct buf *out)
{
    struct effect effect;

    if (op == &stream->expire_op)
        return write_expire(stream, out);
    switch (op->kind) {
    case STREAM_OP_PURGE: return write_purge(stream, op, out);
    case STREAM_OP_CONSUMER_CREATE: return write_consumer(stream, op, out);
    case STREAM_OP_CONSUMER_DELETE: return write_consumer_delete(stream, op, out);
    case STREAM_OP_CONFIGURE:
        effect = (struct effect){.type = EFFECT_CONFIG,
                                 .config = {.created_ns = op->created_ns, .json = op->json}};
        return effect_write(out, &effect);
    case STREAM_OP_DELETE_MESSAGE:
        effect = (struct effect){.type = EFFECT_DELETE,
                                 .remove = {.sequence = op->sequence, .erase = op->erase}};
        return effect_write(out, &effect);
    case STREAM_OP_READ: break;
    }
    return false;
}

/* Operations on volatile consumers leave no trace in the log. True: it is finished. */
static bool run_unlogged(struct stream *stream, struct stream_op *op)
{
    struct consumer_shell *shell;

    if (op->kind == STREAM_OP_READ)
        return true;
    if (op->kind == STREAM_OP_CONSUMER_CREATE && op->consumer_config != NULL) {
        op->consumer =
            stream_consumer_volatile(stream, op->consumer_config, op->created_ns, &op->created);
        return true;
    }
    if (op->kind == STREAM_OP_CONSUMER_DELETE) {
        shell = stream_consumer_shell(stream, op->name);
        if (shell == NULL)
            return true;
        if (consumer_volatile(shell->consumer)) {
            stream_consumer_drop(stream, shell, true);
            return true;
        }
    }
    return false;
}

static void start(struct stream *stream, struct stream_op *op)
{
    if (op->check != NULL && (op->error = op->check(op, stream)) != 0) {
        op->done(op, stream);
        return;
    }
    if (run_unlogged(stream, op)) {
        op->done(op, stream);
        return;
    }
    if (!write_effect(stream, op, replica_gather(stream->replica))) {
        op->error = 10049; /* its effect does not fit a batch */
        op->done(op, stream);
        return;
    }
    stream->decider.barrier = true;
    stream->op_current = op;
    stream->gathered = 1;
    op->index = replica_propose(stream->replica, stream_log_now(stream), 1);
    stream->gathered = 0;
    decider_proposed(&stream->decider, op->index);
}

void stream_operations(struct stream *stream)
{
    while (stream->op_first != NULL && stream->op_current == NULL && quiet(stream)) {
        struct stream_op *op = stream->op_first;

        stream->op_first = op->next;
        if (stream->op_first == NULL)
            stream->op_last = NULL;
        start(stream, op);
    }
}

static void finish(struct stream *stream, struct stream_op *op)
{
    stream->op_current = NULL;
    stream_mark(stream);
    op->done(op, stream);
}

void stream_operation_applied(struct stream *stream, uint64_t index, const struct effect *effect,
                              const struct apply_result *result)
{
    struct stream_op *op = stream->op_current;

    if (op->index != index)
        return;
    op->purged = result->purged;
    if (effect->type == EFFECT_CONSUMER_CREATE) {
        struct consumer_shell *shell = stream_consumer_shell(stream, op->name);

        assert(shell != NULL);
        op->consumer = shell->consumer;
    }
    if (effect->type == EFFECT_CONFIG || effect->type == EFFECT_EXPIRE)
        stream_expiry_arm(stream);
    finish(stream, op);
}

void stream_operation_refused(struct stream *stream, enum err err)
{
    struct stream_op *op = stream->op_current;

    if (op == NULL)
        return;
    op->failed = true;
    op->error = op->kind == STREAM_OP_CONSUMER_CREATE ? 10012 : 10049;
    if (op->kind == STREAM_OP_PURGE || op->kind == STREAM_OP_DELETE_MESSAGE)
        op->error = 10057;
    snprintf(op->error_text, sizeof op->error_text, "%s", err_text(err));
    finish(stream, op);
}

/* The stream is going away: whoever waits gets "stream not found". */
void stream_operations_drop(struct stream *stream)
{
    struct stream_op *op = stream->op_current;

    stream->op_current = NULL;
    while (op != NULL || stream->op_first != NULL) {
        if (op == NULL) {
            op = stream->op_first;
            stream->op_first = op->next;
        }
        op->failed = true;
        op->error = 10059;
        if (op->done != NULL)
            op->done(op, NULL);
        op = NULL;
    }
    stream->op_last = NULL;
}

/* ---- age ------------------------------------------------------------------------------------- */

static void expire_done(struct stream_op *op, struct stream *stream)
{
    if (stream == NULL)
        return;
    stream->expiring = false;
    if (op->failed)
        stream_expiry_arm(stream);
}

/* At the time when the oldest message is due, not more often than the granularity. */
void stream_expiry_arm(struct stream *stream)
{
    struct io *io = stream_io(stream);
    struct index_entry oldest;
    int64_t wait_ns;

    if (!stream->lead || stream->expiring || stream->state.config.max_age_ns <= 0 ||
        !stream_state_oldest(&stream->state, &oldest)) {
        timers_cancel(io_timers(io), &stream->expiry);
        return;
    }
    wait_ns = oldest.time_ns + stream->state.config.max_age_ns - stream_log_now(stream);
    if (wait_ns < EXPIRY_GRANULARITY_NS)
        wait_ns = wait_ns > 0 ? EXPIRY_GRANULARITY_NS : 0;
    timers_arm(io_timers(io), &stream->expiry, io_now(io) + wait_ns);
}

void stream_expiry_fire(struct timer *timer)
{
    struct stream *stream = (struct stream *)((uint8_t *)timer - offsetof(struct stream, expiry));
    struct index_entry oldest;

    if (!stream->lead || stream->expiring || !stream_state_oldest(&stream->state, &oldest))
        return;
    if (oldest.time_ns + stream->state.config.max_age_ns > stream_log_now(stream)) {
        stream_expiry_arm(stream);
        return;
    }
    stream->expiring = true;
    stream->expire_op = (struct stream_op){.kind = STREAM_OP_PURGE, .done = expire_done};
    stream_submit(stream, &stream->expire_op);
}
