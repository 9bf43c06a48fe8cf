/*
 * jetstream_leave: a node that was removed from the cluster for good (SERVER.REMOVE).
 *
 * The catalogue remembers the member: the node with the disk that it had. All else is found by
 * looking, so whoever leads finishes what another one began, in this order:
 *
 *     1. No stream is wished to be there any more: another node takes its place where one is free,
 *        else the stream has a replica less, and gets one as soon as a node is free. What is only
 *        there is moved while the node is up; else it stays where it is, out of reach.
 *     2. The metadata group gives the member up, by one change of its members. The wishes stand
 *        before that in its log, so a removed node that is up, or comes back, knows them.
 *
 * The same disk is never let in again, whatever it says of itself. An empty one is another member,
 * and joins as any fresh node does.
 */
#include <stdio.h>

#include "server/jetstream/jetstream_cluster_priv.h"

static struct logger *logger_of(const struct jetstream_cluster *cluster)
{
    return server_logger(cluster->jetstream->server);
}

static bool is_expelled(const struct jetstream_cluster *cluster, struct raft_member member)
{
    return catalogue_is_expelled(&cluster->jetstream->catalogue, member);
}

bool leave_expelled(const struct jetstream_cluster *cluster, struct raft_member member)
{
    return is_expelled(cluster, member) &&
           !jetstream_flawed(cluster->jetstream, JETSTREAM_FLAW_REMOVED_WELCOME);
}

/* ---- the streams ----------------------------------------------------------------------------- */

/* The members that may stay. */
static struct raft_config kept(const struct jetstream_cluster *cluster,
                               const struct raft_config *wished)
{
    struct raft_config stay = {0};

    for (uint32_t i = 0; i < wished->count; i++) {
        if (!is_expelled(cluster, wished->at[i]) ||
            jetstream_flawed(cluster->jetstream, JETSTREAM_FLAW_REMOVED_AWAITED))
            stay.at[stay.count++] = wished->at[i];
    }
    return stay;
}

static bool some_up(const struct jetstream_cluster *cluster, const struct raft_config *members)
{
    bool up = false;

    for (uint32_t i = 0; i < members->count; i++)
        up = up || groups_node_up(cluster->jetstream->home->groups, members->at[i].node);
    return up;
}

/* Is a node up that holds none of it? Asked before anything that takes longer. */
static bool has_room(const struct jetstream_cluster *cluster, const struct raft_config *wished)
{
    const struct raft_config *nodes = replica_members(cluster->jetstream->meta);

    for (uint32_t i = 0; i < nodes->count; i++) {
        if (groups_node_up(cluster->jetstream->home->groups, nodes->at[i].node) &&
            members_find(wished, nodes->at[i].node) == NULL && !is_expelled(cluster, nodes->at[i]))
            return true;
    }
    return false;
}

static bool includes(const struct raft_config *members, const struct raft_config *all)
{
    for (uint32_t i = 0; i < all->count; i++) {
        const struct raft_member *found = members_find(members, all->at[i].node);

        if (found == NULL || !members_equal(*found, all->at[i]))
            return false;
    }
    return true;
}

/* As many as it asks for, or as there are. */
static bool place_again(struct jetstream_cluster *cluster, const struct catalogue_entry *entry,
                        const struct raft_config *stay, struct raft_config *members)
{
    struct jetstream_wish wish = {
        .keep = entry,
        .replicas = entry->readable ? entry->config.num_replicas : (int64_t)entry->wished.count,
        .placement = entry->readable ? entry->config.placement : NULL,
    };
    char text[160];

    for (; wish.replicas > stay->count; wish.replicas--) {
        if (jetstream_cluster_place(cluster, &wish, members, text, sizeof text) &&
            includes(members, stay))
            return true;
    }
    return false;
}

/* Some of its members were removed, and it can do without, or be moved. */
static bool must_leave(const struct jetstream_cluster *cluster, const struct catalogue_entry *entry,
                       const struct raft_config *stay)
{
    return stay->count < entry->wished.count &&
           (stay->count > 0 || some_up(cluster, &entry->wished));
}

bool leave_wish(struct jetstream_cluster *cluster, const struct catalogue_entry *entry,
                struct raft_config *members)
{
    struct raft_config stay = kept(cluster, &entry->wished);
    bool shall_grow = entry->readable && entry->config.num_replicas > (int64_t)entry->wished.count;

    if (!must_leave(cluster, entry, &stay) && (!shall_grow || stay.count < entry->wished.count))
        return false;
    if (has_room(cluster, &entry->wished) && place_again(cluster, entry, &stay, members))
        return true;
    *members = stay;
    return stay.count > 0 && stay.count < entry->wished.count;
}

/* ---- the metadata group ---------------------------------------------------------------------- */

static bool streams_have_left(const struct jetstream_cluster *cluster)
{
    const struct catalogue_entry *entry = cluster->jetstream->catalogue.first;

    for (; entry != NULL; entry = entry->next) {
        struct raft_config stay = kept(cluster, &entry->wished);

        if (!entry->removed && stay.count > 0 && stay.count < entry->wished.count)
            return false;
    }
    return true;
}

static struct raft_config without(const struct raft_config *members, uint64_t node)
{
    struct raft_config rest = {0};

    for (uint32_t i = 0; i < members->count; i++) {
        if (members->at[i].node != node)
            rest.at[rest.count++] = members->at[i];
    }
    return rest;
}

/* Else the change could not be committed, and nobody would lead until one more is up. */
static bool has_majority(const struct jetstream_cluster *cluster, const struct raft_config *members)
{
    uint32_t voters = 0, up = 0;

    for (uint32_t i = 0; i < members->count; i++) {
        voters += !members->at[i].learner;
        up += !members->at[i].learner &&
              groups_node_up(cluster->jetstream->home->groups, members->at[i].node);
    }
    return up * 2 > voters;
}

bool leave_next(struct jetstream_cluster *cluster, struct raft_config *next)
{
    struct jetstream *jetstream = cluster->jetstream;
    const struct raft_config *members = replica_members(jetstream->meta);

    if (jetstream->catalogue.expelled.count == 0 || jetstream->op_current != NULL ||
        replica_applied(jetstream->meta) != replica_proposed(jetstream->meta))
        return false;
    for (uint32_t i = 0; i < members->count; i++) {
        if (!is_expelled(cluster, members->at[i]))
            continue;
        *next = without(members, members->at[i].node);
        if (!has_majority(cluster, next) || !streams_have_left(cluster))
            return false;
        if (members->at[i].node != cluster_self_id(cluster))
            return true;
        replica_transfer(jetstream->meta, 0); /* whoever leads then does it */
        return false;
    }
    return false;
}

/* ---- asking for it --------------------------------------------------------------------------- */

/* By what infos say of a peer, or by name; NULL: no such member. */
static const struct raft_member *find(const struct raft_config *members, struct bytes name,
                                      struct bytes id)
{
    for (uint32_t i = 0; i < members->count; i++) {
        char peer[9];

        snprintf(peer, sizeof peer, "%08x", (unsigned)members->at[i].node);
        if (id.size > 0 ? bytes_equal(id, bytes_of_text(peer))
                        : members->at[i].node == cluster_node_id(name))
            return &members->at[i];
    }
    return NULL;
}

/* A member that is up and of a version that cannot read the record; NULL: none. */
static const struct node_state *older(struct jetstream_cluster *cluster,
                                      const struct raft_config *members)
{
    for (uint32_t i = 0; i < members->count; i++) {
        const struct node_state *state = cluster_node_state(cluster, members->at[i].node);

        if (state != NULL && state->heard && !state->knows_removal)
            return state;
    }
    return NULL;
}

uint16_t jetstream_may_expel(struct jetstream *jetstream, struct bytes name, struct bytes id,
                             struct raft_member *member, char *text, size_t text_size)
{
    struct jetstream_cluster *cluster = jetstream->cluster;
    const struct raft_config *members = replica_members(jetstream->meta);
    const struct raft_member *found = find(members, name, id);
    const struct node_state *old = older(cluster, members);
    struct raft_config rest;

    if (found == NULL)
        return 10044;
    for (uint32_t i = 0; i < members->count; i++) {
        if (is_expelled(cluster, members->at[i]))
            return 10202;
    }
    *member = *found;
    rest = without(members, found->node);
    if (rest.count == 0)
        snprintf(text, text_size, "raft: cannot remove the last peer");
    else if (!has_majority(cluster, &rest))
        snprintf(text, text_size, "most of the servers that would be left are not up");
    else if (old != NULL)
        snprintf(text, text_size, "server %.*s is of a version that cannot remove servers",
                 BYTES_ARG(jetstream_node_name(jetstream, old->id)));
    else
        return 0;
    return 10041;
}

/* ---- being removed --------------------------------------------------------------------------- */

void leave_told(struct jetstream_cluster *cluster)
{
    const struct options *options = server_options(cluster->jetstream->server);

    if (cluster->left)
        return;
    cluster->left = true;
    cluster->jetstream->unhealthy = "this server was removed from the cluster";
    logger_error(
        logger_of(cluster),
        "JetStream cluster: this server was removed from the cluster, and is not let in "
        "again with the data it has. To use it as a new one, stop it, empty \"%s/millrace\" "
        "and start it",
        options->store_dir);
}

void leave_heard(struct jetstream_cluster *cluster, const struct node_state *state)
{
    const struct raft_member member = {.node = state->id, .incarnation = state->incarnation};

    if (!leave_expelled(cluster, member))
        return;
    logger_warn(logger_of(cluster),
                "JetStream cluster: server %.*s was removed, and is back with the same data: it is "
                "not let in",
                BYTES_ARG(jetstream_node_name(cluster->jetstream, state->id)));
    cluster_tell(cluster, state->id, JETSTREAM_EXPELLED, bytes_of(NULL, 0));
}

void leave_turn(struct jetstream_cluster *cluster)
{
    if (is_expelled(cluster, groups_self(cluster->jetstream->home->groups)))
        leave_told(cluster);
    cluster_forget_gone(cluster);
}

void jetstream_expelled(struct jetstream *jetstream)
{
    const struct catalogue_expelled *expelled = &jetstream->catalogue.expelled;

    if (jetstream->cluster == NULL || jetstream->recovering || expelled->count == 0)
        return;
    if (jetstream->lead)
        logger_info(
            server_logger(jetstream->server),
            "JetStream cluster: server %.*s is removed from the cluster",
            BYTES_ARG(jetstream_node_name(jetstream, expelled->at[expelled->count - 1].node)));
    jetstream_cluster_look(jetstream->cluster);
}
