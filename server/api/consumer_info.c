/* consumer_info: ConsumerInfo as JSON (reference consumers 3.1). */

#include "base/text.h"
#include "server/api/request.h"

static void pair(struct json_writer *writer, struct bytes key, uint64_t consumer_seq,
                 uint64_t stream_seq, int64_t active_ns)
{
    json_key(writer, key);
    json_object_begin(writer);
    JSON_KEY(writer, "consumer_seq");
    json_number_u64(writer, consumer_seq);
    JSON_KEY(writer, "stream_seq");
    json_number_u64(writer, stream_seq);
    if (active_ns != TIME_UNSET)
        json_put_time(writer, BYTES("last_active"), active_ns);
    json_object_end(writer);
}

static void config(struct json_writer *writer, struct api_request *request,
                   const struct consumer *consumer, bool dynamic)
{
    struct consumer_config copy = *consumer_config(consumer);

    if (dynamic)
        api_metadata(&copy.metadata, &request->arena);
    JSON_KEY(writer, "config");
    schema_encode(&consumer_config_schema, &copy, writer);
}

/* Of several groups only the first is served, and shown. */
static void groups(struct json_writer *writer, const struct consumer_config *config,
                   const struct consumer_info *info)
{
    if (config->priority_groups.count == 0)
        return;
    JSON_KEY(writer, "priority_groups");
    json_array_begin(writer);
    json_object_begin(writer);
    JSON_KEY(writer, "group");
    json_string(writer, config->priority_groups.at[0]);
    if (info->pin.size > 0) {
        JSON_KEY(writer, "pinned_client_id");
        json_string(writer, info->pin);
    }
    json_put_time(writer, BYTES("pinned_ts"), info->pinned_ns);
    json_object_end(writer);
    json_array_end(writer);
}

void api_consumer_info(struct json_writer *writer, struct api_request *request,
                       struct stream *stream, struct consumer *consumer, bool dynamic)
{
    api_consumer_detail(writer, request, stream, consumer, true, dynamic);
}

void api_consumer_detail(struct json_writer *writer, struct api_request *request,
                         struct stream *stream, struct consumer *consumer, bool configured,
                         bool dynamic)
{
    struct jetstream *jetstream = api_jetstream(request);
    int64_t log_now_ns = jetstream_log_now(jetstream);
    struct consumer_info info;

    consumer_describe(consumer, io_now(server_io(jetstream_server(jetstream))), log_now_ns, &info);
    JSON_KEY(writer, "stream_name");
    json_string(writer, stream_name(stream));
    JSON_KEY(writer, "name");
    json_string(writer, consumer_name(consumer));
    json_put_time(writer, BYTES("created"), info.created_ns);
    if (configured)
        config(writer, request, consumer, dynamic);
    pair(writer, BYTES("delivered"), info.delivered_consumer, info.delivered_stream,
         info.delivered_active_ns);
    pair(writer, BYTES("ack_floor"), info.floor_consumer, info.floor_stream, info.floor_active_ns);
    json_put_u64(writer, BYTES("num_ack_pending"), info.num_ack_pending);
    json_put_u64(writer, BYTES("num_redelivered"), info.num_redelivered);
    json_put_u64(writer, BYTES("num_waiting"), info.num_waiting);
    json_put_u64(writer, BYTES("num_pending"), info.num_pending);
    if (info.push_bound) {
        JSON_KEY(writer, "push_bound");
        json_bool(writer, true);
    }
    if (info.paused) {
        JSON_KEY(writer, "paused");
        json_bool(writer, true);
        json_put_u64(writer, BYTES("pause_remaining"), (uint64_t)info.pause_remaining_ns);
    }
    if (jetstream_clustered(jetstream))
        api_cluster(writer, request, stream, consumer_config(consumer));
    json_put_time(writer, BYTES("ts"), log_now_ns);
    groups(writer, consumer_config(consumer), &info);
}

struct consumer **api_consumers(struct api_request *request, const struct stream *stream,
                                size_t *count)
{
    size_t all_count;
    struct consumer **all = stream_consumers(stream, &request->arena, &all_count);

    *count = 0;
    for (size_t i = 0; i < all_count; i++) {
        if (!consumer_config(all[i])->direct)
            all[(*count)++] = all[i];
    }
    return all;
}
