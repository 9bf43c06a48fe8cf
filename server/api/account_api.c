/* account_api: $JS.API.INFO, and what only clusters or the system account have. */
#include "server/api/account_limits.h"
#include "server/api/request.h"

static void limit(struct json_writer *writer, struct bytes key, int64_t value)
{
    json_key(writer, key);
    json_number_i64(writer, value);
}

static void write_limits(struct json_writer *writer, const struct account *account)
{
    const struct account_jetstream_options limits = account_limits(account);

    JSON_KEY(writer, "limits");
    json_object_begin(writer);
    limit(writer, BYTES("max_memory"), limits.memory_max);
    limit(writer, BYTES("max_storage"), limits.store_max);
    limit(writer, BYTES("max_streams"), limits.streams_max);
    limit(writer, BYTES("max_consumers"), limits.consumers_max);
    limit(writer, BYTES("max_ack_pending"), limits.ack_pending_max);
    limit(writer, BYTES("memory_max_stream_bytes"), limits.memory_stream_bytes_max);
    limit(writer, BYTES("storage_max_stream_bytes"), limits.store_stream_bytes_max);
    JSON_KEY(writer, "max_bytes_required");
    json_bool(writer, limits.bytes_required);
    json_object_end(writer);
}

static void number(struct json_writer *writer, struct bytes key, uint64_t value)
{
    json_key(writer, key);
    json_number_u64(writer, value);
}

static void run_info(struct api_request *request)
{
    const struct server *server = jetstream_server(api_jetstream(request));
    const char *domain = server_options(server)->jetstream_options.domain;
    struct json_writer *writer;
    struct jetstream_stats stats;
    struct account_usage usage;

    jetstream_stats(api_jetstream(request), &stats);
    jetstream_usage(api_jetstream(request), request->account, &usage);
    writer = api_answer_begin(request);
    number(writer, BYTES("memory"), usage.memory);
    number(writer, BYTES("storage"), usage.store);
    number(writer, BYTES("reserved_memory"), usage.reserved_memory);
    number(writer, BYTES("reserved_storage"), usage.reserved_store);
    number(writer, BYTES("streams"), usage.streams);
    number(writer, BYTES("consumers"), usage.consumers);
    if (domain != NULL) {
        JSON_KEY(writer, "domain");
        json_string(writer, bytes_of_text(domain));
    }
    write_limits(writer, request->account);
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
