/*
 * jetstream_outsider: a replica that its group has given up while it was away, and that cannot hear
 * of it. Who stands for election is told by whoever leads (docs/raft.md, Membership); a learner,
 * one that is to be a learner and has nothing yet, and one whose log lacks something do not stand.
 *
 * So a node with a replica that is wished elsewhere and hears no leader asks the stream's leader,
 * who says at which index the members are fixed without it, when that is committed. What this node
 * has accepted by an older config nobody counts on any more: who is taken in again begins at
 * nothing. It gives its replica up if its catalogue is whole and current, still wishes it
 * elsewhere, and its log knows no later config, or a committed one without it; it asks again else.
 */
#include "base/codec.h"
#include "server/jetstream/jetstream_cluster_priv.h"

#define LOOKS 5 /* a second apart, without a leader, before it asks */

/* Its replica is wished elsewhere, and nobody leads it as far as is heard here. */
static bool is_outside(const struct jetstream *jetstream, const struct catalogue_entry *entry)
{
    struct raft_member self = groups_self(jetstream->home->groups);
    const struct raft_member *wished = members_find(&entry->wished, self.node);

    jetstream_entry_is_still(jetstream, entry);
    return !entry->removed && entry->moved && entry->stream != NULL &&
           (wished == NULL || !members_equal(*wished, self)) &&
           !replica_led(stream_replica(entry->stream));
}

void outsider_look(struct jetstream_cluster *cluster, struct catalogue_entry *entry)
{
    uint8_t id[8];

    if (!is_outside(cluster->jetstream, entry)) {
        entry->outside_looks = 0;
        return;
    }
    if (++entry->outside_looks < LOOKS)
        return;
    entry->outside_looks = 0;
    (void)encode_u64(id, entry->assigned.id);
    if (entry->leader != 0 && entry->leader != cluster_self_id(cluster))
        cluster_tell(cluster, entry->leader, JETSTREAM_BELONGS, bytes_of(id, sizeof id));
}

void outsider_asked(struct jetstream_cluster *cluster, uint64_t node, struct bytes body)
{
    const struct node_state *state = cluster_node_state(cluster, node);
    struct catalogue_entry *entry;
    uint8_t memory[16];
    struct decoder in;
    uint64_t index;

    decoder_init(&in, body);
    entry = catalogue_find(&cluster->jetstream->catalogue, decode_u64(&in));
    if (in.failed || entry == NULL || entry->removed || entry->stream == NULL ||
        !stream_leads(entry->stream) || state == NULL || !state->heard)
        return;
    index = replica_fixed_without(
        stream_replica(entry->stream),
        (struct raft_member){.node = node, .incarnation = state->incarnation});
    if (index == 0)
        return;
    (void)encode_u64(encode_u64(memory, entry->assigned.id), index);
    cluster_tell(cluster, node, JETSTREAM_OUTSIDE, bytes_of(memory, sizeof memory));
}

/* A state block that it took from the others says so itself, and its index is later. */
static bool is_counted_out(const struct replica *replica, uint64_t index)
{
    return replica_members_index(replica) < index || replica_is_without(replica);
}

void outsider_told(struct jetstream_cluster *cluster, struct bytes body)
{
    struct jetstream *jetstream = cluster->jetstream;
    struct catalogue_entry *entry;
    struct decoder in;
    uint64_t index;

    decoder_init(&in, body);
    entry = catalogue_find(&jetstream->catalogue, decode_u64(&in));
    index = decode_u64(&in);
    if (in.failed || entry == NULL || !is_outside(jetstream, entry) || jetstream->meta == NULL ||
        !replica_current(jetstream->meta) || !is_counted_out(stream_replica(entry->stream), index))
        return;
    entry->leaving = entry->outside = true;
    jetstream_cluster_look(cluster);
}
