#include "server/api/account_limits.h"

#include "server/router.h"

struct account_jetstream_options account_limits(const struct account *account)
{
    const struct account_options *options = account_options(account);

    if (options != NULL)
        return options->jetstream;
    return (struct account_jetstream_options){
        .memory_max = -1,
        .store_max = -1,
        .streams_max = -1,
        .consumers_max = -1,
        .ack_pending_max = -1,
        .memory_stream_bytes_max = -1,
        .store_stream_bytes_max = -1,
    };
}

static bool over(int64_t most, uint64_t reserved, uint64_t more)
{
    return most >= 0 && (reserved > (uint64_t)most || more > (uint64_t)most - reserved);
}

/* What a stream reserves beyond what it did; one without a limit needs room for a byte. */
static uint64_t reserves(const struct stream_config *config, const struct stream_config *before)
{
    int64_t had = before != NULL && before->max_bytes > 0 ? before->max_bytes : 0;

    if (config->max_bytes <= 0)
        return before == NULL;
    return config->max_bytes > had ? (uint64_t)(config->max_bytes - had) : 0;
}

uint16_t account_check_stream(const struct account_jetstream_options *limits,
                              const struct jetstream_options *server,
                              const struct account_usage *usage, const struct account_usage *all,
                              const struct stream_config *config,
                              const struct stream_config *before)
{
    bool memory = config->storage == STORAGE_MEMORY;
    int64_t bytes_max = memory ? limits->memory_stream_bytes_max : limits->store_stream_bytes_max;
    uint64_t more = reserves(config, before);

    if (limits->bytes_required && config->max_bytes <= 0)
        return 10113;
    if (bytes_max > 0 && config->max_bytes > bytes_max)
        return 10122;
    if (before == NULL && limits->streams_max >= 0 &&
        usage->streams >= (uint64_t)limits->streams_max)
        return 10027;
    if (memory)
        return over(limits->memory_max, usage->reserved_memory, more) ||
                       over(server->memory_max, all->reserved_memory, more)
                   ? 10028
                   : 0;
    return over(limits->store_max, usage->reserved_store, more) ||
                   over(server->store_max, all->reserved_store, more)
               ? 10047
               : 0;
}

int64_t account_consumers_max(const struct account_jetstream_options *limits,
                              const struct stream_config *config)
{
    int64_t most = config->max_consumers;

    if (limits->consumers_max > 0 && (most <= 0 || limits->consumers_max < most))
        most = limits->consumers_max;
    return most;
}

int64_t account_ack_pending_max(const struct account *account,
                                const struct jetstream_options *server)
{
    int64_t mine = account_limits(account).ack_pending_max, all = server->ack_pending_max;

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
