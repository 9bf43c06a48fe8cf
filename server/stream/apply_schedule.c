#include "base/codec.h"
#include "base/heap.h"
#include "server/stream/apply.h"

#define KEPT_NS INT64_C(700000000) /* of a seeded bug: not so soon that nothing else happens */

/* All messages of the schedule's subject go. */
static void purge(struct stream_state *state, const struct index_entry *entry)
{
    struct bytes subject = heap_copy(entry->subject); /* it is the index's */
    struct index_subject counts;

    for (index_subject(state->index, subject, &counts); counts.count > 0;
         index_subject(state->index, subject, &counts))
        apply_remove(state, counts.first);
    heap_give((void *)subject.at);
}

/* It is one, or becomes one: then its message is the entry just before. One that was replaced since
 * its entry was decided, by what another that fires with it has produced, is no schedule any more:
 * what has taken its place on the subject stays. */
static bool concerned(const struct stream_state *state, uint64_t sequence)
{
    return sequence == state->last_seq || expiries_has(&state->schedules, sequence);
}

static void apply_entry(struct stream_state *state, uint64_t sequence, int64_t next_ns)
{
    struct index_entry entry;

    if (!concerned(state, sequence) || !index_get(state->index, sequence, &entry))
        return;
    expiries_remove(&state->schedules, sequence);
    if (next_ns == SCHEDULE_PURGED && apply_flaw(state, STREAM_FLAW_SCHEDULE_KEPT))
        expiries_add(&state->schedules, sequence, state->log_time_ns + KEPT_NS, false);
    else if (next_ns == SCHEDULE_PURGED)
        purge(state, &entry);
    else if (next_ns != SCHEDULE_FORGOTTEN)
        expiries_add(&state->schedules, sequence, next_ns, false);
}

void apply_schedule(struct stream_state *state, const struct effect *effect)
{
    struct decoder in;

    decoder_init(&in, effect->schedule.entries);
    while (in.rest.size > 0) {
        uint64_t sequence = decode_u64(&in);

        apply_entry(state, sequence, (int64_t)decode_u64(&in));
    }
}
