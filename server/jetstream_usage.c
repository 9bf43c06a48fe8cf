/*
 * jetstream_usage: how much of an account's share, and of the server's, its streams take.
 *
 * A stream belongs to the tier of its replicas; should the account have no such tier when a stream
 * is given other replicas, it stays in the one it was in (reference streams 12.1).
 */
#include "server/account.h"
#include "server/api/account_limits.h"
#include "server/jetstream_priv.h"

static bool counts(const struct catalogue_entry *entry)
{
    return entry->readable && !entry->removed && !entry->lost;
}

int64_t jetstream_tier(const struct catalogue_entry *entry)
{
    return entry->tier > 0 ? entry->tier : entry->config.num_replicas;
}

void jetstream_settle_tier(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    const struct account *account =
        router_account(server_router(jetstream->server), entry->assigned.account);

    if (!entry->readable || entry->config.num_replicas > ACCOUNT_TIERS)
        return;
    if (entry->tier == 0 || account == NULL ||
        account_limits(account, entry->config.num_replicas) != NULL)
        entry->tier = (uint8_t)entry->config.num_replicas;
}

/* ---- sums -------------------------------------------------------------------------------------
 */

uint64_t jetstream_lone_consumers(const struct stream *stream)
{
    const struct consumer *consumer;
    uint64_t lone = 0;

    for (size_t at = 0; (consumer = stream_consumer_next(stream, &at)) != NULL;) {
        const struct consumer_config *config = consumer_config(consumer);

        lone += !config->direct && account_consumer_replicas(config, stream_config(stream)) == 1;
    }
    return lone;
}

static struct catalogue_holding taken_by(const struct catalogue_entry *entry)
{
    if (entry->stream == NULL) /* it is not here */
        return entry->told;
    return (struct catalogue_holding){stream_bytes_tail(entry->stream),
                                      stream_consumer_count(entry->stream), 0};
}

static void add_stream(const struct catalogue_entry *entry, const struct catalogue_holding *taken,
                       struct account_usage *usage)
{
    const struct stream_config *config = &entry->config;
    uint64_t replicas = config->num_replicas > 1 ? (uint64_t)config->num_replicas : 1;
    uint64_t reserved = config->max_bytes > 0 ? (uint64_t)config->max_bytes : 0;
    uint64_t booked;

    if (__builtin_mul_overflow(reserved, replicas, &booked))
        booked = INT64_MAX;
    usage->streams++;
    if (config->storage == STORAGE_MEMORY) {
        usage->memory += taken->bytes * replicas;
        usage->reserved_memory += reserved;
        usage->booked_memory += booked;
    } else {
        usage->store += taken->bytes * replicas;
        usage->reserved_store += reserved;
        usage->booked_store += booked;
    }
}

static void add_consumers(const struct catalogue_entry *entry, struct catalogue_holding *taken,
                          struct account_usages *usages)
{
    if (entry->stream != NULL)
        taken->lone = jetstream_lone_consumers(entry->stream);
    usages->all.consumers += taken->consumers;
    usages->tiers[1].consumers += taken->lone;
    usages->tiers[jetstream_tier(entry)].consumers += taken->consumers - taken->lone;
}

/* What is published needs no count of consumers. */
static void sum(const struct jetstream *jetstream, const struct account *account,
                struct bytes except, bool consumers, struct account_usages *usages)
{
    *usages = (struct account_usages){0};
    for (const struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        struct catalogue_holding taken;

        if (!counts(entry) || !bytes_equal(entry->assigned.account, account_name(account)) ||
            (except.size > 0 && bytes_equal(entry->config.name, except)) ||
            jetstream_tier(entry) > ACCOUNT_TIERS)
            continue;
        taken = taken_by(entry);
        add_stream(entry, &taken, &usages->all);
        add_stream(entry, &taken, &usages->tiers[jetstream_tier(entry)]);
        if (consumers)
            add_consumers(entry, &taken, usages);
    }
}

void jetstream_usage(const struct jetstream *jetstream, const struct account *account,
                     struct bytes except, struct account_usages *usages)
{
    sum(jetstream, account, except, true, usages);
}

void jetstream_usage_here(const struct jetstream *jetstream, struct account_usage *usage)
{
    *usage = (struct account_usage){0};
    for (const struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        bool memory = entry->config.storage == STORAGE_MEMORY;
        uint64_t *used = memory ? &usage->memory : &usage->store;
        uint64_t *reserved = memory ? &usage->reserved_memory : &usage->reserved_store;

        if (!counts(entry))
            continue;
        usage->streams++;
        *reserved += entry->config.max_bytes > 0 ? (uint64_t)entry->config.max_bytes : 0;
        if (entry->stream == NULL)
            continue;
        usage->consumers += stream_consumer_count(entry->stream);
        *used += stream_bytes_tail(entry->stream);
    }
}

/* ---- what is published ------------------------------------------------------------------------
 */

static bool fits(uint64_t *used, uint64_t size, int64_t most)
{
    if (most >= 0 && (*used > (uint64_t)most || size > (uint64_t)most - *used))
        return false;
    *used += size;
    return true;
}

/* Looked up once a turn, and only where there is a limit; what the turn adds is counted up. */
static bool fits_server(struct jetstream *jetstream, bool memory, size_t size)
{
    const struct jetstream_options *server = &server_options(jetstream->server)->jetstream_options;
    int64_t now_ns = io_now(server_io(jetstream->server));

    if (server->memory_max < 0 && server->store_max < 0)
        return true;
    if (jetstream->usage_looked_ns != now_ns)
        jetstream_usage_here(jetstream, &jetstream->usage);
    jetstream->usage_looked_ns = now_ns;
    return memory ? fits(&jetstream->usage.memory, size, server->memory_max)
                  : fits(&jetstream->usage.store, size, server->store_max);
}

static struct account_usages *usages_now(struct jetstream *jetstream, const struct account *account)
{
    struct space *space = jetstream_space(jetstream, account);
    int64_t now_ns = io_now(server_io(jetstream->server));

    if (space->usage_looked_ns != now_ns)
        sum(jetstream, account, bytes_of(NULL, 0), false, &space->usages);
    space->usage_looked_ns = now_ns;
    return &space->usages;
}

/* The limit of a tier is about one replica of what is in it. */
static int64_t times(int64_t most, int64_t replicas)
{
    int64_t all;

    if (most < 0)
        return most;
    return __builtin_mul_overflow(most, replicas, &all) ? INT64_MAX : all;
}

static uint16_t admit(struct jetstream *jetstream, const struct stream *stream, bool memory,
                      size_t size)
{
    const struct account *account = stream_account(stream);
    const struct catalogue_entry *entry = NULL;
    int64_t replicas = stream_config(stream)->num_replicas, tier = replicas, most;
    const struct jetstream_limits *limits;
    struct account_usage *usage;

    if (account_tiered(account)) {
        entry = catalogue_find(&jetstream->catalogue, stream_id(stream));
        tier = entry != NULL ? jetstream_tier(entry) : replicas;
    }
    limits = account_limits(account, tier);
    if (limits == NULL)
        return 10120;
    most = memory ? limits->memory_max : limits->store_max;
    if (most < 0)
        return 0;
    usage = entry != NULL ? &usages_now(jetstream, account)->tiers[tier]
                          : &usages_now(jetstream, account)->all;
    if (entry != NULL)
        most = times(most, replicas);
    return fits(memory ? &usage->memory : &usage->store, size * (uint64_t)replicas, most) ? 0
                                                                                          : 10002;
}

uint16_t jetstream_admits(struct jetstream *jetstream, const struct stream *stream, size_t size)
{
    bool memory = stream_config(stream)->storage == STORAGE_MEMORY;

    if (!memory && !store_admits(stream_lane_of(stream)->store, size))
        return 10023;
    if (!fits_server(jetstream, memory, size))
        return 10023;
    return admit(jetstream, stream, memory, size);
}
