/*
 * What other nodes are told of the interest here: all of it when one comes up, then what has
 * changed, once a turn and before any message.
 */
#include "base/heap.h"
#include "server/cluster/core_priv.h"
#include "server/cluster/core_shards.h"
#include "server/cluster/core_wire.h"
#include "server/cluster/flaws.h"

#define FRAME_SIZE (64u << 10) /* of interest, about: larger ones are cut */
#define KEY_HEAD   (sizeof(struct account *) + sizeof(uint32_t))

/* What changed here and was not told yet. */
struct core_change {
    struct core_change *next; /* in the order of the first change */
    struct account *account;
    uint32_t before; /* as the others know it */
    uint32_t now;
    size_t subject_size;
    size_t key_size;
    uint8_t key[];
};

/* Interest is state: it is not subject to the bound of messages. */
static void tell(struct core *core, struct buf *frame, const struct core_peer *only)
{
    struct bytes body = buf_bytes(frame);

    if (body.size == 0)
        return;
    for (size_t i = 0; i < CLUSTER_NODES_MAX; i++) {
        const struct core_peer *peer = &core->peers[i];

        if (peer->used && (only == NULL || only == peer) &&
            (frame != &core->sinks || peer->told_sinks))
            cluster_send_state(core->cluster, peer->node, CLUSTER_INTEREST, CLUSTER_MESSAGES, &body,
                               1);
    }
    buf_clear(frame);
}

/* Adds to the frame of that account; what does not fit begins another. */
static void tell_more(struct core *core, const struct core_peer *only,
                      const struct account *account, const struct interest *interest)
{
    bool sinks = bytes_equal(interest->queue, CORE_SINKS_QUEUE);
    struct buf *frame = sinks ? &core->sinks : &core->frame;

    if (frame->size > FRAME_SIZE)
        tell(core, frame, only);
    if (frame->size == 0)
        interest_begin(frame, account->name);
    interest_add(frame, interest);
}

static void tell_rest(struct core *core, const struct core_peer *only)
{
    tell(core, &core->frame, only);
    tell(core, &core->sinks, only);
}

/* Plain subscriptions are there or not, however many; so are sinks. */
static uint32_t told_count(uint32_t count, struct bytes queue)
{
    bool group = queue.size > 0 && !bytes_equal(queue, CORE_SINKS_QUEUE);

    return group || count == 0 ? count : 1;
}

struct telling {
    struct core *core;
    const struct core_peer *peer;
    const struct account *account;
};

static void tell_interest(void *context, const struct interest *found)
{
    const struct telling *telling = context;
    struct interest interest = *found;

    interest.count = told_count(found->count, found->queue);
    tell_more(telling->core, telling->peer, telling->account, &interest);
}

static void tell_account_of_shards(struct core *core, const struct core_peer *peer,
                                   const struct account *account, bool sinks)
{
    struct telling telling = {core, peer, account};

    core_shards_walk(account, sinks, &core->scratch, tell_interest, &telling);
    tell_rest(core, peer);
}

/* How many there are of that set's text; 0: another set that says the same was told. */
static uint32_t count_known(const struct account *account, const struct sub_set *set)
{
    uint32_t weights[SUBLIST_KINDS], count = 0;

    if (account->leaf_subs == 0)
        return set->count;
    sublist_weights(&account->subs, sub_set_subject(set), sub_set_queue(set), weights);
    for (uint32_t kind = 0; kind < SUBLIST_KINDS; kind++) {
        if (!sub_kind_known(kind) || weights[kind] == 0)
            continue;
        if (kind < set->kind)
            return 0;
        count += weights[kind];
    }
    return count;
}

/* The subscriptions of clients, or the sinks. */
static void tell_account(struct core *core, const struct core_peer *peer,
                         const struct account *account, bool sinks)
{
    struct sublist_walk walk = {0};
    const struct sub_set *set;

    if (account->family != NULL) {
        tell_account_of_shards(core, peer, account, sinks);
        return;
    }
    while ((set = sublist_next(&account->subs, &walk)) != NULL) {
        struct interest interest = {.subject = sub_set_subject(set)};

        if (sinks ? set->kind != SUB_SINK : !sub_kind_known(set->kind))
            continue;
        interest.queue = sinks ? CORE_SINKS_QUEUE : sub_set_queue(set);
        interest.count = told_count(sinks ? set->count : count_known(account, set), interest.queue);
        if (interest.count > 0)
            tell_more(core, peer, account, &interest);
    }
    tell_rest(core, peer);
}

void core_tell_all(struct core *core, const struct core_peer *peer, bool sinks)
{
    struct account *account;

    for (size_t at = 0; (account = router_account_next(core->router, &at)) != NULL;)
        if (!sinks || !account_is_system(account))
            tell_account(core, peer, account, sinks);
}

/* ---- changes --------------------------------------------------------------------------------- */

static struct bytes change_key(const void *item)
{
    const struct core_change *change = item;

    return bytes_of(change->key, change->key_size);
}

void core_changes_init(struct core *core)
{
    table_init(&core->changes, change_key, core->seed);
    core->changes_last = &core->changes_first;
}

static void change_add(struct core *core, struct account *account, struct bytes key,
                       size_t subject_size, uint32_t before, uint32_t now)
{
    struct core_change *change = heap_take(sizeof(*change) + key.size);

    change->account = account;
    change->before = before;
    change->now = now;
    change->subject_size = subject_size;
    change->key_size = key.size;
    memcpy(change->key, key.at, key.size);
    table_add(&core->changes, change);
    *core->changes_last = change;
    core->changes_last = &change->next;
}

static void change_note(struct core *core, struct account *account, struct bytes subject,
                        struct bytes queue, uint32_t before, uint32_t now)
{
    struct bytes key = core_key(core, account, subject, queue);
    struct core_change *change = table_find(&core->changes, key);

    if (change != NULL)
        change->now = now;
    else
        change_add(core, account, key, subject.size, before, now);
}

/* A subscription that comes and goes between two frames is never told, but for those that other
 * shards may have, too. */
void core_changed(void *owner, struct account *account, struct bytes subject, struct bytes queue,
                  uint32_t count, int by)
{
    struct core *core = owner;
    uint32_t before = (uint32_t)((int64_t)count - by);

    if (core->peers_count > 0 && told_count(before, queue) != told_count(count, queue))
        change_note(core, account, subject, queue, before, count);
}

/* The system's own are served by each node for itself. */
void core_sinks_changed(void *owner, struct account *account, struct bytes subject, uint32_t count,
                        int by)
{
    struct core *core = owner;

    if (core->sink_peers > 0 && !account_is_system(account))
        core_changed(core, account, subject, CORE_SINKS_QUEUE, count, by);
}

/* Are those of all shards to be counted? */
static bool is_of_shards(const struct core_change *change)
{
    return change->account->family != NULL;
}

static struct interest interest_of(struct core *core, struct core_change *change)
{
    struct bytes texts = bytes_skip(change_key(change), KEY_HEAD);
    struct interest interest = {
        .subject = bytes_take(texts, change->subject_size),
        .queue = bytes_skip(texts, change->subject_size),
    };

    if (is_of_shards(change))
        change->now =
            core_shards_count(change->account, interest.subject, interest.queue, &core->scratch);
    interest.count = told_count(change->now, interest.queue);
    return interest;
}

static bool is_news(const struct core *core, const struct core_change *change,
                    const struct interest *interest)
{
    if (interest->queue.size > 0 && change->now == 0 &&
        cluster_flaw(core->cluster, CLUSTER_FLAW_LAST_GONE_UNTOLD))
        return false;
    return is_of_shards(change) || told_count(change->before, interest->queue) != interest->count;
}

static void take_news(struct core *core, struct core_news *news)
{
    struct core_noted noted;
    struct bytes rest;

    core_news_take(news, &core->noted);
    rest = buf_bytes(&core->noted);
    while (core_noted_next(&rest, &noted))
        if (bytes_equal(noted.queue, CORE_SINKS_QUEUE) ? core->sink_peers > 0
                                                       : core->peers_count > 0)
            change_note(core, noted.account, noted.subject, noted.queue, 0, 0);
    buf_clear(&core->noted);
}

/* Before anything else leaves on the connections of MESSAGES. */
void core_settle(void *owner)
{
    struct core *core = owner;
    struct account *account = NULL;
    struct core_change *change;

    for (unsigned i = 0; i < core->news_count; i++)
        take_news(core, core->news[i]);
    while ((change = core->changes_first) != NULL) {
        struct interest interest = interest_of(core, change);

        if (change->account != account)
            tell_rest(core, NULL);
        account = change->account;
        if (is_news(core, change, &interest))
            tell_more(core, NULL, account, &interest);
        core->changes_first = change->next;
        table_remove(&core->changes, change_key(change));
        heap_give(change);
    }
    core->changes_last = &core->changes_first;
    tell_rest(core, NULL);
}

void core_forget_changes(struct core *core)
{
    struct core_change *change;

    while ((change = core->changes_first) != NULL) {
        core->changes_first = change->next;
        table_remove(&core->changes, change_key(change));
        heap_give(change);
    }
    core->changes_last = &core->changes_first;
}
