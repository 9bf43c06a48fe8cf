/* leader_api: STREAM, CONSUMER and META.LEADER.STEPDOWN, STREAM.PEER.REMOVE (reference streams 1.9,
 * consumers 1). A consumer is led where its stream is: to move the one is to move the other. */
#include <stddef.h>
#include <stdio.h>

#include "raft/replica.h"
#include "server/api/api_priv.h"
#include "server/router/router.h"

struct wanted_placement {
    struct bytes cluster;
    struct schema_strings tags;
    struct bytes preferred;
};
struct stepdown_request {
    struct wanted_placement *placement;
};

static const struct schema_field placement_fields[] = {
    {"cluster", SCHEMA_STRING, 0, offsetof(struct wanted_placement, cluster), NULL, NULL, NULL},
    {"tags", SCHEMA_STRINGS, 0, offsetof(struct wanted_placement, tags), NULL, NULL, NULL},
    {"preferred", SCHEMA_STRING, 0, offsetof(struct wanted_placement, preferred), NULL, NULL, NULL},
};
static const struct schema placement_schema = {"Placement", sizeof(struct wanted_placement),
                                               placement_fields, 3, NULL};
static const struct schema_field stepdown_fields[] = {
    {"placement", SCHEMA_OBJECT, 0, offsetof(struct stepdown_request, placement), NULL,
     &placement_schema, NULL},
};
static const struct schema stepdown_schema = {
    "JSApiLeaderStepdownRequest", sizeof(struct stepdown_request), stepdown_fields, 1, NULL};

/* Which member shall lead; false: refused. *node 0: the best placed. */
static bool choose(struct api_request *request, struct replica *replica, struct bytes preferred,
                   uint64_t *node)
{
    struct jetstream *jetstream = api_jetstream(request);

    *node = preferred.size > 0 ? jetstream_node_named(jetstream, preferred) : 0;
    if (preferred.size == 0)
        return true;
    if (*node == groups_self(jetstream_groups(jetstream)).node)
        api_refuse_print(request, 10005, "preferred server \"%.*s\" is already leader",
                         BYTES_ARG(preferred));
    else if (*node == 0 || members_find(replica_members(replica), *node) == NULL)
        api_refuse_print(request, 10005, "preferred server \"%.*s\" not known",
                         BYTES_ARG(preferred));
    else if (!groups_node_up(jetstream_groups(jetstream), *node))
        api_refuse(request, 10005, "no replacement peer connected");
    else
        return true;
    return false;
}

static void step_down(struct api_request *request, struct replica *replica)
{
    struct stepdown_request parsed;
    uint64_t node;

    if (!api_parse_optional(request, &stepdown_schema, false, &parsed))
        return;
    if (!choose(request, replica,
                parsed.placement != NULL ? parsed.placement->preferred : bytes_of(NULL, 0), &node))
        return;
    api_answer_success(request);
    if (replica_members(replica)->count > 1)
        replica_transfer(replica, node);
}

static void run_stream(struct api_request *request)
{
    struct stream *stream;

    if (!jetstream_clustered(api_jetstream(request)))
        api_refuse(request, 10010, NULL);
    else if ((stream = api_stream(request, 3)) != NULL)
        step_down(request, stream_replica(stream));
}

static void run_consumer(struct api_request *request)
{
    struct stream *stream;

    if (!jetstream_clustered(api_jetstream(request)))
        api_refuse(request, 10010, NULL);
    else if ((stream = api_stream(request, 3)) == NULL)
        return;
    else if (stream_consumer(stream, api_token(request, 4)) == NULL)
        api_refuse(request, 10014, NULL);
    else
        step_down(request, stream_replica(stream));
}

/* The system account's alone, and a cluster's: anybody else hears nothing, as from the reference
 * (streams 1.6). */
static void run_meta(struct api_request *request)
{
    struct jetstream *jetstream = api_jetstream(request);

    if (account_is_system(request->account) && jetstream_clustered(jetstream))
        step_down(request, jetstream_meta(jetstream));
    else
        api_request_free(request);
}

/* ---- STREAM.PEER.REMOVE --------------------------------------------------------------------- */

struct peer_request {
    struct bytes peer;
};
static const struct schema_field peer_fields[] = {
    {"peer", SCHEMA_STRING, 0, offsetof(struct peer_request, peer), NULL, NULL, NULL},
};
static const struct schema peer_schema = {"JSApiStreamRemovePeerRequest",
                                          sizeof(struct peer_request), peer_fields, 1, NULL};

static uint16_t peer_check(struct catalogue_op *op, bool *satisfied)
{
    struct api_request *request = op->owner;
    const struct catalogue_entry *entry =
        jetstream_entry(api_jetstream(request), op->account, op->name);

    (void)satisfied;
    if (entry == NULL)
        return 10059;
    return members_find(&entry->wished, op->without) == NULL ? 10040 : 0;
}

static void peer_removed(struct catalogue_op *op, struct catalogue_entry *entry)
{
    struct api_request *request = op->owner;

    (void)entry;
    if (op->error != 0)
        api_refuse(request, op->error, op->error_text);
    else
        api_answer_success(request);
}

static void run_peer_remove(struct api_request *request)
{
    struct jetstream *jetstream = api_jetstream(request);
    struct peer_request parsed;

    if (!jetstream_clustered(jetstream)) {
        api_refuse(request, 10010, NULL);
        return;
    }
    if (!api_parse_optional(request, &peer_schema, true, &parsed))
        return;
    if (parsed.peer.size == 0) {
        api_refuse(request, 10003, NULL);
        return;
    }
    request->catalogue_op = (struct catalogue_op){
        .kind = CATALOGUE_MOVE,
        .account = request->account,
        .name = api_token(request, 3),
        .without = jetstream_node_named(jetstream, parsed.peer),
        .check = peer_check,
        .done = peer_removed,
        .owner = request,
    };
    jetstream_catalogue(jetstream, &request->catalogue_op);
}

const struct api_endpoint api_leader_endpoints[] = {
    {"STREAM.LEADER.STEPDOWN.*", "stream_leader_stepdown_response", run_stream, NULL},
    {"CONSUMER.LEADER.STEPDOWN.*.*", "consumer_leader_stepdown_response", run_consumer, NULL},
    {"META.LEADER.STEPDOWN", "meta_leader_stepdown_response", run_meta, NULL},
    {"STREAM.PEER.REMOVE.*", "stream_remove_peer_response", run_peer_remove, NULL},
    {NULL, NULL, NULL, NULL},
};
