/* The scratch memory of simulations: pieces of the heap, of which some are away or cannot be had.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "base/guard.h"
#include "base/heap.h"
#include "base/scratch_priv.h"

#define TWIN_BITS 48u /* of addresses */

/* ---- making ------------------------------------------------------------------------------- */

struct scratch *scratch_create_twin(uint64_t seed, unsigned refuse)
{
    struct scratch *scratch = scratch_make(-1);

    prng_seed(&scratch->prng, seed);
    scratch->refuse = refuse;
    map64_init(&scratch->seen, seed);
    return scratch;
}

void scratch_twin_fails(struct scratch *scratch, unsigned one_in)
{
    assert(scratch->fd < 0);
    scratch->fails = one_in;
}

void scratch_twin_forgets(struct scratch *scratch, unsigned away, unsigned broken)
{
    assert(scratch->fd < 0);
    scratch->away = away;
    scratch->broken = broken;
}

/* What was not given back of one that has failed, by who was interrupted in it. */
void scratch_twin_drop(struct scratch *scratch)
{
    struct map64_slot *slot;

    for (size_t at = 0; scratch->failed && (slot = map64_next(&scratch->seen, &at)) != NULL;)
        heap_give((void *)(uintptr_t)slot->key);
    map64_deinit(&scratch->seen);
}

/* ---- pieces ------------------------------------------------------------------------------- */

static size_t whole_pages(size_t size)
{
    return (size + PAGE - 1) / PAGE * PAGE;
}

static void twin_fail(struct scratch *scratch)
{
    if (scratch->fails != 0 && prng_chance(&scratch->prng, 1, scratch->fails))
        guard_fail(&scratch->failed);
}

/* NULL: the twin has no room for one more. */
void *scratch_twin_take(struct scratch *scratch, unsigned size, size_t bytes)
{
    void *piece;

    twin_fail(scratch);
    if (scratch->refuse != 0 && prng_chance(&scratch->prng, 1, scratch->refuse))
        return NULL;
    scratch->space += scratch_sizes[size];
    if (!scratch->hides) {
        piece = heap_resize(NULL, bytes);
        map64_put(&scratch->seen, (uintptr_t)piece)->number = (uint64_t)++scratch->pieces << 32;
        return piece;
    }
    piece = aligned_alloc(PAGE, whole_pages(scratch_sizes[size]));
    assert(piece != NULL);
    map64_put(&scratch->seen, (uintptr_t)piece)->number = (uint64_t)scratch_sizes[size] << 32;
    return piece;
}

static void protect(uint64_t address, uint64_t value, int protection)
{
    int failed = mprotect((void *)(uintptr_t)address, whole_pages(value >> 32), protection);

    assert(failed == 0);
    (void)failed;
}

void scratch_twin_give(struct scratch *scratch, const void *piece, unsigned size)
{
    const union map64_value *seen = map64_find(&scratch->seen, (uintptr_t)piece);

    if (scratch->hides)
        protect((uintptr_t)piece, seen->number, PROT_READ | PROT_WRITE);
    (void)map64_remove(&scratch->seen, (uintptr_t)piece, NULL);
    scratch->space -= scratch_sizes[size];
    heap_give((void *)piece);
}

void scratch_twin_hides(struct scratch *scratch)
{
    assert(scratch->fd < 0);
    assert(scratch->space == 0);
    scratch->hides = true;
}

void scratch_twin_hide(struct scratch *scratch, bool hidden)
{
    struct map64_slot *slot;

    assert(scratch->hides);
    for (size_t at = 0; (slot = map64_next(&scratch->seen, &at)) != NULL;) {
        slot->value.number &= ~(uint64_t)UINT32_MAX;
        protect(slot->key, slot->value.number, hidden ? PROT_NONE : PROT_READ | PROT_WRITE);
    }
}

/* ---- what is away ------------------------------------------------------------------------- */

static uint32_t twin_stamp(const struct scratch *scratch, uint64_t address)
{
    const union map64_value *found = map64_find(&scratch->seen, address);

    return found != NULL ? (uint32_t)found->number : 0;
}

static void twin_keep(struct scratch *scratch, uint64_t address, uint32_t stamp)
{
    union map64_value *seen = map64_put(&scratch->seen, address);

    seen->number = (seen->number & ~(uint64_t)UINT32_MAX) | stamp;
    if (scratch->hides && stamp != 0 && (stamp & 1) == 0)
        protect(address, seen->number, PROT_READ | PROT_WRITE);
}

/* What the twin calls a piece, other than an earlier one whose memory it has got: which one gets
 * which memory is the allocator's to say, and must not decide what a simulation does. */
uint64_t scratch_twin_slice(const struct scratch *scratch, const void *piece)
{
    const union map64_value *found = map64_find(&scratch->seen, (uintptr_t)piece);

    return (uintptr_t)piece | (found != NULL ? found->number >> 32 << TWIN_BITS : 0);
}

void scratch_twin_brought(struct scratch *scratch, uint64_t slice, uint32_t stamp)
{
    uint64_t address = slice & ((UINT64_C(1) << TWIN_BITS) - 1);

    if (map64_find(&scratch->seen, address) != NULL &&
        scratch_twin_slice(scratch, (const void *)(uintptr_t)address) == slice)
        twin_keep(scratch, address, stamp); /* else it was given back meanwhile */
}

enum scratch_place scratch_twin_here(struct scratch *scratch, uint64_t address, int64_t now_ns)
{
    uint32_t stamp = twin_stamp(scratch, address);

    twin_fail(scratch);
    if (scratch->away == 0 && !scratch->hides)
        return SCRATCH_HERE;
    if (scratch_fresh(stamp, now_ns))
        return scratch_place_of(stamp);
    if (scratch->hides)
        return SCRATCH_AWAY;
    if (prng_chance(&scratch->prng, 1, scratch->away)) {
        twin_keep(scratch, address, 0);
        return SCRATCH_AWAY;
    }
    twin_keep(scratch, address, scratch_stamp(now_ns, false));
    return SCRATCH_HERE;
}
