#include "consumers/portable.h"

#include "base/heap.h"
#include "base/varint.h"
#include "consumers/machine.h"

#define VERSION        1u
#define DELIVERIES_MAX (UINT32_MAX / 2)

void portable_deinit(struct portable *portable)
{
    heap_give(portable->pending);
    heap_give(portable->exhausted);
    *portable = (struct portable){0};
}

/* A delayed entry comes back when its ack wait is over, as if it had been delivered that long
 * before. */
static int64_t time_of(const struct consumer *c, const struct pending_entry *entry)
{
    int64_t time_ns = entry->delayed ? entry->time_ns - c->config.ack_wait_ns : entry->time_ns;

    return time_ns > 0 ? time_ns : 0;
}

static void take_pending(const struct consumer *c, struct portable *portable)
{
    const struct pending *pending = &c->busy->pending;

    portable->pending = heap_take((pending->count + 1) * sizeof *portable->pending);
    for (uint32_t place = pending_first(pending); place != 0;
         place = pending_after(pending, place)) {
        const struct pending_entry *entry = pending_entry(pending, place);

        portable->pending[portable->pending_count++] = (struct portable_pending){
            .sequence = entry->sequence,
            .consumer_sequence = entry->consumer_sequence,
            .time_ns = time_of(c, entry),
            .deliveries = entry->deliveries > 0 ? entry->deliveries : 1, /* it knows no others */
        };
    }
}

static void take_exhausted(const struct consumer *c, struct portable *portable)
{
    struct exhausted_entry *sorted = exhausted_sorted(&c->busy->exhausted);
    size_t count = exhausted_count(&c->busy->exhausted);

    portable->exhausted = heap_take((count + 1) * sizeof *portable->exhausted);
    portable->exhausted_count = count;
    for (size_t i = 0; i < count; i++)
        portable->exhausted[i] =
            (struct portable_exhausted){sorted[i].sequence, sorted[i].deliveries};
    heap_give(sorted);
}

void consumer_portable(const struct consumer *c, struct portable *portable)
{
    const struct durable *durable = &c->durable;

    *portable = (struct portable){
        .delivered_consumer = durable->delivered.consumer,
        .delivered_stream = durable->delivered.stream,
        .floor_consumer = durable->floor.consumer,
        .floor_stream = durable->floor.stream,
        .snapshot_last = durable->snapshot_last,
    };
    take_pending(c, portable);
    take_exhausted(c, portable);
}

/* ---- as state -------------------------------------------------------------------------------- */

/* Where it stands leaves room to go on: an archive's word is not taken for more than a server could
 * have come to. */
static bool positions_sound(const struct portable *portable)
{
    return portable->delivered_consumer <= PENDING_CONSUMER_MAX / 2 &&
           portable->floor_consumer <= portable->delivered_consumer &&
           portable->floor_stream <= portable->delivered_stream &&
           portable->delivered_stream < UINT64_MAX && portable->pending_count <= PENDING_MAX;
}

static bool pending_sound(const struct portable *portable)
{
    uint64_t before = portable->floor_stream;

    for (size_t i = 0; i < portable->pending_count; i++) {
        const struct portable_pending *entry = &portable->pending[i];

        if (entry->sequence <= before || entry->sequence > portable->delivered_stream ||
            entry->consumer_sequence == 0 ||
            entry->consumer_sequence > portable->delivered_consumer || entry->deliveries == 0 ||
            entry->deliveries > DELIVERIES_MAX || entry->time_ns < 0)
            return false;
        before = entry->sequence;
    }
    return true;
}

/* Rising, delivered, and none of them pending. */
static bool exhausted_sound(const struct portable *portable)
{
    uint64_t before = 0;
    size_t at = 0;

    for (size_t i = 0; i < portable->exhausted_count; i++) {
        const struct portable_exhausted *entry = &portable->exhausted[i];

        if (entry->sequence <= before || entry->sequence > portable->delivered_stream ||
            entry->deliveries == 0)
            return false;
        while (at < portable->pending_count && portable->pending[at].sequence < entry->sequence)
            at++;
        if (at < portable->pending_count && portable->pending[at].sequence == entry->sequence)
            return false;
        before = entry->sequence;
    }
    return true;
}

static bool add_pending(const struct portable *portable, struct buf *out)
{
    uint64_t sequence = 0;
    int64_t time_ns = 0;
    bool added = progress_add_u64(out, portable->pending_count);

    for (size_t i = 0; i < portable->pending_count && added; i++) {
        const struct portable_pending *entry = &portable->pending[i];
        int64_t step_ns = (int64_t)((uint64_t)entry->time_ns - (uint64_t)time_ns);

        added = varint_add(out, entry->sequence - sequence) &&
                varint_add(out, entry->consumer_sequence) && varint_add(out, entry->deliveries) &&
                varint_add(out, 0) && varint_add(out, varint_fold(step_ns));
        sequence = entry->sequence;
        time_ns = entry->time_ns;
    }
    return added;
}

static bool add_exhausted(const struct portable *portable, struct buf *out)
{
    uint64_t sequence = 0;
    bool added = progress_add_u64(out, portable->exhausted_count);

    for (size_t i = 0; i < portable->exhausted_count && added; i++) {
        added = varint_add(out, portable->exhausted[i].sequence - sequence) &&
                varint_add(out, portable->exhausted[i].deliveries);
        sequence = portable->exhausted[i].sequence;
    }
    return added;
}

bool portable_encode(const struct portable *portable, uint64_t number, struct buf *out)
{
    if (!positions_sound(portable) || !pending_sound(portable) || !exhausted_sound(portable))
        return false;
    return progress_add_u32(out, VERSION) && progress_add_u32(out, 1) &&
           progress_add_u64(out, number) && progress_add_u64(out, portable->delivered_consumer) &&
           progress_add_u64(out, portable->delivered_stream) &&
           progress_add_u64(out, portable->floor_consumer) &&
           progress_add_u64(out, portable->floor_stream) &&
           progress_add_u64(out, portable->snapshot_last) && add_pending(portable, out) &&
           add_exhausted(portable, out);
}
