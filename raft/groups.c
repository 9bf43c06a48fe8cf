#include "raft/groups_priv.h"

#include "base/heap.h"
#include "raft/sleepers.h"

#define ELECTION_NS 250000000
#define BLOCK_BYTES (64u << 20)

struct groups *groups_create(struct store *store, const struct groups_options *options)
{
    struct groups *groups = HEAP_NEW(struct groups);

    groups->store = store;
    groups->io = store_io(store);
    groups->options = *options;
    if (groups->options.election_ns == 0)
        groups->options.election_ns = ELECTION_NS;
    if (groups->options.heartbeat_ns == 0)
        groups->options.heartbeat_ns = groups->options.election_ns / 10;
    if (groups->options.block_bytes == 0)
        groups->options.block_bytes = BLOCK_BYTES;
    groups->incoming = HEAP_NEW(struct wire_message);
    map64_init(&groups->replicas, options->seed);
    return groups;
}

void groups_destroy(struct groups *groups)
{
    assert(groups->replicas.count == 0);
    for (unsigned i = 0; i < GROUPS_PEERS_MAX; i++) {
        if (groups->peers[i].node != 0)
            mailbag_deinit(&groups->peers[i].mailbag);
    }
    sleepers_deinit(groups);
    map64_deinit(&groups->replicas);
    heap_give(groups->incoming);
    heap_give(groups);
}

struct raft_member groups_self(const struct groups *groups)
{
    return groups->options.self;
}

void groups_join(struct groups *groups, uint64_t id, struct replica *replica)
{
    assert(map64_find(&groups->replicas, id) == NULL);
    map64_put(&groups->replicas, id)->pointer = replica;
}

void groups_leave(struct groups *groups, uint64_t id)
{
    (void)map64_remove(&groups->replicas, id, NULL);
}

/* ---- other nodes ---------------------------------------------------------------------------- */

static struct peer *peer_find(const struct groups *groups, uint64_t node)
{
    for (unsigned i = 0; i < GROUPS_PEERS_MAX; i++) {
        if (groups->peers[i].node == node)
            return (struct peer *)&groups->peers[i];
    }
    return NULL;
}

/* NULL: too many nodes; what goes there is lost. */
static struct peer *peer_of(struct groups *groups, uint64_t node)
{
    struct peer *peer = peer_find(groups, node);

    if (peer == NULL && (peer = peer_find(groups, 0)) != NULL) {
        *peer = (struct peer){.node = node};
        mailbag_init(&peer->mailbag, GROUPS_GATHER_MAX, groups->options.seed);
    }
    return peer;
}

bool groups_node_up(const struct groups *groups, uint64_t node)
{
    const struct peer *peer = peer_find(groups, node);

    return node == groups->options.self.node || (peer != NULL && peer->up);
}

void groups_node(struct groups *groups, uint64_t node, bool up)
{
    struct peer *peer = peer_of(groups, node);
    struct map64_slot *slot;

    if (peer == NULL)
        return;
    peer->up = up;
    mailbag_clear(&peer->mailbag);
    /* A replica may end because of what it is told; the map is then walked on from the same place.
     */
    for (size_t at = 0; (slot = map64_next(&groups->replicas, &at)) != NULL;) {
        if (sleepers_of(groups, slot->value.pointer, node))
            sleepers_add(groups, slot->value.pointer);
        else
            replica_node(slot->value.pointer, node, up);
    }
    sleepers_begin(groups);
}

void groups_want(struct groups *groups, uint64_t group)
{
    struct replica *replica = map64_pointer(&groups->replicas, group);

    if (replica != NULL)
        sleepers_want(groups, replica);
}

/* ---- sending -------------------------------------------------------------------------------- */

static void send_gathered(struct groups *groups, struct peer *peer)
{
    const struct transport *transport = groups->options.transport;
    struct bytes frame = buf_bytes(&peer->mailbag.messages);

    if (frame.size == 0)
        return;
    (void)transport->send(transport->owner, peer->node, TRANSPORT_CONTROL, &frame, 1);
    mailbag_clear(&peer->mailbag);
}

void groups_post(struct groups *groups, uint64_t group, const struct raft_message *message)
{
    struct peer *peer = peer_of(groups, message->to.node);
    uint8_t *at;

    assert(message->entry_count == 0);
    if (groups->options.transport == NULL || peer == NULL || !peer->up)
        return;
    at = mailbag_reserve(&peer->mailbag);
    if (at == NULL) {
        send_gathered(groups, peer);
        at = mailbag_reserve(&peer->mailbag);
    }
    wire_write(at, group, message, 0, 0);
    mailbag_commit(&peer->mailbag);
}

static bool is_backed_up(const struct groups *groups, const struct peer *peer)
{
    const struct transport *transport = groups->options.transport;

    return transport->waiting != NULL &&
           transport->waiting(transport->owner, peer->node) > MAILBAG_AHEAD;
}

void groups_flush(struct groups *groups)
{
    if (groups->options.transport == NULL)
        return;
    for (unsigned i = 0; i < GROUPS_PEERS_MAX; i++) {
        struct peer *peer = &groups->peers[i];

        if (peer->node == 0 || peer->mailbag.messages.size == 0)
            continue;
        if (is_backed_up(groups, peer))
            mailbag_hold(&peer->mailbag);
        else
            send_gathered(groups, peer);
    }
}

/* ---- receiving ------------------------------------------------------------------------------ */

void groups_received(struct groups *groups, uint64_t node, struct bytes frame)
{
    struct wire_message *in = groups->incoming;

    while (frame.size > 0) {
        struct replica *replica;

        if (wire_take(&frame, in) != OK) {
            if (groups->options.report != NULL)
                groups->options.report(groups->options.report_context,
                                       "a frame from another node is not well formed: dropped");
            return;
        }
        in->message.from.node = node;
        in->message.to.node = groups->options.self.node;
        replica = map64_pointer(&groups->replicas, in->group);
        /* Meant for an earlier life of this disk, or for a replica that is not open (yet). */
        if (replica == NULL || in->message.to.incarnation != groups->options.self.incarnation)
            continue;
        sleepers_want(groups, replica); /* another one has been told */
        if (in->catch != 0)
            replica_catch_step(replica, in);
        else
            replica_step(replica, in);
    }
}
