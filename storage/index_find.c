/* Which message comes next, and how many there are. */
#include "storage/index_priv.h"

/* Messages looked at before trying all subjects is considered: as many as there are subjects, so
 * that it costs at most twice what the better of both would have, within these. */
#define SCAN_LEAST 512u
#define SCAN_MOST  8192u

static void fill_at(const struct index *index, uint64_t sequence, struct index_entry *entry)
{
    bool found = index_bare_get(index, sequence, entry);

    assert(found);
    (void)found;
}

static void fill_cursor(const struct index *index, struct index_cursor cursor,
                        struct index_entry *entry)
{
    struct index_slot slot;

    index_cursor_read(&index->blocks, cursor, &slot);
    index_fill(index, index_cursor_sequence(&index->blocks, cursor), &slot, entry);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t scan_before_names(const struct index *index)
{
    uint64_t names = index->subjects.names.limit;

    return names < SCAN_LEAST ? SCAN_LEAST : least(names, SCAN_MOST);
}

/* ---- upwards -------------------------------------------------------------------------------- */

static bool next_by_names(const struct index *index, const struct index_filter *filter,
                          uint64_t from, struct index_entry *entry)
{
    struct index_name_walk walk;
    const struct index_name *name;
    uint64_t best = 0;

    index_names_begin(&walk, index, filter);
    while ((name = index_names_next(&walk)) != NULL) {
        uint64_t sequence;

        if (best != 0 && name->first >= best)
            continue;
        sequence = index_chain_up(index, name, from);
        if (sequence != 0 && (best == 0 || sequence < best))
            best = sequence;
    }
    if (best == 0)
        return false;
    fill_at(index, best, entry);
    return true;
}

static bool next_by_scan(const struct index *index, const struct index_filter *filter,
                         uint64_t from, struct index_entry *entry)
{
    struct index_memo memo;
    struct index_cursor cursor;
    uint64_t looked = 0, names_at = scan_before_names(index);

    if (!index_cursor_up(&index->blocks, from, &cursor))
        return false;
    index_memo_init(&memo, index, filter);
    do {
        if (index_memo_matches(&memo, index_cursor_subject(&index->blocks, cursor))) {
            fill_cursor(index, cursor, entry);
            return true;
        }
        if (++looked == names_at) {
            uint64_t here = index_cursor_sequence(&index->blocks, cursor);

            if (index_names_cheaper(index, least(index->count, index_bare_last(index) - here)))
                return next_by_names(index, filter, here + 1, entry);
        }
    } while (index_cursor_next(&index->blocks, &cursor));
    return false;
}

static bool next_any(const struct index *index, uint64_t from, struct index_entry *entry)
{
    struct index_cursor cursor;

    if (index_bare_get(index, from, entry)) /* as mostly */
        return true;
    if (!index_cursor_up(&index->blocks, from, &cursor))
        return false;
    fill_cursor(index, cursor, entry);
    return true;
}

bool index_bare_next(const struct index *index, const struct index_filter *filter, uint64_t from,
                     struct index_entry *entry)
{
    if (index_filter_all(filter))
        return next_any(index, from, entry);
    if (index_filter_literal(filter))
        return next_by_names(index, filter, from, entry);
    return next_by_scan(index, filter, from, entry);
}

/* ---- downwards ------------------------------------------------------------------------------ */

static bool previous_by_names(const struct index *index, const struct index_filter *filter,
                              uint64_t up_to, struct index_entry *entry)
{
    struct index_name_walk walk;
    const struct index_name *name;
    uint64_t best = 0;

    index_names_begin(&walk, index, filter);
    while ((name = index_names_next(&walk)) != NULL) {
        uint64_t sequence;

        if (name->last <= best)
            continue;
        sequence = index_chain_down(index, name, up_to);
        if (sequence > best)
            best = sequence;
    }
    if (best == 0)
        return false;
    fill_at(index, best, entry);
    return true;
}

static bool previous_by_scan(const struct index *index, const struct index_filter *filter,
                             uint64_t up_to, struct index_entry *entry)
{
    struct index_memo memo;
    struct index_cursor cursor;
    uint64_t looked = 0, names_at = scan_before_names(index);

    if (!index_cursor_down(&index->blocks, up_to, &cursor))
        return false;
    index_memo_init(&memo, index, filter);
    do {
        if (index_memo_matches(&memo, index_cursor_subject(&index->blocks, cursor))) {
            fill_cursor(index, cursor, entry);
            return true;
        }
        if (++looked == names_at) {
            uint64_t here = index_cursor_sequence(&index->blocks, cursor);

            if (index_names_cheaper(index, least(index->count, here - index_bare_first(index))))
                return previous_by_names(index, filter, here - 1, entry);
        }
    } while (index_cursor_previous(&index->blocks, &cursor));
    return false;
}

bool index_bare_previous(const struct index *index, const struct index_filter *filter,
                         uint64_t up_to, struct index_entry *entry)
{
    if (!index_filter_all(filter) && index_filter_literal(filter))
        return previous_by_names(index, filter, up_to, entry);
    return previous_by_scan(index, filter, up_to, entry);
}

bool index_bare_first_at(const struct index *index, int64_t time_ns, struct index_entry *entry)
{
    struct index_cursor cursor;

    if (!index_cursor_at_time(&index->blocks, time_ns, &cursor))
        return false;
    fill_cursor(index, cursor, entry);
    return true;
}

/* ---- counting ------------------------------------------------------------------------------- */

static uint64_t pending_last_by_names(const struct index *index, const struct index_filter *filter,
                                      uint64_t from, uint64_t up_to)
{
    struct index_name_walk walk;
    const struct index_name *name;
    uint64_t count = 0;

    index_names_begin(&walk, index, filter);
    while ((name = index_names_next(&walk)) != NULL) {
        uint64_t last;

        if (name->first > up_to || name->last < from)
            continue;
        last = index_chain_down(index, name, up_to);
        count += last != 0 && last >= from;
    }
    return count;
}

static uint64_t pending_last_by_scan(const struct index *index, const struct index_filter *filter,
                                     uint64_t from, uint64_t up_to)
{
    struct index_memo memo;
    struct index_cursor cursor;
    uint64_t count = 0;

    if (!index_cursor_up(&index->blocks, from, &cursor))
        return 0;
    index_memo_init(&memo, index, filter);
    do {
        uint64_t after = index_cursor_after(&index->blocks, cursor);

        if (index_cursor_sequence(&index->blocks, cursor) > up_to)
            break;
        if (after == 0 || after > up_to)
            count += index_memo_matches(&memo, index_cursor_subject(&index->blocks, cursor));
    } while (index_cursor_next(&index->blocks, &cursor));
    return count;
}

uint64_t index_bare_pending_last(const struct index *index, const struct index_filter *filter,
                                 uint64_t from, uint64_t up_to)
{
    uint64_t all = index->count - index_blocks_below(&index->blocks, from, index->count);

    if (all == 0 || from > up_to)
        return 0;
    if ((!index_filter_all(filter) && index_filter_literal(filter)) ||
        index_names_cheaper(index, all))
        return pending_last_by_names(index, filter, from, up_to);
    return pending_last_by_scan(index, filter, from, up_to);
}
