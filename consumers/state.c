/*
 * state: the durable half as bytes (docs/formats.md, "Consumer state"). What is rebuilt is checked
 * like anything else that comes from a disk or a peer, and replaces the present state only when it
 * is whole.
 */
#include "base/heap.h"
#include "consumers/machine.h"

#define VERSION      1u
#define FLAG_DELAYED 1u

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (0 - ((uint64_t)value >> 63));
}

static int64_t unzigzag(uint64_t coded)
{
    return (int64_t)((coded >> 1) ^ (0 - (coded & 1)));
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool add_position(struct buf *out, struct position position)
{
    return progress_add_u64(out, position.consumer) && progress_add_u64(out, position.stream);
}

static bool add_pending(struct buf *out, const struct pending *pending)
{
    uint64_t sequence = 0;
    int64_t time = 0;

    if (!progress_add_u64(out, pending->count))
        return false;
    for (uint32_t place = pending_first(pending); place != 0;
         place = pending_after(pending, place)) {
        const struct pending_entry *entry = pending_entry(pending, place);

        if (!progress_add_varint(out, entry->sequence - sequence) ||
            !progress_add_varint(out, entry->consumer_sequence) ||
            !progress_add_varint(out, entry->deliveries) ||
            !progress_add_varint(out, entry->delayed ? FLAG_DELAYED : 0) ||
            !progress_add_varint(out, zigzag((int64_t)((uint64_t)entry->time_ns - (uint64_t)time))))
            return false;
        sequence = entry->sequence;
        time = entry->time_ns;
    }
    return true;
}

static bool add_exhausted(struct buf *out, const struct exhausted *exhausted)
{
    struct exhausted_entry *sorted = exhausted_sorted(exhausted);
    uint64_t count = exhausted_count(exhausted);
    uint64_t sequence = 0;
    bool added = progress_add_u64(out, count);

    for (uint64_t i = 0; i < count && added; i++) {
        added = progress_add_varint(out, sorted[i].sequence - sequence) &&
                progress_add_varint(out, sorted[i].deliveries);
        sequence = sorted[i].sequence;
    }
    heap_give(sorted);
    return added;
}

bool consumer_state_encode(const struct consumer *c, struct buf *out)
{
    const struct durable *durable = &c->durable;
    bool ahead = c->class == CLASS_POSITION; /* a leader, of what the log says */
    struct position delivered = ahead ? c->logged : durable->delivered;
    struct position floor = ahead ? c->logged : durable->floor;
    size_t size = out->size;

    if (progress_add_u32(out, VERSION) && progress_add_u32(out, durable->revision) &&
        progress_add_u64(out, c->number) && add_position(out, delivered) &&
        add_position(out, floor) && progress_add_u64(out, durable->snapshot_last) &&
        add_pending(out, &c->busy->pending) && add_exhausted(out, &c->busy->exhausted))
        return true;
    out->size = size;
    return false;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool take_position(struct bytes *in, struct position *position)
{
    return progress_take_u64(in, &position->consumer) && progress_take_u64(in, &position->stream);
}

/* What the bytes say, until all of them have been read. */
struct found {
    struct durable durable;
    struct pending pending;
    struct exhausted exhausted;
};

static bool take_pending_entry(struct bytes *in, struct found *found, uint64_t *sequence,
                               int64_t *time_ns)
{
    uint64_t step, consumer, deliveries, flags, time;
    uint32_t place;

    if (!progress_take_varint(in, &step) || !progress_take_varint(in, &consumer) ||
        !progress_take_varint(in, &deliveries) || !progress_take_varint(in, &flags) ||
        !progress_take_varint(in, &time))
        return false;
    if (step == 0 || step > found->durable.delivered.stream - *sequence)
        return false;
    if (consumer == 0 || consumer > found->durable.delivered.consumer ||
        consumer > PENDING_CONSUMER_MAX)
        return false;
    if (deliveries > UINT32_MAX || flags > FLAG_DELAYED)
        return false;
    *sequence += step;
    *time_ns = (int64_t)((uint64_t)*time_ns + (uint64_t)unzigzag(time));
    place = pending_add(&found->pending, *sequence, consumer, (uint32_t)deliveries, *time_ns);
    pending_entry(&found->pending, place)->delayed = flags == FLAG_DELAYED;
    return true;
}

static bool take_pending(struct bytes *in, struct found *found)
{
    uint64_t count, sequence = 0;
    int64_t time_ns = 0;

    if (!progress_take_u64(in, &count) || count > PENDING_MAX)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!take_pending_entry(in, found, &sequence, &time_ns))
            return false;
        if (sequence <= found->durable.floor.stream)
            return false;
    }
    return true;
}

static bool take_exhausted(struct bytes *in, struct found *found)
{
    uint64_t count, step, deliveries, sequence = 0;

    if (!progress_take_u64(in, &count))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!progress_take_varint(in, &step) || !progress_take_varint(in, &deliveries))
            return false;
        if (step == 0 || step > found->durable.delivered.stream - sequence)
            return false;
        sequence += step;
        if (deliveries == 0 || deliveries > UINT32_MAX ||
            pending_find(&found->pending, sequence) != 0)
            return false;
        exhausted_add(&found->exhausted, sequence, (uint32_t)deliveries);
    }
    return in->size == 0;
}

static bool take_durable(struct bytes *in, uint64_t number_wanted, struct found *found)
{
    uint32_t version;
    uint64_t number;

    if (!progress_take_u32(in, &version) || version != VERSION ||
        !progress_take_u32(in, &found->durable.revision) || !progress_take_u64(in, &number))
        return false;
    if (number != number_wanted || found->durable.revision == 0)
        return false;
    if (!take_position(in, &found->durable.delivered) ||
        !take_position(in, &found->durable.floor) ||
        !progress_take_u64(in, &found->durable.snapshot_last))
        return false;
    if (found->durable.floor.consumer > found->durable.delivered.consumer ||
        found->durable.floor.stream > found->durable.delivered.stream ||
        found->durable.delivered.stream == UINT64_MAX)
        return false;
    return take_pending(in, found) && take_exhausted(in, found);
}

enum err consumer_state_decode(struct consumer *c, struct bytes state)
{
    struct found found = {0};
    bool whole;

    assert(!c->leading);
    pending_init(&found.pending);
    exhausted_init(&found.exhausted, c->seed);
    whole = take_durable(&state, c->number, &found);
    if (whole) {
        busy_rest(c);
        c->durable = found.durable;
        c->logged = found.durable.delivered;
    }
    if (whole && (found.pending.count > 0 || exhausted_count(&found.exhausted) > 0)) {
        busy_wake(c);
        pending_deinit(&c->busy->pending);
        exhausted_deinit(&c->busy->exhausted);
        c->busy->pending = found.pending;
        c->busy->exhausted = found.exhausted;
        return OK;
    }
    pending_deinit(&found.pending);
    exhausted_deinit(&found.exhausted);
    return whole ? OK : ERR_CORRUPT;
}
