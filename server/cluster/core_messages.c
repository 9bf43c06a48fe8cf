/* Messages to and from the other nodes. */
#include "server/cluster/core_priv.h"
#include "server/cluster/core_wire.h"
#include "server/cluster/flaws.h"
#include "server/router/elsewhere.h"
#include "server/router/message_trace.h"

#define HEAD_MAX      512u         /* of a message, beyond what message_size counts */
#define QUEUES_SIZE   (256u << 10) /* of the queue names in one frame */
#define DROPS_TOLD_NS INT64_C(1000000000)

/* ---- hearing --------------------------------------------------------------------------------- */

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

void core_heard_message(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
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

/* ---- sending --------------------------------------------------------------------------------- */

bool core_takes(void *owner, uint8_t slot, size_t size)
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

struct bytes core_name(void *owner, uint8_t slot, uint64_t *connection, bool *traces)
{
    struct core *core = owner;
    const struct cluster_node *node = cluster_node(core->cluster, core->peers[slot].node);

    *connection = cluster_rid(core->cluster, node->id);
    *traces = (node->features & CLUSTER_FEATURE_TRACES) != 0;
    return node->name;
}

bool core_deliver(void *owner, struct account *account, const struct message *message,
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
