/*
 * jetstream_health: may this server be relied on. A server that is well is counted on: its replicas
 * vote, and will after the next start. So when all are well, any minority of them may go, and
 * whoever restarts one server after the other waits for that.
 */
#include "raft/members.h"
#include "raft/replica.h"
#include "server/jetstream/jetstream_cluster.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/stream/stream.h"

static const char *meta_trouble(struct jetstream *jetstream)
{
    const struct replica *meta = jetstream->meta;

    if (meta == NULL)
        return "JetStream meta layer is not running";
    if (replica_leader(meta).node == 0)
        return "JetStream has not established contact with a meta leader";
    if (!replica_whole(meta) || !replica_mended(meta))
        return "JetStream is still recovering meta layer";
    return replica_current(meta) && (jetstream_taken_in(jetstream) ||
                                     jetstream_flawed(jetstream, JETSTREAM_FLAW_WELL_EARLY))
               ? NULL
               : "JetStream is not current with the meta leader";
}

/* Of a stream that this node shall have a replica of. */
static const char *entry_trouble(const struct jetstream *jetstream,
                                 const struct catalogue_entry *entry)
{
    const struct replica *replica = entry->stream != NULL ? stream_replica(entry->stream) : NULL;

    if (replica == NULL)
        return "group node missing";
    if (replica_leader(replica).node == 0)
        return "group node unhealthy";
    if (!replica_current(replica))
        return "stream catching up";
    return (replica_votes(replica) && replica_mended(replica)) ||
                   jetstream_flawed(jetstream, JETSTREAM_FLAW_WELL_EARLY)
               ? NULL
               : "stream catching up";
}

const char *jetstream_offline_text(enum err err)
{
    return err == ERR_FULL ? "too many open files" : err_text(err);
}

/* Of an account without JetStream they are closed as the operator wishes. */
static bool is_offline(const struct catalogue_entry *entry)
{
    return entry->offline && !entry->removed && entry->offline_for != ERR_ACCESS;
}

bool jetstream_offline_next(const struct jetstream *jetstream, const struct catalogue_entry **at,
                            struct jetstream_trouble *out)
{
    const struct catalogue_entry *entry = *at != NULL ? (*at)->next : jetstream->catalogue.first;

    while (entry != NULL && !is_offline(entry))
        entry = entry->next;
    *at = entry;
    if (entry == NULL)
        return false;
    *out = (struct jetstream_trouble){
        .why = entry->late != NULL ? "it could not be opened yet" : "it could not be opened",
        .reason = jetstream_offline_text(entry->offline_for),
        .account = entry->assigned.account,
        .stream = entry->config.name,
    };
    return true;
}

bool jetstream_trouble(struct jetstream *jetstream, bool meta_only, struct jetstream_trouble *out)
{
    const struct catalogue_entry *at = NULL;
    uint64_t self;

    if (jetstream_offline_next(jetstream, &at, out))
        return true;
    *out = (struct jetstream_trouble){.why = jetstream->unhealthy};
    if (out->why == NULL && jetstream->late.closed > 0)
        out->why = "streams are being opened since the start";
    if (out->why != NULL || !jetstream_clustered(jetstream))
        return out->why != NULL;
    out->why = meta_trouble(jetstream);
    if (out->why != NULL || meta_only)
        return out->why != NULL;
    self = groups_self(jetstream->home->groups).node;
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->removed || members_find(&entry->wished, self) == NULL)
            continue;
        out->why = entry_trouble(jetstream, entry);
        if (out->why == NULL)
            continue;
        out->account = entry->assigned.account;
        out->stream = entry->config.name;
        return true;
    }
    return false;
}
