/*
 * Who tells whom of whom, so that links to some nodes become links to all. A body:
 *
 *      0  u16  count
 *         for each: u64 node, u16 port, u16 size, the host that it was met at
 *
 * A node that comes up is told of all others and they of it; now and then everybody is told again,
 * which brings together those that gave each other up while they could not reach each other.
 */
#include "base/codec.h"
#include "base/heap.h"
#include "server/cluster/cluster_priv.h"

#define PEERS_SIZE_MAX (2u + CLUSTER_NODES_MAX * (12u + HELLO_TEXT_MAX))

static uint8_t *put_peer(uint8_t *at, const struct cluster_node *node)
{
    at = encode_u64(at, node->id);
    at = encode_u16(at, node->port);
    at = encode_u16(at, (uint16_t)node->host.size);
    return encode_bytes(at, node->host);
}

static void send(const struct peer *to, const uint8_t *body, const uint8_t *end)
{
    struct bytes piece = bytes_of(body, (size_t)(end - body));

    lane_add(to->link->lanes[CLUSTER_CONTROL], LINK_KIND_PEERS, &piece, 1);
}

static void tell_all(const struct cluster *cluster, const struct peer *to)
{
    uint8_t body[PEERS_SIZE_MAX], *at = body + 2;
    uint16_t count = 0;

    for (size_t i = 0; i < cluster->peers_count; i++) {
        const struct peer *peer = cluster->peers[i];

        if (peer == to || peer->link == NULL)
            continue;
        at = put_peer(at, &peer->node);
        count++;
    }
    (void)encode_u16(body, count);
    if (count > 0)
        send(to, body, at);
}

static void tell_one(const struct peer *to, const struct peer *of)
{
    uint8_t body[2 + 12 + HELLO_TEXT_MAX], *at;

    at = encode_u16(body, 1);
    send(to, body, put_peer(at, &of->node));
}

void gossip_up(struct cluster *cluster, const struct peer *peer)
{
    tell_all(cluster, peer);
    for (size_t i = 0; i < cluster->peers_count; i++) {
        const struct peer *other = cluster->peers[i];

        if (other != peer && other->link != NULL)
            tell_one(other, peer);
    }
}

void gossip_beat(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->peers_count; i++)
        if (cluster->peers[i]->link != NULL)
            tell_all(cluster, cluster->peers[i]);
}

static void take_peer(struct cluster *cluster, uint64_t node, uint16_t port, struct bytes host)
{
    struct peer *peer;

    if (node == cluster->self.id || cluster->stopping)
        return;
    peer = cluster_peer_take(cluster, node);
    if (peer == NULL || peer->link != NULL)
        return;
    heap_give(peer->gossip_host);
    peer->gossip_host = heap_text(host);
    peer->node.port = port;
    peer->seen_ns = io_now(cluster->io);
    dial_learnt(cluster, peer);
}

bool gossip_take(struct cluster *cluster, struct bytes body)
{
    struct decoder in;
    size_t count;

    decoder_init(&in, body);
    count = decode_u16(&in);
    for (size_t i = 0; i < count && !in.failed; i++) {
        uint64_t node = decode_u64(&in);
        uint16_t port = decode_u16(&in);
        size_t size = decode_u16(&in);
        struct bytes host = decode_bytes(&in, size);

        if (in.failed || size > HELLO_TEXT_MAX || size == 0 || memchr(host.at, 0, size) != NULL)
            return false;
        take_peer(cluster, node, port, host);
    }
    return !in.failed;
}
