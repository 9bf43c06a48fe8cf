#include "storage/index_count.h"

#include "storage/index_priv.h"

bool index_names_cheaper(const struct index *index, uint64_t messages)
{
    return index->subjects.names.limit < messages / 4;
}

void index_bare_count_begin(struct index_count *count, const struct index *index,
                            const struct index_filter *filter, uint64_t from, uint64_t snapshot)
{
    uint64_t all = index->count - index_blocks_below(&index->blocks, from, index->count);
    bool any = index_filter_all(filter), lasts = snapshot >= from;

    *count = (struct index_count){
        .index = index,
        .from = from,
        .snapshot = snapshot,
        .next = from,
        .done = all == 0 || (any && !lasts),
        .count = any && !lasts ? all : 0,
    };
    if (count->done)
        return;
    if (filter != NULL)
        count->filter = *filter;
    count->by_names = !lasts && (index_filter_literal(filter) || from <= index_bare_first(index) ||
                                 index_names_cheaper(index, all));
    index_names_begin(&count->walk, index, &count->filter);
}

static bool part_by_names(struct index_count *count, uint64_t most)
{
    struct index_chain *chain = &count->chain;
    uint64_t steps = most, found;

    for (;;) {
        if (chain->name == NULL) {
            const struct index_name *name = index_names_some(&count->walk, &steps);

            if (name == NULL)
                return steps > 0;
            index_chain_begin(chain, name, count->from);
        }
        if (!index_chain_count(count->index, chain, &steps, &found))
            return false;
        chain->name = NULL;
        count->count += found;
    }
}

static bool part_by_scan(struct index_count *count, uint64_t most)
{
    const struct index *index = count->index;
    struct index_cursor cursor;
    struct index_memo memo;

    if (!index_cursor_up(&index->blocks, count->next, &cursor))
        return true;
    index_memo_init(&memo, index, &count->filter);
    for (uint64_t looked = 0; looked < most; looked++) {
        uint64_t sequence = index_cursor_sequence(&index->blocks, cursor);

        count->next = sequence + 1;
        if (index_memo_matches(&memo, index_cursor_subject(&index->blocks, cursor)))
            count->count +=
                sequence > count->snapshot || index_bare_is_last(index, sequence, count->snapshot);
        if (!index_cursor_next(&index->blocks, &cursor))
            return true;
    }
    return false;
}

bool index_bare_count_walk(const struct index *index, const struct index_filter *filter,
                           uint64_t snapshot, uint64_t most, uint64_t *next, uint64_t *count)
{
    struct index_count walk = {.index = index,
                               .snapshot = snapshot,
                               .filter = filter != NULL ? *filter : (struct index_filter){0},
                               .next = *next};
    bool done = part_by_scan(&walk, most);

    assert(most > 0);
    *next = walk.next;
    *count += walk.count;
    return done;
}

bool index_bare_count_part(struct index_count *count, uint64_t most)
{
    assert(most > 0);
    if (!count->done)
        count->done = count->by_names ? part_by_names(count, most) : part_by_scan(count, most);
    return count->done;
}

uint64_t index_bare_pending(const struct index *index, const struct index_filter *filter,
                            uint64_t from)
{
    struct index_count count;
    bool done;

    /* There is no sequence 0: from there, `lasts` would have each message looked at. */
    index_bare_count_begin(&count, index, filter, from > 0 ? from : 1, 0);
    done = index_bare_count_part(&count, UINT64_MAX);
    assert(done);
    (void)done;
    return count.count;
}
