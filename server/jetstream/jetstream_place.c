/*
 * jetstream_place: which nodes hold a stream, and the steps that bring a group there: the metadata
 * leader wishes (catalogue), the stream's leader changes its group's members, one at a time.
 */
#include <stdlib.h>

#include "raft/membership.h"
#include "server/jetstream/jetstream_cluster_priv.h"
#include "server/jetstream/placement.h"

/* ---- choosing ------------------------------------------------------------------------------- */

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

/* ---- tags ------------------------------------------------------------------------------------ */

size_t place_tags(const struct jetstream *jetstream, uint8_t tags[static NODE_TAGS_SIZE])
{
    const struct text_list *own = &server_options(jetstream->server)->server_tags;
    size_t size = 0;

    for (size_t i = 0; i < own->count; i++) {
        struct bytes tag = own->at[i];

        if (tag.size == 0 || tag.size > UINT8_MAX || size + 1 + tag.size > NODE_TAGS_SIZE)
            continue;
        tags[size++] = (uint8_t)tag.size;
        memcpy(tags + size, tag.at, tag.size);
        size += tag.size;
    }
    return size;
}

/* What another node says is cut where it makes no sense. */
static void unpack(struct bytes packed, struct bytes at[static NODE_TAGS_SIZE / 2],
                   struct schema_strings *tags)
{
    *tags = (struct schema_strings){.at = at};
    while (packed.size > 1 && packed.at[0] > 0 && packed.at[0] < packed.size) {
        size_t size = packed.at[0];

        at[tags->count++] = bytes_of(packed.at + 1, size);
        packed = bytes_skip(packed, 1 + size);
    }
}

/* ---- the choice ------------------------------------------------------------------------------ */

struct choosing {
    struct jetstream_cluster *cluster;
    const struct jetstream_wish *wish;
    struct placement_reasons reasons;
    bool offline; /* a node that might do is down */
};

static bool allowed(struct choosing *choosing, struct raft_member member)
{
    struct jetstream_cluster *cluster = choosing->cluster;
    const uint64_t node = member.node;
    const struct node_state *state = cluster_node_state(cluster, node);
    struct bytes at[NODE_TAGS_SIZE / 2], packed = {0};
    uint8_t own[NODE_TAGS_SIZE];
    struct schema_strings tags;

    if (node == choosing->wish->without || leave_expelled(cluster, member))
        return false;
    if (node == cluster_self_id(cluster))
        packed = bytes_of(own, place_tags(cluster->jetstream, own));
    else if (state != NULL)
        packed = bytes_of(state->tags, state->tags_size);
    unpack(packed, at, &tags);
    return placement_allows(choosing->wish->placement, &tags, &choosing->reasons);
}

static void keep_some(struct choosing *choosing, struct raft_config *members)
{
    const struct jetstream_wish *wish = choosing->wish;
    const struct raft_config *wished = &wish->keep->wished;
    const struct raft_member *leader = members_find(wished, wish->keep->leader);

    if (leader != NULL && allowed(choosing, *leader))
        add(members, *leader, wish->replicas);
    for (int up = 1; up >= 0; up--) {
        for (uint32_t i = 0; i < wished->count; i++) {
            struct groups *groups = choosing->cluster->jetstream->home->groups;

            if (groups_node_up(groups, wished->at[i].node) == (up == 1) &&
                allowed(choosing, wished->at[i]))
                add(members, wished->at[i], wish->replicas);
        }
    }
}

static void choose(struct choosing *choosing, struct raft_config *members)
{
    struct jetstream *jetstream = choosing->cluster->jetstream;
    const struct raft_config *nodes = replica_members(jetstream->meta);
    struct candidate candidates[RAFT_MEMBERS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < nodes->count; i++) {
        if (!groups_node_up(jetstream->home->groups, nodes->at[i].node))
            choosing->offline = true;
        else if (allowed(choosing, nodes->at[i]))
            candidates[count++] = (struct candidate){.member = nodes->at[i]};
    }
    count_streams(&jetstream->catalogue, candidates, count);
    qsort(candidates, count, sizeof candidates[0], lighter);
    for (uint32_t i = 0; i < count; i++)
        add(members, candidates[i].member, choosing->wish->replicas);
}

bool jetstream_cluster_place(struct jetstream_cluster *cluster, const struct jetstream_wish *wish,
                             struct raft_config *members, char *text, size_t text_size)
{
    struct choosing choosing = {.cluster = cluster, .wish = wish};

    *members = (struct raft_config){0};
    if (wish->replicas >= 1 && wish->replicas <= RAFT_MEMBERS_MAX &&
        placement_in_cluster(wish->placement, jetstream_cluster_name(cluster->jetstream))) {
        if (wish->keep != NULL)
            keep_some(&choosing, members);
        choose(&choosing, members);
    }
    if (members->count == (uint64_t)wish->replicas)
        return true;
    placement_refusal(wish->placement, &choosing.reasons, choosing.offline, text, text_size);
    return false;
}

/* ---- bringing it about ---------------------------------------------------------------------- */

static void step(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct replica *replica = stream_replica(entry->stream);
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = replica_progress(replica, progress);
    struct raft_config next;
    struct raft_member to;

    switch (membership_next(replica_members(replica), &entry->wished,
                            groups_self(jetstream->home->groups), progress, count, &next, &to)) {
    case MEMBERSHIP_SETTLED: entry->settled = true; break;
    case MEMBERSHIP_WAITS: break;
    case MEMBERSHIP_CHANGE:
        if (replica_change(replica, &next) == ERR_UNSUPPORTED) {
            logger_error(server_logger(jetstream->server),
                         "Stream '%.*s' gets no more replicas: the beginning of its log is gone",
                         BYTES_ARG(stream_name(entry->stream)));
            entry->settled = true;
        }
        break; /* not now: the next look */
    case MEMBERSHIP_TRANSFER: replica_transfer(replica, to.node); break;
    }
}

/* The disk that a node has now, this one too: the metadata leader may be who has lost its own. 0:
 * it has not been heard of. */
static uint64_t disk_of(struct jetstream_cluster *cluster, uint64_t node)
{
    struct raft_member self = groups_self(cluster->jetstream->home->groups);
    const struct node_state *state = cluster_node_state(cluster, node);

    if (node == self.node)
        return self.incarnation;
    return state != NULL && state->heard ? state->incarnation : 0;
}

bool place_is_here(struct jetstream_cluster *cluster, struct raft_member member)
{
    return groups_node_up(cluster->jetstream->home->groups, member.node) &&
           disk_of(cluster, member.node) == member.incarnation;
}

/* A wished member whose node has come back with another disk: the metadata leader wishes the new
 * one. */
static bool replaced(struct jetstream_cluster *cluster, const struct catalogue_entry *entry,
                     struct raft_config *members)
{
    bool changed = false;

    *members = entry->wished;
    for (uint32_t i = 0; i < members->count; i++) {
        uint64_t disk = disk_of(cluster, members->at[i].node);

        if (disk != 0 && disk != members->at[i].incarnation) {
            members->at[i].incarnation = disk;
            changed = true;
        }
    }
    return changed;
}

#define WISHES_MAX 16u /* at a time: each is placed without regard to the others */

static void wish(struct jetstream_cluster *cluster)
{
    struct jetstream *jetstream = cluster->jetstream;
    struct catalogue_entry *entry = jetstream->catalogue.first;
    struct raft_config members;
    uint32_t records = 0;

    if (!jetstream->lead || !replica_ready(jetstream->meta) || jetstream->op_current != NULL ||
        replica_applied(jetstream->meta) != replica_proposed(jetstream->meta))
        return;
    for (; entry != NULL && records < WISHES_MAX; entry = entry->next) {
        if (entry->removed ||
            (!replaced(cluster, entry, &members) && !leave_wish(cluster, entry, &members)))
            continue;
        if (!catalogue_write_members(replica_gather(jetstream->meta), entry->assigned.id, &members))
            break;
        records++;
    }
    if (records > 0) /* the next ones when these are applied */
        (void)replica_propose(jetstream->meta, jetstream_log_now(jetstream), records);
}

void jetstream_members_turn(struct jetstream_cluster *cluster)
{
    struct jetstream *jetstream = cluster->jetstream;
    struct catalogue_entry *entry = jetstream->catalogue.first;

    wish(cluster);
    jetstream_entries_leave(jetstream);
    for (; entry != NULL; entry = entry->next) {
        jetstream_entry_is_still(jetstream, entry);
        if (!entry->removed && !entry->settled && entry->stream != NULL &&
            stream_leads(entry->stream))
            step(jetstream, entry);
    }
}
