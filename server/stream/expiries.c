#include "server/stream/expiries.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/heap.h"

#define HEAP_FIRST 64u

void expiries_init(struct expiries *expiries, uint64_t seed)
{
    *expiries = (struct expiries){0};
    map64_init(&expiries->lives, seed);
}

void expiries_deinit(struct expiries *expiries)
{
    map64_deinit(&expiries->lives);
    heap_give(expiries->heap);
    expiries->heap = NULL;
    expiries->count = expiries->capacity = 0;
}

/* ---- the heap -------------------------------------------------------------------------------- */

static bool before(struct expiry a, struct expiry b)
{
    if (a.expires_ns != b.expires_ns)
        return a.expires_ns < b.expires_ns;
    return a.sequence < b.sequence;
}

static void rise(struct expiries *expiries, size_t at)
{
    struct expiry moved = expiries->heap[at];

    while (at > 0 && before(moved, expiries->heap[(at - 1) / 2])) {
        expiries->heap[at] = expiries->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    expiries->heap[at] = moved;
}

static void sink(struct expiries *expiries, size_t at)
{
    struct expiry moved = expiries->heap[at];

    for (size_t child = 2 * at + 1; child < expiries->count; child = 2 * at + 1) {
        if (child + 1 < expiries->count && before(expiries->heap[child + 1], expiries->heap[child]))
            child++;
        if (!before(expiries->heap[child], moved))
            break;
        expiries->heap[at] = expiries->heap[child];
        at = child;
    }
    expiries->heap[at] = moved;
}

static void pop(struct expiries *expiries)
{
    expiries->heap[0] = expiries->heap[--expiries->count];
    if (expiries->count > 0)
        sink(expiries, 0);
}

static bool live(const struct expiries *expiries, struct expiry entry)
{
    const union map64_value *life = map64_find(&expiries->lives, entry.sequence);

    /* It may have come back with another end. */
    return life != NULL && (int64_t)(life->number >> 1) == entry.expires_ns;
}

static void drop_dead(struct expiries *expiries)
{
    size_t kept = 0;

    for (size_t i = 0; i < expiries->count; i++) {
        if (live(expiries, expiries->heap[i]))
            expiries->heap[kept++] = expiries->heap[i];
    }
    expiries->count = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sink(expiries, i);
}

static void push(struct expiries *expiries, struct expiry entry)
{
    if (expiries->count == expiries->capacity) {
        expiries->capacity = expiries->capacity == 0 ? HEAP_FIRST : expiries->capacity * 2;
        expiries->heap = heap_resize(expiries->heap, expiries->capacity * sizeof *expiries->heap);
    }
    expiries->heap[expiries->count] = entry;
    rise(expiries, expiries->count++);
}

/* ---- what there is --------------------------------------------------------------------------- */

static bool in_heap(int64_t expires_ns)
{
    return expires_ns != 0 && expires_ns != EXPIRES_NEVER;
}

void expiries_add(struct expiries *expiries, uint64_t sequence, int64_t expires_ns, bool marker)
{
    uint64_t end = (uint64_t)expires_ns;

    assert(expires_ns >= 0);
    if (expires_ns == 0 && !marker)
        return;
    map64_put(&expiries->lives, sequence)->number = end << 1 | marker;
    if (!in_heap(expires_ns))
        return;
    if (expiries->count > HEAP_FIRST && expiries->count > 2 * expiries->lives.count)
        drop_dead(expiries);
    push(expiries, (struct expiry){.expires_ns = expires_ns, .sequence = sequence});
}

void expiries_remove(struct expiries *expiries, uint64_t sequence)
{
    if (expiries->lives.count > 0)
        (void)map64_remove(&expiries->lives, sequence, NULL);
}

bool expiries_has(const struct expiries *expiries, uint64_t sequence)
{
    return expiries->lives.count > 0 && map64_find(&expiries->lives, sequence) != NULL;
}

int64_t expiries_end(const struct expiries *expiries, uint64_t sequence)
{
    const union map64_value *life = map64_find(&expiries->lives, sequence);

    assert(life != NULL);
    return (int64_t)(life->number >> 1);
}

bool expiries_never(const struct expiries *expiries, uint64_t sequence)
{
    const union map64_value *life = map64_find(&expiries->lives, sequence);

    return life != NULL && life->number >> 1 == EXPIRES_NEVER;
}

bool expiries_marker(const struct expiries *expiries, uint64_t sequence)
{
    const union map64_value *life = map64_find(&expiries->lives, sequence);

    return life != NULL && (life->number & 1) != 0;
}

bool expiries_first(struct expiries *expiries, struct expiry *first)
{
    while (expiries->count > 0 && !live(expiries, expiries->heap[0]))
        pop(expiries);
    if (expiries->count == 0)
        return false;
    *first = expiries->heap[0];
    return true;
}

static bool visit(const struct expiries *expiries, size_t at, int64_t now_ns,
                  bool (*ended)(void *context, uint64_t sequence), void *context)
{
    if (at >= expiries->count || expiries->heap[at].expires_ns > now_ns)
        return true; /* and so is nothing below it */
    if (live(expiries, expiries->heap[at]) && !ended(context, expiries->heap[at].sequence))
        return false;
    return visit(expiries, 2 * at + 1, now_ns, ended, context) &&
           visit(expiries, 2 * at + 2, now_ns, ended, context);
}

bool expiries_ended(const struct expiries *expiries, int64_t now_ns,
                    bool (*ended)(void *context, uint64_t sequence), void *context)
{
    return visit(expiries, 0, now_ns, ended, context); /* as deep as the heap: its logarithm */
}

/* ---- as bytes -------------------------------------------------------------------------------- */

#define LIFE_SIZE 16u

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = ((const struct map64_slot *)a)->key, y = ((const struct map64_slot *)b)->key;

    return x < y ? -1 : x > y;
}

void expiries_encode(const struct expiries *expiries, struct buf *out)
{
    size_t size = expiries->lives.count * LIFE_SIZE, count = 0;
    struct map64_slot *all = heap_take(expiries->lives.count * sizeof *all), *slot;
    uint8_t *at = buf_reserve(out, size);

    for (size_t i = 0; (slot = map64_next(&expiries->lives, &i)) != NULL;)
        all[count++] = *slot;
    qsort(all, count, sizeof *all, compare_keys);
    for (size_t i = 0; i < count; i++) {
        at = encode_u64(at, all[i].key);
        at = encode_u64(at, all[i].value.number);
    }
    buf_commit(out, size);
    heap_give(all);
}

enum err expiries_decode_part(struct expiries *expiries, struct expiries_decoding *decoding,
                              uint64_t *left)
{
    struct decoder from;

    decoder_init(&from, decoding->rest);
    for (; from.rest.size > 0; --*left) {
        uint64_t sequence, life;

        if (*left == 0)
            return ERR_AGAIN;
        sequence = decode_u64(&from);
        life = decode_u64(&from);
        if (from.failed || sequence <= decoding->before || life == 0)
            return ERR_CORRUPT;
        expiries_add(expiries, sequence, (int64_t)(life >> 1), (life & 1) != 0);
        decoding->before = sequence;
        decoding->rest = from.rest;
    }
    return OK;
}
