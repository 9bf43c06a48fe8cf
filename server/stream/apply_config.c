#include "server/stream/apply.h"

/* Takes over the config and the arena that holds it; the old ones go. */
static void adopt(struct stream_state *state, const struct stream_config *config,
                  struct arena *arena)
{
    arena_deinit(&state->config_arena);
    state->config_arena = *arena;
    state->config = *config;
}

/* first_seq of the config counts once, for a stream that has not begun. */
static void begin(struct stream_state *state, const struct effect *effect)
{
    uint64_t first_seq = state->config.first_seq;

    state->configured = true;
    state->restoring = false;
    state->created_ns = effect->config.created_ns;
    if (first_seq == 0 || state->begun)
        return;
    state->begun = true;
    state->last_seq = first_seq - 1;
    apply_set_first(state);
}

static bool compile(struct subject_transform *out, struct bytes source, struct bytes destination,
                    struct arena *arena)
{
    struct subject_transform_error error;

    return subject_transform_compile(out, source, destination, SUBJECT_TRANSFORM_ANY, arena,
                                     &error);
}

/* What was checked before it was logged compiles. */
static bool compile_transforms(struct stream_state *state, const struct stream_config *config,
                               struct arena *arena)
{
    const struct stream_transform *transform = config->subject_transform;
    const struct stream_republish *republish = config->republish;
    struct subject_transform stored = {0}, again = {0};

    if (transform != NULL && !compile(&stored, transform->source, transform->destination, arena))
        return false;
    if (republish != NULL && !compile(&again, republish->source, republish->destination, arena))
        return false;
    state->transform = stored;
    state->republish = again;
    return true;
}

enum err apply_config_json(struct stream_state *state, struct bytes json)
{
    struct stream_config config = {0};
    struct arena arena;
    enum err err;

    arena_init(&arena, state->config_arena.limit);
    err = stream_config_decode(json, &arena, &config);
    if (err != OK || !compile_transforms(state, &config, &arena)) {
        arena_deinit(&arena);
        return ERR_CORRUPT;
    }
    state->config_json = arena_copy(&arena, json);
    adopt(state, &config, &arena);
    positions_configure(&state->positions, &state->config);
    return OK;
}

enum err apply_config(struct stream_state *state, const struct effect *effect)
{
    const struct stream_config *config = &state->config;

    if (apply_config_json(state, effect->config.json) != OK)
        return ERR_CORRUPT;
    state->config_version = effect->config.version;
    if (!state->configured)
        begin(state, effect);

    dedup_window(&state->dedup, config->duplicate_window_ns > 0 ? config->duplicate_window_ns : 0,
                 state->log_time_ns);
    if (!apply_flaw(state, STREAM_FLAW_CONFIG_LATE)) {
        apply_limit_subjects(state);
        apply_limit_stream(state);
    }
    if (state->events != NULL && state->events->configured != NULL)
        state->events->configured(state->events->owner);
    return OK;
}

enum err apply_restore(struct stream_state *state, const struct effect *effect)
{
    if (state->configured || apply_config_json(state, effect->config.json) != OK)
        return ERR_CORRUPT;
    state->restoring = true;
    dedup_window(&state->dedup,
                 state->config.duplicate_window_ns > 0 ? state->config.duplicate_window_ns : 0,
                 state->log_time_ns);
    return OK;
}
