#include "server/api/advisory.h"

#include <stdio.h>

#include "base/json.h"
#include "base/text.h"
#include "server/api/cluster_info.h"
#include "server/clients/client.h"
#include "server/jetstream/jetstream_core.h"

static void begin(struct stream_lane *lane, struct json_writer *writer, struct buf *body,
                  const char *type)
{
    char id[22];

    json_writer_init(writer, body);
    json_object_begin(writer);
    JSON_KEY(writer, "type");
    json_string(writer, bytes_of_text(type));
    text_base62(lane->prng, id, sizeof id);
    JSON_KEY(writer, "id");
    json_string(writer, bytes_of(id, sizeof id));
    json_put_time(writer, BYTES("timestamp"), stream_lane_log_now(lane));
}

static bool end(struct json_writer *writer)
{
    json_object_end(writer);
    return !writer->failed;
}

static bool subject_of(struct buf *subject, const char *prefix, struct bytes stream,
                       struct bytes consumer)
{
    bool fits = buf_add(subject, bytes_of_text(prefix)) && buf_add(subject, stream);

    if (consumer.size > 0)
        fits = fits && buf_add_byte(subject, '.') && buf_add(subject, consumer);
    return fits;
}

struct kind {
    const char *prefix, *type;
};

static const struct kind kinds[] = {
    [ADVISORY_MAX_DELIVERIES] = {"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.",
                                 "io.nats.jetstream.advisory.v1.max_deliver"},
    [ADVISORY_NAKED] = {"$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.",
                        "io.nats.jetstream.advisory.v1.nak"},
    [ADVISORY_TERMINATED] = {"$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.",
                             "io.nats.jetstream.advisory.v1.terminated"},
    [ADVISORY_ACK_METRIC] = {"$JS.EVENT.METRIC.CONSUMER.ACK.",
                             "io.nats.jetstream.metric.v1.consumer_ack"},
    [ADVISORY_RESUMED] = {"$JS.EVENT.ADVISORY.CONSUMER.PAUSE.",
                          "io.nats.jetstream.advisory.v1.consumer_pause"},
    [ADVISORY_PINNED] = {"$JS.EVENT.ADVISORY.CONSUMER.PINNED.",
                         "io.nats.jetstream.advisory.v1.consumer_group_pinned"},
    [ADVISORY_UNPINNED] = {"$JS.EVENT.ADVISORY.CONSUMER.UNPINNED.",
                           "io.nats.jetstream.advisory.v1.consumer_group_unpinned"},
};

static void pause_members(struct json_writer *writer, bool paused, int64_t until_ns)
{
    JSON_KEY(writer, "paused");
    json_bool(writer, paused);
    json_put_time(writer, BYTES("pause_until"), until_ns);
}

static bool of_group(const struct consumer_advice *advice)
{
    return advice->kind == ADVISORY_PINNED || advice->kind == ADVISORY_UNPINNED;
}

static void message_members(struct json_writer *writer, const struct consumer_advice *advice)
{
    if (advice->kind != ADVISORY_MAX_DELIVERIES)
        json_put_u64(writer, BYTES("consumer_seq"), advice->consumer_seq);
    json_put_u64(writer, BYTES("stream_seq"), advice->stream_seq);
    if (advice->kind == ADVISORY_ACK_METRIC)
        json_put_u64(writer, BYTES("ack_time"), (uint64_t)advice->ack_time_ns);
    json_put_u64(writer, BYTES("deliveries"), advice->deliveries);
    if (advice->kind == ADVISORY_TERMINATED && advice->reason.size > 0)
        json_put_string(writer, BYTES("reason"), advice->reason);
}

static void group_members(struct json_writer *writer, const struct consumer_advice *advice)
{
    json_put_string(writer, BYTES("group"), advice->group);
    if (advice->kind == ADVISORY_PINNED)
        json_put_string(writer, BYTES("pinned_id"), advice->pin);
    else
        json_put_string(writer, BYTES("reason"), advice->reason);
}

bool advisory_of_consumer(struct stream_lane *lane, struct bytes account, struct bytes stream,
                          struct bytes consumer, const struct consumer_advice *advice,
                          struct buf *subject, struct buf *body)
{
    const struct kind *kind = &kinds[advice->kind];
    struct json_writer writer;

    begin(lane, &writer, body, kind->type);
    if (of_group(advice))
        json_put_string(&writer, BYTES("account"), account);
    json_put_string(&writer, BYTES("stream"), stream);
    json_put_string(&writer, BYTES("consumer"), consumer);
    if (advice->kind == ADVISORY_RESUMED)
        pause_members(&writer, false, advice->pause_until_ns);
    else if (of_group(advice))
        group_members(&writer, advice);
    else
        message_members(&writer, advice);
    return end(&writer) && subject_of(subject, kind->prefix, stream, consumer);
}

static const char *event_of(const char *action)
{
    if (strcmp(action, "create") == 0)
        return "CREATED.";
    return strcmp(action, "delete") == 0 ? "DELETED." : "UPDATED.";
}

bool advisory_of_action(struct stream_lane *lane, struct bytes stream, struct bytes consumer,
                        const char *action, struct buf *subject, struct buf *body)
{
    struct json_writer writer;
    bool of_stream = consumer.size == 0;

    begin(lane, &writer, body,
          of_stream ? "io.nats.jetstream.advisory.v1.stream_action"
                    : "io.nats.jetstream.advisory.v1.consumer_action");
    json_put_string(&writer, BYTES("stream"), stream);
    if (!of_stream)
        json_put_string(&writer, BYTES("consumer"), consumer);
    json_put_string(&writer, BYTES("action"), bytes_of_text(action));
    return end(&writer) &&
           buf_add(subject, of_stream ? BYTES("$JS.EVENT.ADVISORY.STREAM.")
                                      : BYTES("$JS.EVENT.ADVISORY.CONSUMER.")) &&
           subject_of(subject, event_of(action), stream, consumer);
}

bool advisory_of_pause(struct stream_lane *lane, struct bytes stream, struct bytes consumer,
                       bool paused, int64_t until_ns, struct buf *subject, struct buf *body)
{
    const struct kind *kind = &kinds[ADVISORY_RESUMED];
    struct json_writer writer;

    begin(lane, &writer, body, kind->type);
    json_put_string(&writer, BYTES("stream"), stream);
    json_put_string(&writer, BYTES("consumer"), consumer);
    pause_members(&writer, paused, until_ns);
    return end(&writer) && subject_of(subject, kind->prefix, stream, consumer);
}

bool advisory_of_leader(struct stream_lane *lane, const struct advisory_leader *told,
                        struct buf *subject, struct buf *body)
{
    static const char *const types[2][2] = {
        {"io.nats.jetstream.advisory.v1.stream_quorum_lost",
         "io.nats.jetstream.advisory.v1.stream_leader_elected"},
        {"io.nats.jetstream.advisory.v1.consumer_quorum_lost",
         "io.nats.jetstream.advisory.v1.consumer_leader_elected"},
    };
    const char *domain =
        server_options(jetstream_server(lane->jetstream))->jetstream_options.domain;
    bool of_consumer = told->consumer.size > 0;
    struct json_writer writer;
    char prefix[64];

    begin(lane, &writer, body, types[of_consumer][told->elected]);
    json_put_string(&writer, BYTES("stream"), told->stream);
    if (of_consumer)
        json_put_string(&writer, BYTES("consumer"), told->consumer);
    if (told->elected)
        json_put_string(&writer, BYTES("leader"),
                        bytes_of_text(server_name(jetstream_server(lane->jetstream))));
    JSON_KEY(&writer, "replicas");
    cluster_info_members(&writer, lane, told->replica);
    if (domain != NULL)
        json_put_string(&writer, BYTES("domain"), bytes_of_text(domain));
    (void)snprintf(prefix, sizeof prefix, "$JS.EVENT.ADVISORY.%s.%s.",
                   of_consumer ? "CONSUMER" : "STREAM",
                   told->elected ? "LEADER_ELECTED" : "QUORUM_LOST");
    return end(&writer) && subject_of(subject, prefix, told->stream, told->consumer);
}

bool advisory_of_server_removed(struct stream_lane *lane, struct bytes name, struct bytes id,
                                struct buf *subject, struct buf *body)
{
    const char *domain =
        server_options(jetstream_server(lane->jetstream))->jetstream_options.domain;
    struct json_writer writer;

    begin(lane, &writer, body, "io.nats.jetstream.advisory.v1.server_removed");
    json_put_string(&writer, BYTES("server"), name);
    json_put_string(&writer, BYTES("server_id"), id);
    json_put_string(&writer, BYTES("cluster"), jetstream_cluster_name(lane->jetstream));
    if (domain != NULL)
        json_put_string(&writer, BYTES("domain"), bytes_of_text(domain));
    return end(&writer) && buf_add(subject, BYTES("$JS.EVENT.ADVISORY.SERVER.REMOVED"));
}

bool advisory_has_majority(const struct stream_lane *lane, const struct replica *replica)
{
    return cluster_info_majority(lane, replica);
}

bool advisory_of_batch(struct stream_lane *lane, struct bytes stream, struct bytes batch,
                       const char *reason, struct buf *subject, struct buf *body)
{
    const char *domain =
        server_options(jetstream_server(lane->jetstream))->jetstream_options.domain;
    struct json_writer writer;

    begin(lane, &writer, body, "io.nats.jetstream.advisory.v1.stream_batch_abandoned");
    json_put_string(&writer, BYTES("stream"), stream);
    if (domain != NULL)
        json_put_string(&writer, BYTES("domain"), bytes_of_text(domain));
    json_put_string(&writer, BYTES("batch"), batch);
    json_put_string(&writer, BYTES("reason"), bytes_of_text(reason));
    return end(&writer) && subject_of(subject, "$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.", stream,
                                      bytes_of(NULL, 0));
}

/* ---- who asked ------------------------------------------------------------------------------- */

bool advisory_client(struct jetstream *jetstream, struct bytes account, const struct client *client,
                     struct buf *out)
{
    struct server *server = jetstream_server(jetstream);
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_object_begin(&writer);
    if (client != NULL) {
        json_put_time(&writer, BYTES("start"), server_wall_of(server, client->start_ns));
        json_put_string(&writer, BYTES("host"), bytes_of_text(client->address));
        json_put_u64(&writer, BYTES("id"), client->id);
    }
    json_put_string(&writer, BYTES("acc"), account);
    if (client != NULL) {
        json_put_given(&writer, BYTES("name"), client_name(client));
        json_put_given(&writer, BYTES("lang"), client_lang(client));
        json_put_given(&writer, BYTES("ver"), client_version(client));
        if (client->rtt_ns > 0)
            json_put_u64(&writer, BYTES("rtt"), (uint64_t)client->rtt_ns);
        json_put_string(&writer, BYTES("server"), bytes_of_text(server_name(server)));
        json_put_string(&writer, BYTES("kind"), BYTES("Client"));
        json_put_string(&writer, BYTES("client_type"), BYTES("nats"));
    }
    return end(&writer);
}

bool advisory_of_request(struct stream_lane *lane, struct bytes client, struct bytes subject,
                         struct bytes request, struct bytes response, struct buf *body)
{
    struct json_writer writer;

    begin(lane, &writer, body, "io.nats.jetstream.advisory.v1.api_audit");
    json_put_string(&writer, BYTES("server"),
                    bytes_of_text(server_name(jetstream_server(lane->jetstream))));
    JSON_KEY(&writer, "client");
    json_raw(&writer, client);
    json_put_string(&writer, BYTES("subject"), subject);
    json_put_given(&writer, BYTES("request"), request);
    json_put_string(&writer, BYTES("response"), response);
    return end(&writer);
}
