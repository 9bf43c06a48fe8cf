/* What mirrors and sources add to a stream beside messages. */
#include "server/stream/apply.h"

enum err apply_skip(struct stream_state *state, const struct effect *effect)
{
    if (effect->skip.last <= state->last_seq || effect->skip.last > STREAM_SEQUENCE_MAX)
        return ERR_CORRUPT;
    state->last_seq = effect->skip.last;
    state->begun = true;
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
