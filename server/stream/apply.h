/* apply: how each effect changes a stream_state. Private to stream_state.c and apply_*.c. */
#ifndef SERVER_STREAM_APPLY_H
#define SERVER_STREAM_APPLY_H

#include "server/stream/flaws.h"
#include "server/stream/stream_state.h"

/* apply_message.c */
enum err apply_message(struct stream_state *state, const struct effect *effect, log_place place,
                       uint32_t record_size, struct apply_result *result);

/* apply_removal.c; each adds what went to result->purged */
void apply_delete(struct stream_state *state, const struct effect *effect,
                  struct apply_result *result);
void apply_delete_many(struct stream_state *state, const struct effect *effect,
                       struct apply_result *result);
void apply_purge(struct stream_state *state, const struct effect *effect,
                 struct apply_result *result);
void apply_expire(struct stream_state *state, const struct effect *effect,
                  struct apply_result *result);

/* apply_limits.c */
void apply_limit_subject(struct stream_state *state, struct bytes subject);
void apply_limit_subjects(struct stream_state *state); /* all of them: the limit has changed */
void apply_limit_stream(struct stream_state *state);

/* apply_schedule.c */
void apply_schedule(struct stream_state *state, const struct effect *effect);
/* apply_origins.c */
enum err apply_skip(struct stream_state *state, const struct effect *effect);
enum err apply_sourced(struct stream_state *state, const struct effect *effect);

/* apply_config.c */
enum err apply_config(struct stream_state *state, const struct effect *effect);
enum err apply_restore(struct stream_state *state, const struct effect *effect);
/* The config and what follows from it alone, limits not. ERR_CORRUPT: nothing has changed. */
enum err apply_config_json(struct stream_state *state, struct bytes json);

/* stream_state.c: one message leaves, for whatever reason. False: it is not there. */
bool apply_remove(struct stream_state *state, uint64_t sequence);
/* All that match below `below` leave. */
uint64_t apply_remove_matching(struct stream_state *state, const struct index_filter *filter,
                               uint64_t below);
/* first_seq follows from the index and last_seq. */
void apply_set_first(struct stream_state *state);

static inline bool apply_flaw(const struct stream_state *state, enum stream_flaw flaw)
{
    return (state->flaws & flaw) != 0;
}

#endif
