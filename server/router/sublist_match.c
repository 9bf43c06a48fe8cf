/*
 * What matches a subject, built from the filters that do.
 */
#include "base/heap.h"
#include "base/subject.h"
#include "server/router/sublist_priv.h"

#define CAPACITY_FIRST 4u

void *match_grown(void *at, uint32_t *capacity, uint32_t count, size_t size)
{
    if (count <= *capacity)
        return at;
    while (*capacity < count)
        *capacity = *capacity == 0 ? CAPACITY_FIRST : *capacity * 2;
    return heap_resize(at, *capacity * size);
}

void sublist_found(struct sublist *list, struct filter *filter)
{
    list->found = match_grown(list->found, &list->found_capacity, list->found_count + 1,
                              sizeof(*list->found));
    list->found[list->found_count++] = filter;
}

static void find_filters(struct sublist *list, struct bytes subject, uint64_t hash)
{
    struct filter *filter;

    list->found_count = 0;
    list->found_depth = 0;
    if (subject_glance(subject).empty)
        return;
    filter = filter_find(list, subject, hash);
    if (filter != NULL && filter->node == 0) /* with wildcards the trie finds it */
        sublist_found(list, filter);
    if (list->root != NULL)
        trie_match(list, list->root, subject, 0);
}

static void match_clear(struct match *match)
{
    match->sets_count = 0;
    match->plain_count = 0;
    match->group_count = 0;
}

static void match_reserve(struct match *match, uint32_t sets, uint32_t groups)
{
    match->sets = match_grown(match->sets, &match->sets_capacity, sets, sizeof(*match->sets));
    match->groups =
        match_grown(match->groups, &match->groups_capacity, groups, sizeof(*match->groups));
}

/* First the plain sets, and how many sets each queue name has... */
static void match_count(struct sublist *list, struct match *match)
{
    for (uint32_t i = 0; i < list->found_count; i++) {
        struct filter *filter = list->found[i];

        if (filter->plain.count > 0) {
            match_reserve(match, match->plain_count + 1, 0);
            match->sets[match->plain_count++] = &filter->plain;
        }
        for (struct group *group = group_at(list, filter->groups); group != NULL;
             group = group_at(list, group->next)) {
            if (group->queue == NULL) {
                match_reserve(match, match->plain_count + 1, 0);
                match->sets[match->plain_count++] = &group->set;
                continue;
            }
            if (group->queue->match != list->matches) {
                match_reserve(match, 0, match->group_count + 1);
                group->queue->match = list->matches;
                group->queue->group = match->group_count;
                match->groups[match->group_count++] = (struct match_group){0};
            }
            match->groups[group->queue->group].count++;
            match->groups[group->queue->group].members += group->weight;
        }
    }
}

/* ...then the sets of each name side by side. */
static void match_place(struct sublist *list, struct match *match)
{
    match->sets_count = match->plain_count;
    for (uint32_t i = 0; i < match->group_count; i++) {
        match->groups[i].first = match->sets_count;
        match->sets_count += match->groups[i].count;
        match->groups[i].count = 0;
    }
    match_reserve(match, match->sets_count, 0);
    for (uint32_t i = 0; i < list->found_count; i++) {
        for (struct group *group = group_at(list, list->found[i]->groups); group != NULL;
             group = group_at(list, group->next)) {
            struct match_group *to;

            if (group->queue == NULL)
                continue;
            to = &match->groups[group->queue->group];
            match->sets[to->first + to->count++] = &group->set;
        }
    }
}

void match_build(struct sublist *list, struct match *match, struct bytes subject, uint64_t hash)
{
    find_filters(list, subject, hash);
    match_clear(match);
    list->matches++;
    match_count(list, match);
    if (match->group_count > 0)
        match_place(list, match);
    else
        match->sets_count = match->plain_count;
}

void match_copy(struct match *to, const struct match *from)
{
    match_reserve(to, from->sets_count, from->group_count);
    if (from->sets_count > 0)
        memcpy(to->sets, from->sets, from->sets_count * sizeof(*to->sets));
    if (from->group_count > 0)
        memcpy(to->groups, from->groups, from->group_count * sizeof(*to->groups));
    to->sets_count = from->sets_count;
    to->plain_count = from->plain_count;
    to->group_count = from->group_count;
}

void match_deinit(struct match *match)
{
    heap_give(match->sets);
    heap_give(match->groups);
}
