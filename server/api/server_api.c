/* server_api: SERVER.REMOVE (reference streams 1.9): a server leaves the cluster for good. */
#include <stddef.h>
#include <stdio.h>

#include "server/api/advisory.h"
#include "server/api/api_priv.h"

struct remove_request {
    struct bytes peer;
    struct bytes peer_id; /* stands before the name */
};
static const struct schema_field remove_fields[] = {
    {"peer", SCHEMA_STRING, 0, offsetof(struct remove_request, peer), NULL, NULL, NULL},
    {"peer_id", SCHEMA_STRING, 0, offsetof(struct remove_request, peer_id), NULL, NULL, NULL},
};
static const struct schema remove_schema = {"JSApiMetaServerRemoveRequest",
                                            sizeof(struct remove_request), remove_fields, 2, NULL};

/* What was asked for stays in the request's memory until it is answered. */
static uint16_t remove_check(struct catalogue_op *op, bool *satisfied)
{
    struct api_request *request = op->owner;

    (void)satisfied;
    return jetstream_may_expel(api_jetstream(request), op->name, op->json, &op->member,
                               op->error_text, sizeof op->error_text);
}

static void tell(struct api_request *request, struct raft_member member)
{
    struct jetstream *jetstream = api_jetstream(request);
    uint8_t subject_at[ADVISORY_SUBJECT_MAX], body_at[ADVISORY_BODY_MAX];
    struct buf subject = {
        .at = subject_at, .capacity = sizeof subject_at, .limit = sizeof subject_at};
    struct buf body = {.at = body_at, .capacity = sizeof body_at, .limit = sizeof body_at};
    struct bytes name = request->catalogue_op.name;
    char peer[9];

    snprintf(peer, sizeof peer, "%08x", (unsigned)member.node);
    if (name.size == 0)
        name = jetstream_node_name(jetstream, member.node);
    if (advisory_of_server_removed(jetstream_home(jetstream), name, bytes_of_text(peer), &subject,
                                   &body))
        jetstream_answer(jetstream, request->account, buf_bytes(&subject), bytes_of(NULL, 0),
                         buf_bytes(&body));
}

static void removed(struct catalogue_op *op, struct catalogue_entry *entry)
{
    struct api_request *request = op->owner;

    (void)entry;
    if (op->error != 0) {
        api_refuse(request, op->error, op->error_text[0] != 0 ? op->error_text : NULL);
        return;
    }
    tell(request, op->member);
    api_answer_success(request);
}

/* The system account's alone, and a cluster's: anybody else hears nothing, as from the reference
 * (streams 1.6). */
static void run_remove(struct api_request *request)
{
    struct jetstream *jetstream = api_jetstream(request);
    struct remove_request parsed;

    if (!account_is_system(request->account) || !jetstream_clustered(jetstream)) {
        api_request_free(request);
        return;
    }
    if (request->body.size == 0) {
        api_refuse(request, 10003, NULL);
        return;
    }
    if (!api_parse(request, &remove_schema, true, &parsed))
        return;
    if (parsed.peer.size == 0 && parsed.peer_id.size == 0) {
        api_refuse(request, 10003, NULL);
        return;
    }
    request->catalogue_op = (struct catalogue_op){
        .kind = CATALOGUE_EXPULSION,
        .account = request->account,
        .name = parsed.peer,
        .json = parsed.peer_id,
        .check = remove_check,
        .done = removed,
        .owner = request,
    };
    jetstream_catalogue(jetstream, &request->catalogue_op);
}

const struct api_endpoint api_server_endpoints[] = {
    {"SERVER.REMOVE", "meta_server_remove_response", run_remove, NULL},
    {NULL, NULL, NULL, NULL},
};
