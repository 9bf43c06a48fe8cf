#include "server/backup/consumer_file.h"

#include <stdlib.h>

#include "base/heap.h"
#include "base/varint.h"

#define MAGIC       22u
#define VERSION     2u
#define NANOS       INT64_C(1000000000)
#define SECONDS_MAX (INT64_C(1) << 32)
#define TIMES_MAX   (UINT32_MAX / 4) /* deliveries of one message: they go on from there */

/* ---- writing --------------------------------------------------------------------------------- */

static bool add_pending(const struct portable *portable, struct buf *out)
{
    int64_t base = portable->pending_count > 0 ? portable->pending[0].time_ns / NANOS : 0;
    bool added = varint_add(out, portable->pending_count);

    if (portable->pending_count > 0)
        added = added && varint_add(out, varint_fold(base));
    for (size_t i = 0; i < portable->pending_count && added; i++) {
        const struct portable_pending *entry = &portable->pending[i];

        /* Their first delivery may be older than the floor, there as here; it wraps. */
        added = varint_add(out, entry->sequence - portable->floor_stream) &&
                varint_add(out, entry->consumer_sequence - portable->floor_consumer) &&
                varint_add(out, varint_fold(base - entry->time_ns / NANOS));
    }
    return added;
}

/* What was delivered once is pending and nothing more. */
static bool add_redelivered(const struct portable *portable, struct buf *out)
{
    uint64_t count = portable->exhausted_count;
    bool added;

    for (size_t i = 0; i < portable->pending_count; i++)
        count += portable->pending[i].deliveries > 1;
    added = varint_add(out, count);
    for (size_t i = 0; i < portable->pending_count && added; i++) {
        if (portable->pending[i].deliveries > 1)
            added = varint_add(out, portable->pending[i].sequence - portable->floor_stream) &&
                    varint_add(out, portable->pending[i].deliveries - 1);
    }
    for (size_t i = 0; i < portable->exhausted_count && added; i++)
        added = varint_add(out, portable->exhausted[i].sequence - portable->floor_stream) &&
                varint_add(out, portable->exhausted[i].deliveries);
    return added;
}

bool consumer_file_write(const struct portable *portable, struct buf *out)
{
    return buf_add_byte(out, MAGIC) && buf_add_byte(out, VERSION) &&
           varint_add(out, portable->floor_consumer) && varint_add(out, portable->floor_stream) &&
           varint_add(out, portable->delivered_consumer) &&
           varint_add(out, portable->delivered_stream) && add_pending(portable, out) &&
           add_redelivered(portable, out);
}

/* ---- reading --------------------------------------------------------------------------------- */

struct reading {
    struct bytes in;
    bool (*keep)(void *owner, uint64_t sequence);
    void *owner;
    struct portable *portable;
};

static bool take_base(struct reading *r, int64_t *base)
{
    uint64_t folded;

    if (!varint_take(&r->in, &folded))
        return false;
    *base = varint_unfold(folded);
    return *base >= -SECONDS_MAX && *base <= SECONDS_MAX;
}

static bool take_pending_entry(struct reading *r, int64_t base, struct portable_pending *entry)
{
    uint64_t sequence, consumer, folded;
    int64_t ago;

    if (!varint_take(&r->in, &sequence) || !varint_take(&r->in, &consumer) ||
        !varint_take(&r->in, &folded))
        return false;
    ago = varint_unfold(folded);
    if (ago < -SECONDS_MAX || ago > SECONDS_MAX)
        return false;
    *entry = (struct portable_pending){
        .sequence = sequence + r->portable->floor_stream,
        .consumer_sequence = consumer + r->portable->floor_consumer,
        .time_ns = base > ago ? (base - ago) * NANOS : 0,
        .deliveries = 1,
    };
    return true;
}

/* Each takes at least so many bytes, so a count is believed only as far as there is something. */
static bool count_fits(const struct reading *r, uint64_t count, size_t least)
{
    return count <= r->in.size / least;
}

static int compare_pending(const void *a, const void *b)
{
    const struct portable_pending *one = a, *other = b;

    return one->sequence < other->sequence ? -1 : one->sequence > other->sequence;
}

static bool take_pending(struct reading *r)
{
    struct portable *portable = r->portable;
    uint64_t count;
    int64_t base = 0;

    if (!varint_take(&r->in, &count) || !count_fits(r, count, 3))
        return false;
    portable->pending = heap_take((count + 1) * sizeof *portable->pending);
    if (count > 0 && !take_base(r, &base))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        struct portable_pending entry;

        if (!take_pending_entry(r, base, &entry))
            return false;
        if (entry.sequence > portable->floor_stream && r->keep(r->owner, entry.sequence))
            portable->pending[portable->pending_count++] = entry;
    }
    qsort(portable->pending, portable->pending_count, sizeof *portable->pending, compare_pending);
    return true;
}

static int compare_exhausted(const void *a, const void *b)
{
    const struct portable_exhausted *one = a, *other = b;

    return one->sequence < other->sequence ? -1 : one->sequence > other->sequence;
}

/* How often a pending message was delivered again; of one that is not, it was delivered as often as
 * allowed. */
static void redelivered(struct portable *portable, uint64_t sequence, uint64_t count)
{
    struct portable_pending wanted = {.sequence = sequence};
    struct portable_pending *found =
        portable->pending_count > 0 ? bsearch(&wanted, portable->pending, portable->pending_count,
                                              sizeof *portable->pending, compare_pending)
                                    : NULL;
    uint32_t times = count < TIMES_MAX ? (uint32_t)count : TIMES_MAX;

    if (found != NULL)
        found->deliveries = times + 1;
    else if (times > 0)
        portable->exhausted[portable->exhausted_count++] =
            (struct portable_exhausted){sequence, times};
}

static bool take_redelivered(struct reading *r)
{
    struct portable *portable = r->portable;
    uint64_t count;

    if (!varint_take(&r->in, &count) || !count_fits(r, count, 2))
        return false;
    portable->exhausted = heap_take((count + 1) * sizeof *portable->exhausted);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t sequence, times;

        if (!varint_take(&r->in, &sequence) || !varint_take(&r->in, &times))
            return false;
        sequence += portable->floor_stream;
        if (sequence <= portable->delivered_stream && r->keep(r->owner, sequence))
            redelivered(portable, sequence, times);
    }
    qsort(portable->exhausted, portable->exhausted_count, sizeof *portable->exhausted,
          compare_exhausted);
    return true;
}

bool consumer_file_read(struct bytes in, bool (*keep)(void *owner, uint64_t sequence), void *owner,
                        struct portable *portable)
{
    struct reading r = {.keep = keep, .owner = owner, .portable = portable};

    *portable = (struct portable){0};
    if (in.size < 2 || in.at[0] != MAGIC || in.at[1] != VERSION)
        return false;
    r.in = bytes_skip(in, 2);
    return varint_take(&r.in, &portable->floor_consumer) &&
           varint_take(&r.in, &portable->floor_stream) &&
           varint_take(&r.in, &portable->delivered_consumer) &&
           varint_take(&r.in, &portable->delivered_stream) && take_pending(&r) &&
           take_redelivered(&r);
}
