#include "server/api/account_limits.h"

#include "server/router/router.h"

static const struct jetstream_limits unlimited = {
    .memory_max = -1,
    .store_max = -1,
    .streams_max = -1,
    .consumers_max = -1,
    .ack_pending_max = -1,
    .memory_stream_bytes_max = -1,
    .store_stream_bytes_max = -1,
};

bool account_tiered(const struct account *account)
{
    const struct account_options *options = account_options(account);

    return options != NULL && options->jetstream.tiers_count > 0;
}

int64_t account_tier_replicas(struct bytes name)
{
    if (name.size != 2 || name.at[0] != 'R' || name.at[1] < '1' ||
        name.at[1] >= '0' + ACCOUNT_TIERS)
        return 0;
    return name.at[1] - '0';
}

const struct jetstream_limits *account_limits(const struct account *account, int64_t replicas)
{
    const struct account_options *options = account_options(account);

    if (options == NULL)
        return &unlimited;
    if (options->jetstream.tiers_count == 0)
        return &options->jetstream.limits;
    replicas = replicas > 0 ? replicas : 1;
    for (size_t i = 0; i < options->jetstream.tiers_count; i++) {
        if (account_tier_replicas(options->jetstream.tiers[i].name) == replicas)
            return &options->jetstream.tiers[i].limits;
    }
    return NULL;
}

bool account_counted(const struct account *account)
{
    const struct jetstream_limits *limits;

    if (account_tiered(account))
        return true;
    limits = account_limits(account, 1);
    return limits->streams_max > 0 || limits->memory_max >= 0 || limits->store_max >= 0;
}

bool account_stores_counted(const struct account *account)
{
    return account_tiered(account) || account_limits(account, 1)->store_max >= 0;
}

/* ---- streams -------------------------------------------------------------------------------- */

static bool over(int64_t most, uint64_t reserved, uint64_t more)
{
    return most >= 0 && (reserved > (uint64_t)most || more > (uint64_t)most - reserved);
}

static uint64_t positive(int64_t bytes)
{
    return bytes > 0 ? (uint64_t)bytes : 0;
}

/* What a stream reserves beyond what it did; a new one without a limit needs room for a byte. */
static uint64_t reserves(const struct stream_config *config, const struct stream_config *before)
{
    uint64_t now = positive(config->max_bytes), then;

    if (before == NULL)
        return now > 0 ? now : 1;
    then = positive(before->max_bytes);
    return now > then ? now - then : 0;
}

/* That many bytes in each replica. A tier's limits are about one of them. */
static uint64_t booked(bool tiered, int64_t replicas, uint64_t bytes)
{
    uint64_t all;

    if (tiered || replicas <= 1)
        return bytes;
    return __builtin_mul_overflow(bytes, (uint64_t)replicas, &all) ? INT64_MAX : all;
}

/* It is new, or to be counted for more replicas than it was. */
static bool enters(const struct account_demand *demand)
{
    return demand->before == NULL || demand->config->num_replicas > demand->before->num_replicas;
}

/* Of the others, and of what the stream itself is to have; one that enters has something. */
static bool over_account(const struct account_demand *demand, bool memory)
{
    const struct account_usage *others = demand->others;
    int64_t most = memory ? demand->limits->memory_max : demand->limits->store_max;
    uint64_t bytes = positive(demand->config->max_bytes);
    uint64_t reserved = demand->tiered ? (memory ? others->reserved_memory : others->reserved_store)
                                       : (memory ? others->booked_memory : others->booked_store);

    if (enters(demand) && bytes == 0)
        bytes = 1;
    return over(most, reserved, booked(demand->tiered, demand->config->num_replicas, bytes));
}

static bool over_server(const struct account_demand *demand, bool memory)
{
    uint64_t more = reserves(demand->config, demand->before);

    return memory ? over(demand->server->memory_max, demand->all->reserved_memory, more)
                  : over(demand->server->store_max, demand->all->reserved_store, more);
}

uint16_t account_check_stream(const struct account_demand *demand)
{
    const struct jetstream_limits *limits = demand->limits;
    const struct stream_config *config = demand->config;
    bool memory = config->storage == STORAGE_MEMORY;
    int64_t bytes_max;

    if (limits == NULL)
        return 10120;
    bytes_max = memory ? limits->memory_stream_bytes_max : limits->store_stream_bytes_max;
    if (limits->bytes_required && config->max_bytes <= 0)
        return 10113;
    if (bytes_max > 0 && config->max_bytes > bytes_max)
        return 10122;
    if (enters(demand) && limits->streams_max > 0 &&
        demand->others->streams >= (uint64_t)limits->streams_max)
        return 10027;
    if (limits->consumers_max > 0 && config->max_consumers > limits->consumers_max)
        return 10026;
    if (over_account(demand, memory) || over_server(demand, memory))
        return memory ? 10028 : 10047;
    return 0;
}

/* ---- consumers ------------------------------------------------------------------------------ */

int64_t account_consumer_replicas(const struct consumer_config *config,
                                  const struct stream_config *stream)
{
    if (config->num_replicas > 0 && config->num_replicas <= stream->num_replicas)
        return config->num_replicas;
    if (config->num_replicas == 0 && config->durable_name.size == 0 &&
        stream->retention == RETENTION_LIMITS)
        return 1;
    return stream->num_replicas;
}

int64_t account_consumers_max(const struct jetstream_limits *limits,
                              const struct stream_config *config)
{
    int64_t most = config->max_consumers;

    if (limits->consumers_max > 0 && (most <= 0 || limits->consumers_max < most))
        most = limits->consumers_max;
    return most;
}

int64_t account_ack_pending_max(const struct jetstream_limits *limits,
                                const struct jetstream_options *server)
{
    int64_t mine = limits->ack_pending_max, all = server->ack_pending_max;

    if (mine <= 0 || (all > 0 && all < mine))
        mine = all;
    return mine > 0 ? mine : 0;
}

void account_ack_pending_default(int64_t most, const struct stream_config *stream,
                                 struct consumer_config *config)
{
    if (most > 0 && most < CONSUMER_ACK_PENDING_DEFAULT && config->max_ack_pending == 0 &&
        config->ack_policy != ACK_NONE && stream->consumer_limits.max_ack_pending == 0)
        config->max_ack_pending = most;
}
