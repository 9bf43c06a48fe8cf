/* What mirrors and sources add to a stream beside messages. */
#include "server/stream/apply.h"

/* What lost indexes may have used is bounded by a sequence, which the skip does not move. */
enum err apply_skip(struct stream_state *state, const struct effect *effect)
{
    uint64_t last = effect->skip.last, taken = stream_state_taken(state);

    if (last <= state->last_seq || last > STREAM_SEQUENCE_MAX)
        return ERR_CORRUPT;
    state->gap_max = taken > last ? taken - last : 0;
    state->last_seq = last;
    state->begun = true;
    if (effect->skip.time_ns > state->last_time_ns && effect->skip.time_ns > 0)
        state->last_time_ns = effect->skip.time_ns;
    apply_set_first(state);
    return OK;
}

enum err apply_sourced(struct stream_state *state, const struct effect *effect)
{
    struct source_position *position =
        positions_of_source(&state->positions, effect->sourced.source);

    if (position == NULL)
        return ERR_CORRUPT;
    if (apply_flaw(state, STREAM_FLAW_POSITION_LOST))
        return OK;
    position->origin = effect->sourced.origin;
    position->sequence = effect->sourced.sequence;
    return OK;
}
