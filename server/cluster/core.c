#include "server/cluster/core.h"

#include "base/heap.h"
#include "base/owner.h"
#include "server/cluster/core_priv.h"
#include "server/cluster/core_wire.h"
#include "server/cluster/flaws.h"

#define INTEREST_MAX (1u << 24) /* of one node */

static_assert(ROUTER_REMOTES_MAX >= CLUSTER_NODES_MAX, "each node has a slot");

/* What another node has of one subject and queue. */
struct remote_interest {
    struct remote_sub remote; /* in the account's list */
    struct account *account;
    size_t key_size;
    uint8_t key[]; /* account, subject, queue: core_key */
};

/* ---- keys ------------------------------------------------------------------------------------ */

/* Account, size of the subject, subject, queue. In the scratch buffer: good until the next. */
struct bytes core_key(struct core *core, const struct account *account, struct bytes subject,
                      struct bytes queue)
{
    uint32_t size = (uint32_t)subject.size;

    buf_clear(&core->key);
    (void)buf_add(&core->key, bytes_of(&account, sizeof(account))); /* it has no limit */
    (void)buf_add(&core->key, bytes_of(&size, sizeof(size)));
    (void)buf_add(&core->key, subject);
    (void)buf_add(&core->key, queue);
    return buf_bytes(&core->key);
}

static struct bytes interest_key(const void *item)
{
    const struct remote_interest *interest = item;

    return bytes_of(interest->key, interest->key_size);
}

/* ---- peers ----------------------------------------------------------------------------------- */

static const struct core_peer *peer_find(const struct core *core, uint64_t node)
{
    for (size_t i = 0; i < CLUSTER_NODES_MAX; i++)
        if (core->peers[i].used && core->peers[i].node == node)
            return &core->peers[i];
    return NULL;
}

static struct core_peer *peer_of(struct core *core, uint64_t node)
{
    return (struct core_peer *)peer_find(core, node);
}

static struct core_peer *peer_add(struct core *core, uint64_t node)
{
    uint8_t slot = 0;

    while (core->peers[slot].used)
        slot++; /* a link is up with CLUSTER_NODES_MAX at most */
    core->peers[slot] = (struct core_peer){.node = node, .used = true, .slot = slot};
    table_init(&core->peers[slot].interest, interest_key, core->seed);
    core->peers_count++;
    return &core->peers[slot];
}

static void interest_end(struct core *core, struct remote_interest *interest)
{
    sublist_remove_weighted(&interest->account->subs, &interest->remote.sub,
                            interest->remote.weight);
    core->stats.interest--;
    heap_give(interest);
}

static void peer_remove(struct core *core, struct core_peer *peer)
{
    bool keep = cluster_flaw(core->cluster, CLUSTER_FLAW_INTEREST_KEPT);
    struct remote_interest *interest;

    core->sink_peers -= peer->told_sinks;
    if (core->served_by == peer->node)
        core->served_by = 0;
    for (size_t at = 0; !keep && (interest = table_next(&peer->interest, &at)) != NULL;)
        interest_end(core, interest);
    table_deinit(&peer->interest);
    peer->used = false;
    core->peers_count--;
}

/* ---- hearing --------------------------------------------------------------------------------- */

static void interest_begin_here(struct core *core, struct core_peer *peer, struct account *account,
                                struct bytes key, const struct interest *heard)
{
    struct remote_interest *interest = heap_take(sizeof(*interest) + key.size);

    interest->remote.sub.kind = SUB_REMOTE;
    interest->remote.weight = heard->count;
    interest->remote.slot = peer->slot;
    interest->account = account;
    interest->key_size = key.size;
    memcpy(interest->key, key.at, key.size);
    table_add(&peer->interest, interest);
    sublist_add_weighted(&account->subs, &interest->remote.sub, heard->subject, heard->queue,
                         heard->count);
    core->stats.interest++;
}

static void hear(struct core *core, struct core_peer *peer, struct account *account,
                 const struct interest *heard)
{
    struct bytes key = core_key(core, account, heard->subject, heard->queue);
    struct remote_interest *interest = table_find(&peer->interest, key);

    if (interest != NULL && interest->remote.weight == heard->count)
        return;
    if (interest != NULL) {
        table_remove(&peer->interest, key);
        interest_end(core, interest);
    }
    if (heard->count > 0 && peer->interest.count == INTEREST_MAX)
        cluster_drop(core->cluster, peer->node, "more interest than a node can have");
    else if (heard->count > 0)
        interest_begin_here(core, peer, account, key, heard);
}

static void heard_interest(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    struct core *core = owner;
    struct core_peer *peer = peer_of(core, node);
    struct interest interest;
    struct account *account;
    struct decoder in;
    struct bytes name;

    (void)class;
    decoder_init(&in, body);
    if (!interest_read_account(&in, &name)) {
        cluster_drop(core->cluster, node, "interest that cannot be read");
        return;
    }
    account = router_account(core->router, name);
    while (interest_read(&in, &interest))
        if (account != NULL) /* else none of its messages will come from here */
            hear(core, peer, account, &interest);
    if (in.failed)
        cluster_drop(core->cluster, node, "interest that cannot be read");
}

/* From a node without sinks of its own: what its clients send is for those here, too. */
static void heard_sinks_asked(void *owner, uint64_t node, enum cluster_class class,
                              struct bytes body)
{
    struct core *core = owner;
    struct core_peer *peer = peer_of(core, node);

    (void)class;
    (void)body;
    core_settle(core); /* a change on its way is in what is told now */
    if (peer->told_sinks)
        return;
    peer->told_sinks = true;
    core->sink_peers++;
    core_tell_all(core, peer, true);
}

/* ---- life ------------------------------------------------------------------------------------ */

/* One node serves, so that what a client sends keeps its order. */
static void ask_for_sinks(struct core *core)
{
    if (core->served_by != 0 || cluster_self(core->cluster)->jetstream)
        return;
    for (size_t i = 0; i < CLUSTER_NODES_MAX; i++) {
        const struct core_peer *peer = &core->peers[i];

        if (!peer->used || !peer->jetstream)
            continue;
        core->served_by = peer->node;
        cluster_send_state(core->cluster, peer->node, CLUSTER_SINKS, CLUSTER_MESSAGES, NULL, 0);
        return;
    }
}

/* What is waiting to be told goes to the others first: the new one is told what is now, and a
 * change that is taken back afterwards in the same turn would be news to nobody but it. */
static void node_up(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    struct core *core = owner_of(watcher, struct core, watcher);
    struct core_peer *peer;

    core_settle(core);
    peer = peer_add(core, node->id);
    peer->jetstream = node->jetstream;
    if (!cluster_flaw(core->cluster, CLUSTER_FLAW_RESYNC_FORGOTTEN))
        core_tell_all(core, peer, false);
    ask_for_sinks(core);
}

static void node_down(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    struct core *core = owner_of(watcher, struct core, watcher);

    peer_remove(core, peer_of(core, node->id));
    if (core->peers_count == 0)
        core_forget_changes(core);
    ask_for_sinks(core);
}

struct core *core_create(struct cluster *cluster, struct router *router, struct logger *logger,
                         struct io *io)
{
    struct core *core = HEAP_NEW(struct core);

    core->cluster = cluster;
    core->router = router;
    core->logger = logger;
    core->io = io;
    io_random(io, &core->seed, sizeof(core->seed));
    core->watcher = (struct cluster_watcher){.up = node_up, .down = node_down};
    core->remotes = (struct router_remotes){
        .owner = core,
        .takes = core_takes,
        .deliver = core_deliver,
        .name = core_name,
        .changed = core_changed,
        .sinks_changed = core_sinks_changed,
    };
    core_changes_init(core);
    buf_init(&core->key, SIZE_MAX / 2);
    buf_init(&core->frame, SIZE_MAX / 2);
    buf_init(&core->sinks, SIZE_MAX / 2);
    buf_init(&core->head, SIZE_MAX / 2);
    buf_init(&core->noted, SIZE_MAX / 2);
    router_set_remotes(router, &core->remotes);
    cluster_watch(cluster, &core->watcher);
    cluster_subscribe(cluster, CLUSTER_INTEREST, heard_interest, core);
    cluster_subscribe(cluster, CLUSTER_MESSAGE, core_heard_message, core);
    cluster_subscribe(cluster, CLUSTER_SINKS, heard_sinks_asked, core);
    cluster_set_settle(cluster, core_settle, core);
    return core;
}

void core_destroy(struct core *core)
{
    router_set_remotes(core->router, NULL);
    cluster_set_settle(core->cluster, NULL, NULL);
    for (size_t i = 0; i < CLUSTER_NODES_MAX; i++)
        if (core->peers[i].used)
            peer_remove(core, &core->peers[i]);
    core_forget_changes(core);
    table_deinit(&core->changes);
    buf_deinit(&core->key);
    buf_deinit(&core->frame);
    buf_deinit(&core->sinks);
    buf_deinit(&core->head);
    buf_deinit(&core->noted);
    match_deinit(&core->scratch);
    heap_give(core);
}

void core_add_shard(struct core *core, struct core_news *news)
{
    assert(core->news_count < SHARDS_MAX);
    core->news[core->news_count++] = news;
}

void core_forget_shards(struct core *core)
{
    core->news_count = 0;
}

size_t core_interest_count(const struct core *core, uint64_t node)
{
    const struct core_peer *peer = peer_find(core, node);

    return peer != NULL ? peer->interest.count : 0;
}

void core_interest_walk(const struct core *core, uint64_t node,
                        void (*interest)(void *context, const struct core_interest *interest),
                        void *context)
{
    const struct core_peer *peer = peer_find(core, node);
    const struct remote_interest *remote;

    if (peer == NULL)
        return;
    for (size_t at = 0; (remote = table_next(&peer->interest, &at)) != NULL;) {
        const struct core_interest shown = {
            .account = remote->account->name,
            .subject = sub_subject(&remote->remote.sub),
            .queue = sub_queue(&remote->remote.sub),
        };

        interest(context, &shown);
    }
}

void core_stats(const struct core *core, struct core_stats *stats)
{
    *stats = core->stats;
}
