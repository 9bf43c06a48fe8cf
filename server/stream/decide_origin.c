#include "server/stream/decide_origin.h"

#include "server/stream/decide_priv.h"

/* A roll-up counts where the stream allows it; what it means to any other is in its headers. */
static void take_rollup(struct deciding *d)
{
    if (!d->config->allow_rollup_hdrs || d->config->deny_purge)
        return;
    if (bytes_equal_nocase(d->headers.rollup, BYTES("sub")))
        d->flags = MESSAGE_ROLLUP_SUBJECT;
    else if (bytes_equal_nocase(d->headers.rollup, BYTES("all")))
        d->flags = MESSAGE_ROLLUP_ALL;
}

/* An end of its own counts where ends are allowed. */
static bool take_ttl(struct deciding *d)
{
    int64_t seconds;

    if (!d->config->allow_msg_ttl || !publish_headers_ttl(d->headers.ttl, &seconds))
        return true;
    return decide_check_ttl(d);
}

static struct publish as_publish(const struct origin_message *message)
{
    return (struct publish){
        .subject = message->subject, .headers = message->headers, .payload = message->payload};
}

/* Whether the message itself can be stored. Counters that are mirrored or restored are what they
 * were.
 */
static bool check_message(struct deciding *d, bool sourced)
{
    return decide_check_size(d) && (!sourced || decide_check_counter_sourced(d)) &&
           decide_check_size_configured(d) && take_ttl(d);
}

/* Of what stands against a message itself; limits may refuse with the same code. */
static bool is_too_large(const struct decision *decision)
{
    return decision->outcome == DECIDE_REFUSE &&
           (decision->error == 10054 || decision->error == 10077 || decision->error == 10097);
}

enum checked {
    CHECKED,     /* it is to be stored */
    DECIDED,     /* not now; the decision says why */
    PASSED_OVER, /* never; the decision says why and that nothing is stored */
};

static enum checked check(struct deciding *d, const struct origin_message *message, bool sourced)
{
    if (d->decider->barrier && !decide_flaw(d, STREAM_FLAW_IGNORE_BARRIER)) {
        (void)decide_wait(d);
        return DECIDED;
    }
    if (!decide_check_sealed(d))
        return DECIDED;
    if (check_message(d, sourced))
        return decide_check_limits(d) ? CHECKED : DECIDED;
    if (!is_too_large(d->decision) || message->last_copy)
        return DECIDED;
    d->decision->outcome = DECIDE_DUPLICATE;
    return PASSED_OVER;
}

static void nothing_to_store(struct deciding *d)
{
    *d->decision = (struct decision){.outcome = DECIDE_DUPLICATE, .error_text = ""};
}

static void full(struct deciding *d)
{
    *d->decision = (struct decision){.outcome = DECIDE_FULL, .error_text = ""};
}

/* Writes `before`, then the message, or neither. */
static void store_behind(struct deciding *d, const struct effect *before, struct buf *out)
{
    size_t size = out->size;

    if (!effect_write(out, before)) {
        full(d);
        return;
    }
    if (!decide_store(d, out)) {
        out->size = size;
        return;
    }
    d->decision->records++;
}

/* ---- mirrors -------------------------------------------------------------------------------- */

/* Its own time, if that does not fall: the index stands on it. */
static int64_t mirrored_time(const struct decider *decider, int64_t time_ns)
{
    const struct overlay_entry *last = overlay_last(&decider->overlay);
    int64_t least_ns = last != NULL ? last->time_ns : decider->state->last_time_ns;

    if (time_ns < least_ns)
        time_ns = least_ns;
    if (time_ns < 0)
        return 0;
    return time_ns < EFFECT_TIME_MAX ? time_ns : EFFECT_TIME_MAX;
}

/* The last it has for certain. What a damaged tail may have held is not behind it: it is asked for
 * again, and comes under its own sequences. */
static uint64_t mirrored_last(const struct decider *decider)
{
    const struct overlay_entry *last = overlay_last(&decider->overlay);

    return last != NULL ? last->sequence : decider->state->last_seq;
}

void decide_mirrored(struct decider *decider, const struct origin_message *message, struct buf *out,
                     struct decision *decision)
{
    struct publish publish = as_publish(message);
    struct effect skip = {.type = EFFECT_SKIP, .skip = {.last = message->sequence - 1}};
    struct deciding d;
    uint64_t last = mirrored_last(decider);

    decider->counter_wanted = 0;
    decide_begin(&d, decider, &publish, 0, decision);
    d.sequence_last = last;
    if (message->sequence <= last) {
        nothing_to_store(&d);
        return;
    }
    d.now_ns = mirrored_time(decider, message->time_ns);
    take_rollup(&d);
    decide_take_schedule(&d); /* no mirror has any, but a stream that is restored */
    if (check(&d, message, false) != CHECKED)
        return; /* what is passed over is skipped with the next that is not */
    d.sequence_last = message->sequence - 1;
    if (d.sequence_last > last)
        store_behind(&d, &skip, out);
    else
        (void)decide_store(&d, out);
}

void decide_skip(struct decider *decider, uint64_t last, struct buf *out, struct decision *decision)
{
    decide_skip_timed(decider, last, 0, out, decision);
}

void decide_skip_timed(struct decider *decider, uint64_t last, int64_t time_ns, struct buf *out,
                       struct decision *decision)
{
    struct effect skip = {.type = EFFECT_SKIP, .skip = {.last = last, .time_ns = time_ns}};

    *decision = (struct decision){.outcome = DECIDE_DUPLICATE, .error_text = ""};
    if (decider->barrier || decider->overlay.count > 0) {
        decision->outcome = DECIDE_WAIT;
    } else if (last > decider->state->last_seq && last < STREAM_SEQUENCE_MAX) {
        decision->records = effect_write(out, &skip);
        decision->outcome = decision->records > 0 ? DECIDE_STORE : DECIDE_FULL;
        decider->barrier = decision->records > 0;
    }
}

/* ---- sources -------------------------------------------------------------------------------- */

/* The position alone. */
static void move(struct deciding *d, const struct effect *moved, struct buf *out)
{
    if (effect_write(out, moved))
        d->decision->records = 1;
    else
        full(d);
}

void decide_sourced(struct decider *decider, uint16_t source, uint64_t origin,
                    const struct origin_message *message, int64_t log_now_ns, struct buf *out,
                    struct decision *decision)
{
    struct publish publish = as_publish(message);
    struct effect moved = {
        .type = EFFECT_SOURCED,
        .sourced = {.source = source, .origin = origin, .sequence = message->sequence},
    };
    struct deciding d;

    decider->counter_wanted = 0;
    decide_begin(&d, decider, &publish, log_now_ns, decision);
    take_rollup(&d);
    if (decider->barrier && !decide_flaw(&d, STREAM_FLAW_IGNORE_BARRIER)) {
        (void)decide_wait(&d);
        return;
    }
    if (!decide_check_id(&d)) {
        move(&d, &moved, out);
        return;
    }
    switch (check(&d, message, true)) {
    case CHECKED: store_behind(&d, &moved, out); break;
    case PASSED_OVER: move(&d, &moved, out); break;
    case DECIDED: break;
    }
}
