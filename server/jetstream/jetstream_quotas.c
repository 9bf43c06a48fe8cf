/*
 * jetstream_quotas: what all streams hold of the shares of their accounts, and of the server's, as
 * sums that streams on several threads add to (server/stream/quota.h).
 *
 * Which limits a stream counts against follows from the catalogue, the options, and whether it is
 * here. Any change of these makes the sums stale; they are counted anew when the next message asks,
 * or before lanes of other shards go on. A stream that others have counts as they last said.
 */
#include "server/api/account_limits.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/shards/server_shards.h"

void jetstream_quotas_stale(struct jetstream *jetstream)
{
    jetstream->quotas.stale = true;
}

bool jetstream_quotas_current(const struct jetstream *jetstream)
{
    return !jetstream->quotas.stale;
}

static const struct jetstream_options *limits_of_server(const struct jetstream *jetstream)
{
    return &server_options(jetstream->server)->jetstream_options;
}

void jetstream_quotas_configured(struct jetstream *jetstream)
{
    const struct jetstream_options *server = limits_of_server(jetstream);
    const struct space *space;
    bool on = server->memory_max >= 0 || server->store_max >= 0;

    for (size_t at = 0; !on && (space = table_next(&jetstream->spaces, &at)) != NULL;)
        on = account_counted(space->account);
    jetstream->quotas.wanted = on;
    jetstream->quotas.stale = true;
}

/* ---- counting anew -------------------------------------------------------------------------- */

static void clear(struct quota_pair *pair)
{
    atomic_store(&pair->memory.taken, 0);
    atomic_store(&pair->store.taken, 0);
}

static void clear_all(struct jetstream *jetstream)
{
    struct space *space;

    clear(&jetstream->quotas.server);
    for (size_t at = 0; (space = table_next(&jetstream->spaces, &at)) != NULL;)
        for (unsigned i = 0; i <= ACCOUNT_TIERS; i++)
            clear(&space->quotas[i]);
}

/* The limit of a tier is about one replica of what is in it. */
static int64_t times(int64_t most, uint64_t replicas)
{
    int64_t all;

    return __builtin_mul_overflow(most, replicas, &all) ? INT64_MAX : all;
}

static struct quota_sum *of_storage(struct quota_pair *pair, bool memory)
{
    return memory ? &pair->memory : &pair->store;
}

static void limit_by_server(struct jetstream *jetstream, bool memory, struct quota *quota)
{
    const struct jetstream_options *server = limits_of_server(jetstream);
    int64_t most = memory ? server->memory_max : server->store_max;

    if (most >= 0)
        quota->server =
            (struct quota_limit){of_storage(&jetstream->quotas.server, memory), most, 1};
}

static void limit_by_account(const struct catalogue_entry *entry, struct space *space, bool memory,
                             struct quota *quota)
{
    bool tiered = account_tiered(space->account);
    int64_t tier = tiered ? jetstream_tier(entry) : 0, most;
    const struct jetstream_limits *limits = account_limits(space->account, tier);
    uint64_t replicas = entry->config.num_replicas > 1 ? (uint64_t)entry->config.num_replicas : 1;

    if (limits == NULL || tier > ACCOUNT_TIERS) {
        quota->refuses = 10120;
        return;
    }
    most = memory ? limits->memory_max : limits->store_max;
    if (most >= 0)
        quota->account = (struct quota_limit){of_storage(&space->quotas[tier], memory),
                                              tiered ? times(most, replicas) : most, replicas};
}

static struct quota quota_of(struct jetstream *jetstream, const struct catalogue_entry *entry)
{
    struct space *space = table_find(&jetstream->spaces, entry->assigned.account);
    bool memory = entry->config.storage == STORAGE_MEMORY;
    struct quota quota = {0};

    if (entry->stream != NULL) /* what others have is not in this server's */
        limit_by_server(jetstream, memory, &quota);
    if (space != NULL)
        limit_by_account(entry, space, memory, &quota);
    return quota;
}

static void count(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct quota quota = {0};

    if (jetstream->quotas.wanted)
        quota = quota_of(jetstream, entry);
    if (entry->stream != NULL) {
        *stream_quota(entry->stream) = quota;
        stream_quota_settle(entry->stream);
    } else if (entry->readable && !entry->removed && !entry->lost) {
        quota_settle(&quota, entry->told.bytes);
    }
}

void jetstream_quotas_count(struct jetstream *jetstream)
{
    bool counted = jetstream->quotas.wanted || jetstream->quotas.counted;

    assert(!jetstream->away || server_shards_still(jetstream->server));
    jetstream->quotas.stale = false;
    jetstream->quotas.counted = jetstream->quotas.wanted;
    if (!counted)
        return;
    clear_all(jetstream);
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next)
        count(jetstream, entry);
}

/* ---- what is published ---------------------------------------------------------------------- */

uint16_t jetstream_admits(struct jetstream *jetstream, struct stream *stream, size_t size)
{
    bool memory = stream_config(stream)->storage == STORAGE_MEMORY;
    struct quota *quota = stream_quota(stream);

    if (!memory && !store_admits(stream_lane_of(stream)->store, size))
        return 10023;
    if (jetstream->quotas.stale)
        jetstream_quotas_count(jetstream);
    if (!quota_counts(quota))
        return 0;
    stream_quota_settle(stream); /* what was taken for one that was not stored after all */
    return quota_take(quota, size);
}
