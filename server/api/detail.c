#include "server/api/detail.h"

#include "server/api/api_priv.h"
#include "server/jetstream/jetstream_priv.h"

/* Who leads, as far as this node knows: the followers have no more to say. */
static void write_follower(struct json_writer *writer, struct jetstream *jetstream,
                           struct stream *stream)
{
    struct raft_member leader = replica_leader(stream_replica(stream));
    char group[API_GROUP_MAX];

    JSON_KEY(writer, "cluster");
    json_object_begin(writer);
    JSON_KEY(writer, "name");
    json_string(writer, jetstream_cluster_name(jetstream));
    JSON_KEY(writer, "raft_group");
    json_string(writer, api_group_name(group, stream));
    if (leader.node != 0) {
        JSON_KEY(writer, "leader");
        json_string(writer, jetstream_node_name(jetstream, leader.node));
    }
    json_object_end(writer);
}

static void write_consumers(struct json_writer *writer, struct api_request *request,
                            struct stream *stream, const struct api_detail *detail, bool direct)
{
    size_t count, written = 0;
    struct consumer **all = stream_consumers(stream, &request->arena, &count);

    for (size_t i = 0; i < count; i++) {
        if (consumer_config(all[i])->direct != direct)
            continue;
        if (written++ == 0) {
            json_key(writer, direct ? BYTES("direct_consumer_detail") : BYTES("consumer_detail"));
            json_array_begin(writer);
        }
        json_object_begin(writer);
        api_consumer_detail(writer, request, stream, all[i], detail->config, false);
        json_object_end(writer);
    }
    if (written > 0)
        json_array_end(writer);
}

static void write_detail(struct json_writer *writer, struct api_request *request,
                         struct stream *stream, const struct api_detail *detail)
{
    static const struct api_subjects none;
    struct jetstream *jetstream = api_jetstream(request);
    char group[API_GROUP_MAX];

    JSON_KEY(writer, "name");
    json_string(writer, stream_name(stream));
    json_put_time(writer, BYTES("created"), stream_applied(stream)->created_ns);
    if (jetstream_clustered(jetstream) && !stream_leads(stream))
        write_follower(writer, jetstream, stream);
    else
        api_cluster(writer, request, stream, NULL);
    if (detail->config) {
        JSON_KEY(writer, "config");
        schema_encode(&stream_config_schema, stream_config(stream), writer);
    }
    api_stream_state(writer, stream, false, &none);
    if (detail->consumers)
        write_consumers(writer, request, stream, detail, false);
    if (detail->consumers && detail->direct)
        write_consumers(writer, request, stream, detail, true);
    api_origins(writer, stream);
    if (detail->raft && jetstream_clustered(jetstream)) {
        JSON_KEY(writer, "stream_raft_group");
        json_string(writer, api_group_name(group, stream));
    }
}

void api_stream_detail(struct json_writer *writer, struct jetstream *jetstream,
                       struct stream *stream, const struct api_detail *detail)
{
    /* The encoders want to know for whom; nobody is answered by it. */
    struct api_request request = {.api = jetstream->api, .account = stream_account(stream)};

    arena_init(&request.arena, API_ARENA_MAX);
    json_object_begin(writer);
    write_detail(writer, &request, stream, detail);
    json_object_end(writer);
    arena_deinit(&request.arena);
}
