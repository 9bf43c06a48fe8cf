/*
 * cluster_forged: a node that is linked to the others, and was removed from the cluster, sends them
 * frames that no server sends.
 */
#include "base/bytes.h"
#include "server/jetstream/jetstream_cluster_priv.h"
#include "server/system/system.h"
#include "storage/le.h"
#include "tests/sim/cluster_stage.h"

#define ANSWERED_NS (300 * MILLISECOND)

/* That they were removed is for members to say. */
static void lie(const struct stage *stage, size_t node)
{
    const struct jetstream *liar = nodes_jetstream(stage->nodes, node);

    report_say(stage->report, "n%zu says to all that they were removed", node + 1);
    cluster_tell_all(liar->cluster, JETSTREAM_EXPELLED, bytes_of(NULL, 0));
    stage_pass(stage, ANSWERED_NS);
    for (size_t i = 0; i < stage->nodes->count; i++) {
        const struct jetstream *jetstream = nodes_jetstream(stage->nodes, i);

        if (i != node && jetstream != NULL && jetstream->cluster->left)
            report_violate(stage->report, "n%zu believes n%zu that it was removed", i + 1,
                           node + 1);
    }
}

static void count(void *owner, const struct message *message)
{
    (void)message;
    ++*(unsigned *)owner;
}

/* Where each server publishes its answer; NULL: none is there. */
struct ear {
    struct jetstream *jetstream;
    struct sink *sink;
    unsigned heard;
};

static void listen(const struct stage *stage, struct ear *ear, size_t node, struct bytes subject)
{
    struct router *router;

    *ear = (struct ear){.jetstream = nodes_jetstream(stage->nodes, node)};
    if (ear->jetstream == NULL)
        return;
    router = server_router(ear->jetstream->server);
    ear->sink = router_sink_add(router, router_account(router, BYTES("$SYS")), subject,
                                bytes_of(NULL, 0), count, &ear->heard);
}

static unsigned listened(const struct stage *stage, struct ear *ear, size_t node)
{
    if (ear->sink != NULL && nodes_jetstream(stage->nodes, node) == ear->jetstream)
        router_sink_remove(server_router(ear->jetstream->server), ear->sink);
    return ear->heard;
}

static void send(const struct jetstream *from, struct bytes reply, size_t size)
{
    static uint8_t body[SYSTEM_REQUEST_BODY_MAX + 1];
    struct bytes account = BYTES("$SYS"), subject = BYTES("$SYS.REQ.SERVER.PING");
    uint8_t head[8] = {0};
    struct bytes pieces[] = {bytes_of(head, sizeof head), account, subject, reply,
                             bytes_of(body, size)};
    const struct cluster_node *peer;

    memset(body, ' ', sizeof body);
    le_put_u16(head, (uint16_t)account.size);
    le_put_u16(head + 2, (uint16_t)subject.size);
    le_put_u16(head + 4, (uint16_t)reply.size);
    for (size_t at = 0; (peer = cluster_next(from->cluster->cluster, &at)) != NULL;)
        (void)cluster_send(from->cluster->cluster, peer->id, CLUSTER_SYSTEM, CLUSTER_MESSAGES,
                           pieces, 5);
}

/* How many servers answer a request to all of them with a body of so many bytes. */
static unsigned answers(const struct stage *stage, size_t node, size_t size)
{
    struct bytes reply = BYTES("_INBOX.forged");
    struct ear ears[NODES_MAX];
    unsigned got = 0;

    for (size_t i = 0; i < stage->nodes->count; i++)
        listen(stage, &ears[i], i, reply);
    send(nodes_jetstream(stage->nodes, node), reply, size);
    stage_pass(stage, ANSWERED_NS);
    for (size_t i = 0; i < stage->nodes->count; i++)
        got += listened(stage, &ears[i], i) > 0;
    return got;
}

/* Larger requests of the system account than a server takes from a client are dropped, too. */
static void overstep(const struct stage *stage, size_t node)
{
    unsigned most = answers(stage, node, SYSTEM_REQUEST_BODY_MAX);
    unsigned more = answers(stage, node, SYSTEM_REQUEST_BODY_MAX + 1);

    report_say(stage->report, "n%zu asks all: %u and %u answers", node + 1, most, more);
    if (most != stage->nodes->count - 1)
        report_violate(stage->report, "%u servers answer the largest request", most);
    if (more != 0)
        report_violate(stage->report, "%u servers answer a request that is too large", more);
}

void forged_by(const struct stage *stage, size_t node)
{
    if (nodes_jetstream(stage->nodes, node) == NULL)
        return;
    lie(stage, node);
    if (report_good(stage->report) && nodes_jetstream(stage->nodes, node) != NULL)
        overstep(stage, node);
}
