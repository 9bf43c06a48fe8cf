/*
 * The messages of one subject, linked by their sequences. A place in the middle of a chain is
 * looked for from three sides at once, so the cost is that of the nearest: from the chain's start,
 * from its end, and among the neighbours of the sequence asked for.
 */
#include "storage/index_priv.h"

static uint64_t after_of(const struct index *index, uint64_t sequence)
{
    uint64_t after = 0;
    bool found = index_blocks_after(&index->blocks, sequence, &after);

    assert(found);
    (void)found;
    return after;
}

/* Of one that is not its subject's first. */
static uint64_t before_of(const struct index *index, uint64_t sequence)
{
    struct index_slot slot;
    bool found = index_blocks_get(&index->blocks, sequence, &slot);

    assert(found);
    (void)found;
    return slot.before;
}

uint64_t index_chain_up(const struct index *index, const struct index_name *name, uint64_t from)
{
    uint64_t early = name->first, late = name->last;
    struct index_slot hint;
    struct index_cursor near;

    if (from <= early)
        return early;
    if (from > late)
        return 0;
    /* a reader that goes on after its last one */
    if (index_blocks_get(&index->blocks, from - 1, &hint) && hint.subject == name->id)
        return hint.after;

    (void)index_cursor_up(&index->blocks, from, &near); /* there is one: `late` */
    for (;;) {
        uint64_t before;

        if (index_cursor_subject(&index->blocks, near) == name->id)
            return index_cursor_sequence(&index->blocks, near);
        (void)index_cursor_next(&index->blocks, &near); /* `late` stops us before the end */
        early = after_of(index, early);
        if (early >= from)
            return early;
        before = before_of(index, late);
        if (before < from)
            return late;
        late = before;
    }
}

uint64_t index_chain_down(const struct index *index, const struct index_name *name, uint64_t up_to)
{
    uint64_t early = name->first, late = name->last;
    struct index_cursor near;

    if (up_to >= late)
        return late;
    if (up_to < early)
        return 0;

    (void)index_cursor_down(&index->blocks, up_to, &near); /* there is one: `early` */
    for (;;) {
        uint64_t after;

        if (index_cursor_subject(&index->blocks, near) == name->id)
            return index_cursor_sequence(&index->blocks, near);
        (void)index_cursor_previous(&index->blocks, &near); /* `early` stops us before the start */
        late = before_of(index, late);
        if (late <= up_to)
            return late;
        after = after_of(index, early);
        if (after > up_to)
            return early;
        early = after;
    }
}

void index_chain_begin(struct index_chain *chain, const struct index_name *name, uint64_t from)
{
    *chain =
        (struct index_chain){.name = name, .from = from, .early = name->first, .late = name->last};
}

bool index_chain_count(const struct index *index, struct index_chain *chain, uint64_t *steps,
                       uint64_t *count)
{
    *count = chain->name->count;
    if (chain->from <= chain->name->first)
        return true;
    *count = 0;
    if (chain->from > chain->name->last)
        return true;
    for (; *steps > 0; --*steps) {
        chain->steps++;
        chain->early = after_of(index, chain->early);
        *count = chain->name->count - chain->steps;
        if (chain->early >= chain->from)
            return true;
        chain->late = before_of(index, chain->late);
        *count = chain->steps;
        if (chain->late < chain->from)
            return true;
    }
    return false;
}
