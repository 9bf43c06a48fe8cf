/*
 * operations: what changes a stream and is not a publish. An operation starts when everything
 * decided before it is applied, so its check sees the applied state, and nothing is decided until
 * it is applied itself: the barrier of architecture, "decide". Publishes wait meanwhile (ingest.c).
 *
 * Creating, updating and deleting consumers of different names share a barrier and a batch, so that
 * a thousand that wait cost one sync. One that makes a consumer want other messages has them
 * counted first (op_count.c) and is alone in its batch. Start positions are resolved in apply, in
 * the order of the records. Between two batches of operations what waited for them gets a batch of
 * its own.
 */
#include <stdio.h>

#include "server/stream/stream_priv.h"

#define OPERATIONS_TOGETHER_MAX 256u

static bool quiet(const struct stream *stream)
{
    return stream->gathered == 0 &&
           replica_applied(stream->replica) == replica_proposed(stream->replica) &&
           replica_ready(stream->replica);
}

static void push(struct stream_ops *ops, struct stream_op *op)
{
    op->next = NULL;
    if (ops->last != NULL)
        ops->last->next = op;
    else
        ops->first = op;
    ops->last = op;
    ops->count++;
}

static struct stream_op *pop(struct stream_ops *ops)
{
    struct stream_op *op = ops->first;

    ops->first = op->next;
    if (ops->first == NULL)
        ops->last = NULL;
    ops->count--;
    return op;
}

void stream_submit(struct stream *stream, struct stream_op *op)
{
    op->error = 0;
    op->error_text[0] = 0;
    op->failed = false;
    op->purged = 0;
    op->consumer = NULL;
    op->consumer_number = 0;
    op->created = false;
    op->refiltered = NULL;
    op->count.done = false;
    push(&stream->ops_waiting, op);
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
                .number = shell != NULL ? consumer_number(shell->consumer)
                                        : stream_consumer_number(stream),
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
        .consumer = {.number = shell != NULL ? consumer_number(shell->consumer) : 0,
                     .name = op->name},
    };

    return effect_write(out, &effect);
}

static bool write_reset(struct stream *stream, const struct stream_op *op, struct buf *out)
{
    struct consumer *consumer = stream_consumer(stream, op->name);
    struct buf body;
    bool written;

    buf_init(&body, 64);
    written = consumer_reset_write(consumer, op->sequence, &body) &&
              stream_consumer_append(out, CONSUMER_RECORD_RESET, buf_bytes(&body));
    buf_deinit(&body);
    return written;
}

static void reset_unlogged(struct stream *stream, struct consumer *consumer,
                           const struct stream_op *op)
{
    struct buf body;

    buf_init(&body, 64);
    (void)consumer_reset_write(consumer, op->sequence, &body);
    (void)consumer_apply(consumer, io_now(stream_io(stream)), CONSUMER_RECORD_RESET,
                         buf_bytes(&body));
    buf_deinit(&body);
    stream_consumer_wake(stream, consumer);
}

static bool write_effect(struct stream *stream, struct stream_op *op, struct buf *out)
{
    struct effect effect;

    if (op == &stream->expire_op)
        return stream_expiry_write(stream, out);
    if (op == &stream->schedules.op)
        return stream_schedules_write(stream, out);
    if (stream_restore_owns(stream, op))
        return stream_restore_write(stream, out);
    switch (op->kind) {
    case STREAM_OP_PURGE: return write_purge(stream, op, out);
    case STREAM_OP_CONSUMER_CREATE: return write_consumer(stream, op, out);
    case STREAM_OP_CONSUMER_DELETE: return write_consumer_delete(stream, op, out);
    case STREAM_OP_CONSUMER_RESET: return write_reset(stream, op, out);
    case STREAM_OP_CONFIGURE:
        effect = (struct effect){
            .type = EFFECT_CONFIG,
            .config = {.created_ns = op->created_ns, .version = op->version, .json = op->json}};
        return effect_write(out, &effect);
    case STREAM_OP_DELETE_MESSAGE:
        effect = (struct effect){.type = EFFECT_DELETE,
                                 .remove = {.sequence = op->sequence, .erase = op->erase}};
        return effect_write(out, &effect);
    case STREAM_OP_RESTORE:
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
        op->consumer_number = consumer_number(
            stream_consumer_volatile(stream, op->consumer_config, op->created_ns, &op->created));
        stream_op_counted(stream, op);
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
    if (op->kind == STREAM_OP_CONSUMER_RESET) {
        shell = stream_consumer_shell(stream, op->name);
        if (consumer_volatile(shell->consumer)) {
            reset_unlogged(stream, shell->consumer, op);
            stream_op_counted(stream, op);
            return true;
        }
    }
    return false;
}

/* ---- starting ------------------------------------------------------------------------------- */

static bool is_of_consumer(const struct stream_op *op)
{
    return op->kind == STREAM_OP_CONSUMER_CREATE || op->kind == STREAM_OP_CONSUMER_DELETE ||
           op->kind == STREAM_OP_CONSUMER_RESET;
}

/* Can it be decided behind those that are, as if they were applied? */
static bool may_join(const struct stream *stream, const struct stream_op *op)
{
    const struct stream_ops *flying = &stream->ops_flying;

    if (flying->count == 0)
        return true;
    if (flying->first->count.done)
        return false; /* what it counted is to stay so */
    if (flying->count >= OPERATIONS_TOGETHER_MAX || !stream_room(stream) || !is_of_consumer(op) ||
        stream->state.config.retention == RETENTION_WORKQUEUE) /* their filters must not overlap */
        return false;
    for (const struct stream_op *other = flying->first; other != NULL; other = other->next)
        if (!is_of_consumer(other) || bytes_equal(other->name, op->name))
            return false;
    return true;
}

static struct consumer_shell *find_shell(const struct stream *stream, const struct stream_op *op)
{
    return table_find(&stream->consumers_by_number,
                      bytes_of(&op->consumer_number, sizeof op->consumer_number));
}

/* Who asked for a consumer has the answer before the first message. Of home's own lane home hears
 * at once, before anything is delivered; of another one the consumer waits until it has. */
static void hold_created(struct stream *stream, const struct stream_op *op)
{
    struct consumer_shell *shell = find_shell(stream, op);

    if (shell == NULL || op->error != 0 || !op->created || stream->lane->shard == 0)
        return;
    shell->unanswered = true;
    consumer_inbox_check_bound(shell);
}

static void release_created(struct consumer_shell *shell)
{
    if (!shell->unanswered)
        return;
    shell->unanswered = false;
    consumer_inbox_check_bound(shell);
}

void stream_op_end(struct stream *stream, struct stream_op *op)
{
    if (stream_failed(stream) && op->error == 0) { /* it may be done, or half done */
        op->error = 10008;
        op->error_text[0] = 0;
    }
    if (op->own) {
        op->done(op, stream->closing ? NULL : stream);
        return;
    }
    hold_created(stream, op);
    stream_tell(stream,
                (struct told){.kind = TOLD_OPERATION, .of = op, .number = op->consumer_number});
}

/* A consumer may have gone since it was told. */
void stream_op_over(struct stream_op *op, struct stream *stream)
{
    struct consumer_shell *shell = stream != NULL ? find_shell(stream, op) : NULL;

    if (shell != NULL)
        release_created(shell);
    op->consumer = shell != NULL ? shell->consumer : NULL;
    op->done(op, stream);
}

static void finish_unlogged(struct stream *stream, struct stream_op *op)
{
    (void)pop(&stream->ops_waiting);
    stream_op_end(stream, op);
}

/* How many consumers there will be more. */
static int64_t consumers_more(const struct stream_op *op)
{
    if (op->kind == STREAM_OP_CONSUMER_DELETE)
        return -1;
    return op->kind == STREAM_OP_CONSUMER_CREATE && op->created ? 1 : 0;
}

/* One of home is checked there: until then the stream stays as it is. */
static bool waits_for_home(struct stream *stream, const struct stream_op *op, bool home)
{
    if (home || op->own)
        return false;
    if (!stream->ops_told)
        stream_tell(stream, (struct told){.kind = TOLD_WAITS});
    stream->ops_told = true;
    return true;
}

/* Decides the first that waits. False: it has to go on waiting. */
static bool start_first(struct stream *stream, bool home)
{
    struct stream_op *op = stream->ops_waiting.first;
    bool checks;

    if (!may_join(stream, op))
        return false;
    checks = op->check != NULL && !stream_op_counts(stream, op);
    if (checks && waits_for_home(stream, op, home))
        return false;
    if (checks)
        op->error = op->check(op, stream);
    if (op->error != 0 && stream->ops_flying.count > 0)
        return false; /* it may have looked at what they decided */
    if (op->error == 0 && !stream_op_count(stream, op))
        return false;
    if (op->error != 0 || run_unlogged(stream, op)) {
        finish_unlogged(stream, op);
        return true;
    }
    if (!write_effect(stream, op, replica_gather(stream->replica))) {
        if (stream->ops_flying.count > 0)
            return false;
        op->error = 10049; /* its effect does not fit a batch */
        finish_unlogged(stream, op);
        return true;
    }
    push(&stream->ops_flying, pop(&stream->ops_waiting));
    stream->consumers_flying += consumers_more(op);
    stream->gathered++;
    return true;
}

static void propose(struct stream *stream)
{
    stream->decider.barrier = true;
    stream_propose(stream);
}

bool stream_operations_wait(const struct stream *stream)
{
    return stream->ops_waiting.count > 0 && !stream->ops_yield;
}

bool stream_operations_busy(const struct stream *stream)
{
    return stream_operations_wait(stream) || stream->ops_flying.count > 0;
}

static bool flies(const struct stream *stream, int kind)
{
    for (const struct stream_op *op = stream->ops_flying.first; op != NULL; op = op->next) {
        if ((int)op->kind == kind)
            return true;
    }
    return false;
}

bool stream_operations_reset(const struct stream *stream)
{
    return flies(stream, STREAM_OP_CONSUMER_RESET);
}

bool stream_operations_purge(const struct stream *stream)
{
    return flies(stream, STREAM_OP_PURGE);
}

static void start(struct stream *stream, bool home)
{
    while (stream->ops_waiting.count > 0 && start_first(stream, home))
        continue;
}

void stream_operations(struct stream *stream)
{
    stream->ops_yield = false; /* whoever waited has had its turn */
    if (!quiet(stream))
        return;
    start(stream, false);
    if (stream->ops_flying.count > 0)
        propose(stream);
}

/* Before anything else is decided in its turn. */
void stream_operations_decided(struct stream *stream)
{
    if (stream->ops_decided && stream->ops_flying.count > 0)
        propose(stream);
    stream->ops_decided = false;
}

/* Memory only: they are proposed in its turn, where what waited for those that were refused or
 * logged nothing goes on, too. */
void stream_operations_check(struct stream *stream)
{
    stream->ops_told = false;
    if (stream->lead && quiet(stream)) {
        start(stream, true);
        stream->ops_decided = stream->ops_flying.count > 0;
    }
    stream_mark(stream);
}

/* ---- ending --------------------------------------------------------------------------------- */

static struct stream_op *land(struct stream *stream)
{
    struct stream_op *op = pop(&stream->ops_flying);

    stream->consumers_flying -= consumers_more(op);
    if (stream->ops_flying.count == 0)
        stream->ops_yield = true;
    stream_mark(stream);
    return op;
}

void stream_operation_applied(struct stream *stream, const struct effect *effect,
                              const struct apply_result *result)
{
    struct stream_op *op = land(stream);

    op->purged = result->purged;
    if (effect->type == EFFECT_CONSUMER_CREATE) {
        struct consumer_shell *shell = stream_consumer_shell(stream, op->name);

        assert(shell != NULL);
        op->consumer_number = consumer_number(shell->consumer);
    }
    stream_op_counted(stream, op);
    if (effect->type == EFFECT_CONFIG || effect->type == EFFECT_EXPIRE)
        stream_expiry_arm(stream);
    if (!stream_erase_takes(stream, op))
        stream_op_end(stream, op);
}

static uint16_t error_of_refusal(const struct stream_op *op)
{
    switch (op->kind) {
    case STREAM_OP_CONSUMER_CREATE: return 10012;
    case STREAM_OP_PURGE:
    case STREAM_OP_DELETE_MESSAGE: return 10057;
    default: return 10049;
    }
}

void stream_operations_refused(struct stream *stream, enum err err)
{
    while (stream->ops_flying.count > 0) {
        struct stream_op *op = land(stream);

        op->failed = true;
        op->error = error_of_refusal(op);
        snprintf(op->error_text, sizeof op->error_text, "%s", err_text(err));
        stream_op_end(stream, op);
    }
}

static void drop(struct stream *stream, struct stream_ops *ops)
{
    while (ops->count > 0) {
        struct stream_op *op = pop(ops);

        op->failed = true;
        op->error = stream->anew ? 10008 : 10059;
        stream_op_end(stream, op);
    }
}

/* The stream is going away: whoever waits gets "stream not found". */
void stream_operations_drop(struct stream *stream)
{
    stream->consumers_flying = 0;
    stream->counting.op = NULL;
    drop(stream, &stream->ops_flying);
    drop(stream, &stream->ops_waiting);
}

/* What their ends submit anew is not ended with them. */
static void end_all(struct stream *stream, struct stream_ops *ops)
{
    for (size_t count = ops->count; count > 0; count--) {
        struct stream_op *op = pop(ops);

        op->failed = true;
        op->error = 10008;
        stream_op_end(stream, op);
    }
}

/* Leadership is gone: what has begun may still come to pass, what has not will not. */
void stream_operations_follow(struct stream *stream)
{
    stream->ops_yield = stream->ops_decided = false;
    stream->consumers_flying = 0;
    stream->counting.op = NULL;
    end_all(stream, &stream->ops_flying);
    end_all(stream, &stream->ops_waiting);
}
