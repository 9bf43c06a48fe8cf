/*
 * sublist: the subject index of one account: which subscriptions match a literal subject. Pure
 * memory; it knows neither clients nor sinks, only the `struct sub` that its owner embeds.
 *
 * Subscriptions with the same subject text share a *filter*. A filter without wildcards is found by
 * one look-up of its text; one with wildcards also hangs in a trie of tokens. So the nearly always
 * literal or one-level inbox subjects of request-reply cost a table entry each, and a publish pays
 * for the trie only when there are wildcards at all. There may be millions: a filter of one plain
 * subscription is 28 bytes and its text in a slab, and an id in a table that grows by a page at a
 * time, so that neither an add nor a remove takes longer the more there are.
 *
 * What matches is given as *sets*: the array of a filter's plain subscriptions of one kind, or of
 * the members of one queue group of it, also of one kind. Members of the same queue name under
 * different filters form one group. A member may stand for several (a node with so many members):
 * that is its weight.
 *
 * One thread owns a list. Others may look what it has of a subject when it is guarded: the owner
 * then takes the guard's lock for every change, and for a match that is not cached, and others for
 * their look (sublist_look).
 *
 * Results are cached by literal subject and are good for one generation, which rises with every
 * change; a repeated publish costs one hash look-up, one to the same subject as before not even
 * that. A subject enters the cache when it is seen the second time, so subjects that are used once
 * (inboxes, acks) push nothing out. Cached results are small: they point at sets, however large
 * those are.
 *
 * Of subjects that are used once and whose last tokens nobody subscribes to by name, as acks are,
 * the *stem* is remembered (server/router/sublist_stem.h): the next one that differs only in those
 * tokens has the same result, and costs a comparison and a walk over its dots.
 */
#ifndef SERVER_ROUTER_SUBLIST_H
#define SERVER_ROUTER_SUBLIST_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/idtable.h"
#include "base/slab.h"

struct filter;
struct stem;
struct sublist;
struct sub_set;
struct token_node;

/* Embedded in what subscribes. Stays put while it is in a list. */
struct sub {
    struct sub_set *set; /* NULL: in no list */
    uint32_t place;      /* in the set's array */
    uint32_t kind;       /* the owner's, below SUBLIST_KINDS; the kind 0 costs the least memory */
};

#define SUBLIST_KINDS 8u

/* Of one kind, the plain subscriptions of one filter, or one queue group of it. */
struct sub_set {
    union {
        struct sub *one;   /* while there is room for one */
        struct sub **many; /* owned */
    };
    uint32_t count;
    uint32_t capacity : 28;
    uint32_t kind : 3;
    uint32_t grouped : 1; /* else of the filter itself: plain, of kind 0 */
};

/* Its subscriptions: so many as `count` says, good until it changes. */
static inline struct sub *const *sub_set_subs(const struct sub_set *set)
{
    return set->capacity > 1 ? set->many : &set->one;
}

/* The sets of one queue name. */
struct match_group {
    uint32_t first; /* in match.sets */
    uint32_t count;
    uint32_t members; /* the weights of these sets, at least 1 */
};

struct match {
    struct sub_set **sets; /* none is empty; the plain ones come first */
    struct match_group *groups;
    uint32_t plain_count;
    uint32_t group_count;
    uint32_t sets_count;
    uint32_t sets_capacity;
    uint32_t groups_capacity;
};

struct match_cached {
    uint64_t generation; /* 0: never valid */
    uint8_t *subject;
    uint32_t subject_size;
    uint32_t subject_capacity;
    struct match match;
};

/* Of lists that several threads look at. Outlives them. */
struct sublist_guard {
    pthread_mutex_t lock; /* of all the lists that one thread owns */
};

/* Tells that a set of that kind weighs so much now (what is plain, too), and by how much that
 * changed. From inside the change: of the list only sublist_weights may be asked. */
typedef void sublist_changed_fn(struct sublist *list, uint32_t kind, struct bytes subject,
                                struct bytes queue, uint32_t count, int change);

#define SUBLIST_CHANGES 64u /* that are remembered */
#define SUBLIST_HEADS   32u

struct sublist {
    sublist_changed_fn *changed; /* NULL: nobody wants to know */
    struct slab slab;            /* of all these: */
    struct idtable filters;      /* by text */
    struct idtable queues;       /* names */
    struct idtable groups;       /* other sets by (filter, name, kind) */
    struct idtable tokens;       /* of filters with wildcards, by (node before, token) */
    struct token_node *root;     /* NULL while no filter has a wildcard */
    uint64_t generation;         /* rises with every change; starts at 1 */
    uint64_t
        changes[SUBLIST_CHANGES]; /* by generation: hash of the filter, or 0: it has wildcards */
    uint64_t seed;
    size_t count; /* subscriptions */

    struct match_cached *cache;
    size_t cache_capacity; /* 0 or a power of two, SUBLIST_CACHE_MAX at most */
    size_t cache_evicted;  /* live entries overwritten since it last grew */
    struct match_cached *last;
    uint32_t *seen;                /* hashes of subjects that missed */
    struct stem *stems;            /* NULL: there was none yet */
    size_t stem_next;              /* to be overwritten */
    uint32_t heads[SUBLIST_HEADS]; /* filters without wildcards, by a hash of how they begin */
    struct match scratch;
    struct filter **found; /* while a match is built */
    uint32_t found_count;
    uint32_t found_capacity;
    uint32_t found_depth; /* the last token that was looked at, from 1 */
    uint64_t matches;     /* built so far */
    uint64_t asked;       /* of them, cached ones included */
    uint64_t removes;
    uint64_t looks; /* of others, among the matches */

    struct sublist_guard *guard; /* NULL: no other thread looks */
    _Atomic uint64_t *news;      /* with a guard: raised after every change, of other lists, too */
};

#define SUBLIST_CACHE_MAX   4096u
#define SUBLIST_SUBJECT_MAX 512u /* longer subjects are not cached */
#define SUBLIST_SETS_MAX    64u  /* results of more sets are not cached */

void sublist_init(struct sublist *list, uint64_t seed);
void sublist_deinit(struct sublist *list); /* subscriptions still in it are forgotten */

/* `subject` is valid (subject_valid) and of at most SUBJECT_TOKENS_MAX tokens; both are copied. */
void sublist_add(struct sublist *list, struct sub *sub, struct bytes subject, struct bytes queue);
void sublist_remove(struct sublist *list, struct sub *sub);
/* The same for one that counts as `weight` members of its group. */
void sublist_add_weighted(struct sublist *list, struct sub *sub, struct bytes subject,
                          struct bytes queue, uint32_t weight);
void sublist_remove_weighted(struct sublist *list, struct sub *sub, uint32_t weight);

/* The filter's text and queue name (may be empty) of a sub in a list; good while it is in it. */
struct bytes sub_subject(const struct sub *sub);
struct bytes sub_queue(const struct sub *sub);

/* What matches `subject`; good until the next change or match. A subject with an empty token
 * matches nothing; its wildcard characters are ordinary. */
const struct match *sublist_match(struct sublist *list, struct bytes subject);

/* From any thread, of a guarded list: `see` gets what matches the subject, under the lock, and
 * keeps no pointer into it. */
void sublist_look(struct sublist *list, struct bytes subject, struct match *scratch,
                  void (*see)(void *context, const struct match *match), void *context);
/* Is there a subscription with exactly that text, as sublist_has says? From any thread. */
bool sublist_look_literal(struct sublist *list, struct bytes subject, struct bytes queue);
/* Of a scratch that starts as zeros. */
void match_deinit(struct match *match);

/* How many members a queue group's set stands for. */
uint32_t sub_set_weight(const struct sub_set *set);

/* Walks all sets: for (struct sublist_walk at = {0}; (set = sublist_next(list, &at)) != NULL;)
 * The list must not change meanwhile. */
struct sublist_walk {
    uint64_t at;
    uint32_t group; /* the next of the same filter, 0: none */
};
const struct sub_set *sublist_next(const struct sublist *list, struct sublist_walk *walk);
/* Of a set that has a subscription. */
struct bytes sub_set_subject(const struct sub_set *set);
struct bytes sub_set_queue(const struct sub_set *set);

/* Is there a subscription with exactly this text: a plain one if `queue` is empty, else of that
 * group? */
bool sublist_has(const struct sublist *list, struct bytes subject, struct bytes queue);

/* What the subscriptions with exactly this text weigh, by kind. By the list's own thread. */
void sublist_weights(const struct sublist *list, struct bytes subject, struct bytes queue,
                     uint32_t weights[SUBLIST_KINDS]);
/* The same from any thread, of a guarded list. */
void sublist_look_weights(const struct sublist *list, struct bytes subject, struct bytes queue,
                          uint32_t weights[SUBLIST_KINDS]);

/* What was changed since `generation`: hashes of filters without wildcards, which are those of the
 * one subject that each is. False: there was more than is remembered, or a wildcard among them. */
bool sublist_changes(const struct sublist *list, uint64_t generation,
                     uint64_t hashes[SUBLIST_CHANGES], unsigned *count);
uint64_t sublist_hash(const struct sublist *list, struct bytes subject); /* not 0 */

#endif
