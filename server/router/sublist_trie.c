/*
 * The trie of the filters with wildcards. Literal children of all its nodes are in one table of
 * (parent, token), so that a node costs the same however many it has.
 */
#include "server/router/sublist_priv.h"

static uint32_t token_hash(const struct sublist *list, const struct token_node *parent,
                           struct bytes token)
{
    return (uint32_t)bytes_hash(token, list->seed ^ (uint64_t)(uintptr_t)parent);
}

static struct token_node *token_find(const struct sublist *list, const struct token_node *parent,
                                     struct bytes token)
{
    uint32_t id;

    if (parent->children == 0)
        return NULL;
    for (struct idtable_look look = idtable_look(&list->tokens, token_hash(list, parent, token));
         (id = idtable_like(&look)) != 0;) {
        struct token_node *node = slab_at(&list->slab, id);

        if (node->parent == parent && bytes_equal(bytes_of(node->token, node->size), token))
            return node;
    }
    return NULL;
}

static void token_add(struct sublist *list, struct token_node *node)
{
    struct bytes token = bytes_of(node->token, node->size);

    idtable_add(&list->tokens, token_hash(list, node->parent, token), node->id);
    node->parent->children++;
}

static void token_remove(struct sublist *list, struct token_node *node)
{
    struct bytes token = bytes_of(node->token, node->size);

    idtable_remove(&list->tokens, token_hash(list, node->parent, token), node->id);
    node->parent->children--;
}

static struct token_node *node_create(struct sublist *list, struct token_node *parent,
                                      struct bytes token)
{
    uint32_t id;
    struct token_node *node = slab_take(&list->slab, sizeof(*node) + token.size, &id);

    *node = (struct token_node){.parent = parent, .id = id, .size = (uint32_t)token.size};
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

void trie_add(struct sublist *list, struct filter *filter)
{
    struct bytes rest = filter_text(filter), token;
    struct token_node *node;

    if (list->root == NULL)
        list->root = node_create(list, NULL, bytes_of("", 0));
    node = list->root;
    while (token_next(&rest, &token)) {
        filter->node = node->id;
        if (is_wildcard(token, '>')) {
            assert(node->tail == NULL);
            node->tail = filter;
            return;
        }
        node = child_of(list, node, token);
    }
    assert(node->filter == NULL);
    node->filter = filter;
    filter->node = node->id;
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
        slab_give(&list->slab, node->id);
        node = parent;
    }
}

void trie_remove(struct sublist *list, struct filter *filter)
{
    struct token_node *node = slab_at(&list->slab, filter->node);

    if (node->tail == filter)
        node->tail = NULL;
    else
        node->filter = NULL;
    trie_prune(list, node);
}

void trie_match(struct sublist *list, const struct token_node *node, struct bytes rest,
                uint32_t depth)
{
    struct bytes token;

    while (token_next(&rest, &token)) {
        depth++;
        if (node->tail != NULL)
            sublist_found(list, node->tail);
        if (node->star != NULL)
            trie_match(list, node->star, rest, depth);
        if (node->children > 0 && depth > list->found_depth)
            list->found_depth = depth;
        node = token_find(list, node, token);
        if (node == NULL)
            return;
    }
    if (node->filter != NULL)
        sublist_found(list, node->filter);
}
