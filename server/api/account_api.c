/* account_api: $JS.API.INFO, and what only clusters or the system account have. */
#include "server/api/request.h"

static void limit(struct json_writer *writer, struct bytes key)
{
    json_key(writer, key);
    json_number_i64(writer, -1);
}

static void write_limits(struct json_writer *writer)
{
    JSON_KEY(writer, "limits");
    json_object_begin(writer);
    limit(writer, BYTES("max_memory"));
    limit(writer, BYTES("max_storage"));
    limit(writer, BYTES("max_streams"));
    limit(writer, BYTES("max_consumers"));
    limit(writer, BYTES("max_ack_pending"));
    limit(writer, BYTES("memory_max_stream_bytes"));
    limit(writer, BYTES("storage_max_stream_bytes"));
    JSON_KEY(writer, "max_bytes_required");
    json_bool(writer, false);
    json_object_end(writer);
}

static void number(struct json_writer *writer, struct bytes key, uint64_t value)
{
    json_key(writer, key);
    json_number_u64(writer, value);
}

static uint64_t reserved(struct api_request *request)
{
    size_t count;
    struct catalogue_entry **all =
        jetstream_entries(api_jetstream(request), request->account, &request->arena, &count);
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        if (all[i]->config.max_bytes > 0)
            sum += (uint64_t)all[i]->config.max_bytes;
    }
    return sum;
}

static void run_info(struct api_request *request)
{
    struct json_writer *writer;
    struct jetstream_stats stats;

    jetstream_stats(api_jetstream(request), &stats);
    writer = api_answer_begin(request);
    number(writer, BYTES("memory"), 0);
    number(writer, BYTES("storage"), stats.bytes);
    number(writer, BYTES("reserved_memory"), 0);
    number(writer, BYTES("reserved_storage"), reserved(request));
    number(writer, BYTES("streams"), stats.streams);
    number(writer, BYTES("consumers"), stats.consumers);
    write_limits(writer);
    JSON_KEY(writer, "api");
    json_object_begin(writer);
    number(writer, BYTES("level"), JETSTREAM_API_LEVEL);
    number(writer, BYTES("total"), stats.api_total);
    number(writer, BYTES("errors"), stats.api_errors);
    json_object_end(writer);
    api_answer(request);
}

const struct api_endpoint api_account_endpoints[] = {
    {"INFO", "account_info_response", run_info, NULL},
    {NULL, NULL, NULL, NULL},
};
