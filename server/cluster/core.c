#include "server/cluster/core.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "base/table.h"
#include "server/cluster/core_shards.h"
#include "server/cluster/core_wire.h"
#include "server/cluster/flaws.h"
#include "server/elsewhere.h"
#include "server/message_trace.h"

#define FRAME_SIZE    (64u << 10)  /* of interest, about: larger ones are cut */
#define HEAD_MAX      512u         /* of a message, beyond what message_size counts */
#define QUEUES_SIZE   (256u << 10) /* of the queue names in one frame */
#define INTEREST_MAX  (1u << 24)   /* of one node */
#define DROPS_TOLD_NS INT64_C(1000000000)

static_assert(ROUTER_REMOTES_MAX >= CLUSTER_NODES_MAX, "each node has a slot");

/* What another node has of one subject and queue. */
struct remote_interest {
    struct remote_sub remote; /* in the account's list */
    struct account *account;
    size_t key_size;
    uint8_t key[]; /* account, subject, queue: key_make */
};

/* What changed here and was not told yet. */
struct change {
    struct change *next; /* in the order of the first change */
    struct account *account;
    uint32_t before; /* as the others know it */
    uint32_t now;
    size_t subject_size;
    size_t key_size;
    uint8_t key[];
};

struct core_peer {
    uint64_t node;
    bool used;
    bool jetstream;
    bool told_sinks; /* it asked for them */
    uint8_t slot;
    struct table interest; /* struct remote_interest by key */
    uint64_t dropped;      /* since the log was told */
    int64_t dropped_told_ns;
};

struct core {
    struct cluster *cluster;
    struct router *router;
    struct logger *logger;
    struct io *io;
    struct router_remotes remotes;
    struct cluster_watcher watcher;
    struct core_peer peers[CLUSTER_NODES_MAX];
    size_t peers_count; /* in use */
    size_t sink_peers;  /* of them, told of the sinks */
    uint64_t served_by; /* the node whose sinks were asked for; 0: none */
    struct table changes;
    struct change *changes_first;
    struct change **changes_last;
    struct buf key;                     /* scratch */
    struct buf frame;                   /* of interest, being filled */
    struct buf sinks;                   /* the same, for those who asked for sinks */
    struct buf head;                    /* scratch: of a message */
    struct core_news *news[SHARDS_MAX]; /* of further shards */
    unsigned news_count;
    struct buf noted;     /* scratch */
    struct match scratch; /* of looks at all shards */
    uint64_t seed;
    struct core_stats stats;
};

/* ---- keys -------------------------------------------------------------------------------------
 */

/* Account, size of the subject, subject, queue. In the scratch buffer: good until the next. */
static struct bytes key_make(struct core *core, const struct account *account, struct bytes subject,
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

#define KEY_HEAD (sizeof(struct account *) + sizeof(uint32_t))

static struct bytes interest_key(const void *item)
{
    const struct remote_interest *interest = item;

    return bytes_of(interest->key, interest->key_size);
}

static struct bytes change_key(const void *item)
{
    const struct change *change = item;

    return bytes_of(change->key, change->key_size);
}

/* ---- peers ------------------------------------------------------------------------------------
 */

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

/* ---- telling ----------------------------------------------------------------------------------
 */

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
                                   const struct account *account)
{
    struct telling telling = {core, peer, account};

    core_shards_walk(account, &core->scratch, tell_interest, &telling);
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

    if (!sinks && account->family != NULL) {
        tell_account_of_shards(core, peer, account);
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

static void tell_all(struct core *core, const struct core_peer *peer, bool sinks)
{
    struct account *account;

    for (size_t at = 0; (account = router_account_next(core->router, &at)) != NULL;)
        if (!sinks || !account_is_system(account))
            tell_account(core, peer, account, sinks);
}

/* ---- changes ----------------------------------------------------------------------------------
 */

static void change_add(struct core *core, struct account *account, struct bytes key,
                       size_t subject_size, uint32_t before, uint32_t now)
{
    struct change *change = heap_take(sizeof(*change) + key.size);

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
    struct bytes key = key_make(core, account, subject, queue);
    struct change *change = table_find(&core->changes, key);

    if (change != NULL)
        change->now = now;
    else
        change_add(core, account, key, subject.size, before, now);
}

/* A subscription that comes and goes between two frames is never told, but for those that other
 * shards may have, too. */
static void changed(void *owner, struct account *account, struct bytes subject, struct bytes queue,
                    uint32_t count, int by)
{
    struct core *core = owner;
    uint32_t before = (uint32_t)((int64_t)count - by);

    if (core->peers_count > 0 && told_count(before, queue) != told_count(count, queue))
        change_note(core, account, subject, queue, before, count);
}

/* The system's own are served by each node for itself. */
static void sinks_changed(void *owner, struct account *account, struct bytes subject,
                          uint32_t count, int by)
{
    struct core *core = owner;

    if (core->sink_peers > 0 && !account_is_system(account))
        changed(core, account, subject, CORE_SINKS_QUEUE, count, by);
}

/* Are the clients of all shards to be counted? Sinks are of this one alone. */
static bool is_of_shards(const struct change *change, struct bytes queue)
{
    return change->account->family != NULL && !bytes_equal(queue, CORE_SINKS_QUEUE);
}

static struct interest interest_of(struct core *core, struct change *change)
{
    struct bytes texts = bytes_skip(change_key(change), KEY_HEAD);
    struct interest interest = {
        .subject = bytes_take(texts, change->subject_size),
        .queue = bytes_skip(texts, change->subject_size),
    };

    if (is_of_shards(change, interest.queue))
        change->now =
            core_shards_count(change->account, interest.subject, interest.queue, &core->scratch);
    interest.count = told_count(change->now, interest.queue);
    return interest;
}

static bool is_news(const struct core *core, const struct change *change,
                    const struct interest *interest)
{
    if (interest->queue.size > 0 && change->now == 0 &&
        cluster_flaw(core->cluster, CLUSTER_FLAW_LAST_GONE_UNTOLD))
        return false;
    return is_of_shards(change, interest->queue) ||
           told_count(change->before, interest->queue) != interest->count;
}

static void take_news(struct core *core, struct core_news *news)
{
    struct core_noted noted;
    struct bytes rest;

    core_news_take(news, &core->noted);
    rest = buf_bytes(&core->noted);
    while (core_noted_next(&rest, &noted))
        if (core->peers_count > 0)
            change_note(core, noted.account, noted.subject, noted.queue, 0, 0);
    buf_clear(&core->noted);
}

/* Before anything else leaves on the connections of MESSAGES. */
static void settle(void *owner)
{
    struct core *core = owner;
    struct account *account = NULL;
    struct change *change;

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

/* ---- hearing ----------------------------------------------------------------------------------
 */

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
    struct bytes key = key_make(core, account, heard->subject, heard->queue);
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
    settle(core); /* a change on its way is in what is told now */
    if (peer->told_sinks)
        return;
    peer->told_sinks = true;
    core->sink_peers++;
    tell_all(core, peer, true);
}

/* Takes the sinks' name out of the groups that a message is for. */
static bool take_sinks(struct routed *routed)
{
    for (size_t i = 0; i < routed->queues_count; i++) {
        if (!bytes_equal(routed->queues[i], CORE_SINKS_QUEUE))
            continue;
        routed->queues[i] = routed->queues[--routed->queues_count];
        return true;
    }
    return false;
}

static void publish(struct core *core, struct account *account, const struct message *message,
                    struct routed *routed)
{
    if (take_sinks(routed))
        (void)router_publish_sinks(core->router, account, message);
    if (cluster_flaw(core->cluster, CLUSTER_FLAW_HOP_ON)) {
        (void)router_publish(core->router, account, message);
        return;
    }
    if (cluster_flaw(core->cluster, CLUSTER_FLAW_GROUPS_EVERYWHERE) && routed->queues_count == 0)
        routed->queues[routed->queues_count++] = BYTES("q0");
    (void)router_publish_routed(core->router, account, message, routed->plain, routed->queues,
                                routed->queues_count); /* the sender has counted */
}

/* One that may ask to be traced. */
static void publish_hinted(struct core *core, uint64_t node, struct account *account,
                           struct message *message, struct routed *routed)
{
    const struct trace_peer from = {
        .kind = TRACE_ROUTE,
        .id = cluster_rid(core->cluster, node),
        .name = cluster_node(core->cluster, node)->name,
    };

    if (message_trace_routed(core->router, account, &from, message, &message->trace))
        publish(core, account, message, routed);
    message_trace_end(message->trace);
}

static void heard_message(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    struct core *core = owner;
    struct account *account;
    struct message message;
    struct routed routed;

    (void)class;
    if (!routed_decode(body, &routed)) {
        cluster_drop(core->cluster, node, "a message that cannot be read");
        return;
    }
    if (!routed_sound(&routed)) {
        logger_warn(core->logger, "A message of node %.*s is passed over: its subject is none",
                    BYTES_ARG(cluster_node(core->cluster, node)->name));
        return;
    }
    core->stats.in_messages++;
    core->stats.in_bytes += routed.headers.size + routed.payload.size;
    account = router_account(core->router, routed.account);
    if (account == NULL)
        return;
    message = (struct message){
        .subject = routed.subject,
        .route = routed.route,
        .reply = routed.reply,
        .headers = routed.headers,
        .payload = routed.payload,
    };
    if (message_trace_hinted(account, message.headers))
        publish_hinted(core, node, account, &message, &routed);
    else
        publish(core, account, &message, &routed);
}

/* ---- sending ----------------------------------------------------------------------------------
 */

static bool takes(void *owner, uint8_t slot, size_t size)
{
    struct core *core = owner;

    return cluster_room(core->cluster, core->peers[slot].node, CLUSTER_MESSAGES) >= size + HEAD_MAX;
}

static void dropped(struct core *core, struct core_peer *peer)
{
    const struct cluster_node *node = cluster_node(core->cluster, peer->node);
    int64_t now_ns = io_now(core->io);

    core->stats.dropped++;
    peer->dropped++;
    if (now_ns - peer->dropped_told_ns < DROPS_TOLD_NS && peer->dropped_told_ns != 0)
        return;
    logger_warn(core->logger,
                "Slow Consumer Detected: the route to \"%.*s\" has no room, %llu messages dropped",
                BYTES_ARG(node->name), (unsigned long long)peer->dropped);
    peer->dropped = 0;
    peer->dropped_told_ns = now_ns;
}

static bool send_part(struct core *core, struct core_peer *peer, const struct routed *routed)
{
    struct bytes pieces[3];

    buf_clear(&core->head);
    routed_encode(&core->head, routed);
    pieces[0] = buf_bytes(&core->head);
    pieces[1] = routed->headers;
    pieces[2] = routed->payload;
    if (!cluster_send(core->cluster, peer->node, CLUSTER_MESSAGE, CLUSTER_MESSAGES, pieces, 3)) {
        dropped(core, peer);
        return false;
    }
    core->stats.out_messages++;
    core->stats.out_bytes += routed->headers.size + routed->payload.size;
    return true;
}

/* As many of the queues from that one on as one frame takes; returns how many. */
static size_t take_queues(struct routed *routed, const struct remote_delivery *delivery,
                          size_t from)
{
    size_t size = 0, taken = 0;

    for (size_t i = from; i < delivery->queues_count && taken < CORE_QUEUES_MAX; i++) {
        size += delivery->queues[i].size;
        if (taken > 0 && size > QUEUES_SIZE)
            break;
        routed->queues[taken++] = delivery->queues[i];
    }
    routed->queues_count = taken;
    return taken;
}

static struct bytes name(void *owner, uint8_t slot, uint64_t *connection, bool *traces)
{
    struct core *core = owner;
    const struct cluster_node *node = cluster_node(core->cluster, core->peers[slot].node);

    *connection = cluster_rid(core->cluster, node->id);
    *traces = (node->features & CLUSTER_FEATURE_TRACES) != 0;
    return node->name;
}

static bool deliver(void *owner, struct account *account, const struct message *message,
                    const struct remote_delivery *delivery, size_t *waiting)
{
    struct core *core = owner;
    struct core_peer *peer = &core->peers[delivery->slot];
    struct routed routed;
    size_t done = 0;
    bool sent = true;

    routed.plain = delivery->plain;
    routed.account = account->name;
    routed.subject = message->subject;
    routed.reply = message->reply;
    routed.route = message->route;
    routed.headers = message->headers;
    routed.payload = message->payload;
    do {
        done += take_queues(&routed, delivery, done);
        sent = send_part(core, peer, &routed) && sent;
        routed.plain = false;
    } while (done < delivery->queues_count);
    *waiting = cluster_queued(core->cluster, peer->node, CLUSTER_MESSAGES);
    return sent;
}

/* ---- life -------------------------------------------------------------------------------------
 */

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

    settle(core);
    peer = peer_add(core, node->id);
    peer->jetstream = node->jetstream;
    if (!cluster_flaw(core->cluster, CLUSTER_FLAW_RESYNC_FORGOTTEN))
        tell_all(core, peer, false);
    ask_for_sinks(core);
}

static void forget_changes(struct core *core)
{
    struct change *change;

    while ((change = core->changes_first) != NULL) {
        core->changes_first = change->next;
        table_remove(&core->changes, change_key(change));
        heap_give(change);
    }
    core->changes_last = &core->changes_first;
}

static void node_down(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    struct core *core = owner_of(watcher, struct core, watcher);

    peer_remove(core, peer_of(core, node->id));
    if (core->peers_count == 0)
        forget_changes(core);
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
        .takes = takes,
        .deliver = deliver,
        .name = name,
        .changed = changed,
        .sinks_changed = sinks_changed,
    };
    table_init(&core->changes, change_key, core->seed);
    core->changes_last = &core->changes_first;
    buf_init(&core->key, SIZE_MAX / 2);
    buf_init(&core->frame, SIZE_MAX / 2);
    buf_init(&core->sinks, SIZE_MAX / 2);
    buf_init(&core->head, SIZE_MAX / 2);
    buf_init(&core->noted, SIZE_MAX / 2);
    router_set_remotes(router, &core->remotes);
    cluster_watch(cluster, &core->watcher);
    cluster_subscribe(cluster, CLUSTER_INTEREST, heard_interest, core);
    cluster_subscribe(cluster, CLUSTER_MESSAGE, heard_message, core);
    cluster_subscribe(cluster, CLUSTER_SINKS, heard_sinks_asked, core);
    cluster_set_settle(cluster, settle, core);
    return core;
}

void core_destroy(struct core *core)
{
    router_set_remotes(core->router, NULL);
    cluster_set_settle(core->cluster, NULL, NULL);
    for (size_t i = 0; i < CLUSTER_NODES_MAX; i++)
        if (core->peers[i].used)
            peer_remove(core, &core->peers[i]);
    forget_changes(core);
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
