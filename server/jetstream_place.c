/*
 * jetstream_place: which nodes hold a stream, and the steps that bring a group there: the metadata
 * leader wishes (catalogue), the stream's leader changes its group's members, one at a time.
 */
#include <stdlib.h>

#include "raft/membership.h"
#include "server/jetstream_cluster_priv.h"

/* ---- choosing
 * ------------------------------------------------------------------------------------------ */

struct candidate {
    struct raft_member member;
    uint32_t streams;
};

static int lighter(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;

    if (left->streams != right->streams)
        return left->streams < right->streams ? -1 : 1;
    return left->member.node < right->member.node ? -1 : left->member.node > right->member.node;
}

static void count_streams(const struct catalogue *catalogue, struct candidate *candidates,
                          uint32_t count)
{
    for (const struct catalogue_entry *entry = catalogue->first; entry != NULL;
         entry = entry->next) {
        for (uint32_t i = 0; i < count && !entry->removed; i++) {
            if (members_find(&entry->wished, candidates[i].member.node) != NULL)
                candidates[i].streams++;
        }
    }
}

static void add(struct raft_config *members, struct raft_member member, int64_t replicas)
{
    if (members->count < (uint64_t)replicas && members_find(members, member.node) == NULL)
        members->at[members->count++] =
            (struct raft_member){.node = member.node, .incarnation = member.incarnation};
}

static void keep_some(struct jetstream_cluster *cluster, const struct catalogue_entry *keep,
                      uint64_t without, int64_t replicas, struct raft_config *members)
{
    const struct raft_config *wished = &keep->wished;
    const struct raft_member *leader = members_find(wished, keep->leader);

    if (leader != NULL && leader->node != without)
        add(members, *leader, replicas);
    for (int up = 1; up >= 0; up--) {
        for (uint32_t i = 0; i < wished->count; i++) {
            if (wished->at[i].node != without &&
                groups_node_up(cluster->jetstream->groups, wished->at[i].node) == (up == 1))
                add(members, wished->at[i], replicas);
        }
    }
}

bool jetstream_cluster_place(struct jetstream_cluster *cluster, const struct catalogue_entry *keep,
                             uint64_t without, int64_t replicas, struct raft_config *members)
{
    const struct raft_config *nodes = replica_members(cluster->jetstream->meta);
    struct candidate candidates[RAFT_MEMBERS_MAX];
    uint32_t count = 0;

    *members = (struct raft_config){0};
    if (replicas < 1 || replicas > RAFT_MEMBERS_MAX)
        return false;
    if (keep != NULL)
        keep_some(cluster, keep, without, replicas, members);
    for (uint32_t i = 0; i < nodes->count; i++) {
        if (nodes->at[i].node != without &&
            groups_node_up(cluster->jetstream->groups, nodes->at[i].node))
            candidates[count++] = (struct candidate){.member = nodes->at[i]};
    }
    count_streams(&cluster->jetstream->catalogue, candidates, count);
    qsort(candidates, count, sizeof candidates[0], lighter);
    for (uint32_t i = 0; i < count; i++)
        add(members, candidates[i].member, replicas);
    return members->count == (uint64_t)replicas;
}

/* ---- bringing it about
 * ------------------------------------------------------------------------------------- */

static void step(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct replica *replica = stream_replica(entry->stream);
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = replica_progress(replica, progress);
    struct raft_config next;
    struct raft_member to;

    switch (membership_next(replica_members(replica), &entry->wished,
                            groups_self(jetstream->groups), progress, count, &next, &to)) {
    case MEMBERSHIP_SETTLED: entry->settled = true; break;
    case MEMBERSHIP_WAITS: break;
    case MEMBERSHIP_CHANGE:
        if (replica_change(replica, &next) == ERR_UNSUPPORTED) {
            logger_error(server_logger(jetstream->server),
                         "Stream '%.*s' gets no more replicas: the beginning of its log is gone, "
                         "which it wrote while its server stood alone",
                         BYTES_ARG(stream_name(entry->stream)));
            entry->settled = true;
        }
        break; /* not now: the next look */
    case MEMBERSHIP_TRANSFER: replica_transfer(replica, to.node); break;
    }
}

/* A wished member whose node has come back with another disk: the metadata leader wishes the new
 * one. */
static bool replaced(struct jetstream_cluster *cluster, const struct catalogue_entry *entry,
                     struct raft_config *members)
{
    bool changed = false;

    *members = entry->wished;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct node_state *state = cluster_node_state(cluster, members->at[i].node);

        if (state != NULL && state->heard && state->incarnation != members->at[i].incarnation) {
            members->at[i].incarnation = state->incarnation;
            changed = true;
        }
    }
    return changed;
}

static void wish(struct jetstream_cluster *cluster)
{
    struct jetstream *jetstream = cluster->jetstream;
    struct catalogue_entry *entry = jetstream->catalogue.first;
    struct raft_config members;

    if (!jetstream->lead || !replica_ready(jetstream->meta) || jetstream->op_current != NULL ||
        replica_applied(jetstream->meta) != replica_proposed(jetstream->meta))
        return;
    for (; entry != NULL; entry = entry->next) {
        if (entry->removed || !replaced(cluster, entry, &members))
            continue;
        if (catalogue_write_members(replica_gather(jetstream->meta), entry->assigned.id, &members))
            (void)replica_propose(jetstream->meta, jetstream_log_now(jetstream), 1);
        return; /* the next one when this is applied */
    }
}

void jetstream_members_turn(struct jetstream_cluster *cluster)
{
    struct jetstream *jetstream = cluster->jetstream;
    struct catalogue_entry *entry = jetstream->catalogue.first;

    wish(cluster);
    jetstream_entries_leave(jetstream);
    for (; entry != NULL; entry = entry->next) {
        if (!entry->removed && !entry->settled && entry->stream != NULL &&
            stream_leads(entry->stream))
            step(jetstream, entry);
    }
}
