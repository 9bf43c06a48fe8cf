/* account_api: $JS.API.INFO, and what only clusters or the system account have. */
#include "server/api/account_limits.h"
#include "server/api/request.h"

static void write_limits(struct json_writer *writer, const struct jetstream_limits *limits)
{
    JSON_KEY(writer, "limits");
    json_object_begin(writer);
    json_put_i64(writer, BYTES("max_memory"), limits->memory_max);
    json_put_i64(writer, BYTES("max_storage"), limits->store_max);
    json_put_i64(writer, BYTES("max_streams"), limits->streams_max);
    json_put_i64(writer, BYTES("max_consumers"), limits->consumers_max);
    json_put_i64(writer, BYTES("max_ack_pending"), limits->ack_pending_max);
    json_put_i64(writer, BYTES("memory_max_stream_bytes"), limits->memory_stream_bytes_max);
    json_put_i64(writer, BYTES("storage_max_stream_bytes"), limits->store_stream_bytes_max);
    JSON_KEY(writer, "max_bytes_required");
    json_bool(writer, limits->bytes_required);
    json_object_end(writer);
}

static void write_usage(struct json_writer *writer, const struct account_usage *usage)
{
    json_put_u64(writer, BYTES("memory"), usage->memory);
    json_put_u64(writer, BYTES("storage"), usage->store);
    json_put_u64(writer, BYTES("reserved_memory"), usage->reserved_memory);
    json_put_u64(writer, BYTES("reserved_storage"), usage->reserved_store);
    json_put_u64(writer, BYTES("streams"), usage->streams);
    json_put_u64(writer, BYTES("consumers"), usage->consumers);
}

static void write_tier(struct json_writer *writer, struct bytes name,
                       const struct account_usage *usage, const struct jetstream_limits *limits)
{
    json_key(writer, name);
    json_object_begin(writer);
    write_usage(writer, usage);
    write_limits(writer, limits);
    json_object_end(writer);
}

static const struct jetstream_limits nothing;

/* Those that have limits, and those that have none any more and something in them. */
static void write_tiers(struct json_writer *writer, const struct account *account,
                        const struct account_usages *usages)
{
    const struct account_jetstream_options *options = &account_options(account)->jetstream;

    JSON_KEY(writer, "tiers");
    json_object_begin(writer);
    for (size_t i = 0; i < options->tiers_count; i++) {
        const struct jetstream_tier *tier = &options->tiers[i];

        write_tier(writer, tier->name, &usages->tiers[account_tier_replicas(tier->name)],
                   &tier->limits);
    }
    for (int64_t replicas = 1; replicas <= ACCOUNT_TIERS; replicas++) {
        const struct account_usage *usage = &usages->tiers[replicas];
        char name[] = {'R', (char)('0' + replicas), 0};

        if (account_limits(account, replicas) == NULL &&
            (usage->streams > 0 || usage->consumers > 0))
            write_tier(writer, bytes_of_text(name), usage, &nothing);
    }
    json_object_end(writer);
}

static void run_info(struct api_request *request)
{
    const struct server *server = jetstream_server(api_jetstream(request));
    const char *domain = server_options(server)->jetstream_options.domain;
    bool tiered = account_tiered(request->account);
    struct json_writer *writer;
    struct jetstream_stats stats;
    struct account_usages usages;

    jetstream_stats(api_jetstream(request), &stats);
    jetstream_usage(api_jetstream(request), request->account, bytes_of(NULL, 0), &usages);
    writer = api_answer_begin(request);
    write_usage(writer, &usages.all);
    if (domain != NULL) {
        JSON_KEY(writer, "domain");
        json_string(writer, bytes_of_text(domain));
    }
    write_limits(writer, tiered ? &nothing : account_limits(request->account, 1));
    JSON_KEY(writer, "api");
    json_object_begin(writer);
    json_put_u64(writer, BYTES("level"), JETSTREAM_API_LEVEL);
    json_put_u64(writer, BYTES("total"), stats.api_total);
    json_put_u64(writer, BYTES("errors"), stats.api_errors);
    json_object_end(writer);
    if (tiered)
        write_tiers(writer, request->account, &usages);
    api_answer(request);
}

const struct api_endpoint api_account_endpoints[] = {
    {"INFO", "account_info_response", run_info, NULL},
    {NULL, NULL, NULL, NULL},
};
