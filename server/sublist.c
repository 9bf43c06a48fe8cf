#include "server/sublist.h"

#include "base/heap.h"
#include "base/owner.h"
#include "base/subject.h"
#include "server/sublist_stem.h"

#define TOKENS_CAPACITY_FIRST 16u
#define CACHE_FIRST           64u
#define SEEN_CAPACITY         8192u /* power of two */
#define CAPACITY_FIRST        4u

/* All subscriptions of one subject text. */
struct filter {
    struct sub_set plain; /* of kind 0 */
    struct group *groups;
    struct token_node *node; /* where it ends in the trie; NULL: it has no wildcard */
    uint32_t size;
    uint8_t text[];
};

/* The subscriptions of one filter, queue name and kind: they are its key in the list. Plain ones of
 * another kind than 0 are here, too, with no queue. */
struct group {
    struct sub_set set;
    struct filter *filter;
    struct queue_name *queue; /* NULL: plain */
    uintptr_t kind;
    uint32_t weight;     /* of all */
    struct group *next;  /* of the filter's */
    struct group **link; /* that points here */
};

static_assert(offsetof(struct group, queue) == offsetof(struct group, filter) + sizeof(void *));
static_assert(offsetof(struct group, kind) == offsetof(struct group, queue) + sizeof(void *));

/* A queue's name, shared by its groups under all filters. */
struct queue_name {
    uint32_t references;
    uint32_t group; /* its group in the match that was built last... */
    uint64_t match; /* ...if that is this one */
    uint32_t size;
    uint8_t text[];
};

/* A token on the way to filters with wildcards. Literal children are found in the list's token
 * table. */
struct token_node {
    struct token_node *parent;
    struct token_node *star; /* the child "*" */
    struct filter *filter;   /* that ends here */
    struct filter *tail;     /* that ends here with one more token, ">" */
    uint64_t hash;           /* of (parent, token) */
    uint32_t children;       /* literal ones */
    uint32_t size;
    uint8_t token[];
};

/* ---- sets ---------------------------------------------------------------------------------------
 */

static void set_add(struct sub_set *set, struct sub *sub)
{
    assert(set->count < (1u << 27));
    if (set->capacity == 0) {
        set->subs = &set->one;
        set->capacity = 1;
    } else if (set->count == set->capacity) {
        uint32_t capacity = set->capacity == 1 ? CAPACITY_FIRST : set->capacity * 2u;
        bool first = set->capacity == 1;
        struct sub **subs = heap_resize(first ? NULL : set->subs, capacity * sizeof(*subs));

        if (first)
            subs[0] = set->one;
        set->subs = subs;
        set->capacity = capacity;
    }
    sub->set = set;
    sub->place = set->count;
    set->subs[set->count++] = sub;
}

static void set_remove(struct sub_set *set, struct sub *sub)
{
    struct sub *moved;

    assert(sub->place < set->count);
    assert(set->subs[sub->place] == sub);
    moved = set->subs[set->count - 1];
    set->subs[sub->place] = moved;
    moved->place = sub->place;
    set->count--;
    sub->set = NULL;
}

static void set_deinit(struct sub_set *set)
{
    if (set->capacity > 1)
        heap_give(set->subs);
}

/* ---- tables' keys -----------------------------------------------------------------------------
 */

static struct bytes filter_key(const void *item)
{
    const struct filter *filter = item;

    return bytes_of(filter->text, filter->size);
}

static struct bytes queue_key(const void *item)
{
    const struct queue_name *queue = item;

    return bytes_of(queue->text, queue->size);
}

static struct bytes group_key(const void *item)
{
    const struct group *group = item;

    return bytes_of(&group->filter,
                    sizeof(group->filter) + sizeof(group->queue) + sizeof(group->kind));
}

void sublist_init(struct sublist *list, uint64_t seed)
{
    *list = (struct sublist){.generation = 1, .seed = seed};
    table_init(&list->filters, filter_key, seed);
    table_init(&list->queues, queue_key, seed);
    table_init(&list->groups, group_key, seed);
}

/* ---- other threads ------------------------------------------------------------------------------
 */

static void guard_lock(const struct sublist *list)
{
    int error = list->guard != NULL ? pthread_mutex_lock(&list->guard->lock) : 0;

    assert(error == 0);
}

static void guard_unlock(const struct sublist *list)
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

/* ---- the trie of wildcard filters -------------------------------------------------------------
 */

static uint64_t token_hash(const struct sublist *list, const struct token_node *parent,
                           struct bytes token)
{
    return bytes_hash(token, list->seed ^ (uint64_t)(uintptr_t)parent);
}

/* The slot that holds the child, or the empty one where it would go. */
static size_t token_slot(const struct token_table *tokens, const struct token_node *parent,
                         struct bytes token, uint64_t hash)
{
    size_t mask = tokens->capacity - 1, i = (size_t)hash & mask;

    for (; tokens->slots[i] != NULL; i = (i + 1) & mask) {
        const struct token_node *node = tokens->slots[i];

        if (node->hash == hash && node->parent == parent &&
            bytes_equal(bytes_of(node->token, node->size), token))
            break;
    }
    return i;
}

static struct token_node *token_find(const struct sublist *list, const struct token_node *parent,
                                     struct bytes token)
{
    if (parent->children == 0)
        return NULL;
    return list->tokens
        .slots[token_slot(&list->tokens, parent, token, token_hash(list, parent, token))];
}

static void tokens_grow(struct token_table *tokens)
{
    struct token_table old = *tokens;

    tokens->capacity = old.capacity == 0 ? TOKENS_CAPACITY_FIRST : old.capacity * 2;
    tokens->slots = heap_take(tokens->capacity * sizeof(*tokens->slots));
    for (size_t i = 0; i < old.capacity; i++) {
        struct token_node *node = old.slots[i];

        if (node != NULL)
            tokens->slots[token_slot(tokens, node->parent, bytes_of(node->token, node->size),
                                     node->hash)] = node;
    }
    heap_give(old.slots);
}

static void token_add(struct sublist *list, struct token_node *node)
{
    struct token_table *tokens = &list->tokens;

    if (tokens->count >= tokens->capacity / 4 * 3)
        tokens_grow(tokens);
    tokens->slots[token_slot(tokens, node->parent, bytes_of(node->token, node->size), node->hash)] =
        node;
    tokens->count++;
    node->parent->children++;
}

static void token_remove(struct sublist *list, struct token_node *node)
{
    struct token_table *tokens = &list->tokens;
    size_t mask = tokens->capacity - 1;
    size_t gap = token_slot(tokens, node->parent, bytes_of(node->token, node->size), node->hash);

    assert(tokens->slots[gap] == node);
    /* Move up what was pushed past the gap, so that no probe stops too early. */
    for (size_t i = (gap + 1) & mask; tokens->slots[i] != NULL; i = (i + 1) & mask) {
        size_t home = (size_t)tokens->slots[i]->hash & mask;

        if (((i - home) & mask) >= ((i - gap) & mask)) {
            tokens->slots[gap] = tokens->slots[i];
            gap = i;
        }
    }
    tokens->slots[gap] = NULL;
    tokens->count--;
    node->parent->children--;
}

static struct token_node *node_create(const struct sublist *list, struct token_node *parent,
                                      struct bytes token)
{
    struct token_node *node = heap_take(sizeof(*node) + token.size);

    node->parent = parent;
    node->hash = token_hash(list, parent, token);
    node->size = (uint32_t)token.size;
    memcpy(node->token, token.at, token.size);
    return node;
}

static bool is_wildcard(struct bytes token, uint8_t wildcard)
{
    return token.size == 1 && token.at[0] == wildcard;
}

static struct token_node *child_of(struct sublist *list, struct token_node *parent,
                                   struct bytes token)
{
    struct token_node *child;

    if (is_wildcard(token, '*')) {
        if (parent->star == NULL)
            parent->star = node_create(list, parent, token);
        return parent->star;
    }
    child = token_find(list, parent, token);
    if (child == NULL) {
        child = node_create(list, parent, token);
        token_add(list, child);
    }
    return child;
}

/* The first token of *rest, which then begins behind its dot; false when there is none left. */
static bool token_next(struct bytes *rest, struct bytes *token)
{
    size_t size;

    if (rest->at == NULL)
        return false;
    size = bytes_find(*rest, '.');
    *token = bytes_take(*rest, size);
    *rest = size == rest->size ? bytes_of(NULL, 0) : bytes_skip(*rest, size + 1);
    return true;
}

static void trie_add(struct sublist *list, struct filter *filter)
{
    struct bytes rest = filter_key(filter), token;
    struct token_node *node;

    if (list->root == NULL)
        list->root = node_create(list, NULL, bytes_of("", 0));
    node = list->root;
    while (token_next(&rest, &token)) {
        filter->node = node;
        if (is_wildcard(token, '>')) {
            assert(node->tail == NULL);
            node->tail = filter;
            return;
        }
        node = child_of(list, node, token);
    }
    assert(node->filter == NULL);
    node->filter = filter;
    filter->node = node;
}

/* Frees the nodes that nothing needs any more, from `node` up. */
static void trie_prune(struct sublist *list, struct token_node *node)
{
    while (node != NULL && node->filter == NULL && node->tail == NULL && node->star == NULL &&
           node->children == 0) {
        struct token_node *parent = node->parent;

        if (parent == NULL)
            list->root = NULL;
        else if (parent->star == node)
            parent->star = NULL;
        else
            token_remove(list, node);
        heap_give(node);
        node = parent;
    }
}

static void trie_remove(struct sublist *list, struct filter *filter)
{
    struct token_node *node = filter->node;

    if (node->tail == filter)
        node->tail = NULL;
    else
        node->filter = NULL;
    trie_prune(list, node);
}

/* ---- adding and removing ----------------------------------------------------------------------
 */

/* Where filters are counted that begin as this one does. */
static uint32_t *head_of(struct sublist *list, struct bytes text)
{
    size_t size = text.size < STEM_HEAD ? text.size : STEM_HEAD;

    return &list->heads[bytes_hash(bytes_take(text, size), list->seed) % SUBLIST_HEADS];
}

static struct filter *filter_take(struct sublist *list, struct bytes subject)
{
    struct filter *filter = table_find(&list->filters, subject);

    if (filter != NULL)
        return filter;
    filter = heap_take(sizeof(*filter) + subject.size);
    filter->size = (uint32_t)subject.size;
    memcpy(filter->text, subject.at, subject.size);
    table_add(&list->filters, filter);
    if (subject_has_wildcard(subject))
        trie_add(list, filter);
    else
        ++*head_of(list, subject);
    return filter;
}

static void filter_give(struct sublist *list, struct filter *filter)
{
    if (filter->plain.count > 0 || filter->groups != NULL)
        return;
    if (filter->node != NULL)
        trie_remove(list, filter);
    else
        --*head_of(list, filter_key(filter));
    table_remove(&list->filters, filter_key(filter));
    set_deinit(&filter->plain);
    heap_give(filter);
}

static struct queue_name *queue_take(struct sublist *list, struct bytes name)
{
    struct queue_name *queue = table_find(&list->queues, name);

    if (queue == NULL) {
        queue = heap_take(sizeof(*queue) + name.size);
        queue->size = (uint32_t)name.size;
        memcpy(queue->text, name.at, name.size);
        table_add(&list->queues, queue);
    }
    queue->references++;
    return queue;
}

static void queue_give(struct sublist *list, struct queue_name *queue)
{
    if (queue == NULL || --queue->references > 0)
        return;
    table_remove(&list->queues, queue_key(queue));
    heap_give(queue);
}

/* `name` may be empty: plain. */
static struct group *group_find(const struct sublist *list, const struct filter *filter,
                                struct bytes name, uint32_t kind)
{
    struct group key = {.filter = (struct filter *)filter, .kind = kind};

    if (name.size > 0) {
        key.queue = table_find(&list->queues, name);
        if (key.queue == NULL)
            return NULL;
    }
    return table_find(&list->groups, group_key(&key));
}

static struct group *group_take(struct sublist *list, struct filter *filter, struct bytes name,
                                uint32_t kind)
{
    struct group *group = group_find(list, filter, name, kind);

    if (group != NULL)
        return group;
    group = HEAP_NEW(struct group);
    group->set.grouped = true;
    group->set.kind = kind & (SUBLIST_KINDS - 1);
    group->filter = filter;
    group->kind = kind;
    group->queue = name.size > 0 ? queue_take(list, name) : NULL;
    group->next = filter->groups;
    if (group->next != NULL)
        group->next->link = &group->next;
    group->link = &filter->groups;
    filter->groups = group;
    table_add(&list->groups, group);
    return group;
}

static void group_give(struct sublist *list, struct group *group)
{
    if (group->set.count > 0)
        return;
    *group->link = group->next;
    if (group->next != NULL)
        group->next->link = group->link;
    table_remove(&list->groups, group_key(group));
    queue_give(list, group->queue);
    set_deinit(&group->set);
    heap_give(group);
}

static struct group *group_of(const struct sub_set *set)
{
    return set->grouped ? owner_of(set, struct group, set) : NULL;
}

static struct filter *filter_of(const struct sub_set *set)
{
    return set->grouped ? group_of(set)->filter : owner_of(set, struct filter, plain);
}

/* From inside an add or remove, before anything is freed. */
uint64_t sublist_hash(const struct sublist *list, struct bytes subject)
{
    return bytes_hash(subject, list->seed) | 1;
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

static void tell(struct sublist *list, const struct sub_set *set, int change)
{
    struct bytes subject = sub_set_subject(set);

    list->generation++;
    list->changes[list->generation % SUBLIST_CHANGES] =
        subject_has_wildcard(subject) ? 0 : sublist_hash(list, subject);
    if (list->changed != NULL)
        list->changed(list, set->kind, sub_set_subject(set), sub_set_queue(set), set->count,
                      change);
}

void sublist_add(struct sublist *list, struct sub *sub, struct bytes subject, struct bytes queue)
{
    sublist_add_weighted(list, sub, subject, queue, 1);
}

void sublist_add_weighted(struct sublist *list, struct sub *sub, struct bytes subject,
                          struct bytes queue, uint32_t weight)
{
    struct filter *filter;
    struct group *group;

    assert(weight > 0);
    assert(sub->kind < SUBLIST_KINDS);
    assert(sub->set == NULL);
    assert(subject_valid(subject));
    assert(subject_token_count(subject) <= SUBJECT_TOKENS_MAX);

    guard_lock(list);
    filter = filter_take(list, subject);
    if (queue.size == 0 && sub->kind == 0) {
        set_add(&filter->plain, sub);
    } else {
        group = group_take(list, filter, queue, sub->kind);
        group->weight += weight;
        set_add(&group->set, sub);
    }
    list->count++;
    tell(list, sub->set, 1);
    guard_unlock(list);
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

    guard_lock(list);
    set_remove(set, sub);
    list->count--;
    list->removes++;
    tell(list, set, -1);
    if (group != NULL) {
        assert(group->weight >= weight);
        group->weight -= weight;
        group_give(list, group);
    }
    filter_give(list, filter);
    guard_unlock(list);
    say_changed(list);
}

uint32_t sub_set_weight(const struct sub_set *set)
{
    const struct group *group = group_of(set);

    return group != NULL ? group->weight : set->count;
}

struct bytes sub_set_subject(const struct sub_set *set)
{
    return filter_key(filter_of(set));
}

struct bytes sub_set_queue(const struct sub_set *set)
{
    const struct group *group = group_of(set);

    return group != NULL && group->queue != NULL ? queue_key(group->queue) : bytes_of(NULL, 0);
}

const struct sub_set *sublist_next(const struct sublist *list, struct sublist_walk *walk)
{
    struct group *group = walk->group;

    if (group != NULL) {
        walk->group = group->next;
        return &group->set;
    }
    walk->filter = table_next(&list->filters, &walk->at);
    if (walk->filter == NULL)
        return NULL;
    walk->group = walk->filter->groups;
    if (walk->filter->plain.count > 0)
        return &walk->filter->plain;
    return sublist_next(list, walk);
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
    const struct filter *filter = table_find(&list->filters, subject);

    if (filter == NULL)
        return false;
    if (queue.size == 0 && filter->plain.count > 0)
        return true;
    for (uint32_t kind = 0; kind < SUBLIST_KINDS; kind++)
        if (group_find(list, filter, queue, kind) != NULL)
            return true;
    return false;
}

/* ---- matching ---------------------------------------------------------------------------------
 */

/* Room for `count` items of `size` in *at. */
static void *grown(void *at, uint32_t *capacity, uint32_t count, size_t size)
{
    if (count <= *capacity)
        return at;
    while (*capacity < count)
        *capacity = *capacity == 0 ? CAPACITY_FIRST : *capacity * 2;
    return heap_resize(at, *capacity * size);
}

static void found_add(struct sublist *list, struct filter *filter)
{
    list->found =
        grown(list->found, &list->found_capacity, list->found_count + 1, sizeof(*list->found));
    list->found[list->found_count++] = filter;
}

/* Finds the filters below `node`, which is `depth` tokens deep, that match `rest`. Recursion is as
 * deep as filters have tokens. */
static void trie_match(struct sublist *list, const struct token_node *node, struct bytes rest,
                       uint32_t depth)
{
    struct bytes token;

    while (token_next(&rest, &token)) {
        depth++;
        if (node->tail != NULL)
            found_add(list, node->tail);
        if (node->star != NULL)
            trie_match(list, node->star, rest, depth);
        if (node->children > 0 && depth > list->found_depth)
            list->found_depth = depth;
        node = token_find(list, node, token);
        if (node == NULL)
            return;
    }
    if (node->filter != NULL)
        found_add(list, node->filter);
}

static bool has_empty_token(struct bytes subject)
{
    bool dot = true;

    for (size_t i = 0; i < subject.size; i++) {
        bool was_dot = dot;

        dot = subject.at[i] == '.';
        if (dot && was_dot)
            return true;
    }
    return dot;
}

static void find_filters(struct sublist *list, struct bytes subject)
{
    struct filter *filter;

    list->found_count = 0;
    list->found_depth = 0;
    if (has_empty_token(subject))
        return;
    filter = table_find(&list->filters, subject);
    if (filter != NULL && filter->node == NULL) /* with wildcards the trie finds it */
        found_add(list, filter);
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
    match->sets = grown(match->sets, &match->sets_capacity, sets, sizeof(*match->sets));
    match->groups = grown(match->groups, &match->groups_capacity, groups, sizeof(*match->groups));
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
        for (struct group *group = filter->groups; group != NULL; group = group->next) {
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
        for (struct group *group = list->found[i]->groups; group != NULL; group = group->next) {
            struct match_group *to;

            if (group->queue == NULL)
                continue;
            to = &match->groups[group->queue->group];
            match->sets[to->first + to->count++] = &group->set;
        }
    }
}

static void match_build(struct sublist *list, struct match *match, struct bytes subject)
{
    find_filters(list, subject);
    match_clear(match);
    list->matches++;
    match_count(list, match);
    if (match->group_count > 0)
        match_place(list, match);
    else
        match->sets_count = match->plain_count;
}

static void match_copy(struct match *to, const struct match *from)
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

/* ---- the cache --------------------------------------------------------------------------------
 */

static bool cached_is(const struct sublist *list, const struct match_cached *cached,
                      struct bytes subject)
{
    return cached->generation == list->generation &&
           bytes_equal(bytes_of(cached->subject, cached->subject_size), subject);
}

static void cache_deinit(struct sublist *list)
{
    for (size_t i = 0; i < list->cache_capacity; i++) {
        heap_give(list->cache[i].subject);
        match_deinit(&list->cache[i].match);
    }
    heap_give(list->cache);
    list->last = NULL;
}

static void cache_resize(struct sublist *list, size_t capacity)
{
    cache_deinit(list);
    list->cache = heap_take(capacity * sizeof(*list->cache));
    list->cache_capacity = capacity;
    list->cache_evicted = 0;
}

/* Is this the second time that the subject is looked for and not found? Forgets by overwriting. */
static bool seen_before(struct sublist *list, uint64_t hash)
{
    uint32_t *seen;

    if (list->seen == NULL)
        list->seen = heap_take(SEEN_CAPACITY * sizeof(*list->seen));
    seen = &list->seen[(hash >> 32) & (SEEN_CAPACITY - 1)];
    if (*seen == (uint32_t)hash)
        return true;
    *seen = (uint32_t)hash;
    return false;
}

static const struct match *cache_add(struct sublist *list, struct bytes subject, uint64_t hash)
{
    struct match_cached *cached;

    if (list->cache_capacity == 0)
        cache_resize(list, CACHE_FIRST);
    if (list->cache_evicted >= list->cache_capacity && list->cache_capacity < SUBLIST_CACHE_MAX)
        cache_resize(list, list->cache_capacity * 2);

    cached = &list->cache[hash & (list->cache_capacity - 1)];
    if (cached->generation == list->generation)
        list->cache_evicted++;
    cached->subject = grown(cached->subject, &cached->subject_capacity, (uint32_t)subject.size, 1);
    memcpy(cached->subject, subject.at, subject.size);
    cached->subject_size = (uint32_t)subject.size;
    cached->generation = list->generation;
    match_copy(&cached->match, &list->scratch);
    list->last = cached;
    return &cached->match;
}

/* ---- stems --------------------------------------------------------------------------------------
 */

static void stems_deinit(struct sublist *list)
{
    for (size_t i = 0; list->stems != NULL && i < STEMS_MAX; i++)
        match_deinit(&list->stems[i].match);
    heap_give(list->stems);
}

static const struct match *stem_find(const struct sublist *list, struct bytes subject)
{
    for (size_t i = 0; list->stems != NULL && i < STEMS_MAX; i++) {
        const struct stem *stem = &list->stems[i];

        if (stem->generation == list->generation && stem_takes(stem, subject))
            return &stem->match;
    }
    return NULL;
}

/* The one that is like it, which is out of date, or else the oldest. */
static struct stem *stem_place(struct sublist *list, const struct stem *like)
{
    if (list->stems == NULL)
        list->stems = heap_take(STEMS_MAX * sizeof(*list->stems));
    for (size_t i = 0; i < STEMS_MAX; i++)
        if (stem_same(&list->stems[i], like))
            return &list->stems[i];
    return &list->stems[list->stem_next++ % STEMS_MAX];
}

/* The result that was just built depends on the first `depth` tokens and on how many there are,
 * unless a filter is literally a subject that begins so. */
static void stem_remember(struct sublist *list, struct bytes subject, uint32_t depth)
{
    struct stem stem, *place;

    if (list->scratch.sets_count == 0 || !stem_cut(&stem, subject, depth) ||
        *head_of(list, subject) > 0)
        return;
    place = stem_place(list, &stem);
    stem.generation = list->generation;
    stem.match = place->match; /* its memory */
    match_copy(&stem.match, &list->scratch);
    *place = stem;
}

const struct match *sublist_match(struct sublist *list, struct bytes subject)
{
    struct match_cached *cached = list->last;
    const struct match *match;
    uint32_t depth;
    uint64_t hash;

    list->asked++;
    if (cached != NULL && cached_is(list, cached, subject))
        return &cached->match;
    match = stem_find(list, subject);
    if (match != NULL)
        return match;
    hash = bytes_hash(subject, list->seed);
    if (list->cache_capacity > 0) {
        cached = &list->cache[hash & (list->cache_capacity - 1)];
        if (cached_is(list, cached, subject)) {
            list->last = cached;
            return &cached->match;
        }
    }
    guard_lock(list);
    match_build(list, &list->scratch, subject);
    depth = list->found_depth;
    guard_unlock(list);
    stem_remember(list, subject, depth);
    if (subject.size == 0 || subject.size > SUBLIST_SUBJECT_MAX ||
        list->scratch.sets_count > SUBLIST_SETS_MAX || !seen_before(list, hash))
        return &list->scratch;
    return cache_add(list, subject, hash);
}

void sublist_look(struct sublist *list, struct bytes subject, struct match *scratch,
                  void (*see)(void *context, const struct match *match), void *context)
{
    assert(list->guard != NULL);
    guard_lock(list);
    match_build(list, scratch, subject);
    list->looks++;
    see(context, scratch);
    guard_unlock(list);
}

bool sublist_look_literal(struct sublist *list, struct bytes subject, struct bytes queue)
{
    bool has;

    assert(list->guard != NULL);
    guard_lock(list);
    has = sublist_has(list, subject, queue);
    guard_unlock(list);
    return has;
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static void filter_destroy(struct sublist *list, struct filter *filter)
{
    while (filter->groups != NULL) {
        struct group *group = filter->groups;

        filter->groups = group->next;
        set_deinit(&group->set);
        heap_give(group);
    }
    if (filter->node != NULL)
        trie_remove(list, filter);
    set_deinit(&filter->plain);
    heap_give(filter);
}

void sublist_deinit(struct sublist *list)
{
    struct filter *filter;
    struct queue_name *queue;

    for (size_t at = 0; (filter = table_next(&list->filters, &at)) != NULL;)
        filter_destroy(list, filter);
    for (size_t at = 0; (queue = table_next(&list->queues, &at)) != NULL;)
        heap_give(queue);
    assert(list->root == NULL);
    table_deinit(&list->filters);
    table_deinit(&list->queues);
    table_deinit(&list->groups);
    heap_give(list->tokens.slots);
    cache_deinit(list);
    stems_deinit(list);
    heap_give(list->seen);
    heap_give(list->found);
    match_deinit(&list->scratch);
}
