/*
 * What the files of an index of subscriptions know of each other: sublist.c what is done to a list,
 * _filter.c its texts and groups, _trie.c those with wildcards, _match.c a result, _cache.c those
 * that are kept.
 */
#ifndef SERVER_ROUTER_SUBLIST_PRIV_H
#define SERVER_ROUTER_SUBLIST_PRIV_H

#include "base/owner.h"
#include "server/router/sublist.h"

/* All subscriptions of one subject text. */
struct filter {
    struct sub_set plain; /* of kind 0 */
    uint32_t groups;      /* the first's id, 0: none */
    uint32_t node;        /* where it ends in the trie; 0: it has no wildcard */
    uint32_t size;
    uint8_t text[];
};

static_assert(offsetof(struct filter, text) == 28, "there may be millions");

/* The subscriptions of one filter, queue name and kind: they are its key in the list. Plain ones of
 * another kind than 0 are here, too, with no queue. */
struct group {
    struct sub_set set;
    struct filter *filter;
    struct queue_name *queue; /* NULL: plain */
    uint32_t weight;          /* of all */
    uint32_t before, next;    /* of the filter's, 0: none */
};

/* A queue's name, shared by its groups under all filters. */
struct queue_name {
    uint32_t id;
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
    uint32_t id;
    uint32_t children; /* literal ones */
    uint32_t size;
    uint8_t token[];
};

void sub_set_add(struct sub_set *set, struct sub *sub);
void sub_set_remove(struct sub_set *set, struct sub *sub);

/* Of another thread's look; nothing without a guard. */
void sublist_lock(const struct sublist *list);
void sublist_unlock(const struct sublist *list);

static inline struct bytes filter_text(const struct filter *filter)
{
    return bytes_of(filter->text, filter->size);
}

static inline struct bytes queue_name_text(const struct queue_name *queue)
{
    return bytes_of(queue->text, queue->size);
}

/* The filter of that text and hash (sublist_text_hash), NULL: none; made if there is none; given
 * back when nothing is in it. */
struct filter *filter_find(const struct sublist *list, struct bytes subject, uint64_t hash);
struct filter *filter_take(struct sublist *list, struct bytes subject, uint64_t hash);
void filter_give(struct sublist *list, struct filter *filter, uint64_t hash);
struct filter *filter_of(const struct sub_set *set);
void filters_deinit(struct sublist *list); /* frees what is not in the slab */
/* How many filters without wildcards begin as this text does, by a hash. */
uint32_t *sublist_head(struct sublist *list, struct bytes text);

static inline uint64_t sublist_text_hash(const struct sublist *list, struct bytes text)
{
    return bytes_hash(text, list->seed);
}

/* `name` may be empty: plain. */
struct group *group_find(const struct sublist *list, const struct filter *filter, struct bytes name,
                         uint32_t kind);
struct group *group_take(struct sublist *list, struct filter *filter, struct bytes name,
                         uint32_t kind);
void group_give(struct sublist *list, struct group *group);
struct group *group_of(const struct sub_set *set); /* NULL: it is the filter's own */

static inline struct group *group_at(const struct sublist *list, uint32_t id)
{
    return id != 0 ? slab_at(&list->slab, id) : NULL;
}

void trie_add(struct sublist *list, struct filter *filter);
void trie_remove(struct sublist *list, struct filter *filter);
/* Finds the filters below `node`, which is `depth` tokens deep, that match `rest`. Recursion is as
 * deep as filters have tokens. */
void trie_match(struct sublist *list, const struct token_node *node, struct bytes rest,
                uint32_t depth);

/* What was found for the match that is being built. */
void sublist_found(struct sublist *list, struct filter *filter);
void match_build(struct sublist *list, struct match *match, struct bytes subject, uint64_t hash);
void match_copy(struct match *to, const struct match *from);
/* Room for `count` items of `size` in *at. */
void *match_grown(void *at, uint32_t *capacity, uint32_t count, size_t size);

void sublist_cache_deinit(struct sublist *list);
void sublist_stems_deinit(struct sublist *list);

#endif
