#include "base/subject_set.h"

#include <assert.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/subject.h"

static bool is_wildcard(struct bytes token)
{
    return token.size == 1 && (token.at[0] == '*' || token.at[0] == '>');
}

/* The first `*depth` tokens: those before a wildcard. */
static struct bytes first_tokens(struct bytes filter, unsigned *depth)
{
    size_t size = 0;

    *depth = 0;
    for (size_t at = 0; at <= filter.size && *depth < SUBJECT_SET_TOKENS_MAX;) {
        struct bytes rest = bytes_skip(filter, at);
        struct bytes token = bytes_take(rest, bytes_find(rest, '.'));

        if (is_wildcard(token))
            break;
        ++*depth;
        size = at + token.size;
        at = size + 1;
    }
    return bytes_take(filter, size);
}

static int compare(const void *a, const void *b)
{
    const struct subject_set_entry *left = a, *right = b;

    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    return left->at < right->at ? -1 : left->at > right->at;
}

struct subject_set *subject_set_create(const struct bytes *filters, size_t count)
{
    struct subject_set *set = heap_take(sizeof *set + count * sizeof set->entries[0]);
    size_t end = count;

    assert(count <= UINT32_MAX);
    set->filters = filters;
    set->count = count;
    for (size_t i = 0; i < count; i++) {
        unsigned depth;
        struct bytes first = first_tokens(filters[i], &depth);
        struct subject_set_entry entry = {bytes_hash(first, 0), (uint32_t)i};

        set->depths |= UINT32_C(1) << depth;
        set->entries[depth == 0 ? set->loose++ : --end] = entry;
    }
    assert(set->loose == end);
    if (count > end)
        qsort(set->entries + end, count - end, sizeof set->entries[0], compare);
    return set;
}

void subject_set_destroy(struct subject_set *set)
{
    heap_give(set);
}

static bool entry_matches(const struct subject_set *set, size_t at, struct bytes subject)
{
    return subject_matches(set->filters[set->entries[at].at], subject);
}

/* Is there a match among the filters whose first tokens have that hash? */
static bool matches_hash(const struct subject_set *set, uint64_t hash, struct bytes subject)
{
    size_t low = set->loose, high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (set->entries[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < set->count && set->entries[low].hash == hash; low++)
        if (entry_matches(set, low, subject))
            return true;
    return false;
}

bool subject_set_matches(const struct subject_set *set, struct bytes subject)
{
    uint32_t deeper = set->depths >> 1;

    for (size_t i = 0; i < set->loose; i++)
        if (entry_matches(set, i, subject))
            return true;
    for (size_t at = 0; deeper != 0 && at <= subject.size; deeper >>= 1) {
        size_t end = at + bytes_find(bytes_skip(subject, at), '.');

        if ((deeper & 1) != 0 &&
            matches_hash(set, bytes_hash(bytes_take(subject, end), 0), subject))
            return true;
        at = end + 1;
    }
    return false;
}
