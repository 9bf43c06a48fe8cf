#include "base/subject.h"
#include "base/text.h"
#include "server/stream/apply.h"

/* Does the message continue the stream? Else it is not what a leader of this stream decided. */
static bool follows(const struct stream_state *state, const struct effect *effect)
{
    uint64_t sequence = effect->message.sequence;

    if (sequence <= state->last_seq || sequence > STREAM_SEQUENCE_MAX)
        return false;
    if (sequence != state->last_seq + 1 && !state->gap)
        return false;
    return state->last_time_ns == TIME_UNSET || effect->message.time_ns >= state->last_time_ns;
}

static void remember_id(struct stream_state *state, const struct effect *effect)
{
    struct bytes id = effect->message.id;
    bool fits;

    buf_clear(&state->msg_id_memory);
    fits = buf_add(&state->msg_id_memory, id);
    assert(fits); /* headers are bounded */
    (void)fits;
    state->msg_id_last = buf_bytes(&state->msg_id_memory);
    if (id.size > 0 && !apply_flaw(state, STREAM_FLAW_FORGET_IDS))
        dedup_add(&state->dedup, id, effect->message.sequence, effect->message.time_ns);
}

/* What lost indexes had, now that the next one says how many. */
static void note_lost(struct stream_state *state, uint64_t next)
{
    uint64_t first = state->last_seq + 1;

    if (next - first > LOST_MAX)
        next = first + LOST_MAX;
    for (uint64_t sequence = first; sequence < next; sequence++)
        (void)lost_add(&state->lost, sequence, 0); /* their bytes are counted */
}

static void store(struct stream_state *state, const struct effect *effect,
                  const struct index_entry *entry)
{
    state->lost_messages += entry->sequence - state->last_seq - 1;
    if (state->gap)
        note_lost(state, entry->sequence);
    state->gap = false;
    state->gap_max = 0;

    index_add(state->index, entry);
    expiries_add(&state->expiries, entry->sequence, effect->message.expires_ns,
                 effect->message.marker);
    state->begun = true;
    state->last_seq = entry->sequence;
    state->last_time_ns = entry->time_ns;
    if (entry->time_ns > state->log_time_ns)
        state->log_time_ns = entry->time_ns;
    apply_set_first(state);
    remember_id(state, effect);
    if (state->events != NULL && state->events->stored != NULL)
        state->events->stored(state->events->owner, entry);
}

/* A subject that was published with wildcards in it takes the place of all that it matches. */
static void roll_up_subject(struct stream_state *state, struct bytes subject, uint64_t below)
{
    const struct index_filter filter = {.subjects = &subject, .count = 1};
    struct index_subject counts;

    if (subject_has_wildcard(subject)) {
        apply_remove_matching(state, &filter, below);
        return;
    }
    for (index_subject(state->index, subject, &counts); counts.count > 0 && counts.first < below;
         index_subject(state->index, subject, &counts))
        apply_remove(state, counts.first);
}

static void roll_up(struct stream_state *state, const struct effect *effect)
{
    uint64_t below = effect->message.sequence + apply_flaw(state, STREAM_FLAW_ROLLUP_WHOLE);

    if ((effect->flags & MESSAGE_ROLLUP_SUBJECT) != 0)
        roll_up_subject(state, effect->message.subject, below);
    if ((effect->flags & MESSAGE_ROLLUP_ALL) != 0)
        apply_remove_matching(state, NULL, below);
}

static uint64_t subject_last(const struct stream_state *state, struct bytes subject)
{
    struct index_subject counts;

    index_subject(state->index, subject, &counts);
    return counts.count > 0 ? counts.last : 0;
}

static bool unwanted(const struct stream_state *state, const struct index_entry *entry)
{
    return state->config.retention == RETENTION_INTEREST && state->events != NULL &&
           state->events->wanted != NULL && !state->events->wanted(state->events->owner, entry);
}

enum err apply_message(struct stream_state *state, const struct effect *effect, log_place place,
                       uint32_t record_size, struct apply_result *result)
{
    struct index_entry entry = {
        .sequence = effect->message.sequence,
        .time_ns = effect->message.time_ns,
        .place = place,
        .record_size = record_size,
        .stored_size =
            stream_stored_size(state->config.storage, effect->message.subject.size,
                               effect->message.headers.size, effect->message.payload.size),
        .subject = effect->message.subject,
    };

    if (!follows(state, effect))
        return ERR_CORRUPT;
    if (state->config.republish != NULL)
        result->previous = subject_last(state, effect->message.subject);
    /* A schedule is its subject's newest message, or none any more. */
    if (state->schedules.lives.count > 0)
        expiries_remove(&state->schedules, subject_last(state, effect->message.subject));
    store(state, effect, &entry);
    result->unwanted = unwanted(state, &entry) && apply_remove(state, entry.sequence);
    roll_up(state, effect);
    apply_limit_subject(state, effect->message.subject);
    apply_limit_stream(state);
    result->sequence = entry.sequence;
    return OK;
}
