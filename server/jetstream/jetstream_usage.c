/*
 * jetstream_usage: how much of an account's share, and of the server's, its streams take, looked up
 * when somebody asks; what is published counts against the sums of jetstream_quotas.c.
 *
 * A stream belongs to the tier of its replicas; should the account have no such tier when a stream
 * is given other replicas, it stays in the one it was in (reference streams 12.1).
 */
#include "server/api/account_limits.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/router/account.h"

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
    jetstream_quotas_stale(jetstream);
}

/* ---- sums ----------------------------------------------------------------------------------- */

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

void jetstream_usage(const struct jetstream *jetstream, const struct account *account,
                     struct bytes except, struct account_usages *usages)
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
        add_consumers(entry, &taken, usages);
    }
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
