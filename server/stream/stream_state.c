#include "server/stream/stream_state.h"

#include "base/scratch.h"
#include "base/text.h"
#include "server/stream/apply.h"
#include "server/stream/flaws.h"

#define MSG_ID_MAX         EFFECT_HEADERS_MAX
#define CONFIG_ARENA_MAX   ((size_t)16 << 20)
#define RECORD_MESSAGE_MIN 40u /* a lost message took at least that many bytes */

void stream_state_init(struct stream_state *state, uint64_t seed)
{
    *state = (struct stream_state){.last_time_ns = TIME_UNSET};
    arena_init(&state->config_arena, CONFIG_ARENA_MAX);
    state->index = index_create(seed);
    dedup_init(&state->dedup, seed);
    positions_init(&state->positions);
    expiries_init(&state->expiries, seed);
    expiries_init(&state->schedules, seed);
    buf_init(&state->msg_id_memory, MSG_ID_MAX);
}

static void set_flaws(struct stream_state *state)
{
    if ((state->flaws & STREAM_FLAW_INDEX_STEP_LOST) != 0)
        index_flaw(state->index, INDEX_FLAW_STEP_LOST);
    if ((state->flaws & STREAM_FLAW_INDEX_BEFORE_LOST) != 0)
        index_flaw(state->index, INDEX_FLAW_BEFORE_LOST);
}

void stream_state_use(struct stream_state *state, struct scratch *scratch,
                      struct index_cache *cache, unsigned index_bits)
{
    assert(state->scratch == NULL);
    state->scratch = scratch_hold(scratch);
    state->index_cache = cache;
    state->index_bits = index_bits;
    if (scratch != NULL || cache != NULL)
        index_use(state->index, scratch, cache, index_bits);
    set_flaws(state);
}

void stream_state_index(struct stream_state *state, struct index *index)
{
    index_destroy(state->index);
    state->index = index;
    state->oldest_sequence = 0;
    set_flaws(state);
}

void stream_state_deinit(struct stream_state *state)
{
    arena_deinit(&state->config_arena);
    if (state->index != NULL)
        index_destroy(state->index);
    state->index = NULL;
    scratch_destroy(state->scratch);
    state->scratch = NULL;
    dedup_deinit(&state->dedup);
    lost_deinit(&state->lost);
    positions_deinit(&state->positions);
    expiries_deinit(&state->expiries);
    expiries_deinit(&state->schedules);
    buf_deinit(&state->msg_id_memory);
}

void stream_state_reset(struct stream_state *state, uint64_t seed)
{
    const struct stream_events *events = state->events;
    struct scratch *scratch = scratch_hold(state->scratch);
    struct index_cache *cache = state->index_cache;
    unsigned index_bits = state->index_bits;
    uint64_t flaws = state->flaws;

    stream_state_deinit(state);
    stream_state_init(state, seed);
    state->events = events;
    state->flaws = flaws;
    stream_state_use(state, scratch, cache, index_bits);
    scratch_destroy(scratch);
}

/* What is true of a state between any two effects. */
static void check(const struct stream_state *state)
{
    assert(state->last_seq <= STREAM_SEQUENCE_MAX);
    assert(state->first_seq <= state->last_seq + 1);
    assert(index_last(state->index) <= state->last_seq);
}

enum err stream_state_apply(struct stream_state *state, const struct effect *effect,
                            log_place place, uint32_t record_size, struct apply_result *result)
{
    enum err err = OK;

    *result = (struct apply_result){0};
    switch (effect->type) {
    case EFFECT_TERM: break;
    case EFFECT_MESSAGE: err = apply_message(state, effect, place, record_size, result); break;
    case EFFECT_DELETE: apply_delete(state, effect, result); break;
    case EFFECT_PURGE: apply_purge(state, effect, result); break;
    case EFFECT_EXPIRE: apply_expire(state, effect, result); break;
    case EFFECT_SCHEDULE: apply_schedule(state, effect); break;
    case EFFECT_CONFIG: err = apply_config(state, effect); break;
    case EFFECT_RESTORE: err = apply_restore(state, effect); break;
    case EFFECT_DELETE_MANY: apply_delete_many(state, effect, result); break;
    case EFFECT_SKIP: err = apply_skip(state, effect); break;
    case EFFECT_SOURCED: err = apply_sourced(state, effect); break;
    case EFFECT_CONSUMER_CREATE:
    case EFFECT_CONSUMER_DELETE:
    case EFFECT_CONSUMER_STATE:
        if (state->events != NULL && state->events->consumer != NULL)
            state->events->consumer(state->events->owner, effect);
        break;
    default: return ERR_CORRUPT;
    }
    check(state);
    return err;
}

void stream_state_settle(struct stream_state *state, uint64_t sequence)
{
    (void)apply_remove(state, sequence);
}

void stream_state_lost(struct stream_state *state, uint64_t bytes)
{
    uint64_t messages = bytes / RECORD_MESSAGE_MIN + 1;

    state->gap = true;
    state->lost.bytes += bytes;
    if (messages > STREAM_SEQUENCE_MAX - stream_state_taken(state))
        messages = STREAM_SEQUENCE_MAX - stream_state_taken(state);
    state->gap_max += messages;
}

/* ---- removal --------------------------------------------------------------------------------- */

void apply_set_first(struct stream_state *state)
{
    if (index_count(state->index) > 0)
        state->first_seq = index_first(state->index);
    else
        state->first_seq = state->begun ? state->last_seq + 1 : 0;
}

static void tell_removed(void *context, const struct index_entry *entry)
{
    struct stream_state *state = context;

    if (entry->sequence == state->oldest_sequence)
        state->oldest_sequence = 0;
    apply_set_first(state);
    expiries_remove(&state->expiries, entry->sequence);
    expiries_remove(&state->schedules, entry->sequence);
    if (state->events != NULL && state->events->removed != NULL)
        state->events->removed(state->events->owner, entry);
}

bool apply_remove(struct stream_state *state, uint64_t sequence)
{
    struct index_entry entry;

    if (!index_remove(state->index, sequence, &entry))
        return false;
    tell_removed(state, &entry);
    return true;
}

uint64_t apply_remove_matching(struct stream_state *state, const struct index_filter *filter,
                               uint64_t below)
{
    bool told = (state->events != NULL && state->events->removed != NULL) ||
                state->expiries.lives.count > 0 || state->schedules.lives.count > 0;
    uint64_t count;

    if (apply_flaw(state, STREAM_FLAW_REMOVAL_CUT_SHORT) && below > state->first_seq + 8)
        below = state->first_seq + 8;
    state->oldest_sequence = 0;
    count = index_purge(state->index, filter, below, told ? tell_removed : NULL, state);
    apply_set_first(state);
    return count;
}

/* ---- what is there --------------------------------------------------------------------------- */

uint64_t stream_state_messages(const struct stream_state *state)
{
    return index_count(state->index);
}

uint64_t stream_state_bytes(const struct stream_state *state)
{
    return index_bytes(state->index);
}

int64_t stream_state_time(const struct stream_state *state)
{
    return state->last_time_ns > state->log_time_ns ? state->last_time_ns : state->log_time_ns;
}

uint64_t stream_state_taken(const struct stream_state *state)
{
    return state->last_seq + state->gap_max;
}

bool stream_state_oldest(struct stream_state *state, struct index_entry *entry)
{
    while (index_next(state->index, NULL, state->aged_below, entry)) {
        if (!expiries_never(&state->expiries, entry->sequence))
            return true;
        state->aged_below = entry->sequence + 1;
    }
    return false;
}

/* Asked for with each batch, and its row may have left memory long ago. */
static bool oldest_time(struct stream_state *state)
{
    struct index_entry oldest;

    if (state->oldest_sequence != 0)
        return true;
    if (!stream_state_oldest(state, &oldest))
        return false;
    state->oldest_sequence = oldest.sequence;
    state->oldest_ns = oldest.time_ns;
    return true;
}

bool stream_state_due(struct stream_state *state, int64_t *due_ns)
{
    struct expiry first;
    bool due = false;

    if (state->restoring)
        return false;
    if (state->config.max_age_ns > 0 && oldest_time(state)) {
        *due_ns = state->oldest_ns + state->config.max_age_ns;
        due = true;
    }
    if (!expiries_first(&state->expiries, &first) || (due && *due_ns <= first.expires_ns))
        return due;
    *due_ns = first.expires_ns;
    return true;
}

uint32_t stream_stored_size(int32_t storage, size_t subject, size_t headers, size_t payload)
{
    if (storage == STORAGE_MEMORY)
        return (uint32_t)(subject + headers + payload + 16);
    return (uint32_t)(22 + subject + payload + 8 + (headers > 0 ? 4 + headers : 0));
}
