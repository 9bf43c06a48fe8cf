#include "base/codec.h"
#include "base/text.h"
#include "server/stream/apply.h"

void apply_delete(struct stream_state *state, const struct effect *effect,
                  struct apply_result *result)
{
    struct index_entry entry;
    bool erased = effect->remove.erase &&
                  index_get(state->index, effect->remove.sequence, &entry) &&
                  state->events != NULL && state->events->erased != NULL;

    result->purged = apply_remove(state, effect->remove.sequence);
    if (erased)
        state->events->erased(state->events->owner, &entry);
}

void apply_delete_many(struct stream_state *state, const struct effect *effect,
                       struct apply_result *result)
{
    struct decoder in;

    for (decoder_init(&in, effect->delete_many.sequences); in.rest.size > 0;)
        result->purged += apply_remove(state, decode_u64(&in));
}

/* ---- purge ----------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The sequence of the n-th match counted from the oldest (n > 0, there are that many, unless the
 * index fails meanwhile: then nothing is purged, either). */
static uint64_t nth_oldest(const struct index *index, const struct index_filter *filter, uint64_t n)
{
    struct index_entry entry = {0};

    for (uint64_t i = 0; i < n; i++) {
        if (index_next(index, filter, entry.sequence + 1, &entry))
            continue;
        assert(index_failed(index));
        return 0;
    }
    return entry.sequence;
}

static uint64_t nth_newest(const struct index *index, const struct index_filter *filter, uint64_t n)
{
    struct index_entry entry = {.sequence = UINT64_MAX};

    for (uint64_t i = 0; i < n; i++) {
        if (index_previous(index, filter, entry.sequence - 1, &entry))
            continue;
        assert(index_failed(index));
        return 0;
    }
    return entry.sequence;
}

/* Below which sequence to remove so that the newest `keep` matches stay. Counted from the nearer
 * end. */
static uint64_t below_kept(const struct stream_state *state, const struct index_filter *filter,
                           uint64_t keep)
{
    uint64_t matching = index_pending(state->index, filter, 0);

    if (matching <= keep)
        return 0;
    if (keep < matching - keep)
        return nth_newest(state->index, filter, keep);
    return nth_oldest(state->index, filter, matching - keep) + 1;
}

/* "Everything below S" beyond the end moves the end: the next message is S (reference 3.3). */
static void move_end(struct stream_state *state, uint64_t below)
{
    if (below == 0) {
        state->begun = true;
        return;
    }
    if (below - 1 <= state->last_seq)
        return;
    state->last_seq = below - 1;
    state->begun = true;
}

void apply_purge(struct stream_state *state, const struct effect *effect,
                 struct apply_result *result)
{
    struct bytes subject = effect->purge.filter;
    bool all = subject.size == 0 || bytes_equal(subject, BYTES(">"));
    struct index_filter filter = {.subjects = &subject, .count = all ? 0 : 1};
    uint64_t below = effect->purge.last < UINT64_MAX ? effect->purge.last + 1 : UINT64_MAX;

    if (apply_flaw(state, STREAM_FLAW_PURGE_UNBOUNDED))
        below = UINT64_MAX;
    if (effect->purge.below > 0)
        below = least(below, effect->purge.below);
    if (effect->purge.keep > 0)
        below = least(below, below_kept(state, &filter, effect->purge.keep));
    result->purged = apply_remove_matching(state, &filter, below);
    if (all && effect->purge.keep == 0)
        move_end(state, effect->purge.below);

    if (apply_flaw(state, STREAM_FLAW_SEQUENCE_REUSED) && index_count(state->index) == 0)
        state->last_seq = 0;
    if (apply_flaw(state, STREAM_FLAW_FORGET_REMOVED_IDS))
        dedup_deinit(&state->dedup);
    apply_set_first(state);
}

/* ---- age and own ends ------------------------------------------------------------------------ */

/* Oldest first: times do not fall with the sequence, so the first that stays ends it. */
static uint64_t remove_aged(struct stream_state *state, uint64_t last, int64_t time_ns)
{
    struct index_entry entry;
    uint64_t count = 0;

    while (stream_state_oldest(state, &entry) && entry.sequence <= last && entry.time_ns <= time_ns)
        count += apply_remove(state, entry.sequence);
    return count;
}

static uint64_t remove_ended(struct stream_state *state, uint64_t last, int64_t ended_ns)
{
    struct expiry first;
    uint64_t count = 0;

    while (expiries_first(&state->expiries, &first) && first.sequence <= last &&
           first.expires_ns <= ended_ns)
        count += apply_remove(state, first.sequence);
    return count;
}

void apply_expire(struct stream_state *state, const struct effect *effect,
                  struct apply_result *result)
{
    uint64_t last =
        apply_flaw(state, STREAM_FLAW_EXPIRE_UNBOUNDED) ? UINT64_MAX : effect->expire.last;

    if (effect->expire.time_ns != TIME_UNSET)
        result->purged += remove_aged(state, last, effect->expire.time_ns);
    if (effect->expire.ended_ns != 0)
        result->purged += remove_ended(state, last, effect->expire.ended_ns);
}
