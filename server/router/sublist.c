#include "base/heap.h"
#include "base/limits.h"
#include "base/subject.h"
#include "server/router/sublist_priv.h"

void sublist_init(struct sublist *list, uint64_t seed)
{
    *list = (struct sublist){.generation = 1, .seed = seed};
}

/* ---- other threads -------------------------------------------------------------------------- */

void sublist_lock(const struct sublist *list)
{
    int error = list->guard != NULL ? pthread_mutex_lock(&list->guard->lock) : 0;

    assert(error == 0);
}

void sublist_unlock(const struct sublist *list)
{
    int error = list->guard != NULL ? pthread_mutex_unlock(&list->guard->lock) : 0;

    assert(error == 0);
}

/* The list is as it is to be: who loads the new count and looks sees that. */
static void say_changed(const struct sublist *list)
{
    if (list->news != NULL)
        atomic_fetch_add(list->news, 1);
}

/* ---- adding and removing -------------------------------------------------------------------- */

uint64_t sublist_hash(const struct sublist *list, struct bytes subject)
{
    return sublist_text_hash(list, subject) | 1;
}

bool sublist_changes(const struct sublist *list, uint64_t generation,
                     uint64_t hashes[SUBLIST_CHANGES], unsigned *count)
{
    *count = 0;
    if (generation == 0 || list->generation - generation > SUBLIST_CHANGES)
        return false;
    while (generation < list->generation) {
        uint64_t hash = list->changes[++generation % SUBLIST_CHANGES];

        if (hash == 0)
            return false;
        hashes[(*count)++] = hash;
    }
    return true;
}

/* From inside an add or remove, before anything is freed. */
static void tell(struct sublist *list, const struct sub_set *set, uint64_t hash, int change)
{
    const struct filter *filter = filter_of(set);

    list->generation++;
    list->changes[list->generation % SUBLIST_CHANGES] = filter->node != 0 ? 0 : hash | 1;
    if (list->changed != NULL)
        list->changed(list, set->kind, filter_text(filter), sub_set_queue(set), sub_set_weight(set),
                      change);
}

void sublist_add(struct sublist *list, struct sub *sub, struct bytes subject, struct bytes queue)
{
    sublist_add_weighted(list, sub, subject, queue, 1);
}

void sublist_add_weighted(struct sublist *list, struct sub *sub, struct bytes subject,
                          struct bytes queue, uint32_t weight)
{
    uint64_t hash = sublist_text_hash(list, subject);
    struct subject_glance seen = subject_glance(subject);
    struct filter *filter;
    struct group *group;

    assert(weight > 0);
    assert(sub->kind < SUBLIST_KINDS);
    assert(sub->set == NULL);
    assert(!seen.empty);
    assert(!seen.wild || subject_valid(subject));
    assert(seen.dots < SUBJECT_TOKENS_MAX);

    sublist_lock(list);
    filter = filter_take(list, subject, hash);
    if (queue.size == 0 && sub->kind == 0) {
        sub_set_add(&filter->plain, sub);
    } else {
        group = group_take(list, filter, queue, sub->kind);
        group->weight += weight;
        sub_set_add(&group->set, sub);
    }
    list->count++;
    tell(list, sub->set, hash, (int)weight);
    sublist_unlock(list);
    say_changed(list);
}

void sublist_remove(struct sublist *list, struct sub *sub)
{
    sublist_remove_weighted(list, sub, 1);
}

void sublist_remove_weighted(struct sublist *list, struct sub *sub, uint32_t weight)
{
    struct sub_set *set = sub->set;
    struct filter *filter = filter_of(set);
    struct group *group = group_of(set);
    uint64_t hash = sublist_text_hash(list, filter_text(filter));

    sublist_lock(list);
    sub_set_remove(set, sub);
    list->count--;
    list->removes++;
    if (group != NULL) {
        assert(group->weight >= weight);
        group->weight -= weight;
    }
    tell(list, set, hash, -(int)weight);
    if (group != NULL)
        group_give(list, group);
    filter_give(list, filter, hash);
    sublist_unlock(list);
    say_changed(list);
}

const struct sub_set *sublist_next(const struct sublist *list, struct sublist_walk *walk)
{
    const struct group *group = group_at(list, walk->group);
    const struct filter *filter;
    uint32_t id;

    while (group == NULL) {
        id = idtable_next(&list->filters, &walk->at);
        if (id == 0)
            return NULL;
        filter = slab_at(&list->slab, id);
        walk->group = filter->groups;
        if (filter->plain.count > 0)
            return &filter->plain;
        group = group_at(list, walk->group);
    }
    walk->group = group->next;
    return &group->set;
}

struct bytes sub_subject(const struct sub *sub)
{
    return sub_set_subject(sub->set);
}

struct bytes sub_queue(const struct sub *sub)
{
    return sub_set_queue(sub->set);
}

bool sublist_has(const struct sublist *list, struct bytes subject, struct bytes queue)
{
    const struct filter *filter = filter_find(list, subject, sublist_text_hash(list, subject));

    if (filter == NULL)
        return false;
    if (queue.size == 0 && filter->plain.count > 0)
        return true;
    for (uint32_t kind = 0; kind < SUBLIST_KINDS; kind++)
        if (group_find(list, filter, queue, kind) != NULL)
            return true;
    return false;
}

void sublist_weights(const struct sublist *list, struct bytes subject, struct bytes queue,
                     uint32_t weights[SUBLIST_KINDS])
{
    const struct filter *filter = filter_find(list, subject, sublist_text_hash(list, subject));

    memset(weights, 0, SUBLIST_KINDS * sizeof(weights[0]));
    if (filter == NULL)
        return;
    for (uint32_t kind = 0; kind < SUBLIST_KINDS; kind++) {
        const struct group *group = group_find(list, filter, queue, kind);

        weights[kind] = group != NULL ? group->weight : 0;
    }
    if (queue.size == 0)
        weights[0] += filter->plain.count;
}

void sublist_look_weights(const struct sublist *list, struct bytes subject, struct bytes queue,
                          uint32_t weights[SUBLIST_KINDS])
{
    sublist_lock(list);
    sublist_weights(list, subject, queue, weights);
    sublist_unlock(list);
}

void sublist_look(struct sublist *list, struct bytes subject, struct match *scratch,
                  void (*see)(void *context, const struct match *match), void *context)
{
    assert(list->guard != NULL);
    sublist_lock(list);
    match_build(list, scratch, subject, sublist_text_hash(list, subject));
    list->looks++;
    see(context, scratch);
    sublist_unlock(list);
}

bool sublist_look_literal(struct sublist *list, struct bytes subject, struct bytes queue)
{
    bool has;

    assert(list->guard != NULL);
    sublist_lock(list);
    has = sublist_has(list, subject, queue);
    sublist_unlock(list);
    return has;
}

/* ---- the end -------------------------------------------------------------------------------- */

void sublist_deinit(struct sublist *list)
{
    filters_deinit(list);
    slab_deinit(&list->slab);
    idtable_deinit(&list->filters);
    idtable_deinit(&list->queues);
    idtable_deinit(&list->groups);
    idtable_deinit(&list->tokens);
    sublist_cache_deinit(list);
    sublist_stems_deinit(list);
    heap_give(list->seen);
    heap_give(list->found);
    match_deinit(&list->scratch);
}
