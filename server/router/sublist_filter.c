/*
 * The filters of a list, the queue groups of each and the sets of both: taken when a subscription
 * comes, given back when the last has gone.
 */
#include "base/heap.h"
#include "base/subject.h"
#include "server/router/sublist_priv.h"
#include "server/router/sublist_stem.h"

#define CAPACITY_FIRST 4u
#define FILTER_HEAD    offsetof(struct filter, text) /* what pads the struct is text */

/* ---- sets ----------------------------------------------------------------------------------- */

/* The array doubles: what is in it is copied, or mapped elsewhere when it is large. */
static void set_grow(struct sub_set *set)
{
    uint32_t capacity = set->capacity == 1 ? CAPACITY_FIRST : set->capacity * 2u;
    struct sub *first = set->one;

    if (set->capacity == 1) {
        set->many = heap_resize(NULL, capacity * sizeof(*set->many));
        set->many[0] = first;
    } else {
        set->many = heap_resize(set->many, capacity * sizeof(*set->many));
    }
    set->capacity = capacity & ((1u << 28) - 1);
}

void sub_set_add(struct sub_set *set, struct sub *sub)
{
    assert(set->count < (1u << 27));
    sub->set = set;
    sub->place = set->count;
    if (set->capacity <= 1 && set->count == 0) {
        set->capacity = 1;
        set->one = sub;
        set->count = 1;
        return;
    }
    if (set->count == set->capacity)
        set_grow(set);
    set->many[set->count++] = sub;
}

void sub_set_remove(struct sub_set *set, struct sub *sub)
{
    struct sub **subs = set->capacity > 1 ? set->many : &set->one;
    struct sub *moved;

    assert(sub->place < set->count);
    assert(subs[sub->place] == sub);
    moved = subs[set->count - 1];
    subs[sub->place] = moved;
    moved->place = sub->place;
    set->count--;
    sub->set = NULL;
}

static void sub_set_deinit(struct sub_set *set)
{
    if (set->capacity > 1)
        heap_give(set->many);
}

/* ---- filters -------------------------------------------------------------------------------- */

uint32_t *sublist_head(struct sublist *list, struct bytes text)
{
    uint64_t head = 0;

    memcpy(&head, text.at, text.size < STEM_HEAD ? text.size : STEM_HEAD);
    return &list->heads[((head ^ list->seed) * UINT64_C(0x9e3779b97f4a7c15)) >> 32 &
                        (SUBLIST_HEADS - 1)];
}

static uint32_t filter_id(const struct sublist *list, struct bytes subject, uint64_t hash)
{
    uint32_t id;

    for (struct idtable_look look = idtable_look(&list->filters, (uint32_t)hash);
         (id = idtable_like(&look)) != 0;)
        if (bytes_equal(filter_text(slab_at(&list->slab, id)), subject))
            break;
    return id;
}

struct filter *filter_find(const struct sublist *list, struct bytes subject, uint64_t hash)
{
    uint32_t id = filter_id(list, subject, hash);

    return id != 0 ? slab_at(&list->slab, id) : NULL;
}

struct filter *filter_take(struct sublist *list, struct bytes subject, uint64_t hash)
{
    struct filter *filter = filter_find(list, subject, hash);
    uint32_t id;

    if (filter != NULL)
        return filter;
    filter = slab_take(&list->slab, FILTER_HEAD + subject.size, &id);
    memset(filter, 0, FILTER_HEAD);
    filter->size = (uint32_t)subject.size;
    memcpy(filter->text, subject.at, subject.size);
    idtable_add(&list->filters, (uint32_t)hash, id);
    if (subject_has_wildcard(subject))
        trie_add(list, filter);
    else
        ++*sublist_head(list, subject);
    return filter;
}

void filter_give(struct sublist *list, struct filter *filter, uint64_t hash)
{
    uint32_t id;

    if (filter->plain.count > 0 || filter->groups != 0)
        return;
    if (filter->node != 0)
        trie_remove(list, filter);
    else
        --*sublist_head(list, filter_text(filter));
    id = filter_id(list, filter_text(filter), hash);
    assert(slab_at(&list->slab, id) == filter);
    idtable_remove(&list->filters, (uint32_t)hash, id);
    sub_set_deinit(&filter->plain);
    slab_give(&list->slab, id);
}

void filters_deinit(struct sublist *list)
{
    uint32_t id;

    for (uint64_t at = 0; (id = idtable_next(&list->filters, &at)) != 0;) {
        struct filter *filter = slab_at(&list->slab, id);

        sub_set_deinit(&filter->plain);
        for (struct group *group = group_at(list, filter->groups); group != NULL;
             group = group_at(list, group->next))
            sub_set_deinit(&group->set);
    }
}

/* ---- names of queues ------------------------------------------------------------------------ */

static uint32_t queue_hash(const struct sublist *list, struct bytes name)
{
    return (uint32_t)bytes_hash(name, list->seed);
}

static struct queue_name *queue_find(const struct sublist *list, struct bytes name)
{
    uint32_t id;

    for (struct idtable_look look = idtable_look(&list->queues, queue_hash(list, name));
         (id = idtable_like(&look)) != 0;) {
        struct queue_name *queue = slab_at(&list->slab, id);

        if (bytes_equal(queue_name_text(queue), name))
            return queue;
    }
    return NULL;
}

static struct queue_name *queue_take(struct sublist *list, struct bytes name)
{
    struct queue_name *queue = queue_find(list, name);
    uint32_t id;

    if (queue == NULL) {
        queue = slab_take(&list->slab, sizeof(*queue) + name.size, &id);
        *queue = (struct queue_name){.id = id, .size = (uint32_t)name.size};
        memcpy(queue->text, name.at, name.size);
        idtable_add(&list->queues, queue_hash(list, name), id);
    }
    queue->references++;
    return queue;
}

static void queue_give(struct sublist *list, struct queue_name *queue)
{
    if (queue == NULL || --queue->references > 0)
        return;
    idtable_remove(&list->queues, queue_hash(list, queue_name_text(queue)), queue->id);
    slab_give(&list->slab, queue->id);
}

/* ---- groups --------------------------------------------------------------------------------- */

static uint32_t group_hash(const struct sublist *list, const struct filter *filter,
                           const struct queue_name *queue, uint32_t kind)
{
    uintptr_t key[] = {(uintptr_t)filter, (uintptr_t)queue, kind};

    return (uint32_t)bytes_hash(bytes_of(key, sizeof(key)), list->seed);
}

static uint32_t group_id(const struct sublist *list, const struct filter *filter,
                         const struct queue_name *queue, uint32_t kind)
{
    uint32_t id;

    for (struct idtable_look look =
             idtable_look(&list->groups, group_hash(list, filter, queue, kind));
         (id = idtable_like(&look)) != 0;) {
        const struct group *group = group_at(list, id);

        if (group->filter == filter && group->queue == queue && group->set.kind == kind)
            break;
    }
    return id;
}

struct group *group_find(const struct sublist *list, const struct filter *filter, struct bytes name,
                         uint32_t kind)
{
    const struct queue_name *queue = NULL;

    if (filter->groups == 0)
        return NULL;
    if (name.size > 0) {
        queue = queue_find(list, name);
        if (queue == NULL)
            return NULL;
    }
    return group_at(list, group_id(list, filter, queue, kind));
}

struct group *group_take(struct sublist *list, struct filter *filter, struct bytes name,
                         uint32_t kind)
{
    struct group *group = group_find(list, filter, name, kind);
    uint32_t id;

    if (group != NULL)
        return group;
    group = slab_take(&list->slab, sizeof(*group), &id);
    *group = (struct group){.filter = filter, .next = filter->groups};
    group->set.grouped = true;
    group->set.kind = kind & (SUBLIST_KINDS - 1);
    group->queue = name.size > 0 ? queue_take(list, name) : NULL;
    if (group->next != 0)
        group_at(list, group->next)->before = id;
    filter->groups = id;
    idtable_add(&list->groups, group_hash(list, filter, group->queue, kind), id);
    return group;
}

void group_give(struct sublist *list, struct group *group)
{
    uint32_t id;

    if (group->set.count > 0)
        return;
    if (group->before != 0)
        group_at(list, group->before)->next = group->next;
    else
        group->filter->groups = group->next;
    if (group->next != 0)
        group_at(list, group->next)->before = group->before;
    id = group_id(list, group->filter, group->queue, group->set.kind);
    idtable_remove(&list->groups, group_hash(list, group->filter, group->queue, group->set.kind),
                   id);
    queue_give(list, group->queue);
    sub_set_deinit(&group->set);
    slab_give(&list->slab, id);
}

struct group *group_of(const struct sub_set *set)
{
    return set->grouped ? owner_of(set, struct group, set) : NULL;
}

struct filter *filter_of(const struct sub_set *set)
{
    return set->grouped ? group_of(set)->filter : owner_of(set, struct filter, plain);
}

uint32_t sub_set_weight(const struct sub_set *set)
{
    const struct group *group = group_of(set);

    return group != NULL ? group->weight : set->count;
}

struct bytes sub_set_subject(const struct sub_set *set)
{
    return filter_text(filter_of(set));
}

struct bytes sub_set_queue(const struct sub_set *set)
{
    const struct group *group = group_of(set);

    return group != NULL && group->queue != NULL ? queue_name_text(group->queue)
                                                 : bytes_of(NULL, 0);
}
