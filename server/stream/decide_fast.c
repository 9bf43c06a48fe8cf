/*
 * Fast batches (reference streams 9.6): messages that are decided one by one, as if each came
 * alone, and answered together. What the reference says once a message is stored is said here when
 * it is decided; the owner sends it when that is applied.
 */
#include "server/stream/decide_priv.h"

struct fast {
    struct deciding *d;
    struct fast_batches *batches;
    struct fast_batch *batch;
    struct fast_mark mark;
    struct fast_note notes[FAST_NOTES_MAX];
    unsigned note_count;
};

static struct fast_note *note(struct fast *in, enum fast_note_kind kind, uint64_t number)
{
    struct fast_note *added = &in->notes[in->note_count];

    assert(in->note_count < FAST_NOTES_MAX);
    in->note_count++;
    *added = (struct fast_note){.kind = kind, .number = number};
    return added;
}

static void note_ack(struct fast *in, uint64_t number)
{
    note(in, FAST_NOTE_ACK, number)->other = in->batch->every;
}

static bool ack_if_due(struct fast *in)
{
    if (!fast_batch_ack_due(in->batches, in->batch))
        return false;
    note_ack(in, in->batch->acked);
    return true;
}

static void add_notes(struct fast *in)
{
    struct decision *decision = in->d->decision;

    decision->fast = true;
    decision->note_count = in->note_count;
    memcpy(decision->notes, in->notes, sizeof in->notes);
}

/* What is decided, with what was noted on the way. */
static void say(struct fast *in, enum decide_outcome outcome, uint64_t sequence)
{
    struct decision *decision = in->d->decision;
    uint32_t records = decision->records; /* of the message, if it was stored */

    *decision = (struct decision){
        .outcome = outcome, .sequence = sequence, .records = records, .error_text = ""};
    add_notes(in);
}

/* It ends with what is stored: the last answer is an ack for all of it. */
static void end(struct fast *in, enum decide_outcome outcome)
{
    struct decision *decision = in->d->decision;
    const struct fast_batch *batch = in->batch;

    say(in, outcome, batch->sequence);
    decision->batch = in->mark.id;
    decision->count = batch->handled;
    fast_batches_drop(in->batches, in->batch);
}

static void refuse_and_drop(struct fast *in, uint16_t error)
{
    decide_refuse(in->d, error, false);
    fast_batches_drop(in->batches, in->batch);
}

/* ---- before the message ---------------------------------------------------------------------- */

static bool check_mark(struct fast *in)
{
    struct deciding *d = in->d;

    *d->decision = (struct decision){.error_text = ""};
    if (!decide_check_sealed(d) || !decide_check_size_message(d))
        return false;
    if (!d->config->allow_batched)
        return decide_refuse(d, 10205, true);
    if (!fast_mark_read(d->publish.reply, &in->mark))
        return decide_refuse(d, 10206, false);
    return in->mark.id.size <= FAST_ID_MAX || decide_refuse(d, 10207, false);
}

static bool find(struct fast *in)
{
    in->batch = fast_batches_find(in->batches, in->mark.id);
    if (in->batch != NULL)
        return true;
    if (in->mark.number != 1)
        return decide_refuse(in->d, 10208, false);
    in->batch = fast_batches_begin(in->batches, &in->mark, in->d->now_ns);
    return in->batch != NULL || decide_refuse(in->d, 10211, false);
}

static void note_gap(struct fast *in, uint64_t expected, uint64_t came)
{
    note(in, FAST_NOTE_GAP, came)->other = expected;
}

static void ping(struct fast *in)
{
    struct fast_batch *batch = in->batch;

    if (in->mark.number <= batch->handled) {
        note_ack(in, batch->acked);
        say(in, DECIDE_HANDLED, 0);
        return;
    }
    note_gap(in, batch->handled + 1, in->mark.number + 1);
    if (!in->mark.gap_ok) {
        end(in, DECIDE_HANDLED);
        return;
    }
    batch->handled = batch->stored = in->mark.number;
    if (!ack_if_due(in))
        note_ack(in, batch->acked);
    say(in, DECIDE_HANDLED, 0);
}

/* Does the message come in order, or may it leave some out? Else the batch has ended. */
static bool in_order(struct fast *in)
{
    struct fast_batch *batch = in->batch;

    if (in->mark.number == batch->handled + 1)
        return true;
    if (in->mark.number > batch->handled + 1) {
        note_gap(in, batch->handled + 1, in->mark.number);
        if (in->mark.gap_ok || decide_flaw(in->d, STREAM_FLAW_FAST_GAP))
            return true;
    }
    end(in, DECIDE_HANDLED);
    return false;
}

/* ---- the message ----------------------------------------------------------------------------- */

static bool check_message(struct deciding *d)
{
    return decide_check_size(d) && decide_check_size_headers(d) && decide_check_headers_member(d) &&
           decide_check_id_last(d) && decide_check_rollup(d) && decide_check_counter_value(d) &&
           decide_check_traced(d) && decide_check_limits(d);
}

static void duplicate(struct fast *in)
{
    struct decision *decision = in->d->decision;
    uint64_t original = decision->sequence;

    in->batch->stored = in->mark.number;
    (void)ack_if_due(in);
    if (!in->mark.commit) {
        say(in, DECIDE_HANDLED, 0);
    } else if (!in->mark.gap_ok && in->batch->handled == 1) {
        say(in, DECIDE_DUPLICATE, original);
        decision->batch = in->mark.id;
        decision->count = in->mark.number;
        fast_batches_drop(in->batches, in->batch);
    } else {
        end(in, DECIDE_HANDLED);
    }
}

static void refused(struct fast *in)
{
    struct decision *decision = in->d->decision;
    struct fast_note *error;

    if (!in->mark.gap_ok && in->batch->handled == 1) {
        fast_batches_drop(in->batches, in->batch);
        add_notes(in); /* and then as a message alone, in that order */
        decision->looked = true;
        return;
    }
    error = note(in, FAST_NOTE_ERROR, in->mark.number);
    error->error = decision->error;
    error->text = decision->error_text;
    if (in->mark.gap_ok && !in->mark.commit) {
        say(in, DECIDE_HANDLED, 0);
        return;
    }
    in->batch->handled--;
    end(in, DECIDE_HANDLED);
}

static void stored(struct fast *in)
{
    uint64_t sequence = in->d->decision->sequence;

    in->batch->sequence = sequence;
    in->batch->stored = in->batch->handled;
    if (in->mark.commit) {
        end(in, DECIDE_STORE);
        return;
    }
    (void)ack_if_due(in);
    say(in, DECIDE_STORE, sequence);
}

static void message(struct fast *in, struct buf *out)
{
    struct fast_batch before = *in->batch;

    in->batch->handled = in->mark.number;
    if (in->mark.number == 1 && !in->mark.commit)
        note_ack(in, 0);
    if (check_message(in->d))
        decide_store(in->d, out);
    switch (in->d->decision->outcome) {
    case DECIDE_STORE: stored(in); break;
    case DECIDE_DUPLICATE: duplicate(in); break;
    case DECIDE_REFUSE: refused(in); break;
    default: /* it comes again, or was not to be stored */
        in->batch->handled = before.handled;
        break;
    }
}

static void handle(struct fast *in, struct buf *out)
{
    fast_batches_touch(in->batches, in->batch, in->d->now_ns);
    if (in->mark.ping) {
        ping(in);
        return;
    }
    if (!in_order(in))
        return;
    if (in->mark.end) {
        in->batch->handled = in->mark.number - 1;
        end(in, DECIDE_HANDLED);
        return;
    }
    message(in, out);
}

void decide_fast(struct deciding *d, struct buf *out)
{
    struct fast in = {.d = d, .batches = &d->decider->fast};

    if (!check_mark(&in) || !find(&in))
        return;
    if (decide_strip_level(d))
        handle(&in, out);
    else
        refuse_and_drop(&in, 10185);
}
