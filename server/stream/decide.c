#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/subject.h"
#include "server/stream/decide_priv.h"

#define TEXT_MAX        (EFFECT_HEADERS_MAX * 4 + 256) /* a refused value is quoted in the answer */
#define PROPOSALS_FIRST 4u

void decider_init(struct decider *decider, struct stream_state *state, uint64_t seed)
{
    *decider = (struct decider){.state = state};
    overlay_init(&decider->overlay, seed);
    buf_init(&decider->headers, SIZE_MAX);
    buf_init(&decider->ttl_headers, SIZE_MAX);
    counters_init(&decider->counters, seed);
    buf_init(&decider->counter_payload, SIZE_MAX);
    buf_init(&decider->counter_headers, SIZE_MAX);
    buf_init(&decider->counter_sourced.value, SIZE_MAX);
    buf_init(&decider->counter_sourced.before, SIZE_MAX);
    buf_init(&decider->counter_sourced.increment, SIZE_MAX);
    buf_init(&decider->counter_sourced.sources, SIZE_MAX);
    buf_init(&decider->batch_headers, SIZE_MAX);
    buf_init(&decider->schedule_headers, SIZE_MAX);
    buf_init(&decider->subject, EFFECT_SUBJECT_MAX);
    prng_seed(&decider->prng, seed);
    buf_init(&decider->text, TEXT_MAX);
    staging_init(&decider->staging, seed);
    fast_batches_init(&decider->fast, seed);
}

void decider_deinit(struct decider *decider)
{
    overlay_deinit(&decider->overlay);
    buf_deinit(&decider->headers);
    buf_deinit(&decider->ttl_headers);
    counters_deinit(&decider->counters);
    buf_deinit(&decider->counter_payload);
    buf_deinit(&decider->counter_headers);
    buf_deinit(&decider->counter_sourced.value);
    buf_deinit(&decider->counter_sourced.before);
    buf_deinit(&decider->counter_sourced.increment);
    buf_deinit(&decider->counter_sourced.sources);
    buf_deinit(&decider->batch_headers);
    buf_deinit(&decider->schedule_headers);
    buf_deinit(&decider->subject);
    buf_deinit(&decider->text);
    staging_deinit(&decider->staging);
    fast_batches_deinit(&decider->fast);
    heap_give(decider->proposals);
    decider->proposals = NULL;
}

/* ---- answers --------------------------------------------------------------------------------- */

bool decide_refuse(struct deciding *d, uint16_t error, bool looked)
{
    *d->decision = (struct decision){
        .outcome = DECIDE_REFUSE,
        .error = error,
        .error_text = "",
        .looked = looked && !decide_flaw(d, STREAM_FLAW_REFUSAL_NOT_LOOKED),
    };
    if (decide_flaw(d, STREAM_FLAW_TRACE_OF_REFUSED) && d->headers.msg_id.size > 0)
        dedup_add(&d->decider->state->dedup, d->headers.msg_id, d->sequence_last + 1, d->now_ns);
    return false;
}

bool decide_refuse_text(struct deciding *d, uint16_t error, bool looked, const char *format, ...)
{
    struct buf *text = &d->decider->text;
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(size >= 0 && (size_t)size < TEXT_MAX);

    buf_clear(text);
    va_start(arguments, format);
    vsnprintf((char *)buf_reserve(text, (size_t)size + 1), (size_t)size + 1, format, arguments);
    va_end(arguments);
    decide_refuse(d, error, looked);
    d->decision->error_text = (const char *)text->at;
    return false;
}

bool decide_wait(struct deciding *d)
{
    *d->decision = (struct decision){.outcome = DECIDE_WAIT, .error_text = ""};
    return false;
}

/* ---- one publish ----------------------------------------------------------------------------- */

/* Log time never falls, whatever the caller's clock says. */
static int64_t tail_time(const struct decider *decider, int64_t log_now_ns)
{
    const struct overlay_entry *last = overlay_last(&decider->overlay);
    int64_t now_ns = log_now_ns;

    if ((decider->flaws & STREAM_FLAW_TIME_FALLS) != 0)
        return now_ns;
    if (stream_state_time(decider->state) > now_ns)
        now_ns = stream_state_time(decider->state);
    if (last != NULL && last->time_ns > now_ns)
        now_ns = last->time_ns;
    return now_ns < EFFECT_TIME_MAX ? now_ns : EFFECT_TIME_MAX;
}

static uint64_t tail_sequence(const struct decider *decider)
{
    const struct overlay_entry *last = overlay_last(&decider->overlay);

    if (last != NULL && (decider->flaws & STREAM_FLAW_SEQUENCE_FROM_APPLIED) == 0)
        return last->sequence;
    return stream_state_taken(decider->state);
}

/* All that is checked and stored is of the subject as it becomes. A transform that leaves nothing
 * of it leaves it alone. */
static void transform_subject(struct deciding *d)
{
    const struct subject_transform *transform = &d->decider->state->transform;
    struct buf *subject = &d->decider->subject;

    if (d->config->subject_transform == NULL ||
        !subject_transform_matches(transform, d->publish.subject))
        return;
    buf_clear(subject);
    d->subject_too_long =
        !subject_transform_apply(transform, d->publish.subject, &d->decider->prng, subject);
    if (subject->size > 0)
        d->publish.subject = buf_bytes(subject);
}

void decide_begin(struct deciding *d, struct decider *decider, const struct publish *publish,
                  int64_t log_now_ns, struct decision *decision)
{
    assert(publish->subject.size > 0);
    assert(log_now_ns >= 0);

    *d = (struct deciding){
        .decider = decider,
        .config = &decider->state->config,
        .publish = *publish,
        .now_ns = tail_time(decider, log_now_ns),
        .sequence_last = tail_sequence(decider),
        .decision = decision,
    };
    transform_subject(d);
    if (publish->headers.size > 0)
        d->publish.headers =
            publish_headers_clean(publish->headers, &decider->headers, &d->headers);
}

void decide_headers_changed(struct deciding *d, struct bytes headers)
{
    d->publish.headers = headers;
    publish_headers_read(headers, &d->headers);
    d->stored_size = stream_stored_size(d->config->storage, d->publish.subject.size,
                                        d->publish.headers.size, d->publish.payload.size);
}

void decide_begin_member(struct deciding *d, struct decider *decider,
                         const struct staged_message *message, int64_t now_ns,
                         struct decision *decision)
{
    *d = (struct deciding){
        .decider = decider,
        .config = &decider->state->config,
        .publish = {.subject = message->subject,
                    .headers = message->headers,
                    .payload = message->payload},
        .now_ns = now_ns,
        .sequence_last = tail_sequence(decider),
        .decision = decision,
    };
    publish_headers_read(message->headers, &d->headers);
}

static bool check_headers(struct deciding *d)
{
    if (d->publish.headers.size == 0)
        return true;
    return decide_check_headers(d) && decide_check_id(d) && decide_check_id_last(d) &&
           decide_check_rollup(d);
}

static bool check(struct deciding *d)
{
    return decide_check_size(d) && decide_check_sealed(d) && check_headers(d) &&
           decide_check_counter_value(d) && decide_check_size_configured(d) &&
           decide_check_ttl(d) && decide_check_traced(d) && decide_check_limits(d);
}

static void discard_old_at_once(struct deciding *d) /* a seeded bug */
{
    struct stream_state *state = d->decider->state;
    uint64_t limit = (uint64_t)d->config->max_msgs;

    while (d->config->max_msgs > 0 && d->config->discard == DISCARD_OLD &&
           index_count(state->index) + d->decider->overlay.count > limit &&
           index_count(state->index) > 0)
        (void)index_remove(state->index, index_first(state->index), NULL);
}

bool decide_store(struct deciding *d, struct buf *out)
{
    struct decider *decider = d->decider;
    size_t before = out->size;
    struct effect effect = {
        .type = EFFECT_MESSAGE,
        .flags = d->flags,
        .message =
            {
                .sequence = d->sequence_last + 1,
                .time_ns = d->now_ns,
                .subject = d->publish.subject,
                .headers = d->publish.headers,
                .payload = d->publish.payload,
                .id = d->headers.msg_id,
                .expires_ns = d->expires_ns,
                .marker = publish_headers_marker(&d->headers),
            },
    };

    if (d->publish.headers.size > EFFECT_HEADERS_MAX) /* what was added to them counts */
        return decide_refuse(d, 10097, false);
    *d->decision = (struct decision){.outcome = DECIDE_FULL, .records = 1, .error_text = ""};
    if (!effect_write(out, &effect) || !decide_store_schedule(d, effect.message.sequence, out)) {
        out->size = before;
        d->decision->records = 0;
        return false;
    }
    overlay_add(&decider->overlay, effect.message.sequence, d->now_ns, d->stored_size,
                d->publish.subject, d->headers.msg_id, d->flags == MESSAGE_ROLLUP_SUBJECT);
    if (d->flags == MESSAGE_ROLLUP_ALL ||
        (d->flags == MESSAGE_ROLLUP_SUBJECT && subject_has_wildcard(d->publish.subject)))
        decider->barrier = true;
    if (decide_flaw(d, STREAM_FLAW_LIMIT_IN_DECIDE))
        discard_old_at_once(d);
    d->decision->outcome = DECIDE_STORE;
    d->decision->sequence = effect.message.sequence;
    d->decision->subject = d->publish.subject;
    if (d->counter.value.size > 0) {
        if (d->batch == NULL) /* what was read for those behind it stays */
            counters_trim(&decider->counters, decider->state->last_seq);
        counters_keep(&decider->counters, effect.message.sequence, d->counter);
    }
    d->decision->value = d->counter.value;
    return true;
}

static bool is_here(const struct deciding *d)
{
    const struct decider *decider = d->decider;

    return decider->here == NULL ||
           decider->here(decider->owner, d->publish.subject,
                         stream_stored_size(d->config->storage, d->publish.subject.size,
                                            d->publish.headers.size, d->publish.payload.size));
}

void decide_publish(struct decider *decider, const struct publish *publish, int64_t log_now_ns,
                    struct buf *out, struct decision *decision)
{
    struct deciding d;

    decide_begin(&d, decider, publish, log_now_ns, decision);
    decider->counter_wanted = 0;
    if (decider->barrier && !decide_flaw(&d, STREAM_FLAW_IGNORE_BARRIER))
        decide_wait(&d);
    else if (!is_here(&d))
        decide_wait(&d);
    else if (fast_mark_is(publish->reply))
        decide_fast(&d, out);
    else if (d.headers.batch_id.size > 0)
        decide_atomic(&d, out);
    else if (check(&d))
        decide_store(&d, out);
}

/* ---- what became of it ----------------------------------------------------------------------- */

static struct decider_proposal *proposal_at(const struct decider *decider, size_t i)
{
    return &decider->proposals[(decider->proposal_head + i) & (decider->proposal_capacity - 1)];
}

static void proposals_grow(struct decider *decider)
{
    size_t capacity =
        decider->proposal_capacity == 0 ? PROPOSALS_FIRST : decider->proposal_capacity * 2;
    struct decider_proposal *grown = heap_resize(NULL, capacity * sizeof *grown);

    for (size_t i = 0; i < decider->proposal_count; i++)
        grown[i] = *proposal_at(decider, i);
    heap_give(decider->proposals);
    decider->proposals = grown;
    decider->proposal_capacity = capacity;
    decider->proposal_head = 0;
}

void decider_settling(struct decider *decider)
{
    decider->settling = true;
    decider->settling_index = 0;
}

void decider_proposed(struct decider *decider, uint64_t index)
{
    const struct overlay_entry *last = overlay_last(&decider->overlay);

    assert(index > 0);
    assert(decider->proposal_count == 0 ||
           proposal_at(decider, decider->proposal_count - 1)->index < index);

    if (decider->proposal_count == decider->proposal_capacity)
        proposals_grow(decider);
    decider->proposal_count++;
    *proposal_at(decider, decider->proposal_count - 1) =
        (struct decider_proposal){.index = index, .sequence = last == NULL ? 0 : last->sequence};
    if (decider->barrier && decider->barrier_index == 0)
        decider->barrier_index = index;
    if (decider->settling && decider->settling_index == 0)
        decider->settling_index = index;
}

void decider_applied(struct decider *decider, uint64_t index)
{
    while (decider->proposal_count > 0 && proposal_at(decider, 0)->index <= index) {
        const struct decider_proposal *proposal = proposal_at(decider, 0);

        /* Later proposals cannot have been applied, or they would be below `index`, too. */
        assert(proposal->sequence == 0 || proposal->index < index ||
               decider->state->last_seq == proposal->sequence);
        decider->proposal_head = (decider->proposal_head + 1) & (decider->proposal_capacity - 1);
        decider->proposal_count--;
    }
    overlay_drop(&decider->overlay, decider->state->last_seq);
    if (decider->barrier && decider->barrier_index != 0 && decider->barrier_index <= index) {
        decider->barrier = false;
        decider->barrier_index = 0;
    }
    if (decider->settling_index != 0 && decider->settling_index <= index) {
        decider->settling = false;
        decider->settling_index = 0;
    }
}

void decider_refused(struct decider *decider)
{
    if ((decider->flaws & STREAM_FLAW_KEEP_REFUSED) == 0)
        overlay_clear(&decider->overlay);
    if ((decider->flaws & STREAM_FLAW_COUNTER_KEPT) == 0)
        counters_deinit(&decider->counters); /* some of it was in flight */
    if ((decider->flaws & STREAM_FLAW_KEEP_REFUSED) == 0)
        fast_batches_clear(&decider->fast); /* they count what was in flight as stored */
    decider->proposal_count = 0;
    decider->proposal_head = 0;
    decider->barrier = false;
    decider->barrier_index = 0;
    decider->settling = false;
    decider->settling_index = 0;
}
