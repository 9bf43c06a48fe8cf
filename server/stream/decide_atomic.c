/*
 * Atomic batches (reference streams 9.4): messages are staged as they come; the last one brings all
 * of them before the checks, one after the other as if each were published alone, and into one
 * batch of the log: it is committed, applied and survives a crash whole, or not at all.
 *
 * Every check is against the stream as it was before the batch, with what the batch itself has
 * written known: what would have to look at both is refused. A failed check takes back what those
 * before it have left in the gathered batch and in the overlay.
 */
#include "server/options.h"
#include "server/stream/decide_priv.h"
#include "server/stream/header_block.h"

/* How far things were before the batch. */
struct mark {
    size_t gathered;
    size_t overlay;
    bool barrier;
};

/* One message that came with a batch's id, on its way. */
struct arriving {
    struct deciding *d;
    struct staging *staging;
    struct staged *staged; /* NULL: no batch of that id */
    uint64_t sequence;     /* its number in the batch */
    bool last, end;        /* it commits; and is not stored itself */
    uint32_t records;      /* effects written for the batch */
};

/* ---- arriving -------------------------------------------------------------------------------- */

/* The message is refused, and with it all that came before. `reason`: others are told, or NULL. */
static bool abandon(struct arriving *in, const char *reason)
{
    assert(in->d->decision->outcome == DECIDE_REFUSE);
    staging_drop(in->staging, in->staged);
    in->staged = NULL;
    in->d->decision->abandoned = reason;
    in->d->decision->batch = in->d->headers.batch_id;
    return false;
}

static uint64_t stored_count(const struct arriving *in)
{
    return in->sequence - in->end;
}

static bool refuse_large(struct arriving *in)
{
    return decide_refuse_text(in->d, 10199, false, "atomic publish batch is too large: %llu",
                              (unsigned long long)in->staging->limits.messages);
}

static bool find(struct arriving *in)
{
    in->staged = staging_find(in->staging, in->d->headers.batch_id);
    if (in->staged != NULL)
        return true;
    if (in->sequence != 1)
        return stored_count(in) > in->staging->limits.messages ? refuse_large(in)
                                                               : decide_refuse(in->d, 10176, false);
    in->staged = staging_begin(in->staging, in->d->headers.batch_id, in->d->now_ns);
    return in->staged != NULL || decide_refuse(in->d, 10210, false);
}

static bool check_commit(struct arriving *in)
{
    struct bytes commit = in->d->headers.batch_commit;

    in->last = commit.at != NULL;
    in->end = bytes_equal(commit, BYTES("eob"));
    return true;
}

static bool check_commit_known(struct arriving *in)
{
    if (!in->last || in->end || bytes_equal(in->d->headers.batch_commit, BYTES("1")))
        return true;
    decide_refuse(in->d, 10200, false);
    return abandon(in, NULL);
}

static bool is_level(struct bytes name)
{
    return bytes_equal(name, BYTES("Nats-Required-Api-Level"));
}

bool decide_strip_level(struct deciding *d)
{
    struct bytes id = d->headers.batch_id;
    uint64_t level;

    if (d->headers.required_level.size == 0)
        return true;
    if (!bytes_read_u64(d->headers.required_level, &level) || level > JETSTREAM_API_LEVEL)
        return false;
    buf_clear(&d->decider->batch_headers);
    header_block_copy(d->publish.headers, is_level, &d->decider->batch_headers);
    d->publish.headers = buf_bytes(&d->decider->batch_headers);
    publish_headers_read(d->publish.headers, &d->headers);
    d->headers.batch_id = id; /* it outlives the copy */
    return true;
}

static bool check_level(struct arriving *in)
{
    if (decide_strip_level(in->d))
        return true;
    decide_refuse(in->d, 10185, false);
    return abandon(in, "unsupported");
}

static bool check_sequence(struct arriving *in)
{
    if (in->sequence != in->staged->count + 1 || (in->sequence == 1 && in->end)) {
        decide_refuse(in->d, 10176, false);
        return abandon(in, "incomplete");
    }
    if (stored_count(in) <= in->staging->limits.messages)
        return true;
    refuse_large(in);
    return abandon(in, "large");
}

static struct staged_message message_of(const struct deciding *d)
{
    return (struct staged_message){.subject = d->publish.subject,
                                   .headers = d->publish.headers,
                                   .payload = d->publish.payload};
}

/* More bytes than the log or the server's memory takes at once. */
static bool check_bytes(struct arriving *in)
{
    struct staged_message message = message_of(in->d);

    if (in->end || staged_fits(in->staged, &message))
        return true;
    decide_refuse_text(in->d, 10199, false, "atomic publish batch is too large: %u bytes",
                       STAGED_RECORDS_MAX);
    return abandon(in, "large");
}

static bool check_arriving(struct arriving *in)
{
    struct deciding *d = in->d;

    if (!decide_check_sealed(d) || !decide_check_size_message(d))
        return false;
    if (d->subject_too_long)
        return decide_check_size(d);
    if (!d->config->allow_atomic)
        return decide_refuse(d, 10174, true);
    if (d->headers.batch_id.size > STAGED_ID_MAX)
        return decide_refuse(d, 10179, false);
    if (!bytes_read_u64(d->headers.batch_sequence, &in->sequence))
        return decide_refuse(d, 10175, false);
    return check_commit(in) && find(in) && check_commit_known(in) && check_level(in) &&
           check_sequence(in) && check_bytes(in);
}

static void stage(struct arriving *in)
{
    struct staged_message message = message_of(in->d);

    if (staging_add(in->staging, in->staged, &message, in->d->now_ns)) {
        *in->d->decision = (struct decision){.outcome = DECIDE_STAGED, .error_text = ""};
        return;
    }
    decide_refuse(in->d, 10176, false);
    abandon(in, "incomplete");
}

/* ---- committing ------------------------------------------------------------------------------ */

static struct mark mark(const struct decider *decider, const struct buf *out)
{
    return (struct mark){
        .gathered = out->size, .overlay = decider->overlay.count, .barrier = decider->barrier};
}

/* `first`: its first message's sequence. */
static void take_back(struct decider *decider, struct buf *out, const struct mark *mark,
                      uint64_t first, struct decision *decision)
{
    if ((decider->flaws & STREAM_FLAW_BATCH_HALF) != 0 && decision->outcome == DECIDE_REFUSE) {
        decision->records = (uint32_t)(decider->overlay.count - mark->overlay);
        return;
    }
    counters_forget(&decider->counters, first, decider->overlay.count - mark->overlay);
    out->size = mark->gathered;
    overlay_cut(&decider->overlay, mark->overlay);
    decider->barrier = mark->barrier;
}

/* The checks of one message of the batch, in the reference's order for what it replicates. */
static bool check_member(struct deciding *d)
{
    if (d->headers.expected_last_msg_id.size > 0)
        return decide_refuse_text(d, 10177, false,
                                  "atomic publish unsupported header used: "
                                  "Nats-Expected-Last-Msg-Id");
    return decide_check_size(d) && decide_check_size_headers(d) && decide_check_headers_member(d) &&
           decide_check_rollup(d) && decide_check_counter_value(d) && decide_check_limits(d);
}

static bool commit_member(struct arriving *in, struct deciding_batch *batch,
                          const struct staged_message *message, struct buf *out)
{
    struct deciding *d = in->d;
    struct deciding member;

    decide_begin_member(&member, d->decider, message, d->now_ns, d->decision);
    member.batch = batch;
    if (!check_member(&member))
        return false;
    decide_store(&member, out);
    in->records += d->decision->records;
    return d->decision->outcome == DECIDE_STORE;
}

/* The last message of a batch that ends with a mark of its own says that it was the last. */
static void mark_last(struct arriving *in, struct staged_message *message)
{
    struct buf *headers = &in->d->decider->batch_headers;
    bool fits;

    buf_clear(headers);
    fits = buf_add(headers, message->headers);
    assert(fits); /* they were accepted once */
    (void)fits;
    header_block_add(headers, BYTES("Nats-Batch-Commit"), BYTES("1"));
    message->headers = buf_bytes(headers);
}

static bool commit_staged(struct arriving *in, struct deciding_batch *batch, struct buf *out)
{
    struct staged_message message;
    size_t at = 0;

    while (staged_next(in->staged, &at, &message)) {
        if (in->end && at == in->staged->messages.size)
            mark_last(in, &message);
        if (!commit_member(in, batch, &message, out))
            return false;
    }
    message = message_of(in->d);
    return in->end || commit_member(in, batch, &message, out);
}

static void answer_committed(struct arriving *in, uint64_t sequence)
{
    struct decision *decision = in->d->decision;

    *decision = (struct decision){
        .outcome = DECIDE_STORE,
        .sequence = sequence,
        .records = in->records,
        .batch = in->d->headers.batch_id,
        .count = stored_count(in),
        .error_text = "",
    };
}

static void commit(struct arriving *in, struct buf *out)
{
    struct decider *decider = in->d->decider;
    struct mark before = mark(decider, out);
    struct deciding_batch batch = {.flying = decider->overlay.count,
                                   .first = in->d->sequence_last + 1};
    struct decision *decision = in->d->decision;

    if (commit_staged(in, &batch, out)) {
        answer_committed(in, batch.first + stored_count(in) - 1);
        staging_drop(in->staging, in->staged);
        return;
    }
    if (decision->outcome == DECIDE_DUPLICATE)
        decide_refuse(in->d, 10201, true);
    take_back(decider, out, &before, batch.first, decision);
    if (decision->outcome == DECIDE_WAIT || decision->outcome == DECIDE_FULL)
        return; /* it stays staged; its last message comes again */
    staging_drop(in->staging, in->staged);
}

void decide_atomic(struct deciding *d, struct buf *out)
{
    struct arriving in = {.d = d, .staging = &d->decider->staging};

    if (!check_arriving(&in))
        return;
    if (in.last)
        commit(&in, out);
    else
        stage(&in);
}
