/*
 * op_count: an operation that makes a consumer want other messages (a reset, other filters) has
 * them counted before it is decided, in parts of bounded work, one in each turn. Until then it
 * waits at the head, and the stream with it, as for any operation; other streams go on. So nothing
 * is counted when it is applied, nor for its answer.
 */
#include "server/stream/stream_priv.h"

static bool stands_still(const struct stream *stream)
{
    return stream->counting.applied == replica_applied(stream->replica);
}

/* Whose consumer will want other messages; NULL: nobody's. */
static const struct consumer *consumer_of(const struct stream *stream, const struct stream_op *op)
{
    if (op->kind == STREAM_OP_CONSUMER_RESET ||
        (op->kind == STREAM_OP_CONSUMER_CREATE && op->refiltered != NULL))
        return stream_consumer(stream, op->name);
    return NULL;
}

/* A volatile consumer may go without a trace in the log. */
bool stream_op_counts(const struct stream *stream, const struct stream_op *op)
{
    return stream->counting.op == op && stands_still(stream) && consumer_of(stream, op) != NULL;
}

static void begin(struct stream *stream, struct stream_op *op, const struct consumer *consumer)
{
    bool reset = op->kind == STREAM_OP_CONSUMER_RESET;
    struct consumer_filter filter =
        reset ? consumer_filter(consumer) : consumer_filter_of(op->refiltered);
    struct index_filter of = {
        .subjects = filter.subjects, .count = filter.count, .distinct = true, .set = filter.set};

    op->count.from = reset ? op->sequence : consumer_position(consumer);
    stream->counting.op = op;
    stream->counting.applied = replica_applied(stream->replica);
    index_count_begin(&stream->counting.count, stream->state.index, &of, op->count.from,
                      consumer_snapshot(consumer));
}

bool stream_op_count(struct stream *stream, struct stream_op *op)
{
    const struct consumer *consumer = consumer_of(stream, op);

    if (consumer == NULL)
        return true;
    if (stream->ops_flying.count > 0)
        return false; /* they may change what is there */
    if (!stream_op_counts(stream, op))
        begin(stream, op, consumer);
    if (!index_count_part(&stream->counting.count, stream->view.count_part)) {
        stream_mark(stream);
        return false;
    }
    op->count.found = stream->counting.count.count;
    op->count.done = true;
    stream->counting.op = NULL;
    return true;
}

void stream_op_counted(struct stream *stream, const struct stream_op *op)
{
    struct consumer *consumer = op->count.done ? stream_consumer(stream, op->name) : NULL;

    if (consumer != NULL)
        consumer_counted(consumer, op->count.from, op->count.found);
}
