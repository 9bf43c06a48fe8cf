/*
 * Limits are kept here, on every replica alike: they follow from the state and need no effect of
 * their own. A stream that discards new messages refuses them when they are decided; what it holds
 * stays, except where a subject has too many.
 */
#include "server/stream/apply.h"

void apply_limit_subject(struct stream_state *state, struct bytes subject)
{
    uint64_t limit = (uint64_t)state->config.max_msgs_per_subject;
    struct index_subject counts;

    if (state->config.max_msgs_per_subject <= 0)
        return;
    for (index_subject(state->index, subject, &counts); counts.count > limit;
         index_subject(state->index, subject, &counts))
        apply_remove(state, counts.first);
}

/* Oldest first: each message whose subject still has too many is that subject's oldest. */
void apply_limit_subjects(struct stream_state *state)
{
    uint64_t limit = (uint64_t)state->config.max_msgs_per_subject;
    struct index_entry entry;

    if (state->config.max_msgs_per_subject <= 0)
        return;
    for (uint64_t from = 0; index_next(state->index, NULL, from, &entry);
         from = entry.sequence + 1) {
        struct index_subject counts;

        index_subject(state->index, entry.subject, &counts);
        if (counts.count > limit)
            apply_remove(state, entry.sequence);
    }
}

static bool over(const struct stream_state *state)
{
    const struct stream_config *config = &state->config;

    if (config->max_msgs > 0 && index_count(state->index) > (uint64_t)config->max_msgs)
        return true;
    return config->max_bytes > 0 && index_bytes(state->index) > (uint64_t)config->max_bytes;
}

void apply_limit_stream(struct stream_state *state)
{
    if (state->config.discard != DISCARD_OLD)
        return;
    while (over(state))
        apply_remove(state, index_first(state->index));
}
